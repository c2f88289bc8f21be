"""`imagecli help`: the page of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Show the help of a command, as its --help does.

    Examples:
      imagecli help gen
      imagecli help batch run
      man imagecli-edit
    """
    from imagecli.errors import ExitCode
    from imagecli.help.page import page_of
    from imagecli.slips import known_command
    from imagecli.terminal.help_view import show_help

    show_help(page_of(known_command(typed.topic)), renderer.console)
    return ExitCode.OK
