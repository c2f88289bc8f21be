"""The Images API as a WSGI application.

Routes below /v1: POST images/generations, images/edits and images/variations; GET models and models/{id}; files and
batches as the official package uses them; POST content_provenance_checks; GET images/files/{name} for images that were
returned as URLs.
Any key is accepted, and none is required.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from imagecli.sandbox.api import responses
from imagecli.sandbox.api.body import MAX_BYTES, MAX_UPLOAD, read_body, read_json
from imagecli.sandbox.api.job import read_job
from imagecli.sandbox.api.magic_prompts import SLOW_S, find_magic, make_refusal
from imagecli.sandbox.api.refusals import Refusal, ResponseLost, unknown_parameter
from imagecli.sandbox.api.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from imagecli.sandbox.api.batches import Batches
    from imagecli.sandbox.api.body import Body
    from imagecli.sandbox.api.files import Files
    from imagecli.sandbox.api.job import ImageJob, Route
    from imagecli.sandbox.api.store import ResponseFile

_IMAGE_FILES = "/v1/images/files/"
_REQUIRED = {"prompt", "model"}
_JSON = "application/json"

UNREAD = "imagecli.unread"
"""A key of the environ, set if the request may not have been read to its end."""


def create_app(pause: Callable[[float], None] = time.sleep) -> WSGIApplication:
    """Return a new sandbox, with its own state: images behind URLs, files, batches, `sandbox:rate-limit-once`.

    It raises `ResponseLost` (a ConnectionResetError) for `sandbox:drop`, and from within a stream for
    `sandbox:stream-drop`. `pause` waits some seconds, for `sandbox:slow` and between the events of a stream.
    """
    return Sandbox(pause)


class _SandboxRequest(Request):
    def __init__(self, environ: WSGIEnvironment) -> None:
        super().__init__(environ)
        self.max_content_length = MAX_UPLOAD if self.path == "/v1/files" else MAX_BYTES


class Sandbox:
    """The application; safe from any thread."""

    def __init__(self, pause: Callable[[float], None]) -> None:
        """Start with an empty store."""
        self._pause = pause
        self._store = Store()
        self._lock = threading.Lock()
        self._batches: Batches | None = None
        self._count = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to one request (WSGI)."""
        begun = time.perf_counter()
        response = self._respond(_SandboxRequest(environ), environ)
        request_id = hashlib.sha256(f"sandbox {next(self._count)}".encode()).hexdigest()[:32]
        response.headers["x-request-id"] = f"req_{request_id}"
        response.headers["openai-processing-ms"] = str(round((time.perf_counter() - begun) * 1000))
        response.headers["openai-version"] = "2020-10-01"
        return response(environ, start_response)

    def _respond(self, request: Request, environ: WSGIEnvironment) -> Response:
        try:
            # Read first, whatever the response: a kept connection must not have half a request left in it.
            data = request.get_data(cache=False)
            request.stream.read(1)  # raises if a request without a length is too large, else returns nothing
            return self._route(request, data)
        except (ResponseLost, TimeoutError):  # TimeoutError: from `pause`
            raise
        except Refusal as refusal:
            return _refusal_response(refusal)
        except HTTPException as error:
            environ[UNREAD] = True
            too_large = error.code == 413  # noqa: PLR2004 - HTTP's own number
            message = f"The request has more than {request.max_content_length:,} bytes or too many parts."
            return _refusal_response(Refusal(message if too_large else "Bad request.", status=error.code or 400))
        except Exception:  # noqa: BLE001 - a bug: its traceback is for the server's log, not for the client
            environ["wsgi.errors"].write(traceback.format_exc())
            return _refusal_response(Refusal("The sandbox had an error of its own.", status=500, type="server_error"))

    def _route(self, request: Request, data: bytes) -> Response:
        match request.path.split("/"):
            case ["", "v1", "images", ("generations" | "edits" | "variations") as route]:
                _allow(request, "POST")
                return self._make_images(route, request, data)
            case ["", "v1", "images", "files", name]:
                _allow(request, "GET", "HEAD")
                return self._serve_file(name)
            case ["", "v1", "models"]:
                _allow(request, "GET", "HEAD")
                return _json_response(responses.list_models())
            case ["", "v1", "models", *name]:
                _allow(request, "GET", "HEAD")
                return _json_response(responses.describe_model("/".join(name)))
            case ["", "v1", "content_provenance_checks"]:
                _allow(request, "POST")
                from imagecli.sandbox.api.checks import check

                return _json_response(check(data, request.headers.get("content-type", "")))
            case ["", "v1", ("files" | "batches") as kind, *rest]:
                handle = self._handle_files if kind == "files" else self._handle_batches
                return handle(rest, request, data)
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _open_batches(self) -> Batches:
        """Return the batches, which hold the files; both are set up when first used, as most runs need neither."""
        with self._lock:
            if self._batches is None:
                from imagecli.sandbox.api.batches import Batches
                from imagecli.sandbox.api.files import Files

                self._batches = Batches(Files(time.time), self, time.time)
            return self._batches

    def _open_files(self) -> Files:
        return self._open_batches().files

    def _handle_files(self, rest: list[str], request: Request, data: bytes) -> Response:
        match rest:
            case []:
                _allow(request, "POST", "GET")
                if request.method == "GET":
                    return _json_response(self._open_files().list_page(request.args))
                return _json_response(self._open_files().upload(data, request.headers.get("content-type", "")))
            case [name]:
                _allow(request, "GET", "DELETE")
                if request.method == "DELETE":
                    return _json_response(self._open_files().delete(name))
                return _json_response(self._open_files().find(name).document)
            case [name, "content"]:
                _allow(request, "GET")
                return Response(self._open_files().find(name).data, mimetype="application/octet-stream")
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _handle_batches(self, rest: list[str], request: Request, data: bytes) -> Response:
        match rest:
            case []:
                _allow(request, "POST", "GET")
                if request.method == "GET":
                    return _json_response(self._open_batches().list_page(request.args))
                fields = read_json(data, request.headers.get("content-type", ""))
                return _json_response(self._open_batches().create(fields))
            case [name]:
                _allow(request, "GET")
                return _json_response(self._open_batches().poll(name, _origin(request)))
            case [name, "cancel"]:
                _allow(request, "POST")
                return _json_response(self._open_batches().cancel(name))
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _make_images(self, route: Route, request: Request, data: bytes) -> Response:
        body = read_body(
            data,
            request.headers.get("content-type", ""),
            takes_form=route != "generations",
            takes_json=route != "variations",
            find_file=lambda file_id: self._open_files().read(file_id),
        )
        job = read_job(route, body, lambda: _has_dalle_uploads(body))
        if body.array and not body.text and not job.gpt:
            raise Refusal("JSON edits are for GPT Image models.", param="model", code="invalid_value")
        inputs = None
        if route != "generations":
            from imagecli.sandbox.api.inputs import read_inputs

            inputs = read_inputs(job, body)
        magic = find_magic(job.prompt)
        if magic and (magic != "rate-limit-once" or self._store.remember_prompt(job.prompt)):
            self._misbehave(magic, job, body)
        if magic == "html":
            return Response(responses.WEB_PAGE.data, mimetype="text/html")
        if magic == "error-in-200":
            return _json_response({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        painted = job
        if magic == "wrong-format":
            painted = job._replace(output_format="png" if job.output_format == "jpeg" else "jpeg")
        origin = _origin(request)

        def publish(file: ResponseFile) -> str:
            return origin + _IMAGE_FILES + self._store.add(file)

        if job.stream and magic != "no-stream":
            from imagecli.sandbox.api.stream import ImageStream

            events = ImageStream(job, inputs, painted, magic, self._pause, publish).events()
            return Response(events, mimetype="text/event-stream")
        from imagecli.sandbox.api.rendering import render

        rendering = render(painted, inputs)
        created = int(time.time())
        document = responses.write_images(job, inputs, rendering, magic=magic, created=created, publish=publish)
        return Response(document, mimetype=_JSON)

    def _misbehave(self, magic: str, job: ImageJob, body: Body) -> None:
        refusal = make_refusal(magic, job.model.family)
        if refusal is not None:
            raise refusal
        if magic == "unknown-parameter":
            for name in body.fields:
                if name not in _REQUIRED:
                    raise unknown_parameter(name)
        if magic == "drop":
            raise ResponseLost("sandbox:drop")
        if magic == "slow":
            self._pause(SLOW_S)

    def _serve_file(self, name: str) -> Response:
        file = self._store.get(name)
        if file is None:
            raise Refusal(f"No such file: {name}. Pictures are kept for an hour.", status=404)
        return Response(file.data, mimetype=file.media_type)


def _has_dalle_uploads(body: Body) -> bool:
    from imagecli.sandbox.api.inputs import has_dalle_uploads

    return has_dalle_uploads(body)


def _origin(request: Request) -> str:
    return f"{request.scheme}://{request.host}" if request.host else ""


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Refusal(
            f"Not allowed to {request.method} on {request.path}. (HINT: use {methods[0]})",
            status=405,
            headers=(("Allow", ", ".join(methods)),),
        )


def _json_response(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), mimetype=_JSON)


def _refusal_response(refusal: Refusal) -> Response:
    response = _json_response({"error": refusal.error})
    response.status_code = refusal.status
    response.headers.extend(refusal.headers)
    return response
