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

_NUMBER = r"\d++(?:\.\d++)?+"
"""The possessive quantifiers keep a number of any length from being read twice."""
_UNIT = r"m(?:illi)?s(?:ec(?:ond)?s?)?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?"
_PART = rf"(?:({_NUMBER})[ \u00a0]?|\b(?:an?|one) )({_UNIT})(?![a-z])"
_DURATION = rf"((?:{_PART}(?:,? and |, | )?){{1,6}}|\d{{1,2}}:\d\d:\d\d(?!\d))"
_LEAD = (
    r"(?:[\s:~≈]{1,2}(?:again|your|the|this|request|it|in|after|for|about|approximately|around|roughly|at least|within"
    r"|another|be|is|time|slot|on)){0,7}"
)
_IN_WORDS = re.compile(
    rf"\b(?:(?:re)?try(?:ing)?|retry[-_ ]after|wait(?:ing)?|resets?|back ?off|cool(?: ?down)?|available|again"
    rf"|(?:will be|next request) allowed|hold on|limited)\b{_LEAD}[\s:=~≈]{{1,3}}{_DURATION}"
    rf"|\bin (?:about|approximately|around|roughly) {_DURATION}"
    rf"|(?<![\w.:]){_DURATION} ?(?:remaining|left) (?:until|before)\b"
)
"""English, in lower case."""
_ELSEWHERE = re.compile(
    rf"(?<![\d.])({_NUMBER}) ?(毫秒|秒|分|小时|小時)(?:钟|鐘|間)?(?:之?[后後]|以[后後])"
    rf"|(?:等待|稍等|等候?) ?({_NUMBER}) ?(毫秒|秒|分|小时|小時)"
    rf"|(?<![\d.])({_NUMBER}) ?(초|분|시간) ?(?:후|뒤)"
    rf"|\b(?:dans|en|in|tra|nach|após|over) ({_NUMBER}) (se[cgk][ou]nd(?:es?|os?|en?|i)|minut(?:es?|os?|en?|i))\b"
)
"""Chinese, Japanese, Korean; French, Spanish, Portuguese, Italian, German, Dutch."""
_ELSEWHERE_SECONDS = {
    0.001: ("毫秒",),
    1.0: ("秒", "초", "s"),
    60.0: ("分", "분", "m"),
    3600.0: ("小时", "小時", "시간"),
}
_BARE = re.compile(rf"\bretry[-_ ]after(?:[-_ ]?(ms|milli\w{{1,9}}|s|secs?|seconds))?\W{{1,3}}({_NUMBER})(?![\w:/-])")
_CLOCK = (3600.0, 60.0, 1.0)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KEY = re.compile(
    r"(?:retry(?:after|delay|in|wait)|wait(?:time|for)?|backoff|cooldown|estimatedtime|resetafter)"
    r"(ms|millis|milliseconds|s|secs?|seconds)?"
)
"""Keys of an error's details, without case and underscores: Google's RetryInfo, Azure's, Cloudflare's."""
_TOO_SHORT = frozenset({"waitfor", "wait", "backoff", "cooldown"})
"""What says how long only where its unit is named."""
_ISO = re.compile(r"pt(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?")


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
    seconds = None if text is None else _seconds(text, 1.0)
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
            named = _KEY.fullmatch(str(key).lower().replace("_", "").replace("-", ""))
            if named and named[0] not in _TOO_SHORT and (found := _seconds(value, _unit(named[1] or "s"))) is not None:
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
    text = str(value)[:_LONGEST_NUMBER].strip().lower()
    if duration := re.fullmatch(_DURATION, text):
        return _sum(duration[1])
    iso = _ISO.fullmatch(text)
    return sum(float(part or 0) * unit for part, unit in zip(iso.groups(), _CLOCK, strict=True)) if iso else None


def _wait_in_words(text: str) -> float | None:
    if (found := _IN_WORDS.search(text)) is not None:
        return _sum(found[1] or found[4] or found[7])
    if (found := _BARE.search(text)) is not None:
        return float(found[2]) * _unit(found[1] or "s")
    if (found := _ELSEWHERE.search(text)) is not None:
        number, unit = filter(None, found.groups())
        return float(number) * next(seconds for seconds, units in _ELSEWHERE_SECONDS.items() if unit.startswith(units))
    return None


def _sum(duration: str) -> float:
    """Add up the parts of "1h 2m 3.5s", or of "00:01:30"."""
    if ":" in duration:
        return sum(float(part) * unit for part, unit in zip(duration.split(":"), _CLOCK, strict=True))
    return sum(float(number or 1) * _unit(unit) for number, unit in re.findall(_PART, duration))


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
