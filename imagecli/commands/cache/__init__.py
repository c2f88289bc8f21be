"""The responses that --cache keeps.

\b
Examples:
  imagecli cache info
  imagecli cache prune --older 30d
  imagecli cache path
"""
