"""How fast a batch goes: requests in flight, starts spaced evenly, and a server's "slow down" heard by all workers.

The number in flight halves when the server answers 429, and grows by one each time that so many requests have ended
well (additive increase, multiplicative decrease, as TCP does).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_WAIT_S = 0.5
"""Of one wait: how long all have to hold still may change meanwhile."""
_FIRST_HOLD_S, _LONGEST_HOLD_S = 1.0, 60.0


class Pace:
    """A place for each request in flight, given in the order in which they were asked for; for many threads."""

    def __init__(
        self,
        most: int,
        per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        condition: Callable[[threading.RLock], threading.Condition] = threading.Condition,
    ) -> None:
        """Let `most` be in flight, and `per_minute` begin in a minute; None: any number.

        `clock` gives seconds, and `condition` what a thread waits with.
        """
        self.most = most
        self._between = 60 / per_minute if per_minute else 0.0
        self._clock = clock
        self._condition = condition
        self._allowed = float(most)
        self._in_flight = 0
        self._next_start = self._hold_until = clock()
        self._lock = threading.RLock()
        self._turns: deque[threading.Condition] = deque()
        """Those who wait for a place; only the first may take one."""
        self._resting = condition(self._lock)
        self._backoff = 0.0
        self._ended = False
        self.successes = 0
        """How many requests the server has answered well."""

    @property
    def allowed(self) -> int:
        """How many may be in flight now."""
        return max(1, int(self._allowed))

    @property
    def held_s(self) -> float:
        """For how many seconds nothing begins, as the server has asked for that."""
        return max(0.0, self._hold_until - self._clock())

    @property
    def has_ended(self) -> bool:
        """Whether nothing begins any more."""
        return self._ended

    def enter(self) -> bool:
        """Wait for a place; return False where the run ends instead."""
        with self._lock:
            return self._enter(first=False)

    def enter_again(self, after: float) -> bool:
        """Wait so many seconds, and then for a place, before others; return False where the run ends instead."""
        with self._lock:
            until = self._clock() + after
            while not self._ended and (wait := until - self._clock()) > 0:
                self._resting.wait(wait)
            return self._enter(first=True)

    def _enter(self, *, first: bool) -> bool:
        turn = self._condition(self._lock)
        if first:
            self._turns.appendleft(turn)
        else:
            self._turns.append(turn)
        try:
            while not self._ended:
                wait = max(self._hold_until, self._next_start) - self._clock()
                if self._turns[0] is not turn or self._in_flight >= self.allowed:
                    turn.wait(_LONGEST_WAIT_S)
                elif wait > 0:
                    turn.wait(min(wait, _LONGEST_WAIT_S))
                else:
                    self._in_flight += 1
                    self._next_start = self._clock() + self._between
                    return True
        finally:
            self._turns.remove(turn)
            self._wake()
        return False

    def _wake(self) -> None:
        if self._turns:
            self._turns[0].notify()

    def leave(self, *, well: bool) -> None:
        """Give the place back; `well`: the server answered."""
        with self._lock:
            self._in_flight -= 1
            if well:
                self.successes += 1
                self._backoff = 0.0
                self._allowed = min(float(self.most), self._allowed + 1 / self._allowed)
            self._wake()

    def slow_down(self, seconds: float | None = None) -> None:
        """Let nothing begin for so many seconds, and less be in flight from now on.

        What many requests hear at the same time counts once. None: the server does not say how long; each time that it
        refuses again before it has answered anything well, the wait is twice as long.
        """
        with self._lock:
            now = self._clock()
            if now >= self._hold_until:
                self._allowed = max(1.0, min(self._allowed, float(self._in_flight)) / 2)
                self._backoff = min(2 * self._backoff, _LONGEST_HOLD_S) if self._backoff else _FIRST_HOLD_S
            self._hold_until = max(self._hold_until, now + (self._backoff if seconds is None else seconds))

    def end(self) -> None:
        """Let nothing begin any more."""
        with self._lock:
            self._ended = True
            for waiting in (self._resting, *self._turns):
                waiting.notify_all()
