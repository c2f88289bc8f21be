"""An image without content, which stands for another where only the size of that one counts."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image

from imagecli.images.reading import InputImage, open_input

if TYPE_CHECKING:
    from imagecli.images.types import Size


@lru_cache(maxsize=16)
def blank(size: Size) -> InputImage:
    """Return an image of this size, in pixels."""
    out = io.BytesIO()
    Image.new("1", size).save(out, "png")
    return open_input(out.getvalue(), "image", size[0] * size[1])
