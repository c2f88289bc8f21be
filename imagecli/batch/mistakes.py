"""What is wrong with a job file: all of it, told at once, with line numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from imagecli.errors import UsageProblem
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_SHOWN = 20
_LONGEST = 500
"""Characters of a mistake; a file may hold names of any length."""
P = ParamSpec("P")
T = TypeVar("T")


class Problems(list[UsageProblem]):
    """What is wrong with one line."""

    def of(self, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Take a step, and return what comes of it; where that is a problem, keep it, and return None."""
        try:
            return step(*args, **kwargs)
        except UsageProblem as error:
            self.append(error)
            return None


class Mistakes:
    """What is wrong, by line; the first are told, the others counted."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: list[tuple[int, str]] = []
        self._hints: set[str | None] = set()
        self.count = 0

    def add(self, line: int, words: str, hint: str | None = None) -> None:
        """Add what is wrong with a line, and what to do where that is known."""
        self.count += 1
        self._hints.add(hint)
        if len(self._first) < _MOST_SHOWN:
            self._first.append((line, _short(printable(words))))

    def error(self, name: str) -> UsageProblem:
        """Return the error that tells them; `name` is the job file's."""
        what = "1 mistake" if self.count == 1 else f"{self.count:,} mistakes"
        lines = [f"line {line}: {words}" for line, words in sorted(self._first, key=lambda each: each[0])]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines):,} more")
        return UsageProblem(
            "\n".join([f"{printable(name)} has {what}; nothing was sent", *lines]),
            hint=(min(self._hints, key=str) if len(self._hints) == 1 else None) or "Correct the job file.",
        )


class Warnings:
    """The warnings of many jobs: each once, with how many jobs it is about."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[str] = Counter()

    def add(self, warnings: Iterable[str]) -> None:
        """Add the warnings of a job."""
        self._counts.update(warnings)

    def texts(self) -> tuple[str, ...]:
        """Return each, with the number of jobs where they are several."""
        return tuple(each if n == 1 else f"{each} ({n:,} jobs)" for each, n in self._counts.items())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
