"""The results of a provider's batch become images: read a line at a time, and saved under the names of their jobs.

A result is what a server would have answered, so that each line goes the way of a `gen`: the plan of its job is made
again, and carried out with a client that has the answer already. What is saved is written into the journal line by
line: a run that was killed goes on behind the last of them.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import interrupts
from imagecli.batch.journal import Entry, Made
from imagecli.batch.outputs import leads_out
from imagecli.batch.settling import entry_of
from imagecli.batch.submission import Request, Sums
from imagecli.batch.submitting import make_folders
from imagecli.errors import Failure, ImagecliError, Interrupted, Unavailable, UnknownOutcome, UsageProblem
from imagecli.execute import execute
from imagecli.result import Result
from imagecli.saving.files import FileSink
from imagecli.text import hide_keys, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imagecli.accounts import Entry as AccountEntry
    from imagecli.batch.engines.engine import Batch, Line
    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.journal import State
    from imagecli.batch.settling import Context
    from imagecli.batch.submission import Submission
    from imagecli.client.client import Client
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.response.sources import Item
    from imagecli.dialects.request import ImageRequest
    from imagecli.result import GeneratedImage
    from imagecli.saving.receiving import Transform

    Told = Callable[[Job, Result], None]

_LEFT = {
    "expired": "the batch expired before it was done",
    "cancelled": "the batch was cancelled before it was done",
}
_LOOK = "Look at the batch on the provider's website; --retry-unknown sends it again."
GONE = frozenset({404, 410})
_AGAIN = "`imagecli batch run` or `imagecli batch submit` sends it again."


class Place(NamedTuple):
    """Where a request of a submission stands in the file of its jobs."""

    offset: int
    number: int
    """From 0."""


class Fetching:
    """The results of one submission, while they are fetched."""

    def __init__(self, submission: Submission, jobs: Jobs, context: Context, client: Client, told: Told) -> None:
        """Ask nothing yet.

        Args:
            submission: what was submitted.
            jobs: plans its jobs as they were planned then.
            context: the folder, and the provider.
            client: fetches images that came as URLs.
            told: is told what came of each job.
        """
        self._submission = submission
        self._jobs = jobs
        self._context = context
        self._client = client
        self._told = told
        self._places: dict[str, Place] = {}
        """Those whose results are still to come."""
        self._begun: dict[str, _Begun] = {}
        """Jobs of several requests, some of which have come."""
        self._held: UsageProblem | None = None
        """Why images that are there can't be saved now."""
        self._inputs = Sums()
        self._strangers = 0
        self.unknown = 0
        """How many requests of a batch that has ended have no outcome."""
        self.batch: Batch | None = None

    def fetch(self) -> Batch | None:
        """Save what there is, and return the batch as it is now; None: the provider has it no more, or its results.

        Raises:
            ImagecliError: the provider can't be asked, or an image can't be saved; the rest can be fetched later.
        """
        self._read_places()
        try:
            batch = self._fetch()
        except ImagecliError as error:
            is_over = self.batch is None or self.batch.has_ended
            if error.http_status not in GONE or not is_over:
                raise
            self._give_up(error)
            return None
        if batch.has_ended:
            self._end(self._left(batch), batch.status)
        return batch

    def _give_up(self, error: ImagecliError) -> None:
        """End what the provider does not know, or has the results of no more."""
        name = printable(self._submission["batch_id"])
        if self._places:
            self._context.warn(f"the provider does not know batch {name}, or has its results no more: {error.message}")
        self._end(UnknownOutcome(f"batch {name} is not there any more: it may have been billed", hint=_LOOK), "gone")

    def _fetch(self) -> Batch:
        """Save the results that there are."""
        batch = self.batch = self._context.engine.status(self._submission["batch_id"])
        cursors = self._submission.cursors()
        for place in batch.results:
            if not self._places:
                break
            cursor = cursors.get(place, "")
            for line in self._context.engine.results(place, cursor):
                try:
                    self._take(line)
                finally:
                    line.spool.discard()
                # No line may be passed over of a job that is not whole or is held up, nor one that is no result at all.
                if not self._begun and line.custom_id is not None and self._held is None:
                    cursors[place] = line.cursor
                    self._submission.read_until(cursors)
                if not self._places:
                    break
        if self._strangers:
            lines = "a line" if self._strangers == 1 else f"{self._strangers} lines"
            self._context.warn(f"the results have {lines} that no job is waiting for")
        if self._held is not None:
            raise self._held
        return batch

    @property
    def waiting(self) -> int:
        """How many requests have no result yet."""
        return len(self._places)

    def _read_places(self) -> None:
        """Find the requests whose jobs wait for this submission."""
        journal, own = self._context.journal, self._submission.id
        with open(self._submission.jobs_path, "rb") as file:
            offset = 0
            for index, line in enumerate(file):
                request = Request.read(line)
                last = journal.last(request.job.id)
                if last is not None and last.state in {"sent", "unknown"} and last.batch == own:
                    self._places[request.custom_id] = Place(offset, index)
                offset += len(line)

    def _request(self, place: Place) -> Request:
        with open(self._submission.jobs_path, "rb") as file:
            file.seek(place.offset)
            return Request.read(file.readline())

    def _take(self, line: Line) -> None:
        """Save what a line has, unless its job has it already."""
        place = self._places.get(line.custom_id or "")
        if place is None:
            self._strangers += line.custom_id is None
            return
        request = self._request(place)
        if (why := self._changed(request)) is not None:
            hint = "Put it back as it was, and fetch again: the image waits at the provider."
            self._held = self._held or UsageProblem(f"job {printable(request.job.id)} can't be saved: {why}", hint=hint)
            return
        result = self._saved(request, place, lambda asked: self._client.calls.answer(line.document, line.spool, asked))
        self._came(request, result)
        interrupts.check()  # one that came while the image was being saved has not ended that

    def _changed(self, request: Request) -> str | None:
        """Return which input of a request is not as it was when it was sent; None: all are.

        It is needed once more: a result is put into it, or gets its shape.
        """
        for path, sha256 in request.inputs.items():
            try:
                if self._inputs.sha256(path) != sha256:
                    return f"{printable(path)} has changed since it was submitted"
            except UsageProblem as error:
                return error.message
        return None

    def _saved(self, request: Request, place: Place, answer: Callable[[ImageRequest], ImageResponse]) -> Result:
        """Carry out the plan of a request, whose answer is there."""
        job, context = request.job, self._context
        if leads_out(context.folder, job.output):
            name = printable(context.folder)
            raise Failure(f"job {printable(job.id)} would be saved outside of {name}: {printable(job.output)}")
        entry = entry_of(self._submission, place.number, request, context)
        planned, settings, _ = self._jobs.plan(job, context.folder, in_batch=True)
        each = next((each for each in planned.requests if each.numbers == request.numbers), None)
        names = planned.names
        assert names is not None  # noqa: S101 - each job has an output
        if each is None:
            raise Failure(f"job {printable(job.id)} is not planned as it was when it was submitted")
        taken = [path for n in request.numbers for name in names.files(n) if (path := name.taken_by()) is not None]
        own = all(context.journal.is_own(os.path.relpath(path, context.folder)) for path in taken)
        if taken and not own:  # saved by a run that was killed before it could write that down
            planned, _, _ = self._jobs.plan(job, context.folder, in_batch=True, skip_existing=True)
            left = [one for one in planned.requests if {*one.numbers} & {*request.numbers}]
            existing = {n: path for n, path in planned.existing.items() if n in request.numbers}
            planned = planned._replace(existing=existing)
            each = left[0] if left else None
        requests = (each,) if each is not None else ()
        planned = planned._replace(requests=requests, other_routes=())
        make_folders(names)
        sink = _Sink(planned.names or names, force=own)
        client: Any = _Answering(self._client, answer)
        with sink.reserved([n for one in requests for n in one.numbers], dry=False, warn=context.warn):
            result = execute(planned, client, sink, jobs=1, accounts=None if entry is None else _One(entry))
        if isinstance(result.error, Interrupted):
            raise result.error
        if sink.broken is not None:
            hint = "Make room there: the image waits at the provider, and the same command again fetches it."
            raise Failure(sink.broken.message, hint=hint)
        return result._replace(profile=settings.profile.name)

    def _came(self, request: Request, result: Result) -> None:
        """Write down what came of a request, once all of its job have come."""
        self._places.pop(request.custom_id, None)
        begun = self._begun.setdefault(request.job.id, _Begun(request.job, request.of))
        begun.results.append(result)
        if len(begun.results) < request.of:
            return
        del self._begun[request.job.id]
        self._conclude(request.job, begun.result())

    def _conclude(self, job: Job, result: Result) -> None:
        error = result.error
        unknown = any(isinstance(each, UnknownOutcome) for each in result.failures.values())
        state: State = "unknown" if unknown else "done" if error is None else "failed"
        made = tuple(
            Made(os.path.relpath(file.path, self._context.folder), file.sha256, file.bytes)
            for image in result.images
            if not image.partial
            for file in (image, *image.also)
            if file.path is not None
        )
        self._context.journal.ended(
            Entry(
                *(job.id, job.digest, state, time.time(), made, result.cost_usd),
                exit_code=None if error is None else int(error.exit_code),
                message=None if error is None else hide_keys(error.message),
                batch=self._submission.id,
            )
        )
        self._told(job, result)

    def _end(self, error: ImagecliError, status: str) -> None:
        """Tell of the requests that have no result, and never will; `error` is why, and `status` the batch's."""
        for custom_id, place in list(self._places.items()):
            request = self._request(place)
            self.unknown += isinstance(error, UnknownOutcome)
            entry = entry_of(self._submission, place.number, request, self._context)
            if entry is not None:
                entry.complete(error)
            failures = dict.fromkeys(request.numbers, error)
            result = Result(request.job.op, self._submission["profile"], self._submission["model"], error=error)
            self._places[custom_id] = place
            self._came(request, result._replace(failures=failures))
        for begun in list(self._begun.values()):  # whose other requests came in a run before
            self._conclude(begun.job, begun.result())
        if not self.unknown:  # else what is missing may yet be found
            self._submission.enter("fetched", status=status)

    def _left(self, batch: Batch) -> ImagecliError:
        """Return why a request has no result."""
        if batch.status == "completed":
            return UnknownOutcome(
                f"the results of batch {batch.id} have nothing of it: it may have been billed",
                hint=_LOOK,
            )
        if batch.status == "failed":
            return self._client.calls.refusal(batch.errors[0] if batch.errors else {"message": "the batch failed"})
        return Unavailable(_LEFT.get(batch.status, f"the batch is {batch.status}"), hint=_AGAIN, code=batch.status)


class _Begun:
    """What has come of a job so far."""

    def __init__(self, job: Job, of: int) -> None:
        self.job = job
        self.of = of
        self.results: list[Result] = []

    def result(self) -> Result:
        """Return all of it as one."""
        from imagecli.outcome import run_error

        results = self.results
        if len(results) == 1:
            return results[0]
        images: list[GeneratedImage] = sorted((each for one in results for each in one.images), key=lambda one: one.n)
        failures = {n: error for one in results for n, error in one.failures.items()}
        costs = [one.cost_usd for one in results]
        known = [cost for cost in costs if cost is not None]
        error = run_error([failures[n] for n in sorted(failures)], images) if failures else None
        return results[0]._replace(
            images=tuple(images),
            failures=failures,
            cost_usd=round(sum(known), 8) if len(known) == len(costs) else None,
            request_ids=tuple(each for one in results for each in one.request_ids),
            warnings=tuple(each for one in results for each in one.warnings),
            error=error or next((one.error for one in results if one.error is not None), None),
        )


class _Sink(FileSink):
    """Files, of which one that can't be written is remembered: that says nothing of the image."""

    broken: Failure | None = None

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Save image `n`."""
        try:
            return super().save(n, pieces, transform, warn)
        except Failure as error:
            if isinstance(error.__cause__, OSError):
                self.broken = error
            raise


class _Answering:
    """A client whose server has answered already."""

    def __init__(self, client: Client, answer: Callable[[ImageRequest], ImageResponse]) -> None:
        self._client = client
        self._answer = answer

    def post(self, request: ImageRequest, *_: object, **__: object) -> ImageResponse:
        """Return the answer."""
        return self._answer(request)

    def fetch(self, item: Item, response: ImageResponse, *observers: Any) -> Iterator[bytes]:  # noqa: ANN401 - the client's
        """Yield an image's bytes."""
        return self._client.fetch(item, response, *observers)

    def hide(self, text: str) -> str:
        """Return a text without the client's secrets."""
        return self._client.hide(text)

    def abandon(self, _request: ImageRequest) -> Any:  # noqa: ANN401 - the client's
        """Leave the answer where it is."""
        from imagecli.client.client import Abandoned

        return Abandoned()


class _One:
    """Accounts with one entry, which is there."""

    def __init__(self, entry: AccountEntry) -> None:
        self._entry = entry

    def begin(self, *_: object, **__: object) -> AccountEntry:
        """Return it."""
        return self._entry
