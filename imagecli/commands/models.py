"""`imagecli models`: what each model and server takes and costs, and when it goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.config.settings import Settings
    from imagecli.errors import ImagecliError
    from imagecli.models.cache import CachedList
    from imagecli.models.facts import ModelFacts
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """List models: what they take, what they cost, until when.

    It is free of charge. What the server lists is kept for an hour. One model a line: its name; whether the server
    lists it; the commands that it works with; sizes; an estimate of the price of an image; until when it can be
    used. MODEL shows all, with sources.

    Examples:
      imagecli models --profile sandbox
      imagecli models gpt-image-2 -P sandbox
      imagecli models -P sandbox | grep -v retired
    """
    from datetime import UTC, datetime

    from imagecli.commands.listing import load_for_list
    from imagecli.models.facts import join_facts
    from imagecli.terminal.model_table import model_details, model_table
    from imagecli.terminal.render import Page

    settings = load_for_list(typed.profile, typed.base_url)
    renderer.warn(*settings.warnings)
    profile = settings.profile
    kept, cached, error = _listed(settings, renderer, refresh=typed.refresh)
    found = join_facts(kept.report if kept else None, settings.models, profile.provider)
    others = 0
    if typed.names:
        found = _chosen(typed.names, found, settings, asked=kept is not None, error=error)
    elif not typed.all:
        others = sum(facts.makes_images is False for facts in found)
        found = [facts for facts in found if facts.makes_images is not False]
    _say_where_from(renderer, kept, cached=cached, error=error, others=others, empty=not found)
    if typed.names:
        text = model_details(found, profile.base_url, renderer.console.sheet)
    else:
        text = model_table(found, renderer.console.sheet)
    fields = {
        "profile": profile.name,
        "base_url": profile.base_url,
        "dialect": profile.dialect,
        "listed_at": None if kept is None else datetime.fromtimestamp(kept.listed_at, UTC).isoformat(),
        "cached": cached,
        "models": [facts.as_dict() for facts in found],
        "others": others,
    }
    return renderer.page(Page(text or None, fields, error))


def _say_where_from(  # noqa: PLR0913 - what there is to say
    renderer: Renderer, kept: CachedList | None, *, cached: bool, error: ImagecliError | None, others: int, empty: bool
) -> None:
    """Show how old the list is, and what is not in it."""
    from imagecli.terminal.model_table import clock

    if kept is not None and not kept.report.models:
        renderer.warn("the server lists no models; it may still make images")
    if error is not None and not empty:
        renderer.warn(f"this is the list of {clock(kept.listed_at)}" if kept else "this is imagecli's own catalogue")
    elif cached and kept:
        renderer.console.note(f"as listed at {clock(kept.listed_at)}; --refresh asks again")
    if others:
        renderer.console.note(f"{others} more make no images: --all shows them")


def _listed(
    settings: Settings, renderer: Renderer, *, refresh: bool
) -> tuple[CachedList | None, bool, ImagecliError | None]:
    """Return the server's list, whether it was kept from another time, and what went wrong in asking for it."""
    import time

    from imagecli.commands.listing import ask, explain
    from imagecli.config.keys import find_key
    from imagecli.errors import ImagecliError
    from imagecli.models import cache
    from imagecli.models.cache import CachedList

    profile = settings.profile
    try:
        key = find_key(profile, warn=renderer.warn)
    except ImagecliError as error:
        return None, False, error
    if key is None and profile.at_openai:
        renderer.warn("no key is set, so the server was not asked: this is imagecli's own catalogue")
        return None, False, None
    kept = None if profile.sandbox else cache.load(profile, key)
    if kept is not None and kept.fresh and not refresh:
        return kept, True, None
    try:
        asked = CachedList(ask(settings, key, renderer.console), int(time.time()))
    except ImagecliError as error:
        explain(error, settings, key, renderer.console)
        return kept, kept is not None, error
    if not profile.sandbox:
        cache.save(profile, key, asked)
    return asked, False, None


def _chosen(
    names: Sequence[str], found: Sequence[ModelFacts], settings: Settings, *, asked: bool, error: ImagecliError | None
) -> list[ModelFacts]:
    """Return the models of these names, in their order.

    Raises:
        UsageProblem: one is unknown to the server, which was asked, the catalogue and the config file.
    """
    from imagecli.errors import UsageProblem
    from imagecli.models import catalog
    from imagecli.models.facts import find_facts
    from imagecli.text import closest_match, quoted

    provider = settings.profile.provider
    by_name = {facts.name: facts for facts in found}
    known = [*by_name, *catalog.names(), *settings.models]
    chosen = []
    for name in dict.fromkeys(names):
        facts = by_name.get(name) or find_facts(name, None, settings.models, provider, asked=asked)
        if not facts.listed and not facts.known_from and error is None:
            better = closest_match(name, known)
            raise UsageProblem(
                f"unknown model {quoted(name)}",
                hint=(f"Did you mean {better}? " if better else "") + "`imagecli models` lists the known ones.",
            )
        chosen.append(facts)
    return chosen
