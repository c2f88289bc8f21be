"""The canvas that is uploaded: where an image lies on it, at what size, and what fills the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from imagecli.images.colour import on_white
from imagecli.images.types import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.images.types import Box, ExactBox, Fit, Size


def full(size: Size) -> Box:
    """Return the box that covers a whole image."""
    return (0, 0, *size)


def size_of(box: Box) -> Size:
    """Return a box's width and height."""
    left, top, right, bottom = box
    return right - left, bottom - top


def shrunk(size: Size, longest: int) -> Size:
    """Return the size scaled so that its longest side is `longest`, in proportions as close as whole pixels allow."""
    most = max(size)
    width, height = (max(1, round(side * longest / most)) for side in size)
    return width, height


def same_shape(one: Size, other: Size) -> bool:
    """Return whether one size is the other scaled and rounded, to within one pixel of either."""
    return any(
        abs(a[0] * b[1] / b[0] - a[1]) <= 1 or abs(a[1] * b[0] / b[1] - a[0]) <= 1
        for a, b in ((one, other), (other, one))
    )


def centred(size: Size, shape: Size) -> Box:
    """Return the largest box of a shape (width to height) in the middle of an image."""
    width = max(1, min(size[0], round(size[1] * shape[0] / shape[1])))
    height = max(1, min(size[1], round(size[0] * shape[1] / shape[0])))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height


SQUARE: Size = (1, 1)
_GAP = 2.5
"""Images that shrink by more are first averaged over whole pixels down to this: half the time, at a PSNR of 50 dB."""


_KERNELS = (Image.Resampling.LANCZOS, Image.Resampling.HAMMING)
"""For colours, and for alpha: there LANCZOS, which overshoots, would leave rings of 1 to 6 in what was transparent."""


def longest_side(original: Size, fit: Fit | None, shape: Size = SQUARE) -> int:
    """Return the longest side that a canvas of a shape can have without enlarging the image."""
    if fit == "crop":
        return max(size_of(centred(original, shape)))
    if fit is None or shape == SQUARE:
        return max(original)
    return max(max(side, round(original[1 - at] * shape[at] / shape[1 - at])) for at, side in enumerate(original))


def lay_out(original: Size, fit: Fit | None, longest: int, shape: Size = SQUARE) -> Geometry:
    """Return where an upright original goes on a canvas whose longest side is `longest`.

    With a fit the canvas has the given shape (width to height), without one the original's.
    """
    if fit is None:
        canvas = shrunk(original, longest)
        return Geometry(original, full(original), canvas, full(canvas))
    canvas = shrunk(shape, longest)
    if fit == "crop":
        return Geometry(original, centred(original, shape), canvas, full(canvas))
    if fit == "stretch":
        return Geometry(original, full(original), canvas, full(canvas))
    width, height = size_of(centred(canvas, original))
    left, top = (canvas[0] - width) // 2, (canvas[1] - height) // 2
    return Geometry(original, full(original), canvas, (left, top, left + width, top + height))


def scaled(box: Box, size: Size, to: Size) -> ExactBox:
    """Return where a box of an image of one size lies on the same image at another."""
    across, down = to[0] / size[0], to[1] / size[1]
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def whole(box: ExactBox) -> Box:
    """Round a box to whole pixels, at least one each way."""
    left, top, right, bottom = (round(edge) for edge in box)
    left, top = min(left, max(0, right - 1)), min(top, max(0, bottom - 1))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def resample(image: Image.Image, size: Size, box: ExactBox | None = None) -> Image.Image:
    """Return a box of an RGB, RGBA or L image at a size; pixels are copied unchanged where nothing is scaled."""
    box = box or full(image.size)
    if (box[2] - box[0], box[3] - box[1]) == size and all(edge == int(edge) for edge in box):
        return image if box == full(image.size) else image.crop(whole(box))
    for_colours, for_alpha = _KERNELS
    if image.mode != "RGBA":
        return image.resize(size, for_colours, box, reducing_gap=_GAP)
    # Colours multiplied by alpha: Pillow would do so too, but would then ignore the gap.
    resized = image.convert("RGBa").resize(size, for_colours, box, reducing_gap=_GAP).convert("RGBA")
    resized.putalpha(image.getchannel("A").resize(size, for_alpha, box, reducing_gap=_GAP))
    return resized


def resample_strips(strips: Iterable[Image.Image], whole: Size, size: Size, box: ExactBox) -> Image.Image:
    """Return what `resample` would of an RGB or RGBA image that comes in strips, of which it holds one at a time.

    Each strip must be `factors(size, box)[1]` rows high or a multiple of it, the last excepted.
    """
    across, down = factors(size, box)
    height = -(-whole[1] // down)
    there = box[0] / across, box[2] / across
    canvas: list[Image.Image] = []
    top = 0
    for strip in strips:
        bands = (strip,) if strip.mode != "RGBA" else (strip.convert("RGBa"), strip.getchannel("A"))
        canvas = canvas or [Image.new(band.mode, (size[0], height)) for band in bands]
        for sheet, band, kernel in zip(canvas, bands, _KERNELS, strict=False):
            small = band.reduce((across, down)) if across * down > 1 else band
            sheet.paste(small.resize((size[0], small.height), kernel, (there[0], 0, there[1], small.height)), (0, top))
        top += -(-strip.height // down)
    placed = (0, box[1] / down, size[0], box[3] / down)
    colours, *alpha = (sheet.resize(size, kernel, placed) for sheet, kernel in zip(canvas, _KERNELS, strict=False))
    if alpha:
        colours = colours.convert("RGBA")
        colours.putalpha(alpha[0])
    return colours


def factors(size: Size, box: ExactBox) -> Size:
    """Return by how much a box is averaged over whole pixels, across and down, before it is resampled to a size."""
    across, down = (max(1, int((box[at + 2] - box[at]) / side / _GAP)) for at, side in enumerate(size))
    return across, down


def place(image: Image.Image, geometry: Geometry) -> Image.Image:
    """Return the canvas with an RGB or RGBA image in its place, and around it the opaque mean colour of each edge."""
    if not geometry.padded:
        return image
    width, height = geometry.canvas
    left, top, right, bottom = geometry.placed
    canvas = Image.new(image.mode, geometry.canvas)
    canvas.paste(image, (left, top))
    beside = (
        ((0, 0, width, top), (0, 0, image.width, 1)),
        ((0, bottom, width, height), (0, image.height - 1, image.width, image.height)),
        ((0, 0, left, height), (0, 0, 1, image.height)),
        ((right, 0, width, height), (image.width - 1, 0, image.width, image.height)),
    )
    for padding, edge in beside:
        if min(size_of(padding)) > 0:
            canvas.paste(_mean(image.crop(edge)), padding)
    return canvas


def _mean(edge: Image.Image) -> tuple[int, ...]:
    """Return the mean colour of an image on white."""
    colour = on_white(edge).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return tuple(colour)  # type: ignore[arg-type]  # three bands
