"""A request's body: a JSON document, or a multipart form."""

from __future__ import annotations

import json
import os
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import pybase64

from imagecli.dialects.request import BASE64, DATA_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from imagecli.dialects.request import Fields, FilePart, ImageRequest

_UNSAFE_IN_QUOTES = re.compile(r'[\x00-\x1a\x1c-\x1f"\\]')


class Body(NamedTuple):
    """The body of a request, in pieces: an upload is not copied for it."""

    media_type: str = ""
    """Empty: the request has no body."""
    pieces: Iterable[bytes] = ()
    size: int = 0
    """Bytes in all pieces."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that describe it."""
        return {"Content-Length": str(self.size), "Content-Type": self.media_type} if self.media_type else {}


class FileToSend(NamedTuple):
    """A file of a form, read as it goes out."""

    filename: str
    media_type: str
    size: int
    pieces: Callable[[], Iterable[bytes]]
    """What is in it, anew each time."""


def body_of(request: ImageRequest) -> Body:
    """Return the body that asks for a request's images."""
    return document_of(json_of(request)) if request.as_json else _form(request)


def json_of(request: ImageRequest) -> Fields:
    """Return the JSON document that asks for a request's images, with its files inside."""
    return request.fields | _files_as_json(request.files)


def document_of(document: Mapping[str, Any]) -> Body:
    """Return the body that is a JSON document."""
    data = encoded(document)
    return Body("application/json", (data,), len(data))


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a JSON document as it is sent: on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def form_of(fields: Mapping[str, str], file: FileToSend) -> Body:
    """Return a form with these fields, and a file as `file` (RFC 7578)."""
    boundary = os.urandom(16).hex()
    names = f"{_quoted('name', 'file')}; {_quoted('filename', file.filename)}"
    head = _head(dict(fields), boundary)
    head += f"Content-Disposition: form-data; {names}\r\nContent-Type: {file.media_type}\r\n\r\n"
    first, last = head.encode(), f"\r\n--{boundary}--\r\n".encode()
    pieces = chain((first,), file.pieces(), (last,))
    return Body(f"multipart/form-data; boundary={boundary}", pieces, len(first) + file.size + len(last))


def _form(request: ImageRequest) -> Body:
    """Return a form with the fields, and after them the files (RFC 7578)."""
    boundary = os.urandom(16).hex()
    pieces: list[bytes] = []
    gap = _head(request.fields, boundary)
    for field, upload, *_ in request.files:
        names = f"{_quoted('name', field)}; {_quoted('filename', upload.filename)}"
        head = f"Content-Disposition: form-data; {names}\r\nContent-Type: {upload.media_type}\r\n\r\n"
        pieces += ((gap + head).encode(), upload.data)
        gap = f"\r\n--{boundary}\r\n"
    pieces.append(f"{gap[:-2]}--\r\n".encode())
    return Body(f"multipart/form-data; boundary={boundary}", tuple(pieces), sum(map(len, pieces)))


def _head(fields: Fields, boundary: str) -> str:
    """Return the fields of a form, up to where its files begin."""
    head = f"--{boundary}\r\n"
    for name, value in _items(fields):
        head += f"Content-Disposition: form-data; {_quoted('name', name)}\r\n\r\n{value}\r\n--{boundary}\r\n"
    return head


def _items(fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield each field of a form, one that has a list several times."""
    for name, value in fields.items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            yield name, "" if item is None else str(item).lower() if isinstance(item, bool) else str(item)


def _quoted(name: str, value: str) -> str:
    """Return a parameter as browsers write it into a form."""
    safe = _UNSAFE_IN_QUOTES.sub(lambda char: "\\\\" if char[0] == "\\" else f"%{ord(char[0]):02X}", value)
    return f'{name}="{safe}"'


def _files_as_json(parts: Sequence[FilePart]) -> Fields:
    """Return the fields of a JSON document that contain the files."""
    fields: Fields = {}
    for part in parts:
        text = pybase64.b64encode_as_string(part.upload.data)
        value = _filled(part.shape, {BASE64: text, DATA_URL: f"data:{part.upload.media_type};base64,{text}"})
        if part.listed:
            fields.setdefault(part.field, []).append(value)
        else:
            fields[part.field] = value
    return fields


def _filled(shape: Any, forms: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Put the file's text where the shape has its placeholder."""
    if isinstance(shape, dict):
        return {key: _filled(value, forms) for key, value in shape.items()}
    return forms.get(shape, shape) if isinstance(shape, str) else shape
