"""Undoes the fit on a result: removes the padding, undoes the stretching, or puts the crop back where it came from.

Or combines the result with the original, so that nothing changes outside the region that may change.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Literal

from imagecli.errors import Failure, UsageProblem
from imagecli.images.canvas import centred, full, resample, scaled, shrunk, size_of, whole
from imagecli.images.colour import from_srgb, on_white, to_srgb
from imagecli.images.limits import MAX_PIXELS
from imagecli.images.pillow import pillow_errors
from imagecli.images.reading import InputImage, open_input
from imagecli.images.sniffing import KIND_NAMES, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from imagecli.images.colour import Flat
    from imagecli.images.types import Box, ExactBox, Geometry, Size

    Mode = Literal["aspect", "size"]

_FORMATS = ("png", "jpeg", "webp")
_HINT = "The result is saved as the server sent it."
_QUALITY = 95
_BYTE = 8
_EPSILON = 1e-6
"""Differences of less than this part of a pixel are floating-point noise."""


def restore(data: bytes, geometry: Geometry, mode: Mode, original: InputImage) -> bytes:
    """Return a result in its own format, with the shape ("aspect") or the exact size of the upright original.

    `data` is a PNG, JPEG or WebP of any size, showing the whole canvas of `geometry`. Padding is removed, stretching is
    undone, and a crop is put back into the whole original. Where nothing has to be done, the bytes are returned
    unchanged. Raises `Failure` where it can't be done.
    """
    return _remake(data, lambda result: _restored(result, geometry, mode, original))


def keep(
    data: bytes,
    geometry: Geometry,
    region: Image.Image,
    original: InputImage,
    warn: Callable[[str], None] = lambda _text: None,
) -> bytes:
    """Return the whole upright original, at its own size, changed by a result only within the region.

    The region is an L image of the original's size: where it is 0, the original's pixels stay exact, in the colours of
    the original's profile; where it is 255, they are the result's. `data` is as in `restore`, and the image is returned
    in its format: exact as PNG or lossless WebP, though with at most 8 bits per channel. `warn` is called where bit
    depth is lost, and where the result has another shape than the canvas, so that only its middle is used. Raises
    `Failure` where it can't be done.
    """

    def composed(result: InputImage) -> tuple[Image.Image, bytes | None]:
        if _frame(result.size, geometry.canvas) != full(result.size):
            sizes = "x".join(map(str, result.size)), "x".join(map(str, geometry.canvas))
            warn(
                f"the result ({sizes[0]}) has a different shape from the input that was sent ({sizes[1]}): its middle"
                " was used, so the edit may be misplaced; request the same shape with --size"
            )
        if original.bits > _BYTE:
            warn(f"{original.shown} has {original.bits} bits per channel and the result has 8, also outside the mask")
        return _composed(result, geometry, region, original)

    return _remake(data, composed)


def _remake(data: bytes, remake: Callable[[InputImage], tuple[Image.Image | None, bytes | None]]) -> bytes:
    """Return what `remake` makes of a result, in the result's format; the bytes unchanged where it returns None."""
    kind = sniff(data[:4096])
    if kind not in _FORMATS:
        raise Failure(f"{KIND_NAMES.get(kind or '', 'this kind of file')} can't be restored", hint=_HINT)
    try:
        result = open_input(data, "the result")
        if result.animated:
            raise Failure("an animated result can't be restored", hint=_HINT)
        with pillow_errors(result.name):
            restored, profile = remake(result)
    except UsageProblem as problem:
        raise Failure(f"the result can't be restored: {problem.message}", hint=_HINT) from problem
    if restored is None:
        return data
    try:
        return _encode(restored, result, profile)
    except (OSError, ValueError) as error:
        raise Failure(f"the restored image can't be written as {kind}: {error}", hint=_HINT) from error


def _restored(
    result: InputImage, geometry: Geometry, mode: Mode, original: InputImage
) -> tuple[Image.Image | None, bytes | None]:
    """Return the restored image, None where nothing has to be done, and its colour profile."""
    frame = _frame(result.size, geometry.canvas)
    if geometry.source != full(geometry.original):
        return _put_back(result, frame, geometry, mode, original), None
    return _cut_out(result, frame, geometry, mode)


def _composed(
    result: InputImage, geometry: Geometry, region: Image.Image, original: InputImage
) -> tuple[Image.Image, bytes | None]:
    """Return the original with the result where the region shows it, and its colour profile."""
    base, profile = original.flat()
    new = result.flat()
    box = _overlap(region.getbbox() or full(region.size), geometry.source)
    # Where the image on the canvas lies on the result, and what the box covers there; in fractions of a pixel.
    frame = _frame(result.size, geometry.canvas)
    left, top, right, bottom = scaled(geometry.placed, geometry.canvas, size_of(frame))
    width, height = size_of(geometry.source)
    across, down = (right - left) / width, (bottom - top) / height
    x, y = left + frame[0], top + frame[1]
    there = (
        x + (box[0] - geometry.source[0]) * across,
        y + (box[1] - geometry.source[1]) * down,
        x + (box[2] - geometry.source[0]) * across,
        y + (box[3] - geometry.source[1]) * down,
    )
    # Cut out before scaling, which would mix in the padding beside it.
    cut = (
        math.floor(x + _EPSILON),
        math.floor(y + _EPSILON),
        math.ceil(x + right - left - _EPSILON),
        math.ceil(y + bottom - top - _EPSILON),
    )
    patch = new.image.crop(cut)
    there = _inside((there[0] - cut[0], there[1] - cut[1], there[2] - cut[0], there[3] - cut[1]), patch.size)
    patch = to_srgb(resample(patch, size_of(box), there), new.profile)
    if profile and (own := from_srgb(patch, profile)):
        patch = own
    elif profile:
        base, profile = to_srgb(base, profile), None
    return _merged(base, patch, box, result.format, region.crop(box)), profile


def _merged(
    base: Image.Image, patch: Image.Image, box: Box, kind: str, weights: Image.Image | None = None
) -> Image.Image:
    """Return a copy of an RGB or RGBA image with a patch on a box of it, fit to be written as `kind`."""
    if "RGBA" in (base.mode, patch.mode):
        base, patch = base.convert("RGBA"), patch.convert("RGBA")
    merged = base.copy()
    merged.paste(patch, box[:2], weights)
    return on_white(merged) if kind == "jpeg" else merged


def _overlap(one: Box, other: Box) -> Box:
    left, top, right, bottom = (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )
    return (left, top, right, bottom) if left < right and top < bottom else other


def _inside(box: ExactBox, size: Size) -> ExactBox:
    """Return a box cut to an image, with edges that are whole but for floating-point noise made whole."""
    snapped = [round(edge) if abs(edge - round(edge)) < _EPSILON else edge for edge in box]
    return max(0, snapped[0]), max(0, snapped[1]), min(size[0], snapped[2]), min(size[1], snapped[3])


def _frame(size: Size, canvas: Size) -> Box:
    """Return the middle of a result, in the canvas's shape; all of it where that differs only by rounding."""
    box = centred(size, canvas)
    return full(size) if sum(size) - sum(size_of(box)) <= 1 else box


def _cut_out(result: InputImage, frame: Box, geometry: Geometry, mode: Mode) -> tuple[Image.Image | None, bytes | None]:
    """Remove the padding, and undo the stretching."""
    box = _within(frame, geometry.placed, geometry.canvas)
    size = size_of(box)
    placed = size_of(geometry.placed)
    if mode == "size":
        size = geometry.original
    elif placed != shrunk(geometry.original, max(placed)):
        size = size_of(centred(size, geometry.original))
    if box == full(result.size) and size == result.size:
        return None, None
    if size == size_of(box):
        image = result.decode()
        return image.crop(box), image.info.get("icc_profile")
    flat = result.flat()
    # Cut out before scaling, which would mix in the padding beside it.
    return resample(flat.image.crop(box), size), flat.profile


def _put_back(result: InputImage, frame: Box, geometry: Geometry, mode: Mode, original: InputImage) -> Image.Image:
    """Return the whole original, in sRGB, with the result where the crop was."""
    if mode == "size":
        size, place = geometry.original, geometry.source
    else:
        size, place = _around(geometry, size_of(frame))
    # An original that was allowed to exceed the limit may be restored at its size.
    limit = max(MAX_PIXELS, geometry.original[0] * geometry.original[1])
    if size[0] * size[1] > limit:
        raise Failure(f"restored, the result would have {size[0]}x{size[1]} pixels; the limit is {limit:,}", hint=_HINT)
    base = _srgb(original.flat(size), size)
    patch = _srgb(result.flat(), size_of(place), frame)
    return _merged(base, patch, place, result.format)


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


def _encode(image: Image.Image, result: InputImage, profile: bytes | None) -> bytes:
    """Encode an image in the result's format, with no metadata but the colour profile."""
    key = image.info.get("transparency")
    bare = image.copy()
    bare.info = {} if key is None or result.format != "png" else {"transparency": key}
    out = io.BytesIO()
    extra = {"icc_profile": profile} if profile else {}
    if result.format == "png":
        bare.save(out, "PNG", compress_type=3, **extra)
    elif result.format == "jpeg":
        bare.save(out, "JPEG", quality=_QUALITY, subsampling=0, **extra)
    else:
        bare.save(out, "WEBP", lossless=_is_lossless(result.data), quality=_QUALITY, exact=True, **extra)
    return out.getvalue()


def _is_lossless(webp: bytes) -> bool:
    """Return whether a WebP's pixels are in a VP8L chunk, the first chunk or one after a VP8X header."""
    position = 12
    while position + 8 <= len(webp):
        chunk = webp[position : position + 4]
        if chunk in (b"VP8L", b"VP8 "):
            return chunk == b"VP8L"
        length = int.from_bytes(webp[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return False
