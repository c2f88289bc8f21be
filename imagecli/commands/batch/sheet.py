"""The contact sheet of a batch: the images of all its jobs in their order, also of those that were done before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagecli.errors import ImagecliError, Interrupted
from imagecli.sheets import Sheet, open_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imagecli.batch.job import Job
    from imagecli.batch.jobs import Jobs
    from imagecli.batch.journal import Journal
    from imagecli.batch.standing import Task
    from imagecli.result import GeneratedImage, Result
    from imagecli.terminal.render import Renderer


class BatchSheet:
    """Takes what jobs have made, now or before, and saves the sheet at the end of the run."""

    def __init__(self, sheet: Sheet, part: Sequence[Job], jobs: Jobs, journal: Journal) -> None:
        """Take the opened sheet, the jobs of this run, in their order, and the journal that knows what is done."""
        self._sheet = sheet
        self._order = {job.id: index for index, job in enumerate(part)}
        self._jobs = jobs
        self._journal = journal

    def add_done(self, tasks: Sequence[Task]) -> None:
        """Add the images of those jobs that earlier runs have done."""
        for task in tasks:
            if task.standing == "done" and task.last is not None:
                each = 1 + len(set(self._jobs.options(task.job).also.value or ()))  # an image, and its further sizes
                for n, made in enumerate(task.last.images[::each], 1):
                    self._add(task.job, n, self._journal.path_of(made))

    def add(self, job: Job, result: Result) -> None:
        """Add the images that a job has made now."""
        for image in result.images:
            if not image.partial:
                self._add(job, image.n, image.path)

    def _add(self, job: Job, n: int, path: str | None) -> None:
        self._sheet.add((self._order[job.id], n), path, job.prompt or "")

    def save(self, renderer: Renderer) -> tuple[GeneratedImage | None, ImagecliError | None]:
        """Save the sheet and remember it as this batch's; return it, or why it is not there."""
        if renderer.console.animated:
            renderer.console.status("drawing the contact sheet")
        try:
            drawn = self._sheet.save(renderer.warn)
            if drawn is not None:
                self._journal.drew({page.path: page.sha256 for page in (drawn, *drawn.also) if page.path is not None})
        except ImagecliError as error:
            return None, error
        except KeyboardInterrupt as interrupt:
            return None, Interrupted.by(interrupt, " while the contact sheet was drawn; the images are saved")
        finally:
            renderer.console.status("")
        return drawn, None


@contextmanager
def open_batch_sheet(  # noqa: PLR0913 - what `open_sheet` takes, and whose images they are
    path: str | None, part: Sequence[Job], jobs: Jobs, journal: Journal, renderer: Renderer, *, force: bool, dry: bool
) -> Iterator[BatchSheet | None]:
    """Check that the contact sheet can be saved; one that an earlier run of this batch has drawn may be replaced.

    Raises:
        UsageProblem: as in `open_sheet`.
    """
    if path is None:
        yield None
        return
    count = sum(jobs.options(job).count.value or 1 for job in part)
    with open_sheet(path, count, renderer.console, force=force, dry=dry, is_own=journal.has_drawn) as sheet:
        yield BatchSheet(sheet, part, jobs, journal)
