"""Write completions/ out of the program itself: its commands and flags, the settings' choices, the catalogue.

    python tools/completions.py           write the files for bash, zsh and fish
    python tools/completions.py --check   exit 1 if they are not what would be written

The shell code that does not depend on the program stands in templates/; here its `@PLACES@` are filled.
"""

# ruff: noqa: E402 - the path comes before the imports

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the program of this checkout, not one that is installed

from imagecli import dialects
from imagecli.cli import app
from imagecli.config.profiles import BUILT_IN_PROFILES
from imagecli.flags import FILE_SETTINGS, FLAGS, SETTINGS
from imagecli.models import catalog
from imagecli.schema import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TEMPLATES = Path(__file__).resolve().parent / "templates"
TARGET = ROOT / "completions"
MADE = "Written by tools/completions.py: change that, or its templates."
IMAGES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "heic", "avif")
"""The extensions that are offered where a picture is wanted; other files where there are none."""
INPUTS = ("image", "mask", "markup", "like")
"""The flags that read one."""


@dataclass(frozen=True, slots=True)
class Values:
    """What can be offered for a flag's value or an argument."""

    words: tuple[str, ...] = ()
    names: str = ""
    """The table of the config file whose names are offered too: "models" or "profiles"."""
    files: str = ""
    """ "any"; "images" for folders and pictures before others; "inputs" for the newest of the ledger too."""
    ids: bool = False
    """Whether the ids of the jobs in the job file are offered."""


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
class Argument:
    """One argument of a command."""

    metavar: str
    values: Values
    repeated: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of them; `path` is what is typed after the program's name."""

    path: tuple[str, ...]
    help: str
    flags: tuple[Flag, ...] = ()
    arguments: tuple[Argument, ...] = ()
    commands: tuple[Command, ...] = ()

    def all(self) -> Iterator[Command]:
        """This one and all below it."""
        yield self
        for command in self.commands:
            yield from command.all()


def read_program() -> Command:
    """Return the program's commands as Typer knows them; below `help` stand the names of all of them once more."""
    program = _command(app, app.make_context("imagecli", [], resilient_parsing=True), ())
    commands = (_with_names(each, program) if each.path == ("help",) else each for each in program.commands)
    return replace(program, commands=tuple(commands))


def _with_names(command: Command, tree: Command) -> Command:
    """Return a command that takes the names of a tree's commands."""
    below = (_with_names(Command((*command.path, each.path[-1]), each.help), each) for each in tree.commands)
    return replace(command, arguments=(), commands=tuple(below))


def _command(command: Any, context: Any, path: tuple[str, ...]) -> Command:  # noqa: ANN401 - of Typer's own click
    shown = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
    names = command.list_commands(context) if hasattr(command, "list_commands") else ()
    below = [
        _command(each, each.make_context(name, [], parent=context, resilient_parsing=True), (*path, name))
        for name in names
        if (each := command.get_command(context, name))
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
        None if option.is_flag else option.metavar or option.name.upper(),
        NOTHING if option.is_flag else values_of(names[-1].removeprefix("--").replace("-", "_")),
        option.multiple,
        tuple(option.secondary_opts),
    )


def _argument(argument: Any) -> Argument:  # noqa: ANN401 - of Typer's own click
    # A new one is a KeyError: somebody has to say what it takes.
    offered = {
        "batch": Values(files="any") if "DIR" in argument.metavar else NOTHING,
        "files": values_of("image"),
        "input": values_of("image"),
        "job_file": Values(files="any"),
        "key": Values(("profile", *(f"defaults.{name}" for name in FILE_SETTINGS))),
        "named_profile": PROFILES,
        "names": values_of("model"),
        "new_profile": NOTHING,
        "prompt": NOTHING,
        "responses": Values(files="any"),
        "schema_name": Values(NAMES),
        "topic": NOTHING,  # commands, as _with_names has them
        "value": NOTHING,
    }
    metavar = argument.metavar.removesuffix("...").strip("[]")
    return Argument(metavar, offered[argument.name], repeated=argument.nargs != 1)


def values_of(name: str) -> Values:
    """Return what can be offered for a setting, or for a flag that is none."""
    setting = SETTINGS.get(name) or next((flag for flag in FLAGS if flag.name == name), None)
    models = Values(tuple(reversed(catalog.names())), names="models")
    special = {"profile": PROFILES, "dialect": Values(dialects.names()), "model": models, "for": models}
    if name in special:
        return special[name]
    if name == "only":
        return Values(ids=True)
    if setting and setting.path:
        return Values(files={"prompt_file": "any"}.get(name, "inputs" if name in INPUTS else "images"))
    if setting and setting.choices:
        return Values(setting.choices)
    listed = [value for model in reversed(catalog.names()) for value in catalog.find(model).values.get(name, ())]
    if name == "size":
        listed = ["auto", *catalog.find(None).shapes, *listed]
    return Values(tuple(dict.fromkeys(listed)))


def fill(template: str, **places: str) -> str:
    """Return the template's text with each @PLACE@ filled."""
    text = (TEMPLATES / template).read_text("utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda place: places[place[1]], text)


def value_flags(program: Command) -> list[Flag]:
    """Return every flag that takes a value with every command that has it, once.

    Raises:
        ValueError: a name means different things to different commands; bash and fish look at the name alone.
    """
    known: dict[str, tuple[object, Flag]] = {}
    mixed = {name for _, name in _mixed(program)}
    for command in program.all():
        for flag in command.flags:
            if not mixed.isdisjoint(flag.names):
                continue
            meaning = (flag.names, flag.metavar is None, flag.values)
            for name in (*flag.names, *flag.opposite):
                if known.setdefault(name, (meaning, flag))[0] != meaning:
                    raise ValueError(f"{name} does not mean the same to every command")
    return list(dict.fromkeys(flag for _, flag in known.values() if flag.metavar is not None))


def _mixed(program: Command) -> list[tuple[str, str]]:
    """Return the commands with a flag that takes a value, free text, with them, and is a switch with others."""
    named = [(command, flag, name) for command in program.all() for flag in command.flags for name in flag.names]
    switches = {name for _, flag, name in named if flag.metavar is None}
    return [
        (" ".join(command.path), name)
        for command, flag, name in named
        if flag.metavar is not None and flag.values == NOTHING and name in switches
    ]


# bash


def bash(program: Command) -> str:
    """Return the file for bash."""
    flags = value_flags(program)
    commands = list(program.all())
    return fill(
        "imagecli.bash",
        MADE=MADE,
        NAMES=_names_in_file(),
        IMAGES=" | ".join(f"*.{each}" for each in IMAGES),
        WITH_VALUE=" ".join(name for flag in flags for name in flag.names),
        MIXED="".join(f"/{command} {name}/" for command, name in _mixed(program)),
        COMMANDS="/".join(["", *(" ".join(command.path) for command in commands[1:]), ""]),
        VALUES=_bash_arms((name, flag.values) for flag in flags for name in flag.names),
        ARGUMENTS=_bash_arms(pair for command in commands for pair in _bash_arguments(command)),
        FLAGS=_bash_arms((_sh(" ".join(command.path)), _flag_names(command)) for command in commands),
    )


def _bash_arguments(command: Command) -> Iterator[tuple[str, Values]]:
    if command.commands:
        yield _sh(" ".join((*command.path, "0"))), Values(tuple(each.path[-1] for each in command.commands))
    for number, argument in enumerate(command.arguments):
        place = _sh(" ".join((*command.path, "" if argument.repeated else str(number))))
        yield place + "*" * argument.repeated, argument.values


def _flag_names(command: Command) -> Values:
    return Values(tuple(name for flag in command.flags for name in (*flag.names, *flag.opposite)))


def _bash_arms(offers: Iterable[tuple[str, Values]]) -> str:
    """Return the arms of a `case`: patterns for which the same is offered share one."""
    arms: dict[Values, list[str]] = {}
    for pattern, values in offers:
        arms.setdefault(values, []).append(pattern)
    return "\n".join(
        f"        {' | '.join(patterns)}) {_bash_call(values)} ;;"
        for values, patterns in arms.items()
        if values != NOTHING
    )


def _bash_call(values: Values) -> str:
    if values.files:
        return f"_imagecli_{values.files}".replace("any", "files")
    if values.ids:
        return "_imagecli_job_ids"
    if values.names:
        return " ".join(["_imagecli_words_and_names", values.names, *values.words])
    return " ".join(["_imagecli_words", *values.words])


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
        _sh(f"{'*' if each.repeated else f'{number}:'}:{each.metavar}:{_zsh_action(each.metavar, each.values)}")
        for number, each in enumerate(command.arguments, 1)
    ]
    name = "_".join(("_imagecli", *command.path))
    if not command.commands:
        lines = " \\\n        ".join(["_arguments -s -S", *specs]) if specs else "return 1"
        return f"{name}() {{\n    {lines}\n}}\n"
    lines = " \\\n        ".join(["_arguments -C -s -S", *specs, "'1: :->command'", "'*:: :->arguments'"])
    below = "\n".join(
        "        " + _sh(each.path[-1] + ":" + each.help.replace(":", "\\:")) for each in command.commands
    )
    return f"""{name}() {{
    local curcontext=$curcontext context state state_descr ret=1
    local -a line names
    local -A opt_args
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
    names = [name + _zsh_separator(name, flag) for name in flag.names]
    together = (*flag.names, *flag.opposite)
    before = "*" if flag.repeatable else f"({' '.join(together)})" if len(together) > 1 else ""
    after = f"[{_zsh_text(flag.help)}]"
    if flag.metavar is not None:
        after += f":{_zsh_text(flag.metavar)}:{_zsh_action(flag.metavar, flag.values)}"
    yield f"{_sh(before)}{{{','.join(names)}}}{_sh(after)}" if len(names) > 1 else _sh(before + names[0] + after)
    for name in flag.opposite:
        yield _sh(f"{before}{name}[Not {flag.names[-1]}]")


def _zsh_separator(name: str, flag: Flag) -> str:
    return "" if flag.metavar is None else "=" if name.startswith("--") else "+"


def _zsh_action(metavar: str, values: Values) -> str:
    if values.files:
        return "_files" if values.files == "any" else f"_imagecli_{values.files}"
    if values.ids:
        return f" _imagecli_job_ids {metavar}"
    # The blank keeps _arguments from putting words of its own before these; alone it offers nothing.
    if values.names:
        return " ".join(["", "_imagecli_words_and_names", metavar, values.names, *values.words])
    return " ".join(["", "_imagecli_words", metavar, *values.words]) if values.words else " "


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


# fish


def fish(program: Command) -> str:
    """Return the file for fish."""
    flags = value_flags(program)
    lines: dict[tuple[str, str], list[str]] = {}
    for command in program.all():
        for place, line in _fish_lines(command):
            lines.setdefault((place, line), []).append(f'"{" ".join(command.path)}"')
    return fill(
        "imagecli.fish",
        MADE=MADE,
        AWK=_fish(_awk("names")),
        IDS=_fish(_awk("ids")),
        IMAGES="|".join(IMAGES),
        LETTERS="".join(name[1] for flag in flags for name in flag.names if not name.startswith("--")),
        LONG=" ".join(name for flag in flags for name in flag.names if name.startswith("--")),
        MIXED=" ".join(f"'{command} {name}'" for command, name in _mixed(program)),
        LINES="\n".join(
            f"complete -c imagecli -n {_fish(' '.join([place, *commands]))} {line}"
            for (place, line), commands in lines.items()
        ),
    )


def _fish_lines(command: Command) -> Iterator[tuple[str, str]]:
    """Return the test for the place that a line is for, to be followed by commands, and the line."""
    depth = len(command.path)
    for each in command.commands:
        yield f"__imagecli_at {depth}", f"-a {each.path[-1]} -d {_fish(each.help)}"
    for number, each in enumerate(command.arguments):
        if each.values != NOTHING:
            yield f"__imagecli_{'from' if each.repeated else 'at'} {depth + number}", _fish_values(each.values)
    here = f"__imagecli_at {depth}" if command.commands else "__imagecli_in"
    for flag in command.flags:
        names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names]
        takes = [] if flag.metavar is None else [_fish_values(flag.values)]
        yield here, " ".join([*names, *takes, "-d", _fish(flag.help)])
        for name in flag.opposite:
            yield here, f"-l {name[2:]} -d {_fish(f'Not {flag.names[-1]}')}"


def _fish_values(values: Values) -> str:
    if values.files:
        return "-r -F" if values.files == "any" else f"-x -a '(__imagecli_{values.files})'"
    if values.ids:
        return "-x -k -a '(__imagecli_ids)'"
    if values.names:
        return "-x -k -a " + _fish(" ".join(["(__imagecli_words_and_names", values.names, *values.words]) + ")")
    return f"-x -k -a {_fish(' '.join(values.words))}" if values.words else "-x"


# quoting


def _awk(name: str) -> str:
    return (TEMPLATES / f"{name}.awk").read_text("utf-8")


def _names_in_file() -> str:
    return fill("names.sh", AWK=_awk("names"), IDS=_awk("ids"))


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
