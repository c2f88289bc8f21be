"""The boxes of an ISO media file, which AVIF and HEIC are: what they say of its main image.

Sources: ISO/IEC 14496-12 (boxes, tracks) and 23008-12 (items and their properties: ispe, clap, irot).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.types import Size

_MAX_PROPERTIES = 1000
_FULL_BOX = 4
"""Bytes of version and flags at the beginning of some boxes."""


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and bodies of the boxes that follow one another; the last may be cut off.

    Raises `struct.error` where a length is.
    """
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        # A length of zero reaches to the end of the file.
        end = position + max(length, head) if length else len(data)
        yield kind, data[position + head : end]
        position = end


def box(data: bytes, *path: bytes) -> bytes:
    """Return the body of the first box of a kind in the first of another …; empty where there is none."""
    for wanted in path:
        data = next((body for kind, body in boxes(data) if kind == wanted), b"")
    return data


def properties(meta: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body of the properties of the main image, in the order in which they apply.

    `meta` is the body of that box. Raises `struct.error` or `IndexError` where it is damaged.
    """
    inside = dict(boxes(meta[_FULL_BOX:]))
    main = inside.get(b"pitm")
    item = _number(main[_FULL_BOX:], wide=main[0] > 0) if main else None
    its = dict(boxes(inside.get(b"iprp", b"")))
    found = list(boxes(its.get(b"ipco", b"")))[:_MAX_PROPERTIES]
    for at in _properties_of(item, its.get(b"ipma", b"")):
        if 0 < at <= len(found):
            yield found[at - 1]


def size_in_meta(meta: bytes) -> Size | None:
    """Return the size of the main image as it is displayed: cropped and turned; None where that isn't said."""
    size = None
    try:
        for kind, body in properties(meta):
            if kind == b"ispe":
                size = struct.unpack_from(">II", body, _FULL_BOX)
            elif kind == b"clap":
                width, of_width, height, of_height = struct.unpack_from(">4I", body)
                size = round(width / of_width), round(height / of_height)
            elif kind == b"irot" and size and body[0] & 1:
                size = size[1], size[0]
    except (struct.error, IndexError, ZeroDivisionError):
        return None
    return size


def size_in_moov(moov: bytes) -> Size | None:
    """Return the size of the first track; None where that isn't said."""
    header = box(moov, b"trak", b"tkhd")
    # In 65536ths of a pixel.
    return (_number(header[-8:], wide=True) >> 16, _number(header[-4:], wide=True) >> 16) if len(header) > 8 else None  # noqa: PLR2004


def _properties_of(item: int | None, ipma: bytes) -> Iterator[int]:
    """Yield the numbers of an item's properties, from 1."""
    version, flags = ipma[0], ipma[3]
    (entries,) = struct.unpack_from(">I", ipma, _FULL_BOX)
    position = 8
    for _ in range(entries):
        number = _number(ipma[position:], wide=version > 0)
        position += 4 if version > 0 else 2
        count = ipma[position]
        position += 1
        form = "H" if flags & 1 else "B"
        found = struct.unpack_from(f">{count}{form}", ipma, position)
        position += count * struct.calcsize(form)
        if number == item:
            # The highest bit says that a reader must know the property.
            yield from (value & (0x7FFF if flags & 1 else 0x7F) for value in found)


def _number(data: bytes, *, wide: bool) -> int:
    return int(struct.unpack_from(">I" if wide else ">H", data)[0])
