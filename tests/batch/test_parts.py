"""Parts of a job file: by id and pattern, by shard, and the first so many."""

from __future__ import annotations

import pytest

from imagecli.batch.job import Job
from imagecli.batch.parts import Shard, part_of, read_shard
from imagecli.errors import UsageProblem


def _jobs(*ids):
    return [Job(each, "", n, f"{each}.png", 0, "gen", "p", {}) for n, each in enumerate(ids, 1)]


def _ids(jobs):
    return [job.id for job in jobs]


def test_ids_and_patterns_name_jobs_in_the_order_of_the_file():
    jobs = _jobs("fox-1", "whale", "fox-2", "[a]", "a")
    assert _ids(part_of(jobs, only=("fox-*",))) == ["fox-1", "fox-2"]
    assert _ids(part_of(jobs, only=("a", "whale", "fox-?"))) == ["fox-1", "whale", "fox-2", "a"]
    assert _ids(part_of(jobs, only=("[a]",))) == ["[a]"]  # an id goes before what it means as a pattern
    assert _ids(part_of(jobs, only=("fox-*",), limit=1)) == ["fox-1"]


@pytest.mark.parametrize("only", ["wolf", "FOX", "f?", "[b]"])
def test_a_pattern_that_names_nothing_is_a_mistake(only):
    with pytest.raises(UsageProblem, match="names no job"):
        part_of(_jobs("fox", "a"), only=("fox", only))


def test_shards_share_out_all_jobs_alike_wherever_they_stand():
    ids = [f"job-{n}" for n in range(1000)]
    shards = [_ids(part_of(_jobs(*ids), shard=Shard(n, 8))) for n in range(1, 9)]
    assert sorted(each for shard in shards for each in shard) == sorted(ids)
    assert all(80 < len(shard) < 170 for shard in shards)
    assert {*_ids(part_of(_jobs(*reversed(ids[::3])), shard=Shard(3, 8)))} == {*shards[2]} & {*ids[::3]}


@pytest.mark.parametrize("text", ["1/1", "2/8", "10000/10000"])
def test_a_shard_is_two_numbers(text):
    shard = read_shard(text)
    assert f"{shard.number}/{shard.total}" == text


@pytest.mark.parametrize("text", ["", "1", "0/8", "9/8", "1/0", "-1/8", "1/8/9", "a/b", "1 / 8", "1/10001", "\u0661/8"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageProblem, match="--shard must be I/N"):
        read_shard(text)
