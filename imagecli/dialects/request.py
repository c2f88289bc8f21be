"""One HTTP request to an image endpoint, as a dialect builds it and the client sends it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.images.types import Upload

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
