"""Which values of a flag a server takes: the rules in a dialect's `reads`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.flags import FIELDS
from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.flags.row import Command, Verdict


class Rule(NamedTuple):
    """What becomes of a flag's value. Without `takes`, every value is taken."""

    takes: Callable[[str], bool] | None = None
    otherwise: Verdict = "fails"
    """The verdict on every other value: "fails" (it is certain to be refused) or "unlisted" (sent with a warning)."""
    reason: str | Callable[[str], str] = ""
    """Why, with {title} for the server's name and {value} for the value; or a function of the value."""
    commands: tuple[Command, ...] = ()
    """The commands for which the rule holds; empty: all of them."""


Reads = dict[str, Rule | tuple[Rule, ...]]
"""Flag → the rule for its values, or several rules, the first of which to refuse a value decides."""

ANY = Rule()
EVERYTHING: Mapping[str, Rule] = dict.fromkeys(FIELDS, ANY)
"""For a server that reads every field; one with rules for some has `{**EVERYTHING, "format": …}`."""


def judge(rules: Rule | tuple[Rule, ...], command: Command, value: str, title: str) -> tuple[Verdict, str]:
    """Return what becomes of a value, and the reason ("" where it is taken)."""
    for rule in (rules,) if isinstance(rules, Rule) else rules:
        holds = command in (rule.commands or (command,))
        if holds and rule.takes is not None and not rule.takes(value):
            if isinstance(rule.reason, str):
                return rule.otherwise, rule.reason.format(title=title, value=value)
            return rule.otherwise, rule.reason(value)
    return "listed", ""


def words(rules: Rule | tuple[Rule, ...]) -> Iterator[str]:
    """Yield the values that a flag's rules name."""
    for rule in (rules,) if isinstance(rules, Rule) else rules:
        if isinstance(rule.takes, OneOf):
            yield from rule.takes


# What a rule takes.


class OneOf(tuple[str, ...]):
    """Take these values."""

    __slots__ = ()

    def __call__(self, value: str) -> bool:
        """Whether it is one of them."""
        return value in self


def any_of(*values: str) -> OneOf:
    """Take these values."""
    return OneOf(values)


def no_value(_value: str) -> bool:
    """Take no value."""
    return False


def is_pixels(value: str) -> bool:
    """Take a size of WIDTHxHEIGHT."""
    return parse_size(value) is not None


# What several servers share.

NOT_PIXELS = "{title} takes a size as WIDTHxHEIGHT, not {value}"
ONLY_BASE64 = "{title} sends images as b64_json only, not as {value}"


def makes(*formats: str, otherwise: Verdict) -> Rule:
    """Return the rule of a server that makes these formats."""
    *others, last = formats
    names = f"{', '.join(others)} and {last}" if others else last
    return Rule(any_of(*formats), otherwise, f"{{title}} makes {names}, not {{value}}")
