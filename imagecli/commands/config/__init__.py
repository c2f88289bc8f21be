"""Settings, profiles and keys.

\b
Examples:
  imagecli config show
  imagecli config set defaults.size landscape
  imagecli config check sandbox
"""
