"""How long a server asks to wait before the next attempt: in its headers, in its error's details, or in words."""

from __future__ import annotations

import email.utils
import re
import time
from typing import TYPE_CHECKING

from imagecli.client.errors.nested import walk

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_WAIT_S = 120.0
_LONGEST_NUMBER = 300

_PART = (
    r"(\d++(?:\.\d++)?+)[ \u00a0]?"
    r"(m(?:illi)?s(?:ec(?:ond)?s?)?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)(?![a-z])"
)
_DURATION = rf"((?:{_PART}(?:,? and |, | )?)+)"
_LEAD = (
    r"(?:[\s:~≈]{1,2}(?:again|your|the|this|request|it|in|after|for|about|approximately|around|roughly|at least)){0,7}"
)
_IN_WORDS = re.compile(
    rf"\b(?:(?:re)?try(?:ing)?|retry[-_ ]after|wait(?:ing)?|resets?|back ?off|cool(?: ?down)?|available|again)\b{_LEAD}"
    rf"[\s:=~≈]{{1,3}}{_DURATION}"
    rf"|\bin (?:about|approximately|around|roughly) {_DURATION}"
)
"""English, in lower case. The possessive quantifiers keep a number of any length from being read twice."""
_CHINESE = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?+) ?(毫秒|秒|分|小时|小時)(?:钟|鐘)?(?:之?[后後]|以[后後])")
_BARE_SECONDS = re.compile(r"\bretry[-_ ]after\W{1,3}(\d++(?:\.\d++)?+)(?![\w:/-])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_CHINESE_SECONDS = {"毫秒": 0.001, "秒": 1.0, "分": 60.0, "小时": 3600.0, "小時": 3600.0}
_KEYS = {
    "retrydelay": 1.0,
    "retryafter": 1.0,
    "retryafterseconds": 1.0,
    "retryafterms": 0.001,
    "retryinseconds": 1.0,
    "estimatedtime": 1.0,
}
"""Keys of an error's details, without case and underscores → seconds of their unit: Google's RetryInfo, Azure's,
Cloudflare's, Hugging Face's."""


def requested_wait(headers: Mapping[str, str], message: str = "", details: float | None = None) -> float | None:
    """Return the seconds that a response asks to wait (0 or more); None where it gives none that make sense.

    Args:
        headers: the response's, which go first.
        message: of the response's error.
        details: what the error's details name (`wait_in_details`); they go before its message.
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
    return _wait_in_words(message.lower()) if details is None else details


def wait_in_details(document: object) -> float | None:
    """Return the seconds that an error's details name, wherever they are; None where they name none.

    A value is a number, its text, or a duration: 37, "37", "37.9s", {"seconds": 37, "nanos": 900000000}.
    """
    for node in walk(document):
        for key, value in node.items() if isinstance(node, dict) else ():
            unit = _KEYS.get(str(key).lower().replace("_", "").replace("-", ""))
            if unit is not None and (found := _seconds(value, unit)) is not None:
                return found
    return None


def is_too_long(seconds: float) -> bool:
    """Return whether a run should end rather than wait so many seconds."""
    return seconds > _MAX_WAIT_S


def _seconds(value: object, unit: float) -> float | None:
    """Return the seconds of one value whose numbers are in `unit`."""
    if isinstance(value, dict):
        whole, nanos = (_number(str(value.get(key, 0))) for key in ("seconds", "nanos"))
        return None if whole is None or nanos is None else whole + nanos / 1e9
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    number = _number(str(value))
    if number is not None:
        return number * unit
    duration = re.fullmatch(_DURATION, str(value)[:_LONGEST_NUMBER].strip().lower())
    return None if duration is None else _sum(duration[1])


def _wait_in_words(text: str) -> float | None:
    if (found := _IN_WORDS.search(text)) is not None:
        return _sum(found[1] or found[4])
    if (found := _BARE_SECONDS.search(text)) is not None:
        return float(found[1])
    if (found := _CHINESE.search(text)) is not None:
        return float(found[1]) * _CHINESE_SECONDS[found[2]]
    return None


def _sum(duration: str) -> float:
    """Add up the parts of "1h 2m 3.5s"."""
    return sum(float(number) * _unit(unit) for number, unit in re.findall(_PART, duration))


def _unit(name: str) -> float:
    """Return the seconds in a unit of time, such as "ms", "millis", "m", "min" or "minutes"."""
    if name.startswith(("ms", "milli")):
        return 0.001
    return _UNITS[name[0]]


def _number(text: str | None) -> float | None:
    # Two headers come as "1, 1".
    first = (text or "").split(",")[0].strip()
    return float(first) if re.fullmatch(r"\d{1,300}(\.\d*)?(e\d{1,2})?", first) else None


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
