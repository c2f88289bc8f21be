"""The pixels of a PNG in strips, so that memory doesn't grow with the image, and what they are without decoding them.

Pillow decodes an image as a whole. Here the rows are inflated, cut into strips, and each strip is handed to Pillow's
decoder as a small image of its own, below the last row of the strip before, to which its filters refer.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imagecli.images.png_chunks import body_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from imagecli.images.png_chunks import Chunk
    from imagecli.images.types import Size

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_BYTE = 8
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: where each pass begins, and its steps, across and down."""
_FILTERS = 5
_READ = 1 << 16
_INFLATE = 1 << 18
_STRIP = 1 << 20
"""Bytes of a strip, about."""
_COLOURS = frozenset({b"PLTE", b"tRNS"})


class Layout(NamedTuple):
    """What a PNG's header says, and where its chunks are."""

    header: bytes
    chunks: tuple[Chunk, ...]

    @property
    def size(self) -> Size:
        """Width and height as stored."""
        width, height = struct.unpack_from(">II", self.header)
        return width, height

    @property
    def comes_in_strips(self) -> bool:
        """Whether `strips` can decode it: 8 bits per channel, not interlaced."""
        return self.header[8] == _BYTE and not self.header[12]

    @property
    def mode(self) -> str:
        """Pillow's name for its pixels."""
        return _MODES[self.header[9]]

    def row(self, width: int) -> int:
        """Return the bytes of a row of that many pixels, without its filter."""
        return (width * self.header[8] * _CHANNELS[self.header[9]] + 7) // 8

    @property
    def length(self) -> int:
        """The bytes of all rows, inflated."""
        width, height = self.size
        if not self.header[12]:
            return height * (1 + self.row(width))
        sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _PASSES)
        return sum(rows * (1 + self.row(columns)) for columns, rows in sizes if columns > 0 and rows > 0)


def layout_of(file: BinaryIO) -> Layout:
    """Return the layout of a PNG."""
    chunks = tuple(walk(file))
    return Layout(body_of(file, chunks[0]), chunks)


def fingerprint(file: BinaryIO) -> bytes:
    """Return a digest of what makes a PNG's pixels: header, palette, transparency, and rows.

    Raises `ValueError` or `zlib.error` where the rows are not whole.
    """
    layout = layout_of(file)
    kinds = [chunk.kind for chunk in layout.chunks]
    first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if kinds[first : first + count] != [b"IDAT"] * count:
        raise ValueError("its pixels are interrupted")
    digest = hashlib.blake2b(layout.header)
    for chunk in layout.chunks:
        if chunk.kind in _COLOURS:
            digest.update(chunk.kind + body_of(file, chunk))
    stride = 0 if layout.header[12] else 1 + layout.row(layout.size[0])
    position = 0
    for rows in _inflated(file, layout):
        if stride and max(rows[-position % stride :: stride], default=0) >= _FILTERS:
            raise ValueError("a row has an unknown filter")
        digest.update(rows)
        position += len(rows)
    return digest.digest()


def strips(file: BinaryIO, multiple: int) -> Iterator[Image.Image]:
    """Yield a PNG that comes in strips from top to bottom, as stored; all but the last are a multiple of rows high.

    A palette's colours are in each, transparency is not. Raises `ValueError` or `zlib.error` where the rows are not
    whole, and Pillow's own errors.
    """
    layout = layout_of(file)
    width, height = layout.size
    stride = 1 + layout.row(width)
    count = max(1, _STRIP // stride // multiple) * multiple
    palette = next((body_of(file, chunk) for chunk in layout.chunks if chunk.kind == b"PLTE"), b"")
    last, held, done = bytes(stride - 1), bytearray(), 0
    for rows in _inflated(file, layout):
        held += rows
        while len(held) >= stride * min(count, height - done) > 0:
            wanted = min(count, height - done)
            stored = zlib.compress(b"\0" + last + held[: stride * wanted], 0)
            del held[: stride * wanted]
            image = Image.frombytes(layout.mode, (width, wanted + 1), stored, "zip", layout.mode, 0)
            last = image.crop((0, wanted, width, wanted + 1)).tobytes()
            strip = image.crop((0, 1, width, wanted + 1))
            if layout.mode == "P":
                strip.putpalette(palette)
            yield strip
            done += wanted


def _inflated(file: BinaryIO, layout: Layout) -> Iterator[bytes]:
    """Yield the rows with their filters, in pieces. Raises `ValueError` or `zlib.error` where they are not whole."""
    missing = layout.length
    stream = zlib.decompressobj()
    for deflated in _deflated(file, layout):
        piece = deflated
        while piece:
            # When all rows are there, their checksum follows.
            rows = stream.decompress(piece, min(_INFLATE, missing) or 1)
            piece = stream.unconsumed_tail
            if rows and not missing:
                return
            missing -= len(rows)
            if rows:
                yield rows
    if missing:
        raise ValueError("its pixels end too early")


def _deflated(file: BinaryIO, layout: Layout) -> Iterator[bytes]:
    for chunk in layout.chunks:
        if chunk.kind == b"IDAT":
            for position in range(0, chunk.length, _READ):
                # Others read from the file between two pieces.
                file.seek(chunk.start + 8 + position)
                yield file.read(min(_READ, chunk.length - position))
