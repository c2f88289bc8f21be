"""Which functions of the package a run enters, in order, and which of them are handed a value."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_PACKAGE = str(ROOT / "imagecli")
_DEPTH = 6
"""How deep in an argument a value is looked for: settings → options → value → text."""


class Call(NamedTuple):
    """One call of a function of the package."""

    path: str
    """Below the project, such as "imagecli/cli.py"."""
    name: str
    """With its class: "Client.post"."""
    holds: bool
    """Whether an argument holds the value that is looked for."""


@contextmanager
def traced(value: str) -> Iterator[list[Call]]:
    """Collect the calls of the package's functions, in every thread that is started from here on too."""
    calls: list[Call] = []

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(_PACKAGE):
            return
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        arguments = [frame.f_locals.get(name) for name in code.co_varnames[:count]]
        path = code.co_filename[len(str(ROOT)) + 1 :]
        calls.append(Call(path, code.co_qualname, any(_holds(each, value, _DEPTH) for each in arguments)))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _holds(value: object, wanted: str, depth: int) -> bool:
    if isinstance(value, str):
        return value == wanted
    if depth == 0:
        return False
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, (tuple, list)):
        inner = list(value)
    elif type(value).__module__.startswith("imagecli"):
        inner = list(getattr(value, "__dict__", {}).values())
    else:
        return False
    return any(_holds(each, wanted, depth - 1) for each in inner)
