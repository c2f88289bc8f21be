"""`imagecli batch fetch`: the results of a provider's batches → images."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from imagecli import interrupts
from imagecli.errors import (
    AuthProblem,
    ContentPolicyRefusal,
    Failure,
    ImagecliError,
    Interrupted,
    MoneyProblem,
    PartialResult,
    Unavailable,
    UnknownOutcome,
    UsageProblem,
)
from imagecli.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.batch.engines.engine import Batch
    from imagecli.batch.job import Job
    from imagecli.batch.journal import Entry, Journal
    from imagecli.batch.submission import Submission
    from imagecli.options import Typed
    from imagecli.result import Result
    from imagecli.terminal.batch_bar import Tally
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Save the images of submitted batches.

    Each has the name that its job gives it. Give the id of one, or the folder that they were submitted for. Results
    are saved as they come; killed at any moment and started again, it fetches the rest. Nothing is paid for here.

    Examples:
      imagecli batch fetch out/
      imagecli batch fetch batch_6a51f0c2
    """
    command = _Command(typed, renderer)
    try:
        return command.run()
    except KeyboardInterrupt as interrupt:
        return command.end(Interrupted.by(interrupt, "", hint="The same command again fetches the rest."))


class _Command:
    """One `batch fetch`."""

    def __init__(self, typed: Typed, renderer: Renderer) -> None:
        self._typed = typed
        self._renderer = renderer
        self._begun = time.monotonic()
        self._failed: list[ImagecliError] = []
        self._counts = {"done": 0, "done_before": 0, "failed": 0, "unknown": 0, "waiting": 0, "images": 0}
        self._cost_usd = 0.0
        self._heard = 0
        """Of so many jobs this run has heard."""
        self._pending: list[Batch] = []
        self._batches: list[dict[str, Any]] = []
        self._warned: set[str] = set()
        self._base_url = ""

    def run(self) -> int:
        """Fetch, and return the exit code."""
        from imagecli.batch.journal import Journal
        from imagecli.batch.submission import submissions_in

        folder, name = _place(self._typed.batch or "")
        wanted = [each for each in submissions_in(folder) if name is None or name in {each.id, each["batch_id"]}]
        if not wanted:
            raise UsageProblem(
                f"nothing was submitted from {printable(folder)}", hint="`imagecli batch submit JOBS -o DIR` does that."
            )
        journal = Journal(folder).open()
        error: ImagecliError | None = None
        try:
            journal.read()
            for submission in wanted:
                self._count_before(submission, journal.of_batch(submission.id))
                if submission.state in {"refused", "fetched"}:
                    continue
                try:
                    self._fetch(submission, folder, journal)
                except ImagecliError as problem:
                    if problem.http_status is None and not isinstance(problem, UsageProblem):
                        raise
                    error = error or problem  # what is wrong with one batch is no reason to leave the others
        except ImagecliError as problem:
            error = problem
        finally:
            journal.close()
        return self.end(error)

    def end(self, error: ImagecliError | None) -> int:
        """Show what came of it, and return the exit code; `error` ended it before its end."""
        error = error if error is not None else self._error()
        if isinstance(error, Interrupted):
            interrupts.ignore()
        summary = {
            **self._counts,
            "cost_usd": round(self._cost_usd, 8),
            "batches": self._batches,
            "elapsed_s": round(time.monotonic() - self._begun, 3),
        }
        code = 0 if error is None else int(error.exit_code)
        with suppress(KeyboardInterrupt):  # it takes nothing back
            counts = self._counts
            before = f" ({counts['done_before']} before)" if counts["done_before"] else ""
            parts = [f"{counts['done']} done{before}", *(f"{counts[each]} {each}" for each in _OTHERS if counts[each])]
            self._renderer.console.remark(", ".join(parts))
            code = self._renderer.summary(summary, error)
        return code

    def _fetch(self, submission: Submission, folder: str, journal: Journal) -> None:
        from imagecli.accounts import open_accounts
        from imagecli.batch.fetching import Fetching
        from imagecli.batch.job import Defaults
        from imagecli.batch.jobs import Jobs
        from imagecli.batch.provider import open_provider, settings_of
        from imagecli.batch.settling import Context, settle
        from imagecli.client.open import sleep
        from imagecli.inputs import Inputs
        from imagecli.terminal.batch_bar import BatchBar

        settings, then = settings_of(submission, self._typed)
        self._base_url = settings.profile.base_url
        with ExitStack() as at_end:
            provider = open_provider(settings, self._renderer.warn)
            at_end.callback(provider.client.close)
            accounts = open_accounts(settings, Inputs(), self._renderer.warn)
            if accounts is not None:
                at_end.callback(accounts.close)
            context = Context(folder, journal, provider.engine, accounts, self._renderer.warn, sleep)
            if not submission.is_created:
                unknown = settle(context, [submission], retry_unknown=False)
                if unknown:
                    self._counts["unknown"] += int(submission["lines"] or 0)
                    self._failed.append(UnknownOutcome(f"whether {submission.name} was created is not known"))
                    return
                if not submission.is_created:
                    return
            fetching = Fetching(submission, Jobs([], (), Defaults(then, None)), context, provider.client, self._told)
            try:
                with BatchBar(self._renderer.console, lambda: self._tally(fetching.waiting)):
                    batch = fetching.fetch()
            finally:
                if fetching.batch is not None:
                    self._counts["waiting"] += fetching.waiting
                    self._batches.append(describe(fetching.batch, submission))
            if batch is not None and not batch.has_ended:
                self._pending.append(batch)

    def _count_before(self, submission: Submission, entries: Iterable[Entry]) -> None:
        """Count what came of jobs in earlier runs, so that the same command ends alike however often it was killed."""
        for entry in entries:
            if entry.state == "unknown" and submission.is_created:
                continue  # it is looked for once more
            if entry.state in {"done", "failed", "unknown"}:
                self._counts[entry.state] += 1
                self._counts["done_before"] += entry.state == "done"
            if entry.state == "failed":
                self._failed.append(_error_of(entry))

    def _tally(self, waiting: int) -> Tally:
        from imagecli.terminal.batch_bar import Tally

        counts = self._counts
        over = (counts["done"], counts["failed"], counts["unknown"])
        return Tally(*over, waiting, counts["images"], self._heard, self._cost_usd)

    def _told(self, job: Job, result: Result) -> None:
        self._heard += 1
        counts, failures = self._counts, [*result.failures.values()]
        counts["images"] += sum(not image.partial for image in result.images)
        self._cost_usd += result.cost_usd or 0.0
        if result.error is None:
            counts["done"] += 1
        elif any(isinstance(each, UnknownOutcome) for each in failures):
            counts["unknown"] += 1
        else:
            counts["failed"] += 1
        if result.error is not None:
            self._failed.append(result.error)
        new = [text for text in result.warnings if text not in self._warned]
        self._warned.update(new)
        self._renderer.job(job.id, job.line, result, self._base_url, new)

    def _error(self) -> ImagecliError | None:
        """Return the error that decides the exit code."""
        from imagecli.outcome import run_error

        done, unknown = self._counts["done"], self._counts["unknown"]
        if unknown:
            return UnknownOutcome(
                f"{unknown} jobs have no outcome: their images may have been billed",
                hint="Look at the batch on the provider's website; --retry-unknown sends them again.",
            )
        if self._pending:
            batch = self._pending[0]
            progress = "" if batch.total is None else f" ({batch.completed or 0} of {batch.total} done)"
            message = f"batch {printable(batch.id)} is {printable(batch.status)}{progress}"
            kind = PartialResult if done else Unavailable
            return kind(message, hint="The same command again fetches its images once it has ended.")
        if not self._failed:
            return None
        if not done:
            return run_error(self._failed, ())
        total = done + len(self._failed)
        return PartialResult(
            f"{len(self._failed)} of {total} jobs failed: {self._failed[0].message}",
            hint="`imagecli batch run` or `imagecli batch submit` with the same JOBS and -o sends them again.",
        )


def _error_of(entry: Entry) -> ImagecliError:
    """Return the error of a job that an earlier run has heard of."""
    kinds = (UsageProblem, ContentPolicyRefusal, AuthProblem, Unavailable, PartialResult, MoneyProblem)
    kind = next((kind for kind in kinds if kind.exit_code == entry.exit_code), Failure)
    return kind(entry.message or "it failed", hint=None)


_OTHERS = ("failed", "unknown", "waiting")


def describe(batch: Batch, submission: Submission | None) -> dict[str, Any]:
    """Return a batch as JSON documents have it."""
    return {
        "id": batch.id,
        "submission": None if submission is None else submission.id,
        "folder": None if submission is None else submission.folder,
        "status": batch.status,
        "total": batch.total,
        "completed": batch.completed,
        "failed": batch.failed,
        "created_at": batch.created_at,
        "expires_at": batch.expires_at,
        "errors": [dict(each) for each in batch.errors],
    }


def _place(name: str) -> tuple[str, str | None]:
    """Return the folder of what is to be fetched, and its id where one is named.

    Raises:
        UsageProblem: it is neither a folder nor an id that is known.
    """
    from imagecli.batch.registry import find
    from imagecli.batch.submission import submissions_in

    if os.path.isdir(name):
        return name, None
    known = find(name)
    if known is None:
        raise UsageProblem(
            f"{quoted(name)} is neither a folder nor a batch that was submitted from here",
            hint="Give the folder that it was submitted for; `imagecli batch status` lists what is known.",
        )
    said = next((each["output"] for each in submissions_in(known.folder) if each.id == known.submission), None)
    # As it was spelt, where that is the same folder from here.
    return (said if said and os.path.abspath(said) == known.folder else known.folder), name
