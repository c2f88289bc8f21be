"""Where the images of a grid stand: in rows, side by side, each below its label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.terminal.drawing import Drawing
from imagecli.terminal.wrapping import cells, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.images.types import Size
    from imagecli.terminal.art import Art
    from imagecli.terminal.detection import Terminal

GAP = 2
"""Columns between images."""
_LEAST = (12, 4)
"""Columns and rows of a place, where all are on one screen."""
_NEARLY = 0.7
"""More in a row are better than larger images, down to this part of their size."""
_USUAL_COLUMNS = 18
"""Columns of a place, where they are more than a screen has room for."""


class Layout(NamedTuple):
    """The places of a grid."""

    across: int
    """How many there are in a row."""
    place: Size
    """The columns and rows of each, without its label."""


def laid_out(count: int, image: Size, room: Size, terminal: Terminal) -> Layout:
    """Return the grid in which images are largest, or nearly so, with as many in a row as that allows.

    Args:
        count: how many images.
        image: width and height of a typical one, in pixels.
        room: columns and rows that the grid should not go beyond. Where the places would be too small to see anything,
            it goes on below.
        terminal: how it draws.
    """
    columns, rows = room
    # How many columns an image takes for each row.
    aspect = image[0] * terminal.cell[1] / (image[1] * terminal.cell[0])
    found = []
    for across in range(1, count + 1):
        width, height = (columns - GAP * (across - 1)) // across, rows // -(-count // across) - 1 - (across < count)
        if width >= _LEAST[0] and height >= _LEAST[1]:
            found.append((min(width, height * aspect), across, width, height))
    if found:
        enough = max(found)[0] * _NEARLY
        _, across, width, height = max((each for each in found if each[0] >= enough), key=lambda each: each[1])
        if across == 1:  # and what is below each other anyway may go on below
            return Layout(1, (columns, max(1, min(rows, round(columns / aspect)))))
        return Layout(across, (min(width, max(_LEAST[0], round(height * aspect))), height))
    across = max(1, min(count, (columns + GAP) // (_USUAL_COLUMNS + GAP)))
    width = max(1, (columns - GAP * (across - 1)) // across)
    return Layout(across, (width, max(1, min(rows, round(width / aspect)))))


def row_of(pieces: Sequence[tuple[str, Art]], width: int, *, labelled: bool) -> Drawing:
    """Return images side by side as one drawing, each below its label, which is cut to `width` columns."""
    height = max(art.size[1] for _, art in pieces)
    starts = [index * (width + GAP) for index in range(len(pieces))]
    columns = starts[-1] + pieces[-1][1].size[0]
    above = ""
    if labelled:
        labels = [cut(label, width) for label, _ in pieces]
        padded = [label + " " * (width + GAP - cells(label)) for label in labels[:-1]]
        above = "".join([*padded, labels[-1]]) + "\n"
        columns = max(columns, starts[-1] + cells(labels[-1]))
    arts = [art for _, art in pieces]
    body = "".join(_lines(arts, starts)) if all(art.lines for art in arts) else _sequences(arts, starts, height)
    release = "".join(art.release for art in arts)
    return Drawing(above + "".join(art.before for art in arts) + body, (columns, height + labelled), release)


def _lines(arts: Sequence[Art], starts: Sequence[int]) -> list[str]:
    """Return images of text as the lines that they share."""
    shared = []
    for row in range(max(len(art.lines) for art in arts)):
        line, column = "", 0
        for art, start in zip(arts, starts, strict=True):
            if row < len(art.lines):
                line += " " * (start - column) + art.lines[row]
                column = start + art.size[0]
        shared.append(line + "\n")
    return shared


def _sequences(arts: Sequence[Art], starts: Sequence[int], height: int) -> str:
    """Return what draws images at the cursor.

    Terminals leave the cursor in different places after them. So the rows are made first, and the cursor is restored.
    """
    drawn = [
        f"\x1b7{_down(row)}{_right(start)}{piece}\x1b8"
        for art, start in zip(arts, starts, strict=True)
        for row, piece in enumerate(art.lines or [art.sequence])
    ]
    return "\n" * height + f"\x1b[{height}A" + "".join(drawn) + f"\x1b[{height}B"


def _down(rows: int) -> str:
    return f"\x1b[{rows}B" if rows else ""


def _right(columns: int) -> str:
    return f"\x1b[{columns}C" if columns else ""
