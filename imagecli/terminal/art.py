"""One image in a terminal's own form: as lines of characters (half blocks, Kitty), or as one sequence (Sixel, iTerm2).

textual-image draws for Kitty and Sixel; iTerm2's protocol is written here.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import os
import random
import re
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from imagecli.terminal.half_blocks import half_blocks
from imagecli.terminal.wrapping import cells, cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.types import Size
    from imagecli.terminal.console import Console
    from imagecli.terminal.detection import Terminal

_MOST_PIXELS = 1_500_000
"""Pixels that are sent to the terminal: Sixel takes a second for twice as many."""
_KITTY_MESSAGE = re.compile(r"\x1b_G[^\x1b]*\x1b\\")
_KITTY_NUMBER = re.compile(r"\x1b_Gi=(\d+)")
_KITTY_COLOUR = re.compile(r"\x1b\[38;2;0;0;(\d+)m")
_RESET = "\x1b[0m"
_SIXEL = re.compile(r"\x1bP[^\x1b]*\x1b\\")


def _kitty_numbers() -> Iterator[int]:
    """Yield numbers for Kitty's images, each another, whose lower three bytes are one of the 256 colours.

    The colour of a placeholder is the number of its image, and tmux, for one, rounds other colours. The highest byte
    stands in a diacritic; it begins anywhere, as images of earlier runs are still on the screen.
    """
    for count in itertools.count(240 * random.randrange(256)):  # noqa: S311 - no secret
        yield (count // 240 % 256) << 24 | 16 + count % 240


_numbers = _kitty_numbers()


class Art(NamedTuple):
    """An image, ready to be written to a terminal."""

    size: Size
    """The columns and rows that it covers."""
    lines: tuple[str, ...] = ()
    """Its rows as text; empty where it is only one sequence."""
    sequence: str = ""
    """What draws it at the cursor, wherever that leaves the cursor."""
    before: str = ""
    """What has to be sent before its lines, and draws nothing."""
    release: str = ""
    """A sequence that lets the terminal free it."""


def fitted(image: Size, box: Size, terminal: Terminal) -> Size:
    """Return the columns and rows that an image of this size (pixels) fills with its aspect kept, at least one each.

    Args:
        image: width and height, in pixels; smaller ones are drawn larger.
        box: the columns and rows that there are.
        terminal: how it draws.
    """
    cell = terminal.cell
    scale = min(cells * side / pixels for cells, side, pixels in zip(box, cell, image, strict=True))
    if terminal.protocol in {"kitty", "sixel"}:
        scale = min(scale, (_MOST_PIXELS / (image[0] * image[1])) ** 0.5)
    columns, rows = (max(1, round(pixels * scale / side)) for side, pixels in zip(cell, image, strict=True))
    return min(columns, box[0]), min(rows, box[1])


def drawn(image: Image.Image, size: Size, terminal: Terminal, console: Console) -> Art:
    """Return an image, in RGB or RGBA, as the terminal draws it into so many columns and rows."""
    if terminal.protocol == "iterm2":
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return as_file(file.getvalue(), size)
    if terminal.protocol == "blocks":
        return Art(size, half_blocks(_on_grey(image), size, console.environ))
    text = _by_textual_image(image, size, terminal, console)
    if terminal.protocol == "sixel":
        found = _SIXEL.search(text)
        return Art(size, sequence=found[0] if found else "")
    messages = _KITTY_MESSAGE.findall(text)
    rows = _KITTY_COLOUR.sub("\x1b[38;5;\\1m", _KITTY_MESSAGE.sub("", text)).splitlines()[: size[1]]
    lines = [row.removeprefix(_RESET).removesuffix(_RESET) + _RESET for row in rows]
    number = _KITTY_NUMBER.search(text)
    release = [f"\x1b_Ga=d,d=I,i={number[1]},q=2\x1b\\"] if number else []
    if terminal.in_tmux:
        messages, release = list(map(_through_tmux, messages)), list(map(_through_tmux, release))
    return Art(size, tuple(lines), before="".join(messages), release="".join(release))


def as_file(file: bytes, size: Size) -> Art:
    """Return iTerm2's inline image: the unchanged file, and the cells that it fills."""
    columns, rows = size
    fields = f"inline=1;size={len(file)};width={columns};height={rows};preserveAspectRatio=1"
    return Art(size, sequence=f"\x1b]1337;File={fields}:{base64.b64encode(file).decode()}\x07")


def as_text(text: str, box: Size) -> Art:
    """Return words that stand in the place of an image that can't be drawn."""
    import textwrap

    lines = [cut(line, box[0]) for line in textwrap.wrap(text, max(1, box[0]))[: box[1]]]
    return Art((box[0], len(lines)), tuple(line + " " * (box[0] - cells(line)) for line in lines))


def _through_tmux(sequence: str) -> str:
    """Return a sequence in the envelope that tmux takes off."""
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def _by_textual_image(image: Image.Image, size: Size, terminal: Terminal, console: Console) -> str:
    output = io.StringIO()
    with _replacing_stdout(output), warnings.catch_warnings(action="ignore"):  # of its use of Pillow
        from rich.console import Console as RichConsole
        from textual_image.renderable import SixelImage, TGPImage

        TGPImage._image_id_counter = _numbers  # type: ignore[assignment] # noqa: SLF001 - it takes them nowhere else
        # Only Kitty draws transparency.
        renderable = TGPImage(image, *size) if terminal.protocol == "kitty" else SixelImage(_on_grey(image), *size)
        # textual-image reads the cell size from the environment; Sixel, which is drawn in pixels, depends on it.
        os.environ["TEXTUAL_CELL_WIDTH"], os.environ["TEXTUAL_CELL_HEIGHT"] = map(str, terminal.cell)
        RichConsole(
            file=output,
            width=size[0],
            height=size[1],
            force_terminal=True,
            color_system="truecolor",
            no_color=False,  # NO_COLOR is about decoration
            legacy_windows=False,
            _environ=console.environ,
        ).print(renderable)
    return output.getvalue()


def _on_grey(image: Image.Image) -> Image.Image:
    """Return an image in RGB, on grey where it is transparent: neither black nor white is lost on it."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "grey"), image)
    return image.convert("RGB")


@contextlib.contextmanager
def _replacing_stdout(stream: io.StringIO) -> Iterator[None]:
    """Replace `sys.__stdout__`, which textual-image writes to, and queries if it is a terminal."""
    stdout = sys.__stdout__
    sys.__stdout__ = stream  # type: ignore[misc, assignment] # no other way to reach it
    try:
        yield
    finally:
        sys.__stdout__ = stdout  # type: ignore[misc] # the same
