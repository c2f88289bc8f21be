"""Responses of jobs that were kept, as a run was killed or had no room: their images are saved, and not paid again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from imagecli.batch.job import Job
    from imagecli.client.response.files import Kept
    from imagecli.result import Result


def mark_of(job: Job, folder: str) -> list[str]:
    """Return what the record of a job's responses says of its batch."""
    return [os.path.realpath(folder), job.id, job.digest]


def save_kept(
    jobs: Iterable[Job], folder: str, recover: Callable[[Kept], Result], warn: Callable[[str], None]
) -> Collection[str]:
    """Save the images of responses that these jobs have left, under the names that they would have had.

    Args:
        jobs: those of this run; what they were must not have changed since.
        folder: DIR.
        recover: saves the images of a response.
        warn: is told of what can't be saved.

    Returns:
        The ids of those whose response is still kept, as there is no room for its images: they are paid for.
    """
    from imagecli.client.response.files import kept_responses, response_folders, spare_folders

    marks = {tuple(mark_of(job, folder)) for job in jobs}
    held = set()
    for kept in kept_responses(response_folders(), spare_folders()):
        mark = kept.about.get("batch")
        if not isinstance(mark, list) or tuple(mark) not in marks:
            continue
        result = recover(kept)
        failures = result.failures.values()
        if any(isinstance(each.__cause__, OSError) for each in failures):
            held.add(str(mark[1]))
        for text in dict.fromkeys(each.message for each in failures):
            warn(f"{mark[1]}: {text}; its response is kept in {kept.path}")
    return held
