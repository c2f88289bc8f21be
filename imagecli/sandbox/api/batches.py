"""The Batch API: a file of requests, which the sandbox sends to itself while the batch is polled.

Each poll takes a batch one step further, so that a client sees every state without having to wait:

    validating ─► in_progress ─► finalizing ─► completed
         │             ├───────► expired      after 24 hours, or with `sandbox:batch-expire` in one of its prompts
         └─► failed    └─► cancelling ─► cancelled

Half of the requests are done when it is in progress, and what is left when it is finalizing.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api.files import BATCH_LIFETIME_S, MAX_BYTES, make_page, read_lifetime
from imagecli.sandbox.api.magic_prompts import has_magic
from imagecli.sandbox.api.refusals import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIApplication

    from imagecli.sandbox.api.files import Files

_ENDPOINTS = ("/v1/images/generations", "/v1/images/edits")
_WINDOW = "24h"
_WINDOW_S = 24 * 3600
_MAX_LINES = 50_000
_MAX_BATCHES = 1000
"""How many are kept; the oldest go first."""
_LIMIT, _MAX_LIMIT = 20, 100
"""Batches on a page."""
_MAX_METADATA = (16, 64, 512)
"""Pairs; characters in a key and in a value."""
_OK = 200

_FIELDS = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}


_RUNNING = frozenset({"validating", "in_progress", "finalizing"})
_LEFT = {
    "expired": "This request could not be executed before the completion window expired.",
    "cancelled": "This request was not executed, as the batch was cancelled.",
}
"""What is said of requests that were not done, by what became of their batch."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any] = field(repr=False)


@dataclass(slots=True)
class _Batch:
    """One batch: its JSON object, and what it takes to run it."""

    document: dict[str, Any]
    output_lifetime_s: int
    lines: list[_Line] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    """Of the first of the lines, as many as are done."""
    room: int = 0
    """How many bytes more of results are kept."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def status(self) -> str:
        return str(self.document["status"])


class _BadLineError(Exception):
    """A line of the input file that isn't a request: `code`, then the message."""


class Batches:
    """Batches by their ID; safe from any thread."""

    def __init__(self, files: Files, app: WSGIApplication, clock: Callable[[], float]) -> None:
        """Start empty. Requests are read from `files` and sent to `app`; `clock` returns seconds since 1970."""
        self.files = files
        self._app = app
        self._clock = clock
        self._lock = threading.Lock()
        self._batches: dict[str, _Batch] = {}

    def create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Create a batch and return its JSON object.

        Raises:
            Refusal: a field is invalid, or the input file is unknown.
        """
        for name in fields:
            if name not in _FIELDS:
                raise unknown_parameter(name)
        for name, allowed in (("input_file_id", ()), ("endpoint", _ENDPOINTS), ("completion_window", (_WINDOW,))):
            if name not in fields:
                raise missing(name)
            value = fields[name]
            if not isinstance(value, str):
                raise invalid_type(name, "a string", "something else")
            if allowed and value not in allowed:
                raise invalid_value(name, f"Invalid value: '{value}'. Supported values are: {', '.join(allowed)}.")
        metadata = _check_metadata(fields.get("metadata"))
        lifetime_s = read_lifetime("output_expires_after", fields.get("output_expires_after"), text=False)
        source = self.files.find(fields["input_file_id"])
        if source.purpose != "batch":
            raise invalid_value("input_file_id", f"The file's purpose is '{source.purpose}', and must be 'batch'.")
        now = int(self._clock())
        document = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": fields["endpoint"],
            "input_file_id": source.id,
            "completion_window": _WINDOW,
            "status": "validating",
            "created_at": now,
            "expires_at": now + _WINDOW_S,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": metadata,
        }
        with self._lock:
            self._batches[document["id"]] = _Batch(document, lifetime_s or BATCH_LIFETIME_S)
            if len(self._batches) > _MAX_BATCHES:
                del self._batches[next(iter(self._batches))]
        return document

    def poll(self, batch_id: str, origin: str) -> dict[str, Any]:
        """Take a batch one step further, and return its JSON object. `origin` is for URLs.

        Raises:
            Refusal: the ID is unknown.
        """
        batch = self._find(batch_id)
        with batch.lock:
            self._advance(batch, origin)
            return dict(batch.document)

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Cancel a batch: the next poll shows it as cancelled, with the results of what was done.

        Raises:
            Refusal: the ID is unknown, or the batch has ended.
        """
        batch = self._find(batch_id)
        with batch.lock:
            if batch.status in _RUNNING:
                self._enter(batch, "cancelling")
            elif batch.status != "cancelling":
                raise Refusal(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
            return dict(batch.document)

    def list_page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the batches in their present state, the newest first."""
        with self._lock:
            documents = [dict(batch.document) for batch in self._batches.values()]
        return make_page(documents[::-1], query, limit=_LIMIT, max_limit=_MAX_LIMIT)

    def _find(self, batch_id: str) -> _Batch:
        with self._lock:
            if batch_id in self._batches:
                return self._batches[batch_id]
        raise Refusal(f"No batch found with id '{batch_id}'.", status=404)

    def _advance(self, batch: _Batch, origin: str) -> None:
        match batch.status:
            case "validating":
                if self._validate(batch):
                    self._run(batch, len(batch.lines) // 2, origin)
            case "in_progress" if self._is_late(batch):
                self._end(batch, "expired")
            case "in_progress":
                self._run(batch, len(batch.lines), origin)
                self._enter(batch, "finalizing")
            case "finalizing":
                self._end(batch, "completed")
            case "cancelling":
                self._end(batch, "cancelled")

    def _enter(self, batch: _Batch, status: str) -> None:
        batch.document |= {"status": status, f"{status}_at": int(self._clock())}

    def _is_late(self, batch: _Batch) -> bool:
        if self._clock() >= batch.document["expires_at"]:
            return True
        prompts = (line.body.get("prompt") for line in batch.lines)
        return any(isinstance(prompt, str) and has_magic(prompt, "batch-expire") for prompt in prompts)

    def _validate(self, batch: _Batch) -> bool:
        """Read the requests; return whether they are all valid, so that the batch is in progress."""
        document = batch.document
        content = self.files.read(document["input_file_id"])
        batch.lines, errors = _read_lines(content or b"", document["endpoint"])
        batch.room = MAX_BYTES
        document["request_counts"] = {"total": len(batch.lines), "completed": 0, "failed": 0}
        if errors:
            self._enter(batch, "failed")
            document["errors"] = {"object": "list", "data": errors}
            return False
        self._enter(batch, "in_progress")
        models = {line.body.get("model") for line in batch.lines}
        if len(models) == 1 and isinstance(model := models.pop(), str):
            document["model"] = model
        return True

    def _run(self, batch: _Batch, until: int, origin: str) -> None:
        """Send the requests up to `until`, as far as the sandbox has room to keep the results."""
        for line in batch.lines[len(batch.results) : until]:
            result = self._send(line, batch.document["endpoint"], origin) if batch.room > 0 else _empty_result(line)
            batch.room -= len(json.dumps(result))
            if batch.room <= 0:
                message = f"The results of a batch have at most {MAX_BYTES:,} bytes here."
                result = _failed_result(line, "output_too_large", message)
            batch.results.append(result)
        done = sum(map(_has_succeeded, batch.results))
        batch.document["request_counts"] |= {"completed": done, "failed": len(batch.results) - done}

    def _end(self, batch: _Batch, status: str) -> None:
        """Make the files of the results."""
        document = batch.document
        left = [_failed_result(line, f"batch_{status}", _LEFT[status]) for line in batch.lines[len(batch.results) :]]
        # In reverse: the API guarantees no order, so clients must not rely on one.
        results = [*batch.results, *left][::-1]
        done = [result for result in results if _has_succeeded(result)]
        failed = [result for result in results if not _has_succeeded(result)]
        if done:
            document["output_file_id"] = self._add_file(batch, "output", done)
        # A batch without errors has an ID that is no ID.
        document["error_file_id"] = self._add_file(batch, "error", failed) if failed else ""
        document["usage"] = _add_usage(done)
        self._enter(batch, status)
        batch.lines, batch.results = [], []

    def _add_file(self, batch: _Batch, kind: str, results: list[dict[str, Any]]) -> str:
        data = "".join(f"{json.dumps(result)}\n" for result in results).encode()
        name = f"{batch.document['id']}_{kind}.jsonl"
        return self.files.add(name, "batch_output", data, batch.output_lifetime_s).id

    def _send(self, line: _Line, endpoint: str, origin: str) -> dict[str, Any]:
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        result = _empty_result(line)
        if line.body.get("stream"):
            refusal = invalid_value("stream", "Invalid value: true. A batch does not stream.")
            return result | {"response": _wrap(refusal.status, "", {"error": refusal.error})}
        builder = EnvironBuilder(endpoint, method="POST", json=line.body, base_url=origin or None)
        try:
            parts, status, headers = run_wsgi_app(self._app, builder.get_environ())
            content = b"".join(parts)
        except (ConnectionResetError, TimeoutError):  # sandbox:drop; a `pause` with a time-out
            return _failed_result(line, "request_timeout", "The request took too long.")
        finally:
            builder.close()
        code = int(status.split()[0])
        try:
            document = json.loads(content)
        except ValueError:
            return _failed_result(line, "server_error", "The answer could not be read.")
        return result | {"response": _wrap(code, headers["x-request-id"], document)}


def _empty_result(line: _Line) -> dict[str, Any]:
    return {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": line.custom_id, "response": None, "error": None}


def _failed_result(line: _Line, code: str, message: str) -> dict[str, Any]:
    return _empty_result(line) | {"error": {"code": code, "message": message}}


def _wrap(code: int, request_id: str, document: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": code, "request_id": request_id, "body": document}


def _has_succeeded(result: dict[str, Any]) -> bool:
    return result["response"] is not None and result["response"]["status_code"] == _OK


def _add_usage(results: list[dict[str, Any]]) -> dict[str, Any]:
    bills = [result["response"]["body"].get("usage", {}) for result in results]
    total = {
        name: sum(bill.get(name, 0) for bill in bills) for name in ("input_tokens", "output_tokens", "total_tokens")
    }
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return total | details


def _read_lines(content: bytes, endpoint: str) -> tuple[list[_Line], list[dict[str, Any]]]:
    """Return the requests in an input file, and the errors in it; lines are counted from 1."""
    lines: dict[str, _Line] = {}
    errors = []
    filled = [(number, text) for number, text in enumerate(content.splitlines(), 1) if text.strip()]
    for number, text in filled[:_MAX_LINES]:
        try:
            line = _read_line(text, endpoint)
            if line.custom_id in lines:
                raise _BadLineError("duplicate_custom_id", f"The custom_id '{line.custom_id}' has been used before.")
        except _BadLineError as error:
            code, message = error.args
            errors.append({"code": code, "message": message, "param": None, "line": number})
        else:
            lines[line.custom_id] = line
    if not filled:
        errors.append({"code": "empty_file", "message": "The file has no requests.", "param": None, "line": None})
    if len(filled) > _MAX_LINES:
        message = f"A batch has at most {_MAX_LINES:,} requests."
        errors.append({"code": "too_many_requests", "message": message, "param": None, "line": None})
    return list(lines.values()), errors


def _read_line(text: bytes, endpoint: str) -> _Line:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _BadLineError("invalid_json_line", "This line is no JSON object.")
    custom_id, request = fields.get("custom_id"), fields.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise _BadLineError("missing_required_parameter", "Missing required parameter: 'custom_id'.")
    if fields.get("method") != "POST":
        raise _BadLineError("invalid_method", "The method must be POST.")
    if fields.get("url") != endpoint:
        raise _BadLineError("invalid_url", f"The url must be the batch's endpoint, {endpoint}.")
    if not isinstance(request, dict):
        raise _BadLineError("missing_required_parameter", "Missing required parameter: 'body'.")
    return _Line(custom_id, request)


def _check_metadata(metadata: object) -> dict[str, str] | None:
    if metadata is None:
        return None
    pairs, key_chars, value_chars = _MAX_METADATA
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise invalid_type("metadata", "an object of strings", "something else")
    if len(metadata) > pairs or any(
        len(key) > key_chars or len(value) > value_chars for key, value in metadata.items()
    ):
        raise invalid_value(
            "metadata",
            f"Invalid 'metadata': at most {pairs} pairs, keys of {key_chars} and values of {value_chars} characters.",
        )
    return metadata
