"""Models as text: a table with a line each, or all that is known of some."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from imagecli.terminal.render import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imagecli.models.facts import ModelFacts
    from imagecli.models.prices import Prices

_HEAD = ("MODEL", "LISTED", "DOES", "SIZES", "COSTS", "UNTIL", "THEN")
_UNKNOWN = "?"
_NONE = "-"
_SIZES_SHOWN = 2
_RUN = 5
"""Numbers in a row of which more are shown as a span."""
_MILL = 0.001
"""USD; what costs less is shown as exactly as it is known."""


def model_table(found: Iterable[ModelFacts], *, head: bool) -> str:
    """Return a line for each model, under a line of headings if `head`."""
    rows = [_row(facts) for facts in found]
    return aligned([_HEAD, *rows] if head and rows else rows)


def _row(facts: ModelFacts) -> tuple[str, ...]:
    takes = facts.takes
    return (
        facts.name,
        _yes_or_no(facts.listed),
        _joined(takes.get("endpoints")),
        "free" if facts.free_size else _sizes(takes.get("sizes")),
        _price(facts.prices),
        facts.shutdown.isoformat() if facts.shutdown else _NONE,
        facts.successor or _NONE,
    )


def _yes_or_no(value: bool | None) -> str:  # noqa: FBT001 - it is the value that is put into words
    return _UNKNOWN if value is None else "yes" if value else "no"


def _joined(values: Sequence[str] | None) -> str:
    return _UNKNOWN if values is None else ",".join(values) or _NONE


def _sizes(sizes: Sequence[str] | None) -> str:
    if sizes is None:
        return _UNKNOWN
    more = len(sizes) - _SIZES_SHOWN
    return _joined([*sizes[:_SIZES_SHOWN], *([f"+{more}"] if more > 0 else [])])


def _price(prices: Prices) -> str:
    """Return what an image costs, from the least to the most, without a blank."""
    if prices.span is not None:
        low, high = prices.span
        return f"≈${_usd(low)}" if low == high else f"≈${_usd(low)}-{_usd(high)}"
    if prices.tokens and "image_out" in prices.tokens:
        return f"≈${prices.tokens['image_out']:g}/Mtok"
    return _UNKNOWN


def _usd(price: float) -> str:
    return f"{price:.3f}" if price >= _MILL else f"{price:g}"


def model_details(found: Sequence[ModelFacts], base_url: str) -> str:
    """Return all that is known of each model; `base_url` is the server that lists them."""
    return "\n\n".join(aligned(list(_rows(facts, base_url))) for facts in found)


def _rows(facts: ModelFacts, base_url: str) -> Iterator[tuple[str, ...]]:
    takes = facts.takes

    def listing(key: str) -> str:
        return _UNKNOWN if takes.get(key) is None else _spelt(takes[key])

    def number(key: str, unit: str) -> str:
        return _UNKNOWN if takes.get(key) is None else f"{takes[key]:,} {unit}" if takes[key] else "none"

    yield "model", facts.name
    yield "listed", f"{_yes_or_no(facts.listed)} (by {base_url})"
    yield "described in", " and ".join(f"the {place}" for place in facts.known_from) or "nothing"
    yield "makes images", _yes_or_no(facts.makes_images)
    yield "endpoints", listing("endpoints")
    yield "sizes", listing("sizes")
    if facts.free_size:
        limits = facts.free_size
        low, high = limits["pixels"]
        steps = f"and any WxH in steps of {limits['multiple']}, {limits['ratio']}:1 at the most"
        yield "", f"{steps}, up to {limits['long_edge']} long, {low:,} to {high:,} pixels"
    yield "qualities", listing("qualities")
    yield "formats", listing("formats")
    for field, values in facts.fields.items():
        yield field.replace("_", " "), _spelt(values)
    yield "images", number("max_count", "a request at the most")
    yield "inputs", number("max_inputs", "at the most")
    yield "prompt", number("prompt_chars", "characters at the most")
    yield from _price_rows(facts.prices)
    yield "shutdown", _day(facts.shutdown)
    if facts.successor:
        yield "successor", facts.successor
    yield "owned by", facts.owned_by or _UNKNOWN


def _spelt(values: Sequence[str]) -> str:
    """Return the values in a row; many numbers as a span."""
    if len(values) > _RUN and all(value.isdecimal() for value in values):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(values) or "none"


def _price_rows(prices: Prices) -> Iterator[tuple[str, ...]]:
    if not prices.known:
        yield "price", _UNKNOWN
    for (size, source), group in groupby(prices.images, lambda price: (price.size, _source(price.source))):
        by_quality = ", ".join(f"≈${_usd(price.usd)} {price.quality or ''}".rstrip() for price in group)
        yield "an image", f"{by_quality}{f' at {size}' if size else ''} ({source})"
    for what, rates in (("million tokens", prices.tokens), ("in a batch", prices.batch)):
        if rates:
            parts = ", ".join(f"≈${usd:g} {name.replace('_', ' ')}" for name, usd in rates.items())
            yield what, f"{parts} ({_source(prices.tokens_source or {})})"
    if prices.as_listed and not (prices.images or prices.tokens):
        yield "price as listed", ", ".join(f"{name} {value}" for name, value in prices.as_listed.items())


def _source(source: Any) -> str:  # noqa: ANN401 - the three texts of a source
    return f"{source['at']}; {source['source']}; confidence {source['confidence']}"


def _day(day: date | None) -> str:
    if day is None:
        return "none is known"
    days = (day - datetime.now(UTC).date()).days
    when = "today" if not days else f"in {days:,} days" if days > 0 else "gone"
    return f"{day.isoformat()} ({when})"


def clock(moment: int) -> str:
    """Return the local time of a moment in seconds since 1970."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
