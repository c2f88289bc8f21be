"""How a terminal draws images: what it is, as far as that is certain, else what it answers when it is asked.

textual-image would ask the terminal on stdout while it is imported, and leave replies unread where something was typed
ahead. So it is asked here, with a query that every terminal answers, and textual-image only draws.

In tmux, what the program is started with says nothing of the terminal: tmux itself is asked which terminals show it.
Kitty's protocol works through its passthrough, where that is allowed, as the placeholders are characters like others.
Of Sixel, tmux says that it has it wherever it was built with it, and shows plus signs where its terminal has not.
"""

from __future__ import annotations

import array
import contextlib
import functools
import os
import re
import select
import sys
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.images.types import Size
    from imagecli.terminal.console import Console

REPLY_S = 0.2
"""How long a terminal may take to answer."""
_TMUX_S = 2.0
_VT340_CELL = (10, 20)
_MOST_CELL = 100
"""Pixels; more is a slip of the terminal's."""

_QUERY_KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_QUERY_CELL = "\x1b[16t"
_QUERY_ATTRIBUTES = "\x1b[c"
_QUERY_VERSION = "\x1b[>q"
_KITTY_VERSION = re.compile(rb"kitty\((\d{1,4})\.(\d{1,4})")
_KITTY_WITH_PLACEHOLDERS = 0, 28
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_KITTY_TERMS = {"xterm-kitty", "xterm-ghostty"}
"""What has Kitty's placeholders, by the name of its terminal description."""
_TMUX_FORMAT = (
    "#{client_termname}\t#{client_termfeatures}\t#{allow-passthrough}\t#{client_cell_width}x#{client_cell_height}"
)
_ALLOWED = {"on", "all", "1", "2"}

Protocol = Literal["kitty", "sixel", "iterm2", "blocks"]


class Terminal(NamedTuple):
    """How a terminal draws."""

    protocol: Protocol
    cell: Size
    """Width and height of a character cell, in pixels."""
    in_tmux: bool = False
    """Whether what is not text has to pass through tmux."""


@functools.cache
def detect_terminal(console: Console) -> Terminal:
    """Return how the terminal at stderr draws images; it is asked once at the most."""
    environ = console.environ
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("TMUX"):
        return _in_tmux(console)
    # Other multiplexers, and a tmux at the other end of an ssh: their environment is not the terminal's.
    if environ.get("STY") or term.startswith(("screen", "tmux")):
        return Terminal("blocks", _cell_size(console, b""))
    if program in {"iTerm.app", "WezTerm"} or environ.get("LC_TERMINAL") == "iTerm2":
        return Terminal("iterm2", _cell_size(console, b""))
    if term in _KITTY_TERMS:
        is_old = _is_old_kitty(_query(console, _QUERY_VERSION + _QUERY_ATTRIBUTES))
        return Terminal("blocks" if is_old else "kitty", _cell_size(console, b""))
    # These two print sequences that they don't support.
    asked = term != "linux" and program != "Apple_Terminal"
    reply = _query(console, _QUERY_KITTY + _QUERY_CELL + _QUERY_VERSION + _QUERY_ATTRIBUTES) if asked else b""
    return Terminal(_protocol_in(reply), _cell_size(console, reply))


def _is_old_kitty(reply: bytes) -> bool:
    """Return whether a reply names a Kitty without placeholders, which would draw a box for each."""
    version = _KITTY_VERSION.search(reply)
    return version is not None and (int(version[1]), int(version[2])) < _KITTY_WITH_PLACEHOLDERS


def _protocol_in(reply: bytes) -> Protocol:
    """Return the protocol that the reply names. Sixel is first: Konsole confirms Kitty's, but lacks placeholders."""
    if _has_sixel(reply):
        return "sixel"
    return "kitty" if b"\x1b_Gi=31;OK" in reply and not _is_old_kitty(reply) else "blocks"


def _has_sixel(reply: bytes) -> bool:
    attributes = _ATTRIBUTES.search(reply)
    return attributes is not None and b"4" in attributes[1].split(b";")


def _in_tmux(console: Console) -> Terminal:
    clients = _tmux_clients(console.environ)
    cell = _cell_size(console, b"", next((size for *_, size in clients), None))
    if clients and all(term in _KITTY_TERMS and allowed in _ALLOWED for term, _, allowed, _ in clients):
        return Terminal("kitty", cell, in_tmux=True)
    if clients and all("sixel" in features.split(",") for _, features, _, _ in clients):
        return Terminal("sixel" if _has_sixel(_query(console, _QUERY_ATTRIBUTES)) else "blocks", cell)
    return Terminal("blocks", cell)


def _tmux_clients(environ: Mapping[str, str]) -> list[tuple[str, str, str, Size | None]]:
    """Return of each terminal that shows this pane: name, features, whether it may be passed to, size of a cell."""
    import subprocess

    pane = environ.get("TMUX_PANE", "")
    try:
        listed = subprocess.run(  # noqa: S603 - of the user's own environment
            ["tmux", "list-clients", *(("-t", pane) if pane else ()), "-F", _TMUX_FORMAT],  # noqa: S607 - as the user's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=dict(environ),
            check=True,
            timeout=_TMUX_S,
            text=True,
            errors="replace",
        ).stdout
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    found = []
    for line in listed.splitlines():
        name, features, allowed, cell = (line.split("\t") + [""] * 3)[:4]
        found.append((name, features, allowed, _sane(*map(int, re.findall(r"\d+", cell)[:2]))))
    return found


def _sane(width: int = 0, height: int = 0) -> Size | None:
    """Return the size of a cell, None for one that can't be."""
    return (min(width, _MOST_CELL), min(height, _MOST_CELL)) if width > 0 and height > 0 else None


def _cell_size(console: Console, reply: bytes, told: Size | None = None) -> Size:
    """Return the size of a cell in pixels: by the window, as it was `told`, by the reply, else as on a VT340."""
    rows = columns = width = height = 0
    if sys.platform != "win32" and console.stderr is not None:
        window = array.array("H", [0, 0, 0, 0])
        with contextlib.suppress(OSError, ImportError):  # not every system says it
            import fcntl
            import termios

            fcntl.ioctl(console.stderr.fileno(), termios.TIOCGWINSZ, window)
        rows, columns, width, height = window
    by_window = _sane(width // columns, height // rows) if rows and columns else None
    found = _CELL.search(reply)
    return by_window or told or (found and _sane(int(found[2]), int(found[1]))) or _VT340_CELL


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
    if sys.platform == "win32":  # whose terminal can't be asked without an echo
        return b""
    try:
        import termios
        import tty
    except ImportError:
        return b""
    stdin = console.stdin.fileno()
    mode = termios.tcgetattr(stdin)
    reply = b""
    try:
        tty.setcbreak(stdin, termios.TCSANOW)
        if select.select([stdin], [], [], 0)[0]:
            return b""
        console.draw(query)
        deadline = time.monotonic() + REPLY_S
        while not _ATTRIBUTES.search(reply):
            if not select.select([stdin], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            if not (read := os.read(stdin, 1024)):
                break
            reply += read
    finally:
        termios.tcsetattr(stdin, termios.TCSANOW, mode)
    return reply
