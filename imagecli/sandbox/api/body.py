"""The body of a request, parsed: JSON or multipart becomes fields and files, whose values are not checked yet."""

from __future__ import annotations

import binascii
import json
import re
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from imagecli.sandbox.api.refusals import (
    Refusal,
    invalid_type,
    invalid_value,
    missing,
    unknown_parameter,
    unsupported_media_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 64 * 1024 * 1024
"""The largest request that is read, but for uploads of files."""
MAX_UPLOAD = 256 * 1024 * 1024
"""The largest upload that is read; the file of a batch has at most 200 MB."""
_MAX_TEXT_BYTES = 1024 * 1024
_MAX_PARTS = 64
_MAX_URL = 20_971_520
"""Characters in an `image_url`."""
_FILES = {"image": "image", "image[]": "image", "mask": "mask", "markup": "markup"}
_UNKNOWN_TYPE = "application/octet-stream"
"""What the official package declares bytes in memory to be, and OpenAI refuses, whatever they are."""
_NESTED = r"([a-z_]+)((?:\[[a-z_]+\])+)"


class Body(NamedTuple):
    """The fields and files of a request for images."""

    fields: dict[str, Any]
    text: bool
    """Whether it is a form, where every value is text, whatever its type."""
    images: tuple[bytes, ...] = ()
    mask: bytes | None = None
    markup: bytes | None = None
    array: bool = False
    """Whether `image` came as an array, even of one."""


class FormFile(NamedTuple):
    """A file part of a form."""

    filename: str
    data: bytes
    media_type: str
    """As it was declared; "" where it was not."""


def read_body(
    data: bytes, content_type: str, *, takes_form: bool, takes_json: bool, find_file: Callable[[str], bytes | None]
) -> Body:
    """Parse the body of a request for images.

    `find_file` returns the content of an uploaded file by its ID, None if it is unknown.

    Raises:
        Refusal: the endpoint does not take this content type, or the body can't be parsed.
    """
    media_type, options = parse_options_header(content_type)
    if takes_json and media_type == "application/json":
        fields = _parse_json(data)
        return _take_out_images(fields, find_file) if takes_form else Body(fields, text=False)
    if takes_form and media_type == "multipart/form-data":
        return _read_multipart(data, options)
    accepted = (("application/json", takes_json), ("multipart/form-data", takes_form))
    raise _unsupported(media_type, " and ".join(name for name, taken in accepted if taken))


def read_json(data: bytes, content_type: str) -> dict[str, Any]:
    """Parse a body that must be a JSON object; fields that are null are left out.

    Raises:
        Refusal: it is something else.
    """
    media_type, _ = parse_options_header(content_type)
    if media_type != "application/json":
        raise _unsupported(media_type, "application/json")
    return _parse_json(data)


def read_form(data: bytes, content_type: str) -> tuple[dict[str, Any], dict[str, list[FormFile]]]:
    """Parse a body that must be multipart: its fields (`a[b]` is `b` in the object `a`) and its files.

    Raises:
        Refusal: it is something else.
    """
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data":
        raise _unsupported(media_type, "multipart/form-data")
    fields, files = _parse_form(data, options)
    for name, value in fields.items():
        if isinstance(value, list):
            raise invalid_type(name, "a string", "an array")
    return fields, files


def _unsupported(media_type: str, accepted: str) -> Refusal:
    return Refusal(
        f"Unsupported content type: '{media_type}'. This API method only accepts '{accepted}' requests.",
        code="unsupported_content_type",
    )


def _parse_json(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Refusal("We could not parse the JSON body of your request. It must be an object in valid JSON.")
    return {name: value for name, value in document.items() if value is not None}


def _parse_form(data: bytes, options: dict[str, str]) -> tuple[dict[str, Any], dict[str, list[FormFile]]]:
    parser = FormDataParser(
        stream_factory=_open_in_memory,
        max_form_memory_size=_MAX_TEXT_BYTES,
        max_form_parts=_MAX_PARTS,
        silent=False,
    )
    try:
        _, form, files = parser.parse(BytesIO(data), "multipart/form-data", len(data), options)
    except (ValueError, AttributeError) as error:  # AttributeError: Werkzeug's parser, for a part without a body
        raise Refusal("We could not parse the multipart body of your request.") from error
    fields: dict[str, Any] = {}
    for name, values in form.lists():
        _set_field(fields, str(name), values if len(values) > 1 else values[0])
    form_files = {
        str(name): [FormFile(part.filename or "upload", part.read(), part.mimetype) for part in parts]
        for name, parts in files.lists()
    }
    return fields, form_files


def _set_field(fields: dict[str, Any], name: str, value: str | list[str]) -> None:
    """Set a form's field: `svg[reasoning][effort]` is a field of an object within an object."""
    nested = re.fullmatch(_NESTED, name)
    *path, last = (nested[1], *nested[2][1:-1].split("][")) if nested else (name,)
    parent = fields
    for step in path:
        parent = parent.setdefault(step, {})
        if not isinstance(parent, dict):
            raise invalid_type(path[0], "an object", "a string")
    if last in parent:
        raise invalid_type(last, "a string", "an object")
    parent[last] = value


def _read_multipart(data: bytes, options: dict[str, str]) -> Body:
    fields, files = _parse_form(data, options)
    for name in fields:
        if name in _FILES:
            raise invalid_type(_FILES[name], "a file", "a string")
    uploads: dict[str, list[bytes]] = {"image": [], "mask": [], "markup": []}
    for name, parts in files.items():
        if name not in _FILES:
            raise unknown_parameter(name) if name not in fields else invalid_type(name, "a string", "a file")
        for part in parts:
            if part.media_type == _UNKNOWN_TYPE:
                raise unsupported_media_type(_FILES[name], part.media_type)
            uploads[_FILES[name]].append(part.data)
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


def _open_in_memory(
    total_content_length: int | None,  # noqa: ARG001 - Werkzeug passes it
    content_type: str | None,  # noqa: ARG001
    filename: str | None,  # noqa: ARG001
    content_length: int | None = None,  # noqa: ARG001
) -> IO[bytes]:
    """Return where a file part is written to: the request is in memory already, and its size limited."""
    return BytesIO()


def _take_out_images(fields: dict[str, Any], find_file: Callable[[str], bytes | None]) -> Body:
    """Take the images out of a JSON edit, which has them as data URLs and as IDs of uploaded files."""
    listed = fields.pop("images", None)
    if listed is None:
        raise missing("images")
    if not isinstance(listed, list) or not listed:
        raise invalid_type("images", "an array of images", "something else")
    images = tuple(_read_image(f"images[{i}]", item, find_file) for i, item in enumerate(listed))
    mask = fields.pop("mask", None)
    return Body(
        fields,
        text=False,
        images=images,
        mask=None if mask is None else _read_image("mask", mask, find_file),
        array=True,
    )


def _read_image(param: str, item: object, find_file: Callable[[str], bytes | None]) -> bytes:
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
        return _decode_data_url(param, item["image_url"])
    data = find_file(item["file_id"])
    if data is None:
        raise invalid_value(f"{param}.file_id", f"Invalid value: there is no file '{item['file_id']}'.")
    return data


def _decode_data_url(param: str, url: str) -> bytes:
    head, comma, data = url.partition(",")
    if len(url) > _MAX_URL:
        raise invalid_value(param, f"Invalid value for '{param}': a URL has at most {_MAX_URL:,} characters.")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise invalid_value(param, f"Invalid value for '{param}': the sandbox reads base64 data URLs and fetches none.")
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise invalid_value(param, f"Invalid value for '{param}': that is no base64.") from error
