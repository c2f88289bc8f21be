"""What `imagecli models` shows: the catalogue and the server's own list, joined, as a table, in detail, or as JSON."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from imagecli.commands.checking import ask, help_with, with_list_timeout
from imagecli.commands.page import aligned
from imagecli.config.keys import find_key
from imagecli.config.settings import load
from imagecli.errors import ImagecliError, UsageProblem
from imagecli.models import cache, catalog
from imagecli.models.cache import Kept
from imagecli.models.join import Facts, facts_of, join
from imagecli.text import did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imagecli.commands.page import Page
    from imagecli.config.settings import Settings
    from imagecli.models.prices import Prices

_HEAD = ("MODEL", "LISTED", "DOES", "SIZES", "COSTS", "UNTIL", "THEN")
_UNKNOWN = "?"
_NONE = "-"
_SIZES_SHOWN = 2
_RUN = 5
"""Numbers in a row of which more are shown as a span."""
_MILL = 0.001
"""USD; what costs less is shown as exactly as it is known."""


def show(  # noqa: PLR0913 - the command's arguments
    page: Page, names: Sequence[str], profile: str | None, base_url: str | None, *, everything: bool, refresh: bool
) -> None:
    """Show the models of a server, or all that is known of some.

    Raises:
        UsageProblem: a name that neither the server nor the catalogue nor the config file has.
    """
    settings = with_list_timeout(load({"profile": profile, "base_url": base_url}))
    for warning in settings.warnings:
        page.warn(warning)
    at_home = settings.profile.at_openai or settings.profile.sandbox
    kept, cached, error = _listed(page, settings, refresh=refresh)
    report = kept.report if kept else None
    found = join(report, settings.models, at_home=at_home)
    others = 0
    if names:
        found = _chosen(names, found, settings, at_home=at_home, asked=report is not None, error=error)
    elif not everything:
        others = sum(facts.makes_images is False for facts in found)
        found = [facts for facts in found if facts.makes_images is not False]
    if report is not None and not report.models:
        page.warn("the server lists no models; it may make images all the same")
    if error is not None and found:
        page.warn("this is " + (f"the list of {_clock(kept.listed_at)}" if kept else "what imagecli itself knows"))
    elif cached and kept:
        page.note(f"as listed at {_clock(kept.listed_at)}; --refresh asks again")
    if others:
        page.note(f"{others} more make no images: --all shows them")
    text = _details(found, settings) if names else _table(found, head=page.console.stdout_is_terminal)
    page.show(
        text or None,
        error,
        profile=settings.profile.name,
        base_url=settings.profile.base_url,
        dialect=settings.profile.dialect,
        listed_at=None if kept is None else datetime.fromtimestamp(kept.listed_at, UTC).isoformat(),
        cached=cached,
        models=[facts.as_dict() for facts in found],
        others=others,
    )


def _listed(page: Page, settings: Settings, *, refresh: bool) -> tuple[Kept | None, bool, ImagecliError | None]:
    """Return the server's list, whether it was kept from another time, and what went wrong in asking for it."""
    profile = settings.profile
    try:
        key = find_key(profile, warn=page.warn)
    except ImagecliError as error:
        return None, False, error
    if key is None and profile.at_openai:
        page.warn("no key is set, so the server was not asked: this is what imagecli itself knows")
        return None, False, None
    kept = None if profile.sandbox else cache.load(profile, key)
    if kept is not None and kept.fresh and not refresh:
        return kept, True, None
    try:
        asked = Kept(ask(settings, key), int(time.time()))
    except ImagecliError as error:
        help_with(error, settings, key)
        return kept, kept is not None, error
    if not profile.sandbox:
        cache.keep(profile, key, asked)
    return asked, False, None


def _chosen(  # noqa: PLR0913 - what a model is looked up in
    names: Sequence[str],
    found: Sequence[Facts],
    settings: Settings,
    *,
    at_home: bool,
    asked: bool,
    error: ImagecliError | None,
) -> list[Facts]:
    """Return the models of these names, in their order.

    Raises:
        UsageProblem: nobody knows one of them, and the server was asked.
    """
    by_name = {facts.name: facts for facts in found}
    known = [*by_name, *catalog.names(), *settings.models]
    chosen = []
    for name in dict.fromkeys(names):
        facts = by_name.get(name) or facts_of(name, None, settings.models, at_home=at_home, asked=asked)
        if not facts.listed and not facts.known_from and error is None:
            better = did_you_mean(name, known)
            raise UsageProblem(
                f"nothing is known of a model {quoted(name)}",
                hint=(f"Did you mean {better}? " if better else "") + "`imagecli models` lists those that are known.",
            )
        chosen.append(facts)
    return chosen


def _table(found: Iterable[Facts], *, head: bool) -> str:
    rows = [_row(facts) for facts in found]
    return aligned([_HEAD, *rows] if head and rows else rows)


def _row(facts: Facts) -> tuple[str, ...]:
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
    """Return what a picture costs, from the least to the most, without a blank."""
    if prices.span is not None:
        low, high = prices.span
        return f"≈${_usd(low)}" if low == high else f"≈${_usd(low)}-{_usd(high)}"
    if prices.tokens and "image_out" in prices.tokens:
        return f"≈${prices.tokens['image_out']:g}/Mtok"
    return _UNKNOWN


def _usd(price: float) -> str:
    return f"{price:.3f}" if price >= _MILL else f"{price:g}"


def _details(found: Sequence[Facts], settings: Settings) -> str:
    return "\n\n".join(aligned(list(_rows(facts, settings))) for facts in found)


def _rows(facts: Facts, settings: Settings) -> Iterator[tuple[str, ...]]:
    takes = facts.takes

    def listing(key: str) -> str:
        return _UNKNOWN if takes.get(key) is None else _spelt(takes[key])

    def number(key: str, unit: str) -> str:
        return _UNKNOWN if takes.get(key) is None else f"{takes[key]:,} {unit}" if takes[key] else "none"

    yield "model", facts.name
    yield "listed", f"{_yes_or_no(facts.listed)} (by {settings.profile.base_url})"
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
        yield "a picture", f"{by_quality}{f' at {size}' if size else ''} ({source})"
    if prices.tokens:
        parts = ", ".join(f"≈${usd:g} {name.replace('_', ' ')}" for name, usd in prices.tokens.items())
        yield "million tokens", f"{parts} ({_source(prices.tokens_source or {})})"
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


def _clock(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
