"""`imagecli batch run`: a job file → images, several at once."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from imagecli import interrupts
from imagecli.batch.journal import Journal
from imagecli.batch.parts import part_of, read_shard
from imagecli.batch.standing import counts, stand, to_run
from imagecli.commands.batch.outlook import Outlook, how_many
from imagecli.errors import AuthProblem, ContentPolicyRefusal, Interrupted, PartialResult, UnknownOutcome, UsageProblem
from imagecli.inputs import STDIO
from imagecli.terminal.render import sheet_files, sheet_lines
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from imagecli.batch.carrying import Shared
    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.run import BatchRun, Outcomes
    from imagecli.batch.standing import Task
    from imagecli.client.response.files import Kept
    from imagecli.commands.batch.sheet import BatchSheet
    from imagecli.config.settings import Settings
    from imagecli.errors import ImagecliError
    from imagecli.options import Typed
    from imagecli.result import Result
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Make the images of a job file that are not there yet.

    JOBS has a job a line: JSON objects (.jsonl), a table with a header (.csv, .tsv), or prompts (.txt). The keys are
    the flags' names, and id, op, image, prompt and output. All is checked before anything is sent. The same command
    again goes on where the last one ended, whatever ended it.

    Examples:
      imagecli batch run prompts.txt -o out/ -m gpt-image-2 -q low
      imagecli batch run animals.csv -o out/ --prompt "a {colour} {animal}" -n 2
      imagecli batch run jobs.jsonl -o out/ --shard 2/8 -j 16 --rpm 300
    """
    try:
        return _Command(typed, renderer).run()
    except KeyboardInterrupt as interrupt:
        return renderer.failure(Interrupted.by(interrupt, "; no request was waiting for its response"))


class _Command:
    """One `batch run`."""

    def __init__(self, typed: Typed, renderer: Renderer) -> None:
        from imagecli.config.settings import load

        self._typed = typed
        self._renderer = renderer
        self._folder = folder_of(typed.output or "")
        shard = None if typed.shard is None else read_shard(typed.shard)
        self._settings: Settings = load(typed.__dict__, command="batch run")
        renderer.warn(*self._settings.warnings)
        self._jobs: Jobs = checked_jobs(typed, renderer, self._folder)
        self._part: Sequence[Job] = part_of(self._jobs, only=typed.only, shard=shard, limit=typed.limit)
        self._journal = Journal(self._folder, shard)

    def run(self) -> int:
        """Run, and return the exit code."""
        if self._typed.check:
            return self._check()
        if self._typed.dry_run:
            return self._dry_run()
        self._journal.open()
        try:
            self._journal.read()
            with self._open_sheet(dry=False) as sheet:
                return self._make(sheet)
        finally:
            self._journal.close()

    def _open_sheet(self, *, dry: bool) -> AbstractContextManager[BatchSheet | None]:
        typed = self._typed
        if typed.grid == STDIO:
            raise UsageProblem(
                "stdout has the images' paths, and no place for a contact sheet", hint="Give --grid a file."
            )
        if typed.grid is None:
            return nullcontext()
        from imagecli.commands.batch.sheet import open_batch_sheet

        return open_batch_sheet(
            *(typed.grid, self._part, self._jobs, self._journal, self._renderer), force=typed.force, dry=dry
        )

    def _stand(self) -> list[Task]:
        if self._journal.broken:
            lines = "a line" if self._journal.broken == 1 else f"{self._journal.broken} lines"
            self._renderer.warn(f"{lines} of the journal can't be read and count for nothing")
        return stand(self._part, self._jobs, self._journal)

    def _outlook(self) -> Outlook:
        self._journal.read()
        return Outlook(self._renderer, self._stand(), self._journal)

    def _check(self) -> int:
        """Tell which jobs' images are not there, or not as they were saved."""
        if self._typed.grid is not None:
            raise UsageProblem("--check makes nothing, so it draws no contact sheet", hint="Leave out --grid.")
        return self._outlook().check()

    def _dry_run(self) -> int:
        """Tell how the jobs stand, and what it would cost to run them."""
        from imagecli.cache.answers import open_cache

        outlook = self._outlook()
        with self._open_sheet(dry=True):
            return outlook.forecast(
                *(self._jobs, self._folder),
                retry_unknown=bool(self._settings.options.retry_unknown.value),
                cache=open_cache(self._settings.options),
            )

    # With sending

    def _make(self, sheet: BatchSheet | None) -> int:
        begun = time.monotonic()
        held = self._save_kept()
        tasks = [task._replace(standing="unknown") if task.job.id in held else task for task in self._stand()]
        retry_unknown = bool(self._settings.options.retry_unknown.value)
        todo = [task for task in to_run(tasks, retry_unknown=retry_unknown) if task.job.id not in held]
        outcomes, error = None, None
        if sheet is not None:
            sheet.add_done(tasks)
        if todo:
            outcomes = self._send(todo, len(tasks), sheet)
        if self._typed.prune and not isinstance(outcomes and outcomes.error, Interrupted):
            for path in self._journal.prune(job.id for job in self._jobs):
                self._renderer.console.note(f"removed {path}")
        summary, error = _sum_up(tasks, todo, outcomes)
        if sheet is not None and not isinstance(error, Interrupted):
            drawn, undrawn = sheet.save(self._renderer)
            error = error or undrawn
            summary["grid"] = sheet_files(drawn)
            for line in sheet_lines(drawn):
                self._renderer.console.note(line)
        summary["elapsed_s"] = round(time.monotonic() - begun, 3)
        if isinstance(error, Interrupted):
            interrupts.ignore()
        code = error.exit_code if error is not None else 0
        with suppress(KeyboardInterrupt):  # it takes nothing back
            self._renderer.console.remark(_sentence(summary))
            code = self._renderer.summary(summary, error)
        return int(code)

    def _save_kept(self) -> Collection[str]:
        """Save what earlier runs have left of these jobs; return the ids of those for which there is still no room."""
        from imagecli.batch.kept import save_kept
        from imagecli.client.response.files import response_folders, take_over

        def save(kept: Kept) -> Result:
            from imagecli.recovery import recover

            return recover([kept], output=None, force=False)

        folders = response_folders()
        take_over(folders)
        held = save_kept(self._part, self._folder, save, self._renderer.warn)
        take_over(folders)  # what their runs were about is not needed any more
        return held

    def _send(self, todo: Sequence[Task], total: int, sheet: BatchSheet | None) -> Outcomes:
        from imagecli.batch.run import BatchRun
        from imagecli.terminal.batch_bar import BatchBar, Tally

        with ExitStack() as at_end:
            report = _Report(self._renderer, self._settings.profile.base_url, sheet)
            shared = self._shared(report, at_end)
            batch: BatchRun = BatchRun(shared, todo)
            before = total - len(todo)

            def tally() -> Tally:
                ended = batch.done + batch.failed + batch.unknown
                return Tally(
                    *(batch.done, batch.failed, batch.unknown, total - before - ended, batch.images, ended),
                    cost_usd=batch.cost_usd,
                    held_s=shared.pace.held_s,
                )

            with BatchBar(self._renderer.console, tally):
                return batch.run()

    def _shared(self, report: _Report, at_end: ExitStack) -> Shared:
        """Return what all jobs share, opened."""
        from imagecli.accounts import open_accounts
        from imagecli.batch.carrying import Shared
        from imagecli.batch.pace import Pace
        from imagecli.cache.answers import open_cache
        from imagecli.client.open import open_client, sleep
        from imagecli.commands.make import open_run
        from imagecli.config.keys import require_key
        from imagecli.inputs import Inputs

        settings, typed = self._settings, self._typed
        options = settings.options
        cache = open_cache(options)
        client = accounts = no_client = None
        if cache is None or not cache.only:
            try:
                client = open_client(settings, require_key(settings.profile, warn=self._renderer.warn))
                at_end.callback(client.close)
            except AuthProblem as error:
                if cache is None:
                    raise
                no_client = error  # the cache may have it all
            accounts = open_accounts(settings, Inputs(), self._renderer.warn)
            if accounts is not None:
                at_end.callback(accounts.close)
        return Shared(
            *(self._jobs, self._folder, self._journal, Pace(options.jobs.value, typed.rpm), report, client, no_client),
            accounts=accounts,
            cache=cache,
            open_run=open_run,
            force=typed.force,
            fail_fast=typed.fail_fast,
            sleep=sleep,
            turn=threading.Lock(),
        )


class _Report:
    """Shows what comes of each job."""

    def __init__(self, renderer: Renderer, base_url: str, sheet: BatchSheet | None) -> None:
        self._renderer = renderer
        self._base_url = base_url
        self._sheet = sheet
        self._warned: set[str] = set()

    def ended(self, job: Job, result: Result) -> None:
        """Show the paths of a job's images, or its document, and why it failed."""
        new = [text for text in result.warnings if text not in self._warned]
        self._warned.update(new)
        if self._sheet is not None:
            self._sheet.add(job, result)
        self._renderer.job(job.id, job.line, result, self._base_url, new)

    def waiting(self, jobs: int) -> None:
        """Say what is waited for after an interrupt."""
        self._renderer.console.remark(
            f"waiting for {how_many(jobs)} in flight, ten seconds at the most; Ctrl-C again ends it at once"
        )


def checked_jobs(typed: Typed, renderer: Renderer, folder: str) -> Jobs:
    """Read and check the job file, which may take a while.

    Raises:
        UsageProblem: something is wrong with it.
    """
    from imagecli.batch.jobs import read_jobs
    from imagecli.terminal.progress import working

    path = typed.job_file or ""
    # Who types the jobs needs the terminal.
    with nullcontext() if path == "-" else working(renderer.console, "checking", printable(path)):
        jobs: Jobs = read_jobs(path, typed.form, typed, folder=folder, prompt=typed.prompt)
    renderer.warn(*jobs.warnings)
    return jobs


def folder_of(output: str) -> str:
    """Return DIR.

    Raises:
        UsageProblem: it is no folder's name.
    """
    import os

    if output in {"", "-"} or "\0" in output:
        raise UsageProblem("a batch needs a folder", hint="Name one with -o; it is made where it is missing.")
    if os.path.lexists(output) and not os.path.isdir(output):
        raise UsageProblem(f"{printable(output)} is not a folder", hint="Give -o a folder.")
    return output


def _sum_up(
    tasks: Sequence[Task], todo: Sequence[Task], outcomes: Outcomes | None
) -> tuple[dict[str, Any], ImagecliError | None]:
    """Return the summary of a run, and the error that decides its exit code."""
    sent = {task.job.id for task in todo}
    rest = counts([task for task in tasks if task.job.id not in sent])
    before = rest.get("done", 0)
    done = before + (outcomes.done if outcomes else 0)
    failed = outcomes.failed if outcomes else ()
    unknown = rest.get("unknown", 0) + (outcomes.unknown if outcomes else 0)
    left = outcomes.left if outcomes else 0
    submitted = rest.get("submitted", 0)
    summary = {
        "jobs": len(tasks),
        "done": done,
        "done_before": before,
        "failed": len(failed),
        "unknown": unknown,
        "left": left,
        "submitted": submitted,
        "images": outcomes.images if outcomes else 0,
        "cost_usd": outcomes.cost_usd if outcomes else 0.0,
    }
    return summary, _error(summary, failed, outcomes.error if outcomes else None)


def _error(
    summary: dict[str, Any], failed: Sequence[ImagecliError], ended: ImagecliError | None
) -> ImagecliError | None:
    from imagecli.cache.answers import NotCached
    from imagecli.outcome import run_error

    total = summary["jobs"]
    if isinstance(ended, Interrupted):
        return ended
    if summary["unknown"]:
        was = "was" if summary["unknown"] == 1 else "were"
        return UnknownOutcome(
            f"{summary['unknown']} of {how_many(total)} {was} sent and never heard of: the images may have been billed",
            hint="imagecli recover saves what has come of them; --retry-unknown sends the others again.",
        )
    missing = total - summary["done"]
    if not missing:
        return ended
    first = ended or (run_error(failed, ()) if failed else None)
    if first is not None and not summary["done"]:
        return first
    why = f": {first.message}" if first is not None else ""
    hint: str | None = "The same command again makes the rest."
    if any(isinstance(error, (UsageProblem, ContentPolicyRefusal)) for error in failed):
        hint = "Change the jobs that were refused, then run the same command again: it makes only what is missing."
    if first is not None and (ended is not None or isinstance(first, NotCached)):
        hint = first.hint
    elif summary["submitted"] == missing:
        hint = "They wait at the provider: imagecli batch fetch and the folder saves what is ready."
    return PartialResult(f"{missing} of {how_many(total)} {'is' if missing == 1 else 'are'} not done{why}", hint=hint)


def _sentence(summary: dict[str, Any]) -> str:
    """Return a run's summary for people."""
    from imagecli.terminal.render import usd

    before = f" ({summary['done_before']} before)" if summary["done_before"] else ""
    others = [f"{summary[name]} {name}" for name in ("failed", "unknown", "left", "submitted") if summary[name]]
    parts = [f"{summary['done']} of {how_many(summary['jobs'])} done{before}", *others]
    parts.append("1 image" if summary["images"] == 1 else f"{summary['images']:,} images")
    if summary["cost_usd"]:
        parts.append(usd(summary["cost_usd"]))
    return ", ".join(parts)
