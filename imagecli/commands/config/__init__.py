"""Read and write settings, profiles and keys.

Examples:
  imagecli config show
  imagecli config set defaults.size landscape
  imagecli config check sandbox

A flag goes before its environment variable, that before the config file, and there a profile's own defaults go before
[defaults]. `imagecli config show` says what applies, and from where.
"""
