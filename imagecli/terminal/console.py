"""The three streams of a run: what may be said where, in which colour, and what happens when nobody listens.

A stdout that was closed early is remembered and never raises; one that is full raises `Failure`. stderr never raises.
Light on purpose, as every run needs it: rich comes in only where something is drawn.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import unicodedata
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, TextIO

from imagecli.errors import Failure
from imagecli.text import READ_AT_MOST, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.terminal.progress import Progress


class Verbosity(IntEnum):
    """How much is said on stderr."""

    QUIET = -1
    """Errors only (`--quiet`)."""
    NORMAL = 0
    VERBOSE = 1
    """Notes off the terminal too, and what is of interest in a search for a fault (`-v`)."""


class Drawing(NamedTuple):
    """What draws a picture from the start of a row, and leaves the cursor at the start of the row below it."""

    escapes: str
    size: tuple[int, int]
    """The columns and rows that it covers."""
    release: str = ""
    """What lets the terminal forget the picture, once another one has taken its place."""


class Placed(NamedTuple):
    """A drawing on the screen, and what tells whether its place can still be found."""

    drawing: Drawing
    window: tuple[int, int]
    words: int


class Console:
    """The streams of one run, asked once what they are."""

    def __init__(
        self,
        stdout: TextIO | None,
        stderr: TextIO | None,
        stdin: TextIO | None,
        environ: Mapping[str, str],
        verbosity: Verbosity = Verbosity.NORMAL,
    ) -> None:
        """Take the streams as Python gives them: None for one that was closed before the start (`>&-`)."""
        self._stdout = stdout
        self.stderr = stderr
        self.stdin = stdin
        self.environ = environ
        self.verbosity = verbosity
        self.stdin_is_terminal = _is_terminal(stdin)
        self.stdout_is_terminal = _is_terminal(stdout)
        self.stderr_is_terminal = _is_terminal(stderr)
        self.interactive = self.stdin_is_terminal and self.stderr_is_terminal
        """Whether a question may be asked."""
        self.dumb = environ.get("TERM") in {"dumb", "unknown"}
        """Whether the terminal says that it knows no escape sequences."""
        self.ci = environ.get("CI", "").lower() not in {"", "0", "false"}
        self.colour = self._wants_colour()
        self.animated = self.stderr_is_terminal and not self.dumb and not self.ci and verbosity > Verbosity.QUIET
        """Whether a line may be drawn over again and again."""
        self.unicode = _speaks_unicode(stderr, environ)
        self._status_shown = False
        self._words = 0
        """How often anything but the status line went to the terminal, as far as we know."""
        self._lock = threading.RLock()

    @property
    def stdout_is_closed(self) -> bool:
        """Whether nobody reads stdout: closed before the start (`>&-`), or since (`| head -1`)."""
        return self._stdout is None

    def out(self, text: str) -> None:
        """Write a line to stdout; a file name in it comes out as the bytes that it has on disk.

        Raises `Failure` where stdout takes no more (a full disk), never where it is closed.
        """
        try:
            data = os.fsencode(text)
        except UnicodeEncodeError:
            data = text.encode(sys.getfilesystemencoding(), "backslashreplace")
        self.out_bytes(data + b"\n")

    def out_bytes(self, data: bytes) -> None:
        """Write `data` to stdout as it is.

        Raises `Failure` where stdout takes no more (a full disk), never where it is closed.
        """
        with self._lock:
            if self.stdout_is_terminal:
                self._wipe_status()
                self._words += 1
            stream = self._stdout
            if stream is None:
                return
            try:
                if binary := getattr(stream, "buffer", None):
                    binary.write(data)
                else:
                    stream.write(data.decode(errors="surrogateescape"))
                stream.flush()
            except (OSError, ValueError) as error:  # ValueError: the stream was closed on our side
                self._stdout = None
                _redirect_to_null(stream)
                if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EBADF, errno.ECONNRESET}:
                    raise Failure(
                        f"Standard output could not be written: {error.strerror or error}.",
                        hint="Files that were saved are kept; send the output to another place.",
                    ) from error

    def error(self, text: str) -> None:
        """Say on stderr what went wrong; further lines of `text` follow as lines of their own."""
        self._say(text, label="error", colour="1;31")

    def warn(self, text: str) -> None:
        """Say on stderr what the user should know, though the run goes on."""
        if self.verbosity > Verbosity.QUIET:
            self._say(text, label="warning", colour="33")

    def note(self, text: str) -> None:
        """Say on stderr what is of interest to somebody who looks on: in a terminal, or with `-v`."""
        if self.verbosity > Verbosity.QUIET and (self.stderr_is_terminal or self.verbosity >= Verbosity.VERBOSE):
            self._say(text)

    def debug(self, text: str) -> None:
        """Say on stderr what helps in a search for a fault: with `-v` only."""
        if self.verbosity >= Verbosity.VERBOSE:
            self._say(text, colour="2")

    def draw(self, escapes: str) -> None:
        """Write to stderr as it is: the one way around the cleaning, for escape sequences of our own."""
        with self._lock:
            self._wipe_status()
            self._words += 1
            self._write(escapes)

    def place(self, drawing: Drawing, over: Placed | None = None) -> Placed:
        """Draw a picture on stderr, and return where; in the place of `over`, what an earlier call returned.

        What stands above `over` is never touched. Where it is not the last thing on the screen any more, reaches
        beyond its top, or has gone through a change of the window (lines may have been wrapped anew), it stays, and
        the picture comes below. What else was written to the terminal, what is typed for one, only moved the cursor
        down: a bit of `over` stays above then.
        """
        with self._lock:
            self._wipe_status()
            window = self.window()
            before = after = ""
            if over and over.window == window and over.words == self._words and over.drawing.size[1] < window[1]:
                # Not erased where nothing of it can be left: that would flicker. Terminals that know mode 2026 show
                # all of it at once, the others ignore it.
                erase = "" if over.drawing.size == drawing.size else "\x1b[J"
                before = f"\x1b[?2026h\r\x1b[{over.drawing.size[1]}A{erase}"
                after = f"{over.drawing.release}\x1b[?2026l"
            self._words += 1
            self._write(before + drawing.escapes + after)
            return Placed(drawing, window, self._words)

    def lose_place(self) -> None:
        """Take it that others wrote to the terminal: nothing is drawn over what was placed before."""
        self._words += 1  # without the lock, as signal handlers call it

    def progress(self, total: int) -> Progress:
        """Return the progress line of `total` requests, to be used in a `with`."""
        from imagecli.terminal.progress import Progress

        return Progress(self, total)

    def status(self, line: str) -> None:
        """Show `line` at the bottom in place of the last one, cut to the window; an empty one takes it away.

        Whatever else is said wipes it first. In the background nothing is drawn: it would run into the shell's
        prompt, and under `stty tostop` it would stop a request that is paid for.
        """
        with self._lock:
            if line and self.in_foreground():
                self._write(f"\r{_cut(clean(line), self.window()[0] - 1)}\x1b[K")
                self._status_shown = True
            else:
                self._wipe_status()

    def window(self) -> tuple[int, int]:
        """Return (columns, rows) of the terminal at stderr as they are now, (80, 24) where it doesn't say."""
        size = (0, 0)
        if self.stderr is not None:
            with suppress(OSError, ValueError):  # ValueError: closed, or no file at all
                size = os.get_terminal_size(self.stderr.fileno())
        return size[0] or 80, size[1] or 24

    def in_foreground(self) -> bool:
        """Return whether the terminal at stderr is ours to draw on (False after `&` or `bg`)."""
        if self.stderr is not None:
            # Not our controlling terminal: there is no foreground to be out of.
            with suppress(OSError, ValueError):
                return os.tcgetpgrp(self.stderr.fileno()) == os.getpgrp()
        return True

    def _wants_colour(self) -> bool:
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR", "").lower() not in {"", "0", "false"}:
            return True
        return self.stderr_is_terminal and not self.dumb

    def _say(self, text: str, *, label: str = "", colour: str = "") -> None:
        """Write `text` to stderr, off the terminal and under a label with our name before each line."""
        lines = clean(text, keep_newlines=True, limit=READ_AT_MOST).split("\n")
        if label:
            lines[0] = f"{self._painted(label + ':', colour)} {lines[0]}"
        elif colour:
            lines = [self._painted(line, colour) for line in lines]
        name = "imagecli: " if label or not self.stderr_is_terminal else ""
        with self._lock:
            self._wipe_status()
            self._words += 1
            self._write("".join(f"{name}{line}\n" for line in lines))

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text

    def _wipe_status(self) -> None:
        if self._status_shown:
            self._status_shown = False
            if self.in_foreground():
                self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        stream = self.stderr
        if stream is None:
            return
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError):
            self.stderr = None
            _redirect_to_null(stream)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _speaks_unicode(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Return whether more than ASCII may be drawn on `stream`.

    Its encoding alone doesn't tell: under LANG=C Python says UTF-8 all the same, and sets LC_CTYPE itself (PEP 538).
    """
    ctype = environ.get("LC_CTYPE", "")
    if ctype in {"C.UTF-8", "C.utf8", "UTF-8"}:
        ctype = ""
    locale = environ.get("LC_ALL") or ctype or environ.get("LANG")
    encoding = getattr(stream, "encoding", None) or ""
    return locale not in {"C", "POSIX"} and encoding.lower().replace("-", "") == "utf8"


def _cut(line: str, columns: int) -> str:
    """Return as much of `line` as fits into `columns` cells; a wide character takes two."""
    used = 0
    for index, character in enumerate(line):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > columns:
            return line[:index]
    return line


def _redirect_to_null(stream: TextIO) -> None:
    """Let what a broken stream still holds go nowhere, or the interpreter complains at exit and changes the code."""
    with suppress(OSError, ValueError):  # ValueError: closed, or no file at all
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
