"""What `batch run` tells without sending anything: --check and --dry-run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.batch.forecast import forecast
from imagecli.batch.standing import counts
from imagecli.errors import PartialResult
from imagecli.models.cost import total
from imagecli.terminal.render import estimate_fields, usd
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.batch.forecast import Forecast
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.journal import Journal
    from imagecli.batch.standing import Task
    from imagecli.cache.answers import Cache
    from imagecli.models.cost import Estimate
    from imagecli.terminal.render import Renderer

_WORDS = {
    "new": "new",
    "changed": "changed",
    "gone": "whose images are gone",
    "edited": "whose images have changed on the disk",
    "failed": "failed",
    "unknown": "unknown",
    "submitted": "submitted",
    "saved": "saved",
    "done": "done",
}

_REMEDIES = {
    "edited": "Put back images that have changed, or remove them: then they are made again.",
    "unknown": "Of unknown ones, imagecli recover saves what has come; --retry-unknown sends the others again.",
}
"""What to do about those that the same command again leaves as they are."""


class Outlook:
    """How the jobs of a run stand."""

    def __init__(self, renderer: Renderer, tasks: Sequence[Task], journal: Journal) -> None:
        """Take the jobs, as the journal has them."""
        self._renderer = renderer
        self._tasks = tasks
        self._journal = journal

    def check(self) -> int:
        """Tell which jobs' images are not there, or not as they were saved, and return the exit code."""
        wrong = []
        for task in self._tasks:
            standing: str = task.standing
            if standing == "done" and task.last is not None and not self._journal.is_unchanged(task.last):
                standing = "edited"
            if standing not in {"done", "saved"}:
                wrong.append((task.job, standing))
        found: dict[str, int] = {}
        for job, standing in wrong:
            found[standing] = found.get(standing, 0) + 1
            if self._renderer.as_json:
                self._renderer.line({"ok": False, "id": job.id, "line": job.line, "state": standing})
            else:
                self._renderer.console.out(f"{printable(job.id)} (line {job.line}): {_WORDS[standing]}")
        count, error = len(self._tasks), None
        if wrong:
            each = ", ".join(f"{count} {_WORDS[standing]}" for standing, count in found.items())
            error = PartialResult(f"{len(wrong)} of {how_many(count)} not done: {each}", hint=_remedy(found))
        summary = {"jobs": count, "done": count - len(wrong), **found}
        return self._renderer.summary(summary, error)

    def forecast(self, jobs: Jobs, folder: str, *, retry_unknown: bool, cache: Cache | None) -> int:
        """Tell how the jobs stand, and what it would cost to run them; return the exit code."""
        tasks = self._tasks
        sent = unpriced = cached = 0
        known = []
        for each in forecast(tasks, jobs, folder, retry_unknown=retry_unknown, cache=cache):
            sent += each.sends
            cached += each.cached
            if each.estimate is not None:
                known.append(each.estimate)
            unpriced += each.sends and each.estimate is None
            if self._renderer.as_json:
                self._renderer.line(_document(each))
        cost = total(known)
        found: dict[str, int] = {each: n for each, n in counts(tasks).items()}  # noqa: C416 - wider keys
        if not self._renderer.as_json:
            told = ", ".join(f"{count} {_WORDS[standing]}" for standing, count in found.items())
            self._renderer.console.out(f"{how_many(len(tasks))}: {told or 'none'}")
            if cache is not None:
                self._renderer.console.out(f"{how_many(cached)} in the cache")
            self._renderer.console.out(_price(cost, unpriced, sent))
        summary = {
            "jobs": len(tasks),
            **found,
            "to_send": sent,
            **({} if cache is None else {"cached": cached}),
            **estimate_fields(None if unpriced else cost),
            "dry_run": True,
        }
        return self._renderer.summary(summary, None)


def how_many(jobs: int) -> str:
    """Return a number of jobs, in words."""
    return "1 job" if jobs == 1 else f"{jobs:,} jobs"


def _price(cost: Estimate, unpriced: int, sent: int) -> str:
    """Return what so many jobs would cost, for people; that of some may not be known."""
    if not sent:
        return "nothing would be sent"
    if unpriced == sent:
        return "what it would cost is not known"
    span = usd(cost.least) if not cost.is_open else f"{usd(cost.least)} to {usd(cost.most)}"
    return f"it would cost about {span}" + (
        f", and what {how_many(unpriced)} would, which is not known" if unpriced else ""
    )


def _document(each: Forecast) -> dict[str, object]:
    """Return a job as --dry-run --json shows it."""
    job = each.task.job
    return {
        "id": job.id,
        "line": job.line,
        "op": job.op,
        "state": each.task.standing,
        "output": job.output,
        "send": each.sends,
        "cached": each.cached,
    } | estimate_fields(each.estimate)


def _remedy(found: Mapping[str, int]) -> str:
    """Return what to do about jobs whose images are not there, or not as they were saved, by their states."""
    makes = ["The same without --check makes them."] if found.keys() - _REMEDIES.keys() else []
    return " ".join([*makes, *(_REMEDIES[standing] for standing in found if standing in _REMEDIES)])
