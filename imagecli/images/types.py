"""The frozen values of the image room: sizes, boxes, what an endpoint takes, and files that are ready to be sent.

Sizes are pixels, lengths bytes. A box is (left, top, right, bottom), right and bottom exclusive; an exact box lies
between pixels. They are named tuples because every run imports them: a frozen dataclass takes several times as long to
define.
"""

import re
from typing import Literal, NamedTuple

from imagecli.text import closest_match

Fit = Literal["pad", "crop", "stretch"]
Restore = Literal["none", "aspect", "size"]
Size = tuple[int, int]
Box = tuple[int, int, int, int]
ExactBox = tuple[float, float, float, float]

IMAGE_EXTENSIONS = ("png", "jpg", "jpeg", "webp", "gif", "svg")
"""The extensions of an image file that can be asked for, without the dot."""
SAVED_EXTENSIONS = (*IMAGE_EXTENSIONS, "avif", "heic")
"""Those that an image may be saved with."""
SIDECAR = ".json"
"""Ends the name of a file that says what made the image beside it, behind the image's own."""
UNMADE_EXTENSIONS = ("avif", "bmp", "eps", "heic", "heif", "ico", "jp2", "jxl", "pdf", "psd", "tga", "tif", "tiff")
"""The extensions of formats that no server makes; what is saved under them would be another format."""

LOSSY = ("jpeg", "webp", "avif", "heif")
"""Formats that may change colours a little."""
MOST_SIDE = {"jpeg": 65_535, "webp": 16_383}
"""The longest side that a format can hold, in pixels, where it is not out of reach."""


def parse_size(text: str) -> Size | None:
    """Return width and height of `WxH`, None for any other text."""
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text)
    return (int(match[1]), int(match[2])) if match else None


def size_meant(text: str, words: tuple[str, ...]) -> str | None:
    """Return the size, or the word for one, that a text that is neither is near to; None if it is near to none."""
    if text in words or parse_size(text):
        return None
    written = re.sub(r"\s*[*x\N{MULTIPLICATION SIGN} ]\s*", "x", text.strip().lower().removesuffix("px"))
    if parse_size(written):
        return written
    near = closest_match(text, words)
    return None if near and text.startswith(near) else near  # square_hd is a word of some servers


class InputRules(NamedTuple):
    """What an endpoint accepts as an input."""

    square: bool
    formats: tuple[str, ...]
    """Of "png", "jpeg", "webp": what is sent unchanged. What has to be re-encoded becomes a PNG, or a
    large JPEG where it was compressed with loss already."""
    modes: tuple[str, ...]
    """Pillow's names of the modes that are sent unchanged."""
    max_bytes: int
    """A file must be strictly smaller."""
    max_side: int | None = None
    """The longest side that makes sense for the request. An input that has to be re-encoded is shrunk to it, never
    enlarged; one that can be sent unchanged is, whatever its size."""
    max_mask_bytes: int = 4_000_000
    """A mask must be strictly smaller."""
    shape: Size | None = None
    """The requested size, where the canvas must have its proportions; `square` takes precedence."""
    exact: bool = False
    """Whether the canvas must have that very size, so that the server has nothing to resize: then a smaller image is
    enlarged."""


class MaskConvention(NamedTuple):
    """How a kind of server wants its masks: a property of its dialect, so that users never see it.

    The default is OpenAI's, where alpha 0 marks what changes; white there and black elsewhere, so that a server that
    goes by grey reads the same.
    """

    field: str = "mask"
    """The file part's name."""
    open: tuple[int, ...] = (255, 255, 255, 0)
    """The pixel that marks what may change: one value for a grey mask, three for RGB, four for RGBA."""
    closed: tuple[int, ...] = (0, 0, 0, 255)

    @property
    def by_alpha(self) -> bool:
        """Whether alpha 0 opens, as in OpenAI's documentation."""
        return len(self.open) == 4 and self.open[3] == 0  # noqa: PLR2004 - RGBA


class Upload(NamedTuple):
    """A file part of a request: real bytes, an ASCII file name with extension, and the media type of those bytes."""

    data: bytes
    filename: str
    media_type: str
    width: int
    height: int

    def __repr__(self) -> str:
        """Leave out the bytes, which may be megabytes."""
        return f"Upload({self.filename!r}, {self.media_type!r}, {self.width}x{self.height}, {len(self.data)} bytes)"


class Uploads(NamedTuple):
    """The files of a request."""

    images: tuple[Upload, ...] = ()
    mask: Upload | None = None
    """Of the first image's size."""
    markup: Upload | None = None
    """Of the first image's size."""


class Geometry(NamedTuple):
    """Where an original lies on the canvas that is uploaded; enough to undo it on the result.

    The `source` box of the upright original fills the `placed` box of the canvas.
    """

    original: Size
    source: Box
    canvas: Size
    placed: Box

    @property
    def padded(self) -> bool:
        """Whether the canvas is larger than the image placed on it."""
        return self.placed != (0, 0, *self.canvas)


class Prepared(NamedTuple):
    """An input that is ready to be sent, and what was done to it."""

    upload: Upload
    geometry: Geometry
    notes: tuple[str, ...] = ()
    """What was done, shown with -v: "turned upright", "cropped to a square", … Empty: it is sent byte for byte."""
    warnings: tuple[str, ...] = ()
    """What was lost, always shown: "the lowest bit of every channel was cleared to stay under the limit"."""
