"""What the ledger is asked: numbers, filters, sums by the local calendar; fast, whatever the prompts' length."""

from __future__ import annotations

import time

import pytest

from imagecli.ledger.queries import Filter, entries, made, newest, sums, total
from support.history import DONE, NOON, add, open_ledger

FAILED = {"state": "failed", "exit_code": 3, "cost_usd": 0.0}


def _image(path, sha256="aa"):
    return {"n": 1, "path": path, "sha256": sha256, "bytes": 9, "width": 64, "height": 48, "format": "png"}


@pytest.fixture
def ledger():
    add(_image("/a.png"), _image("/b.png", "bb"))
    add(done=FAILED, model="m")
    add(_image("/c.png", "cc"), model="m", profile="office")
    opened = open_ledger()
    yield opened
    opened.close()


def _seen(found):
    return [(each.number, each.image and each.image["path"], each.request["state"]) for each in found]


def test_images_are_numbered_from_the_newest_and_requests_without_stand_between(ledger):
    assert _seen(entries(ledger, Filter(), 9)) == [
        (1, "/c.png", "done"),
        (None, None, "failed"),
        (2, "/b.png", "done"),
        (3, "/a.png", "done"),
    ]
    assert [newest(ledger, number).image["path"] for number in (1, 2, 3)] == ["/c.png", "/b.png", "/a.png"]
    assert [newest(ledger, number) for number in (0, 4, 10**30)] == [None] * 3


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (Filter(profile="openai", state="done"), [2, 3]),
        (Filter(model="gpt-image-2"), [2, 3]),
        (Filter(model="m", state="failed"), [None]),
        (Filter(since=NOON + 1), []),
    ],
)
def test_a_filter_leaves_the_numbers_as_they_are(which, numbers, ledger):
    assert [each.number for each in entries(ledger, which, 9)] == numbers


def test_a_file_is_found_by_its_bytes_and_the_newest_of_equal_ones(ledger):
    assert made(ledger, "bb").number == 2
    add(_image("/again.png", "bb"))
    assert made(ledger, "bb").image["path"] == "/again.png"
    assert made(ledger, "dd") is None


def test_of_files_with_the_same_bytes_the_one_in_that_place_is_meant(ledger):
    add(_image("/again.png", "bb"))
    assert made(ledger, "bb", "/b.png").number == 3
    assert made(ledger, "bb", "/moved.png").number == 1


def test_a_name_that_is_not_utf_8_comes_back_as_it_was():
    add(_image("/caf\udce9.png"))
    ledger = open_ledger()
    assert newest(ledger, 1).image["path"] == "/caf\udce9.png"
    ledger.close()


def test_what_a_killed_process_had_sent_is_unknown():
    add(done=None, estimate_usd=0.05)
    ledger = open_ledger()
    ledger.query("UPDATE requests SET pid = 0")
    assert _seen(entries(ledger, Filter(state="unknown"), 9)) == [(None, None, "unknown")]
    assert sums(ledger, "model", Filter())[0].unknown == 1
    assert sums(ledger, "model", Filter())[0].usd == ledger.spent(0).usd == 0.05
    ledger.close()


def test_sums(ledger):
    add(done=DONE | {"cost_usd": None, "tokens": None}, model=None)
    by_model = sums(ledger, "model", Filter())
    assert [tuple(each) for each in by_model] == [
        ("m", 2, 1, 1, 0, 7, 0.04, 0),
        ("gpt-image-2", 1, 2, 0, 0, 7, 0.04, 0),
        (None, 1, 0, 0, 0, 0, 0.0, 1),
    ]
    assert tuple(total(by_model, "total")) == ("total", 4, 3, 1, 0, 14, 0.08, 1)


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", ["2026-02-01", "2026-01-01"]),
        ("Asia/Kathmandu", ["2026-02-01", "2026-01-02", "2026-01-01"]),  # 5:45 ahead
        ("America/New_York", ["2026-01-31", "2026-01-01"]),
    ],
)
def test_days_and_months_are_those_of_the_local_calendar(zone, days, monkeypatch):
    for at in (NOON, NOON + 6.5 * 3600, NOON + 30.75 * 86_400 - 6 * 3600):
        add(at=at)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    ledger = open_ledger()
    try:
        assert [each.of for each in sums(ledger, "day", Filter())] == days
        assert [each.of for each in sums(ledger, "month", Filter())] == list(dict.fromkeys(day[:7] for day in days))
    finally:
        ledger.close()
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("by", ["day", "month", "model", "profile"])
def test_sums_read_no_prompt(by, ledger, monkeypatch):
    """A million rows are summed from an index; with their prompts they would be read from the disk."""
    asked = []
    query = ledger.query
    monkeypatch.setattr(ledger, "query", lambda *line: asked.append(line) or query(*line))
    sums(ledger, by, Filter(model="m"))
    plans = [each["detail"] for text, *values in asked for each in query(f"EXPLAIN QUERY PLAN {text}", *values)]
    tables = [each for each in plans if each.startswith(("SCAN", "SEARCH")) and " CONSTANT ROW" not in each]
    assert {"USING COVERING INDEX requests_sums" in each for each in tables} == {True}


def test_a_gap_of_years_takes_no_longer(ledger, monkeypatch):
    add(at=NOON - 50 * 365 * 86_400)
    asked = []
    query = ledger.query
    monkeypatch.setattr(ledger, "query", lambda *line: asked.append(line) or query(*line))
    assert [each.of for each in sums(ledger, "day", Filter())] == ["2026-01-01", "1976-01-14"]
    assert len(asked) == 5
