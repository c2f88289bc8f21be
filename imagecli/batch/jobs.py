"""A job file becomes jobs: every line is read and checked, and each job is planned when its turn comes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from imagecli.batch.job import Defaults, Job
from imagecli.batch.outputs import Outputs, escaped
from imagecli.batch.prompts import Template
from imagecli.batch.readers import form_of, read_rows
from imagecli.batch.reading import Reader
from imagecli.batch.variants import encode
from imagecli.disk import path_hint
from imagecli.errors import UsageProblem
from imagecli.inputs import STDIO, Inputs, read_image
from imagecli.plan import Output, Plan, plan
from imagecli.plan.intent import check
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from imagecli.config.settings import Settings
    from imagecli.models.cost import Estimate
    from imagecli.options import Options, Typed

__all__ = ["Job", "Jobs", "read_jobs"]


class Jobs:
    """The jobs of a file, in its order; any thread may plan one."""

    def __init__(self, jobs: list[Job], warnings: Iterable[str], defaults: Defaults) -> None:
        """Take the jobs, what the user should know of them, and the settings of the run."""
        self.list = jobs
        self.warnings = tuple(warnings)
        self._defaults = defaults
        self._estimates: dict[str, Estimate | None] = {}
        self._sizes: dict[str, str] = {}

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs."""
        return iter(self.list)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.list)

    def plan(
        self, job: Job, folder: str, *, skip_existing: bool = False, in_batch: bool = False
    ) -> tuple[Plan, Settings, Inputs]:
        """Return the plan of a job, with what it was made from; its inputs are read now.

        Args:
            job: one of these.
            folder: the run's; the job's output lies below it.
            skip_existing: only ask for the images that are not there.
            in_batch: whether its requests are lines of a provider's batch.

        Raises:
            UsageProblem: an input is gone since, or does not fit.
        """
        path = os.path.join(escaped(folder), job.output)
        settings = self._defaults.settings(job.op, job.values, path)
        options = settings.options
        most, mask, markup = options.max_pixels.value, options.mask.value, options.markup.value
        inputs = Inputs(
            job.prompt,
            tuple(read_image(each, most) for each in job.images),
            None if mask is None else read_image(mask, most),
            None if markup is None else read_image(markup, most),
        )
        intent = check(job.op, settings, inputs)
        if in_batch:
            from imagecli.plan.batched import batched

            intent = batched(intent)
        return plan(intent, Output(path, skip_existing=skip_existing)), settings, inputs

    def options(self, job: Job) -> Options:
        """Return what applies to a job."""
        return self._defaults.settings(job.op, job.values, job.output).options

    def estimate(self, job: Job, *, in_batch: bool = False) -> Estimate | None:
        """Return what a job will probably cost, in USD, from the least to the most; None where that is not known.

        Jobs that differ in nothing that has a price are planned once. `in_batch`: in a provider's batch.
        """
        values = job.values if "seed" not in job.values else {**job.values, "seed": 0}
        length = len((job.prompt or "").encode())
        sizes = [self._size(path) for path in job.images]
        key = encode([job.op, values, length, sizes, job.output.rpartition(".")[2], in_batch])
        if key not in self._estimates:
            self._estimates[key] = self._estimate(job, in_batch=in_batch)
        return self._estimates[key]

    def _estimate(self, job: Job, *, in_batch: bool) -> Estimate | None:
        from imagecli.plan.costs import estimate_plan

        try:
            return estimate_plan(self.plan(job, "", in_batch=in_batch)[0])[0]
        except UsageProblem:  # its turn will tell
            return None

    def _size(self, path: str) -> str:
        if path not in self._sizes:
            try:
                image = read_image(path, None)
                self._sizes[path] = f"{image.format} {image.size}"
            except UsageProblem:
                self._sizes[path] = path
        return self._sizes[path]


def read_jobs(  # noqa: PLR0913 - what a run says of its job file
    path: str,
    form: str | None,
    typed: Typed,
    environ: Mapping[str, str] | None = None,
    *,
    folder: str,
    prompt: str | None = None,
) -> Jobs:
    """Read a job file, and check every line of it; nothing is sent or written.

    Args:
        path: the file; - is standard input.
        form: jsonl, csv, tsv or txt; None: as the file's name says.
        typed: what was typed for all jobs.
        environ: the environment; None is this process's.
        folder: where the outputs go; it need not exist.
        prompt: the prompt of jobs that have none, with {column} for cells of their rows.

    Raises:
        UsageProblem: the file or the settings can't be used, or jobs have mistakes, all of which are told.
    """
    if path != STDIO and os.path.isdir(path):
        raise UsageProblem(f"{printable(path)} is a folder, and JOBS is a file", hint="Name a job file.")
    known_form = form_of(path, form)
    name = "standard input" if path == STDIO else path
    defaults = Defaults(typed, environ)
    reader = Reader(
        name,
        defaults,
        Outputs(folder),
        # What is relative to a pipe is relative to the working folder.
        beside=os.path.dirname(path) if os.path.isfile(path) else "",
        template=None if prompt is None else Template(prompt),
        table=known_form in {"csv", "tsv"},
    )
    try:
        with _opened(path) as file:
            for row in read_rows(file, known_form, reader.mistakes, reader.check_header):
                reader.add(row)
    except OSError as error:
        hint = "Name a job file."
        hint = path_hint(path, hint) if isinstance(error, FileNotFoundError) else hint
        raise UsageProblem(f"{printable(name)} can't be read: {error.strerror or error}", hint=hint) from error
    return Jobs(reader.jobs(), reader.warnings, defaults)


def _opened(path: str) -> BinaryIO:
    if path != STDIO:
        return open(path, "rb")
    if sys.stdin is None:
        raise UsageProblem("standard input is closed", hint="Pipe jobs in, or name a file.")
    return open(sys.stdin.fileno(), "rb", closefd=False)
