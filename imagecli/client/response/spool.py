"""Where a response lands before it is read: a private file, so that a paid response outlives any error.

Memory stays small whatever the response's size: `outline` leaves every long string of a JSON document in the file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import threading
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from imagecli import system
from imagecli.disk import write_all
from imagecli.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.client.http import Piece
    from imagecli.client.response.files import Run

    Cleaner = Callable[["Spool"], None]

# Larger pieces would be mapped and unmapped again each time, which costs more than reading them.
CHUNK = 1 << 17
MAX_RESPONSE = 2 << 30
"""Bytes (decompressed) of a response; a larger one is not read to its end."""
LONG_STRING = 4096
"""Bytes of a string that stays in a document; a longer one is left in the file."""
_MAX_OUTLINE = 4 << 20
_MOST_DOCUMENTS = 1000
_LONGEST_INTEGER = 300
_LONGEST_ESCAPE = 6


class ResponseTooLargeError(Exception):
    """The response is larger than its spool's limit."""


class Spool:
    """One response's file: appended to, then read many times, and removed unless it is kept.

    Where there is no room on the disk it goes on in memory: the response is paid for.
    """

    def __init__(
        self,
        run: Run | None,
        limit: int = MAX_RESPONSE,
        *,
        number: int = 1,
        clean: Cleaner | None = None,
        kept: str | None = None,
    ) -> None:
        """Open a file.

        Args:
            run: the run whose file it is; None: it has no name, and can't be kept.
            limit: the most bytes that it takes.
            number: the first image, from 1, that the response may contain.
            clean: takes the secrets out of a response that is to be kept.
            kept: the file of a response that was kept, to be read again; it stays.

        Raises:
            OSError: that file can't be read.
        """
        self.clean = clean
        self.path: str | None = None
        self.size = 0
        self.run = run
        self.limit = limit
        self.number = number
        self._tail: io.BytesIO | None = None
        self._on_disk = 0
        self._file: IO[bytes] | None = None
        self._ending = threading.RLock()
        """Held while it is kept or discarded: by its worker, and by an interrupt that can't wait for that."""
        if kept is not None:
            self._file = open(kept, "rb", buffering=0)  # noqa: SIM115 - it is closed by discard
            self.size = self._on_disk = os.fstat(self._file.fileno()).st_size
            return
        try:
            if run is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the response
            else:
                descriptor, self.path = run.create(number)
                self._file = os.fdopen(descriptor, "w+b", buffering=0)
        except OSError:
            self._tail = io.BytesIO()

    def another(self) -> Spool:
        """Return an empty one for another form of the same response."""
        return Spool(self.run, limit=self.limit, number=self.number, clean=self.clean)

    def write(self, data: Piece) -> None:
        """Append `data`.

        Raises:
            ResponseTooLargeError: the response is larger than the limit.
        """
        self.size += len(data)
        if self.size > self.limit:
            raise ResponseTooLargeError
        if self._tail is None and self._file is not None:
            try:
                view = memoryview(data)
                while view:
                    written = self._file.write(view) or 0
                    self._on_disk += written
                    view = view[written:]
            except OSError:
                self._tail = io.BytesIO()
                data = bytes(view)
            else:
                return
        if self._tail is not None:
            self._tail.write(data)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`."""
        data = b""
        if start < self._on_disk and self._file is not None:
            data = system.read_at(self._file.fileno(), min(end, self._on_disk) - start, start)
        if self._tail is not None and end > self._on_disk:
            data += self._tail.getbuffer()[max(0, start - self._on_disk) : end - self._on_disk]
        return data

    def overwrite(self, start: int, data: bytes) -> None:
        """Replace the bytes from `start` on."""
        on_disk = data[: max(0, self._on_disk - start)]
        if on_disk and self._file is not None:
            system.write_at(self._file.fileno(), on_disk, start)
        if self._tail is not None and len(on_disk) < len(data):
            at = start + len(on_disk) - self._on_disk
            self._tail.getbuffer()[at : at + len(data) - len(on_disk)] = data[len(on_disk) :]

    def replace(self, other: Spool) -> None:
        """Have the content of another one in place of its own."""
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
        self._tail = None if self._file is not None else io.BytesIO()
        self.size = self._on_disk = 0
        for chunk in other.chunks():
            self.write(chunk)

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end`, a piece at a time."""
        end = self.size if end is None else end
        while start < end:
            chunk = self.read(start, min(end, start + CHUNK))
            if not chunk:
                raise Failure("the saved response was truncated while it was read", saved_response=self.path)
            yield chunk
            start += len(chunk)

    def discard(self) -> None:
        """Close and remove the file."""
        with self._ending:
            self._close()
            if self.path is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self.path)
                self.path = None
            self.size = self._on_disk = 0

    def keep(self) -> str | None:
        """Close the file and return the path under which all of it is kept; None where there is room nowhere.

        It is kept without the secrets that the server repeated in it.
        """
        kept = None
        with self._ending:
            if self.run is not None and self.size:
                if self.clean is not None:
                    self.clean(self)
                kept = self._named() or self.run.rescue(self.number, self._copy)
            self.discard()
        return kept

    def _named(self) -> str | None:
        """Give the file the name of one that is kept, if all of it is on this disk."""
        if self.run is None or self.path is None or self._file is None or self._tail is not None:
            return None
        try:
            os.fsync(self._file.fileno())
            return self.run.keep(self.path)
        except OSError:
            return None

    def _copy(self, descriptor: int) -> None:
        for chunk in self.chunks():
            write_all(descriptor, chunk)

    def _close(self) -> None:
        self._tail = None
        if self._file is not None:
            with contextlib.suppress(OSError):  # what a file that is removed could not take matters to nobody
                self._file.close()


class LongString(NamedTuple):
    """A JSON string that was left in the file: the bytes between its quotes."""

    start: int
    end: int


def read_text(spool: Spool, long: LongString, limit: int | None = None) -> str:
    """Return the text of a string that was left in the file; no more than its first `limit` bytes."""
    end = long.end if limit is None else min(long.end, long.start + limit)
    body = spool.read(long.start, end)
    for cut in range(1 if end == long.end else _LONGEST_ESCAPE):  # an escape, or a character, may be cut off
        with contextlib.suppress(ValueError):
            text: str = json.loads(b'"' + body[: len(body) - cut] + b'"', strict=False)
            return text
    return body.decode("utf-8", "replace")  # no JSON string, but all there is


class NotJsonError(ValueError):
    """The response is not a JSON document."""

    is_cut = False
    """Whether it ends before its end."""


class CutOffError(Failure):
    """A response ends before its end, however orderly the connection was closed."""


def outline(spool: Spool, complete: Callable[[str], str] | None = None) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the spooled JSON document with every long string replaced by a `LongString`.

    `complete` closes one that is cut off.

    Raises:
        NotJsonError: it is cut off, nested too deeply, contains too much besides its long strings, or is not JSON.
    """
    outliner, at = Outliner(), 0
    for chunk in spool.chunks():
        outliner.feed(chunk, at)
        at += len(chunk)
    text, strings = outliner.finish(cut=complete is not None)
    return parsed(complete(text) if complete is not None else text, strings)


class _Strings(NamedTuple):
    """The long strings of an outline; in its text each is the token and its number."""

    token: str
    places: list[LongString]


def parsed(text: str, strings: _Strings) -> Any:  # noqa: ANN401 - any JSON
    """Return the document of an outline.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
    """
    return _with_strings(parsed_whole(text), strings)


def parsed_whole(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the document of a text without long strings.

    Raises:
        NotJsonError: it is not JSON, or nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise NotJsonError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        failed = NotJsonError(str(error))
        failed.is_cut = _is_begun(text[error.pos :])
        raise failed from error
    except ValueError as error:
        raise NotJsonError(str(error)) from error


def _is_begun(rest: str) -> bool:
    """Return whether what can't be read of a document is nothing, or the beginning of a value."""
    return len(rest) < len("false") and any(word.startswith(rest.strip()) for word in ("true", "false", "null"))


def documents(spool: Spool) -> list[Any]:
    """Return the JSON documents that follow one another in a spool, as lines do; none from the first that is not JSON.

    Raises:
        NotJsonError: they contain too much besides their long strings.
    """
    outliner, at = Outliner(), 0
    for chunk in spool.chunks():
        outliner.feed(chunk, at)
        at += len(chunk)
    text, strings = outliner.finish(cut=True)
    found: list[Any] = []
    at = 0
    with contextlib.suppress(ValueError, RecursionError):
        while len(found) < _MOST_DOCUMENTS:
            document, at = _DECODER.raw_decode(text, len(text) - len(text[at:].lstrip()))
            found.append(_with_strings(document, strings))
    return found


def _integer(digits: str) -> float:
    """Read a number that need not be exact; Python refuses to read integers of thousands of digits."""
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)


_DECODER = json.JSONDecoder(parse_int=_integer)  # one for all: a stream may have many events


class Outliner:
    """Copies a document with a token in the place of each long string. No server can guess the token."""

    def __init__(self) -> None:
        """Start with an empty document."""
        self._token = f"imagecli:{os.urandom(16).hex()}:"
        self._kept = bytearray()
        self._strings: list[LongString] = []
        self._offset = 0
        self._start: int | None = None
        """Where the current string began; None outside strings."""
        self._held = bytearray()
        """The current string, as long as it is short."""
        self._backslashes = 0
        """How many backslashes end what was read of it."""

    def feed(self, chunk: bytes, at: int) -> None:
        """Take the next piece of the document, which is at `at` in the spool.

        Raises:
            NotJsonError: it contains too much besides its long strings.
        """
        self._offset = at
        position = 0
        while position < len(chunk):
            quote = chunk.find(b'"', position)
            end = len(chunk) if quote < 0 else quote
            if self._start is None:
                self._kept += chunk[position : end + 1]
                if quote >= 0:
                    self._start, self._backslashes = self._offset + quote + 1, 0
                    self._held.clear()
            else:
                self._string(chunk, position, end, closed=quote >= 0)
            if len(self._kept) > _MAX_OUTLINE:
                raise NotJsonError("it contains too much besides its images")
            position = end + 1

    def _string(self, chunk: bytes, position: int, end: int, *, closed: bool) -> None:
        """Go on in a string up to `end`, which is a quote if `closed`."""
        if len(self._held) <= LONG_STRING:
            self._held += chunk[position : min(end, position + LONG_STRING + 1)]
        self._backslashes = _trailing_backslashes(chunk, position, end, self._backslashes)
        if not closed:
            return
        if self._backslashes % 2:
            self._held += b'"'
            self._backslashes = 0
            return
        start, end = self._start or 0, self._offset + end
        if end - start > LONG_STRING:
            self._kept += f'{self._token}{len(self._strings)}"'.encode()
            self._strings.append(LongString(start, end))
        else:
            self._kept += self._held + b'"'
        self._start = None

    def long_strings(self, end: int) -> list[LongString]:
        """Return the long strings so far, with one that is not closed at `end`, where the document was left."""
        open_string = [] if self._start is None else [LongString(self._start, end)]
        return [*self._strings, *(each for each in open_string if each.end - each.start > LONG_STRING)]

    def finish(self, *, cut: bool = False) -> tuple[str, _Strings]:
        """Return the outline and its long strings; where it may be `cut`, without a string that has no end.

        Raises:
            NotJsonError: the document is cut off.
        """
        if self._start is not None:
            if not cut:
                failed = NotJsonError("it is cut off inside a string")
                failed.is_cut = True
                raise failed
            del self._kept[-1:]
        return self._kept.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"), _Strings(self._token, self._strings)


def _trailing_backslashes(chunk: bytes, start: int, end: int, before: int) -> int:
    """Count the backslashes that end chunk[start:end]; `before` counts if it contains nothing else."""
    count = 0
    while end - count > start and chunk[end - count - 1] == 0x5C:  # noqa: PLR2004 - a backslash
        count += 1
    return count + before if count == end - start else count


def _with_strings(document: Any, strings: _Strings) -> Any:  # noqa: ANN401 - any JSON
    """Put the long strings in the places of their tokens, without recursion."""
    token, places = strings
    if isinstance(document, str):
        return places[int(document[len(token) :])] if document.startswith(token) else document
    todo = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            for key in [key for key in node if key.startswith(token)]:
                place = places[int(key[len(token) :])]
                node[f"(a name of {place.end - place.start} bytes, at {place.start})"] = node.pop(key)
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(pairs):
            if isinstance(value, str) and value.startswith(token):
                node[key] = places[int(value[len(token) :])]
            elif isinstance(value, (dict, list)):
                todo.append(value)
    return document


def unescape(text: bytes) -> bytes:
    """Undo JSON's escapes in a piece of a string; no escape, nor a pair of surrogates, is split at its ends.

    Raises:
        ValueError: an escape is not valid, or half of a pair.
    """
    if b"\\" not in text:
        return text
    # A character may be split, which `surrogateescape` carries over.
    string: str = json.loads('"' + text.decode("utf-8", "surrogateescape") + '"', strict=False)
    return string.encode("utf-8", "surrogateescape")
