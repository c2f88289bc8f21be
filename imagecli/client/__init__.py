"""Talking to image servers: one request in, one response on disk out, or an error that shows what may be billed."""
