"""`imagecli batch submit`: a job file → a provider's batches."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from imagecli.batch.journal import Journal
from imagecli.batch.parts import part_of, read_shard
from imagecli.batch.standing import counts, stand, to_run
from imagecli.errors import ImagecliError, Interrupted, UnknownOutcome
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.batch.engines.engine import Batch
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.standing import Task
    from imagecli.batch.submission import Submission
    from imagecli.config.settings import Settings
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Submit jobs to the provider's batch engine, at half the price.

    Thousands of images are made within a day. JOBS is as for `imagecli batch run`, and checked alike. The ids of
    the batches are printed; `imagecli batch fetch` saves their images, under the names of the jobs. What is
    submitted, or done, is not submitted again.

    Examples:
      imagecli batch submit prompts.txt -o out/ -m gpt-image-2 -q low
      imagecli batch submit jobs.jsonl -o out/ --max-cost 20
      imagecli batch submit jobs.jsonl -o out/ --dry-run
    """
    try:
        return _Command(typed, renderer).run()
    except KeyboardInterrupt as interrupt:
        return renderer.failure(
            Interrupted.by(interrupt, "", hint="The same command again goes on from there, and creates no batch twice.")
        )


class _Command:
    """One `batch submit`."""

    def __init__(self, typed: Typed, renderer: Renderer) -> None:
        from imagecli.batch.provider import dialect_of
        from imagecli.commands.batch.run import checked_jobs, folder_of
        from imagecli.config.settings import load

        self._typed = typed
        self._renderer = renderer
        self._folder = folder_of(typed.output or "")
        shard = None if typed.shard is None else read_shard(typed.shard)
        self._settings: Settings = load(typed.__dict__, command="batch submit")
        renderer.warn(*self._settings.warnings)
        dialect_of(self._settings)
        self._jobs: Jobs = checked_jobs(typed, renderer, self._folder)
        self._part = part_of(self._jobs, only=typed.only, shard=shard, limit=typed.limit)
        self._journal = Journal(self._folder, shard)
        self._created: list[tuple[Submission, Batch]] = []

    def run(self) -> int:
        """Submit, and return the exit code."""
        from imagecli.terminal.render import Page

        if self._typed.dry_run:
            return self._dry_run()
        self._journal.open()
        error: ImagecliError | None = None
        try:
            self._journal.read()
            with ExitStack() as at_end:
                self._submit(at_end)
        except ImagecliError as problem:
            if not self._created:
                raise
            error = problem  # what was created before is paid for, and has to be known
        finally:
            self._journal.close()
        if not self._created:
            found = counts(stand(self._part, self._jobs, self._journal))
            self._renderer.console.remark(
                f"there is nothing to submit: {', '.join(f'{count} {name}' for name, count in found.items())}"
            )
        text = "\n".join(printable(batch.id) for _, batch in self._created) or None
        fields = {"jobs": len(self._part), "submitted": self._submitted(), "batches": self._batches()}
        return self._renderer.page(Page(text, fields, error))

    def _submitted(self) -> int:
        """Return how many jobs went into a batch."""
        return sum(submission["jobs"] for submission, _ in self._created)

    def _batches(self) -> list[dict[str, Any]]:
        return [
            {"id": batch.id, "submission": submission.id, "status": batch.status, "requests": submission["lines"]}
            for submission, batch in self._created
        ]

    def _todo(self) -> list[Task]:
        tasks = stand(self._part, self._jobs, self._journal)
        unknown = sum(task.standing == "unknown" for task in tasks)
        todo = to_run(tasks, retry_unknown=bool(self._settings.options.retry_unknown.value))
        if unknown and not self._settings.options.retry_unknown.value:
            self._renderer.warn(f"{unknown} jobs were sent and never heard of: --retry-unknown submits them again")
        return [task for task in todo if task.standing != "saved"]

    def _submit(self, at_end: ExitStack) -> None:
        from imagecli.accounts import open_accounts
        from imagecli.batch.provider import facts_of, open_provider
        from imagecli.batch.settling import Context, settle
        from imagecli.batch.submission import submissions_in
        from imagecli.batch.submitting import Submitting
        from imagecli.client.open import sleep
        from imagecli.inputs import Inputs
        from imagecli.terminal.progress import working

        settings, warn = self._settings, self._renderer.warn
        provider = open_provider(settings, warn)
        at_end.callback(provider.client.close)
        accounts = open_accounts(settings, Inputs(), warn)
        if accounts is not None:
            at_end.callback(accounts.close)
        progress = at_end.enter_context(working(self._renderer.console, "asking", settings.profile.base_url))

        def watch(what: str, done: int, total: int) -> None:
            is_uploading = what == "uploading"
            progress.update([1], what, detail=f"{done:,} of {total:,} jobs" if total and not is_uploading else "")
            if is_uploading:
                progress.moved([1], done, total)

        context = Context(self._folder, self._journal, provider.engine, accounts, warn, sleep, watch)
        # Those of other shards are theirs: they may be at work now.
        own = [each for each in submissions_in(self._folder) if each["journal"] == self._journal.name]
        unknown = settle(context, own, retry_unknown=bool(settings.options.retry_unknown.value))
        if unknown:
            raise _unknown(unknown)
        todo = self._todo()
        if accounts is not None and accounts.spending.is_limited:
            accounts.check(self._cost(todo), settings.options.model.value)
        submitting = Submitting(self._jobs, context, facts_of(self._typed, settings), force=self._typed.force)
        submitting.submit(todo, self._told)

    def _told(self, submission: Submission, batch: Batch) -> None:
        self._created.append((submission, batch))
        self._renderer.console.note(f"batch {printable(batch.id)}: {submission['lines']} requests")

    def _cost(self, todo: Sequence[Task]) -> float | None:
        """Return what it may cost at the most; None where a price is not known."""
        found = [self._jobs.estimate(task.job, in_batch=True) for task in todo]
        known = [each.most for each in found if each is not None]
        return sum(known) if len(known) == len(found) else None

    def _dry_run(self) -> int:
        from imagecli.terminal.render import Page, usd

        self._journal.read()
        tasks = stand(self._part, self._jobs, self._journal)
        todo = self._todo()
        found = [self._jobs.estimate(task.job, in_batch=True) for task in todo]
        known = [each for each in found if each is not None]
        least, most = sum(each.least for each in known), sum(each.most for each in known)
        priced = len(known) == len(found)
        standing = counts(tasks)
        lines = [f"{len(tasks)} jobs: {', '.join(f'{count} {name}' for name, count in standing.items())}"]
        if todo and priced:
            lines.append(f"it would cost about {usd(least)}" + (f" to {usd(most)}" if most > least else ""))
        elif todo:
            lines.append("no price is known of what it would cost")
        chosen = priced and least < most
        fields: dict[str, object] = {
            "dry_run": True,
            "jobs": len(tasks),
            **{str(name): count for name, count in standing.items()},
            "to_submit": len(todo),
            "cost_estimate_usd": round(most, 8) if priced and not chosen else None,
            "cost_estimate_range_usd": [round(least, 8), round(most, 8)] if chosen else None,
        }
        return self._renderer.page(Page("\n".join(lines), fields))


def _unknown(submissions: Sequence[Submission]) -> UnknownOutcome:
    names = ", ".join(submission.name for submission in submissions)
    return UnknownOutcome(
        f"whether {names} was created is not known, and it is not to be found at the provider",
        hint="Look for it on the provider's website; the same with --retry-unknown submits its jobs again.",
    )
