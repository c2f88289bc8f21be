"""Mask files: which pixels one opens, how these follow the input onto the canvas, and how a mask is written.

Openings are an L image: 255 is open, 0 closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageStat

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, same_shape, scaled, size_of, whole
from imagecli.images.colour import flatten
from imagecli.images.png_writing import flat_png
from imagecli.images.types import LOSSY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.reading import InputImage
    from imagecli.images.types import ExactBox, Geometry, MaskConvention, Size

OPEN, CLOSED = 255, 0
_WHITE = 128
"""The lowest grey that opens in a mask without transparency."""
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_LEVELS = (1, 6)
"""Of the compression: the first is enough for nearly all masks."""
_ROWS = 256
"""Of how many rows a mask is written at once."""
_NOISE = 16
"""How far a lossy format may move black and white."""
_OPEN_HINT = "Make what should change fully transparent (alpha 0), or white in a mask without transparency."
_THRESHOLDS = (128, 1, 255)
"""A scaled pixel is open if half of what it covers is; where that closes or opens everything: if any is, or all is."""


def openings(mask: InputImage) -> tuple[Image.Image, bool]:
    """Return the openings of an upright mask, and whether they come from its alpha.

    With transparency, alpha 0 opens; without any, white does. Raises `UsageProblem` for a mask that opens nothing or
    everything, or is damaged.
    """
    band, by_alpha = _band(mask)
    opened = ImageChops.invert(opens_from(1, band)) if by_alpha else opens_from(_WHITE, band)
    if _is_all(opened, CLOSED):
        raise _opens_nothing(band, by_alpha=by_alpha)
    if _is_all(opened, OPEN):
        what = "is opaque" if by_alpha else "is black"
        raise UsageProblem(
            f"the mask opens everything: no pixel of it {what}",
            hint="Close an area of it, or make a new image with gen.",
        )
    return opened, by_alpha


def weights(mask: InputImage) -> Image.Image:
    """Return how much of the result each pixel of an upright mask shows: its grey, or what its alpha lacks of opaque.

    0 shows the original, 255 the result. The noise that a lossy format adds to black and white is removed.
    """
    band, by_alpha = _band(mask)
    if by_alpha:
        most = highest(band)
        return band.point([OPEN - min(OPEN, round(OPEN * alpha / most)) for alpha in range(256)])
    if mask.format not in LOSSY:
        return band
    return band.point([CLOSED] * (_NOISE + 1) + [*range(_NOISE + 1, OPEN - _NOISE)] + [OPEN] * (_NOISE + 1))


def _band(mask: InputImage) -> tuple[Image.Image, bool]:
    """Return what decides about a mask's pixels, its alpha or its grey, and whether it is the alpha."""
    image = flatten(mask.decode()).image
    return (image.getchannel("A"), True) if image.mode == "RGBA" else (image.convert("L"), False)


def _opens_nothing(band: Image.Image, *, by_alpha: bool) -> UsageProblem:
    if by_alpha:
        return UsageProblem("the mask opens nothing: no pixel of it is fully transparent", hint=_OPEN_HINT)
    lightest = highest(band)
    return UsageProblem(
        "the mask opens nothing: no pixel of it is transparent or white"
        + (f"; its lightest is {lightest} of 255, and only {_WHITE} or more counts as white" if lightest else ""),
        hint="Its values are 0 and 1: multiply them by 255." if lightest == 1 else _OPEN_HINT,
    )


def highest(band: Image.Image) -> int:
    """Return the highest value of an L image."""
    return ImageStat.Stat(band).extrema[0][1]


def opened_by(region: Image.Image) -> Image.Image:
    """Return the openings of a region: all that it lets change, however little, so that its soft edge is included."""
    return opens_from(1, region) if any(region.histogram()[1:OPEN]) else region  # a copy of a large one is costly


def opens_from(least: int, image: Image.Image) -> Image.Image:
    """Return the openings of an L image that is open from the value `least` on."""
    return image.point([CLOSED] * least + [OPEN] * (256 - least))


def check_shape(what: str, size: Size, image: Size) -> None:
    """Raise `UsageProblem` where a mask or markup (`what`) has neither the size nor the proportions of its image.

    Both sizes are upright.
    """
    if not same_shape(size, image):
        raise UsageProblem(
            f"the {what} has {size[0]}x{size[1]} pixels and the image {image[0]}x{image[1]}: their shapes differ",
            hint="Make it from the image itself, so that it has the same size or proportions.",
        )


def follow(opened: Image.Image, geometry: Geometry) -> Image.Image:
    """Return the openings of an upright mask on the canvas, scaled and placed like the image; padding is closed.

    Raises `UsageProblem` where nothing or everything is left open.
    """
    box = scaled(geometry.source, geometry.original, opened.size)
    seen = opened.crop(whole(box))
    if _is_all(seen, CLOSED):
        raise UsageProblem(
            "the crop cuts off everything that the mask opens", hint="Use --fit pad, or crop the image yourself."
        )
    if _is_all(seen, OPEN):
        raise UsageProblem(
            "the crop cuts off everything that the mask closes", hint="Use --fit pad, or crop the image yourself."
        )
    placed = _resized(opened, size_of(geometry.placed), box)
    if not geometry.padded:
        return placed
    canvas = Image.new("L", geometry.canvas, CLOSED)
    canvas.paste(placed, geometry.placed[:2])
    return canvas


def loss(opened: Image.Image, geometry: Geometry) -> str | None:
    """Return a warning where the crop cuts off part of what an upright mask opens."""
    if geometry.source == full(geometry.original):
        return None
    outside = opened.copy()
    outside.paste(CLOSED, whole(scaled(geometry.source, geometry.original, opened.size)))
    return "the crop cuts off part of what the mask opens; that part stays unchanged" if outside.getbbox() else None


def write(opened: Image.Image, limit: int, convention: MaskConvention) -> tuple[bytes, str | None]:
    """Return a PNG of less than `limit` bytes that follows a convention, and a warning.

    Detail that is too fine for the limit is made coarser; the warning says so.
    """
    block = 1
    while block <= max(opened.size):
        coarse = _coarse(opened, block)
        for level in _LEVELS:
            strips = (_by_convention(strip, convention) for strip in _strips(coarse))
            data = flat_png(strips, coarse.size, _MODES[len(convention.open)], level)
            if len(data) < limit:
                return data, f"the mask was simplified to blocks of {block} pixels" if block > 1 else None
        block *= 2
    raise UsageProblem(f"the mask does not fit into {limit:,} bytes", hint="Use a smaller image.")


def _strips(opened: Image.Image) -> Iterator[Image.Image]:
    for top in range(0, opened.height, _ROWS):
        yield opened.crop((0, top, opened.width, min(top + _ROWS, opened.height)))


def _by_convention(opened: Image.Image, convention: MaskConvention) -> Image.Image:
    pixels = zip(convention.open, convention.closed, strict=True)
    bands = [opened.point([closed] * OPEN + [open_]) for open_, closed in pixels]
    return bands[0] if len(bands) == 1 else Image.merge(_MODES[len(bands)], bands)


def _coarse(opened: Image.Image, block: int) -> Image.Image:
    if block == 1:
        return opened
    width, height = (max(1, side // block) for side in opened.size)
    return _resized(opened, (width, height), full(opened.size)).resize(opened.size, Image.Resampling.NEAREST)


def _resized(opened: Image.Image, size: Size, box: ExactBox) -> Image.Image:
    """Scale a box of openings that has open and closed pixels, and keep some of both."""
    if box == full(opened.size) and size == opened.size:
        return opened
    covered = opened.resize(size, Image.Resampling.BILINEAR, box)
    for least in _THRESHOLDS:
        scaled_openings = opens_from(least, covered)
        if not (_is_all(scaled_openings, CLOSED) or _is_all(scaled_openings, OPEN)):
            return scaled_openings
    raise UsageProblem(
        f"scaled to {size[0]}x{size[1]} pixels, the mask has no open area left, or no closed one",
        hint="Open, or close, a larger area.",
    )


def _is_all(opened: Image.Image, value: int) -> bool:
    return opened.getextrema() == (value, value)
