"""Text for people: foreign text made safe to show, and values, places and suggestions put into messages."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    # OSC, DCS, SOS, PM, APC up to BEL or ST. No introducer inside, so that the search stays linear.
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"  # the rest: character sets, resets, and introducers of what never ends
)
READ_AT_MOST = 65_536


def clean(text: str, secrets: Iterable[str] = (), *, keep_newlines: bool = False, limit: int = 2000) -> str:
    """Return what a server or a file says in a form that is safe to show.

    Escape sequences go as a whole, then control, format (bidi, zero width) and private characters; white space with
    its line breaks becomes single spaces, unless the line breaks are to be kept; each of `secrets` of four characters
    or more, and the same escaped for a URL or JSON, becomes `***`. At most `limit` characters come back.
    Lone surrogates stay: they are the odd bytes of file names.
    """
    spellings = sorted(_spellings(secrets), key=len, reverse=True)
    for spelling in spellings:
        text = text.replace(spelling, "***")
    text = _SEQUENCE.sub("", text[:READ_AT_MOST])
    if not text.isprintable():
        text = "".join(map(_shown, text.replace("\r\n", "\n")))
    text = text.strip("\n") if keep_newlines else " ".join(text.split())
    for spelling in spellings:  # what control characters had torn apart
        text = text.replace(spelling, "***")
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def _shown(character: str) -> str:
    """Return what stands for a character: itself, a space, or nothing."""
    if character == "\n":
        return character
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\t\r\x0b\x0c\x85":
        return " "
    return "" if category in {"Cc", "Cf", "Co"} else character


def _spellings(secrets: Iterable[str]) -> set[str]:
    """Return each secret as it is and as a server may give it back: percent-encoded, or inside JSON."""
    spellings: set[str] = set()
    for secret in secrets:
        if len(secret) < 4:  # noqa: PLR2004 - "x", a local server's dummy, would blot out half of every sentence
            continue
        import json
        from urllib.parse import quote

        quoted = quote(secret, safe="")
        escaped = json.dumps(secret)[1:-1]
        spellings |= {secret, quoted, re.sub("%..", lambda code: code[0].lower(), quoted)}
        spellings |= {escaped, escaped.replace("/", r"\/")}
    return spellings


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
    import shlex

    return shlex.quote(shown(text))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like `word`, or None where none is."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return close[0] if close else None


def _toml_part(part: str) -> str:
    if part and all(char.isascii() and (char.isalnum() or char in "-_") for char in part):
        return part
    import json

    # A JSON string is a TOML basic string; what can't be seen is escaped.
    return json.dumps(part, ensure_ascii=not part.isprintable())
