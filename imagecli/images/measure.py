"""What a mask did: how much of a result changed inside of what it opened, and how much outside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops

from imagecli.images.canvas import same_shape, scaled
from imagecli.images.colour import on_white, to_srgb
from imagecli.images.mask_file import CLOSED, OPEN, highest, opens_from
from imagecli.images.reading import open_input

if TYPE_CHECKING:
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Box, Size, Upload

_CHANGED = 16
"""A pixel has changed if one of its channels differs by more, of 255."""
_MOST_PIXELS = 4_200_000
"""Larger images are compared at this scale: enough for a share, and no photograph fills the memory twice."""
_LITTLE = 0.001
"""If less than this share of the inside changed, the mask had no effect …"""
_MORE = 1.25
"""… and none either unless the inside changed by this factor more than the outside."""


class Sent(NamedTuple):
    """What went along: an image, and a mask of its size."""

    image: Upload
    opened: Image.Image
    """What the mask opened, an L image of 0 and 255; smaller than the canvas where that is very large."""
    placed: Box
    """Where the original lies on the image; what is around it is padding, and not measured."""

    @classmethod
    def of(cls, image: Upload, opened: Image.Image, placed: Box) -> Sent:
        """Return what went along, from the openings on the canvas."""
        size = _bounded(opened.size)
        return cls(image, opened if opened.size == size else opened.resize(size, Image.Resampling.BOX), placed)


class Change(NamedTuple):
    """The shares of pixels that changed, 0 to 1."""

    inside: float
    outside: float

    @property
    def ignores_mask(self) -> bool:
        """Whether the inside changed hardly more than the outside."""
        return self.inside < _LITTLE or self.inside < self.outside * _MORE


def change(result: InputImage, sent: Sent) -> Change | None:
    """Return how much of a result changed; None where its shape is not that of what was sent.

    The two are compared at the smaller one's size, or where they differ in size at half of that, which hides most of
    what scaling alone does to an image. Padding is not looked at.
    """
    canvas = (sent.image.width, sent.image.height)
    if not same_shape(result.size, canvas):
        return None
    size = _bounded(min(canvas, result.size))
    factor = 1 if result.size == canvas else 2
    opened = sent.opened if sent.opened.size == size else sent.opened.resize(size, Image.Resampling.BOX)
    opened = opened.reduce(factor)
    before = open_input(sent.image.data, sent.image.filename, canvas[0] * canvas[1])
    changed = _changed(_at(before, size).reduce(factor), _at(result, size).reduce(factor))
    inside = opens_from(128 if highest(opened) >= 128 else 1, opened)  # noqa: PLR2004 - half open, or at all
    outside = Image.new("L", opened.size, CLOSED)
    outside.paste(OPEN, _within(scaled(sent.placed, canvas, opened.size)))
    outside = ImageChops.darker(outside, ImageChops.invert(opens_from(1, opened)))
    shares = (_share(changed, inside), _share(changed, outside))
    return None if None in shares else Change(*shares)  # type: ignore[arg-type]  # neither is


def _bounded(size: Size) -> Size:
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (size[0] * size[1])))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _at(image: InputImage, size: Size) -> Image.Image:
    """Return an image in sRGB at a size that is no larger; every pixel of it counts."""
    flat = image.flat(size)
    pixels = flat.image if flat.image.size == size else flat.image.resize(size, Image.Resampling.BOX)
    return to_srgb(pixels, flat.profile)


def _changed(one: Image.Image, other: Image.Image) -> Image.Image:
    """Return where two RGB or RGBA images differ: 255 there, else 0. One without transparency is compared on white."""
    differences = list(ImageChops.difference(on_white(one), on_white(other)).split())
    if one.mode == other.mode == "RGBA":
        differences.append(ImageChops.difference(one.getchannel("A"), other.getchannel("A")))
    most = differences[0]
    for each in differences[1:]:
        most = ImageChops.lighter(most, each)
    return opens_from(_CHANGED + 1, most)


def _share(changed: Image.Image, where: Image.Image) -> float | None:
    """Return the share of the pixels at `where` that changed; None where there are none."""
    unchanged, *_, differs = changed.histogram(where)
    count = unchanged + differs
    return round(differs / count, 6) if count else None


def _within(box: tuple[float, ...]) -> Box:
    """Return the whole pixels that lie in a box."""
    left, top, right, bottom = box
    return math.ceil(left), math.ceil(top), math.floor(right), math.floor(bottom)
