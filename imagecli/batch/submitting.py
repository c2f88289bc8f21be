"""Jobs become batches of a provider: their requests are written into files, which are uploaded.

Each step is written down before it is taken, so that a killed run is told from one that came to its end: what may have
been created is looked up at the provider, and never created again.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import ExitStack
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from imagecli.batch.engines.engine import MOST_BYTES, MOST_LINES, MOST_OUTPUT
from imagecli.batch.settling import adopt, looked_up, never_heard_of, refuse
from imagecli.batch.submission import Request, Submission, Sums
from imagecli.client.encode import FileToSend, encoded
from imagecli.errors import Failure, ImagecliError, Unavailable, UnknownOutcome, UsageProblem
from imagecli.flags import FLAGS
from imagecli.saving.files import FileSink
from imagecli.saving.room import room_for
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imagecli.batch.engines.engine import Batch
    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.settling import Context, Watch
    from imagecli.batch.standing import Task
    from imagecli.dialects.request import ImageRequest
    from imagecli.images.types import Upload
    from imagecli.plan import Plan
    from imagecli.saving.names import Names


_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PATHS = frozenset(flag.name for flag in FLAGS if flag.path)
_PIECE = 1 << 16
_IN_BASE64 = 4 / 3


class Part:
    """The requests of one batch, while they are written."""

    def __init__(self, submission: Submission, endpoint: str, at_end: ExitStack) -> None:
        """Make its files."""
        self.submission = submission
        self.endpoint = endpoint
        self.lines = self.bytes = 0
        self.output = 0.0
        self.usd: float | None = 0.0
        self.model: str | None = None
        self.jobs: dict[str, str] = {}
        self._requests: IO[bytes] = at_end.enter_context(open(submission.requests_path, "xb"))  # noqa: SIM115
        self._jobs: IO[bytes] = at_end.enter_context(open(submission.jobs_path, "xb"))  # noqa: SIM115

    def has_room(self, lines: Sequence[bytes], output: float) -> bool:
        """Return whether further requests fit."""
        return not self.lines or (
            self.lines + len(lines) <= MOST_LINES
            and self.bytes + sum(map(len, lines)) <= MOST_BYTES
            and self.output + output <= MOST_OUTPUT
        )

    def add(self, request: Request, line: bytes, output: float) -> None:
        """Take a request."""
        self._requests.write(line)
        self._jobs.write(request.line())
        self.lines += 1
        self.bytes += len(line)
        self.output += output
        self.usd = None if self.usd is None or request.most is None else self.usd + request.most
        self.jobs[request.job.id] = request.job.digest

    def close(self) -> None:
        """Write all of it to the disk."""
        for file in (self._requests, self._jobs):
            file.flush()
            os.fsync(file.fileno())
            file.close()


class Submitting:
    """Submits jobs."""

    def __init__(self, jobs: Jobs, context: Context, facts: dict[str, object], *, force: bool) -> None:
        """Send nothing yet.

        Args:
            jobs: the jobs of the file.
            context: where to.
            facts: what is written down of each submission, so that its results can be saved without the job file.
            force: whether files may be replaced that this batch has not made.
        """
        self._jobs = jobs
        self._context = context
        self._facts = facts
        self._force = force
        self._parts: list[Part] = []
        self._open: dict[tuple[str, str | None], Part] = {}
        self._files: dict[str, str] = {}
        """The sha256 of each input → its ID at the provider."""
        self._inputs = Sums()
        self._warned: set[str] = set()
        self._takes_file_ids = context.engine.takes_file_ids

    def submit(self, tasks: Sequence[Task], created: Callable[[Submission, Batch], None]) -> None:
        """Submit jobs; `created` is told of each batch.

        Raises:
            UnknownOutcome: a batch may have been created or not.
            ImagecliError: one was not; by cause.
        """
        try:
            with ExitStack() as at_end:
                try:
                    for done, task in enumerate(tasks):
                        self._context.watch("preparing", done, len(tasks))
                        self._write(task, at_end)
                    for part in self._open.values():
                        part.close()
                except OSError as error:
                    raise Failure(
                        f"the requests can't be written: {error.strerror or error}", hint="Make room, and run it again."
                    ) from error
            while self._parts:
                created(self._parts[0].submission, create(self._parts[0], self._context))
                self._parts.pop(0)
        finally:
            self._forget()

    def _forget(self) -> None:
        """Write down of what was not created that it never will be."""
        for part in self._parts:
            if part.submission.state == "prepared":
                part.submission.remove()
            elif part.submission.state == "uploaded":
                refuse(part.submission, self._context, Unavailable("the run ended before the batch was created"))

    def _write(self, task: Task, at_end: ExitStack) -> None:
        """Write the requests of a job into the file of a batch; its inputs are uploaded where they can be named.

        Raises:
            UsageProblem: it can't be planned, or its names are taken.
            ImagecliError: an input can't be uploaded.
        """
        job = task.job
        try:
            planned, settings, inputs = self._jobs.plan(
                job, self._context.folder, skip_existing=task.has_part, in_batch=True
            )
            self._check_names(planned)
        except UsageProblem as error:
            error.message = f"line {job.line}: {error.message}; nothing was submitted"
            raise
        for warning in (*planned.intent.warnings, *planned.warnings):
            if warning not in self._warned:
                self._warned.add(warning)
                self._context.warn(warning)
        accounts = self._context.accounts
        accounts = None if accounts is None else accounts.having(settings, inputs)
        located = _located(job)
        sums = {path: self._inputs.sha256(path) for path in _inputs_of(located)}
        requests, lines = [], []
        count = len(planned.requests)
        for index, each in enumerate(planned.requests):
            row, most = (None, None) if accounts is None else accounts.describe(planned, each)
            request = Request(custom_id(job, index, count), located, each.numbers, count, row, most, sums)
            requests.append(request)
            files = self._uploaded(each.request) if self._takes_file_ids else {}
            lines.append(encoded(self._context.engine.line(request.custom_id, each.request, files)) + b"\n")
        if not requests:
            return
        if sum(map(len, lines)) > MOST_BYTES:
            raise UsageProblem(
                f"line {job.line}: its inputs have more than a batch of {MOST_BYTES // 1_000_000} MB takes; "
                "nothing was submitted",
                hint="`imagecli batch run` sends it by itself.",
            )
        fields = planned.intent.draft.fields
        each_image = room_for(fields.get("size"), fields.get("format")).likely * _IN_BASE64
        outputs = [each_image * len(each.numbers) for each in planned.requests]
        part = self._part(planned, lines, sum(outputs), at_end)
        for request, line, output in zip(requests, lines, outputs, strict=True):
            part.add(request, line, output)

    def _part(self, planned: Plan, lines: Sequence[bytes], output: float, at_end: ExitStack) -> Part:
        endpoint, model = planned.requests[0].request.route, planned.intent.model.name
        key = ("", None) if self._context.engine.mixes else (endpoint, model)
        part = self._open.get(key)
        if part is None or not part.has_room(lines, output):
            if part is not None:
                part.close()
            submission = Submission.new(
                self._context.folder,
                len(self._parts),
                **self._facts,
                journal=self._context.journal.name,
                endpoint=endpoint,
                model=model,
            )
            submission.enter("prepared")
            part = self._open[key] = Part(submission, endpoint, at_end)
            part.model = model
            self._parts.append(part)
        return part

    def _check_names(self, planned: Plan) -> None:
        """Check that the images can be saved under their names, before anything is paid for."""
        names = planned.names
        assert names is not None  # noqa: S101 - each job has an output
        numbers = [n for each in planned.requests for n in each.numbers]
        journal, folder = self._context.journal, self._context.folder
        taken = [path for n in numbers for name in names.files(n) if (path := name.taken_by()) is not None]
        own = bool(taken) and all(journal.is_own(os.path.relpath(path, folder)) for path in taken)
        make_folders(names)
        with FileSink(names, force=self._force or own).reserved(numbers, dry=False):
            pass

    def _uploaded(self, request: ImageRequest) -> dict[str, str]:
        """Upload the inputs of a request that are not there yet, and return the ID of each by its sha256."""
        found = {}
        for part in request.files:
            digest = hashlib.sha256(part.upload.data).hexdigest()
            if digest not in self._files:
                try:
                    self._files[digest] = self._context.engine.upload_input(_sent(part.upload))
                except UsageProblem as refused:  # it may still take the file of requests
                    self._takes_file_ids = False
                    self._context.warn(f"inputs go inside the requests, as they can't be uploaded: {refused.message}")
                    return {}
            found[digest] = self._files[digest]
        return found


def create(part: Part, context: Context) -> Batch:
    """Upload the requests of a part, and create a batch of them.

    Raises:
        UnknownOutcome: the batch may have been created or not.
        ImagecliError: it was not; by cause.
    """
    submission, engine = part.submission, context.engine
    path, watch = submission.requests_path, context.watch
    size = os.path.getsize(path)
    file = FileToSend(f"{submission.id}.jsonl", "application/jsonl", size, lambda: _pieces(path, size, watch))
    input_id = engine.upload(file)
    submission.enter("uploaded", input_id=input_id, lines=part.lines, jobs=len(part.jobs))
    first = None
    if context.accounts is not None:
        rows = (request.row for request in submission.requests() if request.row is not None)
        first = context.accounts.begin_batch(rows, part.usd, part.model, context.warn)
    submission.enter("uploaded", first_row=first)
    context.journal.submitted(part.jobs.items(), submission.id)
    submission.enter("creating")
    watch("creating", 0, 0)
    try:
        batch = engine.create(input_id, part.endpoint, submission.name)
    except UnknownOutcome as lost:
        found = looked_up(submission, context)
        if found is None:
            raise never_heard_of(submission, lost) from lost
        batch = found
    except ImagecliError as error:
        refuse(submission, context, error)
        raise
    adopt(submission, batch)
    return batch


def make_folders(names: Names) -> None:
    """Make the folders of a job's images.

    Raises:
        UsageProblem: one can't be made.
    """
    for folder in {name.folder for name in names}:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageProblem(
                f"the folder {printable(folder)} can't be made: {error.strerror or error}", hint="Make room for it."
            ) from error


def custom_id(job: Job, index: int, count: int) -> str:
    """Return the name of a request in its batch: the job's id, where that is one line and plain."""
    if count == 1 and _PLAIN_ID.fullmatch(job.id):
        return job.id
    return f"{hashlib.sha256(job.id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}-{index + 1}"


def _located(job: Job) -> Job:
    """Return a job whose inputs are found from any folder."""
    values = {name: _absolute(value) if name in _PATHS else value for name, value in job.values.items()}
    return job._replace(values=values, images=_absolute(job.images))


def _inputs_of(job: Job) -> tuple[str, ...]:
    values = (job.values.get(name) for name in ("image", "mask", "markup"))
    more = (value if isinstance(value, tuple) else (value,) for value in values if value)
    return (*job.images, *chain.from_iterable(more))


def _absolute(value: Any) -> Any:  # noqa: ANN401 - a path, or several
    return os.path.abspath(value) if isinstance(value, str) else tuple(map(os.path.abspath, value))


def _sent(upload: Upload) -> FileToSend:
    return FileToSend(upload.filename, upload.media_type, len(upload.data), lambda: (upload.data,))


def _pieces(path: str, size: int, watch: Watch) -> Iterator[bytes]:
    out = 0
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            watch("uploading", out, size)
            yield piece
            out += len(piece)
    watch("waiting", 0, 0)
