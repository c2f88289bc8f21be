"""The command line, built from the table of flags: a Typer command for each module in commands/.

A command's module is imported once it is asked for, by its name or by `imagecli --help`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from imagecli import __version__, flags, slips
from imagecli.errors import UsageProblem
from imagecli.flags.arguments import ARGUMENTS
from imagecli.flags.row import COMMANDS, GROUPED
from imagecli.help.page import HELP, VERSION, page_of
from imagecli.options import Typed
from imagecli.text import hide_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.flags.row import Argument, Flag


class _Command(TyperCommand):
    """A command that refuses slips."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - of Typer's own copy of click
        command = _path(ctx)
        args, values = slips.without_values(command, args)
        typed = args[: args.index("--")] if "--" in args else args
        if not {"-h", "--help"} & set(typed):
            slips.check_dashes(self._takers(), typed)
        ctx.allow_extra_args = True  # refused below, with what was probably meant
        rest = super().parse_args(ctx, list(args))
        ctx.params.update(values)
        if rest:
            raise slips.extra_words(command, ctx.params, rest)
        if typed is args:
            slips.check_words(command, ctx.params)
        return rest

    def _takers(self) -> dict[str, str | None]:
        """Return each spelling of a flag, with the flag that takes the value behind it; None for a switch."""
        return {
            spelling: None if param.is_flag else param.opts[-1]
            for param in self.params
            if isinstance(param, TyperOption)
            for spelling in (*param.opts, *param.secondary_opts)
        }


class _Group(TyperGroup):
    """A group whose commands are built when they are asked for."""

    def __init__(self, prefix: str, names: tuple[str, ...], **settings: Any) -> None:  # noqa: ANN401 - Typer's
        super().__init__(rich_markup_mode=None, add_help_option=False, **settings)
        self.commands = dict.fromkeys(names)  # type: ignore[assignment] # built below
        self._prefix = prefix

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - of Typer's own copy of click
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - the same
        if args[0] not in self.commands:
            raise slips.unknown_command(args[0], tuple(self.commands), self._prefix.strip())
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - of Typer's own copy of click
        if cmd_name in self.commands and self.commands[cmd_name] is None:
            self.commands[cmd_name] = build(f"{self._prefix}{cmd_name}")
        return super().get_command(ctx, cmd_name)


def build(command: str) -> TyperCommand | TyperGroup:
    """Return a command, as it is typed: "gen", "config", "config get"."""
    module = import_module("imagecli.commands." + command.replace(" ", ".").replace("-", "_"))
    name = command.rpartition(" ")[2]
    if command in GROUPED:
        names = tuple(each.removeprefix(f"{command} ") for each in GROUPED[command])
        return _Group(f"{command} ", names, name=name, help=page_of(command).summary, params=[_help_option()])
    arguments = [_argument(each) for each in ARGUMENTS if command in each.commands]
    options = [_option(each) for each in flags.flags_of(command)]
    return _Command(
        name,
        callback=_callback(command, module.run),
        params=[*arguments, *options, _help_option()],
        help=page_of(command).summary,
        add_help_option=False,
        rich_markup_mode=None,
    )


def _callback(command: str, run: Callable[..., int]) -> Callable[..., int]:
    """Return what Typer calls with the values that were typed; it returns the exit code."""

    def call(**values: Any) -> int:  # noqa: ANN401 - of the flags' types
        from imagecli.config.validation import checked, from_text
        from imagecli.terminal.render import Renderer

        for flag in flags.flags_of(command):
            # Numbers are read as the environment's are: Python takes more spellings than people mean.
            if flag.type in {int, float} and values[flag.name] is not None:
                values[flag.name] = from_text(flag, values[flag.name], flag.flag)
            elif flag.choices and flag.name not in flags.SETTINGS and values[flag.name] is not None:
                values[flag.name] = checked(flag, values[flag.name], flag.flag)  # the settings check theirs
        typed = Typed({name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
        return run(typed, Renderer.open(command, typed))

    return call


def _option(flag: Flag) -> TyperOption:
    switch = flag.type is bool
    return TyperOption(
        param_decls=[flag.name, *flag.spellings],
        type=None if switch else str,
        is_flag=switch,
        default=flag.built_in
        if not flag.in_environment and flag.built_in
        else False
        if switch and not flag.in_environment
        else None,
        multiple=flag.repeated,
        required=flag.required,
        metavar=flag.metavar or None,
        help=flag.help,
        rich_help_panel=flag.group,
    )


def _argument(argument: Argument) -> TyperArgument:
    return TyperArgument(
        param_decls=[argument.name],
        type=str,
        required=argument.required,
        nargs=-1 if argument.repeated else 1,
        metavar=argument.metavar,
        help=argument.help,
    )


def usage_problem(error: Any, command: str) -> UsageProblem:  # noqa: ANN401 - of Typer's own copy of click
    """Return what Typer found wrong with the command line, in our own words.

    `command` is what the command line names, where Typer does not say.
    """
    command = command if error.ctx is None else _path(error.ctx)
    name = getattr(error, "option_name", None)
    message: str = error.message.rstrip(".")
    if name is not None and message.startswith("No such"):
        return slips.unknown_flag(name, command)
    message = hide_words(error.format_message().rstrip("."), random=True)  # it repeats what was typed
    page = f"See {f'imagecli {command}'.strip()} --help."
    return UsageProblem(message[:1].lower() + message[1:], hint=page)


def _path(ctx: Any) -> str:  # noqa: ANN401 - of Typer's own copy of click
    """Return the command of a context as it is typed: "gen", "config get"; "" for the program itself."""
    return str(ctx.command_path).partition(" ")[2]


def _help_option() -> TyperOption:
    return _answering(_show_help, HELP.short, HELP.name, text=HELP.text)


def _answering(answer: Callable[..., None], *names: str, text: str) -> TyperOption:
    """Return a switch that is answered in place of the command."""
    return TyperOption(
        param_decls=list(names),
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=answer,
        default=False,
        help=text,
    )


def _show_help(ctx: Any, _param: Any, wanted: bool) -> None:  # noqa: ANN401, FBT001 - click's signature
    if wanted and not ctx.resilient_parsing:
        from imagecli.terminal.help_view import show_help
        from imagecli.terminal.render import open_console

        show_help(page_of(_path(ctx)), open_console())
        raise typer.Exit


def _show_version(ctx: Any, _param: Any, wanted: bool) -> None:  # noqa: ANN401, FBT001 - click's signature
    if wanted and not ctx.resilient_parsing:
        typer.echo(f"imagecli {__version__}")
        raise typer.Exit


app = _Group(
    "",
    COMMANDS,
    name="imagecli",
    params=[_answering(_show_version, VERSION.name, text=VERSION.text), _help_option()],
)
