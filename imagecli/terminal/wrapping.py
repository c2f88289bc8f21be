"""Breaking messages at words, for a terminal that is narrower: never inside what somebody may copy."""

from __future__ import annotations

import os
import re
import unicodedata

_WORD = r"`[^`]*`\S*|'[^']*'\S*|\S+"
"""A command in backquotes or a quoted value is one word."""
_MOST_PARTS = 8
"""Words that one path may have."""


def cells(text: str) -> int:
    """Return how many columns a text takes; a wide character fills two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def cut(text: str, width: int) -> str:
    """Return a text cut in its middle to so many columns."""
    kept, shown = len(text), text
    while kept > 1 and cells(shown) > width:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown if cells(shown) <= width else ""


def wrapped(line: str, columns: int, before: int, indent: int) -> list[str]:
    """Return a line in pieces that fit, the first behind `before` columns, the others behind `indent` blanks.

    A word that is wider than the terminal stays whole: the terminal wraps it itself, and copies it without a break.
    """
    if before + cells(line) <= columns:
        return [line]
    lead = line[: len(line) - len(line.lstrip())]
    pieces, room = [lead], columns - before - len(lead)
    for word in _words(line):
        width = cells(word)
        if pieces[-1].strip() and width + 1 > room:
            pieces.append(" " * indent)
            room = columns - indent
        blank = " " if pieces[-1].strip() else ""
        pieces[-1] += blank + word
        room -= len(blank) + width
    return pieces


def _words(line: str) -> list[str]:
    """Return the words of a line; a path with blanks is one of them, if there is something at it."""
    words = re.findall(_WORD, line)
    found = []
    while words:
        ends = range(min(len(words), _MOST_PARTS), 1, -1)
        length = next((end for end in ends if _is_path(" ".join(words[:end]))), 1)
        found.append(" ".join(words[:length]))
        del words[:length]
    return found


def _is_path(text: str) -> bool:
    return os.sep in text and any(os.path.lexists(each) for each in (text, text.rstrip(".,:;")))
