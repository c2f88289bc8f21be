"""A page of the help on stdout: drawn by rich in a terminal, the same lines as plain text anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.help.layout import lines_of, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.help.layout import Line
    from imagecli.help.page import Page
    from imagecli.terminal.console import Console

_STYLES = {
    "title": "bold green",
    "name": "bold cyan",
    "value": "cyan",
    "note": "dim",
    "example": "yellow",
}
_ASCII = str.maketrans({"…": "...", "→": "->"})
"""What a terminal without Unicode shows in the place of what our texts contain; ? stands for the rest."""


def show_help(page: Page, console: Console) -> None:
    """Write a page to stdout.

    Raises:
        Failure: stdout can't be written.
    """
    lines = list(lines_of(page, console.stdout_columns()))
    if not console.stdout_is_unicode:
        lines = [tuple(span._replace(text=ascii_text(span.text)) for span in line) for line in lines]
    drawn = console.stdout_is_terminal and not console.dumb
    console.out(_styled(lines, console) if drawn else plain(lines))


def ascii_text(text: str) -> str:
    """Return a text for a terminal that has nothing but ASCII."""
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def _styled(lines: Iterable[Line], console: Console) -> str:
    from io import StringIO

    from rich.console import Console as RichConsole
    from rich.text import Text

    drawn = StringIO()
    rich = RichConsole(file=drawn, force_terminal=True, legacy_windows=False, _environ=console.environ)
    for line in lines:
        text = Text(end="\n")
        for span in line:
            text.append(span.text, _STYLES.get(span.role, ""))
        text.rstrip()
        rich.print(text, soft_wrap=True)
    return drawn.getvalue().removesuffix("\n")
