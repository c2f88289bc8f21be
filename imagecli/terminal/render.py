"""Showing a result: paths on stdout and the rest on stderr, or one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imagecli.errors import ImagecliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagecli.dialects.request import FilePart, ImageRequest
    from imagecli.result import GeneratedImage, Result
    from imagecli.terminal.console import Console

SCHEMA = 1


def show(console: Console, result: Result, *, as_json: bool, base_url: str) -> None:
    """Show what came of a run. A stdout that takes no more is an error of the run, unless it had one."""
    try:
        _show_result(console, result, as_json=as_json, base_url=base_url)
    except ImagecliError as trouble:
        result.error = result.error or trouble
    for note in result.notes:
        console.note(note)
    for image in result.images:
        if image.revised_prompt is not None:
            console.note(f"image {image.n}: the prompt was revised to: {image.revised_prompt}")
    others: dict[tuple[str, str | None], list[str]] = {}
    for n, failure in sorted(result.failures.items()):
        if result.error is None or failure.message != result.error.message:
            others.setdefault((failure.message, failure.saved_response), []).append(str(n))
    named = result.error.saved_response if result.error is not None else None
    for (message, kept), numbers in others.items():
        which = f"image {numbers[0]} is" if len(numbers) == 1 else f"images {', '.join(numbers)} are"
        console.warn(
            f"{which} missing: {message}" + (f"\nthe answer is kept in {kept}" if kept and kept != named else "")
        )
    if result.error is not None:
        show_error(console, result.error)


def _show_result(console: Console, result: Result, *, as_json: bool, base_url: str) -> None:
    if as_json:
        console.out(_dumped(document(result, base_url)))
        return
    for request in result.requests or ():
        for line in _lines(request, base_url):
            console.out(line)
    for image in result.images:
        if image.path is not None:
            console.out(image.path)


def show_error(console: Console, error: ImagecliError) -> None:
    """Say what happened, what to do, and where to ask about it."""
    lines = [error.message]
    if error.hint:
        lines.append(error.hint)
    if error.request_id:
        lines.append(f"request id: {error.request_id}")
    if error.saved_response:
        lines.append(f"the answer is kept in {error.saved_response}")
    console.error("\n".join(lines))


def error_document(command: str | None, error: ImagecliError) -> str:
    """Return the JSON document of a run that ended before it had a result."""
    return _dumped(_document(command, error))


def _document(command: str | None, error: ImagecliError | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": command,
        "ok": error is None,
        "profile": None,
        "route": None,
        "model": None,
        "images": [],
        "failures": [],
        "usage": None,
        "cost_usd": None,
        "elapsed_s": None,
        "request_ids": [],
        "warnings": [],
        "error": None if error is None else error.as_dict(),
    }


def document(result: Result, base_url: str) -> dict[str, Any]:
    """Return the JSON document of a result."""
    shown = _document(result.command, result.error) | {
        "profile": result.profile,
        "route": result.route,
        "model": result.model,
        "images": [_image(image) for image in result.images],
        "failures": [_failure(n, failure, result.partials) for n, failure in sorted(result.failures.items())],
        "usage": result.usage,
        "cost_usd": result.cost_usd,
        "elapsed_s": result.elapsed_s,
        "request_ids": result.request_ids,
        "warnings": result.warnings,
    }
    if result.requests is not None:
        shown["dry_run"] = True
        shown["requests"] = [_request(request, base_url) for request in result.requests]
        shown["cost_estimate_usd"] = None
    if result.prepared is not None:
        shown["prepared"] = result.prepared
    if result.mask is not None:
        shown["mask"] = result.mask
    return shown


def _failure(n: int, failure: ImagecliError, partials: Mapping[int, list[str]]) -> dict[str, Any]:
    return {"n": n} | failure.as_dict() | ({"partials": partials[n]} if n in partials else {})


def _image(image: GeneratedImage) -> dict[str, Any]:
    streamed: dict[str, Any] = {"partial": True} if image.partial else {}
    if image.partials:
        streamed["partials"] = list(image.partials)
    return {
        "n": image.n,
        "path": image.path,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "sha256": image.sha256,
        "revised_prompt": image.revised_prompt,
        **streamed,
    }


def _request(request: ImageRequest, base_url: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": _url(request, base_url),
        "fields": request.fields,
        "files": [_file(part) for part in request.files],
    }


def _file(part: FilePart) -> dict[str, Any]:
    import hashlib

    upload = part.upload
    return {
        "field": part.field,
        "filename": upload.filename,
        "type": upload.media_type,
        "bytes": len(upload.data),
        "width": upload.width,
        "height": upload.height,
        "sha256": hashlib.sha256(upload.data).hexdigest(),
    }


def _lines(request: ImageRequest, base_url: str) -> Iterator[str]:
    """Yield a request as it is shown to people; its headers never."""
    yield f"POST {_url(request, base_url)}"
    for name, value in request.fields.items():
        yield f"  {name}: {value if isinstance(value, str) else json.dumps(value)}"
    for part in request.files:
        upload = part.upload
        size = f"{upload.width}x{upload.height}, {len(upload.data):,} bytes"
        yield f"  {part.field}: {upload.filename} ({upload.media_type}, {size})"


def _url(request: ImageRequest, base_url: str) -> str:
    return f"{base_url.rstrip('/')}/{request.path}"


def tell_requests(console: Console, requests: Sequence[ImageRequest], base_url: str) -> None:
    """Say under -v what is about to be sent."""
    for line in _lines(requests[0], base_url):
        console.debug(line)
    if len(requests) > 1:
        console.debug(f"and {len(requests) - 1} more of the kind")


def _dumped(shown: dict[str, Any]) -> str:
    """Return the document in ASCII: no terminal and no locale can spoil it."""
    return json.dumps(shown, indent=2)
