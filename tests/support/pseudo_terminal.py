"""A terminal for tests to sit at: runs Python code in a real process whose streams are on it, and keeps what came."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from support.places import ROOT
from support.running import HANGS_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PRELUDE = """
import os, sys, time
from imagecli.errors import Failure
from imagecli.terminal.console import Console, Verbosity
from imagecli.terminal.progress import Progress
console = Console(sys.stdout, sys.stderr, sys.stdin, os.environ, Verbosity(int(os.environ.get("VERBOSITY", "0"))))
"""
_PIECE = re.compile(r"\x1b\[[\d;]*[A-Za-z]|.", re.DOTALL)


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a terminal's environment with nothing in it that steers colour, progress or preview, then `env`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    base = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
    return kept | base | dict(env or {})


def command(code: str, args: Sequence[object] = ()) -> list[str]:
    """Return the command that runs `code` with a `console` made of its own streams."""
    return [sys.executable, "-c", PRELUDE + code, *map(str, args)]


@dataclass(frozen=True)
class Session:
    """What a process left behind."""

    code: int
    terminal: bytes
    """Everything that it wrote to the terminal."""
    stdout: bytes
    """What it wrote to stdout where that was a pipe."""

    @property
    def text(self) -> str:
        """What it wrote to the terminal."""
        return self.terminal.decode()

    @property
    def screen(self) -> list[str]:
        """What is left on the screen."""
        return screen(self.text)


def run(
    code: str,
    args: Sequence[object] = (),
    *,
    env: Mapping[str, str] | None = None,
    window: tuple[int, int, int, int] = (30, 100, 0, 0),
    streams: str = "stdin stderr",
    typed: bytes = b"",
    react: Callable[[int, bytes], bytes | None] | None = None,
) -> Session:
    """Run `code` with the `streams` that are named on a terminal, the others on pipes.

    `window`: rows, columns, and the same in pixels. `typed` is typed before the start. `react` gets the terminal's
    file descriptor and everything written so far, and returns what the terminal answers to the last piece of it.
    """
    terminal, process_side = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *window))
    os.write(terminal, typed)
    with subprocess.Popen(
        command(code, args),
        stdin=process_side if "stdin" in streams else subprocess.DEVNULL,
        stdout=process_side if "stdout" in streams else subprocess.PIPE,
        stderr=process_side,
        env=environment(env),
        start_new_session=True,
    ) as process:
        os.close(process_side)
        written = bytearray()
        deadline = time.monotonic() + HANGS_S
        try:
            while time.monotonic() < deadline:
                if not select.select([terminal], [], [], 1)[0]:
                    continue
                try:
                    piece = os.read(terminal, 65536)
                except OSError:  # EIO: the last process has left
                    break
                if not piece:
                    break
                written += piece
                if react and (answer := react(terminal, bytes(written))):
                    os.write(terminal, answer)
            else:
                process.kill()
        finally:
            os.close(terminal)
        stdout = process.stdout.read() if process.stdout else b""
        code_ = process.wait(HANGS_S)
    return Session(code_, bytes(written).replace(b"\r\n", b"\n"), stdout)


def screen(text: str) -> list[str]:
    """Return the lines that a terminal of any height shows after `text`: cursor moved, erased, colours left out."""
    lines, row, column = [""], 0, 0
    for piece in _PIECE.findall(text):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        elif piece in {"\x1b[K", "\x1b[J"}:
            lines[row] = lines[row][:column]
            if piece == "\x1b[J":
                del lines[row + 1 :]
        elif up := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row = max(0, row - int(up[1]))
        elif not piece.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + 1 :]
            column += 1
    return [line for line in lines if line]
