"""The journal: what is on the disk when a process dies at any moment, and what the next one makes of it."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from imagecli.batch.journal import Entry, Journal, Made
from imagecli.errors import UsageProblem


def _done(folder, job, name, data=b"image", at=10.0):
    (folder / name).write_bytes(data)
    made = Made(name, hashlib.sha256(data).hexdigest(), len(data))
    return Entry(job, "d", "done", at, (made,), 0.03)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "out"
    made.mkdir()
    return made


def _write(folder, *entries, shard=None):
    journal = Journal(str(folder), shard).open().read()
    for entry in entries:
        journal.ended(entry)
    journal.close()


def _path(folder):
    return folder / ".imagecli" / "journal.jsonl"


def test_what_was_written_is_read(folder):
    entry = _done(folder, "a", "a.png")
    journal = Journal(str(folder)).open()
    journal.sent("a", "d")
    assert json.loads(_path(folder).read_text().splitlines()[-1])["state"] == "sent"  # before anything is sent
    journal.ended(entry)
    journal.close()
    read = Journal(str(folder)).read()
    assert read.last("a") == entry
    assert read.is_unchanged(entry)
    assert read.last("b") is None


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_counts_for_nothing_and_harms_no_other(folder, cut):
    _write(folder, _done(folder, "a", "a.png"), _done(folder, "b", "b.png"))
    text = _path(folder).read_bytes()
    _path(folder).write_bytes(text[:-cut])
    journal = Journal(str(folder)).open().read()
    assert (journal.last("b") is None, journal.last("a").state) == (cut > 1, "done")
    journal.ended(_done(folder, "b", "b.png"))
    journal.close()
    read = Journal(str(folder)).read()
    assert (read.last("a").state, read.last("b").state) == ("done", "done")


@pytest.mark.parametrize(
    "line",
    [
        '{"job": "a", "digest": "d", "state": "made up", "at": 11}',
        '{"job": 1, "digest": "d", "state": "done", "at": 11}',
        '{"job": "a", "digest": "d", "state": "done", "at": 1, "images": [{"path": "../x", "sha256": "", "bytes": 1}]}',
        '{"job": "a", "digest": "d", "state": "done", "at": 11, "images": [{"path": "/x", "sha256": "", "bytes": 1}]}',
        '{"job": "a", "digest": "d", "state": "done", "at": 11, "images": [{"path": "x"}]}',
        '{"job": "a", "digest": "d", "state": "done", "at": 11, "images": 7}',
        "[1]",
        "nonsense",
    ],
)
def test_lines_that_were_edited_by_hand_are_counted_and_passed_over(folder, line):
    entry = _done(folder, "a", "a.png")
    _write(folder, entry)
    with _path(folder).open("a") as file:
        file.write(f"{line}\n")
    read = Journal(str(folder)).read()
    assert (read.last("a"), read.broken) == (entry, 1)


def test_one_of_a_newer_version_is_refused(folder):
    _write(folder)
    _path(folder).write_text('{"imagecli": "journal", "version": 2}\n')
    with pytest.raises(UsageProblem, match="was written by a newer imagecli"):
        Journal(str(folder)).read()


def test_one_run_a_folder_and_its_lock_dies_with_it(folder):
    first = Journal(str(folder)).open()
    with pytest.raises(UsageProblem, match=rf"another run \(process {os.getpid()}, since .*\) is at work in"):
        Journal(str(folder)).open()
    with pytest.raises(UsageProblem, match="another run"):
        Journal(str(folder), (1, 2)).open()
    first.close()
    Journal(str(folder)).open().close()


def test_shards_work_side_by_side_each_in_a_journal_of_its_own_and_read_all(folder):
    one, two = Journal(str(folder), (1, 2)).open(), Journal(str(folder), (2, 2)).open()
    with pytest.raises(UsageProblem, match="another run"):
        Journal(str(folder), (2, 2)).open()
    one.ended(_done(folder, "a", "a.png"))
    two.ended(_done(folder, "b", "b.png"))
    one.close()
    two.close()
    assert sorted(path.name for path in _path(folder).parent.glob("journal*")) == [
        "journal-1-of-2.jsonl",
        "journal-2-of-2.jsonl",
    ]
    read = Journal(str(folder)).read()
    assert [read.last(job).state for job in "ab"] == ["done", "done"]


def test_the_later_of_two_journals_counts(folder):
    _write(folder, Entry("a", "d", "failed", 20.0), shard=(1, 2))
    _write(folder, _done(folder, "a", "a.png", at=10.0), shard=(2, 2))
    assert Journal(str(folder)).read().last("a").state == "failed"


def test_only_what_the_batch_made_and_nobody_has_changed_is_pruned(folder):
    entries = [_done(folder, job, f"{job}.png", job.encode()) for job in "abc"]
    _write(folder, *entries)
    (folder / "c.png").write_bytes(b"edited")
    (folder / "d.png").write_bytes(b"somebody's")
    journal = Journal(str(folder)).open().read()
    assert list(journal.prune(["a"])) == [str(folder / "b.png")]
    journal.close()
    assert sorted(path.name for path in folder.glob("*.png")) == ["a.png", "c.png", "d.png"]
    assert not Journal(str(folder)).read().is_own("b.png")


def test_a_folder_that_can_t_be_written_is_refused_before_anything_is_sent(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageProblem, match="can't be written: Not a directory") as refused:
        Journal(str(tmp_path / "file" / "out")).open()
    assert refused.value.hint == "Nothing was sent. Give -o a folder that can be written to."
