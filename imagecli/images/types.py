"""The frozen values of the image room: sizes, boxes, what an endpoint takes, and files that are ready to be sent.

Sizes are pixels, lengths bytes. A box is (left, top, right, bottom), right and bottom exclusive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Fit = Literal["pad", "crop", "stretch"]
Restore = Literal["none", "aspect", "size"]
Size = tuple[int, int]
Box = tuple[int, int, int, int]

_SIZE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


def parse_size(text: str) -> Size | None:
    """Read `WxH`; None where it is something else."""
    match = _SIZE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


IMAGE_EXTENSIONS = ("png", "jpg", "jpeg", "webp", "gif", "svg")
"""The extensions that count as a picture's, without the dot."""


@dataclass(frozen=True, slots=True)
class InputRules:
    """What an endpoint takes as an input picture."""

    square: bool
    formats: tuple[str, ...]
    """Of "png", "jpeg", "webp": what may go as it is. What has to be encoded anew becomes a PNG."""
    modes: tuple[str, ...]
    """Pillow's names of the modes that may go as they are."""
    max_bytes: int
    """A file must be strictly smaller."""
    max_side: int | None = None
    """The longest side that makes sense for the request. A picture that has to be encoded anew is shrunk to it, never
    enlarged; one that may go as it is goes as it is, whatever its side."""
    max_mask_bytes: int = 4_000_000
    """A mask must be strictly smaller."""
    shape: Size | None = None
    """The size that is asked for, where the canvas has to have its shape; a square goes before it."""


@dataclass(frozen=True, slots=True)
class MaskConvention:
    """How a kind of server wants its masks: a property of its dialect, so that users never see it.

    By itself OpenAI's, where alpha 0 marks what changes; white there and black elsewhere, so that a server that goes
    by grey reads the same.
    """

    field: str = "mask"
    """The file part's name."""
    open: tuple[int, ...] = (255, 255, 255, 0)
    """The pixel that marks what may change: one value for a grey mask, three for RGB, four for RGBA."""
    closed: tuple[int, ...] = (0, 0, 0, 255)

    @property
    def by_alpha(self) -> bool:
        """Whether alpha 0 opens, as in the files that the guide describes."""
        return len(self.open) == 4 and self.open[3] == 0  # noqa: PLR2004 - RGBA


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part of a request: real bytes, a real ASCII file name with extension, the type that the bytes say."""

    data: bytes = field(repr=False)
    filename: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Uploads:
    """The files of a request."""

    images: tuple[Upload, ...] = ()
    mask: Upload | None = None
    """Of the first image's size."""
    markup: Upload | None = None
    """Of the first image's size."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an original came to lie on the canvas that was uploaded; enough to undo it on the result.

    The `source` box of the upright original fills the `placed` box of the canvas.
    """

    original: Size
    source: Box
    canvas: Size
    placed: Box

    @property
    def padded(self) -> bool:
        """Whether the canvas holds anything besides the picture."""
        return self.placed != (0, 0, *self.canvas)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture that is ready to be sent, and what was done to it."""

    upload: Upload
    geometry: Geometry
    notes: tuple[str, ...] = ()
    """What was done, for -v: "turned upright", "cropped to a square", … Empty: it goes byte for byte."""
    warnings: tuple[str, ...] = ()
    """What was given up, for everybody: "the lowest bit of every channel was cleared to stay under the limit"."""
