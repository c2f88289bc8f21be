"""The progress line: one line on stderr that shows what the requests are doing.

Drawn without rich: its live display hides the cursor (a run stopped by Ctrl-Z leaves the shell without one), draws from
the background too, and takes four times as long to import as Python to start, before the first byte is sent.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.terminal.console import Console

_UNICODE_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES = "|/-\\"
_ORDER = ("done", "failed", "preparing", "uploading", "waiting", "receiving", "partial", "saving")
_ENDED = ("done", "failed")


class _Stage(NamedTuple):
    name: str
    detail: str | None
    since: float
    """When it began, by the clock, in seconds."""


class Progress:
    """The progress line, used in a `with`; draws nothing where the console is not animated.

    `⠹ waiting 12 s` for one request, `⠹ 4 requests: 1 done, 3 waiting 12 s` for several; `⠹ partial 1 of 3, 4 s` and
    `⠹ 4 requests: 1 at partial 1 of 3, 3 waiting 12 s` while partial images arrive. The time is how long the stage has
    lasted, for the first of the requests that are in it.
    """

    def __init__(
        self,
        console: Console,
        total: int,
        *,
        interval: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the console, and the number of requests in all; `interval` and `clock` are in seconds."""
        self._console = console
        self._interval = interval
        self._clock = clock
        self.total = total
        """How many requests there are; may be set once it is known."""
        self._stages: dict[int, _Stage] = {}
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
        if self._thread is None:
            return
        self._stop.set()
        try:
            self._thread.join()
        finally:  # a second Ctrl-C
            self._console.status("")

    def update(self, request: int, stage: str, detail: str | None = None) -> None:
        """Set the stage of a request, from any thread. `request` is any number that identifies it.

        A stage is any text. These are shown in this order, and others after them: done, failed, preparing, uploading,
        waiting, receiving, partial ..., saving.
        """
        before = self._stages.get(request)
        since = before.since if before and before.name == stage else self._clock()
        self._stages[request] = _Stage(stage, detail, since)

    def _draw(self) -> None:
        # Waits before the first frame, so that a run that ends at once draws nothing.
        for frame in cycle(_UNICODE_FRAMES if self._console.unicode else _ASCII_FRAMES):
            if self._stop.wait(self._interval):
                return
            if text := self._text(self._clock()):
                self._console.status(f"{frame} {text}")

    def _text(self, now: float) -> str:
        stages = list(self._stages.values())
        if not stages:
            return ""
        if self.total == 1:
            stage = stages[0]
            detail = f" ({stage.detail})" if stage.detail else ""
            return f"{stage.name}{_time_in(stage, now)}{detail}"
        longest: dict[str, _Stage] = {}
        for stage in sorted(stages, key=lambda stage: stage.since):
            longest.setdefault(stage.name, stage)
        names = [stage.name for stage in stages]
        counted = {name: f"{names.count(name)} {'at ' if _ends_in_number(name) else ''}{name}" for name in longest}
        parts = [counted[name] + _time_in(longest[name], now) for name in sorted(longest, key=_sort_key)]
        if queued := self.total - len(stages):
            parts.append(f"{queued} queued")
        return f"{self.total} requests: {', '.join(parts)}"


def _time_in(stage: _Stage, now: float) -> str:
    """Return how long the stage has lasted, or "" where that is of no use ("retrying in 3 s" has its own time)."""
    seconds = int(now - stage.since)
    useless = not seconds or stage.name in _ENDED or stage.name.startswith("retrying")
    return "" if useless else f"{',' if _ends_in_number(stage.name) else ''} {seconds} s"


def _ends_in_number(name: str) -> bool:
    """Return whether a stage's name ends in a number: "partial 1 of 3"."""
    return name[-1:].isdigit()


def _sort_key(name: str) -> tuple[int, str]:
    kind = "partial" if name.startswith("partial ") else name
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), name)
