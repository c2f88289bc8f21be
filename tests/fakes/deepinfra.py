"""A fake of DeepInfra's OpenAI-compatible images endpoints (https://api.deepinfra.com/v1/openai).

What it does, and who says so:

- POST /images/generations (JSON: model, prompt, n, size) answers created and data[] of b64_json with a **JPEG** and
  revised_prompt, which is the prompt: the example on every text-to-image model's API page (deepinfra.com/…/api).
- POST /images/edits (a form: model, prompt, image, n, size, mask) answers the same, with revised_prompt null: the
  API page of Qwen/Qwen-Image-Edit, whose curl sends `-F image=@image.png`.
- Several pictures are a repeated `image`, never `image[]`: `@ai-sdk/deepinfra` 2.0.84 (`useArrayBrackets: false`). That
  `image[]` is then a missing field is FastAPI's manner, whose `detail` the endpoints below /v1/inference show.
- `mask`: its transparent areas are edited; a request makes one picture; sizes are multiples of 32 from 256 to 1440
  (the documentation and `maxImagesPerCall` of `@ai-sdk/deepinfra`).
- Errors: {"error": {"message"}} from these endpoints, {"detail": {"error"}} from the others (the error schemas of
  `@ai-sdk/deepinfra`); {"detail": "Not Found"} where there is no route, FastAPI's own.
- Whether /images/variations exists is told both ways; `variations` decides.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from fakes.rest_base import Fake, b64, made
from PIL import Image

if TYPE_CHECKING:
    from serving import Reply, Request

MODELS = ("black-forest-labs/FLUX-1-schnell", "Qwen/Qwen-Image-Edit")
OPENED = (255, 0, 255)
"""The colour of what a mask opened."""
BUSY = {"error": {"message": "Model busy, retry later", "type": "engine_overloaded", "param": None, "code": None}}


class DeepInfra(Fake):
    """DeepInfra on loopback."""

    base = "/v1/openai"
    key = "deepinfra-0123456789"

    def __init__(self, *, variations: bool = False) -> None:
        """Start with or without a variations endpoint."""
        super().__init__()
        self.variations = variations
        self.busy = 0
        """How many more requests are answered with 429."""

    def routes(self) -> dict[tuple[str, str], Any]:
        """Return the routes that there are."""
        found = {
            ("GET", "models"): self._models,
            ("POST", "images/generations"): self._generations,
            ("POST", "images/edits"): self._edits,
        }
        return found | ({("POST", "images/variations"): self._variations} if self.variations else {})

    def not_found(self, reply: Reply, request: Request) -> None:  # noqa: ARG002 - every path alike
        """Answer as FastAPI does."""
        reply.json({"detail": "Not Found"}, 404)

    def _models(self, reply: Reply, _request: Request) -> None:
        listed = [{"id": name, "object": "model", "created": 1, "owned_by": "deepinfra"} for name in MODELS]
        reply.json({"object": "list", "data": listed})

    def _refuses(self, reply: Reply, request: Request, model: str | None) -> bool:
        if self.bearer(request) != self.key:
            reply.json({"detail": {"error": "User is not authenticated"}}, 401)
        elif self.busy:
            self.busy -= 1
            reply.json(BUSY, 429)
        elif model not in MODELS:
            self._error(reply, f"The model `{model}` does not exist", 404)
        else:
            return False
        return True

    @staticmethod
    def _error(reply: Reply, message: str, status: int = 400) -> None:
        reply.json({"error": {"message": message}}, status)

    def _size(self, reply: Reply, text: str) -> tuple[int, int] | None:
        width, x, height = text.partition("x")
        if not (x and width.isdigit() and height.isdigit()):
            self._error(reply, f"Invalid size: {text}")
            return None
        if any(side % 32 or not 256 <= side <= 1440 for side in (int(width), int(height))):
            self._error(reply, "width and height must be multiples of 32 between 256 and 1440")
            return None
        return int(width), int(height)

    def _generations(self, reply: Reply, request: Request) -> None:
        asked = request.json
        if self._refuses(reply, request, asked.get("model")):
            return
        if not asked.get("prompt"):
            reply.json({"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]}, 422)
        elif (size := self._size(reply, asked.get("size", "1024x1024"))) is not None:
            self._send(reply, made(size, [], "JPEG"), asked["prompt"])

    def _edits(self, reply: Reply, request: Request) -> None:
        form, files = request.form, request.files
        if self._refuses(reply, request, form.get("model")):
            return
        missing = [name for name, there in (("image", files), ("prompt", form)) if name not in there]
        if missing:
            complaints = [{"type": "missing", "loc": ["body", name], "msg": "Field required"} for name in missing]
            reply.json({"detail": complaints}, 422)
            return
        inputs = [data for _, _, data in files["image"]]
        size = self._size(reply, form.get("size", "1024x1024"))
        if size is None:
            return
        data = made(size, inputs, "JPEG")
        if "mask" in files:
            data = self._opened(data, files["mask"][0][2])
        self._send(reply, data, None)

    def _variations(self, reply: Reply, request: Request) -> None:
        if not self._refuses(reply, request, request.form.get("model")):
            self._send(reply, made((1024, 1024), [request.files["image"][0][2]], "JPEG"), None)

    @staticmethod
    def _opened(data: bytes, mask: bytes) -> bytes:
        """Paint what the mask opens: where it is transparent."""
        with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(mask)) as opened:
            alpha = opened.convert("RGBA").getchannel("A").resize(image.size)
            image.paste(OPENED, mask=alpha.point(lambda value: 255 - value))
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=95)
        return stream.getvalue()

    @staticmethod
    def _send(reply: Reply, data: bytes, revised: str | None) -> None:
        reply.json({"created": 1_740_418_043, "data": [{"revised_prompt": revised, "b64_json": b64(data)}]})
