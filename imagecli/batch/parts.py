"""A part of the jobs: some by their ids, the first so many, one shard of several."""

from __future__ import annotations

import hashlib
import re
from fnmatch import translate
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.text import or_meant, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagecli.batch.job import Job

_MOST_SHARDS = 10_000


class Shard(NamedTuple):
    """One of several shares of a job file, each for a machine of its own."""

    number: int
    """From 1."""
    total: int

    def holds(self, job_id: str) -> bool:
        """Return whether a job belongs to it; that depends on its id and the number of shards alone."""
        hashed = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big")
        return hashed % self.total == self.number - 1


def read_shard(text: str) -> Shard:
    """Read --shard I/N.

    Raises:
        UsageProblem: it is not two whole numbers, the first from 1 to the second.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.total <= _MOST_SHARDS:
        raise UsageProblem(
            f"--shard must be I/N, with I from 1 to N, not {quoted(text)}",
            hint="For instance --shard 2/8, the second of eight.",
        )
    return shard


def part_of(
    jobs: Iterable[Job], *, only: Sequence[str] = (), shard: Shard | None = None, limit: int | None = None
) -> list[Job]:
    """Return the jobs that a run is for, in the file's order.

    Args:
        jobs: all of them.
        only: ids, or patterns of them with * ? [].
        shard: which share; None: all.
        limit: how many at most, of those that are left.

    Raises:
        UsageProblem: an `only` names none of the jobs.
    """
    jobs = list(jobs)
    if only:
        jobs = _named(jobs, only)
    if shard is not None:
        jobs = [job for job in jobs if shard.holds(job.id)]
    return jobs if limit is None else jobs[:limit]


def _named(jobs: list[Job], only: Sequence[str]) -> list[Job]:
    ids = {job.id for job in jobs}
    wanted = ids & {*only}
    for text in (each for each in dict.fromkeys(only) if each not in wanted):
        pattern = re.compile(translate(text))
        found = {each for each in ids if pattern.match(each)}
        if not found:
            words = f"--only {quoted(text)} names no job{or_meant(text, ids)}"
            raise UsageProblem(words, hint="Give the id of one; * stands for any text.")
        wanted |= found
    return [job for job in jobs if job.id in wanted]
