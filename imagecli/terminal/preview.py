"""Previews: an image drawn on stderr where that is a terminal.

textual-image draws for Kitty, Sixel and with half blocks; iTerm2's protocol is written here. A preview never fails a
run: any problem with the image or the terminal becomes one warning, and everything is bounded (bytes, pixels, time).

textual-image would query the terminal on stdout while it is imported, and leave replies unread where something was
typed ahead. So the query is made here, one that every terminal answers, and textual-image only draws.
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

from imagecli.images.png_chunks import repaired_bytes
from imagecli.terminal.drawing import Drawing
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.images.types import Size
    from imagecli.terminal.console import Console

    Source = str | os.PathLike[str] | bytes

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""What servers send. Pillow's rarer decoders are left out: one of them starts Ghostscript."""
_MAX_BYTES = 64_000_000
_MAX_PIXELS = 40_000_000
"""Decoded, these take up to 160 MB for a moment."""
_MAX_DRAWN_PIXELS = 1_500_000
"""Pixels that are sent to the terminal: Sixel takes a second for twice as many."""
_MAX_CELLS = 256
"""Columns or rows; Kitty's placeholders can number 297."""
_DECODING_S = 5.0
"""A progressive JPEG of 200 kB can keep its decoder busy for half a minute."""
_REPLY_S = 1.0
_VT340_CELL = (10, 20)

_QUERY_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_QUERY_CELL = "\x1b[16t"
_QUERY_ATTRIBUTES = "\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_KITTY_NUMBER = re.compile(r"\x1b_Gi=(\d+)")

_Protocol = Literal["kitty", "sixel", "iterm2", "blocks"]


class _Terminal(NamedTuple):
    protocol: _Protocol
    cell: Size
    """Width and height of a character cell, in pixels."""


class _Space(NamedTuple):
    """The space for a drawing, in columns and rows."""

    box: Size
    """The space that is available."""
    before: Size | None
    """The size of the drawing that it replaces."""


class _Unsupported(Exception):
    """The image can't be drawn here, though nothing is wrong with it or the terminal."""


def show(source: Source, console: Console, *, width: int | None = None) -> None:
    """Draw the image in `source`, a path or the bytes of a file, on stderr; do nothing where that isn't a terminal.

    The drawing fits into the window: it takes at most `width` columns, if given, and two thirds of the rows. Problems
    with the image or the terminal become a warning, or a note where the terminal or the format is not supported; they
    never raise.
    """
    if console.stderr_is_terminal:
        with reporting_failure(console):
            console.place(make_drawing(source, console, width=width))


@contextlib.contextmanager
def reporting_failure(console: Console) -> Iterator[None]:
    """Turn an exception into a warning or a note on why there is no preview."""
    try:
        yield
    except _Unsupported as reason:
        console.note(f"no preview: {reason}")
    except UnidentifiedImageError:
        console.warn("no preview: it isn't a PNG, JPEG, WebP or GIF")
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise anything, and no preview is worth a run
        console.warn(f"no preview: {sanitize(str(error)).rstrip('.') or type(error).__name__}")


def make_drawing(source: Source, console: Console, *, width: int | None = None, before: Size | None = None) -> Drawing:
    """Return the escape sequences that draw the image in `source`.

    It has as many columns and rows as `before`, if given, unless its aspect differs.

    Raises:
        _Unsupported: this terminal or this format is not supported.
        Exception: anything that Pillow's decoders raise.
    """
    if console.dumb:
        raise _Unsupported("this terminal can't show images (TERM=dumb)")
    data = source if isinstance(source, bytes) else _read(Path(source))
    if b"<svg" in data[:4096].lower():
        raise _Unsupported("an SVG can't be drawn in a terminal")
    terminal = detect_terminal(console)
    if terminal.protocol in {"blocks", "kitty"} and not console.unicode:
        raise _Unsupported("it needs a UTF-8 locale")
    with warnings.catch_warnings(action="ignore"):  # Pillow's on odd images; and textual-image's use of Pillow
        return _draw_by_protocol(data, terminal, _Space(_box(console.window(), width), before), console)


def _read(path: Path) -> bytes:
    """Return a regular file's bytes; reading anything else (`-o /dev/stdout`) could block for ever."""
    if not path.is_file():
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"the file is larger than {_MAX_BYTES:,} bytes")
    return data


def _box(window: Size, width: int | None) -> Size:
    """Return the columns and rows that a drawing may take."""
    columns, rows = window
    columns = min(columns, width or columns, _MAX_CELLS)
    return max(columns, 1), max(min(rows * 2 // 3, _MAX_CELLS), 1)


def _fit(image: Size, space: _Space, terminal: _Terminal) -> Size:
    """Return the columns and rows that an image of this size (pixels) fills with its aspect kept, at least one each."""
    cell, box = terminal.cell, space.box
    scale = min(cells * side / pixels for cells, side, pixels in zip(box, cell, image, strict=True))
    if terminal.protocol in {"kitty", "sixel"}:
        scale = min(scale, (_MAX_DRAWN_PIXELS / (image[0] * image[1])) ** 0.5)
    columns, rows = (max(1, round(pixels * scale / side)) for side, pixels in zip(cell, image, strict=True))
    size = min(columns, box[0]), min(rows, box[1])
    if space.before and all(abs(new - old) <= 1 for new, old in zip(size, space.before, strict=True)):
        return space.before  # the same image in fewer pixels, rounded
    return size


def _draw_by_protocol(data: bytes, terminal: _Terminal, space: _Space, console: Console) -> Drawing:
    with Image.open(io.BytesIO(repaired_bytes(data)), formats=_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels are too many")
        if terminal.protocol == "iterm2" and image.format in {"PNG", "GIF"}:
            return _draw_iterm2(data, _fit(image.size, space, terminal))
        decoded = _decode(image, max(cells * side for cells, side in zip(space.box, terminal.cell, strict=True)))
    size = _fit(decoded.size, space, terminal)
    if terminal.protocol == "iterm2":
        file = io.BytesIO()
        decoded.save(file, "PNG", compress_level=1)
        return _draw_iterm2(file.getvalue(), size)
    escapes = _draw_by_textual_image(decoded, size, terminal, console)
    number = _KITTY_NUMBER.search(escapes)
    return Drawing(escapes, size, f"\x1b_Ga=d,d=I,i={number[1]},q=2\x1b\\" if number else "")


def _decode(image: Image.Image, side: int) -> Image.Image:
    """Return the image upright, in RGB or RGBA, its sides at most `side` pixels.

    Raises:
        TimeoutError: decoding takes too long.
        Exception: anything that the decoder raises.
    """
    results: list[Image.Image | Exception] = []

    def decode() -> None:
        try:
            image.thumbnail((side, side), reducing_gap=2.0)
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits, which Pillow would clip to eight instead of scaling
                upright = upright.convert("I").point(lambda value: value / 256).convert("L")
            results.append(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            results.append(error)

    # In a thread, as a decoder can't be interrupted, only abandoned.
    thread = threading.Thread(target=decode, name="preview", daemon=True)
    thread.start()
    thread.join(_DECODING_S)
    if not results:
        raise TimeoutError("decoding the image takes too long")
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _draw_iterm2(file: bytes, size: Size) -> Drawing:
    """Return iTerm2's inline image: the unchanged file, and the cells that it fills.

    Terminals leave the cursor in different places after it. So its rows are made first, and the cursor is restored.
    """
    columns, rows = size
    fields = f"inline=1;size={len(file)};width={columns};height={rows};preserveAspectRatio=1"
    image = f"\x1b]1337;File={fields}:{base64.b64encode(file).decode()}\x07"
    return Drawing("\n" * rows + f"\x1b7\x1b[{rows}A{image}\x1b8", size)


def _draw_by_textual_image(image: Image.Image, size: Size, terminal: _Terminal, console: Console) -> str:
    output = io.StringIO()
    with _replacing_stdout(output):
        from rich.console import Console as RichConsole
        from textual_image.renderable import HalfcellImage, SixelImage, TGPImage

        if terminal.protocol != "kitty" and image.mode == "RGBA":  # only Kitty draws transparency
            image = Image.alpha_composite(Image.new("RGBA", image.size, "grey"), image)
        renderable = {"kitty": TGPImage, "sixel": SixelImage, "blocks": HalfcellImage}[terminal.protocol]
        # textual-image reads the cell size from the environment; Sixel, which is drawn in pixels, depends on it.
        os.environ["TEXTUAL_CELL_WIDTH"], os.environ["TEXTUAL_CELL_HEIGHT"] = map(str, terminal.cell)
        RichConsole(
            file=output,
            width=size[0],
            height=size[1],
            force_terminal=True,
            color_system=_colour_system(terminal.protocol, console.environ),
            no_color=False,  # NO_COLOR is about decoration
            legacy_windows=False,
            _environ=console.environ,
        ).print(renderable(image, *size))
    return output.getvalue()


def _colour_system(protocol: _Protocol, environ: Mapping[str, str]) -> Literal["truecolor", "256", "auto"]:
    """Return the name of rich's colour system to draw with."""
    if protocol == "kitty":  # the colour of its placeholders is the image's number
        return "truecolor"
    # Docker sets TERM=xterm for any terminal, and rich would then draw with 16 colours.
    return "256" if environ.get("TERM") == "xterm" and not environ.get("COLORTERM") else "auto"


@contextlib.contextmanager
def _replacing_stdout(stream: io.StringIO) -> Iterator[None]:
    """Replace `sys.__stdout__`, which textual-image writes to, and queries if it is a terminal."""
    stdout = sys.__stdout__
    sys.__stdout__ = stream  # type: ignore[misc, assignment] # no other way to reach it
    try:
        yield
    finally:
        sys.__stdout__ = stdout  # type: ignore[misc] # the same


@functools.cache
def detect_terminal(console: Console) -> _Terminal:
    """Return how the terminal draws images: from the environment where that is certain, else by querying it."""
    term, program = console.environ.get("TERM", ""), console.environ.get("TERM_PROGRAM", "")
    # A multiplexer passes on the environment of the terminal that it was started in, but not images.
    inside = any(console.environ.get(name) for name in ("TMUX", "STY")) or term.startswith(("screen", "tmux"))
    reply = b""
    if inside:
        protocol: _Protocol | None = None
    elif program in {"iTerm.app", "WezTerm"} or console.environ.get("LC_TERMINAL") == "iTerm2":
        protocol = "iterm2"
    elif term in {"xterm-kitty", "xterm-ghostty"}:
        protocol = "kitty"
    else:
        protocol = None
    # These two print sequences that they don't support.
    if protocol is None and term != "linux" and program != "Apple_Terminal":
        reply = _query(console, ("" if inside else _QUERY_KITTY) + _QUERY_CELL + _QUERY_ATTRIBUTES)
    return _Terminal(protocol or _protocol_in(reply), _cell_size(console, reply))


def _protocol_in(reply: bytes) -> _Protocol:
    """Return the protocol that the reply names. Sixel is first: Konsole confirms Kitty's, but lacks placeholders."""
    attributes = _ATTRIBUTES.search(reply)
    if attributes and b"4" in attributes[1].split(b";"):
        return "sixel"
    return "kitty" if b"\x1b_Gi=31;OK" in reply else "blocks"


def _cell_size(console: Console, reply: bytes) -> Size:
    """Return the size of a character cell in pixels, from the window, else the terminal's reply, else as on a VT340."""
    rows = columns = width = height = 0
    if console.stderr is not None:
        window = array.array("H", [0, 0, 0, 0])
        with contextlib.suppress(OSError):
            fcntl.ioctl(console.stderr.fileno(), termios.TIOCGWINSZ, window)
        rows, columns, width, height = window
    if rows and columns and width >= columns and height >= rows:
        return min(width // columns, 100), min(height // rows, 100)
    if found := _CELL.search(reply):
        height, width = (min(int(number), 100) for number in found.groups())
        if width and height:
            return width, height
    return _VT340_CELL


def _query(console: Console, query: str) -> bytes:
    """Query the terminal, and return its replies up to its attributes, which every terminal sends, and sends last.

    Returns nothing where the terminal must not be queried: where another process may be reading from it (stdout is a
    pipe), from the background (it would stop this process), in CI (no reply would come), or when something was typed
    ahead, which the next program is to read.
    """
    if console.stdin is None or not (console.interactive and console.stdout_is_terminal):
        return b""
    if console.ci or not console.in_foreground():
        return b""
    stdin = console.stdin.fileno()
    mode = termios.tcgetattr(stdin)
    reply = b""
    try:
        tty.setcbreak(stdin, termios.TCSANOW)
        if select.select([stdin], [], [], 0)[0]:
            return b""
        console.draw(query)
        deadline = time.monotonic() + _REPLY_S
        while not _ATTRIBUTES.search(reply):
            if not select.select([stdin], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            if not (read := os.read(stdin, 1024)):
                break
            reply += read
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, mode)
    return reply
