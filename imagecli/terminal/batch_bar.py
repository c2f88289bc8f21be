"""The status line of a batch: what is done, failed, unknown and left; how fast it goes, what it has cost."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from imagecli.terminal.render import usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.terminal.console import Console

_MINUTE_S, _HOUR_S = 60.0, 3600.0


class Tally(NamedTuple):
    """What has come of a batch so far."""

    done: int = 0
    failed: int = 0
    unknown: int = 0
    left: int = 0
    images: int = 0
    """Made in this run."""
    ended: int = 0
    """Jobs that have ended in this run."""
    cost_usd: float = 0.0


class BatchBar:
    """The status line, used in a `with`; draws nothing where the console is not animated."""

    def __init__(
        self,
        console: Console,
        tally: Callable[[], Tally],
        *,
        interval: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the console, and what tells how far the batch is; `interval` and `clock` are in seconds."""
        self._console = console
        self._tally = tally
        self._interval = interval
        self._clock = clock
        self._begun = clock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._console.animated:
            thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            with suppress(RuntimeError):  # the system allows no more threads
                thread.start()
                self._thread = thread
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and remove the line."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._console.status("")

    def _draw(self) -> None:
        while not self._stop.wait(self._interval):
            self._console.status(self.text())

    def text(self) -> str:
        """Return the line as it is now."""
        tally, seconds = self._tally(), self._clock() - self._begun
        parts = [f"{tally.done} done, {tally.failed} failed, {tally.unknown} unknown, {tally.left} left"]
        if tally.ended and seconds > 0:
            parts.append(f"{tally.images * _MINUTE_S / seconds:.0f} images a minute")
        if tally.cost_usd:
            parts.append(f"{usd(tally.cost_usd)} spent")
        if tally.ended and tally.left:
            parts.append(f"{_about(tally.left * seconds / tally.ended)} left")
        return " · ".join(parts) if self._console.unicode else "; ".join(parts)


def _about(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
