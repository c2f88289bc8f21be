"""One file a command: flags → request → workflow → result → shown."""
