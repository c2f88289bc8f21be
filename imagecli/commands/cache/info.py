"""`imagecli cache info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Print how many responses the cache has, and how large they are.

    Examples:
      imagecli cache info
      imagecli cache info --json | jq .bytes
    """
    from contextlib import suppress
    from datetime import UTC, datetime

    from imagecli.cache.folder import entries, folder_of
    from imagecli.config.settings import load
    from imagecli.disk import as_size
    from imagecli.terminal.render import Page
    from imagecli.terminal.sheet import aligned

    folder = folder_of(load(typed.__dict__, command="cache info").options.cache_dir.value)
    count, total, oldest = 0, 0, None
    for each in entries(folder):
        count, total = count + 1, total + each.bytes
        oldest = each.used if oldest is None else min(oldest, each.used)
    day = None
    with suppress(OverflowError, OSError, ValueError):  # a file may say that it is from any year
        day = None if oldest is None else datetime.fromtimestamp(oldest, UTC).isoformat(timespec="seconds")
    rows = [("path", folder), ("entries", f"{count:,}"), ("size", as_size(total)), ("oldest", day or "none")]
    return renderer.page(
        Page(aligned(rows, renderer.console.sheet), {"path": folder, "entries": count, "bytes": total, "oldest": day})
    )
