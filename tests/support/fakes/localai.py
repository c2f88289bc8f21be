"""A fake of LocalAI.

Written from mudler/LocalAI at 82c191a (2026-08-22, two days after v4.9.0): core/http/endpoints/openai/image.go and
inpainting.go (fields, responses), core/http/routes/openai.go (routes; each without /v1 too), core/http/middleware/
request.go (model, binding, prompt), core/http/app.go and render.go (errors, the folder that is served as
/generated-images), core/http/auth/middleware.go (keys), core/schema/openai.go (shapes), backend/go/
stablediffusion-ggml and backend/python/diffusers/backend.py (what becomes of images), core/cli/run.go (15 MB a
request), docs/content/features/image-generation.md.

- POST /v1/images/generations reads JSON: model (without one, the first that makes images), prompt
  (`positive|negative`, more than that is lost), n, size (without an x: 512x512; with one and no numbers: 500),
  response_format (b64_json, else a URL), quality where it is a number (steps), step, and images: `file` (one),
  `files`, `ref_images`, each a URL or plain base64; what can't be decoded, a data URL for one, is left out in
  silence. Always PNG.
- There is no /v1/images/edits and no variations: 404 with an error object.
- POST /v1/images/inpainting reads multipart: model and prompt (both needed), image, mask (white = changes), steps.
  Nothing else: one image, 512x512, by URL.
- Errors: {"error": {"code": <int>, "message", "type": ""}}, the message of echo's own errors beginning "code=400,
  message=". With opaque errors: a status and nothing else.

What is done with images is the backend's affair. "ggml" (stable-diffusion.cpp): the first of files, else file, is
what is painted over, ref_images go along; inpainting fails, because it is handed a JSON file as the image.
"diffusers": the first of ref_images, else the source; inpainting takes the image and never looks at the mask.
"documented" does what the documentation says: a backend of one's own that reads the JSON file's image and mask_image.
What inpainting makes lies in GeneratedContentDir, and served is the folder images in it, so that its URL is a 404:
`serves=False`.
"""

from __future__ import annotations

import base64
import io
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image
from werkzeug.wrappers import Response

from support.fakes.base import Fake, document, edited, encoded, plain
from support.serving import b64

if TYPE_CHECKING:
    from support.serving import Request

_LIMIT = 15 * 1024 * 1024
_ZEROS = {
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
_FIELDS = {"model": str, "size": str, "quality": str, "n": int, "step": int, "file": str}
_LISTS = ("files", "ref_images")


class LocalAI(Fake):
    """LocalAI with some image models. `loading`: so many requests are told that the model is still loading."""

    def __init__(
        self,
        *,
        models: tuple[str, ...] = ("stablediffusion",),
        backend: Literal["documented", "ggml", "diffusers"] = "documented",
        serves: bool = True,
        key: str | None = None,
        opaque: bool = False,
        loading: int = 0,
    ) -> None:
        """Listen."""
        super().__init__()
        self.models = models
        self.backend = backend
        self.serves = serves
        self.key = key
        self.opaque = opaque
        self.loading = loading
        self._served: dict[str, bytes] = {}

    def handle(self, request: Request) -> Response:
        """Answer as LocalAI does."""
        try:
            return self._route(request)
        except _Problem as problem:
            headers = {"Retry-After": "1"} if problem.status == 503 else {}
            if self.opaque:
                return Response(status=problem.status, headers=headers)
            error = {"code": problem.code or problem.status, "message": str(problem), "type": problem.kind}
            return document({"error": error} | problem.more, problem.status, **headers)

    def _route(self, request: Request) -> Response:
        if len(request.body) > _LIMIT:
            raise _echo(413, "Request Entity Too Large")
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            raise _Problem(401, "An authentication key is required", "invalid_request_error")
        path = request.path.partition("?")[0].rstrip("/")
        if request.method == "GET" and path.startswith("/generated-images/"):
            if (data := self._served.get(path.rpartition("/")[2])) is not None:
                return Response(data, content_type="image/png")
            raise _Problem(404, "Resource not found")
        match request.method, path.removeprefix("/v1"):
            case "GET", "/models":
                return document({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
            case "POST", "/images/generations":
                return self._generate(request)
            case "POST", "/images/inpainting":
                return self._inpaint(request)
        raise _Problem(404, "Resource not found")

    def _generate(self, request: Request) -> Response:
        body = _bound(request)
        self._model(body.get("model", ""))
        size = _size(body.get("size", ""))
        first = self._source(body)
        further = [one for data in _decoded(body.get("ref_images", [])) if (one := self._opened(data)) is not None]
        asked = body.get("prompt")
        prompts = [asked] if isinstance(asked, str) else [one for one in asked or [] if isinstance(one, str)]
        made = []
        for _ in prompts:
            made += [encoded(self._paint(first, further, size, n), "PNG") for n in range(body.get("n", 0) or 1)]
        as_b64 = body.get("response_format") == "b64_json"
        return self._send([{"b64_json": b64(one)} if as_b64 else {"url": self._keep(one)} for one in made])

    def _paint(
        self, source: list[Image.Image], references: list[Image.Image], size: tuple[int, int], n: int
    ) -> Image.Image:
        seen = references[:1] or source if self.backend == "diffusers" else [*source, *references]
        return edited(seen, size) if seen else plain(size, n)

    def _inpaint(self, request: Request) -> Response:
        multipart = "multipart/form-data" in request.headers.get("content-type", "")
        form, files = (request.form, request.files) if multipart else ({}, {})
        model, prompt = form.get("model", ""), form.get("prompt", "")
        self._model(model)
        if not model or not prompt:
            raise _echo(400, "Bad Request")
        for name in ("image", "mask"):
            if name not in files:
                raise _echo(400, f"missing {name} file")
        if self.backend == "ggml":
            raise _Problem(500, "rpc error: code = Unknown desc = inference failed")
        image = Image.open(io.BytesIO(files["image"][0][2])).convert("RGB")
        mask = Image.open(io.BytesIO(files["mask"][0][2])).convert("RGB").convert("L")
        data = encoded(edited([image], (512, 512), mask if self.backend == "documented" else None), "PNG")
        return self._send([{"url": self._keep(data, served=self.serves)}])

    def _model(self, name: str) -> None:
        """Find the model, and have it loaded."""
        name = name or next(iter(self.models), "")
        if not name:
            raise _echo(400, "Bad Request")
        if "/" not in name and name not in self.models:
            message = f'model "{name}" not found. To see available models, call GET /v1/models'
            raise _Problem(404, message, "invalid_request_error")
        if self.loading > 0:
            self.loading -= 1
            progress = {"model": name, "state": "staging", "progress": 0.4, "bytes_sent": 4, "total_bytes": 10}
            message = f'model "{name}" is still loading'
            raise _Problem(503, message, "model_loading", code="model_loading", loading=progress)

    def _source(self, body: dict[str, Any]) -> list[Image.Image]:
        """Read the image to paint over: the first of files, else file."""
        for data in [*_decoded(body.get("files", [])), *_decoded([body.get("file", "")])]:
            if (image := self._opened(data)) is None:
                raise _Problem(500, "rpc error: code = Unknown desc = inference failed")
            return [image]
        return []

    def _opened(self, data: bytes) -> Image.Image | None:
        try:
            image = Image.open(io.BytesIO(data))
        except OSError:
            return None
        # stable-diffusion.cpp wants three channels.
        return None if self.backend == "ggml" and image.mode in {"1", "L", "LA", "I;16"} else image

    def _keep(self, data: bytes, *, served: bool = True) -> str:
        name = f"b64{1000 + len(self._served)}.png"
        if served:
            self._served[name] = data
        return f"{self.origin}/generated-images/{name}"

    def _send(self, items: list[dict[str, str]]) -> Response:
        data = {"data": [{"embedding": None, "index": 0} | item for item in items]} if items else {}
        return document({"created": 1785000000, "id": "5f0e", "usage": _ZEROS} | data)


class _Problem(Exception):
    """A status, a message and a type; the code is the status unless there is another."""

    def __init__(self, status: int, message: str, kind: str = "", code: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.more = more


def _echo(status: int, message: str) -> _Problem:
    """Return what the web framework itself says."""
    return _Problem(status, f"code={status}, message={message}")


def _bound(request: Request) -> dict[str, Any]:
    """Read the JSON body into its fields, strictly typed; null is as good as absent."""
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise _echo(400, f"failed parsing request body: code=400, message=Syntax error: {error}") from error
    for name, kind in _FIELDS.items():
        value = body.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            what = f"Unmarshal type error: expected={kind.__name__}, got={type(value).__name__}, field={name}"
            raise _echo(400, f"failed parsing request body: code=400, message={what}")
    for name in _LISTS:
        if not all(isinstance(one, str) for one in body.get(name) or []):
            raise _echo(400, f"failed parsing request body: code=400, message=Unmarshal type error: field={name}")
    return {name: value for name, value in body.items() if value is not None}


def _decoded(texts: list[str]) -> list[bytes]:
    """Read what is plain base64, and leave out the rest in silence."""
    found = []
    for text in filter(None, texts):
        with suppress(ValueError):
            found.append(base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True))
    return found


def _size(text: str) -> tuple[int, int]:
    if "x" not in text:
        return 512, 512
    if not (found := re.fullmatch(r"([+-]?\d+)x([+-]?\d+)", text)):
        raise _Problem(500, "invalid value for 'size'")
    return int(found[1]), int(found[2])
