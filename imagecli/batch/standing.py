"""What the journal says of each job: whether its images are there, or what stands in the way."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from imagecli.errors import ImagecliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.journal import Entry, Journal

Standing = Literal["new", "changed", "gone", "failed", "unknown", "submitted", "saved", "done"]
"""Of a job whose images are not there: never run; something else was asked then; images were removed since; it failed;
it was sent and never heard of; it waits at the provider. Of one whose images are: the run was killed before it could
write that down, or all is well."""
_WITHOUT_RISK = frozenset({"new", "changed", "gone", "failed", "saved"})
_CLOCK_S = 1.0
"""How much the clocks of files and of the journal may differ."""


class Task(NamedTuple):
    """A job, and what is known of it."""

    job: Job
    standing: Standing
    last: Entry | None = None

    @property
    def has_part(self) -> bool:
        """Whether images of it may be there, so that only the others are asked for."""
        last = self.last
        if last is None or last.digest != self.job.digest:
            return False
        return self.standing == "saved" or bool(last.images) or last.state in {"sent", "unknown"}


def stand(part: Iterable[Job], jobs: Jobs, journal: Journal) -> list[Task]:
    """Return how each job of a part stands, in the same order."""
    tasks = [Task(job, _standing(job, entry, journal), entry) for job in part for entry in (journal.last(job.id),)]
    return [task._replace(standing="saved") if _is_saved(task, jobs, journal.folder) else task for task in tasks]


def to_run(tasks: Iterable[Task], *, retry_unknown: bool) -> list[Task]:
    """Return those that are to be sent: never again what may have been paid for, unless that is asked for."""
    return [task for task in tasks if task.standing in _WITHOUT_RISK or (retry_unknown and task.standing == "unknown")]


def counts(tasks: Sequence[Task]) -> dict[Standing, int]:
    """Return how many jobs stand how, in the order of `Standing`; those of which there are none are left out."""
    found = Counter(task.standing for task in tasks)
    return {each: found[each] for each in get_args(Standing) if found[each]}


def _is_saved(task: Task, jobs: Jobs, folder: str) -> bool:
    """Return whether all images of a job that was not done are there, and newer than that.

    Its run was killed before it could write that down, or they were recovered.
    """
    last = task.last
    if last is None or not (task.standing == "unknown" or (task.standing == "failed" and last.saved_response)):
        return False
    try:
        planned, _, _ = jobs.plan(task.job, folder, skip_existing=True)
        return not planned.requests and all(
            os.stat(path).st_mtime >= last.at - _CLOCK_S for path in planned.existing.values()
        )
    except (ImagecliError, OSError):
        return False


def _standing(job: Job, entry: Entry | None, journal: Journal) -> Standing:
    if entry is None:
        return "new"
    if entry.batch is not None and entry.state == "sent":
        return "submitted"
    if entry.digest != job.digest:
        return "changed"
    if entry.state == "done":
        return "done" if journal.is_there(entry) else "gone"
    return "failed" if entry.state == "failed" else "unknown"
