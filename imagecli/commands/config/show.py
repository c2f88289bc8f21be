"""`imagecli config show`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.config.settings import Settings
    from imagecli.options import Origin, Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Print every setting and where it came from.

    Of a key it prints only that it is set.

    Examples:
      imagecli config show
      imagecli config show -P sandbox --json
    """
    from imagecli.config.display import key_state, without_keys
    from imagecli.config.keys import locate_key
    from imagecli.config.settings import load
    from imagecli.options import BUILT_IN, Value
    from imagecli.plan.intent import default_model
    from imagecli.terminal.render import Page
    from imagecli.terminal.sheet import aligned
    from imagecli.text import named

    settings = load({"profile": typed.profile, "base_url": typed.base_url})
    renderer.warn(*settings.warnings)
    if "model" not in settings.values and (model := default_model(settings.profile)) is not None:
        settings = settings._replace(values=settings.values | {"model": Value(model, BUILT_IN)})
    key = locate_key(settings.profile, warn=renderer.warn)
    fields = {
        "config_file": os.fspath(settings.path),
        "profile": settings.profile.name,
        "base_url": settings.profile.base_url,
        "dialect": named(settings.profile.dialect),
        "dialect_from": settings.profile.dialect_from,
        "api_key": key_state(key),
        "settings": {
            name: {"value": without_keys(value.value, (name,)), "origin": value.origin.kind, "from": value.origin.name}
            for name, value in settings.values.items()
        },
        "models": settings.models,
    }
    return renderer.page(Page(aligned(_rows(settings, key), renderer.console.sheet), fields))


def _rows(settings: Settings, key: Origin | None) -> Iterator[tuple[str, str, str]]:
    from imagecli.config.display import key_state
    from imagecli.flags import SETTINGS
    from imagecli.text import hide_words, named, toml_key

    profile = settings.profile
    yield "config file", os.fspath(settings.path), "" if settings.path.exists() else "not there"
    for name in ("profile", "base_url"):
        yield _row(settings, name)
    yield "dialect", named(profile.dialect), profile.dialect_from
    yield "api_key", key_state(key) or "not set", ""
    headers = ", ".join(named(name) for name, _ in profile.headers) or None
    for name, text in (
        *(("organization", profile.organization), ("project", profile.project)),
        *(("api_version", profile.api_version), ("headers", headers)),
    ):
        if text is not None:
            yield name, hide_words(text), ""
    for name, flag in SETTINGS.items():
        # A setting that only makes sense for one call (--mask) has a line where the environment sets it.
        if name not in {"profile", "base_url"} and (flag.in_file or name in settings.values):
            yield _row(settings, name)
    for name in settings.models:
        yield "models", name, f"config [{toml_key('models', name)}]"


def _row(settings: Settings, name: str) -> tuple[str, str, str]:
    from imagecli.config.display import spelt, without_keys

    found = settings.values.get(name)
    if found is None:
        return name, "not set", ""
    return name, spelt(without_keys(found.value, (name,))), str(found.origin)
