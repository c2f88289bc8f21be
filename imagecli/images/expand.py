"""Outpainting: an input on a larger canvas, whose new parts take the colour of the edge beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, place
from imagecli.images.limits import MAX_PIXELS
from imagecli.images.pillow import pillow_errors
from imagecli.images.reading import InputImage
from imagecli.images.types import Geometry

if TYPE_CHECKING:
    from imagecli.images.mask_flags import Margins
    from imagecli.images.types import Size


class ExpandedImage(InputImage):
    """An input on a larger canvas, which later steps treat as the original. It has pixels, but no file."""

    def __init__(self, image: InputImage, margins: Margins, max_pixels: int | None = None) -> None:
        """Decode the input and place it on its canvas.

        Raises `UsageProblem` where it is damaged, the margins are zero, or the canvas is too large.
        """
        left, top, right, bottom = margins.of(image.size)
        width, height = image.size
        self.size: Size = (width + left + right, height + top + bottom)
        self.inner = (left, top, left + width, top + height)
        """Where the input lies on the canvas."""
        limit = max_pixels or MAX_PIXELS
        if self.size[0] * self.size[1] > limit:
            raise UsageProblem(
                f"expanded, {image.shown} would have {self.size[0]}x{self.size[1]} pixels; the limit is {limit:,}",
                hint="Expand it by less.",
            )
        flat = image.flat()
        with pillow_errors(image.name):
            self._decoded = place(flat.image, Geometry(image.size, full(image.size), self.size, self.inner))
        self.profile = flat.profile
        self.name, self.animated, self.orientation = image.name, image.animated, image.orientation
        self.mode, self.bits, self.left_out = self._decoded.mode, 8, image.left_out
        self.format = ""
        """Empty, so that it is never sent as an existing file."""
        self._source, self._opened, self.layout, self.shrink = b"", None, None, 1
        self._plane, self._packs = None, False
