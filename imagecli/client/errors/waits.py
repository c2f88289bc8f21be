"""How long a server asks to wait before the next attempt."""

from __future__ import annotations

import email.utils
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_WAIT_S = 120.0
_DURATION_PART = r"(\d{1,6}(?:\.\d{1,6})?) ?(ms|milli|h|m|s)[a-z]*"
_DURATION = rf"(?:try again|retry) (?:in|after) ((?:{_DURATION_PART}\s*)+)"
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Seconds in a unit of time."""


def requested_wait(headers: Mapping[str, str], message: str = "") -> float | None:
    """Return the seconds that a response asks to wait (0 or more); None where it gives none that make sense.

    Args:
        headers: the response's, which go before its message.
        message: of the response's error.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    if text is not None and (moment := _date(text)) is not None:
        return max(0.0, moment - time.time())
    found = re.search(_DURATION, message.lower())
    if found is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_DURATION_PART, found[1]))


def is_too_long(seconds: float) -> bool:
    """Return whether a run should end rather than wait so many seconds."""
    return seconds > _MAX_WAIT_S


def _number(text: str | None) -> float | None:
    # Two headers come as "1, 1".
    first = (text or "").split(",")[0].strip()
    return float(first) if re.fullmatch(r"\d{1,300}(\.\d*)?(e\d{1,2})?", first) else None


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
