"""A fake of Xinference's image endpoints.

Written from the wheel of xinference 4.1.0, xinference/: api/routers/images.py and models.py (routes),
api/restful_api.py (`create_images`, `create_variations`, `create_inpainting`, `create_image_edits`,
`_stream_image_edit`, `list_models`, the handler of 500), api/schemas/requests.py (`TextToImageRequest`), api/utils.py
(`require_model`), api/oauth2/advanced/auth_service.py (keys), model/image/utils.py (`handle_image_result`),
model/image/stable_diffusion/core.py (`text_to_image`, `image_to_image`, `inpainting`),
client/restful/restful_client.py (`image_edit`: "White pixels in the mask are repainted while black pixels are
preserved"); sse-starlette 3.7.0 writes its events. Which path answers 405 was seen with the server running.

- POST /v1/images/generations reads JSON: model and prompt are needed, n, size ("1024*1024"; any two numbers with
  anything between them), response_format ("url"), kwargs. Without a model, or with broken JSON, it is
  500 in plain text.
- POST /v1/images/edits reads multipart: `images`, or `images[]`, `image[]`, `image`, the first of these that is
  there; mask; prompt; model (by itself the first one that can edit); n, size ("original"), response_format, stream.
  The first image is edited, the others are references. With a mask there is no size by itself: "original" becomes
  "", whose numbers can't be read, so that it is 500. References are not looked at where there is a mask.
- POST /v1/images/variations and /v1/images/inpainting: `image`, model, and for the latter `mask_image`, as forms;
  variations without a prompt are 500, by the pipelines that make them.
- A mask becomes grey, and white changes.
- Sizes must be multiples of 8, else 500; what is not named here is ignored (output_format, quality, …).
- An image is JPEG, or PNG if it has transparency. url is a path on the server's own disk.
- stream=true, for edits: events start, processing, complete (the whole response) or error, lines ending in CR LF.
- Errors: {"detail": …}, with "[address=…, pid=…]" before what an actor says, and 500 for most mistakes; an unknown
  model is 404, one that is loading 503 with Retry-After: 30; a wrong key 401; a path that does not exist 405.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, ClassVar

from werkzeug.wrappers import Response

from support.fakes.base import (
    Fake,
    Refused,
    document,
    edited,
    encoded,
    files_of,
    form_of,
    is_form,
    opened,
    plain,
    stream,
    whole,
)
from support.serving import b64

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL import Image

    from support.serving import Request

_NEEDED = "Field required"
_ABILITIES = ("text2image", "image2image", "inpainting")


class Xinference(Fake):
    """One image model. `disk` is where it keeps the images that it answers with a path for."""

    routes: ClassVar[Mapping[str, str]] = {
        "GET /v1/models": "models",
        "POST /v1/images/generations": "generate",
        "POST /v1/images/variations": "vary",
        "POST /v1/images/inpainting": "inpaint",
        "POST /v1/images/edits": "edit",
    }

    def __init__(
        self,
        disk: Path,
        *,
        model: str = "sd3-medium",
        abilities: tuple[str, ...] = _ABILITIES,
        loading: bool = False,
        transparent: bool = False,
        key: str | None = None,
    ) -> None:
        """Listen."""
        super().__init__(key)
        self.disk = disk
        self.model = model
        self.abilities = abilities
        self.loading = loading
        self.transparent = transparent
        """Whether the model makes images with transparency."""

    def check(self, request: Request) -> None:
        """Refuse a wrong key, before anything else."""
        if not self.has_key(request):
            raise Refused(401, "Could not validate credentials")

    def missing(self, request: Request) -> Refused:
        """Say of a path what the web page's catch-all says, which is for GET."""
        return Refused(404 if request.method == "GET" else 405, "Method Not Allowed")

    def refuse(self, refused: Refused) -> Response:
        """Answer as FastAPI does."""
        if isinstance(refused.said, bytes):
            said = b"Internal Server Error: " + refused.said
            return Response(said, refused.status, content_type="text/plain; charset=utf-8")
        headers = {401: {"WWW_Authenticate": "Bearer"}, 503: {"Retry_After": "30"}}.get(refused.status, {})
        return document({"detail": refused.said}, refused.status, **headers)

    def models(self, _: Request) -> Any:
        """List the model."""
        about = {"model_type": "image", "model_name": self.model, "model_ability": list(self.abilities)}
        entry = {"id": self.model, "object": "model", "created": 0, "owned_by": "xinference", **about}
        return {"object": "list", "data": [entry]}

    def generate(self, request: Request) -> Any:
        """POST /v1/images/generations."""
        try:
            asked = request.json
        except ValueError as error:
            raise Refused(500, str(error).encode()) from error
        absent = [name for name in ("model", "prompt") if name not in asked]
        if absent:
            lines = "".join(f"\n{name}\n  {_NEEDED} [type=missing, input_value=…, input_type=dict]" for name in absent)
            count = f"{len(absent)} validation error{'s' * (len(absent) > 1)}"
            raise Refused(500, f"{count} for TextToImageRequest{lines}".encode())
        self._find(asked["model"])
        self._needs("text2image")
        box = self._box(asked.get("size", "1024*1024"))
        images = [plain(box, n) for n in range(asked.get("n", 1))]
        return self._response(images, asked.get("response_format", "url"))

    def vary(self, request: Request) -> Any:
        """POST /v1/images/variations."""
        asked = self._form(request, "model", files=("image",))
        self._find(asked["model"])
        self._needs("image2image")
        inputs = [opened(data) for data in files_of(request, "image")]
        if "prompt" not in asked:
            raise _actor("Provide either `prompt` or `prompt_embeds`. Cannot leave both undefined.")
        box = self._box(asked["size"]) if asked.get("size") else inputs[0].size
        images = [edited(inputs, box)] * (whole(asked.get("n", "1")) or 1)
        return self._response(images, asked.get("response_format", "url"))

    def inpaint(self, request: Request) -> Any:
        """POST /v1/images/inpainting."""
        asked = self._form(request, "model", files=("image", "mask_image"))
        self._find(asked["model"])
        self._needs("inpainting")
        image, mask = (opened(files_of(request, name)[0]) for name in ("image", "mask_image"))
        box = self._box(asked.get("size") or f"{image.width}*{image.height}")
        images = [edited([image], box, mask)] * (whole(asked.get("n", "1")) or 1)
        return self._response(images, asked.get("response_format", "url"))

    def edit(self, request: Request) -> Any:
        """POST /v1/images/edits."""
        asked = self._form(request, "prompt")
        names = ("images", "images[]", "image[]", "image")
        files = next(filter(None, (files_of(request, name) for name in names)), None)
        if files is None:
            raise Refused(400, "At least one image file is required")
        wanted = asked.get("response_format", "url")
        if wanted not in {"url", "b64_json"}:
            raise Refused(400, "response_format must be 'url' or 'b64_json'")
        if not asked.get("model") and not {"image2image", "inpainting"} & set(self.abilities):
            raise Refused(400, "No available image models found")
        self._find(asked.get("model") or self.model)
        inputs = [opened(data) for data in files]
        masks = [opened(data) for data in files_of(request, "mask")]
        size = asked.get("size", "original")
        if asked.get("stream", "false").lower() in {"true", "1", "on", "yes"}:
            return self._stream(asked, inputs, masks)
        images = [self._edited(inputs, masks, size)] * (whole(asked.get("n", "1")) or 1)
        return self._response(images, wanted)

    def _edited(self, inputs: list[Image.Image], masks: list[Image.Image], size: str) -> Image.Image:
        if masks:
            self._needs("inpainting")
            # A width and a height are read whatever was said of the size.
            return edited(inputs[:1], self._box("" if size == "original" else size), masks[0])
        self._needs("image2image")
        box = inputs[0].size if size in {"original", ""} else self._box(size)
        return edited(inputs, box)

    def _stream(self, asked: dict[str, str], inputs: list[Image.Image], masks: list[Image.Image]) -> Response:
        moment = "2026-11-23T08:00:00.000000"
        start = {
            "type": "image_edit_started",
            "timestamp": moment,
            "prompt": asked["prompt"],
            "image_count": len(inputs),
        }
        step: dict[str, Any] = {"type": "starting_generation", "timestamp": moment}
        if masks:
            step = {"type": "mask_loaded", "timestamp": moment, "mask_size": list(masks[0].size)}
        events = [("start", start), ("processing", step)]
        try:
            images = [self._edited(inputs, masks, asked.get("size", "original"))] * (whole(asked.get("n", "1")) or 1)
            events.append(("complete", self._response(images, asked.get("response_format", "url"))))
        except Refused as refused:
            events.append(("error", {"type": "image_edit_error", "timestamp": moment, "error": refused.said}))
        return stream(events, newline="\r\n")

    # What can be wrong

    @staticmethod
    def _form(request: Request, *names: str, files: tuple[str, ...] = ()) -> dict[str, str]:
        asked = form_of(request)
        absent = [name for name in names if name not in asked] + [one for one in files if not files_of(request, one)]
        if absent or not is_form(request):
            entries = [{"type": "missing", "loc": ["body", name], "msg": _NEEDED, "input": None} for name in absent]
            raise Refused(422, entries)
        return asked

    def _find(self, model: str) -> None:
        if model != self.model:
            raise Refused(404, f"{_ACTOR} Model not found in the model list, uid: {model}")
        if self.loading:
            raise Refused(503, f"Model is loading, please retry later: {_ACTOR} Model {model} is not ready")

    def _needs(self, ability: str) -> None:
        if ability not in self.abilities:
            raise _actor(f"{self.model} does not support {ability}")

    @staticmethod
    def _box(size: str) -> tuple[int, int]:
        try:
            width, height = map(int, re.split(r"[^\d]+", size))
        except ValueError as error:
            raise _actor(str(error)) from error
        if width % 8 or height % 8:
            raise _actor(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")
        return width, height

    # The response

    def _response(self, images: list[Image.Image], wanted: str) -> dict[str, Any]:
        if wanted not in {"url", "b64_json"}:
            raise _actor(f"Unsupported response format: {wanted}")
        data = []
        for index, image in enumerate(images):
            name = f"{len(self.requests):04x}{index:028x}"
            shown, kind, ending = (image.convert("RGBA"), "PNG", "png") if self.transparent else (image, "JPEG", "jpg")
            content = encoded(shown, kind)
            if wanted == "url":
                path = self.disk / f"{name}.{ending}"
                path.write_bytes(content)
                data.append({"url": str(path), "b64_json": None})
            else:
                data.append({"url": None, "b64_json": b64(content)})
        return {"created": int(time.time()), "data": data}


_ACTOR = "[address=127.0.0.1:44123, pid=4711]"


def _actor(said: str) -> Refused:
    return Refused(500, f"{_ACTOR} {said}")
