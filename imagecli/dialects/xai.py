"""xAI's images: JSON only, and shapes instead of sizes.

Sources: docs.x.ai (image generation, multi-image editing, REST reference); npm @ai-sdk/xai 3.0.138; PyPI xai-sdk 1.21.0
and xai-org/xai-proto (aspect ratios, resolutions, ticks, size of inputs).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import FIELDS, OpenAI
from imagecli.dialects.request import DATA_URL, FilePart
from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules, Uploads

# xai-proto, ImageAspectRatio.
_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1")
_RESOLUTIONS = ("1k", "2k")
_QUALITIES = ("low", "medium", "high")
_MOST_PIXELS_OF_1K = 1536 * 1024
"""1k is about a million pixels; what OpenAI's landscape asks for is not worth the price of 2k."""
_NEAR = 0.01
"""Shapes that differ by less count as the same: 1360x768 is 16:9."""
_MOST_INPUT_BYTES = 10 * 1024 * 1024
"""xai-proto, ImageUrlContent."""
_TICKS_PER_USD = 10_000_000_000
"""xai-proto, usage.proto: a tick is 1e-10 USD."""


class XAI(OpenAI):
    """Grok's pictures."""

    name = "xai"
    title = "xAI"
    fields: ClassVar[Mapping[str, str]] = {**FIELDS, "safety_identifier": "user"}  # the REST reference
    # Always base64: teams without data retention get no addresses, and those of the others do not last.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask = None  # @ai-sdk/xai, and no field in xai-proto
    has_markup = False
    formats_by_name = False  # output_format stands in @ai-sdk/xai only, and what comes is JPEG
    edits_as_json = True  # docs.x.ai: the API takes application/json, not multipart/form-data
    has_variations = False

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Tell what xAI knows; what else there is it takes and ignores, apart from a few fields that it refuses."""
        if name == "size":
            return self._judge_size(str(value))
        if name == "quality" and value not in _QUALITIES:
            return "fails", f"{self.title} takes quality {', '.join(_QUALITIES)}, not {value}"
        if name == "format" and value != "jpeg":
            return "unlisted", f"{self.title} makes jpeg, not {value}"
        if name not in {"quality", "format", "response_format", "safety_identifier"}:
            return "unlisted", f"{self.title} does not read --{name.replace('_', '-')}"
        return super().judge(command, name, value)

    def _judge_size(self, text: str) -> tuple[Verdict, str]:
        size = parse_size(text)
        if text in {*_RATIOS, *_RESOLUTIONS, "auto"}:
            return "listed", ""
        if size is None:
            return "fails", f"{self.title} takes sizes such as 1024x1024, 16:9, 2k and auto, not {text}"
        ratio, distance = _nearest(*size)
        if distance < _NEAR:
            return "listed", ""
        return "unlisted", f"{self.title} has certain shapes only, and {text} becomes {ratio}"

    def inputs(self, rules: InputRules) -> InputRules:
        """Keep to what one picture may weigh."""
        return replace(rules, max_bytes=min(rules.max_bytes, _MOST_INPUT_BYTES))

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Say a size as a shape, and as 2k where it is large."""
        if name != "size":
            return super().spell(name, value)
        if value in _RESOLUTIONS:
            return {"resolution": value}
        size = parse_size(value)
        if size is None:
            return {"aspect_ratio": value}
        large = {"resolution": "2k"} if math.prod(size) > _MOST_PIXELS_OF_1K else {}
        return {"aspect_ratio": _nearest(*size)[0]} | large

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Give one picture as `image`, several as `images`; never both."""
        several = len(uploads.images) > 1
        shape = {"url": DATA_URL, "type": "image_url"}
        return tuple(
            FilePart("images" if several else "image", upload, shape, listed=several) for upload in uploads.images
        )

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:
        """Read what the request has cost."""
        ticks = usage.get("cost_in_usd_ticks")
        return ticks / _TICKS_PER_USD if isinstance(ticks, (int, float)) else None


def _nearest(width: int, height: int) -> tuple[str, float]:
    """Return the shape that comes nearest, and how far away it is (a difference of logarithms)."""

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        return abs(math.log(width / height * float(down) / float(across)))

    ratio = min(_RATIOS, key=distance)
    return ratio, distance(ratio)
