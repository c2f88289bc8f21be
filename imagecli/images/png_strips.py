"""The pixels of a PNG in strips, so that memory doesn't grow with the image, and what they are without decoding them.

Pillow decodes an image as a whole. Here the rows are inflated, cut into strips, and each strip is handed to Pillow's
decoder as a small image of its own, below the last row of the strip before, to which its filters refer. Of an
interlaced image the seven passes are inflated side by side, from where each begins, so that none has to be held.
"""

from __future__ import annotations

import copy
import hashlib
import math
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imagecli.images.depth import with_key
from imagecli.images.png_chunks import body_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from imagecli.images.png_chunks import Chunk
    from imagecli.images.types import Size

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""
_MODES = {
    **{(8, colour): (mode, mode) for colour, mode in ((0, "L"), (2, "RGB"), (3, "P"), (4, "LA"), (6, "RGBA"))},
    **{(bits, 0): ("L", f"L;{bits}") for bits in (2, 4)},
    **{(bits, 3): ("P", f"P;{bits}") for bits in (1, 2, 4)},
    (1, 0): ("1", "1"),
    (16, 0): ("I;16", "I;16B"),
    (16, 2): ("RGB", "RGB;16B"),
    (16, 4): ("RGBA", "LA;16B"),
    (16, 6): ("RGBA", "RGBA;16B"),
}
"""By bits per channel and colour type: Pillow's mode, and its name of how that is stored."""
_RAW = ("", "L", "LA", "RGB", "RGBA")
"""By bytes per pixel: a mode of Pillow's whose pixels are these bytes."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: where each pass begins, and its steps, across and down."""
_BYTE = 8
_WHOLE = ((0, 0, 1, 1),)
_CELL = 8
"""Rows after which the passes begin anew."""
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
    def modes(self) -> tuple[str, str]:
        """Pillow's mode for its pixels, and its name of how they are stored."""
        return _MODES[self.header[8], self.header[9]]

    @property
    def interlaced(self) -> bool:
        """Whether its rows come in seven passes."""
        return bool(self.header[12])

    @property
    def is_plain(self) -> bool:
        """Whether its rows come in turn, and each channel of a pixel is a byte."""
        return self.header[8] == _BYTE and not self.interlaced

    @property
    def passes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Where each pass begins, and its steps, across and down."""
        return _PASSES if self.interlaced else _WHOLE

    @property
    def pixel(self) -> int:
        """Bytes of a pixel, at least one: how far back a filter looks."""
        return max(1, self.header[8] * _CHANNELS[self.header[9]] // 8)

    def row(self, width: int) -> int:
        """Return the bytes of a row of that many pixels, without its filter."""
        return (width * self.header[8] * _CHANNELS[self.header[9]] + 7) // 8

    @property
    def length(self) -> int:
        """The bytes of all rows, inflated."""
        width, height = self.size
        sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in self.passes)
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
    stride = 0 if layout.interlaced else 1 + layout.row(layout.size[0])
    position = 0
    stream = _Inflated(file, layout)
    for begin in range(0, layout.length, _INFLATE):
        rows = stream.read(min(_INFLATE, layout.length - begin))
        if stride and max(rows[-position % stride :: stride], default=0) >= _FILTERS:
            raise ValueError("a row has an unknown filter")
        digest.update(rows)
        position += len(rows)
    stream.finish()
    return digest.digest()


def strips(file: BinaryIO, multiple: int, key: object = None) -> Iterator[Image.Image]:
    """Yield a PNG from top to bottom, in Pillow's mode for it; all strips but the last are a multiple of rows high.

    A palette's colours are in each, and what Pillow has found to be transparent, the `key`; where that is a colour of
    16 bits, the strips are RGBA. Raises `ValueError` or `zlib.error` where the rows are not whole, and Pillow's own
    errors.
    """
    layout = layout_of(file)
    width, height = layout.size
    multiple = math.lcm(multiple, _CELL) if layout.interlaced else multiple
    count = max(1, _STRIP // (1 + layout.row(width)) // multiple) * multiple
    palette = next((body_of(file, chunk) for chunk in layout.chunks if chunk.kind == b"PLTE"), b"")
    passes = list(_passes(file, layout))
    for top in range(0, height, count):
        rows = min(count, height - top)
        strip = _strip(passes, layout, (width, rows), key)
        if strip.mode == "P":
            strip.putpalette(palette)
        yield strip
    passes[-1].stream.finish()


def _strip(passes: list[_Pass], layout: Layout, size: Size, key: object) -> Image.Image:
    """Return the strip that the next rows make."""
    mode, stored = layout.modes
    if layout.is_plain:
        strip = passes[0].image(size[1])
    else:
        rows = [one.read(size[1]) for one in passes]
        data = _with_filters(rows, passes) if layout.interlaced else rows[0]

        def decoded(stored: str) -> Image.Image:
            # Of passes, Pillow puts the pixels in their places.
            how = ("zip", stored, 1) if layout.interlaced else ("raw", stored)
            return Image.frombytes(mode, size, data, *how)

        strip = decoded(stored)
        if stored == "RGB;16B" and isinstance(key, tuple):
            return with_key(strip, decoded("RGB;16L"), key)
    if key is not None:
        strip.info["transparency"] = key
    return strip


def _with_filters(rows: list[bytes], passes: list[_Pass]) -> bytes:
    """Return rows, by pass, as they are stored, with a filter that changes nothing."""
    lines = (
        memoryview(data)[at : at + one.length]
        for data, one in zip(rows, passes, strict=True)
        for at in range(0, len(data), one.length or 1)
    )
    return zlib.compress(b"".join(part for line in lines for part in (b"\0", line)), 0)


class _Pass:
    """The rows of a PNG, or of one pass of it, read from top to bottom and without their filters."""

    def __init__(self, stream: _Inflated, layout: Layout, columns: int, begin: int, step: int) -> None:
        """Take a stream that stands at the first row; `begin` and `step` say which rows of the image these are."""
        self.stream = stream
        self._begin, self._step = begin, step
        self._pixel = layout.pixel
        self._mode = layout.modes[0] if layout.is_plain else _RAW[self._pixel] if self._pixel < len(_RAW) else ""
        self.length = layout.row(columns) if columns > 0 else 0
        """Of a row, in bytes."""
        self._last = bytes(self.length)

    def read(self, rows: int) -> bytes:
        """Return the pixels that belong to the next rows of the image, as they are stored."""
        count = max(0, -(-(rows - self._begin) // self._step)) if self.length else 0
        if not count:
            return b""
        if self._mode:
            return self.image(count).tobytes()
        # Of pixels of six or eight bytes Pillow hands out one half or the other.
        filtered, mode = self._filtered(count), _RAW[self._pixel // 2]
        size = self.length // self._pixel, count + 1
        data = bytearray(self.length * (count + 1))
        for at, half in enumerate((f"{mode};16B", f"{mode};16L")):
            data[at::2] = Image.frombytes(mode, size, filtered, "zip", half, 0).tobytes()
        self._last = bytes(data[-self.length :])
        return bytes(memoryview(data)[self.length :])

    def image(self, rows: int) -> Image.Image:
        """Return so many rows of its own, in a mode whose pixels are the bytes that are stored."""
        width = self.length // self._pixel
        image = Image.frombytes(self._mode, (width, rows + 1), self._filtered(rows), "zip", self._mode, 0)
        self._last = image.crop((0, rows, width, rows + 1)).tobytes()
        return image.crop((0, 1, width, rows + 1))

    def _filtered(self, rows: int) -> bytes:
        """Return so many rows as a file would hold them, below the last one before them."""
        return zlib.compress(self.stream.read(rows * (1 + self.length), b"\0" + self._last), 0)


def _passes(file: BinaryIO, layout: Layout) -> Iterator[_Pass]:
    """Yield the passes, each with a stream of its own; an image that is not interlaced is one pass."""
    width, height = layout.size
    stream = _Inflated(file, layout)
    missing = 0
    for x, y, dx, dy in layout.passes:
        for at in range(0, missing, _INFLATE):
            stream.read(min(_INFLATE, missing - at))
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        missing = rows * (1 + layout.row(columns)) if columns > 0 and rows > 0 else 0
        yield _Pass(stream.copy(), layout, columns, y, dy)


class _Inflated:
    """What the IDAT chunks of a PNG inflate to: its rows with their filters."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        """Take a file; others may read from it in between."""
        self._file = file
        self._pieces = [
            (chunk.start + 8 + at, min(_READ, chunk.length - at))
            for chunk in layout.chunks
            if chunk.kind == b"IDAT"
            for at in range(0, chunk.length, _READ)
        ]
        self._next = 0
        self._stream = zlib.decompressobj()
        self._deflated = b""

    def copy(self) -> _Inflated:
        """Return another that reads on from the same place."""
        other = copy.copy(self)
        other._stream = self._stream.copy()  # noqa: SLF001 - its own kind
        return other

    def read(self, length: int, before: bytes = b"") -> bytearray:
        """Return so many bytes, behind those `before`. Raises `ValueError` or `zlib.error` where they are not there."""
        rows = bytearray(before)
        missing = length
        while missing:
            found = self._inflate(min(missing, _INFLATE))
            if found is None:
                raise ValueError("its pixels end too early")
            rows += found
            missing -= len(found)
        return rows

    def finish(self) -> None:
        """Read on to the checksum that follows the rows. Raises `zlib.error` where it is another's."""
        while self._inflate(1) == b"":
            pass

    def _inflate(self, most: int) -> bytes | None:
        """Return some bytes, perhaps none; None at the end of the chunks."""
        found = self._stream.decompress(self._deflated, most)
        self._deflated = self._stream.unconsumed_tail
        if found or self._deflated:
            return found
        if self._next == len(self._pieces):
            return None
        start, length = self._pieces[self._next]
        self._next += 1
        self._file.seek(start)
        self._deflated = self._file.read(length)
        return b""
