"""A job and its pictures become the files of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from imagecli.images.types import parse_size
from imagecli.sandbox.api.store import File
from imagecli.sandbox.paint.encoding import encode, flat
from imagecli.sandbox.paint.painter import paint
from imagecli.sandbox.paint.retouch import alight, inpaint, tint, vary, vignette
from imagecli.sandbox.paint.scene import compose, number_of
from imagecli.sandbox.paint.vector import draw_svg, wrap_png

if TYPE_CHECKING:
    from imagecli.images.types import Size
    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.rules import Job

_MOST_PIXELS = 8_294_400
_SQUARE = (1024, 1024)
_COARSEST = 32
"""How many pixels of the picture the first of three partial ones shows as one; each further one half as many."""


@dataclass(frozen=True, slots=True)
class Work:
    """What came of a job."""

    files: tuple[File, ...] = field(repr=False)
    size: Size
    transparent: bool
    """Whether something shows through the first picture."""


def make(job: Job, inputs: Inputs | None) -> Work:
    """Paint all images of a job."""
    if inputs is None and job.output_format == "svg":
        return _draw(job)
    sets = [pictures(job, inputs, n) for n in range(job.n)]
    first = sets[0][0]
    return Work(tuple(file_of(job, each) for each in sets), first.size, see_through(first))


def file_of(job: Job, frames: list[Image.Image]) -> File:
    """Encode one picture of a job."""
    return File(_encoded(job, frames), _media_type(job.output_format))


def partial_file(job: Job, picture: Image.Image, index: int) -> File:
    """Encode a picture as it looks on its way: the later (`index`, from 0) of the job's partials, the sharper."""
    factor = _COARSEST >> (3 - job.partials + index)
    coarse = picture.reduce(factor).resize(picture.size, Image.Resampling.BILINEAR)
    return file_of(job, [coarse])


def see_through(picture: Image.Image) -> bool:
    """Tell whether something shows through a picture."""
    return picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] != 255  # noqa: PLR2004 - opaque


def pictures(job: Job, inputs: Inputs | None, n: int) -> list[Image.Image]:
    """Paint one picture of a job: its frames, or the one that it is."""
    transparent = job.background == "transparent"
    if inputs is None:
        return paint(
            job.prompt,
            job.size or _SQUARE,
            n,
            seed=job.seed,
            quality=job.quality,
            style=job.style,
            complexity=job.complexity,
            transparent=transparent,
            frames=job.frames,
        )
    picture = inputs.pictures[0]
    size = job.size or _own_size(job, picture.size)
    if job.route == "variations":
        return [vary(picture, size[0], n, seed=job.seed)]
    if inputs.opening is not None:
        result = inpaint(
            picture, inputs.opening, job.prompt, n, seed=job.seed, quality=job.quality, transparent=transparent
        )
    else:
        result = tint(inputs.pictures, job.prompt, n, seed=job.seed)
        result = vignette(result) if transparent else result
    if job.background == "opaque":
        result = flat(result)
    result = result if result.size == size else result.resize(size, Image.Resampling.LANCZOS)
    return alight(result, job.frames) if job.frames > 1 else [result]


def _own_size(job: Job, size: Size) -> Size:
    """Return the size of an edit that asks for none: the picture's own, so that what stays is the same to the bit."""
    width, height = size
    if job.gpt:
        scale = min(1.0, (_MOST_PIXELS / (job.frames * width * height)) ** 0.5)
        return max(1, int(width * scale)), max(1, int(height * scale))
    own = f"{width}x{height}"
    return size if own in job.model.values["size"] else parse_size(job.model.shapes["square"]) or _SQUARE


def _draw(job: Job) -> Work:
    size = job.size or _SQUARE
    scenes = [
        compose(job.prompt, size, number_of(job.prompt, n, job.seed), quality=job.quality, complexity=job.complexity)
        for n in range(job.n)
    ]
    files = tuple(File(draw_svg(scene, job.prompt), _media_type("svg")) for scene in scenes)
    return Work(files, size, transparent=False)


def _encoded(job: Job, pictures: list[Image.Image]) -> bytes:
    if job.output_format == "svg":
        return wrap_png(encode(pictures, "png"), pictures[0].size)
    return encode(pictures, job.output_format, compression=job.compression, frame_ms=job.frame_ms)


def _media_type(output_format: str) -> str:
    return "image/svg+xml" if output_format == "svg" else f"image/{output_format}"
