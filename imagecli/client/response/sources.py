"""Where an image of a response is, what it begins as, and its bytes a piece at a time."""

from __future__ import annotations

import binascii
import re
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

import pybase64

from imagecli.client.response.spool import LongString, Spool, read_text, unescape
from imagecli.errors import Failure
from imagecli.images.sniffing import sniff

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.errors import ImagecliError

IMAGE_KINDS = frozenset({"png", "jpeg", "webp", "gif", "svg", "avif", "heic", "tiff"})
"""What `sniff` calls images; one of a kind that no model is known to make is found, and then named for what it is."""
_HEAD = 4096
_FIRST_LOOK = 512
"""Bytes of a string that show what it begins as."""
_SHORTEST_IMAGE = 40
"""Characters: no image is shorter, however it is written."""
_LONGEST_ESCAPE = 6
_HALF_OF_PAIR = rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\Z"
"""The first escape of two that are one character."""
_MARKUP = (b"<", rb"\u003c")
"""How an SVG's text begins, escaped or not."""
_NOT_BASE64 = re.compile(rb"\\[^/nrtu]")
_DATA_URL = re.compile(rb"\s*(?:data:|(?=image/))[^,;]*((?:;[^,;]*)*),", re.IGNORECASE)
"""Its beginning, which some servers leave the scheme out of."""
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n"


class Inline(NamedTuple):
    """Base64, a data: URL or an SVG's text inside the response: a short string, or its place in the spool."""

    text: str | LongString

    @property
    def size(self) -> int:
        """Bytes in the response."""
        return len(self.text) if isinstance(self.text, str) else self.text.end - self.text.start


class Link(NamedTuple):
    """A URL to download the image from, as the server wrote it."""

    url: str


class Raw(NamedTuple):
    """The response's body is the image."""


class Region(NamedTuple):
    """The image's own bytes are a part of the file, as in the cache."""

    start: int
    end: int


class Withheld(NamedTuple):
    """No image: the server reports an error in its place."""

    error: ImagecliError


class Item(NamedTuple):
    """One image of a response."""

    source: Inline | Link | Raw | Region | Withheld
    revised_prompt: str | None = None

    @property
    def withheld(self) -> ImagecliError | None:
        """The error in the place of the image; None where there is one."""
        return self.source.error if isinstance(self.source, Withheld) else None


def kind_of(text: str | LongString, spool: Spool) -> str | None:
    """Return what a string begins as: what `sniff` calls an image's bytes; None where it is not an image's."""
    if isinstance(text, str) and len(text) < _SHORTEST_IMAGE:
        return None
    head = text[:_FIRST_LOOK] if isinstance(text, str) else read_text(spool, text, _FIRST_LOOK)
    try:
        begun = b"".join(_decoded(iter((head.encode("utf-8", "replace"),)), whole=False))
    except ValueError:
        return None
    kind = sniff(begun)
    return kind if kind in IMAGE_KINDS else None


def decode(source: Inline | Raw | Region, spool: Spool) -> Iterator[bytes]:
    """Yield the image's bytes, a piece at a time.

    Raises:
        Failure: it is not base64.
    """
    if isinstance(source, Raw):
        yield from spool.chunks()
        return
    if isinstance(source, Region):
        yield from spool.chunks(*source)
        return
    try:
        yield from _decoded(pieces_of(source.text, spool))
    except (binascii.Error, ValueError) as error:
        raise Failure("the server sent something other than base64 as an image") from error


def _decoded(pieces: Iterator[bytes], *, whole: bool = True) -> Iterator[bytes]:
    """Undo base64, a data: URL, or nothing where it is an SVG's text; unless it is `whole`, it may be cut off."""
    first = next(pieces, b"")
    if first.lstrip()[:1] == b"<":
        yield first
        yield from pieces
        return
    prefix = _DATA_URL.match(first)
    first = first[prefix.end() :] if prefix else first
    if prefix is None:
        yield from _from_base64(chain((first,), pieces), whole=whole)
        return
    plain = _from_percents(first, pieces)
    yield from _from_base64(plain, whole=whole) if b";base64" in prefix[1].lower() else plain


def _from_percents(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Undo percent-encoding; no %XX is split at the end of a piece."""
    for piece in pieces:
        cut = held.find(b"%", max(0, len(held) - 2))
        cut = len(held) if cut < 0 else cut
        yield unquote_to_bytes(held[:cut])
        held = held[cut:] + piece
    yield unquote_to_bytes(held)


def pieces_of(text: str | LongString, spool: Spool, *, is_base64: bool | None = None) -> Iterator[bytes]:
    """Yield the string's bytes, unescaped; no escape is split. Whether it is base64 shows where it is not known.

    Raises:
        ValueError: it has escapes that base64 has not, or no string has.
    """
    if isinstance(text, str):
        yield text.encode("utf-8", "replace")
        return
    rest = b""
    for chunk in spool.chunks(text.start, text.end):
        piece = rest + chunk
        if is_base64 is None:
            prefix = _DATA_URL.match(piece)
            begun = piece.lstrip()[:_LONGEST_ESCAPE].lower()
            is_base64 = b";base64" in prefix[1].lower() if prefix else not begun.startswith(_MARKUP)
        last = piece.rfind(b"\\", max(0, len(piece) - _LONGEST_ESCAPE))
        cut = len(piece) if last < 0 else _run_start(piece, last)
        if not is_base64 and re.search(_HALF_OF_PAIR, piece[max(0, cut - _LONGEST_ESCAPE) : cut]):
            cut = _run_start(piece, cut - _LONGEST_ESCAPE)
        piece, rest = piece[:cut], piece[cut:]
        if len(rest) > _HEAD or (is_base64 and b"\\" in piece and _NOT_BASE64.search(piece)):
            raise ValueError("not base64")
        yield unescape(piece)
    if rest:
        yield unescape(rest)


def _run_start(piece: bytes, position: int) -> int:
    """Return the start of the run of backslashes that ends at `position`."""
    while position and piece[position - 1] == 0x5C:  # noqa: PLR2004 - a backslash
        position -= 1
    return position


def _from_base64(pieces: Iterable[bytes], *, whole: bool) -> Iterator[bytes]:
    """Decode in whole groups of four; line breaks, the URL-safe alphabet and missing padding are accepted."""
    held, ended = b"", False
    for piece in pieces:
        if not (held or ended or len(piece) % 4):
            with suppress(binascii.Error):  # as nearly all are
                yield pybase64.b64decode(piece, validate=True)
                ended = piece.endswith(b"=")
                continue
        held += _normalised(piece)
        if ended and held.strip(b"="):
            raise ValueError("more after the padding")
        if b"=" in held:
            ended = True
            rest = held.rstrip(b"=")
            yield pybase64.b64decode(rest + b"=" * (-len(rest) % 4), validate=True)
            held = b""
            continue
        groups = len(held) // 4 * 4
        yield pybase64.b64decode(held[:groups], validate=True)
        held = held[groups:]
    if not whole:
        held = held[: len(held) // 4 * 4]
    held = held.rstrip(b"=")
    yield pybase64.b64decode(held + b"=" * (-len(held) % 4), validate=True)


def _normalised(text: bytes) -> bytes:
    """Return plain base64."""
    if b"-" in text or b"_" in text:
        text = text.translate(_URLSAFE)
    if any(space in text for space in (b"\n", b"\r", b" ", b"\t")):
        text = text.translate(None, _WHITESPACE)
    return text
