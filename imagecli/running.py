"""The order of the steps, and nothing else: prepare → reserve → send → save.

Requests run in daemon threads, so that Ctrl-C ends a run at once even while a worker waits in a read. Each worker
saves what it got before it takes the next request; the main thread only waits, and can be interrupted.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagecli import pictures
from imagecli.dialects.openai import EDITS
from imagecli.errors import (
    ContentPolicyRefusal,
    ExitCode,
    Failure,
    ImagecliError,
    Interrupted,
    PartialResult,
    UnknownOutcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagecli.client.client import Client
    from imagecli.client.response.images import Answer
    from imagecli.dialects.request import ImageRequest
    from imagecli.pictures import Pictures
    from imagecli.result import GeneratedImage, Result
    from imagecli.saving.sinks import Sink, Transform
    from imagecli.task import Task

_NO_SUCH_ROUTE = frozenset({404, 405, 501})
_POINTLESS_TO_GO_ON = frozenset({ExitCode.MONEY, ExitCode.AUTH, ExitCode.CONTENT_POLICY, ExitCode.USAGE})
# With several requests and no image, the first error of these, in this order, decides the exit code.
_ORDER = (
    ExitCode.MONEY,
    ExitCode.AUTH,
    ExitCode.CONTENT_POLICY,
    ExitCode.USAGE,
    ExitCode.UNAVAILABLE,
    ExitCode.FAILURE,
)
_SAVING_GRACE_S = 10.0
AGAIN = "Run it again with --skip-existing and the same -o (-o ./ where there was none) for the rest."


@dataclass(slots=True)
class Job:
    """One request of a run, and the numbers of the images that it is for."""

    index: int
    request: ImageRequest
    numbers: tuple[int, ...]
    report: Callable[[int, str, float | None], None]
    state: str = "preparing"
    lost: bool = False
    """Whether an answer to it was lost before, so that it may have been billed already."""
    answer: Answer | None = None
    """What has arrived and is not all saved yet."""

    def watch(self, state: str, seconds: float | None) -> None:
        """Hear what the request is doing."""
        self.state = state
        self.lost = self.lost or state == "lost"
        self.report(self.index, state, seconds)

    @property
    def in_flight(self) -> bool:
        """Whether a server may be working on it, or may have been paid for it."""
        return self.lost or self.state.startswith(("uploading", "waiting", "receiving", "partial"))


class Run:
    """One task on its way through the steps. `result` is true at any moment, also when it is interrupted."""

    def __init__(
        self,
        task: Task,
        result: Result,
        *,
        report: Callable[[int, str, float | None], None] = lambda _index, _state, _seconds: None,
        show: Callable[[int, int, bytes], None] = lambda _n, _number, _data: None,
    ) -> None:
        """Take the task, the result to fill, and whom to tell what each request is doing.

        `show` is given the partial images of a stream as they come: the image's number, the partial one's (from 1),
        and its file's bytes.
        """
        self.task = task
        self.result = result
        self._report = report
        self._show = show
        self._dropped: set[str] = set()
        """Fields that the server has refused as unknown."""
        self._lock = threading.Lock()
        self._jobs: list[Job] = []
        self._highest = task.count
        """The highest number of an image; a server may send more than it was asked for."""
        self._finished: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._stopped = False
        self._stopped_by_hand = False
        self._saving_partials = 0
        """How many partial images are just being written."""

    # Step 1: prepare

    def prepare(self, route: str) -> Pictures:
        """Make the inputs what `route` takes.

        Raises:
            UsageProblem: a file is no picture, or a mask does not fit.
        """
        if self.task.inputs:
            self._report(0, "preparing", None)
        made = pictures.prepare(self.task, route)
        self.warn(*made.warnings)
        self.result.notes += made.notes
        return made

    # Step 2: the requests

    def requests(self, route: str, ready: Pictures, numbers: Sequence[int]) -> list[Job]:
        """Share the images out over as few requests as the model allows."""
        task, most = self.task, self.task.per_request
        shares = [tuple(numbers[start : start + most]) for start in range(0, len(numbers), most)]
        self._jobs = [
            Job(index, task.dialect.build(task, route, len(share), ready.uploads), share, self._report)
            for index, share in enumerate(shares)
        ]
        return self._jobs

    def numbers_of(self, index: int) -> tuple[int, ...]:
        """Return the numbers of the images that a request is for."""
        return self._jobs[index].numbers if index < len(self._jobs) else ()

    def request_hash(self) -> str:
        """Return eight hex digits that stand for what is sent."""
        digest = hashlib.sha256()
        for job in self._jobs:
            digest.update(json.dumps([job.request.path, job.request.fields], sort_keys=True).encode())
            for part in job.request.files:
                digest.update(part.upload.data)
        return digest.hexdigest()[:8]

    # Step 3 and 4: send and save

    def send(self, client: Client, sink: Sink, ready: Pictures, numbers: Sequence[int], jobs: int) -> None:
        """Send and save everything; what is missing in the end is in `result.failures`, and why in `result.error`.

        An interrupt (Ctrl-C, a signal) ends it too, after what had arrived is saved.
        """
        for attempt, route in enumerate(self.task.routes):
            if attempt:
                ready = self.prepare(route)
            requests = self.requests(route, ready, numbers)
            self.result.route = requests[0].request.endpoint
            self.result.failures.clear()
            self._stopped = False
            self._go(client, sink, requests, pictures.undoing(self.task, ready, self.warn), jobs)
            self.result.cost_usd = self.task.dialect.cost_usd(self.result.usage or {})
            if self.result.error is not None:
                return
            if not self._has_no_route(len(numbers)):
                break
        if self.task.command == "vary" and route == EDITS:
            self.result.notes.append("there are no variations here, so this is an edit with a prompt of imagecli's")
        self._conclude()

    def _has_no_route(self, asked: int) -> bool:
        """Tell whether the server does not know the route at all."""
        errors = list(self.result.failures.values())
        return len(errors) == asked and all(
            error.http_status in _NO_SUCH_ROUTE and error.code != "model_not_found" for error in errors
        )

    def _go(self, client: Client, sink: Sink, todo: list[Job], transform: Transform | None, jobs: int) -> None:
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in todo:
            waiting.put(job)
        workers = min(jobs, len(todo))
        try:
            for _ in range(workers):
                threading.Thread(target=self._work, args=(client, sink, waiting, transform), daemon=True).start()
            troubles = [trouble for _ in range(workers) if (trouble := self._finished.get()) is not None]
        except KeyboardInterrupt as interrupt:
            self._interrupted(interrupt, client)
            return
        if troubles:
            raise troubles[0]

    def _work(self, client: Client, sink: Sink, waiting: queue.SimpleQueue[Job], transform: Transform | None) -> None:
        trouble: BaseException | None = None
        try:
            while not self._stopped:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    break
                self._do(client, sink, job, transform)
        except BaseException as error:  # noqa: BLE001 - a bug must reach the main thread and look like one
            trouble = error
        self._finished.put(trouble)

    def _do(self, client: Client, sink: Sink, job: Job, transform: Transform | None) -> None:
        try:
            job.answer = self._post(client, sink, job, transform)
        except ImagecliError as error:
            if job.lost and not isinstance(error, UnknownOutcome):
                error.hint = f"{error.hint or ''} An earlier try was lost and may have been billed.".strip()
            self._fail(job.numbers, error)
            job.watch("failed", None)
            return
        self._save(client, sink, job, job.answer, transform)
        job.answer = None
        job.watch("done", None)

    def _post(self, client: Client, sink: Sink, job: Job, transform: Transform | None) -> Answer:
        """Send a request; a field that the server refuses as unknown is dropped, and the call repeated without it.

        Servers that name one unknown field at a time are asked once more for each. A field that a server misses is
        supplied, where there is another spelling that has it.
        """

        def show(number: int, data: bytes) -> None:
            self._show_partial(sink, job.numbers[0], number, data, transform)

        with self._lock:
            job.request = job.request.without(self._dropped) or job.request
        while True:
            try:
                return client.post(job.request, job.watch, show)
            except ImagecliError as error:
                if (smaller := job.request.without(error.unknown_fields)) is not None:
                    names = ", ".join(name for name in job.request.fields if name not in smaller.fields)
                    with self._lock:
                        self._dropped.update(error.unknown_fields)
                    self.warn(f"the server does not know {names}: it was asked again without")
                    job.request = smaller
                elif (other := job.request.supplying({*error.missing_fields} - self._dropped)) is not None:
                    job.request = other
                else:
                    raise

    def _show_partial(self, sink: Sink, n: int, number: int, data: bytes, transform: Transform | None) -> None:
        self._show(n, number, data)
        if not self.task.save_partials:
            return
        with self._lock:
            if self._stopped_by_hand:
                return
            self._saving_partials += 1
        try:
            image = sink.save_partial(n, number, [data], transform, self.warn)
        except Failure as error:
            self.warn(f"partial image {number} of image {n} is not saved: {error.message}")
            return
        finally:
            with self._lock:
                self._saving_partials -= 1
        if image is not None and image.path is not None:
            self.result.partials.setdefault(n, []).append(image.path)

    def _fail(self, numbers: Sequence[int], error: ImagecliError) -> None:
        with self._lock:
            for n in numbers:
                self.result.failures[n] = error
            if error.request_id and error.request_id not in self.result.request_ids:
                self.result.request_ids.append(error.request_id)
            if error.exit_code in _POINTLESS_TO_GO_ON:
                self._stopped = True

    def _save(self, client: Client, sink: Sink, job: Job, answer: Answer, transform: Transform | None) -> None:
        """Save every image of an answer, more than were asked for too; the answer is kept if one can't be."""
        with self._lock:
            if answer.request_id:
                self.result.request_ids.append(answer.request_id)
            self.result.usage = _sum(self.result.usage, answer.usage)
        self.warn(*answer.warnings)
        troubles: list[ImagecliError] = []
        for n, item in zip(self._numbers(job, answer, sink), answer.items, strict=False):
            job.watch("saving", None)
            try:
                image = sink.save(n, client.fetch(item, answer, job.watch), transform, self.warn)
                self._add(replace(image, revised_prompt=item.revised_prompt))
            except ContentPolicyRefusal as error:
                self._fail((n,), error)
            except ImagecliError as error:
                trouble = Failure(error.message, hint=error.hint, request_id=answer.request_id)
                self._fail((n,), trouble)
                troubles.append(trouble)
        if answer.partial is not None:
            job.watch("saving", None)
        if answer.partial is not None and not self._keep_partial(client, sink, job, answer, transform):
            troubles += [self.result.failures[n] for n in job.numbers]
        kept = answer.spool.keep() if troubles or sink.undelivered else None
        if sink.undelivered:
            self.warn(f"stdout was closed before the picture was out; the answer is kept in {kept}")
        for each in troubles:
            each.saved_response = kept
        answer.discard()

    def _keep_partial(self, client: Client, sink: Sink, job: Job, answer: Answer, transform: Transform | None) -> bool:
        """Save the last partial image of a stream whose finished one never came, under a name that says so."""
        n, item = job.numbers[0], answer.partial
        image = None
        if item is not None:
            try:
                image = sink.save_partial(n, None, client.fetch(item, answer, job.watch), transform, self.warn)
            except ImagecliError as error:
                self.warn(f"the last partial image of image {n} is not saved: {error.message}")
        if image is None:
            return False
        self._add(image)
        missing = self.result.failures[n]
        kept = f"; its last partial image is kept in {image.path}" if image.path is not None else ""
        self._fail((n,), PartialResult(f"{missing.message}{kept}", hint=missing.hint, **_words_of(missing)))
        return True

    def _numbers(self, job: Job, answer: Answer, sink: Sink) -> Sequence[int]:
        """Return the numbers of an answer's images, which may be more or fewer than were asked for."""
        asked, came = len(job.numbers), len(answer.items)
        for n in job.numbers[came:]:
            short = f"the server sent {came} of {asked} images"
            if answer.partial is not None:
                short = "the server's stream ended without the finished picture"
            failure = answer.trouble or Failure(short, hint="Run it again for the rest.", request_id=answer.request_id)
            self._fail((n,), failure)
        if came <= asked:
            return job.numbers
        self.warn(f"the server sent {came} images for the {asked} that were asked for")
        if not sink.takes_more:
            return job.numbers
        with self._lock:
            first = self._highest + 1
            self._highest += came - asked
        return (*job.numbers, *range(first, first + came - asked))

    def _add(self, image: GeneratedImage) -> None:
        with self._lock:
            image = replace(image, partials=tuple(self.result.partials.get(image.n, ())))
            bisect.insort(self.result.images, image, key=lambda one: one.n)

    def warn(self, *texts: str) -> None:
        """Collect warnings, each once."""
        with self._lock:
            self.result.warnings += [text for text in texts if text not in self.result.warnings]

    # How it ended

    def _interrupted(self, interrupt: KeyboardInterrupt, client: Client) -> None:
        """Let what has arrived be saved, and say of what was in flight that it may have been billed.

        What would still have to be fetched is not waited for: the answer that names it is kept.
        """
        self._stopped = True
        with self._lock:
            self._stopped_by_hand = True
        until = time.monotonic() + _SAVING_GRACE_S
        with suppress(KeyboardInterrupt):  # a second one ends the wait
            while self._saving_partials or any(job.answer is not None and job.state == "saving" for job in self._jobs):
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
        count = sum(job.in_flight for job in self._jobs)
        billed = f"; {count} request{'s' * (count > 1)} in flight may have been billed" if count else ""
        self.result.error = Interrupted.by(interrupt, billed, hint=AGAIN)
        there = {image.n for image in self.result.images}
        for job in self._jobs:
            failure = self._cut_short(job, client, interrupt)
            for n in job.numbers:
                if n not in there:
                    self.result.failures.setdefault(n, failure)
            if failure.saved_response is not None:
                self.result.error.saved_response = failure.saved_response

    def _cut_short(self, job: Job, client: Client, interrupt: KeyboardInterrupt) -> ImagecliError:
        """Return why the images of a request are missing after an interrupt, and keep what has come of it."""
        answer = job.answer
        if answer is not None:
            failure: ImagecliError = Interrupted.by(interrupt, " while its answer was being saved; the answer is kept")
            failure.saved_response = answer.spool.keep()
            failure.request_id = answer.request_id
            answer.discard()
        elif job.in_flight:
            failure = UnknownOutcome("interrupted in flight: it may have been billed")
            failure.saved_response = client.abandon(job.request)
        else:
            failure = Interrupted.by(interrupt, " before it was sent")
        return failure

    def _conclude(self) -> None:
        """Fill up the failures of requests that were not sent any more, and decide what the run's error is."""
        result = self.result
        if not result.failures:
            return
        there = {image.n for image in result.images if not image.partial}
        errors = [result.failures[n] for n in sorted(result.failures)]
        decisive = next((error for error in errors if error.exit_code in _POINTLESS_TO_GO_ON), errors[0])
        for n in (n for job in self._jobs for n in job.numbers):
            if n not in there:
                result.failures.setdefault(n, decisive)
        errors = [result.failures[n] for n in sorted(result.failures)]
        unknown = next((error for error in errors if error.exit_code == ExitCode.UNKNOWN_OUTCOME), None)
        if unknown is not None:
            result.error = unknown
        elif len(errors) == 1 and isinstance(errors[0], PartialResult):
            result.error = errors[0]
        elif result.images:
            result.error = _partial(result, errors[0])
        else:
            result.error = min(errors, key=lambda error: _ORDER.index(ExitCode(error.exit_code)))


def _partial(result: Result, first: ImagecliError) -> PartialResult:
    missing, there = len(result.failures), sum(not image.partial for image in result.images)
    return PartialResult(
        f"{missing} of {missing + there} images {'is' if missing == 1 else 'are'} missing: {first.message}",
        hint=AGAIN,
        saved_response=first.saved_response,
        **_words_of(first),
    )


def _words_of(error: ImagecliError) -> dict[str, Any]:
    """Return what the server itself said of an error, for one that stands in its place."""
    return {name: getattr(error, name) for name in ("http_status", "code", "param", "type", "request_id")}


def _sum(one: Any, other: Any) -> Any:  # noqa: ANN401 - usage is whatever the server counts
    """Add up the usage of two answers, key by key."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _sum(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one + other
    return other if one is None else one
