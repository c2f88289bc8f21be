"""Previews: images drawn in a terminal, one large or several as a grid with labels.

A preview never fails a run: any problem with an image or the terminal becomes one warning, or words in the image's
place, and everything is bounded (bytes, pixels, time).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.reading import open_input, read_input
from imagecli.images.thumbnail import MAX_BYTES, thumbnail
from imagecli.terminal import art, grid
from imagecli.terminal.detection import detect_terminal
from imagecli.text import printable, sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagecli.images.input_image import InputImage
    from imagecli.images.types import Size
    from imagecli.terminal.art import Art
    from imagecli.terminal.console import Console
    from imagecli.terminal.detection import Terminal
    from imagecli.terminal.drawing import Drawing, Placed

    Source = str | bytes | InputImage

_MOST_CELLS = 256
"""Columns or rows; Kitty's placeholders can number 297."""
_MOST_FILE, _MOST_FILE_PIXELS = 8_000_000, 16_000_000
"""Bytes and pixels of a PNG that iTerm2 is given as it is; of a larger one it gets a smaller copy."""
_MOST_SHAPES, _LONGEST = 12, 2.5
"""How many images of a grid are asked for their shapes, and how long a place may be for its width, or wide."""
DECODING_S: float | None = None
"""How long decoding an image may take; None: as `thumbnail` says."""


class Picture(NamedTuple):
    """An image to draw."""

    source: Source
    """A path, the bytes of a file, or an image that has been read."""
    label: str = ""
    """What stands above it, where there are several."""


class Unsupported(Exception):
    """Images can't be drawn here, or this one can't be, though nothing is wrong with it or the terminal."""


def show(pictures: Sequence[Picture], console: Console, on: Console | None = None, over: Placed | None = None) -> None:
    """Draw images: one by itself, several as a grid with labels.

    A drawing is as wide as the window at the most, and takes two thirds of its rows, unless a grid has more images than
    that has room for. Problems become a warning, or a note where the terminal or the format is not supported; in a grid
    the words stand in the image's place. They never raise.

    Args:
        pictures: the images.
        console: where problems are reported.
        on: the console at whose stderr it is drawn; None: the same.
        over: the drawing whose place it takes.
    """
    on = on or console
    if not (pictures and on.stderr_is_terminal):
        return
    with reporting_failure(console):
        for drawing in drawings(pictures, on):
            on.place(drawing, over)
            over = None


def can_draw(console: Console) -> bool:
    """Return whether images can be drawn at a console's stderr, and would be seen: not in a log, nor with ASCII."""
    if not console.stderr_is_terminal or console.dumb or console.ci:
        return False
    try:
        _terminal_of(console)
    except (Unsupported, OSError):
        return False
    return True


@contextlib.contextmanager
def reporting_failure(console: Console) -> Iterator[None]:
    """Turn an exception into a warning or a note on why there is no preview."""
    try:
        yield
    except Unsupported as reason:
        console.note(f"no preview: {reason}")
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise anything, and no preview is worth a run
        console.warn(f"no preview: {_reason(error)}")


def drawings(pictures: Sequence[Picture], console: Console, *, before: Size | None = None) -> Iterator[Drawing]:
    """Yield what draws the images: of a grid, row by row, so that those of one row are in memory at a time.

    One image has as many columns and rows as `before`, if given, unless its aspect differs.

    Raises:
        Unsupported: this terminal is not supported, or the one image's format.
        Exception: anything that decoding the one image raises.
    """
    terminal = _terminal_of(console)
    columns, rows = console.window()
    room = max(1, min(columns, _MOST_CELLS)), max(1, min(rows * 2 // 3, _MOST_CELLS))
    if len(pictures) == 1:
        drawn = _art(pictures[0].source, room, terminal, console, before=before)
        yield grid.row_of([("", drawn)], room[0], labelled=False)
        return
    layout = grid.laid_out(len(pictures), _typical_size(pictures), room, terminal)
    for first in range(0, len(pictures), layout.across):
        row = [(printable(each.label), each.source) for each in pictures[first : first + layout.across]]
        pieces = [(label, _art_or_reason(source, layout.place, terminal, console)) for label, source in row]
        drawing = grid.row_of(pieces, layout.place[0], labelled=True)
        yield _with_blank_line(drawing) if first + layout.across < len(pictures) else drawing


def _with_blank_line(drawing: Drawing) -> Drawing:
    columns, rows = drawing.size
    return drawing._replace(escapes=drawing.escapes + "\n", size=(columns, rows + 1))


def _terminal_of(console: Console) -> Terminal:
    if console.dumb:
        raise Unsupported("this terminal can't show images (TERM=dumb)")
    terminal = detect_terminal(console)
    if terminal.protocol in {"blocks", "kitty"} and not console.unicode:
        raise Unsupported("it needs a UTF-8 locale")
    return terminal


def _typical_size(pictures: Sequence[Picture]) -> Size:
    """Return the shape that the places of a grid are made for: the middle one of the first images, and no extreme."""
    shapes = []
    for each in pictures[:_MOST_SHAPES]:
        with contextlib.suppress(Exception):  # reported in its place
            width, height = _opened(each.source).size
            shapes.append(width / height)
    shape = sorted(shapes)[len(shapes) // 2] if shapes else 1.0
    return round(100 * min(max(shape, 1 / _LONGEST), _LONGEST)), 100


def _opened(source: Source) -> InputImage:
    """Return an image whose pixels are not decoded yet.

    Raises:
        Unsupported: it is an SVG.
        UsageProblem: it is no file, or not an image.
    """
    if isinstance(source, str):
        if not os.path.isfile(source):  # reading anything else (`-o /dev/stdout`) could block for ever
            raise ValueError("it is not a regular file")
        if os.path.getsize(source) > MAX_BYTES:
            raise ValueError(f"the file is larger than {MAX_BYTES:,} bytes")
        with open(source, "rb") as file:
            head = file.read(4096)
    else:
        head = source[:4096] if isinstance(source, bytes) else b""
    if b"<svg" in head.lower():
        raise Unsupported("an SVG can't be drawn in a terminal")
    if isinstance(source, str):
        return read_input(source)
    return open_input(source, "the image") if isinstance(source, bytes) else source


def _art(source: Source, box: Size, terminal: Terminal, console: Console, *, before: Size | None = None) -> Art:
    image = _opened(source)
    size = art.fitted(image.size, box, terminal)
    if before and all(abs(new - old) <= 1 for new, old in zip(size, before, strict=True)):
        size = before  # the same image in fewer pixels, rounded
    if terminal.protocol == "iterm2" and _goes_as_it_is(image):
        thumbnail(image, (1, 1), DECODING_S)  # a file that can't be decoded is not handed on
        return art.as_file(image.data, size)
    width, height = (cells * side for cells, side in zip(size, terminal.cell, strict=True))
    return art.drawn(thumbnail(image, (width, height), DECODING_S), size, terminal, console)


def _goes_as_it_is(image: InputImage) -> bool:
    is_small = image.length <= _MOST_FILE and image.size[0] * image.size[1] <= _MOST_FILE_PIXELS
    return is_small and image.format == "png" and not image.animated


def _art_or_reason(source: Source, box: Size, terminal: Terminal, console: Console) -> Art:
    try:
        return _art(source, box, terminal, console)
    except Exception as error:  # noqa: BLE001 - as in `reporting_failure`
        name = f"{printable(source)} " if isinstance(source, str) else ""  # stands above it
        return art.as_text(f"({_reason(error).removeprefix(name)})", box)


def _reason(error: Exception) -> str:
    """Return why an image can't be drawn."""
    return sanitize(str(error)).rstrip(".") or type(error).__name__
