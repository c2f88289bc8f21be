"""Hours, days and months of the local calendar."""

from __future__ import annotations

import time
from typing import Literal

Unit = Literal["hour", "day", "month"]
_HOUR_S = 3600


def bounds(moment: float, unit: Unit) -> tuple[float, float]:
    """Return when the hour, day or month of a moment begins and ends; all in seconds since 1970."""
    at = time.localtime(moment)
    if unit == "hour":
        hour = float(int(moment) - at.tm_min * 60 - at.tm_sec)
        return hour, hour + _HOUR_S
    # mktime puts the 32nd, and the 13th month, where they belong, and knows when clocks are changed.
    month, day = (0, 1) if unit == "day" else (1, 0)
    first = at.tm_mday if unit == "day" else 1
    begin, end = (
        time.mktime((at.tm_year, at.tm_mon + month * more, first + day * more, 0, 0, 0, 0, 0, -1)) for more in (0, 1)
    )
    return begin, end
