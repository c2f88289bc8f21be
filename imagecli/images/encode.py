"""Writes PNGs under a limit, with as little lost as it takes. The figures behind the order are in `squeeze`."""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image

_RLE = 3
"""zlib's strategy: 4 to 6 times faster than the default on photos, and no larger."""
_STRIPS = 16
_STRIP_ROWS = 16
_HOPE = 1.1
"""How far over the limit an estimate may lie that is still worth trying."""
_PLAIN_HOPE = 2
"""The same for the bare pixels, before there is an estimate: most pictures shrink to half or less."""

_NOISE = 0.98
"""The share of the bare pixels from which on a picture is noise, which no deflate makes smaller."""

_CLEARED = [value & 0xFE for value in range(256)]
# Alpha 0 opens and 255 is opaque: no value may become one of them.
_CLEARED_ALPHA = [value if value in (0, 255) else max(2, value & 0xFE) for value in range(256)]


class Squeezed(NamedTuple):
    """A PNG under the limit, or how far there is to go."""

    data: bytes | None
    """None: it can't be done at this size."""
    cleared: bool
    """Whether the lowest bit of every channel was given up."""
    length: int
    """Bytes; where `data` is None, about how many it would have been."""


def png(image: Image.Image, *, fast: bool = True) -> bytes:
    """Return a PNG of the pixels alone, without any metadata."""
    bare = image.copy() if image.info else image
    bare.info = {}
    out = io.BytesIO()
    if fast:
        bare.save(out, "PNG", compress_type=_RLE)
    else:
        bare.save(out, "PNG", compress_level=6)
    return out.getvalue()


def squeeze(image: Image.Image, limit: int) -> Squeezed:
    """Write an RGB or RGBA picture as a PNG of strictly less than `limit` bytes, at its size, if that can be done.

    Run lengths first. Where that is too much: full deflate, which halves flat art and dithering, and takes ten times
    as long for nothing on photos; then without the lowest bit of every channel, which is not seen (51 dB) and takes
    an eighth off pure noise and a quarter off photos. A sample tells which of them is worth the time.
    """
    best = bare = image.width * image.height * len(image.getbands())
    hopeful = best < limit * _PLAIN_HOPE
    for write, cleared in ((png, False), (_deflated, False), (_cleared, True)):
        if write is _deflated and best >= bare * _NOISE:
            continue
        if not hopeful:
            sample = _sample(image)
            guess = len(write(sample)) * image.height // sample.height
            best, hopeful = min(best, guess), guess < limit * _HOPE
        if hopeful:
            data = write(image)
            if len(data) < limit:
                return Squeezed(data, cleared, len(data))
            best, hopeful = min(best, len(data)), False
    return Squeezed(None, cleared=False, length=max(limit, best))


def _deflated(image: Image.Image) -> bytes:
    return png(image, fast=False)


def _cleared(image: Image.Image) -> bytes:
    return png(image.point(_CLEARED * 3 + (_CLEARED_ALPHA if image.mode == "RGBA" else [])))


def _sample(image: Image.Image) -> Image.Image:
    """Return strips from all over the picture, or the picture itself where it is small."""
    if image.height <= 2 * _STRIPS * _STRIP_ROWS:
        return image
    sample = Image.new(image.mode, (image.width, _STRIPS * _STRIP_ROWS))
    for strip in range(_STRIPS):
        top = strip * (image.height - _STRIP_ROWS) // (_STRIPS - 1)
        sample.paste(image.crop((0, top, image.width, top + _STRIP_ROWS)), (0, strip * _STRIP_ROWS))
    return sample
