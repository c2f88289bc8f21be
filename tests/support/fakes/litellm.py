"""A fake of LiteLLM's proxy with an OpenAI-like server behind it.

Written from litellm 1.109.1, litellm/: proxy/image_endpoints/endpoints.py (routes, parts),
llms/openai/image_generation/gpt_transformation.py and utils.py `get_optional_params_image_gen` (what is supported),
llms/openai/image_edit/transformation.py (what goes on to the server behind it),
litellm_core_utils/exception_mapping_utils.py `_map_openai_exception`, proxy/common_utils/openai_error_payload.py and
proxy/_types.py `ProxyException` (errors), proxy/route_llm_request.py (an unknown model); and from what the proxy itself
answered when it ran before a scripted server on loopback: the messages below are its own.

- Generations (JSON), edits (multipart: `image` or `image[]`, not both; `mask` or `mask[]`); no variations. A model has
  to be named. What it does not know is sent on.
- style and response_format are 400 on generations unless drop_params is set; on edits they are taken, style is lost.
- Every image goes on as `image[]`, called image.png, the mask as mask.png, with the type of the bytes.
- A response's entries have b64_json, url, revised_prompt and provider_specific_fields, null where there is nothing;
  usage is zeros where the server behind it says nothing.
- An error of the server behind it is {"error": {message, type, param, code}} with the status as a text for a code. On
  generations the message ends with that server's own; on edits with its whole JSON. type and param are that server's
  for a 400 on generations, else what the status stands for, and null. Its code is lost but for that JSON, and so are
  its headers.
- A stream of the server behind it becomes a 500; a 5xx lets the model cool down: 429 for five seconds, without a
  Retry-After on generations.
- Keys: none is 401; a wrong one without a database is 400 "No connected db.".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from support.fakes.base import Fake, Refused, document, edited, encoded, files_of, form_of, opened, plain, whole
from support.serving import Request, b64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image
    from werkzeug.wrappers import Response

_UNSUPPORTED = ("style", "response_format")
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "throttling_error"}
_NAMES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "APIError",
    404: "NotFoundError",
    408: "Timeout",
    422: "BadRequestError",
    429: "RateLimitError",
    500: "InternalServerError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
}
_FIRST_SERVER_ERROR = 500


class LiteLLM(Fake):
    """The proxy. `behind` is what the server behind it answers with, status and document; None: it makes images."""

    routes: ClassVar[Mapping[str, str]] = {
        "GET /v1/models": "models",
        "POST /v1/images/generations": "generate",
        "POST /v1/images/edits": "edit",
    }

    def __init__(
        self,
        *,
        models: tuple[str, ...] = ("gpt-image-2.5-flare", "team/flux"),
        behind: tuple[int, Any] | None = None,
        drop_params: bool = False,
        usage: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> None:
        """Listen."""
        super().__init__(key)
        self.names = models
        self.behind = behind
        self.drop_params = drop_params
        self.usage = usage
        self.cooling = 0
        """How many requests will still meet a model that cools down."""
        self.passed_on: list[tuple[dict[str, Any], list[tuple[str, str]]]] = []
        """What went on: the fields, and each file's field and name."""

    def check(self, request: Request) -> None:
        """Refuse a wrong key, before anything else."""
        if self.has_key(request) or request.path not in {path.partition(" ")[2] for path in self.routes}:
            return
        if "authorization" in request.headers:
            raise Refused(400, _error("No connected db.", "no_db_connection", 400))
        raise Refused(401, _error("Authentication Error, No api key passed in.", "auth_error", 401))

    def refuse(self, refused: Refused) -> Response:
        """Answer as FastAPI does, or as the proxy's own handler."""
        said = refused.said if isinstance(refused.said, dict) else {"detail": refused.said}
        return document(said, refused.status, x_litellm_call_id=self._call())

    def models(self, _: Request) -> Any:
        """List the models of the proxy's configuration."""
        shared = {"object": "model", "created": 1677610602, "owned_by": "openai"}
        return {"data": [{"id": name, **shared} for name in self.names], "object": "list"}

    def generate(self, request: Request) -> Any:
        """POST /v1/images/generations."""
        asked = request.json
        model = asked.get("model")
        if model not in self.names:
            said = (
                f"/image/generations: Invalid model name passed in model={model}. Call `/v1/models` to view available"
            )
            raise Refused(400, _error(f"400: {{'error': '{said} models for your key.'}}", "invalid_request_error", 400))
        if "prompt" not in asked:
            said = "/image/generations: Missing required parameter: 'prompt'."
            raise Refused(400, _error(said, "invalid_request_error", 400, "prompt"))
        for name in _UNSUPPORTED:
            if name in asked and not self.drop_params:
                said = f"Setting `{name}` is not supported by openai, {model}. To drop it from the call, set "
                said = f"litellm.UnsupportedParamsError: {said}`litellm.drop_params = True`.{_group(model)}"
                raise Refused(400, _error(said, "invalid_request_error", 400))
        fields = {name: value for name, value in asked.items() if name not in _UNSUPPORTED}
        self._pass_on(model, fields, [])
        if fields.get("stream"):
            self.cooling = 1
            said = "litellm.APIConnectionError: APIConnectionError: OpenAIException - 'str' object has no attribute "
            raise Refused(500, _error(f"{said}'model_dump'{_group(model)}", "internal_server_error", 500))
        images = [plain(_box(fields.get("size"), (64, 64)), n) for n in range(fields.get("n", 1))]
        return document(self._response(images, fields), x_litellm_call_id=self._call())

    def edit(self, request: Request) -> Any:
        """POST /v1/images/edits."""
        parts = {name: files_of(request, name) for name in ("image", "image[]", "mask", "mask[]")}
        for name in ("image", "mask"):
            if parts[name] and parts[f"{name}[]"]:
                raise Refused(422, f"Cannot specify both '{name}' and '{name}[]'")
        fields: dict[str, Any] = {name: value for name, value in form_of(request).items() if name != "style"}
        model = fields.get("model")
        if model not in self.names:
            said = (
                f"/images/edits: Invalid model name passed in model={model}. Call `/v1/models` to view available models"
            )
            error = _error(f"{said} for your key.", "invalid_request_error", 400)
            error["error"]["provider_specific_fields"] = {"error": f"{said} for your key."}
            raise Refused(400, error)
        inputs, masks = parts["image"] or parts["image[]"], parts["mask"] or parts["mask[]"]
        files = [("image[]", "image.png")] * len(inputs) + [("mask", "mask.png")] * len(masks[:1])
        self._pass_on(model, fields, files)
        images = [opened(data) for data in inputs]
        box = _box(fields.get("size"), images[0].size)
        # As OpenAI reads a mask: what is transparent changes.
        mask = opened(masks[0]).getchannel("A").point(lambda alpha: alpha == 0 and 255) if masks else None
        result = edited(images, box, mask)
        if fields.get("stream") == "true":
            self.cooling = 1
            names = [f"image_edit.{name}" for name in ("partial_image", "completed")]
            documents = [{"type": name, "b64_json": b64(encoded(result, "PNG"))} for name in names]
            events = "".join(f"event: {document['type']}\ndata: {json.dumps(document)}\n\n" for document in documents)
            said = f"litellm.APIError: APIError: OpenAIException - {events}{_group(model)}"
            raise Refused(500, _error(said, "internal_server_error", 500))
        images = [result] * (whole(fields.get("n", "1")) or 1)
        return document(self._response(images, fields), x_litellm_call_id=self._call())

    def _call(self) -> str:
        return f"call-{len(self.requests)}"

    def _pass_on(self, model: str, fields: dict[str, Any], files: list[tuple[str, str]]) -> None:
        if self.cooling:
            self.cooling -= 1
            said = (
                "No deployments available for selected model, Try again in 5 seconds. All deployments for selected "
                f"model are in cooldown. Passed model={model}. pre-call-checks=False, cooldown_list=['a6b1c769']"
            )
            raise Refused(429, _error(said, "all_deployments_in_cooldown", 429))
        self.passed_on.append((fields, files))
        if self.behind is not None:
            status, document = self.behind
            self.cooling = int(status >= _FIRST_SERVER_ERROR)
            raise Refused(status, _wrapped(status, document, model, edits=bool(files)))

    def _response(self, images: list[Image.Image], fields: dict[str, Any]) -> dict[str, Any]:
        kind = {"jpeg": "JPEG", "webp": "WEBP"}.get(fields.get("output_format", ""), "PNG")
        nothing = {"revised_prompt": None, "url": None, "provider_specific_fields": None}
        counts: dict[str, Any] = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
        counts["input_tokens_details"] = {"image_tokens": 0, "text_tokens": 0}
        return {
            "created": 1,
            "background": None,
            "data": [{"b64_json": b64(encoded(image, kind)), **nothing} for image in images],
            "output_format": None,
            "quality": None,
            "safety_identifier": None,
            "size": None,
            "svg_usage": None,
            "usage": self.usage or counts,
        }


def _box(size: str | None, otherwise: tuple[int, int]) -> tuple[int, int]:
    sides = [whole(side) for side in (size or "").split("x")]
    return (sides[0], sides[1]) if len(sides) == 2 and all(sides) else otherwise


def _error(message: str, kind: str, status: int, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": str(status)}}


def _group(model: str) -> str:
    return f"\n\nLiteLLM: model group '{model}' failed with the error above. No fallback was attempted."


def _wrapped(status: int, document: Any, model: str, *, edits: bool) -> dict[str, Any]:
    """Return what becomes of an error of the server behind the proxy, "OpenAIException"."""
    error = document.get("error", {}) if isinstance(document, dict) else {}
    text = document if isinstance(document, str) else json.dumps(document)
    said = text if edits else error.get("message", f"Error code: {status}")
    name = _NAMES[status]
    kind = _TYPES.get(status, "internal_server_error" if status >= _FIRST_SERVER_ERROR else "invalid_request_error")
    param = None
    whose = f"{name}: OpenAIException"
    if status in {400, 422} or (edits and error.get("type") == "invalid_request_error" and status != 401):
        name = {404: "NotFoundError"}.get(status, "BadRequestError")
        whose = "OpenAIException"
    if status == 400 and not edits:
        kind, param = error.get("type") or kind, error.get("param")
    words = f"litellm.{name}: {whose} - {said}"
    if edits and error.get("code") == "content_policy_violation":
        # The router's own hint, in the midst of it.
        words = (
            f"litellm.BadRequestError: litellm.ContentPolicyViolationError: ContentPolicyViolationError: {whose} - "
            f"{said}\nmodel={model}. content_policy_fallback=None. fallbacks=None.\n\n"
            "Set 'content_policy_fallback' - https://docs.litellm.ai/docs/routing#fallbacks"
        )
    return _error(words + _group(model), kind, status, param)
