"""What may be spent: the periods of the local calendar, and sums that are compared as people count."""

from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from imagecli.errors import MoneyProblem
from imagecli.ledger.store import Ledger
from imagecli.spending import Budget, Spending, usd_text

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _at(*parts):
    return datetime(*parts, tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize(
    ("period", "now", "begin", "end"),
    [
        ("day", (2026, 11, 29, 13, 5), (2026, 11, 29), (2026, 11, 30)),
        ("day", (2026, 3, 29, 12), (2026, 3, 29), (2026, 3, 30)),  # 23 hours
        ("day", (2026, 10, 25, 0, 1), (2026, 10, 25), (2026, 10, 26)),  # 25 hours
        ("month", (2026, 12, 31, 23, 59), (2026, 12, 1), (2027, 1, 1)),
        ("hour", (2026, 10, 25, 1, 30), (2026, 10, 25, 1), (2026, 10, 25, 2)),
        ("hour", (2026, 11, 29, 13, 5, 7), (2026, 11, 29, 13), (2026, 11, 29, 14)),
    ],
)
def test_periods_are_those_of_the_local_calendar(period, now, begin, end):
    days = [part if len(part) > 2 else (*part, 1) for part in (begin, end)]
    assert Budget(1, period, "").bounds(_at(*now)) == tuple(_at(*part) for part in days)


def test_a_day_that_begins_at_one_is_whole(monkeypatch):
    """In Havana, clocks were put forward at midnight."""
    monkeypatch.setenv("TZ", "America/Havana")
    time.tzset()
    havana = ZoneInfo("America/Havana")
    begin, end = (datetime(2026, 3, day, hour, tzinfo=havana).timestamp() for day, hour in ((8, 1), (9, 0)))
    assert Budget(1, "day", "").bounds(begin + 60) == (begin, end)
    assert Budget(1, "day", "").bounds(begin - 1) == (begin - 86_400, begin)


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger.open(str(tmp_path / "ledger.db"))
    yield opened
    opened.close()


def _refusal(ledger, budget, now, usd=0.05):
    with pytest.raises(MoneyProblem) as caught:
        Spending(None, budget).admit(usd, ledger, now)
    return caught.value


@pytest.mark.parametrize(
    ("period", "said", "hint"),
    [
        ("hour", "$0.08 an hour $0.05 is spent (1 without an outcome counted as paid)", "wait until then"),
        ("day", "it was not sent; the day ends at 2026-11-30 00:00", "wait until then"),
        ("month", "it was not sent; the month ends at 2026-12-01 00:00", "wait until then"),
        ("total", "the budget of $0.08 in total $0.05 is spent", "ask for something that costs less"),
    ],
)
def test_a_refusal_says_what_is_spent_until_when_and_what_helps(period, said, hint, ledger):
    now = _at(2026, 11, 29, 13, 5)
    ledger.begin({"at": now - 1, "estimate_usd": 0.05})
    error = _refusal(ledger, Budget(0.08, period, "here"), now)
    assert said in error.message
    assert error.hint == f"Raise the budget (here), or {hint}."
    assert _refusal(ledger, Budget(0.08, period, "here"), now, 0.09).hint.endswith("that costs less.")


def test_a_clock_that_was_set_back_gives_no_money_back(ledger):
    now = _at(2026, 11, 29, 13, 5)
    ledger.begin({"at": now + 86_400, "estimate_usd": 0.05})
    error = _refusal(ledger, Budget(0.08, "day", "here"), now)
    assert "(1 without an outcome counted as paid, 1 dated later than now)" in error.message
    assert error.hint == "Raise the budget (here), or check the clock."


def test_midnight_begins_a_new_day_and_a_new_month(ledger):
    ledger.begin({"at": _at(2026, 11, 30, 23, 59, 59), "estimate_usd": 0.05})
    for period in ("day", "month"):
        _refusal(ledger, Budget(0.08, period, "here"), _at(2026, 11, 30, 23, 59, 59))
        Spending(None, Budget(0.08, period, "here")).admit(0.05, ledger, _at(2026, 12, 1))


def test_a_total_never_ends():
    assert Budget.read("5.00/total", "").bounds(0) == (float("-inf"), None)


def test_what_is_set_aside_is_spent_until_it_is_known_better():
    spending = Spending(0.3)
    for _ in range(3):  # 0.1 + 0.1 + 0.1 is above 0.3 in floats
        spending.reserve(0.1, "m")
    with pytest.raises(MoneyProblem, match=r"may cost \$0.10, and of --max-cost \$0.30 \$0.30 is spent"):
        spending.reserve(0.1, "m")
    spending.settle(0.1, 0.0)
    spending.reserve(0.1, "m")


def test_a_price_of_zero_is_a_price_and_none_is_not():
    spending = Spending(0.0)
    spending.reserve(0.0, "m")
    with pytest.raises(MoneyProblem) as raised:
        spending.reserve(None, "team/flux")
    assert """imagecli config set 'models."team/flux".price' 0.03""" in raised.value.hint


def test_amounts_have_the_digits_that_they_need():
    assert [usd_text(usd) for usd in (0, 5, 0.1, 0.01317)] == ["$0.00", "$5.00", "$0.10", "$0.01317"]
