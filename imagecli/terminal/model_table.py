"""Models as text: a table with a line each, or all that is known of some."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from imagecli.models.catalog import is_past
from imagecli.terminal.render import usd
from imagecli.terminal.sheet import BOLD, DIM, PLAIN, aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imagecli.models.facts import ModelFacts
    from imagecli.models.prices import Prices
    from imagecli.terminal.sheet import Sheet

_HEAD = ("MODEL", "LISTED", "DOES", "SIZES", "COSTS", "UNTIL")
_UNKNOWN = "?"
_NONE = "-"
_RETIRED = "retired"
_EVERYTHING = ("gen", "edit", "vary")
_RUN = 5
"""Numbers in a row of which more are shown as a span."""


def model_table(found: Iterable[ModelFacts], sheet: Sheet) -> str:
    """Return a line for each model, under a head in a terminal; 80 columns are enough for usual names."""
    rows = [_row(facts) for facts in found]
    if sheet.columns is None or not rows:
        return aligned(rows)
    head, *lines = aligned([_HEAD, *rows]).splitlines()
    styles = (DIM if row[-1] == _RETIRED else "" for row in rows)
    return "\n".join([sheet.paint(head, BOLD), *map(sheet.paint, lines, styles)])


def _row(facts: ModelFacts) -> tuple[str, ...]:
    takes = facts.takes
    does = takes.get("endpoints")
    return (
        facts.name,
        _yes_or_no(facts.listed),
        "all" if does is not None and set(does) == {*_EVERYTHING} else _joined(does),
        "any" if facts.free_size else _sizes(takes.get("sizes")),
        _price(facts.prices),
        _NONE if facts.shutdown is None else _RETIRED if is_past(facts.shutdown) else facts.shutdown.isoformat(),
    )


def _yes_or_no(value: bool | None) -> str:  # noqa: FBT001 - it is the value that is put into words
    return _UNKNOWN if value is None else "yes" if value else "no"


def _joined(values: Sequence[str] | None) -> str:
    return _UNKNOWN if values is None else ",".join(values) or _NONE


def _sizes(sizes: Sequence[str] | None) -> str:
    """Return the first size and how many more there are."""
    if sizes is None:
        return _UNKNOWN
    return _joined([*sizes[:1], *([f"+{len(sizes) - 1}"] if len(sizes) > 1 else [])])


def _price(prices: Prices) -> str:
    """Return what an image costs, from the least to the most, without a blank."""
    if prices.span is not None:
        low, high = prices.span
        return usd(low) if low == high else f"{usd(low)}-{usd(high)[1:]}"
    if prices.tokens and "image_out" in prices.tokens:
        return f"${prices.tokens['image_out']:g}/Mtok"
    return _UNKNOWN


def model_details(found: Sequence[ModelFacts], base_url: str, sheet: Sheet = PLAIN) -> str:
    """Return all that is known of each model; `base_url` is the server that lists them."""
    return "\n\n".join(aligned(_rows(facts, base_url), sheet) for facts in found)


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
        yield "", f"and any WxH in steps of {limits['multiple']}, up to {limits['long_edge']} long,"
        yield "", f"{limits['ratio']}:1 at the most, {low:,} to {high:,} pixels"
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
    for source, group in groupby(prices.images, lambda price: price.source):
        for size, alike in groupby(group, lambda price: price.size):
            parts = (f"{_amount(price.usd)} {price.quality or ''}".rstrip() for price in alike)
            yield f"USD at {size}" if size else "USD an image", ", ".join(parts)
        yield "", _source(source)
    if prices.tokens:
        yield "USD per Mtoken", f"in: {_rates(prices.tokens, 'in')}"
        yield "", f"out: {_rates(prices.tokens, 'out')}"
        if prices.batch:
            yield "in a batch", f"in: {_rates(prices.batch, 'in')}; out: {_rates(prices.batch, 'out')}"
        yield "", _source(prices.tokens_source or {})
    if prices.as_listed and not (prices.images or prices.tokens):
        yield "price as listed", ", ".join(f"{name} {value}" for name, value in prices.as_listed.items())


def _amount(price: float) -> str:
    return usd(price)[1:]


def _rates(rates: Mapping[str, float], way: str) -> str:
    """Return the prices of the tokens that go in, or come out, with what those cost that were sent before."""
    parts = []
    for kind in (kind for kind in rates if kind.endswith(f"_{way}")):
        cached = rates.get(f"{kind}_cached")
        parts.append(f"{kind.partition('_')[0]} {rates[kind]:g}" + ("" if cached is None else f" (cached {cached:g})"))
    return ", ".join(parts) or _UNKNOWN


def _source(source: Mapping[str, str | None]) -> str:
    date = f", {source['date']}" if source["date"] else ""
    return f"{source['at']}; {source['source']}{date}; confidence {source['confidence']}"


def _day(day: date | None) -> str:
    if day is None:
        return "none is known"
    days = (day - datetime.now(UTC).date()).days
    when = "today" if not days else f"in {days:,} days" if days > 0 else "gone"
    return f"{day.isoformat()} ({when})"


def clock(moment: int) -> str:
    """Return the local time of a moment in seconds since 1970."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
