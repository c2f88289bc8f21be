"""How fast a batch goes: places, even starts, and a server that says "slow down"."""

from __future__ import annotations

import itertools
import threading

from imagecli.batch.pace import Pace
from support.running import Clock, wait_until


class _Timeless(threading.Condition):
    """A condition whose timed waits pass at once, and move the clock on."""

    def __init__(self, lock: threading.RLock, clock: Clock) -> None:
        super().__init__(lock)
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None, "a wait without an end"
        self._clock.advance(timeout)
        return False


def _alone(clock, *args):
    """Return a pace for one thread: what it waits for is time."""
    return Pace(*args, clock=clock, condition=lambda lock: _Timeless(lock, clock))


def test_starts_are_spaced_evenly():
    clock = Clock()
    pace, begun = _alone(clock, 8, 120.0), []
    for _ in range(4):
        assert pace.enter()
        begun.append(clock())
        pace.leave(well=True)
    assert [round(b - a, 6) for a, b in itertools.pairwise(begun)] == [0.5, 0.5, 0.5]


def test_a_refusal_slows_all_down_and_they_speed_up_again():
    clock = Clock()
    pace = _alone(clock, 16)
    for _ in range(16):
        assert pace.enter()
    before = clock()
    for _ in range(16):  # all hear it at the same time
        pace.slow_down(20)
        pace.leave(well=False)
    assert pace.allowed == 8
    assert pace.held_s == 20
    assert pace.enter()
    assert clock() - before >= 20
    assert pace.held_s == 0
    pace.leave(well=True)
    for _ in range(200):
        assert pace.enter()
        pace.leave(well=True)
    assert pace.allowed == 16


def test_a_server_that_does_not_say_how_long_is_asked_ever_later_until_it_answers():
    clock = Clock()
    pace, waits = _alone(clock, 4), []
    for well in (False, False, False, True, False):
        before = clock()
        assert pace.enter()
        waits.append(round(clock() - before))
        if not well:
            pace.slow_down()
        pace.leave(well=well)
    before = clock()
    assert pace.enter()
    assert [*waits, round(clock() - before)] == [0, 1, 2, 4, 0, 1]


def test_one_that_is_full_lets_the_next_in_when_a_place_is_given_back():
    pace, entered = Pace(1), threading.Event()
    assert pace.enter()
    threading.Thread(target=lambda: pace.enter() and entered.set(), daemon=True).start()
    assert not entered.wait(0.05)
    pace.leave(well=True)
    wait_until(entered.is_set)


def test_whoever_waits_when_it_ends_does_not_begin():
    pace, told = Pace(1), []
    assert pace.enter()
    thread = threading.Thread(target=lambda: told.append(pace.enter()), daemon=True)
    thread.start()
    pace.end()
    thread.join()
    assert told == [False]
    assert not pace.enter()


def test_places_are_given_in_order_and_a_request_that_is_sent_again_comes_first():
    pace, order = Pace(1), []
    assert pace.enter()

    def wait(name, enter):
        threading.Thread(target=lambda: enter() and order.append(name), daemon=True).start()
        wait_until(lambda: len(pace._turns) == len(names))  # noqa: SLF001 - that it waits shows nowhere else

    names = ["a"]
    wait("a", pace.enter)
    names.append("b")
    wait("b", pace.enter)
    names.append("again")
    wait("again", lambda: pace.enter_again(0))
    for count in (1, 2, 3):
        pace.leave(well=True)
        wait_until(lambda c=count: len(order) == c)
    assert order == ["again", "a", "b"]


def test_whoever_rests_before_it_is_sent_again_is_not_when_the_run_ends():
    pace, told = Pace(1), []
    thread = threading.Thread(target=lambda: told.append(pace.enter_again(3600)), daemon=True)
    thread.start()
    pace.end()
    thread.join()
    assert told == [False]
