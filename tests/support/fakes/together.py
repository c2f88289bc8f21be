"""Together's image API, as its publishers describe it.

Sources, read on 2026-11-23:
    [spec]  togethercomputer/openapi, openapi.yaml of 2026-04-28: /images/generations, /models, ImageResponse, ErrorData
    [docs]  docs.together.ai: images-overview, inference/images/{parameters,reference-images}, error codes
    [sdk]   PyPI together 3.1.1, resources/images.py and types/image_*.py
    [ai]    npm @ai-sdk/togetherai 2.0.84, src/togetherai-image-model.ts
    [seen]  responses of the live service, quoted in public repositories (maruel/genai; notes of 2026-07-26)

- One route: POST /v1/images/generations, JSON. No edits, no variations (404). Input images go to generations as
  `image_url` (one; FLUX.1 Kontext, FLUX.2 pro and flex) or `reference_images` (a list; FLUX.2 and Google models)
  [docs]; data: URLs are taken [ai]. A model that takes neither ignores them (assumed: that is what costs money), one
  that takes the other is refused (assumed).
- Read: `prompt`, `model` (both required), `n` (1 to 4 [docs]), `width`, `height` (integers, 1024 by default, multiples
  of 8 [docs]), `steps`, `seed`, `negative_prompt`, `guidance_scale`, `response_format` **base64** | url (default),
  `output_format` jpeg (default) | png, `image_loras`, `disable_safety_checker` [spec]; `aspect_ratio` for FLUX.1
  schnell and Kontext [docs]. Unknown fields (`size`, `quality`, `mask` …) are ignored; there is no mask [ai].
- The response: `id`, `model`, `object: "list"`, `data` [{`index`, `type`, `url` or `b64_json`, `timings`}]; **no
  `created`, no `usage`** [spec, sdk].
- URLs stand on the API's own host and send on to a store (from memory, low confidence); the store, and the API, refuse
  a request without a User-Agent: 403 [docs, seen].
- GET /v1/models: **a bare list** [spec: ModelInfoList], which needs the key. (together 3.1.1: /v2/projects/…/models.)
- Errors: {"error": {message, type, param, code}} [spec]: wrong key 401 `invalid_api_key` [seen], unknown model 404
  `model_not_available` [seen], 422 "image may contain NSFW content" without param and code [seen], 402 without credit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from PIL import UnidentifiedImageError
from werkzeug.wrappers import Response

from support.fakes.base import Cloud, Refused, encoded, from_data_url, media_type, place, plain, reworked
from support.serving import b64

if TYPE_CHECKING:
    from support.serving import Request

KEY = "together-key-0123456789"

_SINGLE, _SEVERAL = "image_url", "reference_images"
MODELS: dict[str, tuple[str, ...]] = {
    "black-forest-labs/FLUX.1-schnell": (),
    "black-forest-labs/FLUX.1-kontext-pro": (_SINGLE,),
    "black-forest-labs/FLUX.2-pro": (_SINGLE, _SEVERAL),
    "black-forest-labs/FLUX.2-dev": (_SEVERAL,),
}
"""Each model and the fields in which it takes images."""
_INTEGERS = ("n", "width", "height", "steps", "seed")
_RATIO = re.compile(r"(\d+):(\d+)")


class Together(Cloud):
    """The service behind api.together.ai and api.together.xyz."""

    def __init__(self) -> None:
        """Give the account some credit."""
        super().__init__()
        self.credit = True

    def handle(self, request: Request) -> Any:
        """Send an image's short address on to the store; check the key, find the route."""
        if request.path.startswith("/shrt/"):
            there = self.store.origin + request.path.removeprefix("/shrt")
            return Response(b"", 302, {"Location": there}, content_type="text/plain")
        path, _ = place(request)
        if not request.headers.get("user-agent") and path != "/v1/models":
            raise Refused(403, "error code: 1010", "text/plain")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            message = (
                "Invalid API key provided. You can find your API key at https://api.together.ai/settings/api-keys."
            )
            raise _error(401, message, code="invalid_api_key")
        if request.method == "GET" and path == "/v1/models":
            one = {"object": "model", "created": 1692896905, "type": "image", "pricing": {"base": 0}}
            return [{"id": name, **one} for name in MODELS]
        if request.method != "POST" or path != "/v1/images/generations":
            raise _error(404, f"Unknown request URL: {request.method} {path}", code="unknown_url")
        if media_type(request) != "application/json":
            raise _error(400, "Request body must be JSON")
        if not self.credit:
            raise _error(402, "Credit limit exceeded, please add credits to your account", kind="credit_limit")
        return self._generated(_fields(request))

    def _generated(self, fields: dict[str, Any]) -> Any:
        prompt, model = fields["prompt"], fields["model"]
        if "unclothed" in prompt and not fields.get("disable_safety_checker"):
            error = {"message": "image may contain NSFW content", "type": "invalid_request_error"}
            raise Refused(422, {"error": error})
        size = _size(fields)
        inputs = _inputs(fields, MODELS[model])
        kind = fields.get("output_format", "jpeg")
        data: list[dict[str, Any]] = []
        for number in range(fields.get("n", 1)):
            image = encoded(reworked(inputs, size) if inputs else plain(size, number), kind.upper())
            item: dict[str, Any] = {"index": number, "timings": {"inference": 0.4}}
            if fields.get("response_format") == "base64":
                item |= {"type": "b64_json", "b64_json": b64(image)}
            else:
                place_in_store = self.store.put(image, kind).removeprefix(self.store.origin)
                item |= {"type": "url", "url": f"{self.origin}/shrt{place_in_store}"}
            data.append(item)
        return {"id": "oABC123-4Yz6kd-9a1", "model": model, "object": "list", "data": data}


def _error(status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None) -> Refused:
    return Refused(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


def _fields(request: Request) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = request.json
    except ValueError:
        raise _error(400, "Invalid JSON in the request body", code="invalid_json") from None
    for name in ("model", "prompt"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise _error(400, f"Missing required field: {name}")
    for name in _INTEGERS:
        if name in fields and type(fields[name]) is not int:
            raise _error(400, f"{name}: expected an integer")
    if fields["model"] not in MODELS:
        message = (
            f"Unable to access model {fields['model']}. Please visit https://api.together.ai/models to view the list "
            "of supported models."
        )
        raise _error(404, message, code="model_not_available")
    for name, values in {"response_format": ("base64", "url"), "output_format": ("jpeg", "png")}.items():
        if name in fields and fields[name] not in values:
            raise _error(400, f"{name}: expected one of {', '.join(values)}, got {fields[name]!r}")
    if not 1 <= fields.get("n", 1) <= 4:
        raise _error(400, "n: must be between 1 and 4")
    return fields


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    width, height = fields.get("width", 1024), fields.get("height", 1024)
    for name, side in (("width", width), ("height", height)):
        if side % 8 or not 64 <= side <= 2048:
            raise _error(400, f"{name}: must be a multiple of 8 between 64 and 2048")
    ratio = _RATIO.fullmatch(str(fields.get("aspect_ratio")))
    if ratio and ("schnell" in fields["model"] or "kontext" in fields["model"]):
        scale = (1_048_576 / (int(ratio[1]) * int(ratio[2]))) ** 0.5
        return round(int(ratio[1]) * scale / 8) * 8, round(int(ratio[2]) * scale / 8) * 8
    return width, height


def _inputs(fields: dict[str, Any], takes: tuple[str, ...]) -> list[bytes]:
    for name in (_SINGLE, _SEVERAL):
        if name in fields and takes and name not in takes:
            raise _error(400, f"{name} is not supported by {fields['model']}")
    if not takes:
        return []
    urls = fields.get(_SEVERAL, [])
    if not isinstance(urls, list) or not isinstance(fields.get(_SINGLE, ""), str):
        raise _error(400, "image_url takes a string, reference_images a list of strings")
    found = [*urls, fields[_SINGLE]] if _SINGLE in fields else urls
    try:
        inputs = [from_data_url(url) for url in found]
        for data in inputs:
            reworked([data], (1, 1))
    except (ValueError, AttributeError, UnidentifiedImageError):
        raise _error(400, "Invalid image: could not be read") from None
    return inputs
