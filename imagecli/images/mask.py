"""Masks: which pixels a mask opens, how it follows its picture onto the canvas, and how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, same_shape, scaled, size_of, whole
from imagecli.images.colour import flatten
from imagecli.images.encode import png

if TYPE_CHECKING:
    from imagecli.images.reading import Picture
    from imagecli.images.types import Geometry, MaskConvention, Size

_OPEN, _CLOSED = 255, 0
_WHITE = 128
"""The grey from which on a mask without transparency opens."""
_THRESHOLDS = (128, 1, 255)
"""A scaled pixel is open if half of what it covers is; where that closes or opens all: if any, or only if all."""


def openings(mask: Picture) -> tuple[Image.Image, bool]:
    """Return an L picture, 255 where an upright mask opens and 0 elsewhere, and whether its alpha says so.

    With transparency, alpha 0 opens; without any, white does. Raises `UsageProblem` for a mask that opens nothing or
    everything, or is damaged.
    """
    image = flatten(mask.decode()).image
    by_alpha = image.mode == "RGBA"
    if by_alpha:
        opened = image.getchannel("A").point(_table(range(1)))
    else:
        opened = image.convert("L").point(_table(range(_WHITE, 256)))
    if _is_all(opened, _CLOSED):
        what = "is fully transparent" if by_alpha else "is transparent or white"
        raise UsageProblem(
            f"the mask opens nothing: no pixel of it {what}",
            hint="Make the part that is to change fully transparent (alpha 0), or white where nothing is.",
        )
    if _is_all(opened, _OPEN):
        what = "is opaque" if by_alpha else "is black"
        raise UsageProblem(
            f"the mask opens everything: no pixel of it {what}",
            hint="Leave something closed, or make a new picture with gen.",
        )
    return opened, by_alpha


def opened_by(region: Image.Image) -> Image.Image:
    """Return the openings of a region: all that it lets change, however little, so that the fading has something."""
    return region.point(_table(range(1, 256)))


def check_shape(mask: Size, picture: Size) -> None:
    """Raise `UsageProblem` where an upright mask has neither the size nor the proportions of the upright picture."""
    if not same_shape(mask, picture):
        raise UsageProblem(
            f"the mask has {mask[0]}x{mask[1]} pixels and the picture {picture[0]}x{picture[1]}: their shapes differ",
            hint="Make the mask from the picture itself, so that it has its size or its proportions.",
        )


def follow(opened: Image.Image, geometry: Geometry) -> Image.Image:
    """Take the openings of an upright mask the way that its picture went; padding is closed.

    Raises `UsageProblem` where nothing or everything is left open.
    """
    box = scaled(geometry.source, geometry.original, opened.size)
    seen = opened.crop(whole(box))
    if _is_all(seen, _CLOSED):
        raise UsageProblem(
            "the crop cuts off all that the mask opens", hint="Use --fit pad, or crop the picture yourself."
        )
    if _is_all(seen, _OPEN):
        raise UsageProblem(
            "the crop leaves nothing that the mask keeps closed",
            hint="Use --fit pad, or crop the picture yourself.",
        )
    placed = _resized(opened, size_of(geometry.placed), box)
    if not geometry.padded:
        return placed
    canvas = Image.new("L", geometry.canvas, _CLOSED)
    canvas.paste(placed, geometry.placed[:2])
    return canvas


def loss(opened: Image.Image, geometry: Geometry) -> str | None:
    """Say so where the crop cuts off some of what an upright mask opens."""
    if geometry.source == full(geometry.original):
        return None
    kept = opened.copy()
    kept.paste(_CLOSED, whole(scaled(geometry.source, geometry.original, opened.size)))
    return "the crop cuts off a part of what the mask opens: it stays as it is" if kept.getbbox() else None


def write(opened: Image.Image, limit: int, convention: MaskConvention) -> tuple[bytes, str | None]:
    """Return a PNG of less than `limit` bytes that opens and closes by a convention.

    Where the detail is too fine for the limit it is made coarser, and the second value says so.
    """
    block = 1
    while block <= max(opened.size):
        image = _drawn(_coarse(opened, block), convention)
        for fast in (True, False):
            data = png(image, fast=fast)
            if len(data) < limit:
                return data, f"the mask was simplified to blocks of {block} pixels" if block > 1 else None
        block *= 2
    raise UsageProblem(f"the mask does not fit into {limit:,} bytes", hint="Use a smaller picture.")


def _drawn(opened: Image.Image, convention: MaskConvention) -> Image.Image:
    pixels = zip(convention.open, convention.closed, strict=True)
    bands = [opened.point([closed] * _OPEN + [open_]) for open_, closed in pixels]
    return bands[0] if len(bands) == 1 else Image.merge("RGBA"[: len(bands)], bands)


def _coarse(opened: Image.Image, block: int) -> Image.Image:
    if block == 1:
        return opened
    width, height = (max(1, side // block) for side in opened.size)
    return _resized(opened, (width, height), full(opened.size)).resize(opened.size, Image.Resampling.NEAREST)


def _resized(opened: Image.Image, size: Size, box: tuple[float, float, float, float]) -> Image.Image:
    """Scale a box of openings that are mixed, and keep them mixed."""
    covered = opened.resize(size, Image.Resampling.BILINEAR, box)
    for least in _THRESHOLDS:
        scaled_openings = covered.point(_table(range(least, 256)))
        if not (_is_all(scaled_openings, _CLOSED) or _is_all(scaled_openings, _OPEN)):
            return scaled_openings
    raise UsageProblem(
        f"at {size[0]}x{size[1]} pixels nothing is left of what the mask opens, or of what it keeps",
        hint="Open, or keep, a larger part.",
    )


def _is_all(opened: Image.Image, value: int) -> bool:
    return opened.getextrema() == (value, value)


def _table(opening: range) -> list[int]:
    return [_OPEN if value in opening else _CLOSED for value in range(256)]
