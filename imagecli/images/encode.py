"""PNGs and JPEGs under a size limit, with as little lost as possible. `squeeze` has the figures behind its order."""

from __future__ import annotations

import io
import struct
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from imagecli.images.colour import flatten, on_white, without_opaque_alpha
from imagecli.images.png_writing import filtered_png, write_png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imagecli.images.restore import Strips
    from imagecli.images.types import Size

_RLE = 3
"""A strategy of zlib: 4 to 6 times faster than the default on photos, and no larger."""
_FAST_LOSSLESS = 20
"""Of a lossless WebP, quality is the effort: at 80, its default, it takes four times as long for
half a percent less."""
_STRIPS = 16
_STRIP_ROWS = 16
_WORTH_TRYING = 1.1
"""An estimate of up to this many times the limit is still worth trying."""
_WORTH_TRYING_RAW = 2
"""The same for the raw size, before there is an estimate: most images shrink to half or less."""
_NOISE = 0.98
"""From this share of the raw size on, an image is noise, which deflate can't make smaller."""

_CLEARING = "the lowest bit of every channel was cleared"
_CLEARED = [value & 0xFE for value in range(256)]
# Alpha 0 opens and 255 is opaque: no other value may become one of these.
_CLEARED_ALPHA = [value if value in (0, 255) else max(2, value & 0xFE) for value in range(256)]


class Squeezed(NamedTuple):
    """A PNG or JPEG under the limit, or how large it would have been."""

    data: bytes | None
    """None: it can't be done at these dimensions."""
    lost: str
    """What was given up to stay under the limit, in words; empty: nothing."""
    length: int
    """In bytes; an estimate where `data` is None."""
    mode: str
    """Of the image."""
    quality: int | None = None
    """Of a JPEG; None: it is a PNG."""

    @property
    def kind(self) -> str:
        """Return "png" or "jpeg"."""
        return "png" if self.quality is None else "jpeg"


def png(image: Image.Image, *, fast: bool = True) -> bytes:
    """Return a PNG of the pixels, without any metadata."""
    out = io.BytesIO()
    how = {"compress_type": _RLE} if fast else {"compress_level": 6}
    # What Pillow would write of what it read; a copy without that would take as much memory again.
    image.save(out, "PNG", icc_profile=None, transparency=None, **how)
    return out.getvalue()


_MOST_UNITS = 65_535
"""The most blocks of 8 by 8 pixels between two restart markers of a JPEG."""
_STRIP_PIXELS = 1 << 20
_SOF0, _SOS, _DRI, _RST0, _EOI = 0xFFC0, 0xFFDA, 0xFFDD, 0xFFD0, 0xFFD9


def rows_of_jpeg(size: Size) -> int:
    """Return how many rows each strip of a JPEG has, a multiple of 8; the last has what is left."""
    return max(1, min(_MOST_UNITS // -(-size[0] // 8), _STRIP_PIXELS // size[0] // 8)) * 8


def jpeg_of_strips(
    strips: Iterable[Image.Image], size: Size, quality: int, limit: int | None, profile: bytes | None = None
) -> tuple[bytes | None, int]:
    """Return a JPEG of an RGB image that is never in memory as a whole, and its length.

    Each strip is coded as a JPEG of its own. All have the same tables, and after a restart marker (ITU-T T.81, F.1.1.5)
    nothing depends on what came before, so that their scans make one scan.

    Args:
        strips: the image from top to bottom, each of its full width and `rows_of_jpeg(size)` rows.
        size: of the whole, in pixels.
        quality: 0 to 100; colours are not subsampled.
        limit: in bytes. From there on there is no JPEG, and the length is an estimate.
        profile: the ICC profile of the values. There is no other metadata.
    """
    out = io.BytesIO()
    done = 0
    for number, strip in enumerate(strips):
        coded = io.BytesIO()
        # Of the heads the first is used.
        strip.save(coded, "JPEG", quality=quality, subsampling=0, comment=None, icc_profile=None if number else profile)
        head, scan = _parted(coded.getvalue(), size, rows_of_jpeg(size))
        out.write(struct.pack(">H", _RST0 + (number - 1) % 8) if number else head)
        out.write(scan)
        done += strip.height
        if limit is not None and out.tell() + 2 >= limit:
            return None, max(limit, out.tell() * size[1] // done)
    out.write(struct.pack(">H", _EOI))
    return out.getvalue(), out.tell()


def _parted(jpeg: bytes, size: Size, rows: int) -> tuple[bytes, memoryview]:
    """Return the head of a JPEG, made that of a whole of this size with restarts after so many rows, and its scan."""
    head = bytearray(jpeg[:2])
    marker = 0
    while marker != _SOS:
        begin = len(head)
        marker, length = struct.unpack_from(">HH", jpeg, begin)
        head += jpeg[begin : begin + 2 + length]
        if marker == _SOF0:
            struct.pack_into(">H", head, begin + 5, size[1])
    head[begin:begin] = struct.pack(">HHH", _DRI, 4, -(-size[0] // 8) * (rows // 8))
    return bytes(head), memoryview(jpeg)[begin + 2 + length : -2]


WRITTEN = ("png", "jpeg", "webp")
"""The formats that a result is written in here."""
_QUALITY = 95
_QUALITIES = (_QUALITY, 90, 80)
"""Each takes about two thirds of the bytes of the one before; with less than the last, it shows."""


def write(image: Image.Image, kind: str, file: IO[bytes], profile: bytes | None, quality: int | None) -> None:
    """Write an image into a file as a PNG, JPEG or WebP, with no metadata but a colour profile.

    Args:
        image: of any mode that PNG has; for the others RGB or RGBA, on white where JPEG has no transparency.
        kind: one of `WRITTEN`.
        file: anything that has a method `write`; a PNG is written into it piece by piece.
        profile: the ICC profile of the values.
        quality: 0 to 100, for JPEG and WebP; None: 95, and a lossless WebP.

    Raises:
        OSError, ValueError: the format can't hold it.
    """
    extra: dict[str, Any] = {"icc_profile": profile} if profile else {}
    key = image.info.get("transparency")
    if kind != "png":
        image = on_white(plain(image)) if kind == "jpeg" else plain(image)
    # Without a copy, which a large photograph has no room for.
    info, image.info = image.info, {} if key is None or kind != "png" else {"transparency": key}
    try:
        if kind == "png":
            image.save(file, "PNG", compress_type=_RLE, **extra)
        elif kind == "jpeg":
            image.save(file, "JPEG", quality=_QUALITY if quality is None else quality, subsampling=0, **extra)
        else:
            how = {"lossless": True, "quality": _FAST_LOSSLESS} if quality is None else {"quality": quality}
            image.save(file, "WEBP", exact=True, **how, **extra)
    finally:
        image.info = info


WRITTEN_IN_STRIPS = ("png", "jpeg")
"""Those of them that `write_strips` knows."""
_ROWS = 256


def write_strips(image: Strips, kind: str, file: IO[bytes], quality: int | None) -> None:
    """Do the same with an image that is never in memory as a whole."""
    size, profile = image.size, image.profile
    if kind == "png":
        write_png(image.strips(_ROWS), size, image.mode, file, profile)
        return
    strips = map(on_white, image.strips(rows_of_jpeg(size)))
    data, _ = jpeg_of_strips(strips, size, _QUALITY if quality is None else quality, None, profile)
    file.write(data or b"")


def plain(image: Image.Image) -> Image.Image:
    """Return an image of any mode in RGB or RGBA."""
    return image if image.mode in ("RGB", "RGBA") else flatten(image).image


def squeeze(image: Image.Image, limit: int) -> Squeezed:
    """Write an RGB or RGBA image as a PNG of strictly less than `limit` bytes, at its own dimensions, if possible.

    Run lengths first. Where that is too large: full deflate, which halves flat art and dithering, but takes ten times
    as long without gain on photos; then without the lowest bit of every channel, which is invisible (51 dB) and saves
    an eighth of pure noise and a quarter of photos. A sample shows which of them is worth the time.
    """

    def write(how: _How) -> tuple[bytes | None, int]:
        data = png(_cleared(image) if how.cleared else image, fast=how.fast)
        return (data if len(data) < limit else None), len(data)

    def sampled() -> Image.Image:
        sample = _Sample(image.size, image.mode)
        sample.add(image)
        return sample.image

    return _squeezed(write, sampled, image.size, image.mode, limit)


def squeeze_strips(strips: Callable[[], Iterable[Image.Image]], size: Size, limit: int) -> Squeezed:
    """Do the same with an image that is never in memory as a whole.

    `strips` is called for each look at it: to learn whether anything in RGBA is not opaque, and for each PNG.
    """
    mode = _mode_of(strips())
    sample = _Sample(size, mode)

    def pieces(*, cleared: bool = False) -> Iterator[Image.Image]:
        for strip in strips():
            piece = strip if strip.mode == mode else strip.convert(mode)
            if not sample.is_complete:
                sample.add(piece)
            yield _cleared(piece) if cleared else piece

    def write(how: _How) -> tuple[bytes | None, int]:
        return filtered_png(pieces(cleared=how.cleared), size, mode, limit, fast=how.fast)

    def sampled() -> Image.Image:
        for _ in () if sample.is_complete else pieces():
            pass
        return sample.image

    return _squeezed(write, sampled, size, mode, limit)


class _How(NamedTuple):
    """A way of writing a PNG."""

    fast: bool
    cleared: bool


def _squeezed(
    write: Callable[[_How], tuple[bytes | None, int]],
    sample: Callable[[], Image.Image],
    size: Size,
    mode: str,
    limit: int,
) -> Squeezed:
    best = raw = size[0] * size[1] * len(mode)
    promising = best < limit * _WORTH_TRYING_RAW
    for how in (_How(fast=True, cleared=False), _How(fast=False, cleared=False), _How(fast=True, cleared=True)):
        if not how.fast and best >= raw * _NOISE:
            continue
        if not promising:
            some = sample()
            guess = len(png(_cleared(some) if how.cleared else some, fast=how.fast)) * size[1] // some.height
            best, promising = min(best, guess), guess < limit * _WORTH_TRYING
        if promising:
            data, length = write(how)
            if data:
                return Squeezed(data, _CLEARING if how.cleared else "", length, mode)
            best, promising = min(best, length), False
    return Squeezed(None, "", max(limit, best), mode)


def squeeze_jpeg(strips: Callable[[int], Iterable[Image.Image]], size: Size, limit: int) -> Squeezed:
    """Write an RGB image as a JPEG of strictly less than `limit` bytes, at its own dimensions, if possible.

    `strips` is called with the rows of a strip, and again for each quality that is tried.
    """
    length = limit
    for quality in _QUALITIES:
        data, length = jpeg_of_strips(strips(rows_of_jpeg(size)), size, quality, limit)
        if data:
            lost = "" if quality == _QUALITY else f"the quality of the JPEG was lowered to {quality}"
            return Squeezed(data, lost, length, "RGB", quality)
    return Squeezed(None, "", length, "RGB")


def _mode_of(strips: Iterable[Image.Image]) -> str:
    """Return the mode of an image in strips that are all RGB, or all RGBA: RGB where none of these is transparent."""
    for strip in strips:
        if strip.mode == "RGB":
            break
        if without_opaque_alpha(strip).mode == "RGBA":
            return "RGBA"
    return "RGB"


def _cleared(image: Image.Image) -> Image.Image:
    return image.point(_CLEARED * 3 + (_CLEARED_ALPHA if image.mode == "RGBA" else []))


class _Sample:
    """Strips from all over an image, or a small image itself, taken as it passes in pieces."""

    def __init__(self, size: Size, mode: str) -> None:
        width, height = size
        whole = height <= 2 * _STRIPS * _STRIP_ROWS
        self._tops = [0] if whole else [strip * (height - _STRIP_ROWS) // (_STRIPS - 1) for strip in range(_STRIPS)]
        self._rows = height if whole else _STRIP_ROWS
        self.image = Image.new(mode, (width, self._rows * len(self._tops)))
        self._above = 0

    @property
    def is_complete(self) -> bool:
        return self._above >= self._tops[-1] + self._rows

    def add(self, piece: Image.Image) -> None:
        for number, top in enumerate(self._tops):
            begin, end = max(top, self._above), min(top + self._rows, self._above + piece.height)
            if begin < end:
                part = piece.crop((0, begin - self._above, piece.width, end - self._above))
                self.image.paste(part, (0, number * self._rows + begin - top))
        self._above += piece.height
