"""Live previews: the partial images of a stream, each drawn over the one before, and then the finished image."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from imagecli import system
from imagecli.terminal import preview
from imagecli.terminal.console import Verbosity
from imagecli.text import sanitize

if TYPE_CHECKING:
    from imagecli.terminal.console import Console
    from imagecli.terminal.drawing import Placed


class _Update(NamedTuple):
    """An image to draw, partial or finished."""

    n: int
    source: preview.Source | None
    """None where no finished image will come."""
    finished: bool = False
    caption: str = ""


class LivePreview:
    """Draws each image in the stages in which a server streams it: a few partial images, then the finished one.

    ::

        with Progress(console, 1) as line, LivePreview(console) as live:  # in the main thread
            live.draw(data)      # from any thread: a partial image, as the bytes of a file
            live.finish(path)    # the finished image, as a path or bytes, in place of the last partial one

    Of several images (`n` identifies them) one is drawn at a time. While it is unfinished, partial images of the others
    are skipped, and finished ones wait and are drawn below it. `draw` and `finish` never block or raise: a thread does
    the drawing, as a slow terminal, or one that Ctrl-S has stopped, must not delay a request that is being billed.
    Draws nothing where stderr isn't a terminal or this process is in the background (`&`); in CI, whose logs can't be
    drawn over, only finished images.
    """

    def __init__(self, console: Console) -> None:
        """Detect how the terminal draws and start the thread. Only the main thread may do this, as it sets a signal."""
        self._console = console
        self._updates: queue.SimpleQueue[_Update | None] = queue.SimpleQueue()
        self._newest: dict[int, _Update] = {}
        self._unfinished: int | None = None
        self._placed: Placed | None = None
        """Where the unfinished image is drawn."""
        self._finished: set[int] = set()
        self._waiting: dict[int, _Update] = {}
        self._thread: threading.Thread | None = None
        if not console.stderr_is_terminal:
            return
        if not console.dumb:
            with contextlib.suppress(Exception):  # reported with the finished image
                # Not in the thread: if the run ended during the query, the terminal would be left without echo.
                preview.detect_terminal(console)
        thread = threading.Thread(target=self._run, name="live-preview", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system allows no more threads
            return
        self._thread = thread
        # After Ctrl-Z the shell writes below the image; after `fg` the next one is drawn below that.
        self._let_go = system.on_going_on(console.forget_screen)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def draw(self, data: bytes, n: int = 1) -> None:
        """Draw a partial image over the one before. It is skipped if it is broken, or the next one has come already."""
        self._put(_Update(n, data))

    def finish(self, source: preview.Source | None = None, n: int = 1, *, caption: str = "") -> None:
        """Draw the finished image over its last partial one, with `caption` on a line above; warns as `show` does.

        Without `source` no finished image will come, and the last partial one stays. If partial images of it come later
        all the same, such as when a request is sent again in another form, they are drawn below.
        """
        self._put(_Update(n, source, finished=True, caption=caption))

    def close(self) -> None:
        """Draw what is waiting, and return when all is on the screen."""
        if self._thread is not None:
            self._updates.put(None)
            self._thread.join()
            self._thread = None
            self._let_go()

    def _put(self, update: _Update) -> None:
        if self._thread is not None:
            if update.source is not None:
                self._newest[update.n] = update
            self._updates.put(update)

    def _run(self) -> None:
        while (update := self._updates.get()) is not None:
            outdated = not update.finished and update is not self._newest[update.n]
            if outdated or update.n in self._finished:
                continue
            if self._unfinished in {None, update.n}:
                self._show(update)
            elif update.finished:
                self._waiting[update.n] = update
        self._draw_waiting()

    def _show(self, update: _Update) -> None:
        if update.finished:
            self._finish(update)
            self._draw_waiting()
        elif update.source is not None and not self._console.ci:
            with contextlib.suppress(Exception):
                self._placed = self._draw(update.source)
                self._unfinished = update.n

    def _finish(self, update: _Update) -> None:
        if update.source is not None:
            self._finished.add(update.n)
            with preview.reporting_failure(self._console):
                self._draw(update.source, update.caption)

    def _draw_waiting(self) -> None:
        """Leave the image where it is, and draw the finished ones that have waited below it."""
        self._unfinished = self._placed = None
        while self._waiting:
            self._finish(self._waiting.pop(min(self._waiting)))

    def _draw(self, source: preview.Source, caption: str = "") -> Placed | None:
        """Draw over the unfinished image, if there is one, and return where."""
        console, placed = self._console, self._placed
        if not console.in_foreground():
            return placed
        before = placed.drawing.size if placed and placed.window == console.window() else None
        drawing = preview.make_drawing(source, console, before=before)
        if caption and console.verbosity > Verbosity.QUIET:
            columns, rows = drawing.size
            drawing = drawing._replace(escapes=f"{sanitize(caption)}\n{drawing.escapes}", size=(columns, rows + 1))
        return console.place(drawing, placed)
