"""What images cost, in USD: each row is one fact about some models, with its source and our confidence in it.

The same quality costs four times as much in one generation of models as in another: all prices are estimates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.models.catalog import base_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_LITELLM = ("LiteLLM 1.110.2's price table", "2026-11-28", "high")
_MODEL_PAGE = ("OpenAI's model page", "2026-11-23", "high")
_MEMORY = ("its price page, from memory", "2025", "low")
"""Who says so, when that was read or is from, and how sure it is."""


class PriceRow(NamedTuple):
    """One fact: either `tokens`, or `images` and `image` for some `sizes`."""

    models: tuple[str, ...]
    at: str
    """Who charges the price."""
    source: str
    date: str
    """When the source was read, or is from (ISO 8601)."""
    confidence: str
    """high: read where it is kept up to date; medium: one third party; low: from memory."""
    tokens: Mapping[str, float] = {}
    """USD per million: text and images in the request (cached: sent before), images and text in the response."""
    batch: Mapping[str, float] = {}
    """The same in a batch."""
    sizes: tuple[str | None, ...] = (None,)
    """None: any size."""
    images: Mapping[str, float] = {}
    """USD for one image of these sizes, by quality."""
    image: float | None = None
    """USD for one image of any other quality."""


_OF_2 = {"text_in": 5, "text_in_cached": 1.25, "image_in": 8, "image_in_cached": 2, "image_out": 30}
_OF_1_5 = {"text_in": 5, "text_in_cached": 1.25, "image_in": 8, "image_in_cached": 2, "image_out": 32, "text_out": 10}
_OF_MINI = {"text_in": 2, "text_in_cached": 0.2, "image_in": 2.5, "image_in_cached": 0.25, "image_out": 8}
_OF_1 = {"text_in": 5, "text_in_cached": 1.25, "image_in": 10, "image_in_cached": 2.5, "image_out": 40}


def _halved(tokens: Mapping[str, float]) -> dict[str, float]:
    """Return what the Batch API takes for tokens at these rates."""
    return {name: usd / 2 for name, usd in tokens.items() if not name.endswith("_cached")}


PRICES = (
    PriceRow(
        ("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
        *("OpenAI", *_LITELLM),
        tokens=_OF_2,
        batch=_halved(_OF_2),
    ),
    PriceRow(
        ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare"),
        *("OpenAI", *_MODEL_PAGE),
        tokens=_OF_2,
    ),
    PriceRow(
        ("gpt-image-1.5", "chatgpt-image-latest"),
        *("OpenAI", *_LITELLM),
        tokens=_OF_1_5,
        batch=_halved(_OF_1_5),
    ),
    PriceRow(
        ("gpt-image-1-mini",),
        *("OpenAI", *_LITELLM),
        tokens=_OF_MINI,
        batch=_halved(_OF_MINI),
    ),
    PriceRow(
        ("gpt-image-1",),
        *("OpenAI", *_LITELLM),
        tokens=_OF_1,
        batch=_halved(_OF_1),
    ),
    PriceRow(
        ("gpt-image-1.5", "chatgpt-image-latest"),
        *("OpenAI", *_LITELLM),
        sizes=("1024x1024",),
        images={"low": 0.009, "medium": 0.034, "high": 0.133},
    ),
    PriceRow(
        ("gpt-image-1.5", "chatgpt-image-latest"),
        *("OpenAI", *_LITELLM),
        sizes=("1536x1024", "1024x1536"),
        images={"low": 0.013, "medium": 0.05, "high": 0.2},
    ),
    PriceRow(
        ("gpt-image-1-mini",),
        *("OpenAI", *_LITELLM),
        sizes=("1024x1024",),
        images={"low": 0.005, "medium": 0.011},
    ),
    PriceRow(
        ("gpt-image-1-mini",),
        *("OpenAI", *_LITELLM),
        sizes=("1536x1024", "1024x1536"),
        images={"low": 0.006, "medium": 0.015},
    ),
    PriceRow(
        ("gpt-image-1",),
        *("OpenAI", *_LITELLM),
        sizes=("1024x1024",),
        images={"low": 0.011, "medium": 0.042, "high": 0.167},
    ),
    PriceRow(
        ("gpt-image-1",),
        *("OpenAI", *_LITELLM),
        sizes=("1536x1024", "1024x1536"),
        images={"low": 0.016, "medium": 0.063, "high": 0.25},
    ),
    PriceRow(("dall-e-3",), *("OpenAI", *_MEMORY), sizes=("1024x1024",), images={"standard": 0.04, "hd": 0.08}),
    PriceRow(
        ("dall-e-3",),
        *("OpenAI", *_MEMORY),
        sizes=("1792x1024", "1024x1792"),
        images={"standard": 0.08, "hd": 0.12},
    ),
    PriceRow(("dall-e-2",), *("OpenAI", *_MEMORY), sizes=("256x256",), image=0.016),
    PriceRow(("dall-e-2",), *("OpenAI", *_MEMORY), sizes=("512x512",), image=0.018),
    PriceRow(("dall-e-2",), *("OpenAI", *_MEMORY), sizes=("1024x1024",), image=0.02),
    PriceRow(("grok-imagine-image",), *("xAI", *_LITELLM), image=0.02),
    PriceRow(("grok-imagine-image-2.0",), *("xAI", *_LITELLM), sizes=("1k",), image=0.04),
    PriceRow(("grok-imagine-image-2.0",), *("xAI", *_LITELLM), sizes=("2k",), image=0.06),
    PriceRow(("gemini-2.5-flash-image",), *("Google", *_LITELLM), image=0.039),
    PriceRow(("gemini-3.1-flash-image",), *("Google", *_LITELLM), image=0.045),
    PriceRow(("gemini-3.1-flash-lite-image", "gemini-nano-banana-2.1"), *("Google", *_LITELLM), image=0.0336),
    PriceRow(("gemini-3-pro-image",), *("Google", *_LITELLM), image=0.134),
)


def find_rows(name: str | None) -> tuple[PriceRow, ...]:
    """Return the rows that name a model, with or without its vendor (openai/gpt-image-2), in their order."""
    name = name or ""
    bases = base_name(name), base_name(name.rpartition("/")[2])
    found = (tuple(row for row in PRICES if base in row.models) for base in bases)
    return next(filter(None, found), ())
