"""Uploaded images: decoded, checked against what the model takes, and made upright RGB or RGBA.

The bytes decide what a file is; its name does not matter, and its declared type only where that is of no known file.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops, ImageOps

from imagecli.sandbox.api.refusals import Refusal, bad_image, invalid_type, missing, unsupported_media_type

if TYPE_CHECKING:
    from imagecli.images.types import InputRules
    from imagecli.sandbox.api.body import Body
    from imagecli.sandbox.api.job import ImageJob

_MAX_PIXELS = 64_000_000
_OPAQUE = 255


class Inputs(NamedTuple):
    """What an edit or a variation starts from."""

    images: tuple[Image.Image, ...]
    region: Image.Image | None
    """Mode L, 255 where the first image may change: by a mask, a markup or its own transparency. None: no region is
    given."""


def read_inputs(job: ImageJob, body: Body) -> Inputs:
    """Decode and check the files of a request.

    Raises:
        Refusal: an image or the mask is missing, one too many, or not what the model takes.
    """
    rules = job.model.inputs
    if not body.images:
        raise missing("image")
    if job.model.max_inputs == 1 and body.array:
        raise invalid_type("image", "a file", "an array")
    if len(body.images) > job.model.max_inputs:
        raise Refusal(
            f"Invalid 'image': array too long. Expected at most {job.model.max_inputs} images,"
            f" but got {len(body.images)} instead.",
            param="image",
            code="invalid_value",
        )
    images = tuple(_read_image(data, "image", rules) for data in body.images)
    if job.route == "variations":
        return Inputs(images, None)
    if body.mask is not None:
        return Inputs(images, _read_mask(body.mask, images[0], rules))
    if body.markup is not None:
        return Inputs(images, _read_markup(body.markup, images[0], rules))
    transparent = _find_transparent(images[0])
    region = transparent if transparent.getbbox() else None
    if region is None and not job.gpt:
        raise bad_image("image", "Without a mask the uploaded image must have transparent areas, which will be edited.")
    return Inputs(images, region)


def has_dalle_uploads(body: Body) -> bool:
    """Return whether an edit's uploads are what dall-e-2 takes: a square PNG with a mask or transparency in it."""
    if len(body.images) != 1 or _sniff_format(body.images[0]) != "png":
        return False
    try:
        image = _decode(body.images[0], "image")
    except Refusal:
        return False
    return image.width == image.height and (body.mask is not None or _find_transparent(image).getbbox() is not None)


def _read_image(data: bytes, param: str, rules: InputRules) -> Image.Image:
    kind = _sniff_format(data)
    if kind not in rules.formats or len(data) >= rules.max_bytes:
        if rules.formats == ("png",):
            raise bad_image(param, f"Uploaded image must be a PNG and less than {rules.max_bytes // 1_000_000} MB.")
        if kind in rules.formats:
            raise bad_image(param, f"Uploaded image must be less than {rules.max_bytes // 1_000_000} MB.")
        raise unsupported_media_type(param, _guess_media_type(data))
    image = _decode(data, param)
    if rules.square and image.width != image.height:
        raise bad_image(param, f"Uploaded image must be square, and this one is {image.width}x{image.height}.")
    return image


def _read_mask(data: bytes, image: Image.Image, rules: InputRules) -> Image.Image:
    """Return the region that a mask opens: where it is fully transparent."""
    if _sniff_format(data) != "png" or len(data) >= rules.max_mask_bytes:
        raise bad_image("mask", "Mask must be a PNG and less than 4 MB.")
    mask = _decode(data, "mask")
    if mask.mode != "RGBA":
        raise bad_image("mask", "Invalid mask image format - mask image missing alpha channel.")
    if mask.size != image.size:
        raise bad_image(
            "mask",
            f"Invalid mask image - mask size {mask.width}x{mask.height} does not match"
            f" image size {image.width}x{image.height}.",
        )
    return _find_transparent(mask)


def _read_markup(data: bytes, image: Image.Image, rules: InputRules) -> Image.Image:
    """Return the region that a markup draws on: where it is not fully transparent."""
    if _sniff_format(data) != "png" or len(data) >= rules.max_bytes:
        raise bad_image("markup", f"Markup must be a PNG and less than {rules.max_bytes // 1_000_000} MB.")
    markup = _decode(data, "markup")
    if markup.size != image.size:
        raise bad_image(
            "markup",
            f"Invalid markup image - markup size {markup.width}x{markup.height} does not match"
            f" image size {image.width}x{image.height}.",
        )
    untouched = _find_transparent(markup)
    if untouched.getbbox() is None:
        raise bad_image("markup", "Invalid markup image - markup image has no transparent pixels.")
    return ImageChops.invert(untouched)


def _decode(data: bytes, param: str) -> Image.Image:
    """Return an image upright, as RGB or RGBA."""
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise bad_image(param, f"Uploaded image has {image.width * image.height:,} pixels, which is too many.")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16-bit grey, which convert() would clip rather than scale
                return upright.point(lambda value: value / 256).convert("L").convert("RGB")
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except Refusal:
        raise
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        raise bad_image(param, f"Invalid file '{param}': the image is truncated or damaged.") from error


def _find_transparent(image: Image.Image) -> Image.Image:
    """Return a mask of mode L: 255 where an image has alpha 0, else 0."""
    if image.mode != "RGBA":
        return Image.new("L", image.size)
    return image.getchannel("A").point([_OPAQUE] + [0] * 255)


def _sniff_format(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _guess_media_type(data: bytes) -> str:
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "text/plain" if data.isascii() and data else "application/octet-stream"
