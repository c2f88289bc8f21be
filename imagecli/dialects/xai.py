"""xAI's images: JSON only, and aspect ratios instead of sizes.

Sources: docs.x.ai (image generation, multi-image editing, REST reference); npm @ai-sdk/xai 3.0.138; PyPI xai-sdk 1.21.0
and xai-org/xai-proto (aspect ratios, resolutions, ticks, size of inputs).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import DATA_URL, FilePart
from imagecli.dialects.rules import ANY, Rule, any_of, is_pixels, makes
from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import InputRules, Uploads

# xai-proto, ImageAspectRatio.
_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1")
_RESOLUTIONS = ("1k", "2k")
_MOST_PIXELS_OF_1K = 1536 * 1024
"""1k is about a million pixels; OpenAI's landscape size is not worth the price of 2k."""
_NEAR = 0.01
"""Aspect ratios that differ by less count as the same: 1360x768 is 16:9."""
_MOST_INPUT_BYTES = 10 * 1024 * 1024
"""xai-proto, ImageUrlContent."""
_TICKS_PER_USD = 10_000_000_000
"""xai-proto, usage.proto: a tick is 1e-10 USD."""


def _nearest(size: str) -> tuple[str, float]:
    """Return the aspect ratio that is nearest to a size, and how far away it is (a difference of logarithms).

    A size that is not in pixels is returned as it is.
    """
    pixels = parse_size(size)
    if pixels is None:
        return size, 0

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        return abs(math.log(pixels[0] / pixels[1] * float(down) / float(across)))

    ratio = min(_RATIOS, key=distance)
    return ratio, distance(ratio)


def _is_size(size: str) -> bool:
    return size in {*_RATIOS, *_RESOLUTIONS, "auto"} or is_pixels(size)


def _has_ratio(size: str) -> bool:
    return _nearest(size)[1] < _NEAR


def _why_nearest(size: str) -> str:
    return f"xAI has certain aspect ratios only, so {size} becomes {_nearest(size)[0]}"


class XAI(OpenAI):
    """https://api.x.ai/v1, the Grok models."""

    name = "xai"
    title = "xAI"
    # It ignores every other field, apart from a few that it refuses.
    reads: ClassVar[Reads] = {
        "size": (
            Rule(_is_size, "fails", "{title} takes sizes such as 1024x1024, 16:9, 2k and auto, not {value}"),
            Rule(_has_ratio, "unlisted", _why_nearest),
        ),
        "quality": Rule(
            any_of("low", "medium", "high"), "fails", "{title} takes low, medium or high as quality, not {value}"
        ),
        "format": makes("jpeg", otherwise="unlisted"),
        "response_format": ANY,
        "safety_identifier": ANY,
    }
    fields: ClassVar[Mapping[str, str]] = {"safety_identifier": "user"}  # the REST reference
    # Always base64: teams with zero data retention get no URLs, and the URLs of the others expire.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask = None  # @ai-sdk/xai; xai-proto has no field for it
    has_markup = False
    formats_by_name = False  # output_format is in @ai-sdk/xai only, and images come as JPEG
    edits_as_json = True  # docs.x.ai: the API takes application/json, not multipart/form-data
    has_variations = False
    batches = "xai"

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules with xAI's limit for one image."""
        return rules._replace(max_bytes=min(rules.max_bytes, _MOST_INPUT_BYTES))

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields; a size is an aspect ratio, with 2k where it is large."""
        if name != "size":
            return super().spell(name, value)
        if value in _RESOLUTIONS:
            return {"resolution": value}
        size = parse_size(value)
        large = {"resolution": "2k"} if size is not None and math.prod(size) > _MOST_PIXELS_OF_1K else {}
        return {"aspect_ratio": _nearest(value)[0]} | large

    def batched_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files as a request by itself has them."""
        return self.file_parts(uploads)

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return one image as `image`, several as `images`; never both."""
        several = len(uploads.images) > 1
        shape = {"url": DATA_URL, "type": "image_url"}
        return tuple(
            FilePart("images" if several else "image", upload, shape, listed=several) for upload in uploads.images
        )

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:
        """Return what the request has cost, from its ticks."""
        ticks = usage.get("cost_in_usd_ticks")
        return ticks / _TICKS_PER_USD if isinstance(ticks, (int, float)) else None
