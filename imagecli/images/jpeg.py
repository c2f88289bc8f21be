"""JPEGs, decoded no larger than needed, and without their end marker too."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from imagecli.images.pillow import open_with_pillow

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

    from imagecli.images.types import Size

_EOI = b"\xff\xd9"
_ROWS = 256
_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
"""JPEG's restart markers, which follow one another in turn."""


def decode_jpeg(image: ImageFile, at_least: Size | None) -> bool:
    """Decode an open JPEG, as stored, at the smallest scale that suffices; return whether it is whole.

    Raises Pillow's own errors, but for an `OSError`.
    """
    try:
        _scale(image, at_least)
    except OSError:
        return False
    return True


def decode_endless_jpeg(data: bytes, at_least: Size | None) -> Image.Image:
    """Decode a JPEG, given its bytes, that lacks its end marker and nothing else.

    What then follows can't change a pixel. Raises Pillow's own errors, and `OSError` where pixels are missing.
    """
    if data.endswith(b"\xff"):
        data += b"\0"
    # One after the other, as there is not always room for both.
    other = _digest(_decoded(data + _more_of_a_scan(data) + _EOI, at_least))
    one = _decoded(data + _EOI, at_least)
    if _digest(one) != other:
        raise OSError("its pixels end too early")
    return one


def _decoded(data: bytes, at_least: Size | None) -> Image.Image:
    jpeg = open_with_pillow(io.BytesIO(data), ("JPEG",))
    _scale(jpeg, at_least)
    return jpeg


def _digest(image: Image.Image) -> bytes:
    """Return a digest of an image's pixels, which as bytes would take as much memory again."""
    digest = hashlib.blake2b()
    for top in range(0, image.height, _ROWS):
        digest.update(image.crop((0, top, image.width, min(image.height, top + _ROWS))).tobytes())
    return digest.digest()


def _more_of_a_scan(jpeg: bytes) -> bytes:
    """Return what may follow a scan that is complete, but makes other pixels than the end marker where it isn't.

    Bits that are codes of every table, between the restart markers that come next.
    """
    last = max(range(7, -1, -1), key=lambda number: jpeg.rfind(_RESTARTS[number]))
    return b"".join(b"\xb6\xdb\x6d" * 30 + _RESTARTS[(last + at) % 8] for at in range(1, 9))


def _scale(jpeg: ImageFile, at_least: Size | None) -> None:
    """Decode a JPEG at the smallest scale that suffices."""
    if at_least:
        jpeg.draft(None, at_least)
    jpeg.load()
