"""The Batch API: a file of requests, which the sandbox sends to itself when the batch is first polled."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api.files import BATCH_LIFETIME_S, MAX_BYTES, make_page, read_lifetime
from imagecli.sandbox.api.refusals import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclass(slots=True)
class _Batch:
    """One batch: its JSON object, and what it takes to run it."""

    document: dict[str, Any]
    output_lifetime_s: int
    waiting: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Line:
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any] = field(repr=False)


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
        """Return the JSON object of a batch; the first poll runs it. `origin` is for URLs.

        Raises:
            Refusal: the ID is unknown.
        """
        batch = self._find(batch_id)
        with batch.lock:
            if batch.waiting:
                batch.waiting = False
                if batch.document["status"] == "cancelling":
                    batch.document |= {"status": "cancelled", "cancelled_at": int(self._clock())}
                else:
                    self._run(batch, origin)
            return dict(batch.document)

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Cancel a batch that has not been polled: the next poll shows it as cancelled.

        Raises:
            Refusal: the ID is unknown, or the batch has ended.
        """
        batch = self._find(batch_id)
        with batch.lock:
            if not batch.waiting:
                raise Refusal(f"Cannot cancel a batch with status '{batch.document['status']}'.", status=409)
            if batch.document["status"] == "validating":
                batch.document |= {"status": "cancelling", "cancelling_at": int(self._clock())}
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

    def _run(self, batch: _Batch, origin: str) -> None:
        document = batch.document
        content = self.files.read(document["input_file_id"])
        lines, errors = _read_lines(content or b"", document["endpoint"])
        document["request_counts"] = {"total": len(lines), "completed": 0, "failed": 0}
        if errors:
            document |= {
                "status": "failed",
                "failed_at": int(self._clock()),
                "errors": {"object": "list", "data": errors},
            }
            return
        document["in_progress_at"] = int(self._clock())
        models = {line.body.get("model") for line in lines}
        if len(models) == 1 and isinstance(model := models.pop(), str):
            document["model"] = model
        # In reverse: the API guarantees no order, so clients must not rely on one.
        results = list(self._results(lines, document["endpoint"], origin))[::-1]
        now = int(self._clock())
        done = [result for result in results if _has_succeeded(result)]
        failed = [result for result in results if not _has_succeeded(result)]
        for key, kind, part in (("output_file_id", "output", done), ("error_file_id", "error", failed)):
            if part:
                data = "".join(f"{json.dumps(result)}\n" for result in part).encode()
                file = self.files.add(f"{document['id']}_{kind}.jsonl", "batch_output", data, batch.output_lifetime_s)
                document[key] = file.id
        document |= {
            "status": "completed",
            "finalizing_at": now,
            "completed_at": now,
            "request_counts": {"total": len(lines), "completed": len(done), "failed": len(failed)},
            "usage": _add_usage(done),
        }

    def _results(self, lines: Sequence[_Line], endpoint: str, origin: str) -> Iterator[dict[str, Any]]:
        """Yield the result of each request, as far as the sandbox has room to keep them."""
        room = MAX_BYTES
        for line in lines:
            result = self._send(line, endpoint, origin) if room > 0 else _empty_result(line)
            room -= len(json.dumps(result))
            if room <= 0:
                message = f"The results of a batch have at most {MAX_BYTES:,} bytes here."
                result = _empty_result(line) | {"error": {"code": "output_too_large", "message": message}}
            yield result

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
            return result | {"error": {"code": "request_timeout", "message": "The request took too long."}}
        finally:
            builder.close()
        code = int(status.split()[0])
        try:
            document = json.loads(content)
        except ValueError:
            return result | {"error": {"code": "server_error", "message": "The answer could not be read."}}
        return result | {"response": _wrap(code, headers["x-request-id"], document)}


def _empty_result(line: _Line) -> dict[str, Any]:
    return {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": line.custom_id, "response": None, "error": None}


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
