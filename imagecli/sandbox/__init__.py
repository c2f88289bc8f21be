"""The offline Images API: OpenAI's wire format without a model behind it.

`app.create_app()` is the API as a WSGI application, `serve.serve()` the same as a server on 127.0.0.1. What it answers
is painted, always alike for the same prompt, size and seed, and says SANDBOX.
"""
