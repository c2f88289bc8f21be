"""PNGs under a size limit, with as little lost as possible. `squeeze` has the figures behind its order."""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from imagecli.images.colour import flatten, on_white

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.images.types import Size

_RLE = 3
"""A strategy of zlib: 4 to 6 times faster than the default on photos, and no larger."""
_COLOUR_TYPES = {"L": 0, "RGB": 2, "RGBA": 6}
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

_CLEARED = [value & 0xFE for value in range(256)]
# Alpha 0 opens and 255 is opaque: no other value may become one of these.
_CLEARED_ALPHA = [value if value in (0, 255) else max(2, value & 0xFE) for value in range(256)]


class Squeezed(NamedTuple):
    """A PNG under the limit, or how large it would have been."""

    data: bytes | None
    """None: it can't be done at these dimensions."""
    cleared: bool
    """Whether the lowest bit of every channel was cleared."""
    length: int
    """In bytes; an estimate where `data` is None."""


def png(image: Image.Image, *, fast: bool = True) -> bytes:
    """Return a PNG of the pixels, without any metadata."""
    out = io.BytesIO()
    how = {"compress_type": _RLE} if fast else {"compress_level": 6}
    # What Pillow would write of what it read; a copy without that would take as much memory again.
    image.save(out, "PNG", icc_profile=None, transparency=None, **how)
    return out.getvalue()


def png_of_strips(strips: Iterable[Image.Image], size: Size, mode: str, level: int) -> bytes:
    """Return a PNG of an image in L, RGB or RGBA that is never in memory as a whole: for masks, which are flat.

    Args:
        strips: the image from top to bottom, each of its full width.
        size: of the whole, in pixels.
        mode: of the strips.
        level: of the compression, 1 to 9.
    """
    header = struct.pack(">IIBBBBB", *size, 8, _COLOUR_TYPES[mode], 0, 0, 0)
    deflate = zlib.compressobj(level)
    packed = []
    for strip in strips:
        raw = strip.tobytes()
        row = len(raw) // strip.height
        # Each row begins with its filter: none.
        packed.append(deflate.compress(b"".join(b"\0" + raw[at : at + row] for at in range(0, len(raw), row))))
    packed.append(deflate.flush())
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


WRITTEN = ("png", "jpeg", "webp")
"""The formats that a result is written in here."""
_QUALITY = 95


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


def plain(image: Image.Image) -> Image.Image:
    """Return an image of any mode in RGB or RGBA."""
    return image if image.mode in ("RGB", "RGBA") else flatten(image).image


def squeeze(image: Image.Image, limit: int) -> Squeezed:
    """Write an RGB or RGBA image as a PNG of strictly less than `limit` bytes, at its own dimensions, if possible.

    Run lengths first. Where that is too large: full deflate, which halves flat art and dithering, but takes ten times
    as long without gain on photos; then without the lowest bit of every channel, which is invisible (51 dB) and saves
    an eighth of pure noise and a quarter of photos. A sample shows which of them is worth the time.
    """
    best = raw = image.width * image.height * len(image.getbands())
    promising = best < limit * _WORTH_TRYING_RAW
    for write, cleared in ((png, False), (_deflated, False), (_cleared, True)):
        if write is _deflated and best >= raw * _NOISE:
            continue
        if not promising:
            sample = _sample(image)
            guess = len(write(sample)) * image.height // sample.height
            best, promising = min(best, guess), guess < limit * _WORTH_TRYING
        if promising:
            data = write(image)
            if len(data) < limit:
                return Squeezed(data, cleared, len(data))
            best, promising = min(best, len(data)), False
    return Squeezed(None, cleared=False, length=max(limit, best))


def _deflated(image: Image.Image) -> bytes:
    return png(image, fast=False)


def _cleared(image: Image.Image) -> bytes:
    return png(image.point(_CLEARED * 3 + (_CLEARED_ALPHA if image.mode == "RGBA" else [])))


def _sample(image: Image.Image) -> Image.Image:
    """Return strips from all over the image, or a small image itself."""
    if image.height <= 2 * _STRIPS * _STRIP_ROWS:
        return image
    sample = Image.new(image.mode, (image.width, _STRIPS * _STRIP_ROWS))
    for strip in range(_STRIPS):
        top = strip * (image.height - _STRIP_ROWS) // (_STRIPS - 1)
        sample.paste(image.crop((0, top, image.width, top + _STRIP_ROWS)), (0, strip * _STRIP_ROWS))
    return sample
