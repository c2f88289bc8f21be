"""What is asked of a server: a draft, checked, and the HTTP requests that a dialect builds from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS
from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagecli.images.types import Size, Upload

GENERATIONS = "images/generations"
EDITS = "images/edits"
VARIATIONS = "images/variations"

Fields = dict[str, Any]
"""The fields of a request, in the order in which they are sent."""

DATA_URL = "{data url}"
"""Stands for a file's `data:` URL in a `FilePart.shape`."""
BASE64 = "{base64}"
"""Stands for a file's base64 in a `FilePart.shape`."""
_STREAMING = frozenset({"stream", "partial_images"})
"""Neither of them makes sense without the other."""


class Draft(NamedTuple):
    """What is asked for, checked against the model and the server, and not yet in any server's words."""

    prompt: str | None
    """As it is sent; None for `vary`, which has none."""
    model: str | None
    """None: the field is left out."""
    fields: Fields
    """Flag → value ("size", "format", …): only what was asked for."""
    typed: frozenset[str]
    """Of these, what was typed as a flag; the rest comes from the config, or a format from the output's name."""
    params: Fields
    """Other fields of the request, under the wire's names."""
    count_asked: bool
    """Whether a number of images was asked for, so that it is sent even if it is 1."""
    masked: bool = False
    """Whether there is a mask, from a file or from flags."""
    input_size: Size | None = None
    """Of the first input, upright, in pixels."""

    @property
    def size(self) -> Size | None:
        """The size in pixels that is asked for; None where none is, or not in pixels."""
        return parse_size(str(self.fields.get("size")))

    def split_off(self, *flags: str) -> tuple[Draft, Fields]:
        """Return the draft without these flags, and their fields under OpenAI's names."""
        rest = {name: value for name, value in self.fields.items() if name not in flags}
        return self._replace(fields=rest), {FIELDS[name]: self.fields[name] for name in flags if name in self.fields}

    def without(self, flag: str, reason: str, warn: Callable[[str], None]) -> Draft:
        """Return the draft without a flag that can't be used here; a warning says so.

        Raises:
            UsageProblem: it was typed.
        """
        if flag in self.typed:
            raise UsageProblem(reason, hint=f"Leave out --{flag}, or what it can't go with.")
        warn(f"the default for --{flag} is left out: {reason}")
        return self.split_off(flag)[0]


class FilePart(NamedTuple):
    """One file of a request under the wire's name of its field (`image`, `image[]`, `mask`)."""

    field: str
    upload: Upload
    shape: Any = DATA_URL
    """In a JSON document: what stands for the file, with `DATA_URL` or `BASE64` where its bytes go."""
    listed: bool = False
    """In a JSON document: whether the field is a list of such shapes."""


class ImageRequest(NamedTuple):
    """One HTTP request to an image endpoint."""

    route: str
    """What is wanted, in OpenAI's words: "images/generations", "images/edits", "images/variations"."""
    path: str
    """Where the server has it, below the base URL; it may have a query."""
    fields: Fields
    files: tuple[FilePart, ...] = ()
    wanted: int = 1
    """How many images the response should hold."""
    as_json: bool = True
    """Whether the body is a JSON document, with the files inside; otherwise it is a multipart form."""
    typed: frozenset[str] = frozenset()
    """Fields whose values were typed; the others come from the config, from the output's name or from the dialect."""

    @property
    def endpoint(self) -> str:
        """The path without its query, as results name it."""
        return self.path.partition("?")[0]

    def without(self, names: Iterable[str]) -> ImageRequest | None:
        """Return the request without these fields; None where it has none of them, or would ask for something else."""
        kept = {"prompt", "model"} if self.wanted == 1 else {"prompt", "model", "n"}  # one is what comes without n
        dropped = set(names) - kept
        if dropped & _STREAMING:
            dropped |= _STREAMING
        fields = {name: value for name, value in self.fields.items() if name.partition("[")[0] not in dropped}
        return None if len(fields) == len(self.fields) else self._replace(fields=fields)

    def with_missing(self, names: Iterable[str]) -> ImageRequest | None:
        """Return the request as a server that misses these fields reads it; None where there is no such spelling.

        Some servers take several images only as one field `image` after the other; some can't respond with URLs,
        and must be asked for base64.
        """
        missing = set(names)
        if "image" in missing and any(part.field == "image[]" for part in self.files):
            files = (part._replace(field=part.field.removesuffix("[]")) for part in self.files)
            return self._replace(files=tuple(files))
        if "response_format" in missing and "response_format" not in self.fields:
            return self._replace(fields=self.fields | {"response_format": "b64_json"})
        return None
