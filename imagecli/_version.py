"""The version, in a module of its own so that every room can import it."""

# A literal: asking importlib.metadata would cost more than all of `imagecli --version`.
__version__ = "0.2.0"
