"""Live previews: the partial images of a stream, each drawn over the one before, and in the end what came of them."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from imagecli import system
from imagecli.terminal import detection, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.terminal.console import Console
    from imagecli.terminal.drawing import Placed


class _Update(NamedTuple):
    """An image to draw, partial or finished."""

    n: int
    source: preview.Source | None
    """None where no finished image will come."""
    finished: bool = False


class LivePreview:
    """Draws images in the stages in which a server streams them, all in one place.

    ::

        with Progress(console) as progress, LivePreview(console) as live:  # in the main thread
            live.draw(data)              # from any thread: a partial image, as the bytes of a file
            live.finish(path)            # the finished image, as a path or bytes, in place of the last partial one
            live.close([Picture(path)])  # what is there in the end, in place of that

    Of several images (`n` identifies them) one is drawn at a time: until it is finished, the others are passed over.
    `draw` and `finish` never block or raise: a thread does the drawing, as a slow terminal, or one that Ctrl-S has
    stopped, must not delay a request that is being billed. Draws nothing where stderr isn't a terminal or this process
    is in the background (`&`); in CI, whose logs can't be drawn over, only what is there in the end.
    """

    def __init__(self, console: Console) -> None:
        """Detect how the terminal draws and start the thread. Only the main thread may do this, as it sets a signal."""
        self._console = console
        self._updates: queue.SimpleQueue[_Update | None] = queue.SimpleQueue()
        self._newest: dict[int, _Update] = {}
        self._unfinished: int | None = None
        self._placed: Placed | None = None
        """Where the last image is drawn."""
        self._shown: preview.Source | None = None
        """The finished image that is drawn there."""
        self._finished: set[int] = set()
        self._thread: threading.Thread | None = None
        if not console.stderr_is_terminal or console.ci:
            return
        if not console.dumb:
            with contextlib.suppress(Exception):  # reported in the end
                # Not in the thread: if the run ended during the query, the terminal would be left without echo.
                detection.detect_terminal(console)
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

    def finish(self, source: preview.Source | None = None, n: int = 1) -> None:
        """Draw the finished image over its last partial one.

        Without `source` no finished image will come, and the last partial one stays until another image has one.
        """
        self._put(_Update(n, source, finished=True))

    def close(self, pictures: Sequence[preview.Picture] = ()) -> None:
        """Draw what is waiting, then the pictures in its place, and return when all is on the screen."""
        if self._thread is not None:
            self._updates.put(None)
            self._thread.join()
            self._thread = None
            self._let_go()
        if pictures and self._console.in_foreground() and [each.source for each in pictures] != [self._shown]:
            preview.show(pictures, self._console, over=self._placed)

    def _put(self, update: _Update) -> None:
        if self._thread is not None:
            if update.source is not None:
                self._newest[update.n] = update
            self._updates.put(update)

    def _run(self) -> None:
        while (update := self._updates.get()) is not None:
            if update.n not in self._finished and self._unfinished in {None, update.n}:
                if update.finished:
                    self._finish(update)
                elif update is self._newest[update.n]:
                    self._unfinished = update.n
                    self._draw(update.source)

    def _finish(self, update: _Update) -> None:
        self._unfinished = None
        if update.source is not None:
            self._finished.add(update.n)
            if self._draw(update.source):
                self._shown = update.source

    def _draw(self, source: preview.Source | None) -> bool:
        """Draw over the last image, if there is one, and return whether that was possible."""
        console, placed = self._console, self._placed
        if source is None or not console.in_foreground():
            return False
        before = placed.drawing.size if placed and placed.window == console.window() else None
        with contextlib.suppress(Exception):  # reported in the end
            [drawing] = preview.drawings([preview.Picture(source)], console, before=before)
            self._placed, self._shown = console.place(drawing, placed), None
            return True
        return False
