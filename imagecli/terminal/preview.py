"""A picture, drawn on stderr where that is a terminal: Kitty, Sixel and half blocks by textual-image, iTerm2 by hand.

A preview is a courtesy: whatever is wrong with the picture or the terminal ends in one warning, and everything is
bounded (bytes, pixels, time). textual-image would ask the terminal on stdout while it is imported, half-asking where
something was typed ahead; so we ask, with one question that every terminal answers, and it only draws.
"""

from __future__ import annotations

import array
import base64
import contextlib
import fcntl
import functools
import io
import os
import re
import select
import sys
import termios
import threading
import time
import tty
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from imagecli.terminal.console import Drawing
from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.images.types import Size
    from imagecli.terminal.console import Console

    Source = str | os.PathLike[str] | bytes

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""What servers send; Pillow's rarer decoders (one starts Ghostscript) have no business here."""
_MOST_BYTES = 64_000_000
_MOST_PIXELS = 40_000_000
"""Decoded, that is up to 160 MB for a moment."""
_MOST_DRAWN = 1_500_000
"""Pixels that go to the terminal: Sixel takes a second for twice as many."""
_MOST_CELLS = 256
"""A side; Kitty's placeholders count to 297."""
_DECODING_S = 5.0
"""A progressive JPEG of 200 kB can keep its decoder busy for half a minute."""
_ANSWER_S = 1.0
_VT340_CELL = (10, 20)

_ASK_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ASK_CELL = "\x1b[16t"
_ASK_ATTRIBUTES = "\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_KITTY_NUMBER = re.compile(r"\x1b_Gi=(\d+)")

_Protocol = Literal["kitty", "sixel", "iterm2", "blocks"]


class _Terminal(NamedTuple):
    protocol: _Protocol
    cell: Size
    """Width and height of a character, pixels."""


class _Space(NamedTuple):
    """Where a picture is drawn, in columns and rows."""

    box: Size
    """What it may take."""
    before: Size | None
    """What was taken by the picture that it is drawn over."""


class _Undrawable(Exception):
    """There is no way to draw it, and nobody is to blame."""


def show(source: Source, console: Console, *, width: int | None = None) -> None:
    """Draw the picture in `source`, a path or the bytes of a file, on stderr; nothing where that is no terminal.

    It fits into the window: `width` columns at most, where given, and two thirds of the rows. Never raises for what
    the picture or the terminal is like: says so in a warning, or in a note where that is how it should be.
    """
    if console.stderr_is_terminal:
        with telling(console):
            console.place(drawing(source, console, width=width))


@contextlib.contextmanager
def telling(console: Console) -> Iterator[None]:
    """Tell why a picture could not be drawn, and go on."""
    try:
        yield
    except _Undrawable as reason:
        console.note(f"No preview: {reason}.")
    except UnidentifiedImageError:
        console.warn("No preview: this is no PNG, JPEG, WebP or GIF.")
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise anything, and no preview is worth a run
        console.warn(f"No preview: {clean(str(error)).rstrip('.') or type(error).__name__}.")


def drawing(source: Source, console: Console, *, width: int | None = None, before: Size | None = None) -> Drawing:
    """Return what draws the picture in `source`; in as many columns and rows as `before`, unless its shape is another.

    Raises:
        _Undrawable: nothing is wrong, but there is no way to draw it.
        Exception: whatever Pillow's decoders find.
    """
    if console.dumb:
        raise _Undrawable("this terminal draws no pictures (TERM=dumb)")
    data = source if isinstance(source, bytes) else _read(Path(source))
    if b"<svg" in data[:4096].lower():
        raise _Undrawable("an SVG can't be drawn in a terminal")
    terminal = terminal_of(console)
    if terminal.protocol in {"blocks", "kitty"} and not console.unicode:
        raise _Undrawable("it is drawn with characters that this locale lacks; a UTF-8 one has them")
    with warnings.catch_warnings(action="ignore"):  # Pillow's on odd pictures; and textual-image's use of Pillow
        return _by_protocol(data, terminal, _Space(_box(console.window(), width), before), console)


def _read(path: Path) -> bytes:
    """Return a regular file's bytes; anything else (`-o /dev/stdout`) could keep us waiting for ever."""
    if not path.is_file():
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"the file has more than {_MOST_BYTES:,} bytes")
    return data


def _box(window: Size, width: int | None) -> Size:
    """Return the columns and rows that a picture may take."""
    columns, rows = window
    columns = min(columns, width or columns, _MOST_CELLS)
    return max(columns, 1), max(min(rows * 2 // 3, _MOST_CELLS), 1)


def _fit(picture: Size, space: _Space, terminal: _Terminal) -> Size:
    """Return the columns and rows that `picture` fills with its aspect kept, at least one of each."""
    cell, box = terminal.cell, space.box
    scale = min(room * side / pixels for room, side, pixels in zip(box, cell, picture, strict=True))
    if terminal.protocol in {"kitty", "sixel"}:
        scale = min(scale, (_MOST_DRAWN / (picture[0] * picture[1])) ** 0.5)
    columns, rows = (max(1, round(pixels * scale / side)) for side, pixels in zip(cell, picture, strict=True))
    size = min(columns, box[0]), min(rows, box[1])
    if space.before and all(abs(new - old) <= 1 for new, old in zip(size, space.before, strict=True)):
        return space.before  # the same picture in fewer pixels, rounded
    return size


def _by_protocol(data: bytes, terminal: _Terminal, space: _Space, console: Console) -> Drawing:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        if picture.width * picture.height > _MOST_PIXELS:
            raise ValueError(f"{picture.width}x{picture.height} pixels are too many")
        if terminal.protocol == "iterm2" and picture.format in {"PNG", "GIF"}:
            return _iterm2(data, _fit(picture.size, space, terminal))
        pixels = _decoded(picture, max(room * side for room, side in zip(space.box, terminal.cell, strict=True)))
    size = _fit(pixels.size, space, terminal)
    if terminal.protocol == "iterm2":
        file = io.BytesIO()
        pixels.save(file, "PNG", compress_level=1)
        return _iterm2(file.getvalue(), size)
    escapes = _by_textual_image(pixels, size, terminal, console)
    number = _KITTY_NUMBER.search(escapes)
    return Drawing(escapes, size, f"\x1b_Ga=d,d=I,i={number[1]},q=2\x1b\\" if number else "")


def _decoded(picture: Image.Image, side: int) -> Image.Image:
    """Return the picture upright, in RGB or RGBA and no larger than `side`, or raise what its decoder raised."""
    results: list[Image.Image | Exception] = []

    def decode() -> None:
        try:
            picture.thumbnail((side, side), reducing_gap=2.0)
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # 16 bits, which Pillow would clip to eight and not scale
                upright = upright.convert("I").point(lambda value: value / 256).convert("L")
            results.append(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
        except Exception as error:  # noqa: BLE001 - carried over to the caller
            results.append(error)

    # A decoder can't be stopped, only left behind.
    thread = threading.Thread(target=decode, name="preview", daemon=True)
    thread.start()
    thread.join(_DECODING_S)
    if not results:
        raise TimeoutError("decoding the picture takes too long")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _iterm2(file: bytes, size: Size) -> Drawing:
    """Return iTerm2's inline image: the file as it is, and the cells that it fills.

    Terminals leave the cursor in different places after it, so it goes into rows that are made before.
    """
    columns, rows = size
    fields = f"inline=1;size={len(file)};width={columns};height={rows};preserveAspectRatio=1"
    image = f"\x1b]1337;File={fields}:{base64.b64encode(file).decode()}\x07"
    return Drawing("\n" * rows + f"\x1b7\x1b[{rows}A{image}\x1b8", size)


def _by_textual_image(picture: Image.Image, size: Size, terminal: _Terminal, console: Console) -> str:
    paper = io.StringIO()
    with _stands_for_stdout(paper):
        from rich.console import Console as RichConsole
        from textual_image.renderable import HalfcellImage, SixelImage, TGPImage

        if terminal.protocol != "kitty" and picture.mode == "RGBA":  # only Kitty shows what is behind
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "grey"), picture)
        renderable = {"kitty": TGPImage, "sixel": SixelImage, "blocks": HalfcellImage}[terminal.protocol]
        # Environment variables are textual-image's way to be told; Sixel is drawn in pixels and depends on them.
        os.environ["TEXTUAL_CELL_WIDTH"], os.environ["TEXTUAL_CELL_HEIGHT"] = map(str, terminal.cell)
        RichConsole(
            file=paper,
            width=size[0],
            height=size[1],
            force_terminal=True,
            color_system=_colours(terminal.protocol, console.environ),
            no_color=False,  # a picture is no decoration
            legacy_windows=False,
            _environ=console.environ,
        ).print(renderable(picture, *size))
    return paper.getvalue()


def _colours(protocol: _Protocol, environ: Mapping[str, str]) -> Literal["truecolor", "256", "auto"]:
    """Return the colours to draw with, in rich's words."""
    if protocol == "kitty":  # its placeholders carry the picture's number in their colour
        return "truecolor"
    # Docker's name for any terminal; rich takes it at its word and draws with 16.
    return "256" if environ.get("TERM") == "xterm" and not environ.get("COLORTERM") else "auto"


@contextlib.contextmanager
def _stands_for_stdout(stream: io.StringIO) -> Iterator[None]:
    """Lend textual-image a stdout: it writes to `sys.__stdout__`, and asks the terminal if it finds one there."""
    stdout = sys.__stdout__
    sys.__stdout__ = stream  # type: ignore[misc, assignment] # no other way to reach it
    try:
        yield
    finally:
        sys.__stdout__ = stdout  # type: ignore[misc] # the same


@functools.cache
def terminal_of(console: Console) -> _Terminal:
    """Find out how the terminal draws pictures: from the environment where that is certain, else by asking it."""
    term, program = console.environ.get("TERM", ""), console.environ.get("TERM_PROGRAM", "")
    # A multiplexer hands on the environment of the terminal that it was started in, not its pictures.
    inside = any(console.environ.get(name) for name in ("TMUX", "STY")) or term.startswith(("screen", "tmux"))
    answer = b""
    if inside:
        protocol: _Protocol | None = None
    elif program in {"iTerm.app", "WezTerm"} or console.environ.get("LC_TERMINAL") == "iTerm2":
        protocol = "iterm2"
    elif term in {"xterm-kitty", "xterm-ghostty"}:
        protocol = "kitty"
    else:
        protocol = None
    # These two print what they don't understand.
    if protocol is None and term != "linux" and program != "Apple_Terminal":
        answer = _ask(console, _ASK_CELL + _ASK_ATTRIBUTES if inside else _ASK_KITTY + _ASK_CELL + _ASK_ATTRIBUTES)
    return _Terminal(protocol or _answered(answer), _cell(console, answer))


def _answered(answer: bytes) -> _Protocol:
    """Read the answer. Sixel goes first: Konsole says yes to Kitty's question, but lacks the placeholders."""
    attributes = _ATTRIBUTES.search(answer)
    if attributes and b"4" in attributes[1].split(b";"):
        return "sixel"
    return "kitty" if b"\x1b_Gi=31;OK" in answer else "blocks"


def _cell(console: Console, answer: bytes) -> Size:
    """Return the size of a character in pixels: the window's own word, the terminal's answer, or that of a VT340."""
    rows = columns = width = height = 0
    if console.stderr is not None:
        window = array.array("H", [0, 0, 0, 0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(console.stderr.fileno(), termios.TIOCGWINSZ, window)
        rows, columns, width, height = window
    if rows and columns and width >= columns and height >= rows:
        return min(width // columns, 100), min(height // rows, 100)
    if said := _CELL.search(answer):
        height, width = (min(int(number), 100) for number in said.groups())
        if width and height:
            return width, height
    return _VT340_CELL


def _ask(console: Console, question: str) -> bytes:
    """Ask the terminal, and return its answers up to its attributes, which every terminal gives, and gives last.

    Empty where it must not be asked: where another process may be reading from it (stdout is a pipe), from the
    background (it would stop us), in CI (nobody answers), or when something was typed ahead, which is not for us.
    """
    if console.stdin is None or not (console.interactive and console.stdout_is_terminal):
        return b""
    if console.ci or not console.in_foreground():
        return b""
    stdin = console.stdin.fileno()
    mode = termios.tcgetattr(stdin)
    answer = b""
    try:
        tty.setcbreak(stdin, termios.TCSANOW)
        if select.select([stdin], [], [], 0)[0]:
            return b""
        console.draw(question)
        deadline = time.monotonic() + _ANSWER_S
        while not _ATTRIBUTES.search(answer):
            if not select.select([stdin], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            if not (read := os.read(stdin, 1024)):
                break
            answer += read
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, mode)
    return answer
