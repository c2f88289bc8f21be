"""What travels between the rooms: frozen values, in the order in which a run meets them.

Sizes are pixels, lengths bytes, times seconds. A box is (left, top, right, bottom), right and bottom exclusive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.catalog import Model
    from imagecli.dialects.openai import OpenAI
    from imagecli.errors import ImagecliError
    from imagecli.images.marks import Marks
    from imagecli.images.source import Picture

Command = Literal["gen", "edit", "vary", "prepare"]
Fit = Literal["pad", "crop", "stretch"]
Verdict = Literal["listed", "unlisted", "fails"]
"""What is known of a value: it is taken, nobody knows, it is certain to be refused."""
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


Fields = dict[str, Any]
"""The fields of a request under the wire's names, in the order in which they are sent."""


DATA_URL = "{data url}"
"""Stands for a file's `data:` URL in a `FilePart.shape`."""
BASE64 = "{base64}"
"""Stands for a file's base64 in a `FilePart.shape`."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """One file of a request under the wire's name of its field (`image`, `image[]`, `mask`)."""

    field: str
    upload: Upload
    shape: Any = DATA_URL
    """In a JSON document: what stands for the file, with `DATA_URL` or `BASE64` where its bytes go."""
    listed: bool = False
    """In a JSON document: whether the field is a list of such shapes."""


_OF_STREAMS = frozenset({"stream", "partial_images"})
"""Neither of them makes sense without the other."""


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One HTTP request to an image endpoint."""

    route: str
    """What is wanted, in OpenAI's words: "images/generations", "images/edits", "images/variations"."""
    path: str
    """Where the server has it, below the base URL; it may have a query."""
    fields: Fields
    files: tuple[FilePart, ...] = ()
    count: int = 1
    """How many images the answer should hold."""
    as_json: bool = True
    """Whether the body is a JSON document, with the files inside; else it is a multipart form."""

    @property
    def endpoint(self) -> str:
        """The path without its query, as results name it."""
        return self.path.partition("?")[0]

    def without(self, names: Iterable[str]) -> ImageRequest | None:
        """Return the request without these fields; None where it has none of them, or would be another request."""
        kept = {"prompt", "model"} if self.count == 1 else {"prompt", "model", "n"}  # one is what comes without n
        dropped = set(names) - kept
        if dropped & _OF_STREAMS:
            dropped |= _OF_STREAMS
        fields = {name: value for name, value in self.fields.items() if name.partition("[")[0] not in dropped}
        return None if len(fields) == len(self.fields) else replace(self, fields=fields)

    def supplying(self, names: Iterable[str]) -> ImageRequest | None:
        """Return the request as a server that misses these fields reads it; None where there is no such spelling.

        Some servers know several pictures only as one field `image` after the other; some have no addresses to answer
        with, and want to be asked for base64.
        """
        missing = set(names)
        if "image" in missing and any(part.field == "image[]" for part in self.files):
            files = (replace(part, field=part.field.removesuffix("[]")) for part in self.files)
            return replace(self, files=tuple(files))
        if "response_format" in missing and "response_format" not in self.fields:
            return replace(self, fields=self.fields | {"response_format": "b64_json"})
        return None


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One image that is there: saved under `path`, or in memory for callers from Python."""

    n: int
    """From 1, in the order of the images that were asked for."""
    path: str | None
    """As `-o` spelt it; None where nothing was written."""
    format: str | None
    """By the bytes: "png", "jpeg", "webp", "gif", "svg"."""
    width: int | None
    height: int | None
    bytes: int
    sha256: str
    revised_prompt: str | None = None
    partial: bool = False
    """Whether it is the last partial image of a stream whose finished one never came."""
    partials: tuple[str, ...] = ()
    """Where the partial images that came before it were written."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for, checked against the catalogue: a command's flags once they mean something."""

    command: Command
    dialect: OpenAI
    model: Model
    prompt: str | None
    """As it is sent; None for `vary`, which has none."""
    subject: str
    """What a default file name is made from: the prompt as typed, or the input's name."""
    fields: Fields
    """Flag name → value ("size", "format", …): only what was asked for."""
    typed: frozenset[str]
    """Of these, what was typed as a flag; the rest comes from the config, or a format from the output's name."""
    params: Fields
    """Other fields of the request, under the wire's names."""
    count: int
    count_asked: bool
    inputs: tuple[Picture, ...] = ()
    mask: Picture | None = None
    fit: Fit = "pad"
    restore: Restore | None = None
    """None: undo padding, and nothing else."""
    marks: Marks | None = None
    """What the mask flags open, in `mask` and beside it; None: there are none."""
    expanded: bool = False
    """Whether the first input lies on a canvas that `--expand` has enlarged."""
    keep: bool = False
    """Whether the result is composed with the original: outside the mask nothing changes."""
    keep_metadata: bool = False
    preview_mask: bool = False
    """Whether the mask is only to be looked at."""
    routes: tuple[str, ...] = ()
    """Where to send it; the next one is tried where a server has no such route."""
    markup: Picture | None = None
    """Marks on the first input that say what to change."""
    save_partials: bool = False
    """Whether the partial images of a stream are saved, too."""

    @property
    def per_request(self) -> int:
        """How many images one request may ask for; a stream is about one, so that its partial images belong to it."""
        if "partials" in self.fields.keys() - self.dialect.ignores:
            return 1
        most = self.model.count_per_request(self.fields.get("format"))
        return min(most, self.dialect.most(self) or most)

    @property
    def size(self) -> Size | None:
        """The size in pixels that is asked for; None where none is, or none in pixels."""
        return parse_size(str(self.fields.get("size")))

    @property
    def masked(self) -> bool:
        """Whether there is a mask, from a file or from flags."""
        return self.mask is not None or self.marks is not None


@dataclass(slots=True)
class Result:
    """What came of a run."""

    command: Command
    profile: str
    model: str | None
    route: str | None = None
    images: list[GeneratedImage] = field(default_factory=list)
    failures: dict[int, ImagecliError] = field(default_factory=dict)
    """Image number → why it is missing."""
    partials: dict[int, list[str]] = field(default_factory=dict)
    """Image number → the files that hold its partial images, where those are saved."""
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    """What the server says that it has cost."""
    elapsed_s: float | None = None
    request_ids: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: ImagecliError | None = None
    """What decided the exit code."""
    requests: tuple[ImageRequest, ...] | None = None
    """For --dry-run: what would be sent."""
    prepared: dict[str, Any] | None = None
    """For `prepare`: what came in and what was done to it, as the JSON document shows it."""
    mask: dict[str, Any] | None = None
    """For --mask-preview: what would be edited, as the JSON document shows it."""
