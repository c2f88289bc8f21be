"""A command's page, gathered from its docstring and the table of flags."""

from __future__ import annotations

from importlib import import_module
from inspect import cleandoc
from typing import TYPE_CHECKING, NamedTuple

from imagecli.flags import flags_of
from imagecli.flags.arguments import ARGUMENTS
from imagecli.flags.row import COMMANDS, GROUPED, GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.flags.row import Flag

PROGRAM = "imagecli"
_EXAMPLES = "Examples:\n"
_FLAGS = "Flags"
"""The group of those that every command has."""


class Row(NamedTuple):
    """A flag, an argument or a command, and what it does."""

    name: str
    text: str
    short: str = ""
    """Of a flag: "-o", "" where it has none; "" of all else."""
    value: str = ""
    """What stands for a flag's value."""
    elsewhere: tuple[str, ...] = ()
    """The environment variable and the key of the config file that may set it, too."""

    @property
    def is_flag(self) -> bool:
        """Whether it is one; flags stand below each other, behind their short forms."""
        return self.name.startswith("-")


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


class Page(NamedTuple):
    """All that is said about one command, or about the program."""

    command: str
    """As it is typed: "gen", "batch run"; "" for the program."""
    summary: str
    """One sentence."""
    usage: str
    examples: tuple[str, ...]
    """Command lines, to be pasted."""
    text: tuple[str, ...]
    """Paragraphs."""
    sections: tuple[Section, ...]

    @property
    def name(self) -> str:
        """The command with the program before it."""
        return f"{PROGRAM} {self.command}".strip()


HELP = Row("--help", "Show this page.", short="-h")
VERSION = Row("--version", "Print the version.")


def page_of(command: str) -> Page:
    """Return the page of a command, as it is typed: "gen", "batch run"; "" for the program."""
    summary, examples, text = _read(_docstring(command))
    return Page(command, summary, _usage(command), examples, text, tuple(_sections(command)))


def below(command: str) -> tuple[str, ...]:
    """Return the commands of a group, each in full; of the program for ""; none of a command."""
    return GROUPED.get(command, ()) if command else COMMANDS


def every_command() -> Iterator[str]:
    """Yield the program (""), and each command and group below it, in the order of the help."""
    yield ""
    for command in below(""):
        yield command
        yield from below(command)


def _docstring(command: str) -> str:
    module = import_module(".".join(["imagecli.commands", *command.replace("-", "_").split()]))
    return cleandoc((module if below(command) else module.run).__doc__ or "")


def _read(docstring: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the first sentence, the examples, and what is left."""
    first, *others = docstring.split("\n\n")
    examples = next((each for each in others if each.startswith(_EXAMPLES)), "")
    lines = tuple(line.strip() for line in examples.splitlines()[1:])
    return " ".join(first.split()), lines, tuple(each for each in others if each is not examples)


def _usage(command: str) -> str:
    if below(command):
        return f"{PROGRAM} {command} COMMAND …".replace("  ", " ")
    arguments = [each.metavar for each in ARGUMENTS if command in each.commands]
    needed = [f"{flag.short or flag.flag} {flag.metavar}" for flag in flags_of(command) if flag.required]
    return " ".join((PROGRAM, command, *arguments, *needed, "[FLAGS]"))


def _sections(command: str) -> Iterator[Section]:
    if commands := below(command):
        names = (Row(each.removeprefix(command).strip(), _read(_docstring(each))[0]) for each in commands)
        yield Section("Commands", tuple(names))
        yield Section(_FLAGS, (HELP,) if command else (VERSION, HELP))
        return
    if arguments := tuple(Row(each.metavar, each.help) for each in ARGUMENTS if command in each.commands):
        yield Section("Arguments", arguments)
    groups = {group: tuple(_row(flag) for flag in flags_of(command) if flag.group == group) for group in GROUPS}
    if not any(groups.values()):
        groups = {_FLAGS: ()}
    *_, last = groups
    groups[last] += (HELP,)
    yield from (Section(group, rows) for group, rows in groups.items() if rows)


def _row(flag: Flag) -> Row:
    on, _, off = flag.spellings[-1].partition("/")
    return Row(on.replace("--", "--[no-]", 1) if off else on, flag.help, flag.short, flag.metavar, flag.elsewhere)
