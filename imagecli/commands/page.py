"""What a command that makes no pictures says: its result on stdout and the rest on stderr, or one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from imagecli import context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagecli.errors import ImagecliError


class Page:
    """Collects the warnings of one command and shows its result."""

    def __init__(self, command: str, *, as_json: bool, verbose: bool = False, quiet: bool = False) -> None:
        """Take the command as the JSON document spells it: "config get"."""
        self.console = context.open_console(verbose=verbose, quiet=quiet)
        self._command = command
        self._as_json = as_json
        self._warnings: list[str] = []

    def warn(self, message: str) -> None:
        """Say what the user should know although all went well."""
        self._warnings.append(message)
        self.console.warn(message)

    def note(self, message: str) -> None:
        """Say what was done, to somebody who looks on."""
        self.console.note(message)

    def show(self, text: str | None, error: ImagecliError | None = None, **fields: object) -> None:
        """Print the result: `text`, if there is any, or the fields.

        Args:
            text: for people.
            error: what went wrong on the way to it; it ends the run with its exit code.
            fields: for the JSON document.

        Raises:
            typer.Exit: there was an error.
        """
        if self._as_json:
            head = {"schema": 1, "command": self._command, "ok": error is None}
            tail = {"warnings": self._warnings, "error": None if error is None else error.as_dict()}
            self.console.out(json.dumps(head | fields | tail, default=str))
        elif text is not None:
            self.console.out(text)
        if error is not None:
            from imagecli.terminal import render as report

            report.show_error(self.console, error)
            raise typer.Exit(int(error.exit_code))


def aligned(rows: Iterable[tuple[str, ...]]) -> str:
    """Return the rows as lines whose cells stand below each other; the last is as long as it is."""
    from imagecli.text import shown

    cells = [tuple(map(shown, row)) for row in rows]
    # A cell with nothing behind it does not push others to the right.
    widths = [
        max((len(row[n]) for row in cells if any(row[n + 1 :])), default=0)
        for n in range(max((len(row) for row in cells), default=1) - 1)
    ]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=False)).rstrip() for row in cells
    )
