"""Talking to image servers: one request in, one answer on disk out, or an error that says what became of the money."""
