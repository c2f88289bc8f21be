"""What the images of a run are doing, a row each; told from any thread, and drawn while the run goes on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from imagecli.terminal.animation import Animation
from imagecli.terminal.rows import Row, duration, size_of
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imagecli.terminal.canvas import Canvas
    from imagecli.terminal.console import Console

_ENDED = ("saved", "failed")
_ELSEWHERE = frozenset(
    {"connecting", "uploading", "waiting", "receiving", "partial", "fetching", "retrying", "asking", "creating"}
)
"""How stages begin in which others have to do something."""
_COUNTED = frozenset({"uploading", "receiving", "fetching"})
"""Stages in which bytes go out or come."""
_QUEUED = "queued"


class Stage(NamedTuple):
    """What an image is at."""

    name: str
    since: float
    """When it began, by the clock, in seconds."""
    until: float | None = None
    """When it will end, where that is known."""
    detail: str = ""
    done: int = 0
    """Bytes that have gone out, or come."""
    total: int | None = None
    """Of so many; None: that is not known."""


@contextmanager
def working(console: Console, doing: str, detail: str = "") -> Iterator[Progress]:
    """Show what a command that makes no images does, if that takes longer than a moment."""
    progress = Progress(console, [1])
    progress.update([1], doing, detail=detail)
    with progress:
        yield progress


class Progress(Animation):
    """A row for each image, and one for all of them if there are several, in a `with`.

    ::

        ⠹ image 1  waiting    12 s
        ⠹ image 2  uploading  ━━━━━━━━╸━━━━━━━━━━━  42 % of 12.3 MB
        ✓ image 3  saved      cat-3.png, 1.4 MB
          total    1 of 3     ━━━━━━╸━━━━━━━━━━━━━  12 s
    """

    def __init__(  # noqa: PLR0913 - where, what and when
        self,
        console: Console,
        images: Iterable[int] = (),
        *,
        delay: float = 0.3,
        interval: float = 0.1,
        patience: float = 0.7,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the console and the images' numbers; see `Animation` for the others."""
        super().__init__(console, delay=delay, interval=interval, patience=patience, clock=clock)
        self._stages: dict[int, Stage] = {}
        self._begun = clock()
        self.expect(images)

    def expect(self, images: Iterable[int], stage: str = _QUEUED) -> None:
        """Show these images, by their numbers, and no others; all are at `stage`."""
        self._stages = dict.fromkeys(images, Stage(stage, self._clock()))

    def update(self, images: Iterable[int], stage: str, *, seconds: float | None = None, detail: str = "") -> None:
        """Say what images are at, from any thread.

        Args:
            images: their numbers.
            stage: "preparing", "connecting", "uploading", "waiting", "partial 1 of 3", … "saved", "failed".
            seconds: how long it will take, where that is known.
            detail: what else there is to say.
        """
        now = self._clock()
        until = None if seconds is None else now + seconds
        for n in images:
            before = self._stages.get(n)
            since = before.since if before is not None and _goes_on(before.name, stage) else now
            self._stages[n] = Stage(stage, since, until, detail)
        self.is_waiting(waiting=any(_is_elsewhere(each) for each in tuple(self._stages.values())))

    def moved(self, images: Iterable[int], done: int, total: int | None) -> None:
        """Say how many bytes of images have gone out, or come, and of how many, where that is known."""
        for n in images:
            if (stage := self._stages.get(n)) is not None:
                self._stages[n] = stage._replace(done=done, total=total)

    def frame(self, canvas: Canvas) -> list[str]:
        """Return the lines as they are now."""
        stages, now = dict(self._stages), self._clock()
        if len(stages) < 2:  # noqa: PLR2004 - one needs neither a number nor a sum
            return canvas.rows([_row("", stage, now) for stage in stages.values()])
        total = self._total(list(stages.values()), now)
        # A small window has room for those that are at work; the sum counts the others.
        room = canvas.height - 1
        wanted = sorted(stages, key=lambda n: (_rank(stages[n]), n))[:room] if len(stages) > room else stages
        rows = [_row(f"image {n}", stages[n], now) for n in sorted(wanted)]
        return canvas.rows([*rows, total]) if room > 0 else canvas.rows([total])

    def _total(self, stages: Sequence[Stage], now: float) -> Row:
        names = [stage.name for stage in stages]
        saved, failed = names.count("saved"), names.count("failed")
        parts = ([f"{failed} failed"] if failed else []) + [duration(now - self._begun)]
        return Row("total", f"{saved} of {len(stages)}", ", ".join(parts), (saved + failed) / len(stages), "")


def _is_elsewhere(stage: Stage) -> bool:
    return stage.name.partition(" ")[0] in _ELSEWHERE


def _rank(stage: Stage) -> int:
    return 1 if stage.name == _QUEUED else 2 if stage.name in _ENDED else 0


def _goes_on(before: str, stage: str) -> bool:
    """Return whether the time of one stage counts for the next."""
    return before == stage or (before, stage) == ("waiting", "receiving")


def _row(label: str, stage: Stage, now: float) -> Row:
    name, detail = stage.name, stage.detail
    if name in {_QUEUED, *_ENDED}:
        return Row(label, name, sanitize(detail), mark=name)
    if name == "receiving" and not stage.done:
        name = "waiting"  # the headers of a stream come long before its first image
    name, _, more = name.partition(" ")  # "retrying after HTTP 429"
    if name == "partial":
        name, more = f"partial {more}", ""
    spent = now - stage.since
    if stage.until is not None:
        time_of_it = f"in {max(0, round(stage.until - now))} s"
    elif name in _COUNTED and stage.done:
        time_of_it = _amount(stage)
    else:
        time_of_it = duration(spent) if spent >= 1 else ""
    share = stage.done / stage.total if name in _COUNTED and stage.done and stage.total else None
    return Row(label, sanitize(name), sanitize(", ".join(filter(None, (time_of_it, more, detail)))), share)


def _amount(stage: Stage) -> str:
    if not stage.total:
        return size_of(stage.done)
    if stage.name == "uploading":
        return f"{100 * stage.done // stage.total} % of {size_of(stage.total)}"
    done, total = size_of(stage.done), size_of(stage.total)
    return f"{done.removesuffix(total[-3:])} of {total}"  # 1.2 of 5.3 MB
