"""How messages stand on stderr: laid out for people in a terminal, a line each behind our name elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.text import MAX_CHARACTERS, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "imagecli: "
_INSET = 2
"""Columns before what belongs to a message."""
_HINT, _DIM = "36", "2"


class Message(NamedTuple):
    """What there is to say."""

    text: str
    """May have several lines."""
    label: str = ""
    """What kind of message it is: "error", "warning"; empty: a note."""
    colour: str = ""
    """Of the label, or of a text without one: the parameters of an escape sequence."""
    hint: str | None = None
    """What to do."""
    details: tuple[str, ...] = ()
    """What else may be asked for: an ID, a path."""

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Yield the lines, safe to show, each with its label and its colour."""
        label, colour = self.label, self.colour
        for line in sanitize(self.text, keep_newlines=True, limit=MAX_CHARACTERS).split("\n"):
            yield label, line, colour
            label, colour = "", "" if self.label else self.colour
        if self.hint:
            yield "hint", sanitize(self.hint, limit=MAX_CHARACTERS), _HINT
        for detail in self.details:
            yield "", sanitize(detail, limit=MAX_CHARACTERS), _DIM


def in_a_log(message: Message, *, coloured: bool) -> list[str]:
    """Return a message for a file, a pipe or another program: each line is whole, and names us."""
    lines = []
    for label, text, colour in message.lines():
        mark = f"{_in(colour, f'{label}:', coloured=coloured)} " if label and label == message.label else ""
        lines.append(f"{_NAME}{mark}{text if message.label else _in(colour, text, coloured=coloured)}")
    return lines


def in_a_terminal(message: Message, columns: int, *, coloured: bool) -> list[str]:
    """Return a message for people: wrapped at words, with what belongs to it below it."""
    lines: list[str] = []
    for label, text, colour in message.lines():
        inset = " " * (_INSET if lines and message.label else 0)
        mark = f"{label}: " if label else ""
        before = len(inset) + len(mark)
        pieces = [text]
        if before + len(text) > columns // 2:  # wide characters take two
            from imagecli.terminal.wrapping import wrapped

            pieces = wrapped(text, columns, before, min(before or _INSET, columns // 4))
        if label:
            lines += [f"{inset}{_in(colour, mark[:-1], coloured=coloured)} {pieces[0]}", *pieces[1:]]
        else:
            lines += [_in(colour, piece, coloured=coloured) for piece in (inset + pieces[0], *pieces[1:])]
    return lines


def _in(colour: str, text: str, *, coloured: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured and colour else text
