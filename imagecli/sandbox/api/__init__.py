"""The sandbox on the wire: a WSGI app that speaks OpenAI's Images API."""
