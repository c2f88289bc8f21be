"""Asking for a secret: typed without echo, or one line of standard input where that is not a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from imagecli.terminal.console import Console

_MOST_LINE_BYTES = 65_536
_PIPE_IT = "pass show images | imagecli config set-key"


def ask_secret(console: Console, question: str) -> str:
    """Return what was typed or piped in.

    Raises:
        UsageProblem: it is empty, or the terminal can't be asked.
    """
    if console.stdin_is_terminal:
        text = _ask_without_echo(question) if console.interactive else None
    else:
        text = sys.stdin.buffer.readline(_MOST_LINE_BYTES).decode("utf-8", "replace") if sys.stdin else ""
    if text is None:
        raise UsageProblem(
            "the key can't be asked for: standard error is not a terminal", hint=f"Pipe it in: {_PIPE_IT}"
        )
    if not text.strip():
        raise UsageProblem("no key was given", hint=f"Type it, or pipe it in: {_PIPE_IT}")
    return text


def _ask_without_echo(question: str) -> str:
    import getpass
    import warnings

    with warnings.catch_warnings():
        # getpass would go on with echo.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question)
        except EOFError:
            return ""
        except getpass.GetPassWarning:
            raise UsageProblem("this terminal shows what is typed", hint=f"Pipe the key in: {_PIPE_IT}") from None
