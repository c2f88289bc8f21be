"""Markup: marks drawn over a picture, on a transparent ground, that tell a model what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagecli.errors import UsageProblem
from imagecli.images.canvas import resample, same_shape, scaled, size_of
from imagecli.images.colour import flatten
from imagecli.images.encode import png
from imagecli.images.prepare import goes_with_its_picture, upload_of
from imagecli.images.privacy import without_metadata

if TYPE_CHECKING:
    from imagecli.images.reading import Picture
    from imagecli.images.types import Geometry, InputRules, Size, Upload

_CLEAR = (0, 0, 0, 0)


def prepare_markup(
    markup: Picture, picture: Size, geometry: Geometry, rules: InputRules, *, keep_metadata: bool = False
) -> Upload:
    """Return the markup as a PNG with the size that its picture is uploaded with, gone the way that its picture went.

    Args:
        markup: the marks, of the size or the proportions of the picture.
        picture: the upright picture's size, in pixels.
        geometry: how the picture lies on what is uploaded.
        rules: what the endpoint takes.
        keep_metadata: leave the file's metadata where it goes as it is.

    Raises:
        UsageProblem: it has no transparent ground or no marks, has another shape than the picture, or is damaged.
    """
    if not same_shape(markup.size, picture):
        (width, height), (across, down) = markup.size, picture
        raise UsageProblem(
            f"the markup has {width}x{height} pixels and the picture {across}x{down}: their shapes differ",
            hint="Draw it over the picture itself, so that it has its size or its proportions.",
        )
    image = flatten(markup.decode()).image
    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] != 0:
        raise UsageProblem(
            "the markup has no transparent pixel, so it would hide the picture",
            hint="Draw the marks on a transparent ground, and save them as a PNG.",
        )
    if image.getchannel("A").getbbox() is None:
        raise UsageProblem("the markup is empty: every pixel is transparent", hint="Draw the marks, opaque.")
    if goes_with_its_picture(markup, geometry, rules.max_bytes):
        data = markup.data if keep_metadata else without_metadata(markup.data, "png")[0]
        return upload_of(data, markup, "png", markup.size)
    placed = resample(image, size_of(geometry.placed), scaled(geometry.source, geometry.original, image.size))
    canvas = Image.new("RGBA", geometry.canvas, _CLEAR)
    canvas.paste(placed, geometry.placed[:2])
    return upload_of(png(canvas), markup, "png", geometry.canvas)
