"""Settings with a notation of their own, checked where they are stored, as a run would check them later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.plan.sizes import read_size
from imagecli.saving.names import names_for

if TYPE_CHECKING:
    from collections.abc import Callable


def check_notation(name: str, text: str, place: str) -> None:
    """Check a setting that may stand in the config file; what a server decides on is not.

    Args:
        name: the flag's.
        text: its value.
        place: where it was found, for the error.

    Raises:
        UsageProblem: a run could not use it.
    """
    if name in NOTATIONS:
        NOTATIONS[name](place, text)


def _check_size(place: str, text: str) -> None:
    read_size(place, text.lower())


def _check_output(_place: str, text: str) -> None:
    if text != "-":
        names_for(text, "image", "model")


NOTATIONS: dict[str, Callable[[str, str], None]] = {"resize": _check_size, "output": _check_output}
