"""`imagecli config path`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(_typed: Typed, renderer: Renderer) -> int:
    """Print where the config file is, or would be.

    Examples:
      imagecli config path
      "$EDITOR" "$(imagecli config path)"
    """
    import os

    from imagecli.config.file import config_path
    from imagecli.terminal.render import Page

    path = config_path(os.environ)
    return renderer.page(Page(os.fspath(path), {"path": os.fspath(path), "exists": path.exists()}))
