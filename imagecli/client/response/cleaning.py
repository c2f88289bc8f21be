"""A response that is kept, without the secrets that the server repeated in it.

Each character of a secret becomes a star where it stands, so that what is JSON stays JSON, and nothing moves. Images
are left as they are: a body that is one, and every long string that begins as one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imagecli.client.response.body import is_compressed, unpacked
from imagecli.client.response.spool import NotJsonError, Outliner, ResponseTooLargeError, Spool
from imagecli.images.sniffing import sniff
from imagecli.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.client.response.spool import LongString

_WINDOW = 1 << 16
_OVERLAP = 1 << 12
"""A secret is found where its parts stand within so many bytes."""
_HEAD = 64


def clean(spool: Spool, secrets: tuple[str, ...]) -> None:
    """Put stars in the place of secrets, in time proportional to what is not images."""
    if is_compressed(spool.read(0, _HEAD)):
        _unpack(spool)
    if _is_image(spool.read(0, _HEAD)):
        return
    found = redactor(secrets)
    for start, end in _between_images(spool):
        at = start
        while at < end:
            data = spool.read(at, min(end, at + _WINDOW))
            for first, last in found.places(data):
                spool.overwrite(at + first, b"*" * (last - first))
            if at + len(data) >= end:
                break
            at += _WINDOW - _OVERLAP


def _unpack(spool: Spool) -> None:
    """Replace what is compressed by what it says, as far as it goes: it can't be searched otherwise."""
    import zlib

    whole = Spool(None, limit=spool.limit)
    try:
        with suppress(zlib.error, ResponseTooLargeError):
            for piece in unpacked(spool):
                whole.write(piece)
        if whole.size:
            spool.replace(whole)
    finally:
        whole.discard()


def _between_images(spool: Spool) -> Iterator[tuple[int, int]]:
    """Yield what is not an image's base64, from and to."""
    at = 0
    for start, end in _long_strings(spool):
        if _begins_as_image(spool.read(start, min(end, start + 2 * _HEAD))):
            yield at, start
            at = end
    yield at, spool.size


def _long_strings(spool: Spool) -> list[LongString]:
    """Return the long strings of a document or of a stream of events, the one in which it is cut off too."""
    outliner, at = Outliner(), 0
    try:
        for chunk in spool.chunks():
            outliner.feed(chunk, at)
            at += len(chunk)
    except NotJsonError:
        pass  # too much besides its strings: what follows is searched whole
    return outliner.long_strings(at)


def _begins_as_image(text: bytes) -> bool:
    import binascii

    if text[:5].lower() == b"data:":
        text = text.partition(b",")[2]
    text = text.replace(b"\\/", b"/")
    try:
        return _is_image(binascii.a2b_base64(text[: len(text) // 4 * 4]))
    except binascii.Error:
        return False


def _is_image(head: bytes) -> bool:
    return sniff(head) in {"png", "jpeg", "webp", "gif", "avif", "heic", "tiff"}
