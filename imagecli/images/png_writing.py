"""PNGs of images that are never in memory as a whole: what `png_strips` is for reading."""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, TYPE_CHECKING

from PIL import Image

from imagecli.images.png_chunks import SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.images.types import Size

_COLOUR_TYPES = {"L": 0, "RGB": 2, "RGBA": 6}
_LEVEL = 6
"""Of the compression: the default, as Pillow's."""
_CHUNK = 1 << 20
"""Bytes of pixels in a chunk, at least, the last excepted."""


def flat_png(strips: Iterable[Image.Image], size: Size, mode: str, level: int) -> bytes:
    """Return a PNG of an image in L, RGB or RGBA without filters: for masks, which are flat.

    Args:
        strips: the image from top to bottom, each of its full width.
        size: of the whole, in pixels.
        mode: of the strips.
        level: of the compression, 1 to 9.
    """
    return b"".join(_parts(map(_unfiltered, strips), size, mode, zlib.compressobj(level)))


def filtered_png(
    strips: Iterable[Image.Image], size: Size, mode: str, limit: int, *, fast: bool = True
) -> tuple[bytes | None, int]:
    """Return a PNG of an image in RGB or RGBA, with the filters that Pillow would choose, and its length.

    Args:
        strips: the image from top to bottom, each of its full width.
        size: of the whole, in pixels.
        mode: of the strips.
        limit: in bytes. From there on there is no PNG, only its length.
        fast: whether nothing but run lengths is looked for.
    """
    out, length = io.BytesIO(), 0
    for part in _parts(_filtered(strips), size, mode, _deflate(fast=fast)):
        length += len(part)
        if length < limit:
            out.write(part)
    return (out.getvalue() if length < limit else None), length


def write_png(
    strips: Iterable[Image.Image], size: Size, mode: str, file: IO[bytes], profile: bytes | None = None
) -> None:
    """Write the same PNG into a file, piece by piece, with the ICC profile of its values."""
    for part in _parts(_filtered(strips), size, mode, _deflate(fast=True), profile):
        file.write(part)


def _deflate(*, fast: bool) -> zlib._Compress:
    return zlib.compressobj(_LEVEL, strategy=zlib.Z_RLE if fast else zlib.Z_FILTERED)


def _unfiltered(strip: Image.Image) -> bytes:
    raw = strip.tobytes()
    row = len(raw) // strip.height
    # Each row begins with its filter: none.
    return b"".join(b"\0" + raw[at : at + row] for at in range(0, len(raw), row))


def _filtered(strips: Iterable[Image.Image]) -> Iterator[bytes]:
    """Yield the rows of strips with their filters, which refer to the last row of the strip before."""
    last = None
    for strip in strips:
        width, height = strip.size
        below = Image.new(strip.mode, (width, height + 1))
        if last:
            below.paste(last, (0, 0))
        below.paste(strip, (0, 1))
        last = strip.crop((0, height - 1, width, height))
        # Level 0: the filters are what is wanted.
        rows = zlib.decompress(below.tobytes("zip", (strip.mode, False, 0, -1, b"")))
        yield rows[len(rows) // (height + 1) :]


def _parts(
    rows: Iterable[bytes], size: Size, mode: str, deflate: zlib._Compress, profile: bytes | None = None
) -> Iterator[bytes]:
    """Yield a PNG of rows with their filters."""
    yield SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, _COLOUR_TYPES[mode], 0, 0, 0))
    if profile:
        yield _chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
    packed = bytearray()
    for some in rows:
        packed += deflate.compress(some)
        if len(packed) >= _CHUNK:
            yield _chunk(b"IDAT", packed)
            packed.clear()
    yield _chunk(b"IDAT", packed + deflate.flush())
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes | bytearray) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
