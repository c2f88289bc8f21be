"""imagecli: make and change pictures from a shell, with any server that speaks the OpenAI Images API."""

from __future__ import annotations

# What type checkers take for typing's own, which would double the time of `imagecli --version`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from imagecli.api import ImageClient

# A literal: asking importlib.metadata would cost more than all of `imagecli --version`.
__version__ = "0.1.0"
__all__ = ["ImageClient", "__version__"]


def __getattr__(name: str) -> object:
    """Hand on `ImageClient` when it is first asked for, so that importing the package costs nothing."""
    if name == "ImageClient":
        from imagecli.api import ImageClient

        return ImageClient
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
