"""Undoes the fit on a result: the padding cut away, the stretching undone, the crop put back where it came from.

Or composes it with the original, so that nothing changes outside the region that was to change.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Literal

from PIL import Image

from imagecli.errors import Failure, UsageProblem
from imagecli.images.canvas import centred, full, resample, scaled, shrunk, size_of, whole
from imagecli.images.colour import flatten, from_srgb, to_srgb
from imagecli.images.reading import MAX_PIXELS, Picture, open_picture, reading
from imagecli.images.sniffing import KIND_NAMES, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Box, Geometry, Size

    Mode = Literal["aspect", "size"]

_FORMATS = ("png", "jpeg", "webp")
_HINT = "The result is kept as it came."
_QUALITY = 95
_BYTE = 8
_HAIR = 1e-6
"""Of a pixel: less than that is a matter of floating point."""


def restore(data: bytes, geometry: Geometry, mode: Mode, original: Picture) -> bytes:
    """Return a result in its own format, with the shape ("aspect") or the very size of the upright original.

    `data` is the result's PNG, JPEG or WebP, of any size; its whole is the canvas of `geometry`. What was padded is
    cut out, what was stretched is squeezed back, and what was cropped is put back into the whole original. The bytes
    come back as they are where nothing has to be done. Raises `Failure` where it can't be done.
    """
    return _remade(data, lambda result: _restored(result, geometry, mode, original))


def keep(
    data: bytes,
    geometry: Geometry,
    region: Image.Image,
    original: Picture,
    warn: Callable[[str], None] = lambda _text: None,
) -> bytes:
    """Return the whole upright original, at its own size, changed by a result only where the region says so.

    The region is an L picture of the original's size: where it is 0 the original's pixels stay to the bit, in the
    colours of the original's own profile; where it is 255 they are the result's. `data` is as in `restore`, and the
    picture comes back in its format: to the bit as PNG or lossless WebP, though with 8 bits a channel at the most.
    `warn` hears of depth that is lost, and of a result of another shape than what was sent, of which the middle is
    taken. Raises `Failure` where it can't be done.
    """

    def composed(result: Picture) -> tuple[Image.Image, bytes | None]:
        if _frame(result.size, geometry.canvas) != full(result.size):
            sizes = "x".join(map(str, result.size)), "x".join(map(str, geometry.canvas))
            warn(
                f"the result, {sizes[0]}, has another shape than what was sent, {sizes[1]}: where its middle was taken"
                " the edit may lie beside its place; --size can ask for the same shape"
            )
        if original.bits > _BYTE:
            warn(f"{original.shown} has {original.bits} bits a channel and the result has 8, also outside the mask")
        return _composed(result, geometry, region, original)

    return _remade(data, composed)


def _remade(data: bytes, remake: Callable[[Picture], tuple[Image.Image | None, bytes | None]]) -> bytes:
    """Return what `remake` makes of a result, in the result's format; where it makes nothing, the very bytes."""
    kind = sniff(data[:4096])
    if kind not in _FORMATS:
        raise Failure(f"{KIND_NAMES.get(kind or '', 'such a file')} can't be restored", hint=_HINT)
    try:
        result = open_picture(data, "the result")
        if result.animated:
            raise Failure("an animated result can't be restored", hint=_HINT)
        with reading(result.name):
            restored, profile = remake(result)
    except UsageProblem as problem:
        raise Failure(f"the result can't be restored: {problem.message}", hint=_HINT) from problem
    if restored is None:
        return data
    try:
        return _encode(restored, result, profile)
    except (OSError, ValueError) as error:
        raise Failure(f"the restored picture can't be written as {kind}: {error}", hint=_HINT) from error


def _restored(
    result: Picture, geometry: Geometry, mode: Mode, original: Picture
) -> tuple[Image.Image | None, bytes | None]:
    """Return the restored picture, None where nothing has to be done, and the profile that its colours are in."""
    frame = _frame(result.size, geometry.canvas)
    if geometry.source != full(geometry.original):
        return _put_back(result, frame, geometry, mode, original), None
    return _cut_out(result, frame, geometry, mode)


def _composed(
    result: Picture, geometry: Geometry, region: Image.Image, original: Picture
) -> tuple[Image.Image, bytes | None]:
    """Return the original with the result where the region lets it show, and the profile of its colours."""
    flat = flatten(original.decode(), bits=original.bits)
    base, profile = flat.image, flat.profile
    new = flatten(result.decode(), bits=result.bits)
    box = _overlap(region.getbbox() or full(region.size), geometry.source)
    # Where the canvas's own picture lies on the result, and there what the box covers; in parts of a pixel.
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
    # Cut out first: scaled where it is, the padding beside it would be mixed in.
    cut = (
        math.floor(x + _HAIR),
        math.floor(y + _HAIR),
        math.ceil(x + right - left - _HAIR),
        math.ceil(y + bottom - top - _HAIR),
    )
    patch = new.image.crop(cut)
    there = _inside((there[0] - cut[0], there[1] - cut[1], there[2] - cut[0], there[3] - cut[1]), patch.size)
    patch = to_srgb(resample(patch, size_of(box), there), new.profile)[0]
    if profile and (own := from_srgb(patch, profile)):
        patch = own
    elif profile:
        base, profile = to_srgb(base, profile)[0], None
    if "RGBA" in (base.mode, patch.mode):
        base, patch = base.convert("RGBA"), patch.convert("RGBA")
    whole_picture = base.copy()
    whole_picture.paste(patch, box[:2], region.crop(box))
    if result.format == "jpeg" and whole_picture.mode == "RGBA":
        return _on_white(whole_picture), profile
    return whole_picture, profile


def _overlap(one: Box, other: Box) -> Box:
    left, top, right, bottom = (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )
    return (left, top, right, bottom) if left < right and top < bottom else other


def _inside(box: tuple[float, float, float, float], size: Size) -> tuple[float, float, float, float]:
    """Return a box cut to a picture, against the last bit of a fraction; whole numbers where it is whole but for it."""
    snapped = [round(edge) if abs(edge - round(edge)) < _HAIR else edge for edge in box]
    return max(0, snapped[0]), max(0, snapped[1]), min(size[0], snapped[2]), min(size[1], snapped[3])


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _frame(size: Size, canvas: Size) -> Box:
    """Return the middle of a result that has the canvas's shape; all of it where that differs by rounding only."""
    box = centred(size, canvas)
    return full(size) if sum(size) - sum(size_of(box)) <= 1 else box


def _cut_out(result: Picture, frame: Box, geometry: Geometry, mode: Mode) -> tuple[Image.Image | None, bytes | None]:
    """Take the picture out of its padding, and out of its stretching."""
    box = _within(frame, geometry.placed, geometry.canvas)
    size = size_of(box)
    placed = size_of(geometry.placed)
    if mode == "size":
        size = geometry.original
    elif placed != shrunk(geometry.original, max(placed)):
        size = size_of(centred(size, geometry.original))
    if box == full(result.size) and size == result.size:
        return None, None
    image = result.decode()
    if size == size_of(box):
        return image.crop(box), image.info.get("icc_profile")
    flat = flatten(image, bits=result.bits)
    # Cut out first: scaled where it is, the padding beside it would be mixed in.
    return resample(flat.image.crop(box), size), flat.profile


def _put_back(result: Picture, frame: Box, geometry: Geometry, mode: Mode, original: Picture) -> Image.Image:
    """Return the whole original, in sRGB, with the result where the crop was."""
    if mode == "size":
        size, place = geometry.original, geometry.source
    else:
        size, place = _around(geometry, size_of(frame))
    # An original that was let in over the limit may come out at its size.
    limit = max(MAX_PIXELS, geometry.original[0] * geometry.original[1])
    if size[0] * size[1] > limit:
        raise Failure(
            f"restored, the result would have {size[0]}x{size[1]} pixels; {limit:,} are the limit", hint=_HINT
        )
    base = _srgb(original.decode(size), original.bits, size)
    patch = _srgb(result.decode(), result.bits, size_of(place), frame)
    if "RGBA" in (base.mode, patch.mode):
        base, patch = base.convert("RGBA"), patch.convert("RGBA")
    whole_picture = base.copy()
    whole_picture.paste(patch, place[:2])
    if result.format == "jpeg" and whole_picture.mode == "RGBA":
        return _on_white(whole_picture)
    return whole_picture


def _srgb(image: Image.Image, bits: int, size: Size, box: Box | None = None) -> Image.Image:
    flat = flatten(image, bits=bits)
    return to_srgb(resample(flat.image, size, box), flat.profile)[0]


def _around(geometry: Geometry, frame: Size) -> tuple[Size, Box]:
    """Return the whole original's size at the scale at which its crop has the size of `frame`, and the crop there."""
    crop = size_of(geometry.source)
    width, height = (
        max(side, round(total * side / part)) for total, side, part in zip(geometry.original, frame, crop, strict=True)
    )
    left = min(width - frame[0], round(geometry.source[0] * frame[0] / crop[0]))
    top = min(height - frame[1], round(geometry.source[1] * frame[1] / crop[1]))
    return (width, height), (left, top, left + frame[0], top + frame[1])


def _within(frame: Box, placed: Box, canvas: Size) -> Box:
    """Return where a box of the canvas lies on a result whose `frame` is the canvas."""
    left, top, right, bottom = whole(scaled(placed, canvas, size_of(frame)))
    return left + frame[0], top + frame[1], right + frame[0], bottom + frame[1]


def _encode(image: Image.Image, result: Picture, profile: bytes | None) -> bytes:
    """Write a picture the way that the result was written, with nothing beside the pixels but their profile."""
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
    """Tell whether a WebP's pixels are in a VP8L chunk, the first of them or one behind a VP8X header."""
    position = 12
    while position + 8 <= len(webp):
        chunk = webp[position : position + 4]
        if chunk in (b"VP8L", b"VP8 "):
            return chunk == b"VP8L"
        length = int.from_bytes(webp[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return False
