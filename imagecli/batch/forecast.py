"""What a run of a batch would send and cost, without sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.batch.standing import to_run
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagecli.batch.jobs import Jobs
    from imagecli.batch.standing import Task
    from imagecli.cache.answers import Cache
    from imagecli.models.cost import Estimate


class Forecast(NamedTuple):
    """What would become of a job."""

    task: Task
    sends: bool = False
    """Whether anything of it would be sent."""
    cached: bool = False
    """Whether its images would come out of the cache instead."""
    estimate: Estimate | None = None
    """What would be paid for it; None where nothing is sent, or that is not known."""


def forecast(
    tasks: Sequence[Task], jobs: Jobs, folder: str, *, retry_unknown: bool, cache: Cache | None
) -> Iterator[Forecast]:
    """Yield what would become of each job, in their order.

    Args:
        tasks: how the jobs stand.
        jobs: plans them.
        folder: DIR.
        retry_unknown: whether those are sent again that may have been paid for.
        cache: where their images may be; None: it is not asked.
    """
    todo = {task.job.id for task in to_run(tasks, retry_unknown=retry_unknown) if task.standing != "saved"}
    for task in tasks:
        if task.job.id not in todo:
            yield Forecast(task)
        elif cache is None:
            yield Forecast(task, sends=True, estimate=jobs.estimate(task.job))
        else:
            yield _beside(cache, task, jobs, folder)


def _beside(cache: Cache, task: Task, jobs: Jobs, folder: str) -> Forecast:
    """Return what would become of a job, of which the cache may have some."""
    from imagecli.plan.costs import estimate_plan

    try:
        planned, _, _ = jobs.plan(task.job, folder, skip_existing=task.has_part)
    except UsageProblem:  # its turn will tell
        return Forecast(task, sends=not cache.only)
    answers = cache.look_up(planned, task.job.repeat)
    try:
        lacking = tuple(each for index, each in enumerate(planned.requests) if index not in answers.hits)
    finally:
        answers.close()
    if not lacking or cache.only:
        return Forecast(task, cached=not lacking)
    return Forecast(task, sends=True, estimate=estimate_plan(planned._replace(requests=lacking))[0])
