"""A fake of DeepInfra's OpenAI-compatible images endpoints (https://api.deepinfra.com/v1/openai).

What it does, and who says so:

- POST /images/generations (JSON: model, prompt, n, size) answers created and data[] of b64_json with a **JPEG** and
  revised_prompt, which is the prompt: the example on every text-to-image model's API page (deepinfra.com/…/api).
- POST /images/edits (a form: model, prompt, image, n, size, mask) answers the same, with revised_prompt null: the
  API page of Qwen/Qwen-Image-Edit, whose curl sends `-F image=@image.png`.
- Several images are a repeated `image`, never `image[]`: `@ai-sdk/deepinfra` 2.0.84 (`useArrayBrackets: false`). That
  `image[]` is then a missing field is FastAPI's manner, whose `detail` the endpoints below /v1/inference show.
- `mask`: its transparent areas are edited; a request makes one image; sizes are multiples of 32 from 256 to 1440
  (the documentation and `maxImagesPerCall` of `@ai-sdk/deepinfra`).
- Errors: {"error": {"message"}} from these endpoints, {"detail": {"error"}} from the others (the error schemas of
  `@ai-sdk/deepinfra`); {"detail": "Not Found"} where there is no route, FastAPI's own.
- Whether /images/variations exists is told both ways; `variations` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.fakes.base import Fake, Refused, as_base64, plain, reworked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from support.serving import Request

MODELS = ("black-forest-labs/FLUX-1-schnell", "Qwen/Qwen-Image-Edit")
BUSY = {"error": {"message": "Model busy, retry later", "type": "engine_overloaded", "param": None, "code": None}}


class DeepInfra(Fake):
    """DeepInfra on loopback."""

    base = "/v1/openai"
    routes = {  # noqa: RUF012 - as in the base
        "GET /v1/openai/models": "models",
        "POST /v1/openai/images/generations": "generate",
        "POST /v1/openai/images/edits": "edit",
        "POST /v1/openai/images/variations": "vary",
    }
    key = "deepinfra-0123456789"

    def __init__(self, *, variations: bool = False) -> None:
        """Start with or without a variations endpoint."""
        super().__init__()
        if not variations:
            self.routes = {route: name for route, name in self.routes.items() if name != "vary"}
        self.busy = 0
        """How many more requests are answered with 429."""

    def missing(self, request: Request) -> Refused:  # noqa: ARG002 - every path alike
        """Answer as FastAPI does."""
        return Refused(404, {"detail": "Not Found"})

    def models(self, _: Request) -> Any:
        """List the models."""
        listed = [{"id": name, "object": "model", "created": 1, "owned_by": "deepinfra"} for name in MODELS]
        return {"object": "list", "data": listed}

    def generate(self, request: Request) -> Any:
        """Make an image from words."""
        asked = request.json
        self._check(request, asked.get("model"), asked, ("prompt",))
        return _response(plain(_size(asked)), asked["prompt"])

    def edit(self, request: Request) -> Any:
        """Make an image from others."""
        form, files = request.form, request.files
        self._check(request, form.get("model"), {**files, **form}, ("image", "prompt"))
        mask = files["mask"][0][2] if "mask" in files else None
        return _response(reworked([data for _, _, data in files["image"]], _size(form), mask), None)

    def vary(self, request: Request) -> Any:
        """Make a look-alike of an image."""
        self._check(request, request.form.get("model"), request.files, ("image",))
        return _response(reworked([request.files["image"][0][2]], (1024, 1024)), None)

    def _check(self, request: Request, model: str | None, given: Mapping[str, Any], needed: Sequence[str]) -> None:
        if not self.has_key(request):
            raise Refused(401, {"detail": {"error": "User is not authenticated"}})
        if self.busy:
            self.busy -= 1
            raise Refused(429, BUSY)
        if model not in MODELS:
            raise _error(f"The model `{model}` does not exist", 404)
        missing = [name for name in needed if not given.get(name)]
        if missing:
            complaints = [{"type": "missing", "loc": ["body", name], "msg": "Field required"} for name in missing]
            raise Refused(422, {"detail": complaints})


def _error(message: str, status: int = 400) -> Refused:
    return Refused(status, {"error": {"message": message}})


def _size(asked: Mapping[str, str]) -> tuple[int, int]:
    text = asked.get("size", "1024x1024")
    width, x, height = text.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise _error(f"Invalid size: {text}")
    if any(side % 32 or not 256 <= side <= 1440 for side in (int(width), int(height))):
        raise _error("width and height must be multiples of 32 between 256 and 1440")
    return int(width), int(height)


def _response(image: Image.Image, revised: str | None) -> dict[str, Any]:
    data = as_base64(image, "JPEG", quality=95)
    return {"created": 1_740_418_043, "data": [{"revised_prompt": revised, "b64_json": data}]}
