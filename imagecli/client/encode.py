"""A request's body, as the HTTP library takes it: a JSON document, or a multipart form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybase64

from imagecli.dialects.request import BASE64, DATA_URL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.dialects.request import Fields, FilePart, ImageRequest


def body_of(request: ImageRequest) -> dict[str, Any]:
    """Return the request's body as arguments of the HTTP library."""
    if request.as_json:
        return {"json": request.fields | _files_as_json(request.files)}
    uploads = [(part.field, part.upload) for part in request.files]
    files = [(name, (upload.filename, upload.data, upload.media_type)) for name, upload in uploads]
    return {"data": request.fields, "files": files}


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
