"""Text for people: foreign text made safe to show, and the values, places and suggestions that messages contain.

What a server, a file or a command line contains is foreign: it may hold escape sequences, characters that can't be
seen, or the key. It goes into a message through one of these:

    sanitize(text, secrets)   prose, such as a server's error message: removes what can't be shown, hides secrets and
                              what looks like a key, shortens
    printable(value)          a name or value that the reader must recognise, such as a path: keeps every character
                              that can be shown and marks the others
    named(value)              the name of a profile, variable or the like: as printable(), unless it may be a key
    quoted(value)             a value that is refused: as named(), in quotes and shortened
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHARACTERS = 65_536
"""Characters of a foreign text that are looked at."""

_ESCAPE_SEQUENCE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    # OSC, DCS, SOS, PM, APC up to BEL or ST. No introducer inside, so that the search stays linear.
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"  # the rest: character sets, resets, and introducers of sequences that never end
)


def sanitize(text: str, secrets: Iterable[str] = (), *, keep_newlines: bool = False, limit: int = 2000) -> str:
    """Return foreign prose in a form that is safe to show.

    Whole escape sequences are removed, then control, format (bidi, zero width) and private characters. White space,
    line breaks included, becomes single spaces; `keep_newlines` keeps the line breaks. Each of `secrets` of four
    characters or more becomes `***`, whatever disguise it is in (`imagecli.redaction`); so does what has the shape of a
    key, and a password in a URL. Lone surrogates stay: they are the undecodable bytes of file names.

    Returns:
        At most `limit` characters.
    """
    text = text[:MAX_CHARACTERS]
    if not text.isprintable():
        text = re.sub(_ESCAPE_SEQUENCE, "", text)
        text = "".join(map(_visible, text.replace("\r\n", "\n")))
    text = text.strip("\n") if keep_newlines else " ".join(text.split())
    if secrets := tuple(secrets):
        from imagecli.redaction import redactor

        text = redactor(secrets).redact(text)
    text = hide_keys(text)
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def _visible(character: str) -> str:
    """Return what replaces a character: itself, a space, or nothing."""
    if character == "\n":
        return character
    category = unicodedata.category(character)
    if category[0] == "Z" or character in "\t\r\x0b\x0c\x85":
        return " "
    return "" if category in {"Cc", "Cf", "Co"} else character


_KEY_PREFIXES = ("sk-", "rk-", "pk-", "xai-", "gsk_", "hf_", "r8_", "nvapi-", "fw_", "AIza", "eyJ")
_KEY = (
    r"(?a)(?<![\w./*-])(?:"
    r"(?:sk|rk|pk|xai|nvapi)-(?=[\w-]*\d)[\w-]{16,}"
    r"|(?:gsk|hf|r8|fw)_(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}"
    r"|AIza[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r")"
)
"""What is certain to be a key, as OpenAI, xAI, Groq, Hugging Face, Replicate, NVIDIA, Fireworks, Google make them."""
_LOGIN = r"(?<=://)[^\s/@]*@"
"""Of a URL: everything up to the host."""
_LEAST_OF_TOKEN = 20
_MOST_OF_WORD = 15
HIDDEN = "***"
"""Stands for a key that was typed in the place of a name."""


KEY_PLACE = "Run `imagecli config set-key`, which asks for it, or set it in the environment."
"""What to do with a key that was typed where others can see it."""


def hide_keys(text: str) -> str:
    """Return the text without what has the shape of a key, and without the user names and passwords in its URLs."""
    if any(prefix in text for prefix in _KEY_PREFIXES):
        text = re.sub(_KEY, HIDDEN, text)
    return re.sub(_LOGIN, f"{HIDDEN}@", text) if "@" in text and "://" in text else text


def hide_words(text: str, *, random: bool = False) -> str:
    """Return a setting or a message without the words that are keys; with `random`, also without those that may be."""
    words = re.split(r"([\s=:,;/?&@\"'()])", hide_keys(text))
    return "".join(HIDDEN if is_key(word) or (random and _is_random(word)) else word for word in words)


def is_key(word: str) -> bool:
    """Return whether a word is certain to be a key: it begins as one does, and as no name of anything."""
    return word.startswith(_KEY_PREFIXES) and (re.fullmatch(_KEY, word) is not None or _is_short_key(word, 8))


def may_be_key(text: str) -> bool:
    """Return whether a value that was refused may hold a key, so that it is not repeated.

    One of its words is a token as only a machine makes them: 20 letters and digits or more, in a changing order. The
    names of models and files have parts that are words.
    """
    words = (text, *_words(text))
    return any(is_key(word) or _is_random(word) or _is_short_key(word, 5) for word in words)


def holds_key(text: str) -> bool:
    """Return whether one of the words of a text is certain to be a key."""
    return any(prefix in text for prefix in _KEY_PREFIXES) and any(map(is_key, _words(text)))


def _is_short_key(word: str, least: int) -> bool:
    """Return whether a word is `sk-` and a token: sk-prod-1 may be a profile, and sk-learn a prompt."""
    if not word.startswith(("sk-", "rk-")) or re.fullmatch(r"(?a)[\w-]+", word) is None:
        return False
    parts = re.split("[_-]", word[3:])
    return any(len(part) > _MOST_OF_WORD or (len(part) >= least and not part.isalpha()) for part in parts)


def _words(text: str) -> list[str]:
    return re.split(r"[\s=:,.;\"'()\[\]]", text)


def _is_random(token: str) -> bool:
    if len(token) < _LEAST_OF_TOKEN or not re.fullmatch(r"[\w+/=-]+", token, re.ASCII):
        return False
    longest = max(re.split(r"[_+/=-]", token), key=len)
    changes = len(re.findall(r"[A-Za-z](?=\d)|\d(?=[A-Za-z])", longest))
    return len(longest) > _MOST_OF_WORD and changes > 2 and len({*longest.lower()} - {*"0123456789"}) > 3  # noqa: PLR2004


_QUOTED_CHARACTERS = 60
"""Characters of a refused value that a message repeats."""


def printable(value: object) -> str:
    """Return `value` as one line of text, with U+FFFD for each character that can't be shown."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def quoted(value: object) -> str:
    """Return a refused value in quotes, shortened where it is long; one that may be a key is not repeated."""
    text = printable(value)
    if may_be_key(text):
        return f"'{HIDDEN}'"
    return f"'{text[:_QUOTED_CHARACTERS]}…'" if len(text) > _QUOTED_CHARACTERS else f"'{text}'"


def named(value: object) -> str:
    """Return the name of something as `printable()` does, but not one that may be a key, typed in its place."""
    text = printable(value)
    return HIDDEN if may_be_key(text) else text


def toml_key(*parts: str) -> str:
    """Return the parts as a dotted TOML key: `models."team/flux".sizes`."""
    return ".".join(_toml_part(part) for part in parts)


def file_place(*parts: str) -> str:
    """Return a place in the config file as one sees it there: `[profiles.office] base_url`, or `profile`."""
    *tables, key = (HIDDEN if may_be_key(part) else part for part in parts)
    return f"[{_shown_key(*tables)}] {_shown_key(key)}" if tables else _shown_key(key)


def _shown_key(*parts: str) -> str:
    return ".".join(part if part == HIDDEN else _toml_part(part) for part in parts)


def shell_word(text: str) -> str:
    """Return the text as one word of a shell command, for messages that name a command to run."""
    import shlex

    return shlex.quote(printable(text))


def or_meant(word: object, known: Iterable[str]) -> str:
    """Return "; did you mean WORD?", to end a message about a word that is none of the known ones; "": none is near."""
    near = closest_match(word, known) if isinstance(word, str) else None
    return f"; did you mean {named(near)}?" if near else ""


def misspelt(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` must be meant for, None where it may be a new name.

    They are almost the same, and differ in more than digits, which make it another version.
    """
    import difflib

    near = closest_match(word, known)
    if near is None or re.sub(r"\d", "", near.lower()) == re.sub(r"\d", "", word.lower()):
        return None
    return near if difflib.SequenceMatcher(None, near.lower(), word.lower()).ratio() >= _SAME else None


def closest_match(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to `word`, or None where none is similar."""
    return next(iter(close_matches(word, known)), None)


_ABOUT = 0.15
_SAME = 0.85
_LEAST_OF_BEGINNING = 3


def close_matches(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three known words that are about as similar to `word` as the most similar, which comes first.

    Capitals don't matter. Where none is, those of which it is the beginning, or that are its beginning: `generate` is
    near to `gen`.
    """
    import difflib

    word, spelt = word.lower(), {each.lower(): each for each in known}
    close = difflib.get_close_matches(word, spelt)
    likeness = [difflib.SequenceMatcher(None, each, word).ratio() for each in close]
    close = [each for each, like in zip(close, likeness, strict=True) if like > likeness[0] - _ABOUT]
    if not close:  # "s" begins half of them
        close = [each for each in spelt if min(len(each), len(word)) >= _LEAST_OF_BEGINNING and _begins(word, each)][:3]
    return [spelt[each] for each in close]


def _begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _toml_part(part: str) -> str:
    if part and all(char.isascii() and (char.isalnum() or char in "-_") for char in part):
        return part
    import json

    # A JSON string is a TOML basic string; characters that can't be shown are escaped.
    return json.dumps(part, ensure_ascii=not part.isprintable())
