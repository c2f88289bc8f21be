"""--prompt of a batch: one sentence, with the columns of each row in braces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagecli.errors import UsageProblem
from imagecli.text import KEY_PLACE, holds_key, named, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


class Template:
    """A prompt with fields: {column} stands for that cell of the row, {{ and }} for braces."""

    def __init__(self, text: str) -> None:
        """Read it.

        Raises:
            UsageProblem: it is empty, has an unmatched brace, or holds a key.
        """
        if not text.strip():
            raise UsageProblem("--prompt is empty", hint="Say what the images should show.")
        if holds_key(text):
            raise UsageProblem("--prompt holds what looks like a key", hint=KEY_PLACE)
        self._parts: list[tuple[str, bool]] = []
        """Each text, and whether it is the name of a column."""
        end = 0
        for match in _PART.finditer(text):
            if match[0] in {"{", "}"}:
                raise UsageProblem("--prompt has an unmatched brace", hint="Write {{ and }} for literal braces.")
            self._parts.append((text[end : match.start()], False))
            self._parts.append((match[1], True) if match[1] else (match[0][0], False))
            end = match.end()
        self._parts.append((text[end:], False))
        self.columns = frozenset(name for name, is_column in self._parts if is_column)

    def fill(self, cells: Mapping[str, Any]) -> str:
        """Return the prompt of a row.

        Raises:
            UsageProblem: a column is not there, empty, or not a text or number.
        """
        return "".join(_cell(cells, part) if is_column else part for part, is_column in self._parts)


def _cell(cells: Mapping[str, Any], name: str) -> str:
    value = cells.get(name)
    if value is None or value == "":
        raise UsageProblem(f"--prompt needs {named(name)}, which is not set")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageProblem(f"--prompt needs {named(name)} as a text or a number, not {quoted(value)}")
    return str(value)
