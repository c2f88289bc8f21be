"""The table of flags: one row a flag, and everything that is derived from a row.

    row ─┬─ the parameters that Typer parses            cli.py
         ├─ the settings of the environment and the file  config/settings.py
         ├─ the typed options, and ImageClient's          options.py, written by tools/options.py
         └─ --help, the docs and the completions          tools/

The rows stand in `making.py`, `batch.py` and `others.py`; what a row says, in `row.py`.
A new flag that becomes a field is one row in `making.py`, and a word in the dialects that read it: see CONTRIBUTING.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from imagecli.flags import batch, making, others
from imagecli.flags.row import BATCHED, INPUT, MADE, MAKING, Flag

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_ONE_IMAGE = frozenset(
    {
        *("output", "skip_existing", "like", "image", "mask", "markup", "mask_preview", "prompt_file", "preview"),
        *("dry_run", "json"),
    }
)
"""Flags of gen, edit and vary that say what one image is, or what is shown of it; a batch has rows of its own."""


_NOT_REMADE = frozenset({"image", "mask", "markup", "mask_preview", "prompt_file", "max_pixels"})
"""Flags that say nothing of the image, or name an input, which is told apart by its content."""
_OUTPUT_SIZES = frozenset({"resize", "also"})

_NOT_SUBMITTED = frozenset({"jobs", "partials", "save_partials", "cache", "cache_only", "grid"})
"""Flags of requests that are sent one by one."""


def _complete(row: Flag) -> Flag:
    """Return a row with its spelling, and with the commands that read a job file where it says how a job is done."""
    says_how = not {*MAKING}.isdisjoint(row.commands) and row.name not in _OF_ONE_IMAGE
    spelling = row.flag or "--" + row.name.replace("_", "-")
    reading = BATCHED[:1] if row.name in _NOT_SUBMITTED else BATCHED
    return row._replace(flag=spelling, commands=(*row.commands, *(reading if says_how else ())))


FLAGS = tuple(map(_complete, (*batch.ROWS, *making.ROWS, *others.ROWS)))
"""Every flag of every command."""

SETTINGS: dict[str, Flag] = {}
"""The flags that the environment or the config file may set, by name, in the table's order."""
for _flag in FLAGS:
    if _flag.in_environment or _flag.in_file:
        SETTINGS.setdefault(_flag.name, _flag)

VARIABLES: dict[str, str] = {name: flag.variable for name, flag in SETTINGS.items() if flag.in_environment}
"""Setting → environment variable."""

FILE_SETTINGS: tuple[str, ...] = tuple(name for name, flag in SETTINGS.items() if flag.in_file)
"""What may stand in [defaults] and [profiles.NAME.defaults]."""

FIELDS: dict[str, str] = {flag.name: flag.field for flag in FLAGS if flag.field}
"""Flag → field of the request, as OpenAI calls it."""

REMADE: frozenset[str] = frozenset(
    name
    for name, flag in SETTINGS.items()
    if (flag.field or flag.group in {MADE, INPUT} or name in _OUTPUT_SIZES) and name not in _NOT_REMADE
)
"""Flags that say how an image is made, so that one like it is made with the same."""

FLAG_ONLY_FIELDS: frozenset[str] = frozenset(flag.field for flag in FLAGS if flag.field and not flag.shared)
"""Fields that only their flags set, so that --param must not."""


@cache
def flags_of(command: str) -> tuple[Flag, ...]:
    """Return the flags of a command, as it is typed: "gen", "config get"."""
    return tuple(flag for flag in FLAGS if command in flag.commands)


def long_spellings(flags: Iterable[Flag]) -> dict[str, Flag]:
    """Return the long spellings of flags (--preview, --no-preview), each with its flag."""
    return {spelling: flag for flag in flags for spelling in flag.spellings[-1].split("/")}
