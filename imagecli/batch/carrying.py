"""One job of a batch, carried out as a `gen` would be: planned, sent through its gate, and saved."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

from imagecli.batch.kept import mark_of
from imagecli.errors import Failure, ImagecliError, is_out_of_memory, out_of_memory
from imagecli.execute import execute
from imagecli.plan.intent import model_of
from imagecli.result import Result
from imagecli.saving.files import FileSink
from imagecli.saving.room import room_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from imagecli.accounts import Accounts
    from imagecli.batch.gate import Gate
    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.journal import Journal
    from imagecli.batch.pace import Pace
    from imagecli.batch.standing import Task
    from imagecli.cache.answers import Answers, Cache
    from imagecli.client.client import Client
    from imagecli.client.response.files import Run
    from imagecli.inputs import Inputs
    from imagecli.options import Options
    from imagecli.plan import Plan
    from imagecli.saving.names import Names


class Report(Protocol):
    """Is told, from any thread, one call at a time, what comes of the jobs."""

    def ended(self, job: Job, result: Result) -> None:
        """Tell what came of a job."""

    def waiting(self, jobs: int) -> None:
        """Tell that the run was interrupted, and waits for what is in flight."""


class Shared(NamedTuple):
    """What the jobs of a batch share."""

    jobs: Jobs
    folder: str
    """DIR, as -o spells it."""
    journal: Journal
    pace: Pace
    report: Report
    client: Client | None
    """None: nothing can be sent; the cache has to have it all."""
    no_client: ImagecliError | None = None
    """Why there is none."""
    accounts: Accounts | None = None
    cache: Cache | None = None
    open_run: Callable[..., tuple[Run, bool]] | None = None
    """Opens the files for a plan's responses, as `commands.make.open_run` does; None: none are kept."""
    force: bool = False
    fail_fast: bool = False
    sleep: Callable[[float], None] = time.sleep
    turn: AbstractContextManager[object] = nullcontext()
    """Held while an image is written as it comes."""


class Carrying:
    """A job that is being carried out."""

    def __init__(self, task: Task, gate: Gate, shared: Shared) -> None:
        """Begin nothing yet."""
        self.task = task
        self.gate = gate
        self.has_ended = False
        """Whether all that came of it is there, and only to be written down."""
        self._shared = shared
        self._sink: FileSink | None = None
        self._run: Run | None = None

    def carry_out(self) -> Result:
        """Plan the job, send it and save its images; what goes wrong is the result's error."""
        shared, job = self._shared, self.task.job
        result = Result(job.op, None, None)
        try:
            planned, settings, inputs = shared.jobs.plan(job, shared.folder, skip_existing=self.task.has_part)
            result = Result(job.op, settings.profile.name, model_of(settings).name, warnings=planned.warnings)
            self.gate.accounts = None if shared.accounts is None else shared.accounts.having(settings, inputs)
            with ExitStack() as at_end:
                answers = None
                if shared.cache is not None:
                    answers = shared.cache.look_up(planned, job.repeat)
                    at_end.callback(answers.close)
                if shared.client is None and shared.no_client is not None and not (answers and answers.complete):
                    raise shared.no_client
                done = self._execute(planned, settings.options, inputs, answers, at_end)
            return done._replace(warnings=(*result.warnings, *done.warnings))
        except ImagecliError as error:
            failure = error
        except (MemoryError, OSError, RuntimeError) as error:
            if isinstance(error, OSError) and not is_out_of_memory(error):
                failure = Failure(f"{error.strerror or error}")
            elif is_out_of_memory(error):
                failure = out_of_memory(error)
            else:
                raise
        return result._replace(error=failure, failures={1: failure})

    def close(self) -> None:
        """Let no file appear any more; what has come of a response is left for a later run to find."""
        if self._sink is not None:
            self._sink.close()
        if self._run is not None:
            self._run.close()

    def _execute(
        self, planned: Plan, options: Options, inputs: Inputs, answers: Answers | None, at_end: ExitStack
    ) -> Result:
        shared = self._shared
        names = planned.names
        assert names is not None  # noqa: S101 - each job has an output
        numbers = [n for each in planned.requests for n in each.numbers]
        fields = planned.intent.draft.fields
        for folder in {name.folder for name in names}:
            # Made once and for all: a job that fails must not remove the folder of another.
            os.makedirs(folder, exist_ok=True)
        sink = self._sink = FileSink(names, force=shared.force or self._all_own(names, numbers), turn=shared.turn)
        warnings: list[str] = []
        room = room_for(fields.get("size"), fields.get("format"))
        at_end.enter_context(sink.reserved(numbers, dry=False, room=room, warn=warnings.append))
        client = shared.client
        if client is not None:
            if planned.requests and shared.open_run is not None and not (answers and answers.complete):
                self._run, _ = shared.open_run(
                    *(planned, room, options, inputs), batch=mark_of(self.task.job, shared.folder)
                )
                at_end.callback(self._run.close)
                if self.gate.accounts is not None:
                    self.gate.accounts.run = self._run.id
            client = client.for_run(self._run, self.gate.pause)
        done = execute(planned, client, sink, self.gate, jobs=shared.pace.most, answers=answers, accounts=self.gate)
        return done._replace(warnings=(*warnings, *done.warnings))

    def _all_own(self, names: Names, numbers: Sequence[int]) -> bool:
        """Return whether all files that are in the way are images that this batch has made, and nobody has changed."""
        taken = [path for n in numbers for name in names.files(n) if (path := name.taken_by()) is not None]
        journal, folder = self._shared.journal, self._shared.folder
        return bool(taken) and all(journal.is_own(os.path.relpath(path, folder)) for path in taken)
