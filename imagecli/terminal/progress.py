"""One line on stderr that says what the requests are doing, while they are doing it.

Drawn by hand and not by rich: rich's live display hides the cursor (a run stopped by Ctrl-Z leaves the shell without
one), draws from the background too, and costs four times a bare Python to import, before the first byte is sent.
"""

from __future__ import annotations

import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from imagecli.terminal.console import Console

_UNICODE_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES = "|/-\\"
_INTERVAL = 0.1
_ORDER = ("done", "failed", "preparing", "uploading", "waiting", "receiving", "partial", "saving")
_ENDED = ("done", "failed")


class _Stage(NamedTuple):
    name: str
    detail: str | None
    since: float
    """By the monotonic clock, seconds."""


class Progress:
    """The progress line; silent where the console is not animated.

    `⠹ waiting 12 s` for one request, `⠹ 4 requests: 1 done, 3 waiting 12 s` for several; `⠹ partial 1 of 3, 4 s` and
    `⠹ 4 requests: 1 at partial 1 of 3, 3 waiting 12 s` while partial pictures arrive. The time is that of the stage, of
    the longest wait where several requests are in it.
    """

    def __init__(self, console: Console, total: int) -> None:
        """Be ready to show `total` requests on `console`."""
        self._console = console
        self._total = total
        self._stages: dict[int, _Stage] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._console.animated:
            self._thread = threading.Thread(target=self._draw, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing on the line, whatever has happened."""
        if self._thread is None:
            return
        self._stop.set()
        try:
            self._thread.join()
        finally:  # a second Ctrl-C
            self._console.status("")

    def update(self, request: int, stage: str, detail: str | None = None) -> None:
        """Say from any thread what a request does: any number names it, any words its stage.

        Stages with a place in the order: preparing, uploading, waiting, receiving, partial ..., saving, done, failed.
        """
        before = self._stages.get(request)
        since = before.since if before and before.name == stage else time.monotonic()
        self._stages[request] = _Stage(stage, detail, since)

    def _draw(self) -> None:
        # The first look comes after an interval: what is over at once draws nothing.
        for frame in cycle(_UNICODE_FRAMES if self._console.unicode else _ASCII_FRAMES):
            if self._stop.wait(_INTERVAL):
                return
            if text := self._text(time.monotonic()):
                self._console.status(f"{frame} {text}")

    def _text(self, now: float) -> str:
        stages = list(self._stages.values())
        if not stages:
            return ""
        if self._total == 1:
            stage = stages[0]
            detail = f" ({stage.detail})" if stage.detail else ""
            return f"{stage.name}{_time_in(stage, now)}{detail}"
        longest: dict[str, _Stage] = {}
        for stage in sorted(stages, key=lambda stage: stage.since):
            longest.setdefault(stage.name, stage)
        names = [stage.name for stage in stages]
        counted = {name: f"{names.count(name)} {'at ' if _numbered(name) else ''}{name}" for name in longest}
        parts = [counted[name] + _time_in(longest[name], now) for name in sorted(longest, key=_place)]
        if queued := self._total - len(stages):
            parts.append(f"{queued} queued")
        return f"{self._total} requests: {', '.join(parts)}"


def _time_in(stage: _Stage, now: float) -> str:
    """Return how long the stage has lasted, where that says something ("retrying in 3 s" has its own time)."""
    seconds = int(now - stage.since)
    silent = not seconds or stage.name in _ENDED or stage.name.startswith("retrying")
    return "" if silent else f"{',' if _numbered(stage.name) else ''} {seconds} s"


def _numbered(name: str) -> bool:
    """Tell whether a stage ends in a number of its own: "partial 1 of 3"."""
    return name[-1:].isdigit()


def _place(name: str) -> tuple[int, str]:
    kind = "partial" if name.startswith("partial ") else name
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), name)
