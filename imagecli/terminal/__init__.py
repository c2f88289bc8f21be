"""The terminal: what a run says on stdout and stderr, the progress line, and pictures drawn in the window."""
