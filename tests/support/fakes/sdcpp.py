"""A fake of stable-diffusion.cpp's sd-server.

Written from leejet/stable-diffusion.cpp at 97d2990 (2026-08-19): examples/server/routes_openai.cpp (routes, fields,
responses, errors), examples/server/runtime.cpp (output formats), examples/server/api.md, examples/common/media_io.cpp
`load_image_common` (what an upload is read as), examples/common/common.cpp (n is clamped to 1…8, 512x512 where no
size is known), src/stable-diffusion.cpp (sizes are aligned up, a mask value rounded to 1 is what is made anew),
examples/server/main.cpp (no key, no such route: 404 with nothing in it).

- POST /v1/images/generations reads JSON: prompt, n, size (`WxH`; without an x it is ignored), output_format (png,
  jpeg, webp), output_compression. A value of the wrong type, null too, is 500. Nothing else is read: model, quality,
  response_format, stream, seed.
- POST /v1/images/edits reads multipart: prompt, `image[]` (all of them) or else `image` (the first), `mask`, n, size,
  output_format (png and jpeg only), output_compression. An upload with fewer than three channels, or that is no
  image, is left out in silence. The alpha of image and mask is dropped: white is what changes.
- The response: created, output_format, data[].b64_json. The seed is 42 unless the server was started with another, or
  the prompt holds <sd_cpp_extra_args>: the same request gives the same image.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin, UnidentifiedImageError
from werkzeug.wrappers import Response

from support.fakes.base import Fake, Refused, document, edited, encoded, plain
from support.serving import b64

if TYPE_CHECKING:
    from support.serving import Request

_MULTIPLE = 64
_DEFAULT = 512
_SEED = 42
_EXTRA = re.compile(r"<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")


class SdCpp(Fake):
    """sd-server with a model that can edit.

    `renders=False` is one whose rendering fails, `webp=False` one that was built without WebP.
    """

    def __init__(self, *, renders: bool = True, webp: bool = True) -> None:
        """Listen."""
        super().__init__()
        self.renders = renders
        self.webp = webp

    def handle(self, request: Request) -> Response:
        """Answer as sd-server does."""
        match request.method, request.path:
            case "GET", "/v1/models":
                return document({"data": [{"id": "sd-cpp-local", "object": "model", "owned_by": "local"}]})
            case "POST", "/v1/images/generations":
                make = self._generate
            case "POST", "/v1/images/edits":
                make = self._edit
            case _:
                return Response(status=404)
        try:
            return make(request)
        except (ValueError, TypeError) as error:
            return document({"error": "server_error", "message": f"[json.exception.type_error.302] {error}"}, 500)

    def refuse(self, refused: Refused) -> Response:
        """Answer with the words alone."""
        return document({"error": refused.said}, refused.status)

    def _generate(self, request: Request) -> Response:
        if not request.body:
            raise Refused(400, "empty body")
        body = request.json
        prompt = _typed(body, "prompt", str, "")
        count = max(1, _typed(body, "n", int, 1))
        size = _size(_typed(body, "size", str, ""), (_DEFAULT, _DEFAULT))
        kind = _typed(body, "output_format", str, "png")
        quality = _typed(body, "output_compression", int, 100)
        if not prompt:
            raise Refused(400, "prompt required")
        kind = _format(kind, ("png", "jpeg", "webp") if self.webp else ("png", "jpeg"))
        seed = _extra(prompt).get("seed", _SEED)
        images = [plain(_aligned(size), seed - _SEED + n) for n in range(min(count, 8))]
        return self._send(images, prompt, kind, quality)

    def _edit(self, request: Request) -> Response:
        if "multipart/form-data" not in request.headers.get("content-type", ""):
            raise Refused(400, "Content-Type must be multipart/form-data")
        form = request.form
        # A part with an empty file name counts as no file.
        files = {name: [data for filename, _, data in found if filename] for name, found in request.files.items()}
        if not form.get("prompt"):
            raise Refused(400, "prompt required")
        uploads = files.get("image[]") or files.get("image", [])[:1]
        if not uploads:
            raise Refused(400, "at least one image[] required")
        count = _stoi(form.get("n", ""), 1)
        quality = _stoi(form.get("output_compression", ""), 100)
        kind = _format(form.get("output_format", "png"), ("png", "jpeg"))
        wanted = _size(form.get("size", ""), None)
        inputs = [image for data in uploads if (image := _read(data, wanted, webp=self.webp)) is not None]
        size = wanted or (inputs[0].size if inputs else None)
        opened = None
        if mask := files.get("mask"):
            opened = _grey(mask[0])
            if size is None:
                size = opened.size
        _extra(form["prompt"])
        size = _aligned(size or (_DEFAULT, _DEFAULT))
        # Without an image that could be read, one is invented.
        image = edited(inputs, size, opened) if inputs else plain(size)
        return self._send([image] * max(1, min(count, 8)), form["prompt"], kind, quality)

    def _send(self, images: list[Image.Image], prompt: str, kind: str, quality: int) -> Response:
        if not self.renders:
            return document({"error": "generate_image returned no results"}, 500)
        text = PngImagePlugin.PngInfo()
        text.add_text("parameters", f"{_EXTRA.sub('', prompt)}\nSteps: 20, Seed: 42, Version: stable-diffusion.cpp")
        options: dict[str, Any] = {"pnginfo": text} if kind == "png" else {"quality": quality}
        data = [{"b64_json": b64(encoded(one, kind, **options))} for one in images]
        return document({"created": 1785000000, "data": data, "output_format": kind})


def _typed(body: Any, name: str, kind: type, default: Any) -> Any:
    """Read a field as nlohmann's json.value() does: absent is the default, another type an error."""
    if not isinstance(body, dict):
        raise TypeError("cannot use value() with a body that is no object")
    value = body.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"type must be {'number' if kind is int else 'string'}, but is {type(value).__name__}")
    return value


def _extra(prompt: str) -> dict[str, Any]:
    """Read the server's own fields out of the prompt."""
    found = _EXTRA.search(prompt)
    try:
        return dict(json.loads(found[1])) if found else {}
    except (ValueError, TypeError) as error:
        raise Refused(400, "invalid sd_cpp_extra_args") from error


def _stoi(text: str, default: int) -> int:
    found = re.match(r"\s*[+-]?\d+", text)
    return int(found[0]) if found else default


def _size(text: str, default: tuple[int, int] | None) -> tuple[int, int] | None:
    left, x, right = text.partition("x")
    width, height = _stoi(left, 0), _stoi(right, 0)
    return (width, height) if x and width > 0 and height > 0 else default


def _aligned(size: tuple[int, int]) -> tuple[int, int]:
    width, height = (-(-side // _MULTIPLE) * _MULTIPLE for side in size)
    return width, height


def _format(kind: str, valid: tuple[str, ...]) -> str:
    if kind.lower() not in valid:
        raise Refused(400, f"invalid output_format, must be one of [{', '.join(valid)}]")
    return kind.lower()


def _read(data: bytes, wanted: tuple[int, int] | None, *, webp: bool) -> Image.Image | None:
    """Read an upload as three channels; None where that is not possible."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (UnidentifiedImageError, OSError):
        return None
    if image.format == "WEBP" and not webp:
        return None
    if image.mode in {"1", "L", "LA", "I", "I;16"}:
        return None
    # convert("RGB") of an RGBA image drops its alpha and keeps what lies beneath, as stb_image does.
    image = image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
    return image if wanted is None else _fitted(image, wanted)


def _fitted(image: Image.Image, wanted: tuple[int, int]) -> Image.Image:
    """Crop to the shape that is wanted, from the middle, and scale."""
    width, height = image.size
    aspect = wanted[0] / wanted[1]
    crop = (int(height * aspect), height) if width / height > aspect else (width, int(width / aspect))
    left, top = (width - crop[0]) // 2, (height - crop[1]) // 2
    return image.resize(wanted, box=(left, top, left + crop[0], top + crop[1]))


def _grey(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    return (image.convert("RGBA") if image.mode == "P" else image).convert("RGB").convert("L")
