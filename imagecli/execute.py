"""A plan is carried out: each request is sent, what comes is saved, and a frozen result says what came of it.

Requests run in daemon threads, so that Ctrl-C ends a run at once even while a worker waits in a read. Each worker
saves what it got before it takes the next request; the main thread only waits.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from imagecli import interrupts
from imagecli.as_asked import differences, shortfall
from imagecli.collected import Collected
from imagecli.dialects.request import EDITS
from imagecli.errors import (
    Failure,
    ImagecliError,
    Interrupted,
    PartialResult,
    UnknownOutcome,
    is_out_of_memory,
    out_of_memory,
)
from imagecli.exchange import Accounting, Exchange, Observer
from imagecli.outcome import RUN_AGAIN, has_no_route, is_final, missing, run_error, unsaved_error
from imagecli.plan import other_plan
from imagecli.plan.remade import own_seed
from imagecli.saving.receiving import Transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.cache.answers import Answers
    from imagecli.client.client import Client
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.response.sources import Item
    from imagecli.dialects.request import ImageRequest
    from imagecli.plan import Plan
    from imagecli.provenance.making import Making
    from imagecli.result import GeneratedImage, Result
    from imagecli.saving.sink import Sink

_SAVING_GRACE_S = 10.0
_MOST_PARTIALS = 16
"""Partial images of one image that are saved; three are asked for at most."""


def execute(  # noqa: PLR0913 - a plan, and what it is carried out with
    plan: Plan,
    client: Client | None,
    sink: Sink,
    observer: Observer | None = None,
    *,
    jobs: int = 4,
    answers: Answers | None = None,
    accounts: Accounting | None = None,
) -> Result:
    """Send a plan's requests, `jobs` at once, save what comes, and return what came of it, with its own warnings.

    An interrupt (Ctrl-C, a signal) ends it too, once what had arrived is saved; the result's `error` says so.

    Args:
        plan: the plan.
        client: sends; may be None where the plan has no requests, or `answers` has all responses.
        sink: where the images go.
        observer: is told how far it is.
        jobs: how many requests are sent at once.
        answers: what the cache has for the plan; None: there is no cache.
        accounts: where each request is written down before it is sent, and what may be spent; None: nowhere, no limit.
    """
    run = _Execution(plan, sink, observer or Observer(), answers, accounts)
    run.complete_existing()
    if plan.requests and (client is not None or answers is not None):
        try:
            run.send(client, jobs)
        except KeyboardInterrupt as interrupt:
            run.interrupted(interrupt, client)
    return run.result()


class _Execution:
    """Collects what comes of a plan; complete at any moment, also when it is interrupted."""

    def __init__(
        self, plan: Plan, sink: Sink, observer: Observer, answers: Answers | None, accounts: Accounting | None
    ) -> None:
        self._plan = plan
        self._answers = answers
        self._accounts = accounts
        self._sink = sink
        self._observer = observer
        self._route: str | None = None
        self._made = Collected(plan)
        self._warn = self._made.warn
        self._error: ImagecliError | None = None
        self._dropped: set[str] = set()
        """Fields that the server has refused as unknown."""
        self._exchanges: list[Exchange] = []
        self._lock = threading.Lock()
        self._ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._stopped = False
        self._interrupted = False
        self._saving_partials = 0
        """How many partial images are being written at this moment."""

    def result(self) -> Result:
        """Return what has come of it."""
        lost = any(exchange.lost for exchange in self._exchanges)
        return self._made.result(self._plan, self._route, self._error, lost=lost)

    def complete_existing(self) -> None:
        """Make the sizes that are missing beside images that exist: that costs nothing."""
        finish = self._plan.finish
        images = self._made.images
        for at, image in enumerate(images):
            if finish is not None and finish.also:
                images[at] = self._sink.complete(image, finish.sizes_of, self._warn)
        self._conclude()

    def send(self, client: Client | None, jobs: int) -> None:
        """Send and save everything; where the server has no such route, the plan's other one is tried."""
        while True:
            plan = self._plan
            self._route = plan.route
            self._made.failures.clear()
            self._stopped = False
            begin = None if self._accounts is None else partial(self._accounts.begin, plan, warn=self._warn)
            self._exchanges = [
                Exchange(index, each.request, each.numbers, self._observer, self._answers, begin)
                for index, each in enumerate(plan.requests)
            ]
            self._warn(*(self._answers.warnings if self._answers else ()))
            self._run_workers(client, jobs)
            if not plan.other_routes or not has_no_route(
                self._made.failures, sum(len(each.numbers) for each in self._exchanges)
            ):
                break
            self._plan = other_plan(plan)
            self._warn(*self._plan.warnings)
            self._made.notes += self._plan.notes
            if self._answers is not None:
                self._answers.turn_to(self._plan)
        if plan.intent.command == "vary" and plan.requests[0].request.route == EDITS:
            self._made.notes.append("there is no variations endpoint, so this is an edit with imagecli's own prompt")
        self._conclude()

    # Workers

    def _run_workers(self, client: Client | None, jobs: int) -> None:
        waiting: queue.SimpleQueue[Exchange] = queue.SimpleQueue()
        for exchange in self._exchanges:
            waiting.put(exchange)
        workers = min(jobs, len(self._exchanges))
        if workers == 1 and threading.current_thread() is not threading.main_thread():
            self._work(client, waiting)  # nothing interrupts it
        else:
            workers = self._start_workers(workers, client, waiting)
        bugs = [bug for _ in range(workers) if (bug := self._ended.get()) is not None]
        if bugs:
            raise bugs[0]

    def _start_workers(self, wanted: int, client: Client | None, waiting: queue.SimpleQueue[Exchange]) -> int:
        """Start so many threads, or as many as the system allows, and return how many.

        Raises:
            Failure: it allows none; nothing was sent.
        """
        for started in range(wanted):
            try:
                threading.Thread(target=self._work, args=(client, waiting), daemon=True).start()
            except (RuntimeError, MemoryError) as error:
                if not started:
                    raise out_of_memory(error) from error
                return started
        return wanted

    def _work(self, client: Client | None, waiting: queue.SimpleQueue[Exchange]) -> None:
        bug: BaseException | None = None
        try:
            while not self._stopped:
                try:
                    exchange = waiting.get_nowait()
                except queue.Empty:
                    break
                self._carry_out(client, exchange)
        except BaseException as error:  # noqa: BLE001 - a bug must reach the main thread and look like one
            bug = error
        self._ended.put(bug)

    def _carry_out(self, client: Client | None, exchange: Exchange) -> None:
        try:
            exchange.response = self._post(client, exchange)
        except (MemoryError, OSError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._give_up(exchange, out_of_memory(error, UnknownOutcome if exchange.in_flight else Failure))
            return
        except ImagecliError as error:
            if exchange.lost and not isinstance(error, UnknownOutcome):
                error.hint = f"{error.hint or ''} An earlier attempt was lost and may have been billed.".strip()
            self._give_up(exchange, error)
            return
        self._save(client, exchange, exchange.response)
        exchange.complete(self._failure(exchange))
        exchange.response = None
        exchange.report("done", None)

    def _failure(self, exchange: Exchange) -> ImagecliError | None:
        """Return why the first of a request's images that are missing is."""
        return next((self._made.failures[n] for n in exchange.numbers if n in self._made.failures), None)

    def _give_up(self, exchange: Exchange, error: ImagecliError) -> None:
        self._fail(exchange.numbers, error)
        exchange.complete(error)
        exchange.report("failed", None)

    def _post(self, client: Client | None, exchange: Exchange) -> ImageResponse:
        """Send a request; a field that the server refuses is left out, and it is sent again without it.

        Servers that name one field at a time are asked once more for each. A field that a server misses is
        supplied, where there is another spelling that has it.
        """

        def show(number: int, data: bytes) -> None:
            self._show_partial(exchange.numbers[0], number, data)

        def watch(state: str, seconds: float | None) -> None:
            exchange.report(state, seconds)
            if state == "lost":
                exchange.begin_again()

        if (cached := exchange.from_cache()) is not None:
            return cached
        assert client is not None  # noqa: S101 - without one, all is from the cache
        with self._lock:
            exchange.request = exchange.request.without(self._dropped) or exchange.request
        exchange.begin()
        while True:
            try:
                return client.post(exchange.request, watch, show, number=exchange.numbers[0], moved=exchange.moved)
            except ImagecliError as error:
                exchange.change(self._accepted(exchange.request, error), error)

    def _accepted(self, request: ImageRequest, error: ImagecliError) -> ImageRequest:
        """Return the request as the server that refused it may take it.

        Raises:
            ImagecliError: there is no such request; the server's own error.
        """
        if (smaller := request.without(error.unknown_fields)) is not None:
            names = ", ".join(name for name in request.fields if name not in smaller.fields)
            with self._lock:
                self._dropped.update(error.unknown_fields)
            it = "them" if ", " in names else "it"
            self._warn(f"the server refused {names}, so the request was sent again without {it}")
            return smaller
        if (other := request.with_missing({*error.missing_fields} - self._dropped)) is not None:
            return other
        raise error

    # What has come

    def _transform(self, *, partial: bool = False, making: Making | None = None) -> Transform | None:
        finish, embed = self._plan.finish, self._plan.intent.embed
        making = making if embed else None
        if finish is None and making is None:
            return None
        apply = None if finish is None else lambda data, file: finish.apply(data, file, self._warn, partial=partial)
        return Transform(apply, making, force=embed == "force")

    def _making(self, n: int, client: Client | None, response: ImageResponse, item: Item) -> Making | None:
        """Return what made an image, without keys; None where that is not to be written down."""
        intent = self._plan.intent
        if intent.making is None:
            return None
        making = intent.making._replace(
            n=n,
            seed=own_seed(intent.draft.fields, n),
            revised_prompt=item.revised_prompt,
            request_id=response.request_id,
            at=time.time(),
        )
        return making.without(str if client is None else client.hide)

    def _show_partial(self, n: int, number: int, data: bytes) -> None:
        self._observer.partial(n, number, data)
        if not self._plan.intent.save_partials:
            return
        if len(self._made.partials.get(n, ())) >= _MOST_PARTIALS:
            self._warn(f"only the first {_MOST_PARTIALS} partial images of image {n} are saved")
            return
        with self._lock:
            if self._interrupted:
                return
            self._saving_partials += 1
        try:
            image = self._sink.save_partial(n, number, [data], self._transform(partial=True), self._warn)
        except Failure as error:
            self._warn(f"partial image {number} of image {n} is not saved: {error.message}")
            return
        finally:
            with self._lock:
                self._saving_partials -= 1
        if image is not None and image.path is not None:
            self._made.partials.setdefault(n, []).append(image.path)

    def _save(self, client: Client | None, exchange: Exchange, response: ImageResponse) -> None:
        """Save every image of a response, more than were asked for too; the response is kept if one can't be."""
        exchange.received(response, self._made.charge(response, cached=exchange.cached))
        self._warn(*response.warnings)
        unsaved = self._save_items(client, exchange, response)
        self._warn(*filter(None, (exchange.keep(response, self._plan.intent.model.name),)))
        if response.partial is not None:
            exchange.report("saving", None)
            if not self._keep_partial(client, exchange, response):
                unsaved += [self._made.failures[n] for n in exchange.numbers]
        if response.lost is not None:
            unsaved = [self._lost(exchange, response.lost)]
        kept = response.spool.keep() if unsaved or self._sink.undelivered else None
        if self._sink.undelivered:
            where = f"is kept in {kept}" if kept else "is in the cache" if exchange.cached else "could not be kept"
            self._warn(f"standard output was closed before the image was written; the response {where}")
        for each in unsaved:
            each.saved_response = kept
            if kept is None and response.spool.run is not None:
                each.message += "; no folder has room to keep the response"
                each.hint = "Make room before the next run."
        if unsaved and not any(each in self._made.failures.values() for each in unsaved):
            self._warn(f"the response is kept in {kept}")
        response.discard()

    def _save_items(self, client: Client | None, exchange: Exchange, response: ImageResponse) -> list[ImagecliError]:
        """Save the finished images; return why some aren't saved, where the response has to be kept for it.

        An entry that is not an image counts only where an image is missing for it.
        """
        unsaved: list[ImagecliError] = []
        items = self._without_surplus(exchange, response)
        spare = len(items) - len(exchange.numbers)
        numbers = list(self._numbers(exchange, response, len(items)))
        for item in items:
            if not numbers:
                break
            exchange.saving = numbers[0]
            exchange.report("saving", None)
            downloaded = len(response.downloads)
            try:
                pieces = exchange.fetch(client, item, response)
                making = self._making(numbers[0], client, response, item)
                image = self._sink.save(numbers[0], pieces, self._transform(making=making), self._warn)
                exchange.saved(item)
                if making is not None and self._plan.intent.sidecar:
                    image = self._sink.save_sidecar(image, making, self._warn)
                self._add(image._replace(revised_prompt=item.revised_prompt, cached=exchange.cached))
                exchange.images.append(image)
                self._warn(*differences(self._plan, image))
            except (ImagecliError, MemoryError) as error:
                failure = item.withheld or unsaved_error(error, response.request_id)
                if exchange.cached:
                    failure.hint = "Make room, or choose another place with -o: the cache still has the image."
                if item.withheld is None:
                    # What is paid for is the image itself, if it was fetched; its address is worth little in an hour.
                    failure.saved_response = response.keep_download(downloaded)
                    unsaved += [] if failure.saved_response else [failure]
                spare -= 1
                if spare >= 0:  # another takes its place
                    self._warn(f"something that the server sent as an image is not one: {failure.message}")
                    continue
                self._fail((numbers[0],), failure)
            numbers.pop(0)
        exchange.saving = None
        return unsaved

    def _without_surplus(self, exchange: Exchange, response: ImageResponse) -> list[Item]:
        """Return a response's items, without the errors among them that no image is missing for."""
        items = list(response.items)
        for item in response.items:
            if len(items) > len(exchange.numbers) and item.withheld is not None:
                items.remove(item)
                self._warn(f"the server reports an error besides its images: {item.withheld.message}")
        return items

    def _lost(self, exchange: Exchange, lost: ImagecliError) -> ImagecliError:
        """Report a response as lost, and whether the images are saved that an error carries in its place."""
        saved = [image for image in self._made.images if image.n in exchange.numbers]
        names = ", ".join(image.path for image in saved if image.path is not None)
        where = f", which is saved as {names}" if names else "" if saved else ", which did not come whole"
        hint = "Check the image before you run this again: it has been paid for." if saved else lost.hint
        failure = UnknownOutcome(f"{lost.message}{where}", hint=hint, **lost.details)
        self._fail(exchange.numbers, failure)
        return failure

    def _keep_partial(self, client: Client | None, exchange: Exchange, response: ImageResponse) -> bool:
        """Save the last partial image of a stream whose finished image never came, under a name that marks it.

        What broke off stays a lost response: the finished image may have been made and billed.
        """
        n, item = exchange.numbers[0], response.partial
        image = None
        if item is not None:
            try:
                pieces = exchange.fetch(client, item, response)
                image = self._sink.save_partial(n, None, pieces, self._transform(partial=True), self._warn)
            except ImagecliError as error:
                self._warn(f"the last partial image of image {n} is not saved: {error.message}")
        if image is None:
            return False
        self._add(image)
        missing = self._made.failures[n]
        kept = f"; its last partial image is kept in {image.path}" if image.path is not None else ""
        kind = UnknownOutcome if isinstance(missing, UnknownOutcome) else PartialResult
        self._fail((n,), kind(f"{missing.message}{kept}", hint=missing.hint, **missing.details))
        return True

    def _numbers(self, exchange: Exchange, response: ImageResponse, came: int) -> Sequence[int]:
        """Return the numbers of a response's images, which may be more or fewer than were asked for."""
        asked = len(exchange.numbers)
        for n in exchange.numbers[came:]:
            short = f"the server sent {came} of {asked} images"
            if response.partial is not None:
                short = "the server's stream ended without the finished image"
            failure = Failure(short, hint="Run it again for the rest.", request_id=response.request_id)
            self._fail((n,), response.error or failure)
        if came <= asked:
            return exchange.numbers
        self._warn(f"the server sent {came} images instead of {asked}")
        if not self._sink.takes_more:
            return exchange.numbers
        return (*exchange.numbers, *self._made.further(came - asked))

    def _add(self, image: GeneratedImage) -> None:
        self._observer.saved(self._made.add(image))

    def _fail(self, numbers: Sequence[int], error: ImagecliError) -> None:
        self._made.fail(numbers, error)
        self._observer.failed(numbers, error)
        self._stopped = self._stopped or is_final(error)

    # How it ended

    def interrupted(self, interrupt: KeyboardInterrupt, client: Client | None) -> None:
        """Let what has arrived be saved, and say of what was in flight that it may have been billed.

        What would still have to be fetched is not waited for: the response that names it is kept.
        """
        interrupts.handle()
        self._stopped = True
        with self._lock:
            self._interrupted = True
        self._wait_for_saving()
        there = self._made.finished
        missing = [each for each in self._exchanges if not there.issuperset(each.numbers)]
        for exchange in self._exchanges:
            if exchange not in missing:  # its worker has no more time for that
                exchange.complete(self._failure(exchange))
                if exchange.response is not None:
                    exchange.response.discard()
        if not missing and not self._made.failures:
            return
        count = sum(each.in_flight for each in missing)
        billed = f"; {count} request{'s' * (count > 1)} in flight may have been billed" if count else ""
        self._error = Interrupted.by(interrupt, billed, hint=RUN_AGAIN)
        for exchange in missing:
            failure = exchange.cut_short(client, interrupt)
            exchange.complete(failure)
            for n in exchange.numbers:
                if n not in there:
                    self._made.failures.setdefault(n, failure)
            if failure.saved_response is not None:
                self._error.saved_response = failure.saved_response

    def _wait_for_saving(self) -> None:
        """Wait until what is being written is, ten seconds at the most; a second interrupt ends the wait."""
        deadline = time.monotonic() + _SAVING_GRACE_S
        with suppress(KeyboardInterrupt):
            while self._saving_partials or any(
                each.response is not None and each.state == "saving" for each in self._exchanges
            ):
                if interrupts.pressed() or time.monotonic() > deadline:
                    break
                time.sleep(0.02)

    def _conclude(self) -> None:
        """Fill up the failures of requests that were not sent any more, and decide what the run's error is."""
        made = self._made
        if not made.failures:
            self._error = next(filter(None, (shortfall(self._plan, image) for image in made.images)), None)
            return
        asked = [n for each in self._exchanges for n in each.numbers]
        made.failures = missing(made.failures, asked, made.finished)
        self._error = run_error([made.failures[n] for n in sorted(made.failures)], made.images)
