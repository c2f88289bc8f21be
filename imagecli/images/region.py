"""The region of a picture that may change: what the mask file and the mask flags open together, with its soft edge.

A region is an L picture of the upright picture's size: 255 is the result's, 0 the original's, between them both show.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, size_of
from imagecli.images.colour import flatten
from imagecli.images.expand import ExpandedPicture
from imagecli.images.mask import check_shape, openings
from imagecli.images.mask_flags import ELLIPSE, Marks
from imagecli.images.reading import reading

if TYPE_CHECKING:
    from imagecli.images.reading import Picture
    from imagecli.images.types import Box, Size

_OPEN, _CLOSED = 255, 0
_SEAM_SHARE = 32
"""The seam beside what was expanded is a 32nd of the picture's shorter side …"""
_SEAM = (8, 64)
"""… and this many pixels at least and at most."""
_TINT = (255, 0, 110)
_TINT_WEIGHT = 0.6
_WRITTEN: dict[str, dict[str, Any]] = {"png": {"compress_type": 3}, "jpeg": {"quality": 90}, "webp": {"quality": 90}}


def region_of(picture: Picture, mask: Picture | None, marks: Marks) -> Image.Image:
    """Return the region that a mask file and the marks open in a picture; areas and colours are the original's.

    Around a picture that was expanded all is open, and so is a seam that fades out into it. Raises `UsageProblem`
    where nothing or everything is open, or a file is damaged.
    """
    inner = picture.inner if isinstance(picture, ExpandedPicture) else full(picture.size)
    size = size_of(inner)
    region = Image.new("L", size, _CLOSED)
    if mask is not None:
        check_shape(mask.size, size)
        opened = openings(mask)[0]
        region = opened if opened.size == size else _scaled(opened, size)
    for area in marks.areas:
        box = area.box(size)
        if area.flag == ELLIPSE:
            ImageDraw.Draw(region).ellipse((box[0], box[1], box[2] - 1, box[3] - 1), fill=_OPEN)
        else:
            region.paste(_OPEN, box)
    if marks.colours:
        region = ImageChops.lighter(region, _near(picture, inner, marks))
    if marks.invert:
        region = ImageChops.invert(region)
    if marks.feather:
        region = _feathered(region, marks.feather)
    if isinstance(picture, ExpandedPicture):
        region = _with_margins(region, picture.size, inner, marks.feather)
    _check(region, picture, marks)
    return region


def extent(region: Image.Image) -> dict[str, Any]:
    """Return the box around what a region opens, and which share of the picture it changes, 0 to 1."""
    weight = ImageStat.Stat(region).mean[0] / _OPEN
    return {"box": region.getbbox(), "share": round(weight, 6), "width": region.width, "height": region.height}


def tinted(picture: Picture, region: Image.Image, kind: str = "png") -> bytes:
    """Return a picture, on white where it is transparent, with the region tinted: a PNG, JPEG or WebP.

    Raises `UsageProblem` for another format.
    """
    if kind not in _WRITTEN:
        raise UsageProblem(f"a mask preview can't be a {kind} file", hint="Let its name end in .png, .jpg or .webp.")
    with reading(picture.name):
        image = flatten(picture.decode(), bits=picture.bits).image
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    weights = region.point([round(value * _TINT_WEIGHT) for value in range(256)])
    shown = image.copy()
    shown.paste(_TINT, full(image.size), weights)
    shown.info = {}
    out = io.BytesIO()
    shown.save(out, kind, **_WRITTEN[kind])
    return out.getvalue()


def _scaled(opened: Image.Image, size: Size) -> Image.Image:
    return opened.resize(size, Image.Resampling.BILINEAR).point([_CLOSED] * 128 + [_OPEN] * 128)


def _near(picture: Picture, inner: Box, marks: Marks) -> Image.Image:
    """Return where a picture shows one of the colours; what is fully transparent shows none."""
    with reading(picture.name):
        image = flatten(picture.decode(), bits=picture.bits).image.crop(inner)
    found = Image.new("L", image.size, _CLOSED)
    bands = image.split()
    for colour in marks.colours:
        same = None
        for band, wanted in zip(bands, colour.rgb, strict=False):
            close = band.point([_OPEN if abs(value - wanted) <= colour.tolerance else _CLOSED for value in range(256)])
            same = close if same is None else ImageChops.darker(same, close)
        found = ImageChops.lighter(found, same) if same else found
    if image.mode == "RGBA":
        found = ImageChops.darker(found, bands[3].point([_CLOSED] + [_OPEN] * 255))
    return found


def _feathered(region: Image.Image, radius: int) -> Image.Image:
    """Let the edge of a region fade out over `radius` pixels to either side, and change nothing beyond."""
    for part in (radius // 2, radius - radius // 2):
        if part:
            region = region.filter(ImageFilter.BoxBlur(part))
    return region


def _with_margins(region: Image.Image, canvas: Size, inner: Box, feather: int | None) -> Image.Image:
    """Return the region on its canvas, open around the picture and in a seam that fades out into it."""
    seam = feather
    if seam is None:
        least, most = _SEAM
        seam = min(most, max(least, min(size_of(inner)) // _SEAM_SHARE))
    seam = min(seam, min(size_of(inner)) // 4)
    width, height = canvas
    # No seam on a side that has not grown: the edge there is the picture's own.
    closed = [
        edge + sign * (seam - seam // 2) if edge != border else edge
        for edge, border, sign in zip(inner, (0, 0, width, height), (1, 1, -1, -1), strict=True)
    ]
    around = Image.new("L", canvas, _OPEN)
    around.paste(_CLOSED, (closed[0], closed[1], closed[2], closed[3]))
    around = _feathered(around, seam // 2)
    placed = Image.new("L", canvas, _OPEN)
    placed.paste(ImageChops.lighter(region, around.crop(inner)), inner[:2])
    return placed


def _check(region: Image.Image, picture: Picture, marks: Marks) -> None:
    low, high = region.getextrema()
    width, height = picture.size
    if high == _CLOSED:
        colours = ", ".join(colour.text for colour in marks.colours)
        near = f"; no pixel is near {colours}" if colours and not marks.areas and not marks.invert else ""
        raise UsageProblem(
            f"the mask opens nothing of the {width}x{height} picture{near}",
            hint="Look at it with --mask-preview FILE, which sends nothing.",
        )
    if low:
        raise UsageProblem(
            f"the mask opens everything of the {width}x{height} picture",
            hint="Leave something closed, or leave the mask away.",
        )
