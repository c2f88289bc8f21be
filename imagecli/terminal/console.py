"""The three streams of a run: what is written where, in which colour, and what happens when a stream is closed.

A stdout whose reader has left never raises; one that is full raises `Failure`. stderr never raises.
Every run imports this, so it imports little; rich is imported only where something is drawn.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

from imagecli import system
from imagecli.errors import Failure
from imagecli.terminal.messages import Message, in_a_log, in_a_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.terminal.drawing import Drawing, Placed
    from imagecli.terminal.sheet import Sheet

_COLOURS = r"\x1b\[[\d;]*m"


class Verbosity(IntEnum):
    """How much is written to stderr."""

    QUIET = -1
    """Errors only (`--quiet`)."""
    NORMAL = 0
    VERBOSE = 1
    """Notes even where stderr isn't a terminal, and debugging output (`-v`)."""


class Console:
    """The streams of one run, and what they can show."""

    def __init__(
        self,
        stdout: TextIO | None,
        stderr: TextIO | None,
        stdin: TextIO | None,
        environ: Mapping[str, str],
        verbosity: Verbosity = Verbosity.NORMAL,
    ) -> None:
        """Take the streams as Python has them: None for one that was closed before the start (`>&-`)."""
        self._stdout = stdout
        self.stderr = stderr
        self.stdin = stdin
        self.environ = environ
        self.verbosity = verbosity
        self.stdin_is_terminal = _is_terminal(stdin)
        self.stdout_is_terminal = _is_terminal(stdout)
        self.stderr_is_terminal = _is_terminal(stderr)
        self.interactive = self.stdin_is_terminal and self.stderr_is_terminal
        """Whether the user can be asked a question."""
        self.dumb = environ.get("TERM") in {"dumb", "unknown"}
        """Whether the terminal supports no escape sequences."""
        self.ci = environ.get("CI", "").lower() not in {"", "0", "false"}
        self.colour = self._wants_colour(is_terminal=self.stderr_is_terminal)
        self.animated = self.stderr_is_terminal and not self.dumb and not self.ci and verbosity > Verbosity.QUIET
        """Whether a line may be redrawn."""
        self.unicode = _supports_unicode(stderr, environ)
        self._status: tuple[str, ...] = ()
        """The lines of the status that is on the screen."""
        self._status_window = (0, 0)
        """Columns and rows of the window when it was drawn."""
        self._kept_rows = 0
        """Rows above the status that must stay on the screen, as an image there may be drawn over."""
        self._writes = 0
        """How often this run has written anything but the status to the terminal."""
        self._lock = threading.RLock()

    @property
    def stdout_is_closed(self) -> bool:
        """Whether stdout was closed before the start (`>&-`), or its reader has left since (`| head -1`)."""
        return self._stdout is None

    @property
    def stdout_is_unicode(self) -> bool:
        """Whether characters other than ASCII may be written to stdout."""
        return _supports_unicode(self._stdout, self.environ)

    def stdout_columns(self) -> int:
        """Return COLUMNS, or how many columns the terminal at stdout has; 80 where neither is known."""
        said = self.environ.get("COLUMNS", "")
        if said.isascii() and said.isdecimal() and int(said[:6]):
            return int(said[:6])
        with suppress(AttributeError, OSError, ValueError):  # closed, or no terminal
            return os.get_terminal_size(self._stdout.fileno()).columns or 80  # type: ignore[union-attr] # as above
        return 80

    @property
    def sheet(self) -> Sheet:
        """What tables on stdout may use."""
        from imagecli.terminal.sheet import PLAIN, Sheet

        if not self.stdout_is_terminal:
            return PLAIN
        return Sheet(self.stdout_columns(), self._wants_colour(is_terminal=True))

    def stdout_free_bytes(self) -> int | None:
        """Return how many bytes the disk has left where stdout is a file, else None."""
        import stat

        with suppress(AttributeError, OSError, ValueError):  # closed, or not a file
            descriptor = self._stdout.fileno()  # type: ignore[union-attr] # None raises AttributeError
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return system.free_bytes(descriptor)
        return None

    def out(self, text: str) -> None:
        """Write a line to stdout; a file name in it is written as the bytes that it has on disk.

        Raises:
            Failure: stdout can't be written (a full disk); never because it is closed.
        """
        try:
            data = os.fsencode(text)
        except UnicodeEncodeError:
            data = text.encode(sys.getfilesystemencoding(), "backslashreplace")
        self.out_bytes(data + b"\n")

    def out_bytes(self, data: bytes) -> None:
        """Write `data` to stdout unchanged.

        Raises:
            Failure: as in `out()`.
        """
        with self._lock:
            status = self._status if self.stdout_is_terminal else ()
            if self.stdout_is_terminal:
                self._write(self._without_status())
                self._writes += 1
            stream = self._stdout
            if stream is None:
                return
            try:
                if binary := getattr(stream, "buffer", None):
                    view = memoryview(data)
                    while view:  # under PYTHONUNBUFFERED a write may take a part only
                        view = view[binary.write(view) or 0 :]
                else:
                    stream.write(data.decode(errors="surrogateescape"))
                stream.flush()
                if status:
                    self.status(status)
            except (OSError, ValueError) as error:  # ValueError: this process has closed the stream
                self._stdout = None
                _redirect_to_null(stream)
                if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EBADF, errno.ECONNRESET}:
                    raise Failure(
                        f"standard output could not be written: {error.strerror or error}",
                        hint="Files that were saved are kept. Redirect the output to another place.",
                    ) from error

    def error(self, text: str, *, hint: str | None = None, details: Sequence[str] = ()) -> None:
        """Write an error to stderr: what happened, in one or several lines, what to do, and what may be asked for."""
        self._say(Message(text, "error", "1;31", hint, tuple(details)))

    def warn(self, text: str) -> None:
        """Write a warning to stderr, unless `--quiet`."""
        if self.verbosity > Verbosity.QUIET:
            self._say(Message(text, "warning", "1;33"))

    def note(self, text: str, *, aside: bool = False) -> None:
        """Write a note to stderr, in a terminal or with `-v`; `aside`: one that need not be read."""
        if self.verbosity > Verbosity.QUIET and (self.stderr_is_terminal or self.verbosity >= Verbosity.VERBOSE):
            self._say(Message(text, colour="2" if aside else ""))

    def remark(self, text: str) -> None:
        """Write to stderr what is neither an error nor a warning, but belongs to the answer, unless `--quiet`."""
        if self.verbosity > Verbosity.QUIET:
            self._say(Message(text))

    def debug(self, text: str) -> None:
        """Write debugging output to stderr, with `-v` only."""
        if self.verbosity >= Verbosity.VERBOSE:
            self._say(Message(text, colour="2"))

    def draw(self, escapes: str) -> None:
        """Write our own escape sequences to stderr; everything else is sanitized."""
        with self._lock:
            self._writes += 1
            self._write(self._without_status() + escapes)

    def place(self, drawing: Drawing, over: Placed | None = None) -> Placed:
        """Draw an image on stderr and return where, so that a later call can draw over it.

        With `over`, the image replaces an earlier drawing; nothing above that is touched. But the earlier one stays,
        and the image is drawn below it, where this run has written something else since, where it reaches beyond the
        top of the screen, or where the size of the window has changed, which may have wrapped lines. Anything else on
        the screen, such as what the user types, only moves the cursor down: part of `over` then stays visible.
        """
        from imagecli.terminal.drawing import Placed

        with self._lock:
            erased = self._without_status()
            window = self.window()
            before = after = ""
            if over and over.window == window and over.writes == self._writes and over.drawing.size[1] < window[1]:
                # Erasing makes it flicker, so only where something of it would stay. Terminals that support mode 2026
                # show the change at once, others ignore it.
                erase = "" if over.drawing.size == drawing.size else "\x1b[J"
                before = f"\x1b[?2026h\r\x1b[{over.drawing.size[1]}A{erase}"
                after = f"{over.drawing.release}\x1b[?2026l"
            self._writes += 1
            self._kept_rows = drawing.size[1]
            self._write(erased + before + drawing.escapes + after)
            return Placed(drawing, window, self._writes)

    def forget_screen(self) -> None:
        """Draw over nothing that is on the screen now, as another process may have written to the terminal."""
        # Without the lock, as signal handlers call it.
        self._writes += 1
        self._status = ()

    def status(self, lines: Sequence[str]) -> None:
        """Replace the status, the lines at the bottom of the screen; without `lines` it is removed.

        They are our own, with escape sequences, and no wider than `room()` says. Messages go above them. In the
        background nothing is drawn: it would mix with the shell's prompt, and under `stty tostop` it would stop the
        process while a request is being billed.
        """
        with self._lock:
            if not lines or not self.in_foreground():
                self._write(self._without_status())
                return
            top = self._top_of_status()
            self._status, self._status_window = tuple(lines), self.window()
            below = "\x1b[J" if len(lines) > 1 or top != "\r" else ""
            self._write(top + "\x1b[K\n".join(lines) + "\x1b[K" + below)

    def room(self) -> tuple[int, int]:
        """Return how many columns and rows the status may have."""
        columns, rows = self.window()
        return columns - 1, max(1, rows - 1 - self._kept_rows)

    def window(self) -> tuple[int, int]:
        """Return the current (columns, rows) of the terminal at stderr, (80, 24) where they are unknown."""
        size = (0, 0)
        if self.stderr is not None:
            with suppress(OSError, ValueError):  # ValueError: closed, or not a file
                size = os.get_terminal_size(self.stderr.fileno())
        return size[0] or 80, size[1] or 24

    def in_foreground(self) -> bool:
        """Return whether this process may draw on the terminal at stderr (False after `&` or `bg`)."""
        if self.stderr is not None:
            # OSError: not our controlling terminal, so that there is no background either; nor is there on Windows.
            with suppress(AttributeError, OSError, ValueError):
                return system.in_foreground(self.stderr.fileno())
        return True

    def _wants_colour(self, *, is_terminal: bool) -> bool:
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR", "").lower() not in {"", "0", "false"}:
            return True
        return is_terminal and not self.dumb

    def _say(self, message: Message) -> None:
        """Write a message to stderr, above the status."""
        if self.stderr_is_terminal:
            written = in_a_terminal(message, self.window()[0], coloured=self.colour)
        else:
            written = in_a_log(message, coloured=self.colour)
        with self._lock:
            status = self._status
            self._writes += 1
            self._write(self._without_status() + "".join(f"{line}\n" for line in written))
            self.status(status)

    def _top_of_status(self) -> str:
        """Return what moves the cursor to the beginning of the status."""
        if not self._status:
            return "\r"
        columns = self.window()[0]
        rows = len(self._status)
        # Lines that have become too wide are wrapped now; xterm alone cuts them.
        if columns < self._status_window[0] and "XTERM_VERSION" not in self.environ:
            import re

            from imagecli.terminal.wrapping import cells

            rows = sum(max(1, -(-cells(re.sub(_COLOURS, "", line)) // columns)) for line in self._status)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"

    def _without_status(self) -> str:
        """Return what erases the status, which is gone with that."""
        top, several = self._top_of_status(), len(self._status) > 1
        shown, self._status = self._status, ()
        if not shown or not self.in_foreground():
            return ""
        return top + ("\x1b[J" if several or top != "\r" else "\x1b[K")

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


def _supports_unicode(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Return whether characters other than ASCII may be drawn on `stream`.

    The stream's encoding is not enough: under LANG=C Python uses UTF-8 too, and sets LC_CTYPE itself (PEP 538).
    """
    ctype = environ.get("LC_CTYPE", "")
    if ctype in {"C.UTF-8", "C.utf8", "UTF-8"}:
        ctype = ""
    locale = environ.get("LC_ALL") or ctype or environ.get("LANG")
    encoding = getattr(stream, "encoding", None) or ""
    return locale not in {"C", "POSIX"} and encoding.lower().replace("-", "") == "utf8"


def _redirect_to_null(stream: TextIO) -> None:
    """Discard what a broken stream still buffers; otherwise Python fails to flush it and changes the exit code."""
    with suppress(OSError, ValueError):  # ValueError: closed, or not a file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
