"""An offline server that speaks OpenAI's Images, Files and Batch API, with a painter instead of a model.

`api.app.create_app()` is the server as a WSGI application, `api.server.serve()` the same over HTTP on 127.0.0.1. Its
images say SANDBOX and are always the same for the same prompt and size.
"""
