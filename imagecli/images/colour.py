"""Colours: any of Pillow's modes as RGB, or RGBA where something is transparent, and any colour profile as sRGB."""

from __future__ import annotations

import contextlib
import io
import math
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

# The largest grey values of the ranges that files with more than eight bits use.
_MAX_8 = 255
_MAX_12 = 4095
_MAX_16 = 65535
_WORD = 16
_BITS_PER_SAMPLE = 258
"""A TIFF tag."""


class Flat(NamedTuple):
    """An image as RGB, or as RGBA if some pixel is not opaque."""

    image: Image.Image
    profile: bytes | None
    """The ICC profile of the values; None: sRGB, or unknown."""


def flatten(image: Image.Image, bits: int = 8) -> Flat:
    """Return the image in RGB or RGBA, 8 bits per channel.

    An RGB or grey profile is passed on, for `to_srgb` to apply once the image has been shrunk; one for CMYK or LAB is
    applied here. More than 8 bits are scaled, not clipped; `bits` is how many an RGB file had before Pillow cut them
    to 8.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return Flat(_narrow(image), profile)
    if image.mode in ("CMYK", "LAB"):
        return Flat(_from_device(image, profile), None)
    if not image.has_transparency_data:
        return Flat(image if image.mode == "RGB" else image.convert("RGB"), profile)
    if image.mode == "RGB" and bits == _WORD:
        image = _with_key_of_bytes(image)
    if image.mode == "La":
        image = image.convert("LA")
    return Flat(without_opaque_alpha(image if image.mode == "RGBA" else image.convert("RGBA")), profile)


def without_opaque_alpha(image: Image.Image) -> Image.Image:
    """Return an RGBA image whose every pixel is opaque as RGB, and any other unchanged."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image


def on_white(image: Image.Image) -> Image.Image:
    """Return an RGB or RGBA image as RGB, with white behind what is transparent."""
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Return an RGB or RGBA image in sRGB, and a note of what was done.

    A broken profile, or one for another colour space, is ignored.
    """
    if not profile:
        return image, None
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image, None
        if space not in ("RGB", "GRAY"):
            return image, f"a colour profile for {space} was ignored"
        colours = image.getchannel(0) if space == "GRAY" else image.convert("RGB")
        converted = _transform(colours, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return image, f"a broken colour profile was ignored ({error})"
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted, "converted to sRGB"


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert an RGB or RGBA image from sRGB to an RGB profile; return None where that can't be done."""
    from PIL import ImageCms

    try:
        target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(target).startswith("sRGB"):
            return image
        if target.profile.xcolor_space.strip() != "RGB":
            return None
        colours = image.convert("RGB")
        converted = ImageCms.profileToProfile(colours, ImageCms.createProfile("sRGB"), target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if converted is not None and image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def _transform(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        raise ValueError("no transform")
    return converted


def _from_device(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert CMYK by its profile, or without one by Pillow's plain formula; LAB by its definition."""
    from PIL import ImageCms

    if image.mode == "LAB":
        return _transform(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return _transform(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return image.convert("RGB")


def _narrow(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits, or floating point, to RGB, or to RGBA where one value is marked as transparent."""
    flat = (_stretch(image) if image.mode == "F" else _scale(image)).convert("RGB")
    key = image.info.get("transparency")
    if image.mode == "F" or not isinstance(key, int):
        return flat
    flat.putalpha(image.convert("I").point([255 * (value != key) for value in range(1 << 16)], "L"))
    return without_opaque_alpha(flat)


def _scale(image: Image.Image) -> Image.Image:
    """Scale integers to L."""
    wide = image.convert("I")
    low, high = _extrema(wide)
    if low < 0 or high > _MAX_16:
        return _stretch(wide.convert("F"))
    top = _top(image, high)
    return wide.point([min(255, round(value * 255 / top)) for value in range(1 << 16)], "L")


def _top(image: Image.Image, high: float) -> int:
    """Return the value of white: what the file declares, or else what its largest value suggests."""
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
        return _MAX_12 if bits in (12, (12,)) else _MAX_16
    # Pillow scales PNG and PPM to 16 bits in mode I; in other formats small values are 8 bits in a wide type.
    return _MAX_8 if high <= _MAX_8 and getattr(image, "format", None) not in ("PNG", "PPM") else _MAX_16


def _stretch(image: Image.Image) -> Image.Image:
    """Scale floating point to L: from 0 to 1 or 0 to 255 where the values fit, else from the lowest to the highest."""
    low, high = _extrema(image)
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0, 255
    elif low >= 0 and high <= _MAX_8:
        low, high = 0, 1 if high <= 1 else 255
    scale = 255 / (high - low) if high > low else 0
    # Half a level is added because Pillow truncates the fraction.
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


def _extrema(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    return float(low), float(high)  # type: ignore[arg-type]  # one band: two numbers


def _with_key_of_bytes(image: Image.Image) -> Image.Image:
    """Reduce the transparent colour of a 16-bit file to the upper 8 bits, as Pillow does with its pixels."""
    keyed = image.copy()
    keyed.info["transparency"] = tuple(value >> 8 for value in image.info["transparency"])
    return keyed
