"""The Batch API: a file of requests, run one by one by the sandbox itself when somebody looks at the batch."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api.files import BATCH_LIFETIME_S, lifetime
from imagecli.sandbox.api.pages import page
from imagecli.sandbox.api.wire import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from wsgiref.types import WSGIApplication

    from imagecli.sandbox.api.files import Files

_ENDPOINTS = ("/v1/images/generations", "/v1/images/edits")
_WINDOW = "24h"
_WINDOW_S = 24 * 3600
_MOST_LINES = 50_000
_MOST_LISTED, _USUAL = 100, 20
_MOST_METADATA = (16, 64, 512)
_OK = 200

_FIELDS = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"}


@dataclass(slots=True)
class _Batch:
    """One batch: what the API tells of it, and what it needs to be run."""

    told: dict[str, Any]
    output_s: int
    waiting: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class _Line:
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any] = field(repr=False)


class _BadLineError(Exception):
    """A line of the input file that is no request: `code`, then the message."""


class Batches:
    """Batches by their ID; safe from any thread."""

    def __init__(self, files: Files, app: WSGIApplication, clock: Callable[[], float]) -> None:
        """Start empty: requests come from `files` and are run by `app`."""
        self.files = files
        self._app = app
        self._clock = clock
        self._lock = threading.Lock()
        self._batches: dict[str, _Batch] = {}

    def create(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Take in a batch and return what the API tells of it.

        Raises:
            Refusal: a field is not valid, or there is no such file.
        """
        for name in said:
            if name not in _FIELDS:
                raise unknown_parameter(name)
        for name, allowed in (("input_file_id", ()), ("endpoint", _ENDPOINTS), ("completion_window", (_WINDOW,))):
            if name not in said:
                raise missing(name)
            if not isinstance(said[name], str):
                raise invalid_type(name, "a string", "something else")
            if allowed and said[name] not in allowed:
                raise invalid_value(name, f"Invalid value: '{said[name]}'. Supported values are: {', '.join(allowed)}.")
        metadata = _metadata(said.get("metadata"))
        output_s = lifetime("output_expires_after", said.get("output_expires_after"), text=False)
        source = self.files.find(said["input_file_id"])
        if source.purpose != "batch":
            raise invalid_value("input_file_id", f"The file's purpose is '{source.purpose}', and must be 'batch'.")
        now = int(self._clock())
        told = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": said["endpoint"],
            "input_file_id": source.id,
            "completion_window": _WINDOW,
            "status": "validating",
            "created_at": now,
            "expires_at": now + _WINDOW_S,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": metadata,
        }
        with self._lock:
            self._batches[told["id"]] = _Batch(told, output_s or BATCH_LIFETIME_S)
        return told

    def look(self, name: str, origin: str) -> dict[str, Any]:
        """Return what the API tells of a batch, having run it if nobody has looked yet; `origin` is for URLs.

        Raises:
            Refusal: there is none of this ID.
        """
        batch = self._find(name)
        with batch.lock:
            if batch.waiting:
                batch.waiting = False
                if batch.told["status"] == "cancelling":
                    batch.told |= {"status": "cancelled", "cancelled_at": int(self._clock())}
                else:
                    self._run(batch, origin)
            return dict(batch.told)

    def cancel(self, name: str) -> dict[str, Any]:
        """Cancel a batch that nobody has looked at: its next look shows it cancelled.

        Raises:
            Refusal: there is none of this ID, or it has ended.
        """
        batch = self._find(name)
        with batch.lock:
            if not batch.waiting:
                raise Refusal(f"Cannot cancel a batch with status '{batch.told['status']}'.", status=409)
            if batch.told["status"] == "validating":
                batch.told |= {"status": "cancelling", "cancelling_at": int(self._clock())}
            return dict(batch.told)

    def listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the batches as they stand, the newest first."""
        with self._lock:
            told = [dict(batch.told) for batch in self._batches.values()]
        return page(told[::-1], query, most=_MOST_LISTED, usual=_USUAL)

    def _find(self, name: str) -> _Batch:
        with self._lock:
            if name in self._batches:
                return self._batches[name]
        raise Refusal(f"No batch found with id '{name}'.", status=404)

    def _run(self, batch: _Batch, origin: str) -> None:
        told = batch.told
        content = self.files.content(told["input_file_id"])
        lines, errors = _lines(content or b"", told["endpoint"])
        told["request_counts"] = {"total": len(lines), "completed": 0, "failed": 0}
        if errors:
            told |= {"status": "failed", "failed_at": int(self._clock()), "errors": {"object": "list", "data": errors}}
            return
        told["in_progress_at"] = int(self._clock())
        models = {line.body.get("model") for line in lines}
        if len(models) == 1 and isinstance(model := models.pop(), str):
            told["model"] = model
        # Last things first: the API gives no order, and nobody should come to rely on one.
        results = [self._result(line, told["endpoint"], origin) for line in lines][::-1]
        now = int(self._clock())
        done = [result for result in results if _succeeded(result)]
        lost = [result for result in results if not _succeeded(result)]
        for key, kind, part in (("output_file_id", "output", done), ("error_file_id", "error", lost)):
            if part:
                data = "".join(f"{json.dumps(result)}\n" for result in part).encode()
                file = self.files.keep(f"{told['id']}_{kind}.jsonl", "batch_output", data, batch.output_s)
                told[key] = file.id
        told |= {
            "status": "completed",
            "finalizing_at": now,
            "completed_at": now,
            "request_counts": {"total": len(lines), "completed": len(done), "failed": len(lost)},
            "usage": _usage(done),
        }

    def _result(self, line: _Line, endpoint: str, origin: str) -> dict[str, Any]:
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        result = {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": line.custom_id, "response": None, "error": None}
        if line.body.get("stream"):
            refusal = invalid_value("stream", "Invalid value: true. A batch does not stream.")
            return result | {"response": _response(refusal.status, "", {"error": refusal.error})}
        builder = EnvironBuilder(endpoint, method="POST", json=line.body, base_url=origin or None)
        try:
            parts, status, headers = run_wsgi_app(self._app, builder.get_environ())
            content = b"".join(parts)
        except (ConnectionResetError, TimeoutError):  # sandbox:drop; a `pause` that takes no longer
            return result | {"error": {"code": "request_timeout", "message": "The request took too long."}}
        finally:
            builder.close()
        code = int(status.split()[0])
        try:
            document = json.loads(content)
        except ValueError:
            return result | {"error": {"code": "server_error", "message": "The answer could not be read."}}
        return result | {"response": _response(code, headers["x-request-id"], document)}


def _response(code: int, request_id: str, document: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": code, "request_id": request_id, "body": document}


def _succeeded(result: dict[str, Any]) -> bool:
    return result["response"] is not None and result["response"]["status_code"] == _OK


def _usage(results: list[dict[str, Any]]) -> dict[str, Any]:
    bills = [result["response"]["body"].get("usage", {}) for result in results]
    total = {
        name: sum(bill.get(name, 0) for bill in bills) for name in ("input_tokens", "output_tokens", "total_tokens")
    }
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return total | details


def _lines(content: bytes, endpoint: str) -> tuple[list[_Line], list[dict[str, Any]]]:
    """Return the requests of an input file, and what is wrong with it; lines are counted from 1."""
    lines: dict[str, _Line] = {}
    errors = []
    filled = [(number, text) for number, text in enumerate(content.splitlines(), 1) if text.strip()]
    for number, text in filled[:_MOST_LINES]:
        try:
            line = _line(text, endpoint)
            if line.custom_id in lines:
                raise _BadLineError("duplicate_custom_id", f"The custom_id '{line.custom_id}' has been used before.")
        except _BadLineError as error:
            code, message = error.args
            errors.append({"code": code, "message": message, "param": None, "line": number})
        else:
            lines[line.custom_id] = line
    if not filled:
        errors.append({"code": "empty_file", "message": "The file has no requests.", "param": None, "line": None})
    if len(filled) > _MOST_LINES:
        message = f"A batch has at most {_MOST_LINES:,} requests."
        errors.append({"code": "too_many_requests", "message": message, "param": None, "line": None})
    return list(lines.values()), errors


def _line(text: bytes, endpoint: str) -> _Line:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _BadLineError("invalid_json_line", "This line is no JSON object.")
    custom_id, request = said.get("custom_id"), said.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise _BadLineError("missing_required_parameter", "Missing required parameter: 'custom_id'.")
    if said.get("method") != "POST":
        raise _BadLineError("invalid_method", "The method must be POST.")
    if said.get("url") != endpoint:
        raise _BadLineError("invalid_url", f"The url must be the batch's endpoint, {endpoint}.")
    if not isinstance(request, dict):
        raise _BadLineError("missing_required_parameter", "Missing required parameter: 'body'.")
    return _Line(custom_id, request)


def _metadata(said: object) -> dict[str, str] | None:
    if said is None:
        return None
    pairs, key_chars, value_chars = _MOST_METADATA
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise invalid_type("metadata", "an object of strings", "something else")
    if len(said) > pairs or any(len(key) > key_chars or len(value) > value_chars for key, value in said.items()):
        raise invalid_value(
            "metadata",
            f"Invalid 'metadata': at most {pairs} pairs, keys of {key_chars} and values of {value_chars} characters.",
        )
    return said
