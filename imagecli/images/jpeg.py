"""JPEGs, decoded no larger than needed, and without their end marker too."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from imagecli.images.pillow import open_with_pillow

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image
    from PIL.ImageFile import ImageFile

    from imagecli.images.types import Size

_EOI = b"\xff\xd9"
_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
"""JPEG's restart markers, which follow one another in turn."""


def decode_jpeg(image: ImageFile, read: Callable[[], bytes], at_least: Size | None) -> Image.Image:
    """Decode an open JPEG, as stored, at the smallest scale that suffices; `read` returns the bytes of its file.

    One that lacks its end marker and nothing else is taken: what then follows can't change a pixel. Raises Pillow's own
    errors, and `OSError` where pixels are missing.
    """
    try:
        return _scaled(image, at_least)
    except OSError:
        data = read()
        if data.endswith(b"\xff"):
            data += b"\0"
        one, other = (
            _scaled(open_with_pillow(io.BytesIO(data + end), ("JPEG",)), at_least)
            for end in (_EOI, _more_of_a_scan(data) + _EOI)
        )
        if one.tobytes() != other.tobytes():
            raise OSError("its pixels end too early") from None
        return one


def _more_of_a_scan(jpeg: bytes) -> bytes:
    """Return what may follow a scan that is complete, but makes other pixels than the end marker where it isn't.

    Bits that are codes of every table, between the restart markers that come next.
    """
    last = max(range(7, -1, -1), key=lambda number: jpeg.rfind(_RESTARTS[number]))
    return b"".join(b"\xb6\xdb\x6d" * 30 + _RESTARTS[(last + at) % 8] for at in range(1, 9))


def _scaled(jpeg: ImageFile, at_least: Size | None) -> Image.Image:
    """Decode a JPEG at the smallest scale that suffices."""
    if at_least:
        jpeg.draft(None, at_least)
    jpeg.load()
    return jpeg
