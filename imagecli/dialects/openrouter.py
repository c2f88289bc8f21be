"""OpenRouter's Image API: one route that makes and edits, all JSON.

Source, where no other is named: `@openrouter/sdk` 1.3.19 (ImageGenerationRequest, ImageGenerationUsage).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.error_words import ErrorWords
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import DATA_URL, FilePart
from imagecli.dialects.rules import ANY, ONLY_BASE64, Rule, any_of, makes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Draft, Fields
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import Uploads


class OpenRouter(OpenAI):
    """https://openrouter.ai/api/v1."""

    name = "openrouter"
    title = "OpenRouter"
    batches = None
    reads: ClassVar[Reads] = {
        **dict.fromkeys(("size", "quality", "compression", "background", "partials", "seed"), ANY),
        "format": makes("png", "jpeg", "webp", "svg", otherwise="unlisted"),
        "response_format": Rule(any_of("b64_json"), "fails", ONLY_BASE64),
    }
    not_read = "{title}'s Image API has no field {field} (a provider's own fields go below `provider`)"
    """It passes other fields on to a provider only below `provider.options`."""
    fields: ClassVar[Mapping[str, str]] = {"response_format": "", "partials": ""}
    """Images always come as base64, and the model decides how many partial images it sends."""
    formats_by_name = False
    """Most models refuse output_format, as they do every field that they don't support (OpenRouter's page)."""
    mask = None
    """The specification has no field for one, and `@openrouter/ai-sdk-provider` 2.10.0 refuses masks."""
    has_markup = False
    edits_as_json = True
    has_variations = False
    models_path = "images/models"
    """The models that make images; /models lists hundreds that don't."""
    error_words = ErrorWords(wrong_key="no auth credentials", upstream_keys=("metadata", "raw"))
    """`metadata.raw` is the provider's own error, as text or as JSON."""

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields; a size is a tier or pixels, so that "auto" is an aspect ratio."""
        return {"aspect_ratio": value} if name == "size" and value == "auto" else super().spell(name, value)

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the input images as references, in their order."""
        shape = {"type": "image_url", "image_url": {"url": DATA_URL}}
        return tuple(FilePart("input_references", upload, shape, listed=True) for upload in uploads.images)

    def path(self, route: str, draft: Draft) -> str:  # noqa: ARG002 - it is the same for all
        """Return the only path."""
        return "images"

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:
        """Return `usage.cost`, plus what the provider charges directly where the account uses its own key there."""
        cost, details = usage.get("cost"), usage.get("cost_details")
        if not isinstance(cost, (int, float)):
            return None
        upstream = details.get("upstream_inference_cost") if isinstance(details, dict) else None
        return cost + upstream if usage.get("is_byok") and isinstance(upstream, (int, float)) else cost
