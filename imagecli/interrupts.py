"""Signals that end a run: the first one raises KeyboardInterrupt; further ones only hurry what handles it."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagecli.errors import Signalled

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_AT_ONCE_S = 1.0
"""Whoever sends a second signal so soon after the first can't have seen what came of that."""


class _State:
    """What this process has received."""

    first: float | None = None
    again = False
    handled = False
    held = 0
    waiting: int | None = None
    number: int = signal.SIGINT


def catch() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end a run with a KeyboardInterrupt, where they are not ignored (nohup)."""
    _State.first, _State.again, _State.handled, _State.held, _State.waiting = None, False, False, 0, None
    for number in _numbers():
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, _end)


def handle() -> None:
    """Say that an interrupt is being dealt with, so that no other cuts that off."""
    _State.handled = True


@contextmanager
def held() -> Iterator[None]:
    """Let none come in between: one that does ends the run right behind."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
        if _State.waiting is not None and not _State.held:
            number, _State.waiting = _State.waiting, None
            _end(number, None)


def check() -> None:
    """End what goes on after a part of it has dealt with an interrupt, and was whole all the same.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if _State.handled:
        raise _interrupt(_State.number)


def pressed() -> bool:
    """Return whether a second one has come since."""
    return _State.again


def ignore() -> None:
    """Ignore them from now on."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, _frame: object) -> None:
    if _State.held:
        _State.waiting = number
        return
    now = time.monotonic()
    if _State.first is not None:
        _State.again = True
        if _State.handled or now - _State.first < _AT_ONCE_S:
            return
    _State.first = now
    _State.number = number
    raise _interrupt(number)


def _interrupt(number: int) -> KeyboardInterrupt:
    return KeyboardInterrupt() if number == signal.SIGINT else Signalled(number)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
