"""Look at the responses that --cache keeps, and remove them.

Examples:
  imagecli cache info
  imagecli cache prune --older 30d
  imagecli cache path
"""
