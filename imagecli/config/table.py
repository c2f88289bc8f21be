"""The table of settings: every value flag of gen, edit and vary, what it takes, and where it may stand."""

from __future__ import annotations

import math
from typing import NamedTuple

from imagecli.errors import UsageProblem
from imagecli.text import quoted

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


class Setting(NamedTuple):
    """One setting: `name` in the file, `--name` as a flag, `IMAGECLI_NAME` in the environment."""

    name: str
    type: type[str | int | float | bool] = str
    minimum: float = 0
    """Of a number, and so `maximum`."""
    maximum: float = 0
    above_minimum: bool = False
    """Whether the minimum itself is too little."""
    choices: tuple[str, ...] = ()
    """All values there are; empty where the server decides."""
    in_file: bool = True
    """Whether it may stand in [defaults] and [profiles.NAME.defaults]."""
    path: bool = False
    """A path of this machine: any bytes, and in the file a leading ~ is the home folder."""
    repeated: bool = False
    """A flag that may be given several times: a tuple; in the environment one value a line."""
    built_in: object = None

    @property
    def flag(self) -> str:
        """The long flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "IMAGECLI_" + self.name.upper()

    @property
    def allowed(self) -> str:
        """What it takes, to follow "must be"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.type is bool:
            return "true or false"
        if self.type is str:
            return "some text"
        kind = "a whole number" if self.type is int else "a number"
        if self.above_minimum:
            return f"{kind} above {self.minimum:.0f} and at most {self.maximum:.0f}"
        return f"{kind} from {self.minimum:.0f} to {self.maximum:.0f}"

    def check(self, value: object, place: str) -> object:
        """Return a value of the right type, in its usual spelling; `place` names where it was found.

        Raises:
            UsageProblem: it is of another type, out of bounds, none of the choices, or empty.

        """
        if self.repeated:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list | tuple):
                raise self._refusal(value, place)
            return tuple(self._check_one(each, place) for each in values)
        return self._check_one(value, place)

    def from_text(self, text: str, place: str) -> object:
        """Return the value that a text (an environment variable) stands for; errors as in `check`."""
        if self.repeated:
            return self.check([line for line in text.splitlines() if line], place)
        if self.type is str:
            return self.check(text, place)
        if self.type is bool:
            word = text.strip().lower()
            if word not in _TRUE + _FALSE:
                raise UsageProblem(f"{place} must be one of {', '.join(_TRUE + _FALSE)}, not {quoted(text)}")
            return word in _TRUE
        try:
            # Python reads more than people mean: 1_0, and digits of other scripts.
            number = self.type(text if text.isascii() and "_" not in text else "")
        except ValueError:
            raise self._refusal(text, place) from None
        return self.check(number, place)

    def _check_one(self, value: object, place: str) -> object:
        if self.type is float and type(value) is int:
            value = _as_float(value)
        if type(value) is not self.type:
            raise self._refusal(value, place)
        if isinstance(value, str):
            return self._check_text(value, place)
        if isinstance(value, int | float) and self.type is not bool and not self._within(value):
            raise self._refusal(value, place)
        return value

    def _check_text(self, text: str, place: str) -> str:
        if not text.strip():
            raise UsageProblem(f"{place} must not be empty")
        if self.path:
            if "\0" in text:
                raise UsageProblem(f"{place} holds a NUL character, which no path can")
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageProblem(f"{place} is not valid UTF-8") from None
        if not self.choices:
            return text
        spelling = _SPELLINGS.get(text, text)
        if spelling not in self.choices:
            raise self._refusal(text, place)
        return spelling

    def _within(self, number: float) -> bool:
        # NaN compares as false with everything, and infinity is above each maximum.
        return self.minimum <= number <= self.maximum and not (self.above_minimum and number == self.minimum)

    def _refusal(self, value: object, place: str) -> UsageProblem:
        return UsageProblem(f"{place} must be {self.allowed}, not {_spelt(value)}")


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
        return f"{value:g}" if isinstance(value, float) else _short_integer(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(value)


def _short_integer(value: int) -> str:
    # Python refuses to spell integers of more than 4300 digits.
    return str(value) if value.bit_length() <= 64 else "an enormous number"  # noqa: PLR2004 - what TOML promises


_SPELLINGS = {"jpg": "jpeg"}
"""Other spellings of a choice."""

_TABLE = (
    Setting("output", path=True),
    Setting("model"),
    Setting("count", int, 1, 10),
    Setting("size"),
    Setting("quality"),
    Setting("format", choices=("png", "jpeg", "webp", "gif", "svg")),
    Setting("compression", int, 0, 100),
    Setting("background"),
    Setting("moderation"),
    Setting("style"),
    Setting("input_fidelity"),
    Setting("response_format", choices=("url", "b64_json")),
    Setting("partials", int, 1, 3),
    Setting("save_partials", bool),
    Setting("frames", int, 2, 64),
    Setting("frame_ms", int, 10, 60_000),
    Setting("complexity"),
    Setting("safety_identifier"),
    Setting("param", in_file=False, repeated=True),
    Setting("verbatim", bool, built_in=False),
    Setting("image", in_file=False, path=True, repeated=True),
    Setting("mask", in_file=False, path=True),
    Setting("markup", in_file=False, path=True),
    Setting("mask_rect", in_file=False, repeated=True),
    Setting("mask_ellipse", in_file=False, repeated=True),
    Setting("mask_color", in_file=False, repeated=True),
    Setting("mask_invert", bool, in_file=False),
    Setting("mask_feather", int, 0, 1000, in_file=False),
    Setting("mask_preview", in_file=False, path=True),
    Setting("expand", in_file=False, repeated=True),
    Setting("prompt_file", in_file=False, path=True),
    Setting("fit", choices=("pad", "crop", "stretch")),
    Setting("restore", choices=("none", "aspect", "size")),
    Setting("keep", bool),
    Setting("keep_metadata", bool),
    Setting("max_pixels", int, 1, 10_000_000_000),
    # [profiles.NAME] says where it is; [defaults] would say it for every profile.
    Setting("profile", in_file=False, built_in="openai"),
    Setting("base_url", in_file=False),
    Setting("jobs", int, 1, 64, built_in=4),
    # Beyond 24 days the socket's own clock overflows.
    Setting("timeout", float, 0, 1_000_000, above_minimum=True, built_in=600.0),
    Setting("retries", int, 0, 1000, built_in=2),
    Setting("retry_unknown", bool, built_in=False),
    Setting("preview", bool, built_in=False),
)

SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _TABLE}
"""Every setting by its name, in the order of the contract's table of flags."""

FILE_SETTINGS: tuple[str, ...] = tuple(setting.name for setting in _TABLE if setting.in_file)
"""What may stand in [defaults] and [profiles.NAME.defaults]."""
