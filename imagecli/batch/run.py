"""A batch is run: its jobs are planned, sent and saved, several at once; what comes of each is told and written down.

Each worker takes a job, plans it, and carries the plan out as a `gen` would; the gate keeps its requests to the pace.
There are a few workers more than requests in flight, so that some can save while others wait for the server.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli import interrupts
from imagecli.batch.carrying import Carrying
from imagecli.batch.gate import Gate, HasEnded
from imagecli.batch.journal import Entry, JournalProblem, Made
from imagecli.client.retry import TOO_MANY
from imagecli.errors import ExitCode, ImagecliError, Interrupted, UnknownOutcome, out_of_memory
from imagecli.result import Result
from imagecli.text import hide_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imagecli.batch.carrying import Shared
    from imagecli.batch.job import Job
    from imagecli.batch.journal import State
    from imagecli.batch.standing import Task
    from imagecli.result import GeneratedImage

_SAVERS = 8
"""Workers beyond the requests in flight: as many can be saving."""
GRACE_S = 10.0
"""How long an interrupted batch waits for what is in flight."""
_FINAL = frozenset({ExitCode.MONEY, ExitCode.AUTH})
"""What ends a batch: each further request would fail alike."""


class Outcomes(NamedTuple):
    """What came of a batch's run."""

    done: int
    failed: tuple[ImagecliError, ...]
    unknown: int
    left: int
    """Jobs that were not begun, or not sent again, as the run ended before."""
    images: int
    cost_usd: float | None
    """What is known of it; None: of no job that was sent."""
    error: ImagecliError | None
    """What ended it before its end."""


class BatchRun:
    """One run of a batch."""

    def __init__(self, shared: Shared, tasks: Iterable[Task]) -> None:
        """Begin nothing yet."""
        self._shared = shared
        self._waiting = deque(tasks)
        self._total = len(self._waiting)
        self._active: dict[str, Carrying] = {}
        self._changed = threading.Condition()
        self._workers = 0
        self._bug: BaseException | None = None
        self._closed = False
        self._telling = threading.Lock()
        """Held while something is told, which may take as long as a reader of standard output likes."""
        self._error: ImagecliError | None = None
        self._failed: list[ImagecliError] = []
        self.done = self.unknown = self.images = 0
        self.cost_usd = 0.0
        self._unpriced = 0
        """Jobs that made images whose cost is not known."""

    @property
    def failed(self) -> int:
        """How many jobs have failed so far."""
        return len(self._failed)

    def run(self) -> Outcomes:
        """Carry all jobs out, and return what came of them; an interrupt (Ctrl-C, a signal) ends it early."""
        try:
            self._start_workers()
            self._wait(None)
        except KeyboardInterrupt as interrupt:
            self._interrupted(interrupt)
        if self._bug is not None:
            raise self._bug
        left = self._total - self.done - self.unknown - self.failed
        cost = None if self._unpriced and not self.cost_usd else self.cost_usd
        return Outcomes(self.done, tuple(self._failed), self.unknown, left, self.images, cost, self._error)

    def _start_workers(self) -> None:
        for started in range(min(self._shared.pace.most + _SAVERS, self._total)):
            with self._changed:
                self._workers += 1
            try:
                threading.Thread(target=self._work, daemon=True).start()
            except (RuntimeError, MemoryError) as error:  # the system allows no more threads
                with self._changed:
                    self._workers -= 1
                if not started:
                    raise out_of_memory(error) from error
                return

    def _wait(self, until: float | None) -> None:
        """Wait until the workers have ended, or a second interrupt or the time comes."""
        with self._changed:
            while self._workers and self._bug is None:
                if until is not None and (time.monotonic() > until or interrupts.pressed()):
                    return
                # In pieces: where a thread waits without an end, some systems deliver no signal to it.
                self._changed.wait(0.1 if until is not None else 1.0)

    def _interrupted(self, interrupt: KeyboardInterrupt) -> None:
        """Begin nothing more, wait for what is in flight, and write down of what does not come that it may be paid."""
        interrupts.handle()
        self._shared.pace.end()
        with self._changed:
            in_flight = sum(each.gate.was_sent and not each.has_ended for each in self._active.values())
        if in_flight:
            self._shared.report.waiting(in_flight)
        with suppress(KeyboardInterrupt):
            self._wait(time.monotonic() + GRACE_S)
        with self._changed:
            self._closed = True
            given_up = [each for each in self._active.values() if each.gate.was_sent and not each.has_ended]
        for each in given_up:
            self._give_up(each)
        with self._changed:  # what has come is only to be written down
            while any(each.has_ended for each in self._active.values()) and self._changed.wait(GRACE_S):
                pass
            for each in self._active.values():
                each.close()
        count = len(given_up)
        billed = f"; {count} job{'s' * (count > 1)} in flight may have been billed" if count else ""
        self._error = Interrupted.by(interrupt, billed, hint="Run the same command again for the rest.")

    def _give_up(self, carrying: Carrying) -> None:
        job = carrying.task.job
        if self._shared.client is not None:
            carrying.gate.abandon(self._shared.client)
        error = UnknownOutcome("interrupted while waiting for the response: it may have been billed")
        self._shared.journal.ended(_entry(job, "unknown", (), error, None))
        self.unknown += 1
        self._tell(job, Result(job.op, None, None, failures={1: error}, error=error))

    # Workers

    def _work(self) -> None:
        bug: BaseException | None = None
        try:
            while (task := self._next()) is not None:
                self._carry_out(task)
        except BaseException as error:  # noqa: BLE001 - a bug must reach the main thread and look like one
            bug = error
        with self._changed:
            self._workers -= 1
            self._bug = self._bug or bug
            self._changed.notify_all()

    def _next(self) -> Task | None:
        with self._changed:
            if self._shared.pace.has_ended or self._closed or not self._waiting:
                return None
            return self._waiting.popleft()

    def _carry_out(self, task: Task) -> None:
        shared = self._shared
        gate = Gate(task.job, shared.pace, shared.journal, shared.sleep, self._ends)
        carrying = Carrying(task, gate, shared)
        with self._changed:
            self._active[task.job.id] = carrying
        before = shared.pace.successes
        begun = time.monotonic()
        result = carrying.carry_out()._replace(elapsed_s=round(time.monotonic() - begun, 3))
        with self._changed:
            carrying.has_ended = not self._closed
        try:
            if carrying.has_ended:
                self._conclude(task, gate, result, before)
        finally:
            with self._changed:
                del self._active[task.job.id]
                self._changed.notify_all()

    def _conclude(self, task: Task, gate: Gate, result: Result, before: int) -> None:
        """Write down and tell what came of a job, unless it was not sent as the batch ends."""
        error = result.error
        final = next(filter(_is_final, _errors(result)), None)
        if not gate.was_sent and (final is not None or isinstance(error, HasEnded)):
            self._end(final)
            return
        unknown = gate.was_lost and error is not None
        unknown = unknown or any(isinstance(each, UnknownOutcome) for each in result.failures.values())
        state: State = "unknown" if unknown else "done" if error is None else "failed"
        entry = _entry(task.job, state, self._made(result.images), error, result.cost_usd)
        try:
            self._shared.journal.ended(entry)
        except JournalProblem as problem:  # its images are saved all the same, and found there by the next run
            self._end(problem)
        again = state == "failed" and _was_too_many(error) and self._shared.pace.successes > before
        if isinstance(error, HasEnded) and not unknown:  # it was refused for now, and is left
            return
        with self._changed:
            if again:  # others get through: so will it, in its turn
                self._waiting.append(task)
                return
            self._count(state, result)
        self._tell(task.job, result)
        if error is not None and self._ends(error):
            self._end(final)

    def _ends(self, error: ImagecliError) -> bool:
        return self._shared.fail_fast or _is_final(error)

    def _end(self, error: ImagecliError | None) -> None:
        """Begin nothing more; `error` is why."""
        self._error = self._error or error
        self._shared.pace.end()

    def _tell(self, job: Job, result: Result) -> None:
        try:
            with self._telling:
                self._shared.report.ended(job, result)
        except ImagecliError as error:  # a disk that is full, behind standard output
            self._end(error)

    def _count(self, state: State, result: Result) -> None:
        self.images += sum(not image.partial for image in result.images)
        self.cost_usd += result.cost_usd or 0.0
        self._unpriced += bool(result.images) and result.cost_usd is None
        if state == "done":
            self.done += 1
        elif state == "unknown":
            self.unknown += 1
        else:
            assert result.error is not None  # noqa: S101 - it has failed
            self._failed.append(result.error)

    def _made(self, images: Sequence[GeneratedImage]) -> tuple[Made, ...]:
        files = (file for image in images if not image.partial for file in (image, *image.also))
        return tuple(
            Made(os.path.relpath(file.path, self._shared.folder), file.sha256, file.bytes)
            for file in files
            if file.path is not None
        )


def _entry(
    job: Job, state: State, images: tuple[Made, ...], error: ImagecliError | None, cost_usd: float | None
) -> Entry:
    return Entry(
        *(job.id, job.digest, state, time.time(), images, cost_usd),
        exit_code=None if error is None else int(error.exit_code),
        message=None if error is None else hide_keys(error.message),
        saved_response=None if error is None else error.saved_response,
    )


def _errors(result: Result) -> Iterator[ImagecliError]:
    """Yield what went wrong in a job."""
    yield from result.failures.values()
    if result.error is not None:
        yield result.error


def _is_final(error: ImagecliError) -> bool:
    return error.exit_code in _FINAL or isinstance(error, JournalProblem)


def _was_too_many(error: ImagecliError | None) -> bool:
    """Return whether the server refused a request for coming too soon, and not for want of money."""
    return error is not None and error.http_status == TOO_MANY and error.exit_code == ExitCode.UNAVAILABLE
