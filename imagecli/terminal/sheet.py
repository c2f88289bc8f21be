"""Tables on stdout: in a terminal in colour and cut or wrapped to its width, elsewhere plain and whole."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from imagecli.terminal.wrapping import cells, wrapped
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BOLD, DIM, RED, YELLOW, CYAN = "1", "2", "31", "33", "36"
_GAP = "  "


class Sheet(NamedTuple):
    """What a table may use."""

    columns: int | None = None
    """The width of the terminal; None: there is none."""
    coloured: bool = False

    def paint(self, text: str, style: str) -> str:
        """Return a text in a style: the parameters of an escape sequence; empty: as it is."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.coloured and style and text.strip() else text


PLAIN = Sheet()


def cut(text: str, columns: int, *, front: bool = False) -> str:
    """Return as much of a text as fits, with … where something is missing: at the end, or in `front`."""
    if cells(text) <= columns:
        return text
    while cells(text) > columns - 1:
        text = text[1:] if front else text[:-1]
    return f"…{text}" if front else f"{text}…"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled up with blanks, at its end or `right`-aligned."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def aligned(rows: Iterable[Sequence[str]], sheet: Sheet = PLAIN, *, styles: Sequence[str] = (DIM,)) -> str:
    """Return rows as lines whose cells are aligned; in a terminal the last cell is wrapped below itself.

    `styles` are those of the columns, in their order.
    """
    table = [tuple(map(printable, row)) for row in rows]
    count = max(map(len, table), default=1)
    # A cell with nothing behind it does not push others to the right.
    widths = [max((cells(row[n]) for row in table if any(row[n + 1 :])), default=0) for n in range(count - 1)]
    return "\n".join(line for row in table for line in _lines(row, [*widths, 0], sheet, styles))


def _lines(row: Sequence[str], widths: Sequence[int], sheet: Sheet, styles: Sequence[str]) -> list[str]:
    last = max((n for n, cell in enumerate(row) if cell), default=0)
    indent = sum(widths[:last]) + len(_GAP) * last
    pieces = [row[last]]
    if sheet.columns is not None and indent <= sheet.columns // 2:
        pieces = wrapped(row[last], sheet.columns, indent, indent)
    texts = [padded(cell, width) for cell, width in zip(row[:last], widths, strict=False)] + [pieces[0]]
    painted = [sheet.paint(text, style or "") for text, style in zip_longest(texts, styles[: len(texts)])]
    return [_GAP.join(painted), *pieces[1:]]
