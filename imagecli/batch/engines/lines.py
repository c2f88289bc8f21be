"""The lines of a file of results, read as it comes: each in a spool of its own, however long it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.batch.engines.engine import Line
from imagecli.client.response.spool import NotJsonError, ResponseTooLargeError, Spool, outline
from imagecli.errors import Failure, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def lines_of(pieces: Iterable[bytes], start: int = 0) -> Iterator[Line]:
    """Yield the lines that are not empty.

    Args:
        pieces: what is in the file, from `start` on.
        start: the byte at which they begin; a cursor is the byte behind a line.

    Raises:
        Unavailable: the last line is cut off.
    """
    at, spool = start, Spool(None)
    try:
        for piece in pieces:
            begin = 0
            while (end := piece.find(b"\n", begin)) >= 0:
                _write(spool, piece[begin:end])
                at += spool.size + 1
                if spool.size:
                    yield _line(spool, str(at))
                    spool = Spool(None)
                begin = end + 1
            _write(spool, piece[begin:])
        if spool.size:
            last = _line(spool, str(at + spool.size))
            if last.custom_id is None:
                raise Unavailable("the results of the batch are cut off", hint="Fetch them again for the rest.")
            yield last
    finally:
        spool.discard()


def _write(spool: Spool, data: bytes) -> None:
    try:
        spool.write(data)
    except ResponseTooLargeError as error:
        raise Failure("a line of the batch's results is too large to be read") from error


def _line(spool: Spool, cursor: str) -> Line:
    try:
        document = outline(spool)
    except NotJsonError:
        document = None
    if not isinstance(document, dict):
        return Line(None, {}, spool, cursor)
    custom_id = document.get("custom_id")
    return Line(custom_id if isinstance(custom_id, str) else None, document, spool, cursor)
