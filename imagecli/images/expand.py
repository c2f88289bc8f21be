"""Enlarges the canvas around a picture, for outpainting: what is new takes the colour of the edge beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.canvas import full, place
from imagecli.images.colour import flatten
from imagecli.images.reading import MAX_PIXELS, Picture, reading
from imagecli.images.types import Geometry

if TYPE_CHECKING:
    from imagecli.images.mask_flags import Margins
    from imagecli.images.types import Size


class ExpandedPicture(Picture):
    """A picture on a larger canvas. To all that follows, that canvas is the original; no file is like it."""

    def __init__(self, picture: Picture, margins: Margins, max_pixels: int | None = None) -> None:
        """Decode the picture and lay it on its canvas.

        Raises `UsageProblem` where the picture is damaged, the margins are nothing, or the canvas is too large.
        """
        left, top, right, bottom = margins.of(picture.size)
        width, height = picture.size
        self.size: Size = (width + left + right, height + top + bottom)
        self.inner = (left, top, left + width, top + height)
        """Where the picture lies."""
        limit = max_pixels or MAX_PIXELS
        if self.size[0] * self.size[1] > limit:
            raise UsageProblem(
                f"expanded, {picture.shown} would have {self.size[0]}x{self.size[1]} pixels; {limit:,} are the limit",
                hint="Expand it by less.",
            )
        image = picture.decode()
        with reading(picture.name):
            flat = flatten(image, bits=picture.bits)
            self._decoded = place(flat.image, Geometry(picture.size, full(picture.size), self.size, self.inner))
        if flat.profile:
            self._decoded.info["icc_profile"] = flat.profile
        self._data = b""
        self._file = None
        self.name = picture.name
        self.format = ""
        """None: so it never goes as a file that is there already."""
        self.animated = picture.animated
        self.orientation = picture.orientation
        self.mode = self._decoded.mode
        self.bits = 8
        self._opened = None
