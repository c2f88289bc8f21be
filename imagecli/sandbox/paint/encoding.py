"""Pictures as files: the bytes of an answer."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

_RLE = 3
"""zlib's run-length strategy: quick, and no larger for such pictures."""
_BEST_JPEG = 95
"""Pillow's own advice: more only makes the file larger."""


def encode(pictures: Sequence[Image.Image], kind: str, *, compression: int = 100, frame_ms: int = 200) -> bytes:
    """Return the bytes of a PNG, JPEG, WebP or GIF; only the last shows more than the first picture.

    `compression` is the API's: 0 to 100, the quality of a JPEG or WebP. `frame_ms` is how long a GIF shows each frame.
    """
    first = pictures[0]
    file = BytesIO()
    if kind == "jpeg":
        flat(first).save(file, "JPEG", quality=max(1, min(compression, _BEST_JPEG)), subsampling=0)
    elif kind == "webp":
        first.save(file, "WEBP", quality=compression, method=1, exact=True)
    elif kind == "gif":
        frames = [flat(picture).quantize(128, method=Image.Quantize.FASTOCTREE) for picture in pictures]
        moving = {"save_all": True, "append_images": frames[1:], "duration": frame_ms, "loop": 0}
        frames[0].save(file, "GIF", **(moving if frames[1:] else {}))
    else:
        first.save(file, "PNG", compress_type=_RLE)
    return file.getvalue()


def flat(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB, on white where it is transparent."""
    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")
