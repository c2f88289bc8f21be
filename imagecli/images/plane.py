"""Pixels as a decoder leaves them: three bytes each, where an image of Pillow's takes four, in addition to these."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imagecli.images.canvas import full
from imagecli.images.pillow import give_memory_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.types import Box, Size

_STRIP = 1 << 20
"""Bytes of a strip, about."""


class Plane(NamedTuple):
    """An RGB image, as it is stored."""

    data: bytes | memoryview
    size: Size
    stride: int
    """Bytes from one row to the next."""
    mode: str = "RGB"

    def crop(self, box: Box) -> Image.Image:
        """Return the pixels of a box within it."""
        left, top, right, bottom = box
        rows = memoryview(self.data)[top * self.stride : bottom * self.stride]
        strip = Image.frombytes(self.mode, (self.size[0], bottom - top), rows, "raw", self.mode, self.stride)
        return strip if (left, right) == (0, self.size[0]) else strip.crop((left, 0, right, bottom - top))

    def strips(self, multiple: int) -> Iterator[Image.Image]:
        """Yield them from top to bottom; all strips but the last are a multiple of rows high."""
        width, height = self.size
        rows = max(1, _STRIP // self.stride // multiple) * multiple
        for top in range(0, height, rows):
            yield self.crop((0, top, width, min(height, top + rows)))

    def image(self) -> Image.Image:
        """Return all of them."""
        return self.crop(full(self.size))


def plane_of_heif(data: bytes) -> Plane | None:
    """Return the pixels of the main image of a HEIC file, upright; None where they are not plain RGB.

    Raises the plugin's own errors.
    """
    import pillow_heif

    heif = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, remove_stride=False)
    main = heif[heif.primary_index]
    if main.mode != "RGB":
        return None
    pixels = main.data  # before its size, which decoding may change
    give_memory_back()
    return Plane(pixels, main.size, main.stride)
