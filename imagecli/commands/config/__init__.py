"""Read and write settings, profiles and keys.

Examples:
  imagecli config show
  imagecli config set defaults.size landscape
  imagecli config check sandbox
"""
