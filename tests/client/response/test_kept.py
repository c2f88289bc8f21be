"""Responses that were kept: whose they are, what a killed run has left, and what is whole of one that is cut off."""

from __future__ import annotations

import json
import os
import time

from hypothesis import given
from hypothesis import strategies as st

from imagecli.client.response.cut import completed
from imagecli.client.response.files import KEPT_S, Run, kept_responses, take_over

DOCUMENT = {
    "created": 1,
    "data": [{"b64_json": "A" * 20, "revised_prompt": 'a "fox" \\'}, {"url": "http://x/y", "n": [1, True, None]}],
    "usage": {"total": {"a": []}, "": -1.5e3},
}


def _is_part_of(part, whole):
    """Whether a document is another one with something left out at the end."""
    if isinstance(whole, dict):
        return isinstance(part, dict) and all(_is_part_of(value, whole[key]) for key, value in part.items())
    if isinstance(whole, list):
        return isinstance(part, list) and all(map(_is_part_of, part, whole)) and len(part) <= len(whole)
    return part == whole


@given(st.integers(1, 300), st.sampled_from([None, 2]))
def test_a_document_that_is_cut_anywhere_is_closed_where_it_ends(cut, indent):
    text = json.dumps(DOCUMENT, indent=indent)[:cut]
    open_string = _open_string(text)
    closed = completed(text if open_string is None else text[:open_string])
    assert _is_part_of(json.loads(closed), DOCUMENT)


def _open_string(text):
    """Return where a string begins that does not end, which the outline leaves out."""
    start, escaped = None, False
    for at, character in enumerate(text):
        if start is not None and escaped:
            escaped = False
        elif start is not None and character == "\\":
            escaped = True
        elif character == '"':
            start = at if start is None else None
    return start


def _run(folder, about=None):
    run = Run((str(folder),), (), about or {})
    run.open()
    return run


def _write(run, data, number=1):
    descriptor, path = run.create(number)
    os.write(descriptor, data)
    os.close(descriptor)
    return path


def _die(run):
    """Let a run end as a killed process ends: its lock is gone, and nothing else."""
    os.close(run._lock)  # noqa: SLF001 - as the system does
    run._lock = None  # noqa: SLF001


def test_a_running_process_keeps_what_is_its_own(tmp_path):
    run = _run(tmp_path)
    path = _write(run, b"{")
    assert take_over([str(tmp_path)]) == []
    assert os.path.exists(path)
    assert kept_responses([str(tmp_path)]) == []


def test_what_a_killed_run_has_left_is_found_once(tmp_path):
    run = _run(tmp_path, {"slug": "cat"})
    _write(run, b"whole", 3)
    _write(run, b"of it, decompressed", 3)
    _write(run, b"")
    _die(run)
    assert take_over([str(tmp_path)]) == [(f"{tmp_path}/answers", 1)], "one request's, whatever its files"
    assert take_over([str(tmp_path)]) == []
    kept = kept_responses([str(tmp_path)])
    assert {(each.number, each.about["slug"]) for each in kept} == {(3, "cat")}
    for each in kept:
        os.unlink(each.path)
    take_over([str(tmp_path)])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_run_leaves_nothing_when_it_ends(tmp_path):
    run = _run(tmp_path)
    _write(run, b"")
    run.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_nobody_wants_is_removed_after_its_time(tmp_path):
    run = _run(tmp_path)
    kept = run.keep(_write(run, b"{"))
    run.close()
    now = time.time()
    take_over([str(tmp_path)], now + KEPT_S - 60)
    assert os.path.exists(kept)
    take_over([str(tmp_path)], now + KEPT_S + 60)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
