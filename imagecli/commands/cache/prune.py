"""`imagecli cache prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Remove responses from the cache.

    Those that were not used for long, or the oldest of too many. Only the cache's own entries are removed, whatever
    else is in the folder.

    Examples:
      imagecli cache prune --older 30d
      imagecli cache prune --larger 5G
      imagecli cache prune --larger 0
    """
    import time

    from imagecli.cache.folder import folder_of, prune, read_age, read_bytes
    from imagecli.config.settings import load
    from imagecli.disk import as_size
    from imagecli.errors import UsageProblem
    from imagecli.terminal.render import Page

    folder = folder_of(load(typed.__dict__, command="cache prune").options.cache_dir.value)
    if typed.older is None and typed.larger is None:
        raise UsageProblem(
            "cache prune needs --older or --larger", hint="For instance --older 30d, or --larger 5G; --larger 0: all."
        )
    before = None if typed.older is None else time.time() - read_age(typed.older)
    larger = None if typed.larger is None else read_bytes(typed.larger)
    removed = prune(folder, before=before, larger=larger)
    total = sum(each.bytes for each in removed)
    text = f"{len(removed):,} entr{'y' if len(removed) == 1 else 'ies'} removed, {as_size(total)}"
    return renderer.page(Page(text, {"path": folder, "removed": len(removed), "bytes": total}))
