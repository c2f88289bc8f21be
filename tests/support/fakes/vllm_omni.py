"""A fake of vLLM-Omni's image endpoints.

Written from the wheel of vllm-omni 0.30.0, vllm_omni/: entrypoints/openai/api_server.py (`generate_images`,
`edit_images`, `show_available_models`), entrypoints/openai/protocol/images.py (fields, responses, chunks of a stream),
entrypoints/openai/image_api_utils.py (`parse_size`, encoding), entrypoints/openai/images/helpers.py
(`_choose_output_format`, `_load_input_images`, `_get_max_edit_input_images`), entrypoints/openai/serving_chat.py
(`_stream_diffusion_image_chunks`), diffusion/models/flux2_klein/pipeline_flux2_klein.py (what becomes of a mask); and
from vLLM's repository, whose application it extends, vllm/entrypoints/serve/: exception_handling/handlers/http.py and
validation.py, engine/protocol.py (the envelope of errors), middleware/authenticate.py (keys).

- POST /v1/images/generations reads JSON (another content type is 400). `size` needs an x in it, so that "auto" is 400;
  n is 1 to 10; response_format is b64_json or file (the image itself; several as a zip), url is 400. quality, style,
  background, stream and what else it does not know is ignored.
- POST /v1/images/edits reads multipart: `image` (repeated), or, without one, `image[]`; or `url`, `url[]`; prompt; n,
  size ("auto" by itself: the input's), output_format (png), output_compression, background. response_format is
  b64_json only. The mask is `mask_image`, a file or a data: URL; a part called `mask` is read by nobody.
- A mask becomes grey (its alpha is dropped), and white changes. Only the pipeline of FLUX.2 klein looks at it; a
  pipeline of several stages never gets it. The pipeline shrinks an image above a megapixel, and not the size that its
  mask gets: where the two differ, it is 500.
- model may be left out; any name but the server's own is 400.
- An output_format that it does not know (gif) is jpeg, or png on edits with background=transparent.
- stream=true is for edits by a pipeline of several stages, else 400: `data:` lines without event names, each an
  `image.edit.chunk` of type ar_delta (words) or image (`data` as in a response), an object `error`, then [DONE].
- Errors: {"error": {message, type, param, code}} with the status as a number for a code and its words for a type; a
  field that does not fit is 400 with "N validation error(s):" and param "body.size". A wrong key is
  {"error": "Unauthorized"}; a route that does not exist is {"detail": "Not Found"}.
"""

from __future__ import annotations

import io
import math
import time
import zipfile
from http import HTTPStatus
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
    from_data_url,
    opened,
    plain,
    stream,
    whole,
)
from support.serving import b64

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from support.serving import Request

_KNOWN = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
_MOST = 10


class VllmOmni(Fake):
    """One model. `stages` above 1 streams edits and drops masks; `max_inputs` None: they are not counted."""

    routes: ClassVar[Mapping[str, str]] = {
        "GET /v1/models": "models",
        "POST /v1/images/generations": "generate",
        "POST /v1/images/edits": "edit",
    }

    def __init__(
        self,
        *,
        model: str = "black-forest-labs/FLUX.2-klein-4B",
        stages: int = 1,
        max_inputs: int | None = None,
        largest: int | None = None,
        fails: bool = False,
        key: str | None = None,
    ) -> None:
        """Listen."""
        super().__init__(key)
        self.model = model
        self.stages = stages
        self.max_inputs = max_inputs
        self.largest = largest
        """--max-generated-image-size, in pixels."""
        self.fails = fails

    def check(self, request: Request) -> None:
        """Refuse a wrong key, before anything else."""
        if not self.has_key(request):
            raise Refused(401)

    def refuse(self, refused: Refused) -> Response:
        """Answer as vLLM's handlers do."""
        status = HTTPStatus(refused.status)
        if status == HTTPStatus.UNAUTHORIZED:
            return document({"error": "Unauthorized"}, status)
        if status == HTTPStatus.NOT_FOUND:
            return document({"detail": refused.said}, status)
        message, param = refused.said if isinstance(refused.said, tuple) else (refused.said, None)
        error = {"message": message, "type": status.phrase, "param": param, "code": status.value}
        return document({"error": error}, status)

    def models(self, _: Request) -> Any:
        """List the one model."""
        card = {
            "id": self.model,
            "object": "model",
            "created": 1,
            "owned_by": "vllm",
            "root": self.model,
            "parent": None,
        }
        return {"object": "list", "data": [card | {"max_model_len": None, "permission": []}]}

    def generate(self, request: Request) -> Any:
        """POST /v1/images/generations."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise _invalid("value_error", "body", "Unsupported Media Type: Only 'application/json' is allowed")
        asked = request.json
        if not isinstance(asked.get("prompt"), str):
            raise _invalid("missing", "body.prompt", "Field required")
        count = asked.get("n", 1)
        if not isinstance(count, int) or count < 1:
            raise _invalid("greater_than_equal", "body.n", "Input should be greater than or equal to 1")
        if count > _MOST:
            raise _invalid("less_than_equal", "body.n", f"Input should be less than or equal to {_MOST}")
        size = asked.get("size")
        if size is not None and "x" not in size:
            said = "Value error, size must be in format 'WIDTHxHEIGHT' (e.g., '1024x1024')"
            raise _invalid("value_error", "body.size", said)
        wanted = asked.get("response_format", "b64_json")
        if wanted not in {"b64_json", "file"}:
            said = "Value error, Only 'b64_json' or 'file' response format is supported, got: ResponseFormat.URL"
            raise _invalid("value_error", "body.response_format", said)
        self._check_model(asked.get("model"))
        box = self._parse(size) if size else (64, 64)
        self._check_largest(box)
        self._break()
        kind = _chosen(asked.get("output_format") or "png", None)
        files = [_file(plain(box, n), kind, asked.get("output_compression", 100)) for n in range(count)]
        if wanted == "file":
            return self._send_files(files, kind)
        return _response(files, kind, box)

    def edit(self, request: Request) -> Any:
        """POST /v1/images/edits."""
        asked = form_of(request)
        if "prompt" not in asked:
            raise _invalid("missing", "body.prompt", "Field required")
        count = whole(asked.get("n", "1"))
        if count is None:
            said = "Input should be a valid integer, unable to parse string as an integer"
            raise _invalid("int_parsing", "body.n", said)
        quality = whole(asked.get("output_compression", "100"), -1)
        if not 0 <= quality <= 100:
            raise _invalid("less_than_equal", "body.output_compression", "Input should be less than or equal to 100")
        self._check_model(asked.get("model"))
        kind = _chosen(asked.get("output_format", "png"), asked.get("background", "auto"))
        if asked.get("response_format", "b64_json") != "b64_json":
            raise Refused(400, "Only response_format 'b64_json' is supported now.")
        streams = asked.get("stream", "false").lower() in {"true", "1", "on", "yes"}
        if streams and self.stages == 1:
            raise Refused(400, "stream=true is only supported for multi-stage image editing pipelines.")
        inputs = self._inputs(request)
        mask = self._mask(request) if self.stages == 1 else None
        size = asked.get("size", "auto")
        box = inputs[0].size if size.lower() == "auto" else self._parse(size)
        self._check_largest(box)
        if mask is not None:
            self._check_tensors(inputs[0].size, box)
        image = edited(inputs, box, mask)
        if streams:
            return self._stream([_file(image, kind, quality)] * count, kind, box)
        self._break()
        return _response([_file(image, kind, quality)] * count, kind, box)

    # What can be wrong

    def _check_model(self, name: str | None) -> None:
        if name is not None and name != self.model:
            raise Refused(400, f"Model mismatch: request specifies '{name}' but server is running '{self.model}'.")

    def _check_largest(self, box: tuple[int, int]) -> None:
        if self.largest is not None and box[0] * box[1] > self.largest:
            raise Refused(
                400,
                f"Requested image size {box[0]}x{box[1]} exceeds the maximum allowed size of {self.largest} pixels. "
                "You can reduce the requested size or increase the server's --max-generated-image-size limit.",
            )

    @staticmethod
    def _check_tensors(image: tuple[int, int], box: tuple[int, int]) -> None:
        scale = min(1, math.sqrt(1024 * 1024 / (image[0] * image[1])))
        shrunk, wanted = ([int(side * by) // 16 * 16 for side in size] for size, by in ((image, scale), (box, 1)))
        if shrunk != wanted:
            said = f"The size of tensor a ({shrunk[0]}) must match the size of tensor b ({wanted[0]})"
            raise Refused(500, f"Image edit failed: {said} at non-singleton dimension 3")

    def _break(self) -> None:
        if self.fails:
            raise Refused(500, "EngineCore encountered an issue. See stack trace for the root cause.")

    @staticmethod
    def _parse(size: str) -> tuple[int, int]:
        sides = [whole(side) for side in size.split("x")]
        if len(sides) != 2:
            said = "Expected format: 'WIDTHxHEIGHT' (e.g., '1024x1024'). Did you mean to use 'x' as separator?"
            raise Refused(400, f"Invalid size format: '{size}'. {said}")
        if None in sides:
            raise Refused(400, f"Invalid size format: '{size}'. Width and height must be integers.")
        if min(sides) <= 0:
            said = "Width and height must be positive integers."
            raise Refused(400, f"Invalid size: {sides[0]}x{sides[1]}. {said}")
        return sides[0], sides[1]

    # The images of an edit

    def _inputs(self, request: Request) -> list[Image.Image]:
        files = files_of(request, "image") or files_of(request, "image[]")
        asked = form_of(request)
        links = [asked[name] for name in ("url", "url[]") if name in asked][:1]
        if not files and not links:
            raise Refused(422, "Field 'image' or 'url' is required")
        if self.max_inputs is not None and len(files) + len(links) > self.max_inputs:
            several = (
                f"Received {len(files) + len(links)} input images. "
                f"At most {self.max_inputs} images are supported by this model."
            )
            only = "Received multiple input images. Only a single image is supported by this model."
            raise Refused(400, only if self.max_inputs == 1 else several)
        return [_opened(data) for data in (*files, *map(from_data_url, links))]

    def _mask(self, request: Request) -> Image.Image | None:
        files = files_of(request, "mask_image")
        text = form_of(request).get("mask_image")
        if not files and text is None:
            return None
        return _opened(files[0] if files else from_data_url(text or ""))

    # The response

    @staticmethod
    def _send_files(files: list[bytes], kind: str) -> Response:
        if len(files) == 1:
            return Response(files[0], content_type="image/jpeg" if kind == "jpg" else f"image/{kind}")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for index, data in enumerate(files):
                archive.writestr(f"image_{index}.{kind}", data)
        return Response(packed.getvalue(), content_type="application/zip")

    def _stream(self, files: list[bytes], kind: str, box: tuple[int, int]) -> Response:
        shared = {"created": int(time.time()), "model": self.model, "metrics": None}
        words = [
            {"object": "image.edit.chunk", "type": "ar_delta", "delta": text, "index": 0, **shared}
            for text in ("a fox ", "in the snow")
        ]
        last: dict[str, Any] = {
            "object": "image.edit.chunk",
            "type": "image",
            "data": _data(files),
            "output_format": kind,
        }
        last |= {"size": f"{box[0]}x{box[1]}", **shared}
        if self.fails:
            error = {"message": "Streaming image edit completed without a final image output."}
            last = {"object": "error", **shared, "error": error | {"type": "server_error", "code": 500}}
            del last["metrics"]
        return stream([("", chunk) for chunk in (*words, last)], after="data: [DONE]\n\n")


def _invalid(kind: str, where: str, said: str) -> Refused:
    """Return what vLLM says of a field that does not fit."""
    return Refused(400, (f"1 validation error:\n  {{'type': '{kind}', 'loc': '{where}', 'msg': {said!r}}}", where))


def _chosen(asked: str, background: str | None) -> str:
    kind = asked.lower()
    if kind in _KNOWN:
        return kind
    return "png" if (background or "auto").lower() == "transparent" else "jpeg"


def _opened(data: bytes) -> Image.Image:
    try:
        return opened(data)
    except Refused as refused:
        raise Refused(400, f"Failed to open uploaded file: {refused.said}") from refused


def _file(image: Image.Image, kind: str, quality: int) -> bytes:
    if kind == "png":
        return encoded(image, "PNG", compress_level=max(0, min(9, 9 - quality // 11)))
    return encoded(image, _KNOWN[kind], quality=quality)


def _data(files: list[bytes]) -> list[dict[str, Any]]:
    return [{"b64_json": b64(data), "url": None, "revised_prompt": None} for data in files]


def _response(files: list[bytes], kind: str, box: tuple[int, int]) -> dict[str, Any]:
    return {
        "created": int(time.time()),
        "data": _data(files),
        "output_format": kind,
        "size": f"{box[0]}x{box[1]}",
        "cot_output": None,
        "metrics": {"stage_durations": None, "peak_memory_mb": None},
    }
