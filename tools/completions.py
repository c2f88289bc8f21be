"""Write completions/ out of the program itself: its commands and flags, the settings' choices, the catalogue.

    python tools/completions.py           write the files for bash, zsh and fish
    python tools/completions.py --check   exit 1 if they are not what would be written

The shell code that does not depend on the program stands in templates/; here its `@PLACES@` are filled.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import typer.main  # noqa: E402 - the program of this checkout goes before an installed one

from imagecli import catalog  # noqa: E402 - the same
from imagecli.cli import app  # noqa: E402 - the same
from imagecli.config.profiles import BUILT_IN_PROFILES  # noqa: E402 - the same
from imagecli.config.table import FILE_SETTINGS, SETTINGS  # noqa: E402 - the same

TEMPLATES = Path(__file__).resolve().parent / "templates"
TARGET = ROOT / "completions"
MADE = "Written by tools/completions.py: change that, or its templates."
IMAGES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "heic", "avif")
"""The extensions that are offered where a picture is wanted; other files where there are none."""
SHAPES = ("auto", "square", "landscape", "portrait")


@dataclass(frozen=True, slots=True)
class Values:
    """What can be offered for a flag's value or an argument."""

    words: tuple[str, ...] = ()
    names: str = ""
    """The table of the config file whose names are offered too: "models" or "profiles"."""
    files: str = ""
    """ "any", or "images" for folders and pictures before others."""


NOTHING = Values()
PROFILES = Values(BUILT_IN_PROFILES, names="profiles")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command, under all its names, short ones first."""

    names: tuple[str, ...]
    help: str
    metavar: str | None
    """None: it takes no value."""
    values: Values
    repeatable: bool
    opposite: tuple[str, ...]
    """The names that switch it off."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of them; `path` is what is typed after the program's name."""

    path: tuple[str, ...]
    help: str
    flags: tuple[Flag, ...]
    arguments: tuple[tuple[str, Values], ...]
    """Metavar and values, in order."""
    commands: tuple[Command, ...]

    def all(self) -> Iterator[Command]:
        """This one and all below it."""
        yield self
        for command in self.commands:
            yield from command.all()


def read_program() -> Command:
    """Return the program's commands as Typer knows them."""
    root = typer.main.get_command(app)
    return _command(root, root.make_context("imagecli", [], resilient_parsing=True), ())


def _command(command: Any, context: Any, path: tuple[str, ...]) -> Command:  # noqa: ANN401 - of Typer's own click
    shown = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
    below = [
        _command(each, each.make_context(name, [], parent=context, resilient_parsing=True), (*path, name))
        for name, each in getattr(command, "commands", {}).items()
    ]
    return Command(
        path,
        command.get_short_help_str(limit=200).rstrip("."),
        tuple(_flag(each) for each in shown if each.param_type_name == "option"),
        tuple(_argument(each) for each in shown if each.param_type_name == "argument"),
        tuple(below),
    )


def _flag(option: Any) -> Flag:  # noqa: ANN401 - of Typer's own click
    # Typer keeps the names of --help in a set, so their order is not the same in every run.
    names = tuple(sorted(option.opts, key=lambda name: (len(name), name)))
    return Flag(
        names,
        option.help.rstrip("."),
        None if option.is_flag else option.metavar,
        NOTHING if option.is_flag else values_of(names[-1].removeprefix("--").replace("-", "_")),
        option.multiple,
        tuple(option.secondary_opts),
    )


def _argument(argument: Any) -> tuple[str, Values]:  # noqa: ANN401 - of Typer's own click
    metavar = argument.metavar.strip("[]")
    offered = {
        "IMAGE": values_of("image"),
        "KEY": Values(("profile", *(f"defaults.{name}" for name in FILE_SETTINGS))),
        "PROFILE": PROFILES,
        "PROMPT": NOTHING,
        "VALUE": NOTHING,
    }
    return metavar, offered[metavar]


def values_of(name: str) -> Values:
    """Return what can be offered for a setting, or for a flag that is none."""
    setting = SETTINGS.get(name)
    if name == "profile":
        return PROFILES
    if name == "model":
        return Values(tuple(reversed(catalog.names())), names="models")
    if setting and setting.path:
        return Values(files="any" if name == "prompt_file" else "images")
    if setting and setting.choices:
        return Values(setting.choices)
    listed = [value for model in reversed(catalog.names()) for value in catalog.find(model).values.get(name, ())]
    return Values(tuple(dict.fromkeys([*(SHAPES if name == "size" else ()), *listed])))


def fill(template: str, **places: str) -> str:
    """Return the template's text with each @PLACE@ filled."""
    text = (TEMPLATES / template).read_text("utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda place: places[place[1]], text)


def all_flags(program: Command) -> list[Flag]:
    """Return every flag that takes a value once.

    Raises:
        ValueError: one name means different things to different commands; bash and fish look at the name alone.
    """
    known: dict[str, Flag] = {}
    for command in program.all():
        for flag in command.flags:
            for name in (*flag.names, *flag.opposite):
                other = known.setdefault(name, flag)
                if (other.names, other.values, other.metavar is None) != (
                    flag.names,
                    flag.values,
                    flag.metavar is None,
                ):
                    raise ValueError(f"{name} is not the same in every command")
    return [flag for flag in dict.fromkeys(known.values()) if flag.metavar is not None]


def short(flags: Iterable[Flag]) -> str:
    """Return the letters of the short flags."""
    return "".join(name[1] for flag in flags for name in flag.names if len(name) == 2)  # noqa: PLR2004 - as in -o


# bash


def bash(program: Command) -> str:
    """Return the file for bash."""
    flags = all_flags(program)
    by_call: dict[str, list[str]] = {}
    for flag in flags:
        by_call.setdefault(_bash_call(flag.values), []).extend(flag.names)
    arguments: dict[str, list[str]] = {}
    for command in program.all():
        for number, (_, values) in enumerate(command.arguments):
            arguments.setdefault(_bash_call(values), []).append(_sh(" ".join((*command.path, str(number)))))
        if command.commands:
            names = Values(tuple(each.path[-1] for each in command.commands))
            arguments.setdefault(_bash_call(names), []).append(_sh(" ".join((*command.path, "0"))))
    of_commands: dict[str, list[str]] = {}
    for command in program.all():
        names = [name for flag in command.flags for name in (*flag.names, *flag.opposite)]
        of_commands.setdefault(_bash_call(Values(tuple(names))), []).append(_sh(" ".join(command.path)))
    return fill(
        "imagecli.bash",
        MADE=MADE,
        NAMES=_names_in_file(),
        IMAGES=" | ".join(f"*.{each}" for each in IMAGES),
        WITH_VALUE=" ".join(name for flag in flags for name in flag.names),
        COMMANDS="/".join(["", *(" ".join(command.path) for command in program.all() if command.path), ""]),
        VALUES=_bash_arms(by_call),
        ARGUMENTS=_bash_arms(arguments),
        FLAGS=_bash_arms(of_commands),
    )


def _bash_call(values: Values) -> str:
    if values.files:
        return "_imagecli_images" if values.files == "images" else "_imagecli_files"
    if values.names:
        return " ".join(["_imagecli_words_and_names", values.names, *values.words])
    return " ".join(["_imagecli_words", *values.words]) if values.words else ""


def _bash_arms(calls: dict[str, list[str]]) -> str:
    return "\n".join(f"        {' | '.join(patterns)}) {call} ;;" for call, patterns in calls.items() if call)


# zsh


def zsh(program: Command) -> str:
    """Return the file for zsh."""
    return fill(
        "_imagecli",
        MADE=MADE,
        NAMES=_names_in_file(),
        IMAGES="|".join(IMAGES),
        FUNCTIONS="\n".join(map(_zsh_function, program.all())),
    )


def _zsh_function(command: Command) -> str:
    specs = [spec for flag in command.flags for spec in _zsh_flag(flag)]
    specs += [
        _sh(f"{number}::{metavar}:{_zsh_action(metavar, values)}")
        for number, (metavar, values) in enumerate(command.arguments, 1)
    ]
    name = "_".join(("_imagecli", *command.path))
    if not command.commands:
        lines = " \\\n        ".join(["_arguments -s -S", *specs])
        return f"{name}() {{\n    {lines}\n}}\n"
    lines = " \\\n        ".join(["_arguments -C -s -S", *specs, "'1: :->command'", "'*:: :->arguments'"])
    below = "\n".join(
        "        " + _sh(each.path[-1] + ":" + each.help.replace(":", "\\:")) for each in command.commands
    )
    return f"""{name}() {{
    local curcontext=$curcontext state ret=1
    local -a line names
    names=(
{below}
    )
    {lines} && ret=0
    case $state in
        command) _describe -t commands command names && ret=0 ;;
        arguments)
            curcontext=${{curcontext%:*}}-$line[1]:
            _call_function ret {name}_$line[1]
            ;;
    esac
    return ret
}}
"""


def _zsh_flag(flag: Flag) -> Iterator[str]:
    together = (*flag.names, *flag.opposite)
    for name in together:
        text = f"Not {flag.names[-1]}" if name in flag.opposite else flag.help
        before = "*" if flag.repeatable else f"({' '.join(together)})" if len(together) > 1 else ""
        spec = f"{before}{name}"
        if flag.metavar is not None:
            spec += "=" if name.startswith("--") else "+"
        spec += f"[{_zsh_text(text)}]"
        if flag.metavar is not None:
            spec += f":{flag.metavar}:{_zsh_action(flag.metavar, flag.values)}"
        yield _sh(spec)


def _zsh_action(metavar: str, values: Values) -> str:
    if values.files:
        return "_imagecli_images" if values.files == "images" else "_files"
    # The blank keeps _arguments from putting words of its own before these.
    if values.names:
        return " ".join(["", "_imagecli_words_and_names", metavar, values.names, *values.words])
    return " ".join(["", "_imagecli_words", metavar, *values.words])


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


# fish


def fish(program: Command) -> str:
    """Return the file for fish."""
    flags = all_flags(program)
    return fill(
        "imagecli.fish",
        MADE=MADE,
        AWK=_fish(_awk()),
        IMAGES="|".join(IMAGES),
        LETTERS=short(flags),
        LONG=" ".join(name for flag in flags for name in flag.names if name.startswith("--")),
        COMPLETIONS="\n".join(line for command in program.all() for line in _fish_command(command)),
    )


def _fish_command(command: Command) -> Iterator[str]:
    yield f"\n# {' '.join(('imagecli', *command.path))}"
    start = "complete -c imagecli -n"
    for each in command.commands:
        yield f"{start} {_fish(_fish_at(command, 0))} -a {each.path[-1]} -d {_fish(each.help)}"
    for number, (_, values) in enumerate(command.arguments):
        if values != NOTHING:
            yield f"{start} {_fish(_fish_at(command, number))}{_fish_values(values)}"
    here = _fish_at(command, 0) if command.commands else " ".join(("__imagecli_in", *command.path))
    for flag in command.flags:
        names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in flag.names)
        takes = "" if flag.metavar is None else _fish_values(flag.values)
        yield f"{start} {_fish(here)}{names}{takes} -d {_fish(flag.help)}"
        for name in flag.opposite:
            yield f"{start} {_fish(here)} -l {name[2:]} -d {_fish(f'Not {flag.names[-1]}')}"


def _fish_at(command: Command, number: int) -> str:
    return " ".join(("__imagecli_at", str(number), *command.path))


def _fish_values(values: Values) -> str:
    if values.files:
        return " -x -a '(__imagecli_images)'" if values.files == "images" else " -r -F"
    if values.names:
        return " -x -k -a " + _fish(" ".join(["(__imagecli_words_and_names", values.names, *values.words]) + ")")
    return " -x" + (f" -k -a {_fish(' '.join(values.words))}" if values.words else "")


# quoting


def _awk() -> str:
    return (TEMPLATES / "names.awk").read_text("utf-8")


def _names_in_file() -> str:
    return fill("names.sh", AWK=_awk())


def _sh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


FILES = {"imagecli.bash": bash, "_imagecli": zsh, "imagecli.fish": fish}


def main(arguments: list[str]) -> int:
    """Write the files, or check them; return the exit code."""
    program = read_program()
    stale = []
    for name, write in FILES.items():
        path, text = TARGET / name, write(program)
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    if stale and "--check" in arguments:
        print(f"not what the program makes: {', '.join(stale)}; run python tools/completions.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
