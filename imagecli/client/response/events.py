"""Server-sent events, read while they come, with their long strings left in the spool."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.client.response.spool import LONG_STRING, NotJsonError, Outliner, parsed, parsed_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.client.response.spool import Spool

_BEGINNINGS = (b"event:", b"data:", b"id:", b"retry:", b":")
_LONGEST_NAME = 200
_MOST_EVENTS = 100_000
"""Events of one stream; what comes after them is not read, as no image comes with so many."""


class Event(NamedTuple):
    """One event whose data is a JSON document."""

    name: str
    """Of its `event` line; "" where it has none."""
    document: Any


def looks_like_events(head: bytes) -> bool:
    """Return whether a response begins as a stream of events does, whatever its headers call it."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").startswith(_BEGINNINGS)


def read_events(spool: Spool, reader: EventReader) -> Iterator[Event]:
    """Yield the events of a whole stream, without one that is cut off at its end: `reader.is_cut` says so."""
    for chunk in spool.chunks():
        yield from reader.feed(chunk)
    yield from reader.finish()


class EventReader:
    """Splits a stream into events, whichever way its bytes come in pieces.

    Lines end in LF, CRLF or CR, an empty one ends an event (WHATWG HTML, section 9.2.6). Data that is not JSON, such as
    "[DONE]", is skipped.
    """

    def __init__(self) -> None:
        """Start at the beginning of the spool."""
        self._offset = 0
        self._field: bytes | None = b""
        """Name of the current line as far as it has come; None after the colon."""
        self._name = b""
        """Name of the current line, once it is known."""
        self._blank = False
        """Whether the one space that may follow the colon may still come."""
        self._value = bytearray()
        """Value of the current line, where it is not data."""
        self._after_return = False
        self._left = _MOST_EVENTS
        self.is_cut = False
        """Whether the stream ended in the middle of an event."""
        self.ended = False
        """Whether nothing more is read: "[DONE]" has come, after which some servers leave the connection open, or too
        many events."""
        self._begin()

    def _begin(self) -> None:
        self._event = b""
        self._data: list[tuple[bytes, int]] = []
        """The data of a short event, in pieces with their places in the spool."""
        self._size = 0
        self._outliner: Outliner | None = None
        """Takes the data instead, once the event is long enough for a long string."""
        self._has_data = False
        self._broken = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that end in the next piece of the stream."""
        position, feed, back = 0, -1, -1
        while position < len(chunk):
            if self._after_return and chunk[position : position + 1] == b"\n":
                position += 1
                self._after_return = False
                continue
            self._after_return = False
            # Each is searched for only after the last one: nothing is read twice, however many lines come.
            feed = feed if feed >= position else _find(chunk, b"\n", position)
            back = back if back >= position else _find(chunk, b"\r", position)
            end = min(feed, back)
            self._piece(chunk[position:end], self._offset + position)
            if end < len(chunk):
                self._after_return = chunk[end : end + 1] == b"\r"
                yield from self._end_line()
                end += 1
            position = end
        self._offset += len(chunk)

    def finish(self) -> Iterator[Event]:
        """Yield the last event, where the stream ended without the empty line after it."""
        if self._field is None:
            self._end_field()
        begun = self._has_data or bool(self._event)
        last = list(self._dispatch())
        self.is_cut = begun and not last and not self.ended
        yield from last

    def _piece(self, piece: bytes, at: int) -> None:
        """Take a piece of a line; `at` is its place in the spool."""
        if self._field is not None:
            name, colon, rest = piece.partition(b":")
            self._field = (self._field + name)[:_LONGEST_NAME]
            if not colon:
                return
            self._name, self._field, self._blank = self._field.removeprefix(b"\xef\xbb\xbf"), None, True
            if self._name == b"data":
                self._feed(b"\n" if self._has_data else b"", at)
                self._has_data = True
            at += len(piece) - len(rest)
            piece = rest
        if self._blank and piece:
            self._blank = False
            if piece.startswith(b" "):
                piece, at = piece[1:], at + 1
        if self._name == b"data":
            self._feed(piece, at)
        elif len(self._value) < _LONGEST_NAME:
            self._value += piece[:_LONGEST_NAME]

    def _feed(self, piece: bytes, at: int) -> None:
        if self._broken:
            return
        self._data.append((piece, at))
        self._size += len(piece)
        if self._size <= LONG_STRING:
            return
        self._outliner = self._outliner or Outliner()
        try:
            for held, place in self._data:
                self._outliner.feed(held, place)
        except NotJsonError:
            self._broken = True
        self._data.clear()

    def _end_line(self) -> Iterator[Event]:
        if self._field == b"":
            yield from self._dispatch()
        elif self._field is None:
            self._end_field()
        self._field = b""

    def _end_field(self) -> None:
        if self._name == b"event":
            self._event = bytes(self._value)
        self._value.clear()

    def _dispatch(self) -> Iterator[Event]:
        if not (self._has_data or self._event) or self.ended:
            return
        self._left -= 1
        if self._has_data and not self._broken:
            name = self._event.decode("utf-8", "replace")
            with suppress(NotJsonError):
                document = self._document(name)
                yield Event(name, document if name != "error" or isinstance(document, dict) else {"error": document})
        self.ended = self.ended or not self._left
        self._begin()

    def _document(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the data of the event that has ended; the text itself where that is an error.

        Raises:
            NotJsonError: it is not JSON.
        """
        text, strings = self._outliner.finish() if self._outliner is not None else (self._short_text(), None)
        try:
            return parsed_whole(text) if strings is None else parsed(text, strings)
        except NotJsonError:
            self.ended = self.ended or text.strip() == "[DONE]"
            if name != "error":
                raise
            return {"error": text}

    def _short_text(self) -> str:
        data = b"".join(piece for piece, _ in self._data)
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _find(chunk: bytes, byte: bytes, start: int) -> int:
    """Return the position of the next such byte; the chunk's length where none follows."""
    found = chunk.find(byte, start)
    return len(chunk) if found < 0 else found
