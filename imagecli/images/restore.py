"""Undoes the fit on a result: removes the padding, undoes the stretching, or puts the crop back where it came from.

Or combines the result with the original, so that nothing changes outside the region that may change.
"""

from __future__ import annotations

import contextlib
import math
import zlib
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image

from imagecli.errors import Failure
from imagecli.images.canvas import centred, full, resample, scaled, shrunk, size_of, whole
from imagecli.images.colour import from_srgb, to_srgb
from imagecli.images.limits import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imagecli.images.colour import Flat
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Box, ExactBox, Geometry, Size

    Mode = Literal["aspect", "size"]

_BYTE = 8
_EPSILON = 1e-6
"""Differences of less than this part of a pixel are floating-point noise."""
_MUCH_SMALLER = 2
"""A result that has to be enlarged by this much to fit in is much less sharp than what is around it."""
_SUPPORT = 4
"""How many pixels beside a place LANCZOS looks at, at the scale of the smaller image, and one to spare."""
_ROWS = 512
"""The most rows of a piece of a region."""
_MOST_KEPT = 4_000_000
"""Pixels under a patch that are kept to take it out again; an original that loses more is decoded anew."""


class Pixels(NamedTuple):
    """An image to be written, and the ICC profile of its values; None: sRGB, or unknown."""

    image: Image.Image
    profile: bytes | None = None


class Strips(NamedTuple):
    """An image to be written that is never in memory as a whole."""

    strips: Callable[[int], Iterable[Image.Image]]
    """Return it from top to bottom, so many rows at a time."""
    size: Size
    mode: str
    """RGB or RGBA."""
    profile: bytes | None = None


class Piece(NamedTuple):
    """A part of a region."""

    box: Box
    deflated: bytes
    """The weights in the box, a byte per pixel: those of a photograph would take a quarter of the memory that it does
    itself, and hardly any of them differs from the one beside it."""

    @classmethod
    def of(cls, weights: Image.Image, box: Box) -> Piece:
        """Return the piece of an L image that belongs on a box of the original."""
        return cls(box, zlib.compress(weights.tobytes(), 1))

    def weights(self, box: Box) -> Image.Image:
        """Return the weights in a box that lies within its own, as an L image."""
        whole = Image.frombytes("L", size_of(self.box), zlib.decompress(self.deflated))
        return whole if box == self.box else whole.crop(_relative(box, self.box))


class Region(NamedTuple):
    """Where an original may change, in pieces; around them it may not.

    Where a weight is 0, the original's pixels stay exact; where it is 255, they are the result's.
    """

    box: Box
    """Around all of it."""
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, weights: Image.Image) -> Region:
        """Return the region of an L image of the original's size."""
        pieces = []
        for top in range(0, weights.height, _ROWS):
            strip = weights.crop((0, top, weights.width, min(top + _ROWS, weights.height)))
            if inner := strip.getbbox():
                pieces.append(Piece.of(strip.crop(inner), (inner[0], top + inner[1], inner[2], top + inner[3])))
        return cls(weights.getbbox() or full(weights.size), tuple(pieces))

    def within(self, box: Box) -> list[tuple[Box, Piece]]:
        """Return which of its pieces reach into a box, and what of it each of them covers."""
        shared = ((_shared(piece.box, box), piece) for piece in self.pieces)
        return [(both, piece) for both, piece in shared if min(size_of(both)) > 0]


def restored(result: InputImage, geometry: Geometry, mode: Mode, original: InputImage) -> Pixels | None:
    """Return a result with the shape ("aspect") or the exact size of the upright original; None: it has that already.

    `result` has any size, and shows the whole canvas of `geometry`. Padding is removed, stretching is undone, and a
    crop is put back into the whole original. Raises `Failure` where it would be too large.
    """
    frame = _frame(result.size, geometry.canvas)
    if geometry.source != full(geometry.original):
        return Pixels(_put_back(result, frame, geometry, mode, original))
    return _cut_out(result, frame, geometry, mode)


class Patch(NamedTuple):
    """What a result shows where its original may change."""

    image: Image.Image
    """RGB or RGBA, in sRGB."""
    place: ExactBox
    """What of it belongs on `box`."""
    box: Box
    """Of the original."""


def patch_of(
    result: InputImage, geometry: Geometry, region: Region, original: InputImage, warn: Callable[[str], None]
) -> Patch:
    """Return what a result, which shows the whole canvas of `geometry`, has in place of a region.

    `warn` is called where the result has another shape than the canvas, so that only its middle is used, where it is
    much smaller than what it replaces, and where bit depth is lost.
    """
    frame = _frame(result.size, geometry.canvas)
    if frame != full(result.size):
        sizes = "x".join(map(str, result.size)), "x".join(map(str, geometry.canvas))
        warn(
            f"the result ({sizes[0]}) has a different shape from the input that was sent ({sizes[1]}): its middle"
            " was used, so the edit may be misplaced; request the same shape with --size"
        )
    if original.bits > _BYTE:
        warn(f"{original.shown} has {original.bits} bits per channel and the result has 8, also outside the mask")
    box = _shared(region.box, geometry.source)
    if min(size_of(box)) <= 0:  # the crop has cut it off
        box = geometry.source
    # Where the image on the canvas lies on the result, and what the box covers there; in fractions of a pixel.
    left, top, right, bottom = scaled(geometry.placed, geometry.canvas, size_of(frame))
    width, height = size_of(geometry.source)
    across, down = (right - left) / width, (bottom - top) / height
    if max(across, down) * _MUCH_SMALLER <= 1:
        warn(
            "the result ({}x{}) is much smaller than {} ({}x{}): the edit is enlarged {:.1f} times, and less"
            " sharp than the rest; ask for a larger --size, or crop the image first".format(
                *result.size, original.shown, *original.size, 1 / max(across, down)
            )
        )
    x, y = left + frame[0], top + frame[1]
    there = (
        x + (box[0] - geometry.source[0]) * across,
        y + (box[1] - geometry.source[1]) * down,
        x + (box[2] - geometry.source[0]) * across,
        y + (box[3] - geometry.source[1]) * down,
    )
    # Cut out before scaling, which would mix in the padding beside it.
    reach = math.ceil(_SUPPORT * max(1, across, down))
    cut = (
        max(math.floor(x + _EPSILON), math.floor(there[0]) - reach),
        max(math.floor(y + _EPSILON), math.floor(there[1]) - reach),
        min(math.ceil(x + right - left - _EPSILON), math.ceil(there[2]) + reach),
        min(math.ceil(y + bottom - top - _EPSILON), math.ceil(there[3]) + reach),
    )
    flat = result.flat()
    image = to_srgb(flat.image.crop(cut), flat.profile)
    place = _inside((there[0] - cut[0], there[1] - cut[1], there[2] - cut[0], there[3] - cut[1]), image.size)
    return Patch(image, place, box)


@contextlib.contextmanager
def patched(original: InputImage, region: Region, patch: Patch) -> Iterator[Pixels]:
    """Lend the whole upright original, at its own size and in its own colours, with a patch in its region.

    Its pixels are those that `original` holds, as a copy of a large photograph would not fit into memory: the patch is
    taken out again at the end, or the pixels are forgotten; nobody else may look at `original` meanwhile.
    """
    base, own = original.flat()
    image, profile = _in_colours_of(own, patch.image)
    if profile is None:
        base = to_srgb(base, own)
    if "RGBA" in (base.mode, image.mode):
        base, image = base.convert("RGBA"), image.convert("RGBA")
    pieces = region.within(patch.box)
    large = sum(math.prod(size_of(box)) for box, _ in pieces) > _MOST_KEPT and original.has_file
    before = [] if large else [(base.crop(box), box) for box, _ in pieces]
    try:
        for box, piece in pieces:
            base.paste(_part(patch._replace(image=image), box), box[:2], piece.weights(box))
        yield Pixels(base, profile)
    finally:
        for pixels, box in before:
            base.paste(pixels, box[:2])
        if large:
            original.forget()


def patched_strips(original: InputImage, region: Region, patch: Patch) -> Strips:
    """Return the same of an original that `is_packed`: its image would take more room beside its pixels."""
    image, profile = _in_colours_of(original.profile, patch.image)
    patch = patch._replace(image=image)

    def strips(rows: int) -> Iterator[Image.Image]:
        top, whole = 0, full(original.size)
        flat = (strip.image for strip in original.flat_strips(whole, rows))
        for come in flat if profile else original.srgb_strips(whole, rows):
            strip = come.convert(image.mode)
            for box, piece in region.within(_shared((0, top, strip.width, top + strip.height), patch.box)):
                strip.paste(_part(patch, box), (box[0], box[1] - top), piece.weights(box))
            top += strip.height
            yield strip

    return Strips(strips, original.size, image.mode, profile)


def _in_colours_of(profile: bytes | None, image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Return an image in sRGB in the colours of a profile, and this; in sRGB, and None, where that can't be."""
    own = profile and from_srgb(image, profile)
    return (own, profile) if own else (image, None)


def _part(patch: Patch, box: Box) -> Image.Image:
    """Return what a patch shows in a part of its box."""
    return resample(patch.image, size_of(box), _shown(_relative(box, patch.box), size_of(patch.box), patch.place))


def _shown(box: Box, size: Size, place: ExactBox) -> ExactBox:
    """Return what a box of an area of this size shows of the `place` that fills the area."""
    across, down = (place[2] - place[0]) / size[0], (place[3] - place[1]) / size[1]
    left, top = place[:2]
    return left + box[0] * across, top + box[1] * down, left + box[2] * across, top + box[3] * down


def _relative(box: Box, to: Box) -> Box:
    return box[0] - to[0], box[1] - to[1], box[2] - to[0], box[3] - to[1]


def _merged(base: Image.Image, patch: Image.Image, box: Box) -> Image.Image:
    """Return a copy of an RGB or RGBA image with a patch on a box of it."""
    if "RGBA" in (base.mode, patch.mode):
        base, patch = base.convert("RGBA"), patch.convert("RGBA")
    merged = base.copy()
    merged.paste(patch, box[:2])
    return merged


def _shared(one: Box, other: Box) -> Box:
    """Return what two boxes share; no wider or higher than 0 where that is nothing."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _inside(box: ExactBox, size: Size) -> ExactBox:
    """Return a box cut to an image, with edges that are whole but for floating-point noise made whole."""
    snapped = [round(edge) if abs(edge - round(edge)) < _EPSILON else edge for edge in box]
    return max(0, snapped[0]), max(0, snapped[1]), min(size[0], snapped[2]), min(size[1], snapped[3])


def _frame(size: Size, canvas: Size) -> Box:
    """Return the middle of a result, in the canvas's shape; all of it where that differs only by rounding."""
    box = centred(size, canvas)
    return full(size) if sum(size) - sum(size_of(box)) <= 1 else box


def _cut_out(result: InputImage, frame: Box, geometry: Geometry, mode: Mode) -> Pixels | None:
    """Remove the padding, and undo the stretching."""
    box = _within(frame, geometry.placed, geometry.canvas)
    size = size_of(box)
    placed = size_of(geometry.placed)
    if mode == "size":
        size = geometry.original
    elif placed != shrunk(geometry.original, max(placed)):
        size = size_of(centred(size, geometry.original))
    if box == full(result.size) and size == result.size:
        return None
    if size == size_of(box):
        image = result.decode()
        return Pixels(image.crop(box), image.info.get("icc_profile"))
    flat = result.flat()
    # Cut out before scaling, which would mix in the padding beside it.
    return Pixels(resample(flat.image.crop(box), size), flat.profile)


def _put_back(result: InputImage, frame: Box, geometry: Geometry, mode: Mode, original: InputImage) -> Image.Image:
    """Return the whole original, in sRGB, with the result where the crop was."""
    if mode == "size":
        size, place = geometry.original, geometry.source
    else:
        size, place = _around(geometry, size_of(frame))
    # An original that was allowed to exceed the limit may be restored at its size.
    limit = max(MAX_PIXELS, geometry.original[0] * geometry.original[1])
    if size[0] * size[1] > limit:
        raise Failure(f"restored, it would have {size[0]}x{size[1]} pixels; the limit is {limit:,}")
    base = _srgb(original.flat(size), size)
    patch = _srgb(result.flat(), size_of(place), frame)
    return _merged(base, patch, place)


def _srgb(flat: Flat, size: Size, box: Box | None = None) -> Image.Image:
    return to_srgb(resample(flat.image, size, box), flat.profile)


def _around(geometry: Geometry, frame: Size) -> tuple[Size, Box]:
    """Return the whole original's size at the scale where its crop has the size of `frame`, and the crop's box."""
    crop = size_of(geometry.source)
    width, height = (
        max(side, round(total * side / part)) for total, side, part in zip(geometry.original, frame, crop, strict=True)
    )
    left = min(width - frame[0], round(geometry.source[0] * frame[0] / crop[0]))
    top = min(height - frame[1], round(geometry.source[1] * frame[1] / crop[1]))
    return (width, height), (left, top, left + frame[0], top + frame[1])


def _within(frame: Box, placed: Box, canvas: Size) -> Box:
    """Return where a box of the canvas lies on a result whose box `frame` shows the canvas."""
    left, top, right, bottom = whole(scaled(placed, canvas, size_of(frame)))
    return left + frame[0], top + frame[1], right + frame[0], bottom + frame[1]
