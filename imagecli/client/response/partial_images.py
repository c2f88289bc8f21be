"""Partial images, shown while the rest of the stream is still to come."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imagecli.client.response.events import Event, EventReader, looks_like_events
from imagecli.client.response.sources import Inline, decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.client.http import Piece
    from imagecli.client.response.spool import Spool
    from imagecli.client.retry import StateObserver

    PartialObserver = Callable[[int, bytes], None]
    """Given a partial image's number, from 1, and its file's bytes."""

_HEAD = 16
_MAX_NUMBER = 999
_MAX_BYTES = 100_000_000
"""Of base64: a partial image that is shown is in memory whole."""
_MOST_SHOWN = 64
_MAX_BYTES_SHOWN = 500_000_000
"""Of all that are shown of one response: three are asked for at most."""


class PartialImageReader:
    """Reads a response while it is spooled; one that is not a stream of events it leaves alone."""

    def __init__(self, spool: Spool, watch: StateObserver, show: PartialObserver) -> None:
        """Report each partial image to `watch`, and give it to `show`."""
        self._spool = spool
        self._watch = watch
        self._show = show
        self._reader: EventReader | None = None
        self._decided = False
        self._count = 0
        self._bytes = 0

    def read(self, piece: Piece) -> bool:
        """Read a piece that was just spooled, and return whether the stream has ended with it."""
        if not self._decided and self._spool.size >= _HEAD:
            self._decided = True
            if looks_like_events(self._spool.read(0, _HEAD)):
                self._reader = EventReader()
                piece = self._spool.read(0, self._spool.size)
        if self._reader is not None:
            for event in self._reader.feed(bytes(piece)):
                self._show_partial(event)
        return self._reader is not None and self._reader.ended

    def _show_partial(self, event: Event) -> None:
        from imagecli.client.response.streams import partial_of

        item = partial_of(event, self._spool)
        if item is None:
            return
        self._count += 1
        index = event.document.get("partial_image_index")
        number = index + 1 if type(index) is int and 0 <= index < _MAX_NUMBER else self._count
        self._watch(f"partial {number}", None)
        self._bytes += item.source.size if isinstance(item.source, Inline) else 0
        if self._count > _MOST_SHOWN or self._bytes > _MAX_BYTES_SHOWN:
            return
        if isinstance(item.source, Inline) and item.source.size <= _MAX_BYTES:
            with suppress(Exception):  # no error in showing it may cost the finished image, which is paid for
                self._show(number, b"".join(decode(item.source, self._spool)))
