"""How many bytes an image will take: at the least, so that a full disk is refused unpaid, and likely."""

from __future__ import annotations

from typing import NamedTuple

from imagecli.images.types import parse_size

_PIXELS = 1024 * 1024
"""Of an image whose size is left to the server."""
_LEAST, _LIKELY = 1 / 64, 2.0
"""Bytes a pixel of a PNG: of flat colours, and of a photograph; no model makes a simpler one."""
_LOSSY = 4
"""How much smaller a JPEG or WebP is."""
_SVG = (512, 200_000)
_SMALLEST = 512


class Room(NamedTuple):
    """Bytes for one image."""

    least: int = 0
    """It is certain not to fit into less."""
    likely: int = 0
    """It fits into this, mostly."""


def room_for(size: object, kind: object) -> Room:
    """Return the room that an image takes.

    Args:
        size: its size as a request spells it, "1024x1024"; anything else where the server chooses.
        kind: its format, where the request names one.
    """
    if kind == "svg":
        return Room(*_SVG)
    known = parse_size(str(size))
    pixels = known[0] * known[1] if known else _PIXELS
    share = 1 if kind in {None, "png"} else _LOSSY
    # A server that chooses the size may choose a small one.
    least = pixels if known else pixels // 4
    return Room(max(_SMALLEST, int(least * _LEAST / share)), int(pixels * _LIKELY / share))
