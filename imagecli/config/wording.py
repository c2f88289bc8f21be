"""How places, values and suggestions are put into messages: without control characters, names as TOML spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 60
"""Characters of a foreign value that a message repeats."""


def shown(text: object) -> str:
    """Return `text` for a message: control and other invisible characters replaced, one line."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def quoted(value: object) -> str:
    """Return a value that was refused, quoted, cut where it is long."""
    text = shown(value)
    return f"'{text[:_LONGEST]}…'" if len(text) > _LONGEST else f"'{text}'"


def toml_key(*parts: str) -> str:
    """Return the parts as a dotted TOML key: `models."team/flux".sizes`."""
    return ".".join(_toml_part(part) for part in parts)


def file_place(*parts: str) -> str:
    """Return a place in the config file as its reader sees it: `[profiles.office] base_url`, or `profile`."""
    *tables, key = parts
    return f"[{toml_key(*tables)}] {toml_key(key)}" if tables else toml_key(key)


def shell_word(text: str) -> str:
    """Return the text as one word of a shell, for commands that a message tells to run."""
    import shlex  # noqa: PLC0415 - asked for only where something is wrong already

    return shlex.quote(shown(text))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`, or None where none is."""
    import difflib  # noqa: PLC0415 - asked for only where something is wrong already

    close = difflib.get_close_matches(word, list(known), n=1)
    return close[0] if close else None


def _toml_part(part: str) -> str:
    if part and all(char.isascii() and (char.isalnum() or char in "-_") for char in part):
        return part
    import json  # noqa: PLC0415 - few names need quotes

    # A JSON string is a TOML basic string; what can't be seen is escaped.
    return json.dumps(part, ensure_ascii=not part.isprintable())
