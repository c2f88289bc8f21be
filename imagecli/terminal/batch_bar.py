"""The bar of a batch: what is done, failed, unknown and left; how fast it goes, what it has cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from imagecli.terminal.animation import Animation
from imagecli.terminal.render import usd
from imagecli.terminal.rows import Row, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.terminal.canvas import Canvas
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
    held_s: float = 0.0
    """For how long nothing begins, as the server has asked for that."""


class BatchBar(Animation):
    """A bar of the jobs, and beneath it their numbers, in a `with`.

    ::

        ⠹ batch  12 of 30  ━━━━━━━━━╸━━━━━━━━━━━━━━  40 %
        10 done · 1 failed · 1 unknown · 18 left · 114 images a minute · $0.36 spent · 12 s to go
    """

    def __init__(  # noqa: PLR0913 - where, what and when
        self,
        console: Console,
        tally: Callable[[], Tally],
        *,
        delay: float = 0.0,
        interval: float = 0.2,
        patience: float = 0.7,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the console, and what tells how far the batch is; see `Animation` for the others."""
        super().__init__(console, delay=delay, interval=interval, patience=patience, clock=clock)
        self._tally = tally
        self._begun = clock()

    def frame(self, canvas: Canvas) -> list[str]:
        """Return the lines as they are now."""
        tally, seconds = self._tally(), self._clock() - self._begun
        over = tally.done + tally.failed + tally.unknown
        if not over + tally.left:  # nothing is known yet
            return canvas.rows([Row("batch", "asking", duration(seconds))])
        share = over / (over + tally.left)
        bar = canvas.rows([Row("batch", f"{over:,} of {over + tally.left:,}", f"{100 * share:.0f} %", share)])
        numbers = canvas.sentence(_parts(tally, seconds))
        return [*bar, *numbers][: canvas.height] if canvas.height > 1 else numbers[:1]


def _parts(tally: Tally, seconds: float) -> Iterator[tuple[str, str]]:
    """Yield what there is to say, with its style."""
    yield f"{tally.done:,} done", "green" if tally.done else ""
    yield f"{tally.failed:,} failed", "red" if tally.failed else ""
    yield f"{tally.unknown:,} unknown", "yellow" if tally.unknown else ""
    yield f"{tally.left:,} left", ""
    if tally.ended and seconds > 0:
        yield f"{tally.images * _MINUTE_S / seconds:.0f} images a minute", ""
    if tally.cost_usd:
        yield f"{usd(tally.cost_usd)} spent", ""
    if tally.ended and tally.left:
        yield f"{_about(tally.left * seconds / tally.ended)} to go", ""
    if tally.held_s >= 1:
        yield f"the server asks to wait: {_about(tally.held_s)}", "yellow"


def _about(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"
