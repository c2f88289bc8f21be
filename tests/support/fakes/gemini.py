"""A fake of the Gemini API's OpenAI-compatible endpoint (https://generativelanguage.googleapis.com/v1beta/openai).

What it does, and who says so:

- POST /images/generations takes prompt, model, n, size, response_format, and `extra_body` {"google": {aspect_ratio,
  generation_config, safety_settings, tools}}; every other field is ignored in silence: ai.google.dev,
  "OpenAI compatibility", as of 2026-06-22. Its examples all say `response_format: b64_json`.
- The same page lists no other images route: what is not there is Google's own 404 page.
- One image a request: Gemini's image models make one (vercel/ai pull request 12267); so `n` is taken and not kept.
- GET /models lists ids as "models/NAME" (the same page's "list models").
- Errors are a list of one: [{"error": {"code": the HTTP status, "message", "status": "INVALID_ARGUMENT", "details"}}],
  seen in public reports on this endpoint; a wrong key is a **400** with reason API_KEY_INVALID, a missing one a 400
  too; 429 is RESOURCE_EXHAUSTED with a RetryInfo, whose words ("exceeded your current quota") are those of an empty
  plan, which it only is with "limit: 0".
- A prompt that the filters refuse: 400 with the words of Imagen's documentation on responsible AI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.fakes.base import Fake, Refused, as_base64, plain

if TYPE_CHECKING:
    from support.serving import Request

MODELS = ("gemini-2.5-flash-image", "gemini-3-pro-image-preview")
KNOWN = {"prompt", "model", "n", "size", "response_format", "extra_body"}
_PAGE = (
    b"<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title><p><b>404.</b> <ins>That's an error.</ins>"
    b"<p>The requested URL was not found on this server. <ins>That's all we know.</ins></html>"
)
_RATIOS = {"1:1": (1024, 1024), "16:9": (1344, 768), "9:16": (768, 1344)}


class Gemini(Fake):
    """Gemini's compatible endpoint on loopback; `ignored` collects the fields that had no effect."""

    base = "/v1beta/openai"
    routes = {  # noqa: RUF012 - as in the base
        "POST /v1beta/openai/images/generations": "generate",
        "GET /v1beta/openai/models": "models",
    }
    key = "AIza-0123456789abcdef"

    def __init__(self) -> None:
        """Start with quota."""
        super().__init__()
        self.ignored: set[str] = set()
        self.throttled = 0
        """How many more requests come too fast."""
        self.free_tier = False
        """Whether the plan has no images in it at all."""

    def missing(self, request: Request) -> Refused:  # noqa: ARG002 - every path alike
        """Answer with Google's page."""
        return Refused(404, _PAGE, "text/html; charset=UTF-8")

    def _check_key(self, request: Request) -> None:
        if self.bearer(request) is None:
            raise _error(400, "INVALID_ARGUMENT", "Missing or invalid Authorization header.")
        if not self.has_key(request):
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
            raise _error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info)

    def models(self, request: Request) -> Any:
        """List the models."""
        self._check_key(request)
        listed = [{"id": f"models/{name}", "object": "model", "owned_by": "google"} for name in MODELS]
        return {"object": "list", "data": listed}

    def generate(self, request: Request) -> Any:
        """Make one image."""
        self._check_key(request)
        if self.throttled or self.free_tier:
            self.throttled -= 1
            raise self._exhausted()
        asked = request.json
        model, prompt = asked.get("model", ""), asked.get("prompt")
        if model.removeprefix("models/") not in MODELS:
            raise _error(
                *(404, "NOT_FOUND"),
                f"models/{model} is not found for API version v1main, or is not supported for predict. "
                "Call ListModels to see the list of available models and their supported methods.",
            )
        if not prompt:
            raise _error(400, "INVALID_ARGUMENT", "Unable to submit request because it has an empty prompt.")
        if "knives" in prompt:
            raise _error(
                *(400, "INVALID_ARGUMENT"),
                "The prompt could not be submitted. This prompt contains sensitive words that violate Google's "
                "Responsible AI practices. Try rephrasing the prompt.",
            )
        self.ignored |= asked.keys() - KNOWN
        google = asked.get("extra_body", {}).get("google", {})
        size = _RATIOS.get(google.get("aspect_ratio"), (1024, 1024))
        if "size" in asked:
            width, _, height = asked["size"].partition("x")
            size = int(width), int(height)
        return {"data": [{"b64_json": as_base64(plain(size), "PNG")}]}

    def _exhausted(self) -> Refused:
        limit = 0 if self.free_tier else 10
        message = (
            "You exceeded your current quota, please check your plan and billing details.\n"
            "* Quota exceeded for metric: generativelanguage.googleapis.com/generate_requests_per_model, "
            f"limit: {limit}\nPlease retry in 0.2s."
        )
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0s"}
        return _error(429, "RESOURCE_EXHAUSTED", message, info)


def _error(status: int, name: str, message: str, *details: dict[str, Any]) -> Refused:
    error = {"code": status, "message": message, "status": name}
    return Refused(status, [{"error": error | ({"details": list(details)} if details else {})}])
