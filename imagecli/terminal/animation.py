"""Lines at the bottom of the terminal that change while a run goes on, and are gone when it ends.

They are rendered with rich, whose own live display is not used: it hides the cursor, draws from the background too,
and does not know of the images that are drawn here. Importing rich takes as long as five bare Pythons, so that is done
while a server is waited for, and not at all in a run that ends before that could matter.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from imagecli import system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from imagecli.terminal.canvas import Canvas
    from imagecli.terminal.console import Console

_STOPPING_S = 0.5


class Animation(ABC):
    """Draws `frame` again and again in a thread, in a `with`; nothing where the console is not animated."""

    def __init__(
        self,
        console: Console,
        *,
        delay: float = 0.3,
        interval: float = 0.1,
        patience: float = 0.7,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where to draw.

        Args:
            console: where.
            delay: seconds after `is_waiting` until the first frame, so that a short run draws nothing.
            interval: seconds between two frames.
            patience: seconds after which drawing begins without `is_waiting`.
            clock: gives the seconds that are shown.
        """
        self._console = console
        self._delay = delay
        self._interval = interval
        self._patience = patience
        self._clock = clock
        self._begin = threading.Event()
        self._stop = threading.Event()
        self._turn = threading.RLock()
        """Held while a frame goes out."""
        self._handlers: dict[int, Any] = {}
        self._let_go: Callable[[], None] = lambda: None

    @abstractmethod
    def frame(self, canvas: Canvas) -> list[str]:
        """Return the lines as they are now."""

    def is_waiting(self, *, waiting: bool = True) -> None:
        """Say whether only others have something to do now, so that there is time to get ready for drawing."""
        if waiting:
            self._begin.set()
        else:
            self._begin.clear()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Draw nothing meanwhile, as somebody else has the terminal."""
        with self._turn:
            self._console.status(())
            yield

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._console.animated:
            with suppress(RuntimeError):  # the system allows no more threads
                threading.Thread(target=self._run, name="progress", daemon=True).start()
                self._catch_stops()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and remove the lines."""
        self._stop.set()
        self._begin.set()
        try:
            with self._turn:
                pass
        finally:  # a second Ctrl-C
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            self._let_go()
            self._console.status(())

    def _run(self) -> None:
        was_waiting = self._begin.wait(self._patience)
        if self._stop.wait(self._delay):
            return
        if was_waiting:  # what came so soon is being saved now
            self._begin.wait(self._patience)
            if self._stop.is_set():
                return
        try:
            from imagecli.terminal.canvas import Canvas
        except (ImportError, MemoryError):
            return  # nobody loses an image for that
        canvas = Canvas(self._console)
        while not self._stop.is_set():
            canvas.fit(*self._console.room())
            lines = self.frame(canvas)
            with self._turn:
                if self._stop.is_set():
                    return
                self._console.status(lines)
            self._stop.wait(self._interval)

    # Ctrl-Z

    def _catch_stops(self) -> None:
        """Leave nothing on the screen when the shell takes over, and draw below what it has written when we go on."""
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGTSTP"):
            return
        if signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL:  # ignored, or somebody else's
            return
        self._let_go = system.on_going_on(self._console.forget_screen)
        self._handlers = {signal.SIGTSTP: signal.signal(signal.SIGTSTP, self._stopped)}

    def _stopped(self, number: int, _frame: object) -> None:
        # A frame that a terminal does not take, as Ctrl-S has stopped it, must not hold up Ctrl-Z.
        taken = self._turn.acquire(timeout=_STOPPING_S)
        try:
            if taken:
                self._console.status(())
            ours = signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # we stop here until somebody lets us go on
            signal.signal(number, ours)
        finally:
            if taken:
                self._turn.release()
