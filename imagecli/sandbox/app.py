"""The Images API as a WSGI application.

Routes below /v1: POST images/generations, images/edits and images/variations, GET models and models/{id}, and
GET images/files/{name} for the pictures that were answered as URLs. Any key is taken, and none is needed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
import traceback
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from imagecli.sandbox import answer, body, magic, rules
from imagecli.sandbox.store import Store
from imagecli.sandbox.wire import AnswerLost, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_FILES = "/v1/images/files/"
_MODELS = "/v1/models/"
_JSON = "application/json"

UNREAD = "imagecli.unread"
"""In the environ after an answer: the request may not have been read to its end."""


def create_app(pause: Callable[[float], None] = time.sleep) -> WSGIApplication:
    """Return a sandbox of its own: pictures behind URLs and `sandbox:rate-limit-once` are remembered in it.

    It raises `AnswerLost` (a ConnectionResetError) for `sandbox:drop`. `pause` waits seconds, for `sandbox:slow`.
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
        path = request.path
        posts: dict[str, rules.Route] = {
            "/v1/images/generations": "generations",
            "/v1/images/edits": "edits",
            "/v1/images/variations": "variations",
        }
        if path in posts:
            _allow(request, "POST")
            return self._images(posts[path], request, data)
        if path == "/v1/models":
            _allow(request, "GET", "HEAD")
            return _document(answer.models())
        if path.startswith(_MODELS):
            _allow(request, "GET", "HEAD")
            return _document(answer.model(path.removeprefix(_MODELS)))
        if path.startswith(_FILES):
            _allow(request, "GET", "HEAD")
            return self._file(path.removeprefix(_FILES))
        raise Refusal(f"Invalid URL ({request.method} {path})", status=404)

    def _images(self, route: rules.Route, request: Request, data: bytes) -> Response:
        said = body.read(
            data,
            request.headers.get("content-type", ""),
            form=route != "generations",
            document=route != "variations",
        )
        job = rules.check(route, said, partial(_dalle_shaped, said))
        if said.array and not said.text and not job.gpt:
            raise Refusal("JSON edits are for GPT Image models.", param="model", code="invalid_value")
        inputs = None
        if route != "generations":
            from imagecli.sandbox import inputs as uploads  # noqa: PLC0415 - brings Pillow

            inputs = uploads.check(job, said)
        spell = magic.spell(job.prompt)
        if spell and (spell != "rate-limit-once" or self._store.first_time(job.prompt)):
            self._misbehave(spell, job)
        if spell == "html":
            return Response(answer.WEB_PAGE.data, mimetype="text/html")
        if spell == "error-in-200":
            return _document({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        from imagecli.sandbox import studio  # noqa: PLC0415 - brings Pillow

        painted = replace(job, output_format=_other(job.output_format)) if spell == "wrong-format" else job
        work = studio.make(painted, inputs)
        host = f"{request.scheme}://{request.host}" if request.host else ""
        document = answer.images(
            job,
            inputs,
            work,
            spell=spell,
            created=int(time.time()),
            link=lambda file: host + _FILES + self._store.keep(file),
        )
        return Response(document, mimetype=_JSON)

    def _misbehave(self, spell: str, job: rules.Job) -> None:
        refusal = magic.refusal(spell, job.model.family)
        if refusal is not None:
            raise refusal
        if spell == "drop":
            raise AnswerLost("sandbox:drop")
        if spell == "slow":
            self._pause(magic.SLOW_S)

    def _file(self, name: str) -> Response:
        file = self._store.get(name)
        if file is None:
            raise Refusal(f"No such file: {name}. Pictures are kept for an hour.", status=404)
        return Response(file.data, mimetype=file.media_type)


def _dalle_shaped(said: body.Body) -> bool:
    from imagecli.sandbox import inputs  # noqa: PLC0415 - brings Pillow

    return inputs.dalle_shaped(said)


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
