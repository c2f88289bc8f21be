"""`imagecli cache path`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Print where the cache is, or would be.

    Examples:
      imagecli cache path
      du -sh "$(imagecli cache path)"
    """
    import os

    from imagecli.cache.folder import folder_of
    from imagecli.config.settings import load
    from imagecli.terminal.render import Page

    folder = folder_of(load(typed.__dict__, command="cache path").options.cache_dir.value)
    return renderer.page(Page(folder, {"path": folder, "exists": os.path.isdir(folder)}))
