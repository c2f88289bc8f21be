"""Where images go: their names, files written whole or not at all, stdout, memory."""
