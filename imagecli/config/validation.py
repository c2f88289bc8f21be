"""Values of flags, checked: from the command line, the environment and the config file alike."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.text import or_meant, quoted

if TYPE_CHECKING:
    from imagecli.flags.row import Flag

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
SPELLINGS = {"jpg": "jpeg"}
"""Other spellings of a choice."""
_WRITTEN = ("output", "mask_preview")
_STDOUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
"""Other spellings of the - that an image is written to."""


def allowed(flag: Flag) -> str:
    """Return what a flag takes, to follow "must be"."""
    if flag.pattern:
        return flag.metavar
    if flag.type is bool:
        return " or ".join(("true, false" if flag.choices else "true or false", *map(quoted, flag.choices)))
    if flag.choices:
        return f"one of {', '.join(flag.choices)}"
    if flag.type is str:
        return "some text"
    kind = "a whole number" if flag.type is int else "a number"
    low, high = map(int, flag.bounds)
    return f"{kind} above {low} and at most {high}" if flag.above else f"{kind} from {low} to {high}"


def checked(flag: Flag, value: object, place: str) -> object:
    """Return a value of the right type, in its usual spelling; `place` names where it was found.

    Raises:
        UsageProblem: it is of another type, out of bounds, not one of the choices, or empty.
    """
    if not flag.repeated:
        return _checked(flag, value, place)
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple):
        raise _refusal(flag, value, place)
    return tuple(_checked(flag, each, place) for each in values)


def from_text(flag: Flag, text: str, place: str) -> object:
    """Return the value that a text (an environment variable) stands for; errors as in `checked`."""
    if flag.repeated:
        return checked(flag, [line for line in text.splitlines() if line], place)
    if flag.type is str:
        return checked(flag, text, place)
    if flag.type is bool:
        word = text.strip().lower()
        if word in flag.choices:
            return word
        if word not in _TRUE + _FALSE:
            words = (*_TRUE, *_FALSE, *flag.choices)
            must = f"{place} must be one of {', '.join(words)}, not {quoted(text)}"
            raise UsageProblem(must + or_meant(text, words))
        return word in _TRUE
    try:
        # Python reads more than people mean: 1_0, and digits of other scripts.
        number = flag.type(text if text.isascii() and "_" not in text else "")
    except ValueError:
        raise _refusal(flag, text, place) from None
    return checked(flag, number, place)


def _checked(flag: Flag, value: object, place: str) -> object:
    if flag.type is float and type(value) is int:
        value = _as_float(value)
    if flag.type is bool and isinstance(value, str) and value in flag.choices:
        return value
    if type(value) is not flag.type:
        raise _refusal(flag, value, place)
    if isinstance(value, str):
        return _checked_text(flag, value, place)
    if isinstance(value, int | float) and flag.type is not bool and not _within(flag, value):
        raise _refusal(flag, value, place)
    return value


def _checked_text(flag: Flag, text: str, place: str) -> str:
    if not text.strip():
        raise UsageProblem(f"{place} must not be empty")
    if flag.path:
        if "\0" in text:
            raise UsageProblem(f"{place} contains a NUL character, which no path can")
        return "-" if flag.name in _WRITTEN and text in _STDOUT else text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{place} is not valid UTF-8") from None
    if flag.pattern and re.fullmatch(flag.pattern, text) is None:
        raise _refusal(flag, text, place)
    if not flag.choices:
        return text
    spelling = SPELLINGS.get(text, text)
    if spelling not in flag.choices:
        raise _refusal(flag, text, place)
    return spelling


def _within(flag: Flag, number: float) -> bool:
    low, high = flag.bounds
    # NaN compares as false with everything, and infinity is above each upper bound.
    return low <= number <= high and not (flag.above and number == low)


def _refusal(flag: Flag, value: object, place: str) -> UsageProblem:
    words = (*flag.choices, *(("true", "false") if flag.type is bool else ()))
    return UsageProblem(f"{place} must be {allowed(flag)}, not {_spelt(value)}{or_meant(value, words)}")


def _as_float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type] # the caller has an int
    except OverflowError:
        return math.inf


def _spelt(value: object) -> str:
    """Return a refused value as it was spelt: booleans as TOML has them, tables and lists by their kind alone."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.15g}" if isinstance(value, float) else _short_integer(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(value) if isinstance(value, str) else f"a {type(value).__name__}"


def _short_integer(value: int) -> str:
    # Python refuses to spell integers of more than 4300 digits.
    return str(value) if value.bit_length() <= 64 else "an enormous number"  # noqa: PLR2004 - what TOML promises
