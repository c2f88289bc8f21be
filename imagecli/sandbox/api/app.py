"""The Images API as a WSGI application.

Routes below /v1: POST images/generations, images/edits and images/variations, GET models and models/{id}, files and
batches as the official package speaks them, and GET images/files/{name} for the pictures that were answered as URLs.
Any key is taken, and none is needed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
import traceback
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from imagecli.sandbox.api import answer, body, magic, rules
from imagecli.sandbox.api.store import Store
from imagecli.sandbox.api.wire import AnswerLost, Refusal, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from imagecli.sandbox.api.batches import Batches
    from imagecli.sandbox.api.files import Files
    from imagecli.sandbox.api.store import File

_PICTURES = "/v1/images/files/"
_NEEDED = {"prompt", "model"}
_JSON = "application/json"

UNREAD = "imagecli.unread"
"""In the environ after an answer: the request may not have been read to its end."""


def create_app(pause: Callable[[float], None] = time.sleep) -> WSGIApplication:
    """Return a sandbox of its own: pictures behind URLs, files, batches and `sandbox:rate-limit-once` are in it alone.

    It raises `AnswerLost` (a ConnectionResetError) for `sandbox:drop`, and from within a stream for
    `sandbox:stream-drop`. `pause` waits seconds, for `sandbox:slow` and between the events of a stream.
    """
    return Sandbox(pause)


class _SandboxRequest(Request):
    max_content_length = body.MOST_BYTES


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
        """Answer one request (WSGI)."""
        begun = time.perf_counter()
        response = self._answer(_SandboxRequest(environ), environ)
        request_id = hashlib.sha256(f"sandbox {next(self._count)}".encode()).hexdigest()[:32]
        response.headers["x-request-id"] = f"req_{request_id}"
        response.headers["openai-processing-ms"] = str(round((time.perf_counter() - begun) * 1000))
        response.headers["openai-version"] = "2020-10-01"
        return response(environ, start_response)

    def _answer(self, request: Request, environ: WSGIEnvironment) -> Response:
        try:
            # Read first, whatever the answer: a connection that is kept must not have half a request left in it.
            data = request.get_data(cache=False)
            request.stream.read(1)  # nothing; or, without a length, too large: it is raised where one reads on
            return self._route(request, data)
        except (AnswerLost, TimeoutError):  # the server's; a `pause` of the caller's own
            raise
        except Refusal as refusal:
            return _refused(refusal)
        except HTTPException as error:
            environ[UNREAD] = True
            too_large = error.code == 413  # noqa: PLR2004 - HTTP's own number
            message = f"The request has more than {body.MOST_BYTES:,} bytes or too many parts."
            return _refused(Refusal(message if too_large else "Bad request.", status=error.code or 400))
        except Exception:  # noqa: BLE001 - a bug: told where bugs are told, and not to the client
            environ["wsgi.errors"].write(traceback.format_exc())
            return _refused(Refusal("The sandbox had an error of its own.", status=500, type="server_error"))

    def _route(self, request: Request, data: bytes) -> Response:
        match request.path.split("/"):
            case ["", "v1", "images", ("generations" | "edits" | "variations") as route]:
                _allow(request, "POST")
                return self._images(route, request, data)
            case ["", "v1", "images", "files", name]:
                _allow(request, "GET", "HEAD")
                return self._picture(name)
            case ["", "v1", "models"]:
                _allow(request, "GET", "HEAD")
                return _document(answer.models())
            case ["", "v1", "models", *name]:
                _allow(request, "GET", "HEAD")
                return _document(answer.model("/".join(name)))
            case ["", "v1", "files", *rest]:
                return self._uploads(rest, request, data)
            case ["", "v1", "batches", *rest]:
                return self._batch(rest, request, data)
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _office(self) -> Batches:
        """Return the batches and, with them, the files; most runs of the sandbox ask for neither."""
        with self._lock:
            if self._batches is None:
                from imagecli.sandbox.api.batches import Batches
                from imagecli.sandbox.api.files import Files

                self._batches = Batches(Files(time.time), self, time.time)
            return self._batches

    def _files(self) -> Files:
        return self._office().files

    def _uploads(self, rest: list[str], request: Request, data: bytes) -> Response:
        match rest:
            case []:
                _allow(request, "POST", "GET")
                if request.method == "GET":
                    return _document(self._files().listed(request.args))
                return _document(self._files().upload(data, request.headers.get("content-type", "")))
            case [name]:
                _allow(request, "GET", "DELETE")
                if request.method == "DELETE":
                    return _document(self._files().delete(name))
                return _document(self._files().find(name).document)
            case [name, "content"]:
                _allow(request, "GET")
                return Response(self._files().find(name).data, mimetype="application/octet-stream")
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _batch(self, rest: list[str], request: Request, data: bytes) -> Response:
        match rest:
            case []:
                _allow(request, "POST", "GET")
                if request.method == "GET":
                    return _document(self._office().listed(request.args))
                said = body.read_document(data, request.headers.get("content-type", ""))
                return _document(self._office().create(said))
            case [name]:
                _allow(request, "GET")
                return _document(self._office().look(name, _origin(request)))
            case [name, "cancel"]:
                _allow(request, "POST")
                return _document(self._office().cancel(name))
        raise Refusal(f"Invalid URL ({request.method} {request.path})", status=404)

    def _images(self, route: rules.Route, request: Request, data: bytes) -> Response:
        said = body.read(
            data,
            request.headers.get("content-type", ""),
            form=route != "generations",
            document=route != "variations",
            uploaded=lambda name: self._files().content(name),
        )
        job = rules.check(route, said, partial(_dalle_shaped, said))
        if said.array and not said.text and not job.gpt:
            raise Refusal("JSON edits are for GPT Image models.", param="model", code="invalid_value")
        inputs = None
        if route != "generations":
            from imagecli.sandbox.api import inputs as uploads

            inputs = uploads.check(job, said)
        spell = magic.spell(job.prompt)
        if spell and (spell != "rate-limit-once" or self._store.first_time(job.prompt)):
            self._misbehave(spell, job, said)
        if spell == "html":
            return Response(answer.WEB_PAGE.data, mimetype="text/html")
        if spell == "error-in-200":
            return _document({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        painted = replace(job, output_format=_other(job.output_format)) if spell == "wrong-format" else job
        origin = _origin(request)

        def link(file: File) -> str:
            return origin + _PICTURES + self._store.keep(file)

        if job.stream and spell != "no-stream":
            from imagecli.sandbox.api.stream import Stream

            events = Stream(job, inputs, painted, spell, self._pause, link).events()
            return Response(events, mimetype="text/event-stream")
        from imagecli.sandbox.paint import studio

        work = studio.make(painted, inputs)
        document = answer.images(job, inputs, work, spell=spell, created=int(time.time()), link=link)
        return Response(document, mimetype=_JSON)

    def _misbehave(self, spell: str, job: rules.Job, said: body.Body) -> None:
        refusal = magic.refusal(spell, job.model.family)
        if refusal is not None:
            raise refusal
        if spell == "unknown-parameter":
            for name in said.fields:
                if name not in _NEEDED:
                    raise unknown_parameter(name)
        if spell == "drop":
            raise AnswerLost("sandbox:drop")
        if spell == "slow":
            self._pause(magic.SLOW_S)

    def _picture(self, name: str) -> Response:
        file = self._store.get(name)
        if file is None:
            raise Refusal(f"No such file: {name}. Pictures are kept for an hour.", status=404)
        return Response(file.data, mimetype=file.media_type)


def _dalle_shaped(said: body.Body) -> bool:
    from imagecli.sandbox.api import inputs

    return inputs.dalle_shaped(said)


def _origin(request: Request) -> str:
    return f"{request.scheme}://{request.host}" if request.host else ""


def _other(output_format: str) -> str:
    return "png" if output_format == "jpeg" else "jpeg"


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise Refusal(
            f"Not allowed to {request.method} on {request.path}. (HINT: use {methods[0]})",
            status=405,
            headers=(("Allow", ", ".join(methods)),),
        )


def _document(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), mimetype=_JSON)


def _refused(refusal: Refusal) -> Response:
    response = _document({"error": refusal.error})
    response.status_code = refusal.status
    response.headers.extend(refusal.headers)
    return response
