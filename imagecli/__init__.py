"""imagecli: make and edit images from a shell, with any server that speaks the OpenAI Images API."""

from __future__ import annotations

from imagecli._version import __version__

# What type checkers take for typing's own, which would double the time of `imagecli --version`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from imagecli.api import ImageClient

__all__ = ["ImageClient", "__version__"]


def __getattr__(name: str) -> object:
    """Hand on `ImageClient` when it is first asked for, so that importing the package costs nothing."""
    if name == "ImageClient":
        from imagecli.api import ImageClient

        return ImageClient
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
