"""What may be spent: --max-cost for a run, a budget for all runs of a period."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imagecli.errors import MoneyProblem
from imagecli.ledger.calendar import Unit, bounds
from imagecli.text import quoted, shell_word, toml_key

if TYPE_CHECKING:
    from imagecli.ledger.store import Ledger

_EACH = {"hour": "an hour", "day": "a day", "month": "a month", "total": "in total"}
_DIGITS = 8
"""Of a USD that amounts are compared to, as sums of floats are off by less."""


class NotYet(MoneyProblem):
    """It goes beyond a limit with what is set aside for others, which are on their way and may cost less than that."""


class Budget(NamedTuple):
    """How much may be spent in each hour, day or month of the local calendar, or in total."""

    usd: float
    period: Unit | Literal["total"]
    place: str
    """Where it was found, for messages."""
    profile: str | None = None
    """Whose requests count: those of one profile, or of all."""

    @classmethod
    def read(cls, text: str, place: str, profile: str | None = None) -> Budget:
        """Return the budget that a setting spells, such as 5.00/day."""
        usd, _, period = text.partition("/")
        which: Any = period  # the setting's pattern has checked it
        return cls(float(usd), which, place, profile)

    def bounds(self, now: float) -> tuple[float, float | None]:
        """Return when the period of a moment begins and ends, in seconds since 1970; None: never."""
        return (float("-inf"), None) if self.period == "total" else bounds(now, self.period)


class Spending:
    """What one run, or one batch, may spend; one object for all its threads."""

    def __init__(self, max_cost: float | None = None, budget: Budget | None = None) -> None:
        """Start with nothing spent.

        Args:
            max_cost: the most that this run may cost, in USD.
            budget: what may be spent besides; it needs a ledger.
        """
        self.max_cost = max_cost
        self.budget = budget
        self._spent = 0.0
        """What this run has spent, or may yet for what is on its way."""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._on_their_way = 0
        self.ended = 0
        """How many requests have been settled for good."""

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit, so that prices must be known."""
        return self.max_cost is not None or self.budget is not None

    def reserve(self, usd: float | None, model: str | None) -> None:
        """Set aside, out of --max-cost, what a request will cost at the most.

        Raises:
            MoneyProblem: that is not known, or would be too much; nothing is set aside.
        """
        if usd is None and self.is_limited:
            raise _no_price(model, "--max-cost" if self.max_cost is not None else "a budget")
        with self._lock:
            if usd is not None and self.max_cost is not None and round(self._spent + usd - self.max_cost, _DIGITS) > 0:
                raise self._problem(usd, self.max_cost)(
                    f"this request may cost {usd_text(usd)}, and of --max-cost {usd_text(self.max_cost)} "
                    f"{usd_text(self._spent)} is spent: it was not sent",
                    hint="Raise --max-cost, or ask for something that costs less.",
                )
            self._spent += usd or 0.0
            self._on_their_way += 1

    def release(self, usd: float | None) -> None:
        """Take back what was set aside for a request that is not sent."""
        with self._lock:
            self._spent -= usd or 0.0
            self._on_their_way -= 1
            self._changed.notify_all()

    def settle(self, reserved: float | None, cost: float | None) -> None:
        """Count what a request has cost in place of what was set aside for it; None: that stays."""
        if reserved is not None and cost is not None:
            with self._lock:
                self._spent += cost - reserved

    def end(self) -> None:
        """Note that what a request has cost is settled, here and in the ledger."""
        with self._lock:
            self._on_their_way -= 1
            self.ended += 1
            self._changed.notify_all()

    def wait(self, ended: int) -> bool:
        """Wait until more requests than `ended` have been; return False where none is on its way that could be."""
        with self._lock:
            while self.ended == ended and self._on_their_way:
                self._changed.wait(1.0)
            return self.ended != ended

    def _problem(self, usd: float, limit: float) -> type[MoneyProblem]:
        return NotYet if self._on_their_way and usd <= limit else MoneyProblem

    def admit(self, usd: float | None, ledger: Ledger, now: float) -> None:
        """Refuse a request that goes beyond the budget; within the transaction that adds its row to the ledger.

        Raises:
            MoneyProblem: it does.
        """
        budget = self.budget
        if budget is None or usd is None:
            return
        begin, end = budget.bounds(now)
        spent = ledger.spent(begin, budget.profile, now)
        if round(spent.usd + usd - budget.usd, _DIGITS) <= 0:
            return
        whose = f" of profile {budget.profile}" if budget.profile is not None else ""
        counts = [f"{spent.unknown} without an outcome counted as paid"] if spent.unknown else []
        counts += [f"{spent.later} dated later than now"] if spent.later else []
        counted = f" ({', '.join(counts)})" if counts else ""
        until = (
            ""
            if end is None
            else f"; the {budget.period} ends at {time.strftime('%Y-%m-%d %H:%M', time.localtime(end))}"
        )
        raise self._problem(usd, budget.usd)(
            f"this request may cost {usd_text(usd)}, and of the budget of {usd_text(budget.usd)} "
            f"{_EACH[budget.period]}{whose} {usd_text(spent.usd)} is spent{counted}: it was not sent{until}",
            hint=f"Raise the budget ({budget.place}), or {_way_out(usd, budget, end, later=spent.later)}.",
        )


def _way_out(usd: float, budget: Budget, end: float | None, *, later: int) -> str:
    """Return what helps besides more money."""
    if usd > budget.usd or (end is None and not later):
        return "ask for something that costs less"
    return "check the clock" if later else "wait until then"


def usd_text(usd: float) -> str:
    """Return an amount as people write it, with as many digits as it needs."""
    digits = f"{usd:.6f}".rstrip("0")
    return "$" + digits + "0" * max(0, 2 - len(digits.partition(".")[2]))


def _no_price(model: str | None, limit: str) -> MoneyProblem:
    if model is None:
        return MoneyProblem(
            f"no model is named, so what a request costs is not known, and {limit} can't be kept: it was not sent",
            hint="Name the model with -m, and its price in the config file: [models.NAME] price = 0.03.",
        )
    command = f"imagecli config set {shell_word(toml_key('models', model, 'price'))} 0.03"
    return MoneyProblem(
        f"what this costs with {quoted(model)} is not known, so {limit} can't be kept: it was not sent",
        hint=f"Set what an image costs in USD, as [models.{toml_key(model)}] price in the config file: `{command}`.",
    )
