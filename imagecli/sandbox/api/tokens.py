"""The tokens that a job is billed for: its `usage`.

It is written from OpenAI's calculator and from bills, and not from the estimate that it is compared with in tests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagecli.images.types import Size
    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.job import ImageJob

_PARTIAL_TOKENS = 100
_STEPS = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}
"""Tokens along the longer side of an image; models that are not named here are older or newer than these."""
_BY_SHAPE = {"low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208)}
"""gpt-image-1 and 1.5, by quality: square, tall, wide [OpenAI's guide to image generation]."""


def count_tokens(job: ImageJob, inputs: Inputs | None, size: Size, count: int, partials: int = 0) -> dict[str, Any]:
    """Return the `usage` of `count` images of a size, each billed as a request, and of the partial images before."""
    text = math.ceil(len(job.prompt) / 4) * count
    name = job.model.name or ""
    seen = sum(_seen(name, image.size) for image in inputs.images) * count if inputs else 0
    painted = _painted(name, actual_quality(job), *size) * count + _PARTIAL_TOKENS * partials
    return {
        "total_tokens": text + seen + painted,
        "input_tokens": text + seen,
        "output_tokens": painted,
        "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
    }


def count_svg_tokens(job: ImageJob) -> dict[str, Any]:
    """Return the `svg_usage`: the tokens of an SVG's author, billed apart from those of the image it was drawn from."""
    read, reasoned, written = math.ceil(len(job.prompt) / 4) + 1000, 500, 2500
    return {
        "model": job.svg_author,
        "input_tokens": read,
        "output_tokens": written,
        "reasoning_tokens": reasoned,
        "total_tokens": read + written,
    }


def actual_quality(job: ImageJob) -> str:
    """Return the quality that is made."""
    return "medium" if job.quality == "auto" else job.quality


def _is_old(model: str) -> bool:
    return model.startswith(("gpt-image-1", "chatgpt-image"))


def _painted(model: str, quality: str, width: int, height: int) -> int:
    if _is_old(model):
        return _BY_SHAPE[quality][(width != height) + (width > height)]
    generation = "gpt-image-2" if model.startswith("gpt-image-2") and model[11:12] != "." else "gpt-image-2.5"
    steps = _STEPS[generation][quality]
    longer, shorter = max(width, height), min(width, height)
    rows, rest = divmod(steps * shorter, longer)
    if (2 * rest, rows % 2) > (longer, 0):  # a half goes to the even number
        rows += 1
    millionths = steps * rows * (2_000_000 + width * height)
    return -(-millionths // 4_000_000)


def _seen(model: str, size: Size) -> int:
    """Return the tokens of an input: patches of 32 pixels, at most 1536, of an image of at least 1024 if that is near.

    Older models count about a patch for 32x32 pixels too, without a limit of their own.
    """
    width, height = size
    if _is_old(model):
        return min(4160, 65 + math.ceil(width * height / 1024))
    grown = min(2, 1024 / max(size)) if max(size) < 1024 else 1  # noqa: PLR2004 - as documented above
    across, down = width * grown / 32, height * grown / 32
    across, down = max(across, down / 3), max(down, across / 3)
    if math.ceil(across) * math.ceil(down) <= 1536:  # noqa: PLR2004 - the same
        return math.ceil(across) * math.ceil(down)
    shrink = math.sqrt(1536 / (across * down))
    shrink = min(math.floor(across * shrink) / across, math.floor(down * shrink) / down)
    # One of the two is a whole number now, but for the error of a division.
    return math.ceil(across * shrink - 1e-6) * math.ceil(down * shrink - 1e-6)
