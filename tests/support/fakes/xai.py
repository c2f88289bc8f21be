"""xAI's image API, as its publishers describe it.

Sources, read on 2026-11-23:
    [ref]   xAI's REST reference, as stored third-party copies have it (withone.ai), and docs.x.ai: image overview,
            generation, multi-image editing (2026-05-26), debugging errors
    [ai]    npm @ai-sdk/xai 3.0.138, src/xai-image-model.ts, xai-image-options.ts, xai-error.ts, docs/01-xai.mdx
    [sdk]   PyPI xai-sdk 1.21.0, xai_sdk/cost.py and image.py; xai-org/xai-proto, proto/xai/api/v1/{image,usage}.proto
    [seen]  responses of the live service, quoted in public repositories

- POST /v1/images/generations and /v1/images/edits, **JSON only**: multipart gets 415 [ref: the OpenAI package's edit
  does not work for this reason]. No variations. GET /v1/models is OpenAI's list.
- Read: `prompt` (required), `model`, `n` 1 to 10, `response_format` url (default) | b64_json, `aspect_ratio`,
  `resolution` 1k | 2k, `quality` low | medium | high, `user`; edits: `image` {url, type: "image_url"} or `images`
  [{…}], never both, url = http(s) or data: URL [ref, ai, sdk].
- `size`: 400 "Argument not supported: size" [seen]. A mask is not supported [ai]: refused here in the same way
  (assumed; a third-party copy of the reference lists `mask`, xai-proto does not). `seed`, `style`,
  `negative_prompt`, `output_format` and everything else: taken and ignored [seen]. So is `image` on generations [seen].
- A wrong type or an unknown value of an enum: 422, plain text "Failed to deserialize the JSON body …" [seen]; a missing
  prompt, too [ref: "missing fields in the request body"].
- One input keeps its own shape whatever `aspect_ratio` says [replicate's and scenario's descriptions of the model];
  several follow the first unless `aspect_ratio` is given [ref]. Up to three inputs; grok-imagine-image-2.0 takes five.
- Images are JPEG [seen]; sizes for ratios as seen: 3:4 864x1152, 3:2 1248x832, 16:9 1280x720.
- The response: `data` [{url | b64_json, mime_type, revised_prompt: "", respect_moderation}], `block_reason`,
  `usage` {cost_in_usd_ticks}, no `created` [ref, ai]. 1 tick = 1e-10 USD [sdk].
- Moderation, three ways: an item with `respect_moderation: false` and no image in a 200 [ai, sdk]; `data: []` in a
  200 [vercel/ai#19168]; 400 "Generated image rejected by content moderation." **with the usage billed** [seen].
- Errors: {"code": "Client specified an invalid argument", "error": "sentence"} [ai, seen]. A **wrong key is 400**
  "Incorrect API key provided" [ref]; no Authorization at all is 401 [ref]; an unknown model 404 [ref].
- Batches [docs.x.ai, Batch API, and its translation in LiteLLM 1.110.2, llms/xai/batches]: a file is uploaded without a
  purpose, a line each request as OpenAI writes it; POST /v1/batches {name, input_file_id} returns {batch_id, name,
  create_time, expire_time, state: {num_requests, num_pending, num_success, num_error, num_cancelled}, cancel_time,
  cancel_by_xai_message}; no status. GET /v1/batches/{id}/results?limit=&pagination_token= returns {results:
  [{batch_request_id, batch_result: {response: {KIND: body}} or {error: {code, message}}}], pagination_token}, while the
  batch is at work too; POST /v1/batches/{id}:cancel. GET /v1/batches lists {batches, pagination_token}. What a batch
  costs is half.
- A team without data retention gets no URLs: 400 unless b64_json is asked for [seen]; `zero_data_retention` here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from PIL import UnidentifiedImageError

from support.fakes.base import Cloud, Refused, encoded, from_data_url, media_type, place, plain, reworked
from support.serving import b64

if TYPE_CHECKING:
    from PIL import Image

    from support.serving import Request

KEY = "xai-key-0123456789"
TICKS = 200_000_000
"""What one image costs: 0.02 USD."""
INPUT_TICKS = 20_000_000

SIZES = {
    "1:1": (1024, 1024),
    "auto": (1024, 1024),
    "3:4": (864, 1152),
    "4:3": (1152, 864),
    "9:16": (720, 1280),
    "16:9": (1280, 720),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "9:19.5": (704, 1520),
    "19.5:9": (1520, 704),
    "9:20": (688, 1536),
    "20:9": (1536, 688),
    "1:2": (720, 1456),
    "2:1": (1456, 720),
}
_MODELS = {"grok-imagine-image": 3, "grok-imagine-image-quality": 3, "grok-imagine-image-2.0": 5}
"""Each model and how many inputs it takes."""
_ENUMS = {
    "aspect_ratio": tuple(SIZES),
    "resolution": ("1k", "2k"),
    "quality": ("low", "medium", "high"),
    "response_format": ("url", "b64_json"),
}
_ARGUMENT = "Client specified an invalid argument"


@dataclass
class _Batch:
    id: str
    name: str
    input_file_id: str
    lines: list[dict[str, Any]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    validated: bool = False
    cancelled: bool = False

    @property
    def document(self) -> dict[str, Any]:
        failed = sum("error" in each["batch_result"] for each in self.results)
        left = len(self.lines) - len(self.results)
        return {
            "batch_id": self.id,
            "name": self.name,
            "input_file_id": self.input_file_id,
            "create_time": "2026-11-29",
            "expire_time": "2026-12-29",
            "cancel_time": "2026-11-29" if self.cancelled else None,
            "cancel_by_xai_message": None,
            "state": {
                "num_requests": len(self.lines) if self.validated else 0,
                "num_pending": left if self.validated and not self.cancelled else 0,
                "num_success": len(self.results) - failed,
                "num_error": failed,
                "num_cancelled": left if self.cancelled else 0,
            },
        }


class XAI(Cloud):
    """The service behind api.x.ai."""

    def __init__(self) -> None:
        """Serve teams whose data is kept, and base64 without a prefix."""
        super().__init__()
        self.zero_data_retention = False
        self.data_urls = False
        """Whether b64_json holds data: URLs, as a copy of the documentation of 2025 shows."""
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, _Batch] = {}
        self.at_once = 2
        """How many requests of a batch are done each time that it is asked for."""
        self.most_on_page = 2

    def handle(self, request: Request) -> Any:
        """Check the key, find the route."""
        _check_key(request)
        path, _ = place(request)
        if request.method == "GET" and path == "/v1/models":
            names = ("grok-4.6", *_MODELS)
            one = {"created": 1769000000, "object": "model", "owned_by": "xai"}
            return {"object": "list", "data": [{"id": name, **one} for name in names]}
        if path == "/v1/files" and request.method == "POST":
            return self._keep(request)
        if path.startswith("/v1/batches"):
            return self._batch(request, path.removeprefix("/v1/batches").strip("/"))
        if path not in {"/v1/images/generations", "/v1/images/edits"}:
            raise Refused(404, {"code": "Not Found", "error": f"The requested URL {path} was not found"})
        if request.method != "POST":
            raise Refused(405, "", "text/plain")
        if media_type(request) != "application/json":
            raise Refused(415, "Expected request with `Content-Type: application/json`", "text/plain")
        fields = _fields(request)
        model = fields.get("model") or "grok-imagine-image"
        if model not in _MODELS:
            message = f"The model {model} does not exist or your team does not have access to it."
            raise Refused(404, {"code": "Some requested entity was not found", "error": message})
        if self.zero_data_retention and fields.get("response_format") != "b64_json":
            raise _argument("URLs are not available to teams with zero data retention; use response_format b64_json.")
        if path.endswith("edits"):
            inputs = _inputs(fields, most=_MODELS[model])
            shape = fields.get("aspect_ratio") if len(inputs) > 1 else None
            size = _scaled(SIZES[shape], fields) if shape else _kept(inputs[0])
            return self._respond_with(fields, [reworked(inputs, size)] * fields["n"], INPUT_TICKS * len(inputs))
        size = _scaled(SIZES[fields.get("aspect_ratio") or "1:1"], fields)
        return self._respond_with(fields, [plain(size, number) for number in range(fields["n"])], 0)

    # Batches

    def _keep(self, request: Request) -> Any:
        (part,) = request.files["file"]
        name = f"file-{len(self.files)}"
        self.files[name] = part[2]
        return {"id": name, "bytes": len(part[2]), "filename": part[0], "purpose": ""}

    def _batch(self, request: Request, rest: str) -> Any:
        _, query = place(request)
        if request.method == "POST" and not rest:
            fields = request.json
            if fields.keys() != {"name", "input_file_id"} or fields["input_file_id"] not in self.files:
                raise _argument("name and input_file_id are required")
            made = _Batch(f"batch_{len(self.batches)}", fields["name"], fields["input_file_id"])
            made.lines = [json.loads(line) for line in self.files[fields["input_file_id"]].splitlines()]
            self.batches[made.id] = made
            return made.document
        if not rest:
            return {"batches": [made.document for made in self.batches.values()], "pagination_token": None}
        name, _, what = rest.replace(":", "/").partition("/")
        if name not in self.batches:
            raise Refused(404, {"code": "Some requested entity was not found", "error": f"Batch {name} not found"})
        made = self.batches[name]
        if request.method == "POST" and what == "cancel":
            made.cancelled = True
            return made.document
        if what == "results":
            start = int(query.get("pagination_token", 0))
            end = start + min(int(query.get("limit", 100)), self.most_on_page)
            more = str(end) if end < len(made.results) else None
            return {"results": made.results[start:end], "pagination_token": more}
        if made.validated and not made.cancelled:
            for line in made.lines[len(made.results) :][: self.at_once]:
                made.results.append(self._result(line, request))
        made.validated = True
        return made.document

    def _result(self, line: dict[str, Any], request: Request) -> Any:
        kind = "image_generation" if line["url"].endswith("generations") else "image_edit"
        headers = request.headers | {"content-type": "application/json"}
        asked = replace(
            request, method="POST", path=line["url"], headers=headers, body=json.dumps(line["body"]).encode()
        )
        try:
            body = self.handle(asked)
        except Refused as refused:
            said = refused.said if isinstance(refused.said, dict) else {"code": refused.status, "error": refused.said}
            return {
                "batch_request_id": line["custom_id"],
                "batch_result": {"error": {"code": said["code"], "message": said["error"]}},
            }
        body["usage"] = {"cost_in_usd_ticks": body["usage"]["cost_in_usd_ticks"] // 2}
        return {"batch_request_id": line["custom_id"], "batch_result": {"response": {kind: body}}}

    def _respond_with(self, fields: dict[str, Any], made: list[Image.Image], ticks: int) -> Any:
        prompt = fields["prompt"]
        usage = {"cost_in_usd_ticks": ticks + TICKS * len(made)}
        if "rejected" in prompt:
            document = {"code": _ARGUMENT, "error": "Generated image rejected by content moderation.", "usage": usage}
            raise Refused(400, document)
        if "blocked" in prompt:
            return {"data": [], "block_reason": "content moderation", "usage": {"cost_in_usd_ticks": 0}}
        data = [self._item(fields, encoded(image, "JPEG")) for image in made]
        bad = {"moderated": range(len(data)), "partly improper": range(1, len(data))}
        for words, numbers in bad.items():
            for number in numbers if words in prompt else ():
                data[number] = {"url": None, "b64_json": None, "revised_prompt": "", "respect_moderation": False}
        return {"data": data, "block_reason": None, "usage": usage}

    def _item(self, fields: dict[str, Any], image: bytes) -> dict[str, Any]:
        item = {"mime_type": "image/jpeg", "revised_prompt": "", "respect_moderation": True}
        if fields.get("response_format") == "b64_json":
            prefix = "data:image/jpeg;base64," if self.data_urls else ""
            return {"b64_json": prefix + b64(image), **item}
        return {"url": self.store.put(image, "jpeg"), **item}


def _check_key(request: Request) -> None:
    given = request.headers.get("authorization")
    if not given or not given.startswith("Bearer "):
        message = "No credentials were provided. Supply an Authorization: Bearer header."
        raise Refused(401, {"code": "unauthenticated:no-credentials", "error": message})
    if given != f"Bearer {KEY}":
        raise _argument("Incorrect API key provided: xa***89. You can obtain an API key from https://console.x.ai.")


def _argument(message: str) -> Refused:
    return Refused(400, {"code": _ARGUMENT, "error": message})


def _malformed(reason: str) -> Refused:
    return Refused(422, f"Failed to deserialize the JSON body into the target type: {reason}", "text/plain")


def _fields(request: Request) -> dict[str, Any]:
    try:
        fields = request.json
    except ValueError:
        raise Refused(400, "Failed to parse the request body as JSON", "text/plain") from None
    if "prompt" not in fields:
        raise _malformed("missing field `prompt`")
    for name, values in _ENUMS.items():
        if fields.get(name) is not None and fields[name] not in values:
            expected = ", ".join(f"`{value}`" for value in values)
            raise _malformed(f"{name}: unknown variant `{fields[name]}`, expected one of {expected}")
    for name in ("size", "mask"):
        if fields.get(name) is not None:
            raise _argument(f"Argument not supported: {name}")
    count = 1 if fields.get("n") is None else fields["n"]
    if type(count) is not int:
        raise _malformed(f"n: invalid type: {type(count).__name__}, expected i32")
    if not 1 <= count <= 10:
        raise _argument("n must be between 1 and 10")
    if not fields["prompt"]:
        raise _argument("The prompt must not be empty")
    return {**fields, "n": count}


def _inputs(fields: dict[str, Any], *, most: int) -> list[bytes]:
    one, several = fields.get("image"), fields.get("images")
    if (one is None) == (several is None):
        raise _argument("Exactly one of image and images must be given")
    given = [one] if several is None else several
    if len(given) > most:
        raise _argument(f"At most {most} images can be edited at once")
    return [_input(entry) for entry in given]


def _input(entry: Any) -> bytes:
    if not isinstance(entry, dict):
        raise _malformed("image: invalid type: string, expected struct ImageUrl")
    if entry.get("type", "image_url") != "image_url" or "url" not in entry:
        raise _malformed("image: missing field `url`")
    if urlsplit(entry["url"]).scheme in {"http", "https"}:
        raise _argument("The image could not be downloaded")
    try:
        data = from_data_url(entry["url"])
        reworked([data], (1, 1))
    except (ValueError, UnidentifiedImageError):
        raise _argument("The image is not a valid image") from None
    return data


def _scaled(size: tuple[int, int], fields: dict[str, Any]) -> tuple[int, int]:
    factor = 2 if fields.get("resolution") == "2k" else 1
    return size[0] * factor, size[1] * factor


def _kept(data: bytes) -> tuple[int, int]:
    """Return about a million pixels of the input's own shape, both sides multiples of 16."""
    import io

    from PIL import Image

    width, height = Image.open(io.BytesIO(data)).size
    scale = (1_048_576 / (width * height)) ** 0.5
    return max(16, round(width * scale / 16) * 16), max(16, round(height * scale / 16) * 16)
