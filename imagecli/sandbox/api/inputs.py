"""Uploaded pictures: opened, checked against what the model takes, and made upright RGB or RGBA.

The bytes decide what a file is; its name and declared type do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageOps

from imagecli.sandbox.api.wire import Refusal, bad_image, invalid_type, missing

if TYPE_CHECKING:
    from imagecli.images.types import InputRules
    from imagecli.sandbox.api.body import Body
    from imagecli.sandbox.api.rules import Job

_MOST_PIXELS = 64_000_000
_OPAQUE = 255


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an edit or a variation starts from."""

    pictures: tuple[Image.Image, ...] = field(repr=False)
    opening: Image.Image | None = field(repr=False)
    """Mode L, 255 where the first picture is to change: by a mask, marks, or its own transparency; None: nothing says
    where."""


def check(job: Job, body: Body) -> Inputs:
    """Open what a request uploads.

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
    pictures = tuple(_picture(data, "image", rules) for data in body.images)
    if job.route == "variations":
        return Inputs(pictures, None)
    if body.mask is not None:
        return Inputs(pictures, _mask(body.mask, pictures[0], rules))
    if body.markup is not None:
        return Inputs(pictures, _marks(body.markup, pictures[0], rules))
    own = _transparent(pictures[0])
    opening = own if own.getbbox() else None
    if opening is None and not job.gpt:
        raise bad_image("image", "Without a mask the uploaded image must have transparent areas, which will be edited.")
    return Inputs(pictures, opening)


def dalle_shaped(body: Body) -> bool:
    """Tell whether an edit's uploads are what dall-e-2 takes: a square PNG, and a mask or transparency in it."""
    if len(body.images) != 1 or _kind(body.images[0]) != "png":
        return False
    try:
        picture = _decoded(body.images[0], "image")
    except Refusal:
        return False
    return picture.width == picture.height and (body.mask is not None or _transparent(picture).getbbox() is not None)


def _picture(data: bytes, param: str, rules: InputRules) -> Image.Image:
    kind = _kind(data)
    if kind not in rules.formats or len(data) >= rules.max_bytes:
        if rules.formats == ("png",):
            raise bad_image(param, f"Uploaded image must be a PNG and less than {rules.max_bytes // 1_000_000} MB.")
        if kind in rules.formats:
            raise bad_image(param, f"Uploaded image must be less than {rules.max_bytes // 1_000_000} MB.")
        raise bad_image(
            param,
            f"Invalid file '{param}': unsupported mimetype ('{_media_type(data)}'). Supported file formats are"
            " 'image/jpeg', 'image/png', and 'image/webp'.",
        )
    picture = _decoded(data, param)
    if rules.square and picture.width != picture.height:
        raise bad_image(param, f"Uploaded image must be square, and this one is {picture.width}x{picture.height}.")
    return picture


def _mask(data: bytes, picture: Image.Image, rules: InputRules) -> Image.Image:
    """Return where a mask opens its picture: where it is fully transparent."""
    if _kind(data) != "png" or len(data) >= rules.max_mask_bytes:
        raise bad_image("mask", "Mask must be a PNG and less than 4 MB.")
    mask = _decoded(data, "mask")
    if mask.mode != "RGBA":
        raise bad_image("mask", "Invalid mask image format - mask image missing alpha channel.")
    if mask.size != picture.size:
        raise bad_image(
            "mask",
            f"Invalid mask image - mask size {mask.width}x{mask.height} does not match"
            f" image size {picture.width}x{picture.height}.",
        )
    return _transparent(mask)


def _marks(data: bytes, picture: Image.Image, rules: InputRules) -> Image.Image:
    """Return where marks lie on their picture: where they are not fully transparent."""
    if _kind(data) != "png" or len(data) >= rules.max_bytes:
        raise bad_image("markup", f"Markup must be a PNG and less than {rules.max_bytes // 1_000_000} MB.")
    marks = _decoded(data, "markup")
    if marks.size != picture.size:
        raise bad_image(
            "markup",
            f"Invalid markup image - markup size {marks.width}x{marks.height} does not match"
            f" image size {picture.width}x{picture.height}.",
        )
    untouched = _transparent(marks)
    if untouched.getbbox() is None:
        raise bad_image("markup", "Invalid markup image - markup image has no transparent pixels.")
    return ImageChops.invert(untouched)


def _decoded(data: bytes, param: str) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise bad_image(param, f"Uploaded image has {image.width * image.height:,} pixels, which is too many.")
            upright = ImageOps.exif_transpose(image)
            return _plain(upright)
    except Refusal:
        raise
    except Exception as error:  # a broken file makes Pillow's decoders raise almost anything
        raise bad_image(param, f"Invalid file '{param}': the image is truncated or damaged.") from error


def _plain(image: Image.Image) -> Image.Image:
    """Return a picture as RGB or RGBA, 16-bit grey scaled down and not cut off."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _transparent(picture: Image.Image) -> Image.Image:
    """Return 255 where a picture has alpha 0, else 0."""
    if picture.mode != "RGBA":
        return Image.new("L", picture.size)
    return picture.getchannel("A").point([_OPAQUE] + [0] * 255)


def _kind(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _media_type(data: bytes) -> str:
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "text/plain" if data.isascii() and data else "application/octet-stream"
