"""Rows of an animation, and how sizes and times stand in them."""

from __future__ import annotations

from typing import NamedTuple

_UNITS = (("GB", 10**9), ("MB", 10**6), ("KB", 10**3))
_WHOLE = 0.95
"""What is less than that of a unit is told in the next smaller one."""
_MANY = 100
"""From so many of a unit on, its tenths do not matter."""
_MINUTE_S, _HOUR_S = 60, 3600


class Row(NamedTuple):
    """A row as it is drawn."""

    label: str
    stage: str
    detail: str = ""
    share: float | None = None
    """How much of it is done, from 0 to 1; None: that is not known."""
    mark: str = "busy"
    """busy, queued, saved or failed, or nothing."""


def size_of(count: int) -> str:
    """Return a number of bytes as people say it: 840 bytes, 1.4 MB, 120 MB."""
    unit, scale = next(((unit, scale) for unit, scale in _UNITS if count >= scale * _WHOLE), ("bytes", 1))
    number = count / scale
    return f"{number:.1f} {unit}" if unit != "bytes" and number < _MANY else f"{number:.0f} {unit}"


def duration(seconds: float) -> str:
    """Return a time as people say it: 12 s, 3 min 5 s, 2 h 10 min."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
