"""A fake of SGLang's diffusion server (`sglang serve` with an image model).

Written from the wheel of sglang 0.5.23, sglang/multimodal_gen: runtime/entrypoints/openai/image_api.py (routes,
fields, responses), utils.py (sizes, formats), protocol.py (shapes and defaults), common_api.py (/models), stores.py,
runtime/entrypoints/http_server.py (no key, no error handler of its own), configs/sample/sampling_params.py (quality,
which tasks take images), runtime/server_args (output_path is "outputs/" unless it is switched off).

- POST /v1/images/generations reads JSON; what it does not know is ignored, stream too. size is 1024x1024 by itself,
  "auto" is 400. quality is the server's own (exact, lossless, high; auto is left out), anything else 400.
  response_format is url by itself: `/v1/images/{id}/content`, relative, where images are kept, else 400. n is
  clamped to 1…10.
- POST /v1/images/edits reads multipart: `image` (repeated) or else `image[]`, `url`; prompt; n, size, output_format,
  background, quality, seed, …; b64_json by itself. `mask` is accepted and read by nobody.
- JPEG, unless output_format is png or webp, or background transparent. What it can't make (gif) is JPEG, too.
- The response: id, created, data[] with b64_json, url, revised_prompt (the prompt), file_path, resize, and usage
  (prompt_tokens …), each null where it has no value.
- Errors: {"detail": …}; {"error": "…"} with 503 where the worker is gone; what goes wrong while rendering is 500 with
  the words "Internal Server Error" in plain text.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from werkzeug.wrappers import Response

from support.fakes.base import Fake, Refused, document, edited, encoded, plain
from support.serving import b64

if TYPE_CHECKING:
    from support.serving import Request

_QUALITIES = ["exact", "lossless", "high", "extra-high"]
_PILLOW = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
_MEDIA = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_INTEGERS = ("n", "seed", "output_compression", "num_inference_steps", "width", "height")
_TEXTS = ("size", "quality", "response_format", "output_format", "background", "model", "negative_prompt")


class SGLang(Fake):
    """SGLang with one model: task TI2I edits and generates, T2I only generates. `keeps=False`: no output_path."""

    def __init__(
        self,
        *,
        model: str = "black-forest-labs/FLUX.2-dev",
        task: Literal["T2I", "TI2I"] = "TI2I",
        keeps: bool = True,
        usage: dict[str, Any] | None = None,
        state: Literal["well", "failing", "gone"] = "well",
    ) -> None:
        """Listen."""
        super().__init__()
        self.model = model
        self.task = task
        self.keeps = keeps
        self.usage = usage
        self.state = state
        self._kept: dict[str, tuple[str, list[bytes]]] = {}

    def handle(self, request: Request) -> Response:
        """Answer as SGLang does."""
        path = urlsplit(request.path).path
        if self.state == "gone" and request.method == "POST":
            return document({"error": "Scheduler worker exited; restart the server."}, 503)
        match request.method, path:
            case "GET", "/v1/models":
                return document({"object": "list", "data": [self._card()]})
            case "POST", "/v1/images/generations":
                return self._generate(_body(request))
            case "POST", "/v1/images/edits":
                return self._edit(request)
        if request.method == "GET" and path.startswith("/v1/images/") and path.endswith("/content"):
            return self._content(path.split("/")[3], parse_qs(urlsplit(request.path).query))
        if path in {"/v1/models", "/v1/images/generations", "/v1/images/edits"}:
            raise Refused(405, "Method Not Allowed")
        raise Refused(404, "Not Found")

    def refuse(self, refused: Refused) -> Response:
        """Answer as FastAPI does: with a text, or with a list of pydantic's complaints."""
        return document({"detail": refused.said}, refused.status)

    def _card(self) -> dict[str, Any]:
        return {
            "id": self.model,
            "object": "model",
            "created": 1785000000,
            "owned_by": "sglang",
            "root": self.model,
            "parent": None,
            "max_model_len": None,
            "num_gpus": 1,
            "task_type": self.task,
            "supported_task_types": [self.task],
        }

    def _generate(self, body: dict[str, Any]) -> Response:
        _validated(body)
        wants = (body.get("response_format") or "url").lower()
        self._check_delivery(wants)
        size = _size(body.get("size", "1024x1024")) or (1024, 1024)
        _check_quality(body)
        return self._send(body, wants, lambda n: plain(size, n))

    def _edit(self, request: Request) -> Response:
        if "multipart/form-data" not in request.headers.get("content-type", ""):
            raise Refused(422, [_complaint("missing", "prompt", "Field required")])
        form, files = request.form, request.files
        for name in ("image", "image[]", "mask"):
            if name in form:
                raise Refused(
                    422, [_complaint("value_error", name, "Value error, Expected UploadFile, received: <class 'str'>")]
                )
        _validated(form)
        wants = (form.get("response_format") or "b64_json").lower()
        self._check_delivery(wants)
        uploads = files.get("image") or files.get("image[]")
        if not uploads:
            raise Refused(422, "Field 'image' or 'url' is required")
        size = _size(form.get("size"))
        _check_quality(form)
        if self.task == "T2I":
            raise Refused(400, "input_reference is not supported for T2I models.")
        try:
            inputs = [Image.open(io.BytesIO(data)) for _, _, data in uploads]
        except OSError:
            return _crash()
        return self._send(form, wants, lambda _: edited(inputs, size or inputs[0].size))

    def _check_delivery(self, wants: str) -> None:
        if wants not in {"url", "b64_json"}:
            raise Refused(400, f"response_format={wants} is not supported")
        if wants == "url" and not self.keeps:
            raise Refused(400, "response_format='url' requires cloud storage to be configured.")

    def _send(self, asked: Any, wants: str, make: Any) -> Response:
        if self.state == "failing":
            return _crash()
        kind = _extension(asked.get("output_format"), asked.get("background"))
        count = max(1, min(int(asked.get("n") or 1), 10))
        compression = int(asked.get("output_compression") or 75)
        options = {} if kind == "png" else {"quality": compression}
        made = [encoded(make(n), _PILLOW[kind], **options) for n in range(count)]
        name = f"req-{len(self._kept)}"
        self._kept[name] = kind, made
        data = []
        for n, one in enumerate(made):
            variant = f"?variant={n}" if count > 1 else ""
            data.append(
                {
                    "b64_json": b64(one) if wants == "b64_json" else None,
                    "url": f"/v1/images/{name}/content{variant}" if wants == "url" else None,
                    "revised_prompt": asked["prompt"],
                    "file_path": f"/srv/outputs/{name}_{n}.{kind}" if self.keeps else None,
                    "resize": None,
                }
            )
        usage = self.usage and {**self.usage, "image_count": count}
        return document(
            {
                "id": name,
                "created": 1785000000,
                "data": data,
                "peak_memory_mb": 20480.0,
                "inference_time_s": 1.5,
                "usage": usage,
            }
        )

    def _content(self, name: str, query: dict[str, list[str]]) -> Response:
        if name not in self._kept:
            raise Refused(404, "Image not found")
        kind, made = self._kept[name]
        variant = query.get("variant", ["0"])[0]
        if not variant.isdigit() or int(variant) >= len(made):
            raise Refused(404, f"Image variant {variant} not found")
        if not self.keeps:
            raise Refused(
                404,
                "Image was not persisted on disk (output_path is disabled). "
                "Use b64_json response_format or configure cloud storage.",
            )
        return Response(made[int(variant)], content_type=_MEDIA[kind])


def _crash() -> Response:
    return Response("Internal Server Error", 500, content_type="text/plain; charset=utf-8")


def _complaint(kind: str, field: str, message: str) -> dict[str, Any]:
    return {"type": kind, "loc": ["body", field], "msg": message, "input": None}


def _body(request: Request) -> dict[str, Any]:
    try:
        return dict(json.loads(request.body))
    except (ValueError, TypeError) as error:
        raise Refused(422, [_complaint("json_invalid", "0", "JSON decode error")]) from error


def _validated(asked: Any) -> None:
    """Hold the fields against their types as pydantic does, which takes "2" for 2."""
    found = []
    if "prompt" not in asked:
        found.append(_complaint("missing", "prompt", "Field required"))
    elif not isinstance(asked["prompt"], str):
        found.append(_complaint("string_type", "prompt", "Input should be a valid string"))
    for name in _INTEGERS:
        value = asked.get(name)
        if value is not None and not (isinstance(value, int) or str(value).lstrip("-").isdigit()):
            message = "Input should be a valid integer, unable to parse string as an integer"
            found.append(_complaint("int_parsing", name, message))
    found += [
        _complaint("string_type", name, "Input should be a valid string")
        for name in _TEXTS
        if asked.get(name) is not None and not isinstance(asked[name], str)
    ]
    if found:
        raise Refused(422, found)


def _size(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    parts = text.lower().replace(" ", "").split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise Refused(400, "size must be formatted as positive WIDTHxHEIGHT")
    return int(parts[0]), int(parts[1])


def _check_quality(asked: Any) -> None:
    quality = asked.get("quality")
    if quality not in {None, "auto", *_QUALITIES}:
        raise Refused(400, f"quality must be one of {_QUALITIES}, got {quality!r}")


def _extension(output_format: str | None, background: str | None) -> str:
    kind = (output_format or "").lower()
    if kind in {"png", "webp", "jpeg", "jpg"}:
        return "jpg" if kind == "jpeg" else kind
    return "png" if (background or "auto").lower() == "transparent" else "jpg"
