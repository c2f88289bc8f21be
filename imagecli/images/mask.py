"""The region of an image that may change: what the mask file and the mask flags open together, with its soft edge.

A region is an L image of the upright input's size: 255 shows the result, 0 the original, and values between both.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, size_of
from imagecli.images.colour import on_white
from imagecli.images.expand import ExpandedImage
from imagecli.images.mask_file import CLOSED, OPEN, check_shape, openings, opens_from, weights
from imagecli.images.mask_flags import ELLIPSE, MaskFlags

if TYPE_CHECKING:
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Box, Size

_SEAM_SHARE = 32
"""The seam beside what was expanded is a 32nd of the input's shorter side …"""
_SEAM = (8, 64)
"""… within these bounds, in pixels."""
_ROWS = 512
"""Of how many rows at least a feather is made at once …"""
_COLOUR_ROWS = 128
"""… and of how many the colours are looked at."""
_LARGE = 8_000_000
"""Pixels that are rather decoded twice than held."""
_STEP = 100
"""A box blur of this radius still shows a single open pixel."""
_TINT = (255, 0, 110)
_TINT_WEIGHT = 0.6
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_type": 3},
    "jpeg": {"quality": 90},
    "webp": {"quality": 90},
}


def region_of(image: InputImage, mask: InputImage | None, flags: MaskFlags, *, soft: bool = True) -> Image.Image:
    """Return the region that a mask file and the mask flags open in an image; areas and colours are the original's.

    Around an expanded image everything is open, and so is a seam that fades out into it. The greys of a `soft` mask
    file, or its alpha, stay as they are; otherwise its pixels are open or closed. Raises `UsageProblem` where nothing
    or everything is open, or a file is damaged.
    """
    inner = image.inner if isinstance(image, ExpandedImage) else full(image.size)
    size = size_of(inner)
    region = Image.new("L", size, CLOSED)
    if mask is not None:
        check_shape("mask", mask.size, size)
        region = _of_file(mask, size, soft=soft)
    for area in flags.areas:
        box = area.box(size)
        if area.flag == ELLIPSE:
            ImageDraw.Draw(region).ellipse((box[0], box[1], box[2] - 1, box[3] - 1), fill=OPEN)
        else:
            region.paste(OPEN, box)
    if flags.colours:
        _open_colours(region, image, inner, flags)
    if flags.invert:
        region = ImageChops.invert(region)
    if flags.feather:
        region = _feathered(region, flags.feather)
    if isinstance(image, ExpandedImage):
        region = _with_margins(region, image.size, inner, flags.feather)
    _check(region, image, mask, flags)
    return region


def extent(region: Image.Image) -> dict[str, Any]:
    """Return the box around what a region opens, and the share of the image that it changes, 0 to 1."""
    weight = ImageStat.Stat(region).mean[0] / OPEN
    return {"box": region.getbbox(), "share": round(weight, 6), "width": region.width, "height": region.height}


def tinted(image: InputImage, region: Image.Image, kind: str = "png") -> bytes:
    """Return an image, on white where it is transparent, with the region tinted: a PNG, JPEG or WebP.

    Raises `UsageProblem` for another format.
    """
    if kind not in _SAVE_OPTIONS:
        raise UsageProblem(f"a mask preview can't be a {kind} file", hint="End its name in .png, .jpg or .webp.")
    return _tinted(image.srgb(), region, kind)


def tinted_small(image: InputImage, region: Image.Image, side: int) -> bytes:
    """Return the same as a PNG whose longer side has at most `side` pixels."""
    scale = min(1.0, side / max(image.size))
    size = max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale))
    return _tinted(image.srgb_at(size, full(image.size)), region.resize(size, Image.Resampling.BOX), "png")


def _tinted(image: Image.Image, region: Image.Image, kind: str) -> bytes:
    preview = on_white(image).copy()
    weights = region.point([round(value * _TINT_WEIGHT) for value in range(256)])
    preview.paste(_TINT, full(preview.size), weights)
    preview.info = {}
    out = io.BytesIO()
    preview.save(out, kind, **_SAVE_OPTIONS[kind])
    return out.getvalue()


def _of_file(mask: InputImage, size: Size, *, soft: bool) -> Image.Image:
    opened = openings(mask)[0]  # raises, where it opens nothing or everything
    region = weights(mask) if soft else opened
    if region.size == size:
        return region
    resized = region.resize(size, Image.Resampling.BILINEAR)
    return resized if any(region.histogram()[1:OPEN]) else opens_from(128, resized)  # hard edges stay hard


def _open_colours(region: Image.Image, image: InputImage, inner: Box, flags: MaskFlags) -> None:
    """Open a region, in place, where an image shows one of the colours; fully transparent pixels show none."""
    if math.prod(image.size) <= _LARGE or not image.has_file:
        image.decode()  # kept: a large one would fill the memory for as long as the server is at work
    top = 0
    for strip in image.srgb_strips(inner, _COLOUR_ROWS):
        found = _of_colours_in(strip, flags)
        region.paste(OPEN, (0, top), found)
        top += strip.height


def _of_colours_in(flat: Image.Image, flags: MaskFlags) -> Image.Image:
    found = Image.new("L", flat.size, CLOSED)
    bands = flat.split()
    for colour in flags.colours:
        same = None
        for band, wanted in zip(bands, colour.rgb, strict=False):
            close = band.point([OPEN if abs(value - wanted) <= colour.tolerance else CLOSED for value in range(256)])
            same = close if same is None else ImageChops.darker(same, close)
        found = ImageChops.lighter(found, same) if same else found
    if flat.mode == "RGBA":
        found = ImageChops.darker(found, opens_from(1, bands[3]))
    return found


def _feathered(region: Image.Image, radius: int) -> Image.Image:
    """Let a region fade out over `radius` pixels around it; what it opens stays open, however narrow."""
    box = region.getbbox()
    if box is None:
        return region
    left, top, right, bottom = (*(max(0, edge - radius) for edge in box[:2]), box[2] + radius, box[3] + radius)
    right, bottom = min(region.width, right), min(region.height, bottom)
    half = radius // 2
    faded = Image.new("L", region.size, CLOSED)
    rows = max(_ROWS, 2 * radius)
    for above in range(top, bottom, rows):
        # With the rows around them that can reach into these.
        begin, below = max(top, above - radius), min(bottom, above + rows)
        sharp = region.crop((left, begin, right, min(bottom, below + radius)))
        soft = ImageChops.lighter(sharp, _blurred(_grown(sharp, radius - half), half))
        faded.paste(soft.crop((0, above - begin, soft.width, below - begin)), (left, above))
    return faded


def _grown(region: Image.Image, radius: int) -> Image.Image:
    """Return a region that reaches `radius` pixels farther; what is half open is closed."""
    grown = opens_from(128, region)
    while radius > 0:
        step = min(radius, _STEP)
        for across, down in ((step, 0), (0, step)):
            grown = opens_from(1, grown.filter(ImageFilter.BoxBlur((across, down))))
        radius -= step
    return grown


def _blurred(region: Image.Image, radius: int) -> Image.Image:
    """Let the edge of a region fade out over `radius` pixels on either side, and change nothing beyond."""
    for part in (radius // 2, radius - radius // 2):
        if part:
            region = region.filter(ImageFilter.BoxBlur(part))
    return region


def _with_margins(region: Image.Image, canvas: Size, inner: Box, feather: int | None) -> Image.Image:
    """Return the region on its canvas, open around the input and in a seam that fades out into it."""
    shorter = min(size_of(inner))
    if feather is None:
        least, most = _SEAM
        feather = min(most, max(least, shorter // _SEAM_SHARE))
    seam = min(feather, shorter // 4)
    # A side that was not expanded has no seam: its edge is the input's own.
    left, top, right, bottom = (
        edge + sign * (seam - seam // 2) if edge != border else edge
        for edge, border, sign in zip(inner, full(canvas), (1, 1, -1, -1), strict=True)
    )
    around = Image.new("L", canvas, OPEN)
    around.paste(CLOSED, (left, top, right, bottom))
    around = _blurred(around, seam // 2)
    placed = Image.new("L", canvas, OPEN)
    placed.paste(ImageChops.lighter(region, around.crop(inner)), inner[:2])
    return placed


def _check(region: Image.Image, image: InputImage, mask: InputImage | None, flags: MaskFlags) -> None:
    low, high = region.getextrema()
    width, height = image.size
    if high == CLOSED:
        colours = ", ".join(colour.text for colour in flags.colours)
        near = f"; no pixel is near {colours}" if colours and not flags.areas and not flags.invert else ""
        raise UsageProblem(
            f"the mask opens nothing of the {width}x{height} image{near}",
            hint="See what it opens with --mask-preview FILE, which sends nothing.",
        )
    # A mask file that is nowhere quite black has been judged by what it opens.
    if low == OPEN or (low and mask is None):
        raise UsageProblem(
            f"the mask opens everything of the {width}x{height} image",
            hint="Make --mask-feather smaller." if flags.feather else "Close an area of the mask, or leave it out.",
        )
