"""What images cost, in USD: what a request probably will, and what it did by the tokens that the server counted.

Nothing is guessed: a price or a count of tokens that is not known makes the whole unknown. Only the server can count
the prompt's own tokens, so that they are in an estimate's upper end alone, with the most that they can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.images.types import parse_size
from imagecli.models import catalog
from imagecli.models.price_list import find_rows
from imagecli.models.tokens import image_tokens, input_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.images.types import Size
    from imagecli.models.model import Model
    from imagecli.models.price_list import PriceRow

    Rates = Mapping[str, float]
    """USD per million tokens, under the names of `PriceRow.tokens`."""

_CHARGES = {"openai": "OpenAI", "azure": "OpenAI", "sandbox": "OpenAI", "xai": "xAI", "gemini": "Google"}
"""Whose prices (`PriceRow.at`) a provider charges: Azure takes what OpenAI does, and the sandbox pretends to."""
_UNSENT = {"dall-e": {"quality": "standard", "size": "1024x1024"}}
"""What a family of models makes where the field is not sent; the others choose by the prompt."""
_PARTIAL_TOKENS = 100
"""Of each partial image, besides those of the finished one [OpenAI's guide to image generation]."""
_AROUND_PROMPT = 32
"""Tokens that a server may put around a prompt, at the most: bills show about ten."""
_OF_SVG = {"svg_in": "input_tokens", "svg_out": "output_tokens"}


class Asked(NamedTuple):
    """What decides the price of a request."""

    quality: str | None
    """None, or "auto": the server chooses."""
    size: str | None
    """As `quality`; for xAI its resolution."""
    images: int = 1
    partials: int = 0
    """Partial images of each."""
    inputs: tuple[Size, ...] = ()
    """The input images, in pixels, as they are sent."""
    masks: tuple[Size, ...] = ()
    """What else is sent as images: whether that is billed like an input is not published."""
    prompt_bytes: int = 0
    """Of the prompt in UTF-8. A token of OpenAI's models is at least one byte, so it has no more tokens."""


class Estimate(NamedTuple):
    """What a request, or several, will cost, in USD."""

    least: float
    """By the tokens, or the prices, of the images and the inputs; with the least that the server may choose."""
    most: float
    """With the most that it may choose, and the most tokens that the prompt can have."""
    is_open: bool = False
    """Whether the size or the quality is left to the server."""


def estimate(model: Model, provider: str | None, asked: Asked) -> Estimate | None:
    """Return what a request will probably cost; None where a price, or a count of tokens, is not known.

    Args:
        model: the model; its own price, from the config file, takes precedence.
        provider: whose server it is (`Profile.provider`). Of any other server it is not known what it charges: prices
            are those of the model's own vendor then (see `is_charged`).
        asked: what is asked for.
    """
    if model.price is not None:
        return Estimate(usd := round(asked.images * model.price, 8), usd)
    model = _of_catalogue(model)
    rates = model.tokens or next((row.tokens for row in _rows(model, provider) if row.tokens), None)
    sizes, qualities = _values(model, "size", asked.size), _values(model, "quality", asked.quality)
    kinds = [(size, quality) for size in sizes for quality in qualities]
    if model.grid and rates:
        spans = [_by_token(model, rates, *kind) for kind in kinds]
    elif asked.inputs and model.family != "dall-e":  # what inputs cost there is not known
        return None
    else:
        spans = [_by_image(model, provider, rates, *kind) for kind in kinds]
    known = [span for span in spans if span is not None]
    further = _further(asked, rates or {})
    if not known or len(known) < len(spans) or further is None:
        return None
    # Several images of a request are billed like as many requests, inputs and prompt too.
    least = asked.images * (min(span[0] for span in known) + further[0])
    most = asked.images * (max(span[1] for span in known) + further[1])
    return Estimate(round(least, 8), round(most, 8), len(kinds) > 1)


def is_charged(model: Model, provider: str | None) -> bool:
    """Return whether a server charges what `estimate` says, as far as is known, and does not only use the name."""
    return model.price is not None or model.tokens is not None or provider in _CHARGES


def cost_of(
    usage: Mapping[str, Any], svg_usage: Mapping[str, Any] | None, rates: Rates | None, *, images_sent: bool
) -> float | None:
    """Return what the tokens of a response cost; None where a kind of token has no rate, or kinds can't be told apart.

    Args:
        usage: what the server counted, in OpenAI's structure.
        svg_usage: the same of the text model that wrote an SVG.
        rates: those of `token_rates`.
        images_sent: whether images went along; if none did, all that was sent is text.
    """
    counted = _kinds(usage, images_sent=images_sent)
    if not counted or rates is None:
        return None
    counted |= {kind: count for kind, key in _OF_SVG.items() if (count := _count(svg_usage, key))}
    if not counted.keys() <= rates.keys():
        return None
    return round(sum(counted[kind] * rates[kind] for kind in counted) / 1_000_000, 8)


def token_rates(model: Model, *, in_batch: bool = False) -> Rates | None:
    """Return what a model's tokens cost: by the config file, else by the catalogue, whoever passes the count on."""
    row = None if model.tokens else next((row for row in find_rows(model.name) if row.tokens), None)
    rates = model.tokens or (None if row is None else row.tokens)
    if rates is None or not in_batch:
        return rates
    return (row.batch if row is not None else None) or {kind: usd / 2 for kind, usd in rates.items()}


def halved(estimate: Estimate) -> Estimate:
    """Return an estimate for a line of a batch."""
    return Estimate(round(estimate.least / 2, 8), round(estimate.most / 2, 8), estimate.is_open)


def total(estimates: Sequence[Estimate]) -> Estimate:
    """Return what several cost together."""
    least, most = (round(sum(each[end] for each in estimates), 8) for end in (0, 1))
    return Estimate(least, most, any(each.is_open for each in estimates))


def _of_catalogue(model: Model) -> Model:
    """Return the catalogue's row of a model that a gateway names with its vendor, such as openai/gpt-image-2."""
    row = catalog.find((model.name or "").rpartition("/")[2])
    return row._replace(tokens=model.tokens) if row.known and not model.known else model


def _by_token(model: Model, rates: Rates, size: str | None, quality: str | None) -> tuple[float, float] | None:
    """Return the least and the most that an image costs which is drawn on the model's grid."""
    pixels, grid = parse_size(size or ""), model.grid.get(quality or "")
    if not (pixels and grid and "image_out" in rates):
        return None
    return (usd := image_tokens(pixels, grid) * rates["image_out"] / 1_000_000), usd


def _by_image(
    model: Model, provider: str | None, rates: Rates | None, size: str | None, quality: str | None
) -> tuple[float, float] | None:
    """Return the least and the most that an image costs by the list; where tokens are billed, its price is rounded."""
    rows = [row for row in _rows(model, provider) if size in row.sizes or None in row.sizes]
    found = [row.images.get(quality or "", row.image) for row in rows]
    usd = next((usd for usd in found if usd is not None), None)
    if usd is None:
        return None
    drawn = model.drawn.get(quality or "", {}).get(size or "", 0) * (rates or {}).get("image_out", 0)
    return usd, max(usd, drawn / 1_000_000)


def _further(asked: Asked, rates: Rates) -> tuple[float, float] | None:
    """Return the least and the most that the rest costs, for each image; None where a kind of token has no rate."""
    inputs, masks = (sum(map(input_tokens, sizes)) for sizes in (asked.inputs, asked.masks))
    least = {"image_out": _PARTIAL_TOKENS * asked.partials, "image_in": inputs}
    most = {"image_in": inputs + masks, "text_in": asked.prompt_bytes + _AROUND_PROMPT * bool(asked.prompt_bytes)}
    if not rates:  # images have prices, and nothing else is billed
        return 0, 0
    if any(count and kind not in rates for counts in (least, most) for kind, count in counts.items()):
        return None
    spans = least, least | most
    usd = [sum(count * rates.get(kind, 0) for kind, count in counts.items()) / 1_000_000 for counts in spans]
    return usd[0], usd[1]


def _values(model: Model, field: str, asked: str | None) -> tuple[str | None, ...]:
    """Return each size, or each quality, that may come of what is asked for."""
    if asked is None:
        asked = _UNSENT.get(model.family, {}).get(field)
    if asked not in {None, "auto"}:
        return (asked,)
    return tuple(value for value in model.values.get(field, ()) if value != "auto") or (None,)


def _rows(model: Model, provider: str | None) -> list[PriceRow]:
    """Return the rows of a model: those of the vendor whose server it is; at any other server all."""
    charged = _CHARGES.get(provider or "")
    return [row for row in find_rows(model.name) if charged in {None, row.at}]


def _kinds(usage: Mapping[str, Any], *, images_sent: bool) -> dict[str, float] | None:
    """Return the tokens of a response by kind, under the names of their rates; None where they can't be told apart."""
    sent, made = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if sent is None or made is None:
        return None
    came, went = (usage.get(key) or {} for key in ("input_tokens_details", "output_tokens_details"))
    text, image = _count(came, "text_tokens"), _count(came, "image_tokens")
    if text is None and image is None and not images_sent:
        text = sent
    written = _count(went, "text_tokens") or 0
    found = {"text_in": text or 0, "image_in": image or 0, "image_out": made - written, "text_out": written}
    cached = _cached(came, found)
    if cached is None or min(found.values()) < 0 or (text or 0) + (image or 0) != sent:
        return None
    for kind, count in cached.items():
        found[kind] -= count
        found[f"{kind}_cached"] = count
    return {kind: count for kind, count in found.items() if count}


def _cached(details: Mapping[str, Any], found: Mapping[str, float]) -> dict[str, float] | None:
    """Return how many of the input's tokens were sent before, by kind; None where that is not stated."""
    count = _count(details, "cached_tokens")
    if not count:
        return {}
    split = details.get("cached_tokens_details") or {}
    by_kind = {kind: _count(split, f"{kind.removesuffix('_in')}_tokens") or 0 for kind in ("text_in", "image_in")}
    if sum(by_kind.values()) != count:
        kinds = [kind for kind in by_kind if found[kind]]
        by_kind = {kinds[0]: count} if len(kinds) == 1 else {}
    return by_kind if by_kind and all(by_kind[kind] <= found[kind] for kind in by_kind) else None


def _count(counts: object, key: str) -> float | None:
    value = counts.get(key) if isinstance(counts, dict) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 else None
