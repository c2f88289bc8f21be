"""The tokens of images, as OpenAI counts them: of those that are drawn, and of those that are sent along."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.images.types import Size

_PATCH = 32
_MOST_PATCHES = 1536
_LEAST_SIDE = 1024
_MOST_RATIO = 3


def image_tokens(size: Size, grid: int) -> int:
    """Return the tokens of an image of `size` pixels, drawn on a grid of that many tokens along its longer side.

    [OpenAI's calculator of 2026-09-08; half a token is rounded to the even number, as Python does.]
    """
    longer, shorter = max(size), min(size)
    return math.ceil(grid * round(grid * shorter / longer) * (2_000_000 + longer * shorter) / 4_000_000)


def input_tokens(size: Size) -> int:
    """Return the tokens of an input image: patches of 32 pixels, at most 1536 of them.

    Small images are magnified first, up to twice, and narrow ones are padded to 3:1. [Measured for gpt-image-2 on a
    hundred bills: community.openai.com/t/1382940. Later models are taken to count alike.]
    """
    longer: float = max(size)
    shorter: float = min(size)
    scale = max(1.0, min(2.0, _LEAST_SIDE / longer))
    longer *= scale
    shorter = max(shorter * scale, longer / _MOST_RATIO)
    if math.ceil(longer / _PATCH) * math.ceil(shorter / _PATCH) > _MOST_PATCHES:
        shrink = math.sqrt(_MOST_PATCHES * _PATCH**2 / (longer * shorter))
        across, down = longer * shrink / _PATCH, shorter * shrink / _PATCH
        shrink *= min(int(across) / across, int(down) / down)
        longer, shorter = longer * shrink, shorter * shrink
    return math.ceil(round(longer / _PATCH, 6)) * math.ceil(round(shorter / _PATCH, 6))
