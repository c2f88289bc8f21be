"""Uploads for an input, its mask and its markup: the file itself where that is accepted, else a new PNG or JPEG."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from PIL import Image

from imagecli.errors import UsageProblem
from imagecli.images import mask_file
from imagecli.images.canvas import SQUARE, full, lay_out, longest_side, place, resample, scaled, size_of
from imagecli.images.encode import png, squeeze, squeeze_jpeg, squeeze_strips
from imagecli.images.lossy import is_lossy
from imagecli.images.privacy import without_metadata
from imagecli.images.reading import open_input
from imagecli.images.types import MOST_SIDE, Geometry, MaskConvention, Prepared, Upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.encode import Squeezed
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Fit, InputRules, Size

_EXTENSIONS = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}
_NAME_LENGTH = 60
_OPENAI = MaskConvention()
_MARGIN = 0.98
"""A smaller image takes a few more bytes per pixel."""
_LARGE = 4_000_000
"""What was compressed with loss goes as JPEG from more pixels on: a PNG has five times its bytes, which up to here are
few enough (4 to 8 MB) to buy exactness. Phones make 12 to 48 million."""
_ROWS = 256
"""Of strips that may have any height."""
_FITTED = {"pad": "padded", "crop": "cropped", "stretch": "stretched"}


def prepare(image: InputImage, rules: InputRules, fit: Fit, *, keep_metadata: bool = False) -> Prepared:
    """Return what to upload for an input, and where the input lies on it.

    The upload is strictly smaller than `rules.max_bytes`, and square where the rules require it. A file that the rules
    accept is sent unchanged except for its metadata (location, camera, author …), unless that is to be kept. Raises
    `UsageProblem` where the input is damaged.
    """
    if _fits_unchanged(image, rules) and (unchanged := _unchanged(image, keep_metadata=keep_metadata)):
        return unchanged
    try:
        shape = _shape(image, rules)
        return _reencoded(image, rules, None if _has_shape(image.size, shape) else fit, shape)
    except MemoryError as error:
        raise UsageProblem(
            f"{image.shown} needs more memory than is available", hint="Make the image smaller first."
        ) from error


def prepare_with_mask(  # noqa: PLR0913 - an input, its mask, and how both are sent
    image: InputImage,
    mask: InputImage | None,
    rules: InputRules,
    fit: Fit,
    *,
    region: Image.Image | None = None,
    convention: MaskConvention = _OPENAI,
    redraw: bool = False,
    keep_metadata: bool = False,
) -> tuple[Prepared, Upload | None]:
    """Return what to upload for an input and its mask, both of the same size in pixels.

    A region (mode L, the upright input's size: 0 is closed, anything else open) is used instead of the mask file that
    it was made from. With `redraw`, no mask file is sent unchanged. A rewritten mask follows the convention, and is
    strictly smaller than `rules.max_mask_bytes`. Raises `UsageProblem` where the mask has another shape than the
    input, or opens nothing or everything.
    """
    if mask is None and region is None:
        return prepare(image, rules, fit, keep_metadata=keep_metadata), None
    by_alpha = False
    if region is not None:
        opened = mask_file.opened_by(region)
    elif mask is not None:
        # Before the input is prepared: most of what can be wrong with a mask shows here.
        opened, by_alpha = mask_file.openings(mask)
        mask_file.check_shape("mask", mask.size, image.size)
    prepared = prepare(image, rules, fit, keep_metadata=keep_metadata)
    geometry = prepared.geometry
    unchanged = by_alpha and convention.by_alpha and not redraw
    if mask is not None and unchanged and _overlay_fits(mask, geometry, rules.max_mask_bytes):
        sent = _unchanged(mask, keep_metadata=keep_metadata)
        if sent:
            return prepared, sent.upload
    data, warning = mask_file.write(mask_file.follow(opened, geometry), rules.max_mask_bytes, convention)
    warnings = (warning, mask_file.loss(opened, geometry))
    prepared = prepared._replace(warnings=(*prepared.warnings, *filter(None, warnings)))
    name = mask.name if mask is not None else "mask"
    return prepared, Upload(data, _filename(name, "png"), "image/png", *geometry.canvas)


def prepare_markup(
    markup: InputImage, image: Size, geometry: Geometry, rules: InputRules, *, keep_metadata: bool = False
) -> Upload:
    """Return markup as a PNG of the uploaded input's size, scaled and placed like the input.

    Args:
        markup: marks on a transparent background, of the size or proportions of the input.
        image: the upright input's size, in pixels.
        geometry: where the input lies on what is uploaded.
        rules: what the endpoint accepts.
        keep_metadata: keep the metadata of a file that is sent unchanged.

    Raises:
        UsageProblem: it has no transparent background or no marks, has another shape than the input, or is damaged.
    """
    marks = marks_of(markup, image)
    if _overlay_fits(markup, geometry, rules.max_bytes):
        sent = _unchanged(markup, keep_metadata=keep_metadata)
        if sent:
            return sent.upload
    placed = resample(marks, size_of(geometry.placed), scaled(geometry.source, geometry.original, marks.size))
    canvas = Image.new("RGBA", geometry.canvas)
    canvas.paste(placed, geometry.placed[:2])
    return _upload(png(canvas), markup, "png", geometry.canvas)


def marks_of(markup: InputImage, image: Size) -> Image.Image:
    """Return the pixels of markup, RGBA.

    Raises:
        UsageProblem: it has no transparent background or no marks, has another shape than the `image`, or is damaged.
    """
    mask_file.check_shape("markup", markup.size, image)
    marks = markup.srgb()
    if marks.mode != "RGBA" or marks.getchannel("A").getextrema()[0] != 0:
        raise UsageProblem(
            "the markup has no transparent pixel, so it would hide the image",
            hint="Draw the marks on a transparent background, and save them as a PNG.",
        )
    if marks.getchannel("A").getbbox() is None:
        raise UsageProblem("the markup is empty: every pixel is transparent", hint="Draw opaque marks.")
    return marks


def has_transparency(image: InputImage) -> bool:
    """Return whether some pixel has alpha 0, which opens it to an edit without a mask."""
    flat = image.flat().image
    return flat.mode == "RGBA" and flat.getchannel("A").getextrema()[0] == 0


def _fits_unchanged(image: InputImage, rules: InputRules) -> bool:
    """Return whether the rules accept the file itself; it is decoded once to be sure that it is not broken."""
    return (
        image.format in rules.formats
        and image.mode in rules.modes
        and image.is_plain
        and image.colour_note is None
        and image.length < rules.max_bytes
        and (image.size == rules.shape if rules.exact else _has_shape(image.size, _shape(image, rules)))
        # What Pillow repairs silently, such as a cut-off end, is repaired by re-encoding.
        and image.is_whole()
    )


def _unchanged(image: InputImage, *, keep_metadata: bool) -> Prepared | None:
    """Return the file itself, without its metadata unless that is kept; None where that can't be taken out."""
    bare = (image.data, ()) if keep_metadata else _without_metadata(image)
    if bare is None:
        return None
    data, found = bare
    notes = f"removed without touching the pixels: {', '.join(found)}" if found else "", _left_out(image)
    return Prepared(
        _upload(data, image, image.format, image.size),
        Geometry(image.size, full(image.size), image.size, full(image.size)),
        notes=tuple(filter(None, notes)),
    )


def _without_metadata(image: InputImage) -> tuple[bytes, tuple[str, ...]] | None:
    """Return a file without its metadata, and what that was; None where its pixels would not be the same."""
    bare = without_metadata(image.stream(), image.format)
    if bare is None or not bare[1]:
        return bare
    try:
        same = _have_the_same_pixels(open_input(bare[0], image.name), image)
    except UsageProblem:
        return None
    return bare if same else None


def _have_the_same_pixels(bare: InputImage, image: InputImage) -> bool:
    if bare.fingerprint == image.fingerprint:
        return True
    # What is decoded already may be larger than what a fingerprint needs.
    return bare.fingerprint == open_input(image.data, image.name).fingerprint


def _shape(image: InputImage, rules: InputRules) -> Size:
    """Return the shape that the canvas must have, width to height."""
    return SQUARE if rules.square else rules.shape or image.size


def _has_shape(size: Size, shape: Size) -> bool:
    return size[0] * shape[1] == size[1] * shape[0]


def _overlay_fits(overlay: InputImage, geometry: Geometry, limit: int) -> bool:
    """Return whether a mask or markup can be sent unchanged: an RGBA PNG over an input that was not moved or scaled."""
    unmoved = geometry.original == geometry.canvas and geometry.source == geometry.placed == full(geometry.canvas)
    return (
        unmoved
        and overlay.format == "png"
        and overlay.mode == "RGBA"
        and overlay.is_plain
        and overlay.colour_note is None
        and overlay.size == geometry.canvas
        and len(overlay.data) < limit
        and overlay.is_whole()
    )


def _reencoded(image: InputImage, rules: InputRules, fit: Fit | None, shape: Size) -> Prepared:
    """Encode the input anew, as large as its limits allow."""
    whole = max(shape) if rules.exact else longest_side(image.size, fit, shape)
    wanted = whole if rules.exact else min(whole // image.shrink, rules.max_side or whole)
    geometry = lay_out(image.size, fit, wanted, shape)
    longest = wanted
    while True:
        squeezed = _squeezed(image, geometry, rules)
        if squeezed.data:
            break
        if longest == 1:
            raise UsageProblem(
                f"{image.shown} does not fit into {rules.max_bytes:,} bytes",
                hint="Use a server that accepts larger files.",
            )
        longest = max(1, min(longest - 1, int(longest * math.sqrt(rules.max_bytes / squeezed.length) * _MARGIN)))
        geometry = lay_out(image.size, fit, longest, shape)
    width, height = geometry.canvas
    warnings = []
    if image.animated:
        what = "page" if image.format == "tiff" else "frame of the animation"
        warnings.append(f"only the first {what} is used")
    if wanted < min(whole, rules.max_side or whole):
        warnings.append(f"the image was shrunk to {width}x{height}: it is too large to be decoded whole")
    limit = f"to stay under {rules.max_bytes:,} bytes"
    if longest < wanted:
        warnings.append(f"the image was shrunk to {width}x{height} {limit}")
    if squeezed.lost:
        warnings.append(f"{squeezed.lost} {limit}")
    return Prepared(
        _upload(squeezed.data, image, squeezed.kind, geometry.canvas),
        geometry,
        notes=_notes(image, geometry, fit, squeezed),
        warnings=tuple(warnings),
    )


def _squeezed(image: InputImage, geometry: Geometry, rules: InputRules) -> Squeezed:
    """Return the canvas, in sRGB: a PNG, or where it was compressed with loss and is large, a JPEG if that is taken."""
    size, limit = geometry.canvas, rules.max_bytes
    as_jpeg = "jpeg" in rules.formats and max(size) <= MOST_SIDE["jpeg"] and is_lossy(image.format, image.stream())
    large = size[0] * size[1] > _LARGE
    unscaled = size_of(geometry.source) == size_of(geometry.placed) and not geometry.padded
    if as_jpeg and large and unscaled and image.comes_opaque:
        return squeeze_jpeg(lambda rows: image.srgb_strips(geometry.source, rows), size, limit)
    if large and unscaled and image.comes_in_strips:
        return squeeze_strips(lambda: image.srgb_strips(geometry.source, _ROWS), size, limit)
    canvas = place(image.srgb_at(size_of(geometry.placed), geometry.source), geometry)
    as_jpeg = as_jpeg and canvas.mode == "RGB"
    squeezed = None if as_jpeg and large else squeeze(canvas, limit)
    if squeezed and (squeezed.data or not as_jpeg):
        return squeezed
    return squeeze_jpeg(lambda rows: _cut(canvas, rows), size, limit)


def _cut(canvas: Image.Image, rows: int) -> Iterator[Image.Image]:
    for top in range(0, canvas.height, rows):
        yield canvas.crop((0, top, canvas.width, min(canvas.height, top + rows)))


def _notes(image: InputImage, geometry: Geometry, fit: Fit | None, made: Squeezed) -> tuple[str, ...]:
    source, placed = (f"{width}x{height}" for width, height in map(size_of, (geometry.source, geometry.placed)))
    notes = (
        _left_out(image),
        image.orientation != 1 and "turned upright",
        image.mode != made.mode and f"converted from {image.mode} to {made.mode}",
        image.colour_note,
        fit and f"{_FITTED[fit]} to {_in_words(geometry.canvas)}",
        source != placed and f"scaled from {source} to {placed}",
        made.quality is None and image.format != "png" and "written as PNG",
        made.quality and f"written as JPEG of quality {made.quality}",
    )
    return tuple(note for note in notes if note) or ("re-encoded",)


def _left_out(image: InputImage) -> str:
    return f"left out, as broken: {', '.join(image.left_out)}" if image.left_out else ""


def _in_words(canvas: Size) -> str:
    return "a square" if canvas[0] == canvas[1] else f"the shape of {canvas[0]}x{canvas[1]}"


def _upload(data: bytes, image: InputImage, kind: str, size: Size) -> Upload:
    """Return `data`, made from `image`, as a file part with an ASCII name and the media type of its bytes."""
    return Upload(data, _filename(image.name, kind), f"image/{kind}", *size)


def _filename(name: str, kind: str) -> str:
    """Return an ASCII file name from the last part of a path, with an extension that matches the format."""
    path = PurePosixPath(name.replace("\\", "/"))
    plain = unicodedata.normalize("NFKD", path.stem)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    stem = re.sub(r"[^A-Za-z0-9 ._()+,@=~-]+", "_", plain)[:_NAME_LENGTH].strip(" ._-")
    known = _EXTENSIONS[kind]
    extension = path.suffix if path.suffix.lower() in known else known[0]
    return (stem or "image") + extension
