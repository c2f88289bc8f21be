"""The three streams of a run: what is written where, in which colour, and what happens when a stream is closed.

A stdout whose reader has left never raises; one that is full raises `Failure`. stderr never raises.
Every run imports this, so it imports little; rich is imported only where something is drawn.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import unicodedata
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

from imagecli.errors import Failure
from imagecli.text import MAX_CHARACTERS, sanitize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.terminal.drawing import Drawing, Placed


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
        self.colour = self._wants_colour()
        self.animated = self.stderr_is_terminal and not self.dumb and not self.ci and verbosity > Verbosity.QUIET
        """Whether a line may be redrawn."""
        self.unicode = _supports_unicode(stderr, environ)
        self._status_shown = False
        self._writes = 0
        """How often this run has written anything but the status line to the terminal."""
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

    def stdout_free_bytes(self) -> int | None:
        """Return how many bytes the disk has left where stdout is a file, else None."""
        import stat

        with suppress(AttributeError, OSError, ValueError):  # closed, or not a file
            descriptor = self._stdout.fileno()  # type: ignore[union-attr] # None raises AttributeError
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                found = os.fstatvfs(descriptor)
                return found.f_bavail * found.f_frsize if found.f_blocks else None
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
            if self.stdout_is_terminal:
                self._erase_status()
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
            except (OSError, ValueError) as error:  # ValueError: this process has closed the stream
                self._stdout = None
                _redirect_to_null(stream)
                if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EBADF, errno.ECONNRESET}:
                    raise Failure(
                        f"standard output could not be written: {error.strerror or error}",
                        hint="Files that were saved are kept. Redirect the output to another place.",
                    ) from error

    def error(self, text: str) -> None:
        """Write an error to stderr. `text` may have several lines."""
        self._write_lines(text, label="error", colour="1;31")

    def warn(self, text: str) -> None:
        """Write a warning to stderr, unless `--quiet`."""
        if self.verbosity > Verbosity.QUIET:
            self._write_lines(text, label="warning", colour="33")

    def note(self, text: str) -> None:
        """Write a note to stderr, in a terminal or with `-v`."""
        if self.verbosity > Verbosity.QUIET and (self.stderr_is_terminal or self.verbosity >= Verbosity.VERBOSE):
            self._write_lines(text)

    def remark(self, text: str) -> None:
        """Write to stderr what is neither an error nor a warning, but belongs to the answer, unless `--quiet`."""
        if self.verbosity > Verbosity.QUIET:
            self._write_lines(text)

    def debug(self, text: str) -> None:
        """Write debugging output to stderr, with `-v` only."""
        if self.verbosity >= Verbosity.VERBOSE:
            self._write_lines(text, colour="2")

    def draw(self, escapes: str) -> None:
        """Write our own escape sequences to stderr; everything else is sanitized."""
        with self._lock:
            self._erase_status()
            self._writes += 1
            self._write(escapes)

    def place(self, drawing: Drawing, over: Placed | None = None) -> Placed:
        """Draw an image on stderr and return where, so that a later call can draw over it.

        With `over`, the image replaces an earlier drawing; nothing above that is touched. But the earlier one stays,
        and the image is drawn below it, where this run has written something else since, where it reaches beyond the
        top of the screen, or where the size of the window has changed, which may have wrapped lines. Anything else on
        the screen, such as what the user types, only moves the cursor down: part of `over` then stays visible.
        """
        from imagecli.terminal.drawing import Placed

        with self._lock:
            self._erase_status()
            window = self.window()
            before = after = ""
            if over and over.window == window and over.writes == self._writes and over.drawing.size[1] < window[1]:
                # Erasing makes it flicker, so only where something of it would stay. Terminals that support mode 2026
                # show the change at once, others ignore it.
                erase = "" if over.drawing.size == drawing.size else "\x1b[J"
                before = f"\x1b[?2026h\r\x1b[{over.drawing.size[1]}A{erase}"
                after = f"{over.drawing.release}\x1b[?2026l"
            self._writes += 1
            self._write(before + drawing.escapes + after)
            return Placed(drawing, window, self._writes)

    def forget_placed(self) -> None:
        """Draw over nothing that is on the screen now, as another process may have written to the terminal."""
        self._writes += 1  # without the lock, as signal handlers call it

    def status(self, line: str) -> None:
        """Replace the status line at the bottom, cut to the width of the window; an empty `line` removes it.

        Everything else that is written removes it first. In the background nothing is drawn: it would mix with the
        shell's prompt, and under `stty tostop` it would stop the process while a request is being billed.
        """
        with self._lock:
            if line and self.in_foreground():
                self._write(f"\r{_cut(sanitize(line), self.window()[0] - 1)}\x1b[K")
                self._status_shown = True
            else:
                self._erase_status()

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
            # OSError: not our controlling terminal, so that there is no background either.
            with suppress(OSError, ValueError):
                return os.tcgetpgrp(self.stderr.fileno()) == os.getpgrp()
        return True

    def _wants_colour(self) -> bool:
        if self.environ.get("NO_COLOR"):
            return False
        if self.environ.get("FORCE_COLOR", "").lower() not in {"", "0", "false"}:
            return True
        return self.stderr_is_terminal and not self.dumb

    def _write_lines(self, text: str, *, label: str = "", colour: str = "") -> None:
        """Write `text` to stderr; with a label, or where stderr isn't a terminal, our name precedes each line.

        On a terminal, lines are wrapped at words.
        """
        name = "imagecli: " if label or not self.stderr_is_terminal else ""
        mark = f"{self._coloured(label + ':', colour)} " if label else ""
        marked = len(f"{label}: ") if label else 0
        written = []
        for line in sanitize(text, keep_newlines=True, limit=MAX_CHARACTERS).split("\n"):
            pieces = self._pieces(line, len(name) + marked, len(name) or 2)
            if colour and not label:
                pieces = [self._coloured(piece, colour) for piece in pieces]
            written += [name + mark + pieces[0], *pieces[1:]]
            mark, marked = "", 0
        with self._lock:
            self._erase_status()
            self._writes += 1
            self._write("".join(f"{line}\n" for line in written))

    def _pieces(self, line: str, before: int, indent: int) -> list[str]:
        """Return a line as it fits on the terminal behind `before` columns; anywhere else it stays whole."""
        if not self.stderr_is_terminal or before + len(line) <= (columns := self.window()[0]) // 2:
            return [line]
        from imagecli.terminal.wrapping import wrapped

        return wrapped(line, columns, before, min(indent, columns // 4))

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text

    def _erase_status(self) -> None:
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


def _cut(line: str, columns: int) -> str:
    """Return as much of `line` as fits into `columns` cells; a wide character fills two."""
    used = 0
    for index, character in enumerate(line):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > columns:
            return line[:index]
    return line


def _redirect_to_null(stream: TextIO) -> None:
    """Discard what a broken stream still buffers; otherwise Python fails to flush it and changes the exit code."""
    with suppress(OSError, ValueError):  # ValueError: closed, or not a file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
