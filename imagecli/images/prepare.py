"""Makes a picture, and its mask, what an endpoint takes: byte for byte where it already is that, else a new PNG."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images import mask as masks
from imagecli.images.canvas import SQUARE, full, lay_out, longest_side, place, resample, scaled, size_of
from imagecli.images.colour import Flat, flatten, to_srgb
from imagecli.images.encode import squeeze
from imagecli.images.privacy import without_metadata
from imagecli.images.reading import Picture, reading
from imagecli.images.types import Geometry, InputRules, MaskConvention, Prepared, Upload

if TYPE_CHECKING:
    from PIL import Image

    from imagecli.images.types import Fit, Size

_EXTENSIONS = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",)}
_NAME_LENGTH = 60
_OPENAIS = MaskConvention()
_MARGIN = 0.98
"""Bytes grow a little faster than the area suggests when a picture shrinks."""
_FITTED = {"pad": "padded", "crop": "cropped", "stretch": "stretched"}


def prepare(picture: Picture, rules: InputRules, fit: Fit, *, keep_metadata: bool = False) -> Prepared:
    """Return what is to be uploaded for a picture, and how it lies there.

    Strictly less than `rules.max_bytes`, square where the rules say so. A file that goes as it is goes without its
    metadata (location, camera, author …), unless that is to be kept. Raises `UsageProblem` where the picture is
    damaged.
    """
    if _goes_as_it_is(picture, rules):
        size = picture.size
        data, found = (picture.data, ()) if keep_metadata else without_metadata(picture.data, picture.format)
        return Prepared(
            upload_of(data, picture, picture.format, size),
            Geometry(size, full(size), size, full(size)),
            notes=(f"removed without touching the pixels: {', '.join(found)}",) if found else (),
        )
    try:
        shape = _shape(picture, rules)
        return _made_anew(picture, rules, None if _has_shape(picture.size, shape) else fit, shape)
    except MemoryError as error:
        raise UsageProblem(
            f"{picture.shown} needs more memory than there is", hint="Make the picture smaller first."
        ) from error


def prepare_with_mask(  # noqa: PLR0913 - a picture, a mask, and what becomes of them
    picture: Picture,
    mask: Picture | None,
    rules: InputRules,
    fit: Fit,
    *,
    region: Image.Image | None = None,
    convention: MaskConvention = _OPENAIS,
    redraw: bool = False,
    keep_metadata: bool = False,
) -> tuple[Prepared, Upload | None]:
    """Return what is to be uploaded for a picture and its mask, both of the same size in pixels.

    The region (mode L, the upright picture's size: 0 is closed, anything else open) goes before the mask file that it
    was made with. With `redraw`, no mask file goes as it is. What is written as a PNG keeps the convention, and is
    strictly less than `rules.max_mask_bytes`. Raises `UsageProblem` where the mask has another shape than the picture,
    or opens nothing or everything.
    """
    if mask is None and region is None:
        return prepare(picture, rules, fit, keep_metadata=keep_metadata), None
    by_alpha = False
    if region is not None:
        opened = masks.opened_by(region)
    elif mask is not None:
        # Before the picture's work: most of what can be wrong with a mask shows here.
        opened, by_alpha = masks.openings(mask)
        masks.check_shape(mask.size, picture.size)
    prepared = prepare(picture, rules, fit, keep_metadata=keep_metadata)
    geometry = prepared.geometry
    as_it_is = by_alpha and convention.by_alpha and not redraw
    if mask is not None and as_it_is and goes_with_its_picture(mask, geometry, rules.max_mask_bytes):
        data = mask.data if keep_metadata else without_metadata(mask.data, "png")[0]
        return prepared, upload_of(data, mask, "png", mask.size)
    data, warning = masks.write(masks.follow(opened, geometry), rules.max_mask_bytes, convention)
    warnings = (warning, masks.loss(opened, geometry))
    prepared = replace(prepared, warnings=(*prepared.warnings, *filter(None, warnings)))
    name = mask.name if mask is not None else "mask"
    return prepared, Upload(data, _filename(name, "png"), "image/png", *geometry.canvas)


def has_transparency(picture: Picture) -> bool:
    """Tell whether some pixel has alpha 0, and so is open to an edit without a mask."""
    image = _flat(picture).image
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 0


def _goes_as_it_is(picture: Picture, rules: InputRules) -> bool:
    """Tell whether the rules take the file itself; it is decoded once to be sure that it is not broken."""
    suits = (
        picture.format in rules.formats
        and picture.mode in rules.modes
        and picture.is_plain
        and picture.length < rules.max_bytes
        and _has_shape(picture.size, _shape(picture, rules))
        # What Pillow mends in silence, a cut-off end for one, is mended by encoding it anew.
        and picture.is_whole()
    )
    if suits:
        picture.decode((1, 1))
    return suits


def _shape(picture: Picture, rules: InputRules) -> Size:
    """Return the shape that the canvas is to have, width to height."""
    return SQUARE if rules.square else rules.shape or picture.size


def _has_shape(size: Size, shape: Size) -> bool:
    return size[0] * shape[1] == size[1] * shape[0]


def goes_with_its_picture(mask: Picture, geometry: Geometry, limit: int) -> bool:
    """Tell whether what lies over a picture, a mask or marks, goes as it is: an RGBA PNG of the uploaded size."""
    unmoved = geometry.original == geometry.canvas and geometry.source == geometry.placed == full(geometry.canvas)
    return (
        unmoved
        and mask.format == "png"
        and mask.mode == "RGBA"
        and mask.is_plain
        and mask.size == geometry.canvas
        and len(mask.data) < limit
        and mask.is_whole()
    )


def _made_anew(picture: Picture, rules: InputRules, fit: Fit | None, shape: Size) -> Prepared:
    """Encode the picture as a PNG, as large as its limits allow."""
    longest = longest_side(picture.size, fit, shape)
    wished = min(longest, rules.max_side or longest)
    geometry = lay_out(picture.size, fit, wished, shape)
    flat = _flat(picture, geometry)
    longest = wished
    while True:
        image, colour_note = _render(flat, geometry)
        squeezed = squeeze(image, rules.max_bytes)
        if squeezed.data:
            break
        if longest == 1:
            raise UsageProblem(
                f"{picture.shown} does not fit into {rules.max_bytes:,} bytes", hint="Use a server that takes more."
            )
        longest = max(1, min(longest - 1, int(longest * math.sqrt(rules.max_bytes / squeezed.length) * _MARGIN)))
        geometry = lay_out(picture.size, fit, longest, shape)
    warnings = []
    if picture.animated:
        warnings.append("only the first frame of the animation is used")
    limit = f"to stay under {rules.max_bytes:,} bytes"
    if longest < wished:
        warnings.append(f"the picture was shrunk to {image.width}x{image.height} {limit}")
    if squeezed.cleared:
        warnings.append(f"the lowest bit of every channel was cleared {limit}")
    return Prepared(
        upload_of(squeezed.data, picture, "png", image.size),
        geometry,
        notes=_notes(picture, geometry, fit, image.mode, colour_note),
        warnings=tuple(warnings),
    )


def _flat(picture: Picture, geometry: Geometry | None = None) -> Flat:
    """Return the picture in RGB or RGBA, decoded no larger than the geometry needs."""
    at_least = None
    if geometry:
        width, height = (
            math.ceil(side * placed / source)
            for side, placed, source in zip(
                geometry.original, size_of(geometry.placed), size_of(geometry.source), strict=True
            )
        )
        at_least = width, height
    image = picture.decode(at_least)
    with reading(picture.name):
        return flatten(image, bits=picture.bits)


def _render(flat: Flat, geometry: Geometry) -> tuple[Image.Image, str | None]:
    """Return the canvas, and a note of what became of the colour profile."""
    box = scaled(geometry.source, geometry.original, flat.image.size)
    image, note = to_srgb(resample(flat.image, size_of(geometry.placed), box), flat.profile)
    return place(image, geometry), note


def _notes(
    picture: Picture, geometry: Geometry, fit: Fit | None, mode: str, colour_note: str | None
) -> tuple[str, ...]:
    source, placed = (f"{width}x{height}" for width, height in map(size_of, (geometry.source, geometry.placed)))
    notes = (
        picture.orientation != 1 and "turned upright",
        picture.mode != mode and f"converted from {picture.mode} to {mode}",
        colour_note,
        fit and f"{_FITTED[fit]} to {_in_words(geometry.canvas)}",
        source != placed and f"scaled from {source} to {placed}",
        picture.format != "png" and "written as PNG",
    )
    return tuple(note for note in notes if note) or ("encoded anew",)


def _in_words(canvas: Size) -> str:
    return "a square" if canvas[0] == canvas[1] else f"the shape of {canvas[0]}x{canvas[1]}"


def upload_of(data: bytes, picture: Picture, kind: str, size: Size) -> Upload:
    """Return `data`, made from `picture`, as a file part: with an ASCII name and the type of its bytes."""
    return Upload(data, _filename(picture.name, kind), f"image/{kind}", *size)


def _filename(name: str, kind: str) -> str:
    """Return an ASCII file name from a path's last part, with the extension of the true format."""
    path = PurePosixPath(name.replace("\\", "/"))
    plain = unicodedata.normalize("NFKD", path.stem)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    stem = re.sub(r"[^A-Za-z0-9 ._()+,@=~-]+", "_", plain)[:_NAME_LENGTH].strip(" ._-")
    known = _EXTENSIONS[kind]
    extension = path.suffix if path.suffix.lower() in known else known[0]
    return (stem or "image") + extension
