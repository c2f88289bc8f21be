"""The body of a request, taken apart: JSON or multipart becomes fields and files. Nothing is looked at closely yet."""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from imagecli.sandbox.api.wire import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 64 * 1024 * 1024
"""The largest request that is read."""
_MOST_TEXT = 1024 * 1024
_MOST_PARTS = 64
_MOST_URL = 20_971_520
"""Characters of an `image_url`."""
_FILES = {"image": "image", "image[]": "image", "mask": "mask", "markup": "markup"}
_NESTED = re.compile(r"([a-z_]+)((?:\[[a-z_]+\])+)")


@dataclass(frozen=True, slots=True)
class Body:
    """What a request says."""

    fields: dict[str, Any]
    text: bool
    """Whether every value came as text and is to be read as what it should be: a form."""
    images: tuple[bytes, ...] = field(default=(), repr=False)
    mask: bytes | None = field(default=None, repr=False)
    markup: bytes | None = field(default=None, repr=False)
    array: bool = False
    """Whether `image` came as an array, even of one."""


class Upload(NamedTuple):
    """A file part of a form."""

    filename: str
    data: bytes


def read(
    data: bytes, content_type: str, *, form: bool, document: bool, uploaded: Callable[[str], bytes | None]
) -> Body:
    """Read a body; `form` and `document` say whether the endpoint takes multipart and JSON.

    `uploaded` returns the content of a file by its ID, None where there is none.

    Raises:
        Refusal: it is another type than the endpoint takes, or can't be read as what it says it is.
    """
    kind, options = parse_options_header(content_type)
    if document and kind == "application/json":
        return _with_images(_json(data), uploaded) if form else Body(_json(data), text=False)
    if form and kind == "multipart/form-data":
        return _multipart(data, options)
    takes = " and ".join(
        name for name, taken in (("application/json", document), ("multipart/form-data", form)) if taken
    )
    raise _unsupported(kind, takes)


def read_document(data: bytes, content_type: str) -> dict[str, Any]:
    """Read a body that must be JSON; fields that are null are left out.

    Raises:
        Refusal: it is none, or no object.
    """
    kind, _ = parse_options_header(content_type)
    if kind != "application/json":
        raise _unsupported(kind, "application/json")
    return _json(data)


def read_form(data: bytes, content_type: str) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
    """Read a body that must be multipart: its fields (`a[b]` folded into an object) and its files.

    Raises:
        Refusal: it is none.
    """
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise _unsupported(kind, "multipart/form-data")
    return _parts(data, options)


def _unsupported(kind: str, takes: str) -> Refusal:
    return Refusal(
        f"Unsupported content type: '{kind}'. This API method only accepts '{takes}' requests.",
        code="unsupported_content_type",
    )


def _json(data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise Refusal("We could not parse the JSON body of your request. It must be an object in valid JSON.")
    return {name: value for name, value in read.items() if value is not None}


def _parts(data: bytes, options: dict[str, str]) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
    parser = FormDataParser(
        stream_factory=_in_memory,
        max_form_memory_size=_MOST_TEXT,
        max_form_parts=_MOST_PARTS,
        silent=False,
    )
    try:
        _, form, files = parser.parse(BytesIO(data), "multipart/form-data", len(data), options)
    except (ValueError, AttributeError) as error:  # AttributeError: Werkzeug's parser on a part that has no body
        raise Refusal("We could not parse the multipart body of your request.") from error
    fields: dict[str, Any] = {}
    for name, values in form.lists():
        if len(values) > 1:
            raise invalid_type(str(name), "a string", "an array")
        _put(fields, str(name), values[0])
    uploads = {
        str(name): [Upload(part.filename or "upload", part.read()) for part in parts] for name, parts in files.lists()
    }
    return fields, uploads


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    """Lay a form's value where its name says: `svg[reasoning][effort]` is a field of an object within an object."""
    nested = _NESTED.fullmatch(name)
    *above, last = (nested[1], *nested[2][1:-1].split("][")) if nested else (name,)
    place = fields
    for step in above:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise invalid_type(above[0], "an object", "a string")
    if last in place:
        raise invalid_type(last, "a string", "an object")
    place[last] = value


def _multipart(data: bytes, options: dict[str, str]) -> Body:
    fields, files = _parts(data, options)
    for name in fields:
        if name in _FILES:
            raise invalid_type(_FILES[name], "a file", "a string")
    uploads: dict[str, list[bytes]] = {"image": [], "mask": [], "markup": []}
    for name, parts in files.items():
        if name not in _FILES:
            raise unknown_parameter(name) if name not in fields else invalid_type(name, "a string", "a file")
        uploads[_FILES[name]] += [part.data for part in parts]
    for name in ("mask", "markup"):
        if len(uploads[name]) > 1:
            raise invalid_type(name, "a file", "an array")
    return Body(
        fields,
        text=True,
        images=tuple(uploads["image"]),
        mask=next(iter(uploads["mask"]), None),
        markup=next(iter(uploads["markup"]), None),
        array="image[]" in files or len(uploads["image"]) > 1,
    )


def _in_memory(
    total_content_length: int | None,  # noqa: ARG001 - what Werkzeug passes
    content_type: str | None,  # noqa: ARG001
    filename: str | None,  # noqa: ARG001
    content_length: int | None = None,  # noqa: ARG001
) -> IO[bytes]:
    """Return where a file part goes: the request is in memory as it is, and bounded."""
    return BytesIO()


def _with_images(fields: dict[str, Any], uploaded: Callable[[str], bytes | None]) -> Body:
    """Take the pictures out of a JSON edit, where they stand as data URLs and as IDs of uploaded files."""
    listed = fields.pop("images", None)
    if listed is None:
        raise missing("images")
    if not isinstance(listed, list) or not listed:
        raise invalid_type("images", "an array of images", "something else")
    images = tuple(_referenced(f"images[{i}]", item, uploaded) for i, item in enumerate(listed))
    mask = fields.pop("mask", None)
    return Body(
        fields,
        text=False,
        images=images,
        mask=None if mask is None else _referenced("mask", mask, uploaded),
        array=True,
    )


def _referenced(param: str, item: object, uploaded: Callable[[str], bytes | None]) -> bytes:
    if not isinstance(item, dict):
        raise invalid_type(param, "an object", "something else")
    for name, value in item.items():
        if name not in {"image_url", "file_id"}:
            raise unknown_parameter(f"{param}.{name}")
        if not isinstance(value, str):
            raise invalid_type(f"{param}.{name}", "a string", "something else")
    if len(item) != 1:
        raise invalid_value(param, f"Invalid value for '{param}': give exactly one of 'image_url' and 'file_id'.")
    if "file_id" not in item:
        return _from_url(param, item["image_url"])
    data = uploaded(item["file_id"])
    if data is None:
        raise invalid_value(f"{param}.file_id", f"Invalid value: there is no file '{item['file_id']}'.")
    return data


def _from_url(param: str, url: str) -> bytes:
    head, comma, data = url.partition(",")
    if len(url) > _MOST_URL:
        raise invalid_value(param, f"Invalid value for '{param}': a URL has at most {_MOST_URL:,} characters.")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise invalid_value(param, f"Invalid value for '{param}': the sandbox reads base64 data URLs and fetches none.")
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise invalid_value(param, f"Invalid value for '{param}': that is no base64.") from error
