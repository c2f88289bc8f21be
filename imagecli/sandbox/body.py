"""The body of a request, taken apart: JSON or multipart becomes fields and files. Nothing is looked at closely yet."""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from imagecli.sandbox.wire import Refusal, invalid_type, invalid_value, missing, unknown_parameter

MOST_BYTES = 64 * 1024 * 1024
"""The largest request that is read."""
_MOST_TEXT = 1024 * 1024
_MOST_PARTS = 64
_FILES = {"image": "image", "image[]": "image", "mask": "mask"}


@dataclass(frozen=True, slots=True)
class Body:
    """What a request says."""

    fields: dict[str, Any]
    text: bool
    """Whether every value came as text and is to be read as what it should be: a form."""
    images: tuple[bytes, ...] = field(default=(), repr=False)
    mask: bytes | None = field(default=None, repr=False)
    array: bool = False
    """Whether `image` came as an array, even of one."""


def read(data: bytes, content_type: str, *, form: bool, document: bool) -> Body:
    """Read a body; `form` and `document` say whether the endpoint takes multipart and JSON.

    Raises:
        Refusal: it is another type than the endpoint takes, or can't be read as what it says it is.
    """
    kind, options = parse_options_header(content_type)
    if document and kind == "application/json":
        return _with_images(_json(data)) if form else Body(_json(data), text=False)
    if form and kind == "multipart/form-data":
        return _multipart(data, options)
    takes = " and ".join(
        name for name, taken in (("application/json", document), ("multipart/form-data", form)) if taken
    )
    raise Refusal(
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


def _multipart(data: bytes, options: dict[str, str]) -> Body:
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
    fields = {}
    for name, values in form.lists():
        if name in _FILES:
            raise invalid_type(_FILES[name], "a file", "a string")
        if len(values) > 1:
            raise invalid_type(str(name), "a string", "an array")
        fields[str(name)] = values[0]
    uploads: dict[str, list[bytes]] = {"image": [], "mask": []}
    for name, parts in files.lists():
        if name not in _FILES:
            raise unknown_parameter(str(name)) if name not in fields else invalid_type(name, "a string", "a file")
        uploads[_FILES[name]] += [part.read() for part in parts]
    if len(uploads["mask"]) > 1:
        raise invalid_type("mask", "a file", "an array")
    return Body(
        fields,
        text=True,
        images=tuple(uploads["image"]),
        mask=uploads["mask"][0] if uploads["mask"] else None,
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


def _with_images(fields: dict[str, Any]) -> Body:
    """Take the pictures out of a JSON edit, where they stand as data URLs."""
    listed = fields.pop("images", None)
    if listed is None:
        raise missing("images")
    if not isinstance(listed, list) or not listed:
        raise invalid_type("images", "an array of images", "something else")
    images = tuple(_referenced(f"images[{i}]", item) for i, item in enumerate(listed))
    mask = fields.pop("mask", None)
    return Body(fields, text=False, images=images, mask=None if mask is None else _referenced("mask", mask), array=True)


def _referenced(param: str, item: object) -> bytes:
    url = item.get("image_url") if isinstance(item, dict) else None
    if not isinstance(url, str):
        raise invalid_value(param, f"Invalid value for '{param}': the sandbox takes images as 'image_url' only.")
    head, comma, data = url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise invalid_value(param, f"Invalid value for '{param}': the sandbox reads base64 data URLs and fetches none.")
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise invalid_value(param, f"Invalid value for '{param}': that is no base64.") from error
