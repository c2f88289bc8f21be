"""A picture that sharpens in the window: partial ones as a server sends them, each drawn over the one before."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from imagecli.terminal import preview
from imagecli.terminal.console import Verbosity
from imagecli.text import clean

if TYPE_CHECKING:
    from imagecli.terminal.console import Console, Placed


class _Piece(NamedTuple):
    """A picture to be drawn, partial or finished."""

    n: int
    source: preview.Source | None
    """None where the finished picture will not come."""
    last: bool = False
    caption: str = ""


class Sharpening:
    """Pictures that come as a few partial ones and then the finished one, each drawn over the one before.

    ::

        with console.progress(1) as line, Sharpening(console) as picture:  # in the main thread: the terminal is asked
            picture.draw(data)      # from any thread: each partial picture as it comes, the bytes of a file
            picture.finish(path)    # the finished one, a path or bytes, takes the place of the last partial

    Of several pictures (`n` tells them apart) one is drawn at a time: while it is unfinished, partial ones of others
    are left out, and finished ones wait until they can be drawn below. `draw` and `finish` never wait or raise: a
    thread of its own draws, as a slow terminal, or one stopped by Ctrl-S, must hold up no request that is paid for.
    Silent where stderr is no terminal or not ours (`&`); in CI, whose logs can't be drawn over, without the partials.
    """

    def __init__(self, console: Console) -> None:
        """Find out how the terminal draws, and be ready. For the main thread, which signals come to."""
        self._console = console
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._newest: dict[int, _Piece] = {}
        self._unfinished: int | None = None
        self._place: Placed | None = None
        """Where the unfinished picture is drawn."""
        self._finished: set[int] = set()
        self._waiting: dict[int, _Piece] = {}
        self._thread: threading.Thread | None = None
        if not console.stderr_is_terminal:
            return
        if not console.dumb:
            with contextlib.suppress(Exception):  # what is wrong is told with the finished picture
                # Here, as a thread that the end of the run overtakes would leave the terminal without its echo.
                preview.terminal_of(console)
        # After Ctrl-Z the shell writes below the picture, and after fg we go on there.
        self._before = signal.signal(signal.SIGCONT, lambda *_: console.lose_place())
        self._thread = threading.Thread(target=self._run, name="sharpening", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return itself, to be closed in the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def draw(self, data: bytes, n: int = 1) -> None:
        """Show a partial picture in the place of the one before; left out if it is broken, or overtaken by the next."""
        self._put(_Piece(n, data))

    def finish(self, source: preview.Source | None = None, n: int = 1, *, caption: str = "") -> None:
        """Show the finished picture in the place of its last partial, `caption` on a line above; warns as `show` does.

        With no `source` no finished picture will come, and what is drawn of it stays. Should there be more of it after
        all, as of a request that is sent again in another way, that comes below.
        """
        self._put(_Piece(n, source, last=True, caption=caption))

    def close(self) -> None:
        """Draw what waits, and come back when all is on the screen."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None
            signal.signal(signal.SIGCONT, self._before)

    def _put(self, piece: _Piece) -> None:
        if self._thread is not None:
            if piece.source is not None:
                self._newest[piece.n] = piece
            self._pieces.put(piece)

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            overtaken = not piece.last and piece is not self._newest[piece.n]
            if overtaken or piece.n in self._finished:
                continue
            if self._unfinished in {None, piece.n}:
                self._show(piece)
            elif piece.last:
                self._waiting[piece.n] = piece
        self._make_room()

    def _show(self, piece: _Piece) -> None:
        if piece.last:
            self._finish(piece)
            self._make_room()
        elif piece.source is not None and not self._console.ci:
            with contextlib.suppress(Exception):
                self._place = self._drawn(piece.source)
                self._unfinished = piece.n

    def _finish(self, piece: _Piece) -> None:
        if piece.source is not None:
            self._finished.add(piece.n)
            with preview.telling(self._console):
                self._drawn(piece.source, piece.caption)

    def _make_room(self) -> None:
        """Leave the picture where it is, and draw below it what has waited."""
        self._unfinished = self._place = None
        while self._waiting:
            self._finish(self._waiting.pop(min(self._waiting)))

    def _drawn(self, source: preview.Source, caption: str = "") -> Placed | None:
        """Draw over what is there of the unfinished picture, and return where."""
        console, place = self._console, self._place
        if not console.in_foreground():
            return place
        before = place.drawing.size if place and place.window == console.window() else None
        drawing = preview.drawing(source, console, before=before)
        if caption and console.verbosity > Verbosity.QUIET:
            columns, rows = drawing.size
            drawing = drawing._replace(escapes=f"{clean(caption)}\n{drawing.escapes}", size=(columns, rows + 1))
        return console.place(drawing, place)
