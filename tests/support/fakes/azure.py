"""Azure OpenAI (Microsoft Foundry) images, the classic deployment paths and v1, as their publishers describe them.

Sources, read on 2026-11-23:
    [how-to]  MicrosoftDocs/azure-ai-docs, articles/ai-foundry/openai/how-to/dall-e.md (stored copy of 2025-09), and the
              2026 page that names gpt-image-2
    [spec]    Azure/azure-rest-api-specs, AzureOpenAI/inference/preview/2025-04-01-preview/examples/image_*.{json,yaml}
              and ai/data-plane/OpenAI.v1/azure-v1-v1-generated.yaml
    [sdk]     openai 3.54.0, openai/lib/azure.py
    [seen]    responses of the live service, quoted in public issues

- Classic: POST {endpoint}/openai/deployments/{deployment}/images/generations and …/edits with ?api-version= [how-to].
  The deployment names the model; `model` in the body is not read. GET {endpoint}/openai/models is not below a
  deployment [sdk]. Edits need 2025-04-01-preview: with an older version, as for any path that is not there,
  404 {"error": {"code": "404", "message": "Resource not found"}} [seen: Azure-Samples/openai#146].
- v1: POST {endpoint}/openai/v1/images/…, GET …/models; `model` names the deployment; `api-version` may be left out,
  "v1" or "preview" [spec]. A dated one is refused (assumed: 400).
- Variations do not exist in either [sdk: no such deployment endpoint].
- Auth: header `api-key`, or `Authorization: Bearer` with an Entra token; v1 takes the key as Bearer too [how-to, sdk].
- An unknown deployment: 404 DeploymentNotFound [seen: MicrosoftDocs/azure-docs#114013].
- GPT Image: base64 only, `response_format` is refused; sizes, qualities, png and jpeg, **no webp**; 1 to 10 images;
  edits are multipart with `image` or `image[]` (PNG or JPEG, < 50 MB) and `mask` (PNG of the same size, alpha 0 is what
  changes) [how-to]; `usage` comes along [spec]. `stream` with `partial_images` 0 to 3 [how-to].
- dall-e-3: url (a blob store, 24 hours) or b64_json, one image, `revised_prompt`, `prompt_filter_results` and
  `content_filter_results` for each image; no edits [how-to, spec].
- Filtered: 400 with `created` and code `contentFilter` [how-to]; 400 `content_policy_violation` with `inner_error`, its
  `content_filter_results` and type `invalid_request_error` [seen: BerriAI/litellm#16072, #19372]; 400 `content_filter`
  with `innererror` and `content_filter_result` [seen: BerriAI/litellm#16231]; 403 `Forbidden` for a resource that is
  blocked [seen: pollinations#9707]. Words of the prompt bring them about here, see FILTERS.
- Request ids: header `apim-request-id` [spec].
- Rates: 429 {"error": {"code": "429"}} with Retry-After; `limited` counts how many requests get that.

Of compression the how-to says that 0 is none and 100 the most, the reverse of OpenAI's; the fake only checks its range.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from PIL import Image, UnidentifiedImageError

from support.fakes.base import Cloud, Refused, as_base64, encoded, media_type, place, plain, reworked, stream

if TYPE_CHECKING:
    from support.serving import Request

KEY = "azure-key-0123456789"
TOKEN = "eyJ0eXAi.eyJhenVyZSI.entra-token"  # noqa: S105 - of a fake
EDITS_SINCE = "2025-04-01-preview"

_NOT_FOUND = {"error": {"code": "404", "message": "Resource not found"}}
_CLASSIC = re.compile(r"/openai/deployments/([^/]+)/images/(generations|edits)")
_V1 = re.compile(r"/openai/v1/images/(generations|edits)")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")

_SAFE = {"filtered": False, "severity": "safe"}
_VIOLENT = {
    "hate": _SAFE,
    "jailbreak": {"detected": False, "filtered": False},
    "self_harm": _SAFE,
    "sexual": _SAFE,
    "violence": {"filtered": True, "severity": "medium"},
}
FILTERS: dict[str, tuple[int, dict[str, Any]]] = {
    "a battle": (
        400,
        {
            "created": 1698435368,
            "error": {"code": "contentFilter", "message": "Your task failed as a result of our safety system."},
        },
    ),
    "a massacre": (
        400,
        {
            "error": {
                "code": "content_policy_violation",
                "inner_error": {"code": "ResponsibleAIPolicyViolation", "content_filter_results": _VIOLENT},
                "message": "Your request was rejected as a result of our safety system. Your prompt may contain text "
                "that is not allowed by our safety system.",
                "type": "invalid_request_error",
            }
        },
    ),
    "a murder": (
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management "
                "policy. Please modify your prompt and retry.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": _VIOLENT},
            }
        },
    ),
    "a picture that turns out badly": (
        400,
        {
            "created": 1698435368,
            "error": {
                "code": "contentFilter",
                "message": "Generated image was filtered as a result of our safety system.",
            },
        },
    ),
    "once too often": (
        403,
        {
            "error": {
                "code": "Forbidden",
                "message": "Your resource has been temporarily blocked because we detected behavior that may violate "
                "our content policy.",
            }
        },
    ),
}
"""What a prompt with these words is answered with."""

_GPT = frozenset(
    [
        "prompt",
        "model",
        "n",
        "size",
        "quality",
        "user",
        "output_format",
        "output_compression",
        "background",
        "moderation",
        "stream",
        "partial_images",
        "input_fidelity",
        "image",
        "image[]",
        "mask",
    ]
)
_DALLE = frozenset(["prompt", "model", "n", "size", "quality", "style", "response_format", "user"])
_GPT_SIZES = ("auto", "1024x1024", "1024x1536", "1536x1024")


class Azure(Cloud):
    """One resource with its deployments: name → model."""

    request_id_header = "apim_request_id"

    def __init__(self) -> None:
        """Deploy three models under names of their own."""
        super().__init__()
        self.deployments = {"pictures": "gpt-image-1.5", "wide": "gpt-image-2", "old painter": "dall-e-3"}
        self.limited = 0

    @property
    def url(self) -> str:
        """The endpoint, as the portal shows it."""
        return self.origin

    def handle(self, request: Request) -> Any:
        """Follow a request through the gate, to its deployment."""
        path, query = place(request)
        path = path.replace("%20", " ")
        version = query.get("api-version")
        v1 = path.startswith("/openai/v1/")
        self._check_key(request, v1=v1)
        if v1 and version not in {None, "v1", "preview"}:
            raise Refused(400, {"error": {"code": "BadRequest", "message": "API version not supported"}})
        if not v1 and not (version and _VERSION.fullmatch(version)):
            raise Refused(404, _NOT_FOUND)
        if request.method == "GET" and path in {"/openai/models", "/openai/v1/models"}:
            return self._models()
        classic, modern = _CLASSIC.fullmatch(path), _V1.fullmatch(path)
        if request.method != "POST" or not (classic or modern):
            raise Refused(404, _NOT_FOUND)
        if self.limited:
            self.limited -= 1
            raise _too_many()
        edit = (classic[2] if classic else modern[1]) == "edits"
        if edit and not v1 and version < EDITS_SINCE:
            raise Refused(404, _NOT_FOUND)
        fields, files = _body(request, edit=edit)
        deployment = classic[1] if classic else fields.get("model")
        if deployment is None:
            raise _invalid("you must provide a model parameter", "model", "missing_required_parameter")
        model = self.deployments.get(str(deployment))
        if model is None:
            raise _no_deployment()
        if model == "dall-e-3":
            return self._dalle(fields, edit=edit)
        return self._gpt(model, fields, files, edit=edit)

    def _check_key(self, request: Request, *, v1: bool) -> None:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = {TOKEN, KEY} if v1 else {TOKEN}
        if request.headers.get("api-key") != KEY and bearer not in known:
            message = (
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
                "for an active subscription and use a correct regional API endpoint for your resource."
            )
            raise Refused(401, {"error": {"code": "401", "message": message}})

    def _models(self) -> Any:
        names = sorted(set(self.deployments.values()))
        one = {"object": "model", "status": "succeeded", "lifecycle_status": "generally-available"}
        return {"object": "list", "data": [{"id": name, "created_at": 1730000000, **one} for name in names]}

    def _dalle(self, fields: dict[str, Any], *, edit: bool) -> Any:
        if edit:
            raise _invalid("The model 'dall-e-3' does not support image edits.", "model", "invalid_value")
        _known(fields, _DALLE)
        prompt = _prompt(fields)
        if _count(fields) != 1:
            raise _invalid("You must provide n=1 for this model.", "n", "invalid_value")
        _one_of(fields, "size", ("1024x1024", "1792x1024", "1024x1792"))
        _one_of(fields, "quality", ("standard", "hd"))
        _one_of(fields, "style", ("vivid", "natural"))
        _one_of(fields, "response_format", ("url", "b64_json"))
        image = plain(_size(fields), 0)
        item: dict[str, Any] = {
            "revised_prompt": f"A vivid picture of {prompt}",
            "prompt_filter_results": {**dict.fromkeys(_VIOLENT, _SAFE), "custom_blocklists": {"filtered": False}},
            "content_filter_results": dict.fromkeys(_VIOLENT, _SAFE),
        }
        if fields.get("response_format") == "b64_json":
            item["b64_json"] = as_base64(image, "PNG")
        else:
            item["url"] = self.store.put(encoded(image, "PNG"), "png") + "?se=2026-11-24T07%3A45%3A09Z&sig=x"
        return {"created": 1698342300, "data": [item]}

    def _gpt(
        self, model: str, fields: dict[str, Any], files: dict[str, list[tuple[str, str, bytes]]], *, edit: bool
    ) -> Any:
        _known({**fields, **files}, _GPT)
        _prompt(fields)
        count = _count(fields)
        if model == "gpt-image-2":
            _free_size(fields)
        else:
            _one_of(fields, "size", _GPT_SIZES)
        _one_of(fields, "quality", ("low", "medium", "high", "auto"))
        _one_of(fields, "output_format", ("png", "jpeg"))
        compression = fields.get("output_compression", 100)
        if not 0 <= int(compression) <= 100:
            raise _invalid("Invalid 'output_compression'.", "output_compression", "invalid_value")
        kind = str(fields.get("output_format", "png")).upper()
        size = _size(fields)
        if edit:
            inputs, mask = _inputs(files)
            made = [reworked(inputs, size, mask) for _ in range(count)]
        else:
            made = [plain(size, number) for number in range(count)]
        texts = [as_base64(image, kind) for image in made]
        usage = {
            "total_tokens": 100,
            "input_tokens": 50,
            "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        }
        if str(fields.get("stream")).lower() == "true":
            name = "image_edit" if edit else "image_generation"
            partial = {"type": f"{name}.partial_image", "b64_json": texts[0], "partial_image_index": 0}
            done = {"type": f"{name}.completed", "b64_json": texts[0], "usage": usage}
            wanted = int(fields.get("partial_images", 0))
            return stream([(partial["type"], partial)] * wanted + [(done["type"], done)])
        return {"created": 1698342300, "data": [{"b64_json": text} for text in texts], "usage": usage}


def _too_many() -> Refused:
    message = (
        "Requests to the ImageGenerations_Create Operation under Azure OpenAI API have exceeded call rate limit of "
        "your current pricing tier. Please retry after 1 seconds."
    )
    return Refused(429, {"error": {"code": "429", "message": message}}, retry_after="1")


def _no_deployment() -> Refused:
    message = (
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again."
    )
    return Refused(404, {"error": {"code": "DeploymentNotFound", "message": message}})


def _invalid(message: str, param: str | None, code: str) -> Refused:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refused(400, {"error": error})


def _body(request: Request, *, edit: bool) -> tuple[dict[str, Any], dict[str, list[tuple[str, str, bytes]]]]:
    wanted = "multipart/form-data" if edit else "application/json"
    if media_type(request) != wanted:
        raise _invalid(f"Unsupported content type: {media_type(request)!r}. Use {wanted!r}.", None, "invalid_value")
    if edit:
        return request.form, request.files
    try:
        return request.json, {}
    except ValueError:
        raise _invalid("We could not parse the JSON body of your request.", None, "invalid_json") from None


def _known(fields: dict[str, Any], known: frozenset[str]) -> None:
    for name in fields:
        if name not in known:
            raise _invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def _prompt(fields: dict[str, Any]) -> str:
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise _invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    for words, (status, document) in FILTERS.items():
        if words in prompt:
            raise Refused(status, document)
    return prompt


def _count(fields: dict[str, Any]) -> int:
    try:
        count = int(fields.get("n", 1))
    except (TypeError, ValueError):
        raise _invalid("Invalid type for 'n': expected an integer.", "n", "invalid_type") from None
    if not 1 <= count <= 10:
        raise _invalid("Invalid 'n': expected a value between 1 and 10.", "n", "integer_above_max_value")
    return count


def _one_of(fields: dict[str, Any], name: str, values: tuple[str, ...]) -> None:
    if name in fields and fields[name] not in values:
        expected = ", ".join(f"'{value}'" for value in values)
        raise _invalid(f"Invalid value: '{fields[name]}'. Supported values are: {expected}.", name, "invalid_value")


def _size(fields: dict[str, Any]) -> tuple[int, int]:
    text = fields.get("size", "auto")
    width, _, height = ("1024x1024" if text == "auto" else text).partition("x")
    return int(width), int(height)


def _free_size(fields: dict[str, Any]) -> None:
    try:
        width, height = _size(fields)
    except ValueError:
        width = height = 1
    fits = (
        width % 16 == height % 16 == 0 and max(width, height) <= 3840 and max(width, height) <= 3 * min(width, height)
    )
    if not fits or not 655_360 <= width * height <= 8_294_400:
        raise _invalid(f"Invalid size '{fields['size']}'.", "size", "invalid_value")


def _inputs(files: dict[str, list[tuple[str, str, bytes]]]) -> tuple[list[bytes], bytes | None]:
    given = [*files.get("image", []), *files.get("image[]", [])]
    if not given:
        raise _invalid("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    if len(given) > 16 or len(files.get("image", [])) > 1:
        raise _invalid("Too many images.", "image", "invalid_value")
    for _, kind, data in given:
        if kind not in {"image/png", "image/jpeg"} or _opened(data).format not in {"PNG", "JPEG"}:
            raise _invalid("Invalid image file or mode, please check your image file.", "image", "invalid_image_file")
    mask = files["mask"][0][2] if "mask" in files else None
    if mask is not None:
        image = _opened(mask)
        if image.format != "PNG" or image.size != _opened(given[0][2]).size or "A" not in image.getbands():
            raise _invalid("Invalid mask image format: the mask must be a PNG of the image's size.", "mask", "invalid")
    return [data for _, _, data in given], mask


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise _invalid(
            "Invalid image file or mode, please check your image file.", "image", "invalid_image_file"
        ) from None
