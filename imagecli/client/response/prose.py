"""Images in a text: a chat's answer shows them as Markdown, as HTML, or by their addresses alone."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from imagecli.client.response.sources import Inline, Item, Link
from imagecli.client.response.spool import CHUNK, LongString, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.client.response.spool import Spool

_MOST_INLINE = 100
_LONGEST = 1 << 18
"""Bytes of a text that addresses are looked for in."""
_ADDRESS = r"(?:https?://|//|/(?=\w))[^\s<>\"'()\[\]]++"
# What stands in the brackets of Markdown opens none itself, so that nothing is read twice.
_SHOWN = re.compile(
    rf"!\[[^\[\]]{{0,300}}+\]\(\s{{0,3}}+<?({_ADDRESS})>?(?:\s[^()\n]{{0,300}}+)?\)"
    rf"|<img\b[^<>]{{0,300}}?\bsrc=[\"']?({_ADDRESS})",
    re.IGNORECASE,
)
_MENTIONED = re.compile(r"https?://[^\s<>\"'()\[\]]++", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:png|jpe?g|webp|gif|svg)(?:[?#]|\Z)", re.IGNORECASE)
_DATA = re.compile(rb"data:image\\?/[\w.+-]{1,40};base64,", re.IGNORECASE)
_LONGEST_PREFIX = 64
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/=_-]|\\/)*+")


def images_in(text: str | LongString, spool: Spool) -> list[Item]:
    """Return the images that a text shows, or else those that it mentions: each once, in their order."""
    if inline := list(islice(_inline(text, spool), _MOST_INLINE)):
        return inline
    words = text if isinstance(text, str) else read_text(spool, text, _LONGEST)
    addresses = [found[1] or found[2] for found in _SHOWN.finditer(words)]
    if not addresses:
        mentioned = (found[0].rstrip(".,;:!?") for found in _MENTIONED.finditer(words))
        addresses = [address for address in mentioned if _EXTENSION.search(address)]
    return [Item(Link(address)) for address in dict.fromkeys(addresses)]


def _inline(text: str | LongString, spool: Spool) -> Iterator[Item]:
    """Yield the data: URLs in a text, as what they are in the spool."""
    if isinstance(text, str):
        data = text.encode("utf-8", "replace")
        for found in _DATA.finditer(data):
            yield Item(Inline(data[found.start() : found.end() + _base64_length(data[found.end() :])].decode()))
        return
    at = text.start
    while at < text.end:
        chunk = spool.read(at, min(text.end, at + CHUNK))
        begun = _DATA.search(chunk)
        if begun is None:
            at += CHUNK - _LONGEST_PREFIX
            continue
        end = _end_of_base64(spool, at + begun.end(), text.end)
        yield Item(Inline(LongString(at + begun.start(), end)))
        at = end


def _end_of_base64(spool: Spool, start: int, end: int) -> int:
    """Return where the base64 from `start` on ends."""
    while start < end:
        chunk = spool.read(start, min(end, start + CHUNK))
        length = _base64_length(chunk)
        start += length
        if not length or len(chunk) - length > 1:  # an escape may go on in the next piece
            break
    return start


def _base64_length(text: bytes) -> int:
    found = _BASE64.match(text)
    return found.end() if found is not None else 0
