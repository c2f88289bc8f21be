"""A fake of OpenRouter's Image API (https://openrouter.ai/api/v1).

What it does, and who says so:

- POST /images, JSON only: model, prompt, n, size, resolution, aspect_ratio, quality, output_format,
  output_compression, background, seed, stream, provider, user, session_id, trace, `input_references` as
  {"type": "image_url", "image_url": {"url": data or http(s) URL}}: `@openrouter/sdk` 1.3.19, ImageGenerationRequest;
  `@openrouter/ai-sdk-provider` 2.10.0 sends the same, and refuses a mask, for which there is no field.
- `size` is a tier (512, 1K, 2K, 4K) or WxH; pixels beside another `resolution` or `aspect_ratio`: 400 (the same).
- The response: created, data[] of b64_json and media_type, usage with prompt_tokens, completion_tokens, total_tokens,
  cost in USD, cost_details, is_byok (the same: ImageGenerationResponse, ImageGenerationUsage).
- stream: image_generation.partial_image, image_generation.completed, {"type": "error"}; there is no `partial_images`,
  and models that can't stream ignore it (the same). Comments keep the stream alive (OpenRouter's page on streaming).
- Errors: {"error": {"code": the status as a number, "message", "metadata"}, "user_id"}: OpenRouter's page on errors.
  403 for moderation has metadata reasons, flagged_input, provider_name, model_slug; a provider's own error is below
  metadata.raw; 400, 401, 402, 403, 404, 413, 429, 500, 502, 524, 529 are the statuses of the SDK.
- A parameter that a model's `supported_parameters` does not have is refused, not ignored (K-Dense-AI's
  generate_image.py, which asks GET /images/models before it sends); the words of that refusal are not documented.
- GET /images/models lists image models only; an unknown path is a page of the web site.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support.fakes.base import Fake, Refused, as_base64, from_data_url, opened, plain, reworked, stream
from support.serving import b64, image_file

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from support.serving import Request

_MIME = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_TIERS = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_COMMON = {"n", "size", "resolution", "aspect_ratio", "input_references", "seed"}
MODELS = {
    "openai/gpt-image-2": _COMMON | {"quality", "background", "output_format", "output_compression", "stream"},
    "google/gemini-3.1-flash-image": _COMMON,
    "team/one-at-a-time": _COMMON - {"n"},
}
"""Model → the parameters that it supports."""
_ALWAYS = {"model", "prompt", "provider", "user", "session_id", "trace", "stream"}
_KNOWN = _COMMON | _ALWAYS | {"quality", "background", "output_format", "output_compression"}

ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "credits": (402, {"message": "Insufficient credits. Add more using https://openrouter.ai/settings/credits"}),
    "moderation": (
        403,
        {
            "message": 'openai/gpt-image-2 requires moderation on OpenAI. Your input was flagged for "violence".',
            "metadata": {
                "reasons": ["violence"],
                "flagged_input": "two knights in a ...",
                "provider_name": "OpenAI",
                "model_slug": "openai/gpt-image-2",
            },
        },
    ),
    "rate": (429, {"message": "Rate limit exceeded: 20 requests per minute"}),
    "provider": (
        400,
        {
            "message": "Provider returned error",
            "metadata": {
                "raw": json.dumps(
                    {
                        "error": {
                            "message": "Your request was rejected by the safety system.",
                            "type": "image_generation_user_error",
                            "param": None,
                            "code": "moderation_blocked",
                            "moderation_details": {"moderation_stage": "output", "categories": ["sexual"]},
                        }
                    }
                ),
                "provider_name": "OpenAI",
            },
        },
    ),
    "overloaded": (529, {"message": "Provider overloaded"}),
}  # fmt: skip


class OpenRouter(Fake):
    """OpenRouter on loopback; `failing` names one of ERRORS to respond with."""

    base = "/api/v1"
    routes = {"POST /api/v1/images": "images", "GET /api/v1/images/models": "models"}  # noqa: RUF012 - as in the base
    key = "sk-or-v1-0123456789abcdef"

    def __init__(self) -> None:
        """Start without an error."""
        super().__init__()
        self.failing: str | None = None

    def missing(self, request: Request) -> Refused:  # noqa: ARG002 - every path alike
        """Answer with a page of the web site."""
        return Refused(404, "<!DOCTYPE html><html><title>Not Found | OpenRouter</title></html>", "text/html")

    def models(self, _: Request) -> Any:
        """List the models."""
        listed = [
            {"id": name, "name": name, "created": 1, "supported_parameters": {one: {} for one in sorted(supported)}}
            for name, supported in MODELS.items()
        ]
        return {"data": listed}

    def images(self, request: Request) -> Any:
        """Make an image, from words alone or from others."""
        self._check(request)
        asked = request.json
        try:
            inputs = [self._reference(entry) for entry in asked.get("input_references", ())]
        except (Refused, ValueError, OSError, KeyError, TypeError) as error:
            raise _error(400, f"Invalid image in input_references: {error}") from error
        kind, size = asked.get("output_format", "png"), self._size(asked)
        made = as_base64(reworked(inputs, size) if inputs else plain(size), kind)
        count = asked.get("n", 1)
        usage = {
            "prompt_tokens": 12,
            "completion_tokens": 1056 * count,
            "total_tokens": 12 + 1056 * count,
            "cost": round(0.0425 * count, 6),
            "is_byok": False,
            "cost_details": {"upstream_inference_cost": None, "upstream_inference_prompt_cost": 0},
        }
        if asked.get("stream") and "stream" in MODELS[asked["model"]]:
            return self._stream(made, _MIME[kind], usage)
        images = [{"b64_json": made, "media_type": _MIME[kind]}] * count
        return {"created": 1_762_000_000, "data": images, "usage": usage}

    def _check(self, request: Request) -> None:
        if not self.has_key(request):
            raise _error(401, "User not found." if self.bearer(request) else "No auth credentials found")
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise _error(400, "Invalid JSON body")
        if self.failing is not None:
            status, fields = ERRORS[self.failing]
            raise _error(status, **fields)
        if (wrong := self._wrong(request.json)) is not None:
            raise _error(400, wrong)

    def _wrong(self, asked: dict[str, Any]) -> str | None:
        """Say what is wrong with a request, None where nothing is."""
        name = asked.get("model")
        if not isinstance(asked.get("prompt"), str) or not isinstance(name, str):
            return "Invalid input: model and prompt are required"
        if name not in MODELS:
            return f"{name} is not a valid model ID"
        size, others = asked.get("size"), {"resolution", "aspect_ratio"} & asked.keys()
        if size is not None and size not in _TIERS and not re.fullmatch(r"\d+x\d+", size):
            return f"Invalid size: {size}"
        if size is not None and size not in _TIERS and others:
            return f"size {size} does not go with {', '.join(sorted(others))}"
        if asked.get("n", 1) > 1 and "n" not in MODELS[name]:
            return f"{name} only supports generating one image per request (n=1)"
        unsupported = sorted((asked.keys() & _KNOWN) - _ALWAYS - MODELS[name] - {"n"})
        return f"{name} does not support: {', '.join(unsupported)}" if unsupported else None

    def _reference(self, entry: dict[str, Any]) -> bytes:
        """Return the bytes of a reference; its declared type must be what the bytes are."""
        if entry["type"] != "image_url":
            raise ValueError(entry["type"])
        url = entry["image_url"]["url"]
        data = from_data_url(url)
        opened(data)
        kind = url.removeprefix("data:").partition(";")[0]
        starts = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF"}
        if not data.startswith(starts[kind]):
            raise ValueError(f"it is no {kind}")
        return data

    @staticmethod
    def _size(asked: dict[str, Any]) -> tuple[int, int]:
        size = asked.get("size", asked.get("resolution", "1K"))
        if size in _TIERS:
            across, _, down = asked.get("aspect_ratio", "1:1").partition(":")
            ratio = float(across) / float(down) if down else 1.0
            return round(_TIERS[size] * min(1.0, ratio)), round(_TIERS[size] / max(1.0, ratio))
        width, _, height = size.partition("x")
        return int(width), int(height)

    @staticmethod
    def _stream(made: str, mime: str, usage: dict[str, Any]) -> Response:
        partial = {
            "type": "image_generation.partial_image",
            "b64_json": b64(image_file((8, 8), (1, 2, 3))),
            "partial_image_index": 0,
        }
        final = {
            "type": "image_generation.completed",
            "b64_json": made,
            "media_type": mime,
            "created": 1_762_000_000,
            "usage": usage,
        }
        events = [(event["type"], event) for event in (partial, final)]
        return stream(events, before=": OPENROUTER PROCESSING\n\n", after="data: [DONE]\n\n")


def _error(status: int, message: str, **more: Any) -> Refused:
    return Refused(status, {"error": {"message": message, "code": status, **more}, "user_id": "user_2abc"})
