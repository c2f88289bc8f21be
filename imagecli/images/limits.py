"""How many pixels an input may declare: what decoding it would take in memory and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 178_956_970
"""Pixels that may be decoded: twice Pillow's warning threshold; 0.7 GB."""
_MAX_PIXELS_SCALED = 4 * MAX_PIXELS
"""The same for a file that can be decoded at a half or less; phones make 200 million pixels."""
_MAX_PIXELS_GREEDY = MAX_PIXELS // 2
"""The same for decoders that use 15 to 18 bytes per pixel, where others use 4 to 8."""
_GREEDY = ("jpeg2000", "webp")
_MAX_PIXELS_SLOW = MAX_PIXELS // 4
"""The same for Pillow's decoders in Python (QOI, RLE in BMP, text in PPM …): 0.2 to 3 s per million pixels."""
_SHRINKS = (1, 2, 4, 8)


def shrink_of(image: ImageFile, safe: str, max_pixels: int | None) -> int:
    """Return by how much an image's sides must be divided to decode it within the limit: 1, or 2 to 8 for a JPEG.

    `max_pixels` replaces the limits above. Raises `UsageProblem`, with the name `safe`, where that can't be done.
    """
    pixels = image.width * image.height
    limit = max_pixels or _limit(image)
    if pixels > limit:
        raise too_many_pixels(safe, f"{image.width}x{image.height} = {pixels:,}", limit)
    return next(shrink for shrink in _SHRINKS if pixels <= (max_pixels or MAX_PIXELS) * shrink**2)


def too_many_pixels(safe: str, size: str, limit: int = MAX_PIXELS) -> UsageProblem:
    """Return the error for an image, named `safe`, of too many pixels."""
    return UsageProblem(
        f"{safe} declares {size} pixels; the limit is {limit:,}",
        hint="Make the image smaller first, or raise the limit with --max-pixels N.",
    )


def _limit(image: ImageFile) -> int:
    kind = (image.format or "").lower()
    if kind in _GREEDY:
        return _MAX_PIXELS_GREEDY
    if any(tile.codec_name in Image.DECODERS for tile in image.tile):
        return _MAX_PIXELS_SLOW
    # A progressive JPEG is held in memory as a whole, at whatever scale it is decoded.
    return _MAX_PIXELS_SCALED if kind in ("jpeg", "mpo") and not image.info.get("progressive") else MAX_PIXELS
