"""OpenRouter's Image API: one route that makes and edits, all JSON.

Source, where nothing else is named: `@openrouter/sdk` 1.3.19 (ImageGenerationRequest, ImageGenerationUsage).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagecli.dialects.openai import FIELDS, OpenAI
from imagecli.dialects.request import DATA_URL, FilePart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import Uploads
    from imagecli.task import Task

_SENT = frozenset({"size", "quality", "format", "compression", "background", "partials"})
"""The flags that have a field; what others say, OpenRouter hands to a provider only below `provider.options`."""
_FORMATS = ("png", "jpeg", "webp", "svg")


class OpenRouter(OpenAI):
    """https://openrouter.ai/api/v1."""

    name = "openrouter"
    title = "OpenRouter"
    formats_by_name = False
    """Most models refuse output_format, as they do every field that they don't support (OpenRouter's page)."""
    mask = None
    """There is no field for one, and `@openrouter/ai-sdk-provider` 2.10.0 refuses masks."""
    has_markup = False
    edits_as_json = True
    has_variations = False
    models_path = "images/models"
    """The models that make pictures; /models lists hundreds that don't."""

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Tell what becomes of a flag: pictures always come as base64, and some fields are not there."""
        if name == "response_format":
            taken = value == "b64_json"
            return ("listed", "") if taken else ("fails", "OpenRouter sends pictures as b64_json, not as url")
        if name == "format" and value not in _FORMATS:
            return "unlisted", f"OpenRouter takes format {', '.join(_FORMATS)}, not {value}"
        if name not in _SENT:
            field = FIELDS[name]
            return (
                "unlisted",
                f"OpenRouter's Image API has no field {field} (providers have their own, below `provider`)",
            )
        return super().judge(command, name, value)

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the field for a flag."""
        if name == "response_format":  # what comes anyway
            return {}
        if name == "partials":  # how many is for the model to say
            return {"stream": True}
        if name == "size" and value == "auto":  # a size is a tier or pixels; a shape may be left open
            return {"aspect_ratio": "auto"}
        return super().spell(name, value)

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the input pictures as references, in their order."""
        shape = {"type": "image_url", "image_url": {"url": DATA_URL}}
        return tuple(FilePart("input_references", upload, shape, listed=True) for upload in uploads.images)

    def path(self, route: str, task: Task) -> str:  # noqa: ARG002 - one place for all
        """Return the one route there is."""
        return "images"

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:
        """Return `usage.cost`, with what the provider took directly where the account has a key of its own there."""
        cost, details = usage.get("cost"), usage.get("cost_details")
        if not isinstance(cost, (int, float)):
            return None
        upstream = details.get("upstream_inference_cost") if isinstance(details, dict) else None
        return cost + upstream if usage.get("is_byok") and isinstance(upstream, (int, float)) else cost
