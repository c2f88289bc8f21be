"""Colours: any of Pillow's modes as RGB, or RGBA where something is transparent, and any colour profile as sRGB."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from imagecli.images.depth import is_wide, narrow
from imagecli.images.icc import Verdict, is_srgb, judge, opened, space_in, space_of, transform


class Flat(NamedTuple):
    """An image as RGB, or as RGBA if some pixel is not opaque."""

    image: Image.Image
    profile: bytes | None
    """The ICC profile of the values, which may be sRGB's own; None: sRGB, or unknown."""


def flatten(image: Image.Image, profile: bytes | None = None) -> Flat:
    """Return the image in RGB or RGBA, 8 bits per channel.

    An RGB or grey profile is passed on, for `to_srgb` to apply once the image has been shrunk; one for CMYK is applied
    here, and one for another colour space than the image's is passed over. More than 8 bits are scaled, not clipped.
    """
    flat = to_rgb(image, profile)
    return flat._replace(image=without_opaque_alpha(flat.image))


def to_rgb(image: Image.Image, profile: bytes | None = None) -> Flat:
    """Return the same as `flatten`, but RGBA also where every pixel is opaque, as a strip of an image may be."""
    profile = own_profile(profile, image.mode)
    if is_wide(image.mode):
        return Flat(narrow(image), profile)
    if image.mode in ("CMYK", "LAB"):
        return Flat(_from_device(image, profile), None)
    if not image.has_transparency_data:
        return Flat(image if image.mode == "RGB" else image.convert("RGB"), profile)
    if image.mode == "La":
        image = image.convert("LA")
    return Flat(image if image.mode == "RGBA" else image.convert("RGBA"), profile)


def own_profile(profile: bytes | None, mode: str) -> bytes | None:
    """Return a profile if it is for the colour space of images of a Pillow mode."""
    return profile if profile and space_in(profile) == space_of(mode) else None


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


def to_srgb(image: Image.Image, profile: bytes | None, *, in_place: bool = False) -> Image.Image:
    """Return an RGB or RGBA image in sRGB, given the profile of its values; a broken one is passed over.

    With `in_place` an RGB image may be changed itself, which saves the memory of another.
    """
    from PIL import ImageCms

    if not profile or is_srgb(profile):
        return image
    try:
        if space_in(profile) == "GRAY":
            converted = transform(image.getchannel(0), profile)
        else:
            converted = transform(_colours(image), profile, in_place=in_place or image.mode != "RGB")
    except ImageCms.PyCMSError:
        return image
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def from_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert an RGB or RGBA image from sRGB to an RGB profile; return None where that can't be done."""
    if space_in(profile) != "RGB":
        return None
    if is_srgb(profile):
        return image
    from PIL import ImageCms

    try:
        colours = _colours(image)
        source = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(colours, source, opened(profile), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if converted is not None and image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


def _colours(image: Image.Image) -> Image.Image:
    """Return an RGB or RGBA image as RGB; the image itself where it is, as even converting to the same mode copies."""
    return image if image.mode == "RGB" else image.convert("RGB")


def note_on(profile: bytes | None, mode: str) -> str | None:
    """Return what becomes of the profile of an image of a Pillow mode, in words; None where nothing is to be done."""
    if not profile:
        return None
    space, verdict = space_in(profile), judge(profile)
    if space and space != space_of(mode):
        return f"a colour profile for {space} was ignored"
    if verdict is Verdict.BROKEN:
        return "a broken colour profile was ignored"
    return None if verdict is Verdict.SRGB else "converted to sRGB"


def _from_device(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert CMYK by its profile, or without one by Pillow's plain formula; LAB by its definition."""
    from PIL import ImageCms

    if image.mode == "LAB":
        return transform(image, None)
    if profile:
        try:
            return transform(image, profile)
        except ImageCms.PyCMSError:
            pass
    return image.convert("RGB")
