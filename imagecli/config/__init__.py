"""Settings, profiles and keys: what was asked for, where each value came from, and which key may go where.

    settings.load(flags)     flag > environment > config file (the profile, then [defaults]) > built in
    keys.find_key(profile)   the key that belongs to the profile's address, or None

Whatever a run may not need (platformdirs, tomllib, tomlkit, keyring) is imported where it is first asked for.
"""
