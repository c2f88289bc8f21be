"""How values of the config file are shown: as TOML spells them, and of a key only that it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagecli.config.layout import is_secret
from imagecli.options import Origin
from imagecli.text import HIDDEN, file_place, hide_words, named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.config.file import ConfigFile


_WORDS = ("dialect", "size", "quality", "format")
"""Settings whose values are words: no token that only a machine writes."""


def spelt(value: object) -> str:
    """Return a value as the file spells it; a text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    from imagecli.config.edit import to_toml

    return to_toml(value)


def key_state(origin: Origin | None) -> str | None:
    """Return what may be shown of a key, None where there is none."""
    return None if origin is None else f"set (from {origin})"


def without_keys(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever TOML holds
    """Return the value at `path`, with what may be shown of each key in its place."""
    if is_secret(path, value):
        return key_state(Origin("config", file_place(*path)))
    if isinstance(value, str):
        return _shown(value, path[-1])
    if isinstance(value, dict):
        return {named(name): without_keys(each, (*path, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [without_keys(each, (*path[:-1], f"{path[-1]}[{n}]")) for n, each in enumerate(value)]
    return value


def _shown(text: str, key: str) -> str:
    if key == "base_url":
        place, question_mark, query = text.partition("?")
        text = place + question_mark + (HIDDEN if query else "")
    if key == "api_key_env" and not text.isidentifier():  # no variable's name
        return HIDDEN
    return hide_words(text, random=key in _WORDS or key.startswith("api_key"))


def key_in_keyring(
    path: tuple[str, ...], config: ConfigFile, environ: Mapping[str, str], warn: Callable[[str], None]
) -> str | None:
    """Return what may be shown of a profile's key in the keyring, None where there is none."""
    from imagecli.config.key_ring import ask_keyring
    from imagecli.config.paths import is_key
    from imagecli.config.profiles import Keyring
    from imagecli.config.settings import choose_profile

    if not is_key(path):
        return None
    for source in choose_profile(path[1], config, environ).key_sources:
        if isinstance(source, Keyring) and ask_keyring(source, warn) is not None:
            return key_state(source.origin)
    return None
