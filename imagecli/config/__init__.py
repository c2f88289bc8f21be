"""Settings, profiles and keys: what a run works with, where each value came from, and which key may go where.

    settings.load(flags)     flag > environment > config file (the profile, then [defaults]) > built in
    keys.find_key(profile)   the key that belongs to the profile's base URL, or None

What a run may not need (platformdirs, tomllib, tomlkit, keyring) is imported when it is first used.
"""
