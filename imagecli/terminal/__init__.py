"""The terminal: what a run writes to stdout and stderr, the progress line, and previews of images."""
