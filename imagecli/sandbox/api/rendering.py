"""The images of a job, painted and encoded as the files of its response."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imagecli.images.types import parse_size
from imagecli.sandbox.api.store import ResponseFile
from imagecli.sandbox.paint.encoding import encode, flatten, wrap_png, write_svg
from imagecli.sandbox.paint.painter import paint
from imagecli.sandbox.paint.scene import compose, derive_seed

if TYPE_CHECKING:
    from imagecli.images.types import Size
    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.job import ImageJob

_MAX_PIXELS = 8_294_400
_SQUARE = (1024, 1024)
_COARSEST = 32
"""The side of the blocks of pixels in the first of three partial images; each further one halves it."""


class Rendering(NamedTuple):
    """The images of a job, encoded."""

    files: tuple[ResponseFile, ...]
    size: Size
    transparent: bool
    """Whether the first image is transparent anywhere."""


def render(job: ImageJob, inputs: Inputs | None) -> Rendering:
    """Paint and encode all images of a job."""
    if inputs is None and job.output_format == "svg":
        return _render_svg(job)
    images = [paint_image(job, inputs, n) for n in range(job.n)]
    first = images[0][0]
    return Rendering(tuple(encode_frames(job, frames) for frames in images), first.size, is_transparent(first))


def paint_image(job: ImageJob, inputs: Inputs | None, n: int) -> list[Image.Image]:
    """Paint one image of a job: a list of its frames, a single one unless it is a GIF."""
    transparent = job.background == "transparent"
    if inputs is None:
        return paint(
            job.prompt,
            job.size or _SQUARE,
            n,
            quality=job.quality,
            style=job.style,
            complexity=job.complexity,
            transparent=transparent,
            frames=job.frames,
        )
    from imagecli.sandbox.paint.edits import animate_light, inpaint, round_corners, tint, vary

    image = inputs.images[0]
    size = job.size or _default_edit_size(job, image.size)
    if job.route == "variations":
        return [vary(image, size[0], n)]
    if inputs.region is not None:
        result = inpaint(image, inputs.region, job.prompt, n, quality=job.quality, transparent=transparent)
    else:
        result = tint(inputs.images, job.prompt, n)
        result = round_corners(result) if transparent else result
    if job.background == "opaque":
        result = flatten(result)
    result = result if result.size == size else result.resize(size, Image.Resampling.LANCZOS)
    return animate_light(result, job.frames) if job.frames > 1 else [result]


def is_transparent(image: Image.Image) -> bool:
    """Return whether an image is transparent anywhere."""
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255  # noqa: PLR2004 - opaque


def encode_frames(job: ImageJob, frames: list[Image.Image]) -> ResponseFile:
    """Encode one image of a job."""
    if job.output_format == "svg":
        data = wrap_png(encode(frames, "png"), frames[0].size)
    else:
        data = encode(frames, job.output_format, compression=job.compression, frame_ms=job.frame_ms)
    return ResponseFile(data, _media_type(job.output_format))


def encode_partial(job: ImageJob, image: Image.Image, index: int) -> ResponseFile:
    """Encode a partial image: a higher `index` (from 0, within the job's partials) is sharper."""
    factor = _COARSEST >> (3 - job.partials + index)
    coarse = image.reduce(factor).resize(image.size, Image.Resampling.BILINEAR)
    return encode_frames(job, [coarse])


def _default_edit_size(job: ImageJob, size: Size) -> Size:
    """Return the size of an edit that requests none: the image's own, so that what is kept stays identical."""
    width, height = size
    if job.gpt:
        scale = min(1.0, (_MAX_PIXELS / (job.frames * width * height)) ** 0.5)
        return max(1, int(width * scale)), max(1, int(height * scale))
    listed = f"{width}x{height}" in job.model.values["size"]
    return size if listed else parse_size(job.model.shapes["square"]) or _SQUARE


def _render_svg(job: ImageJob) -> Rendering:
    size = job.size or _SQUARE
    scenes = [
        compose(job.prompt, size, derive_seed(job.prompt, n), quality=job.quality, complexity=job.complexity)
        for n in range(job.n)
    ]
    files = tuple(ResponseFile(write_svg(scene, job.prompt), _media_type("svg")) for scene in scenes)
    return Rendering(files, size, transparent=False)


def _media_type(output_format: str) -> str:
    return "image/svg+xml" if output_format == "svg" else f"image/{output_format}"
