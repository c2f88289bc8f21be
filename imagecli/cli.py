"""The Typer app: which commands there are. Errors and exit codes are `main()`'s."""

from __future__ import annotations

from typing import Annotated

import typer

from imagecli import __version__
from imagecli.commands.config import app as config
from imagecli.commands.edit import edit
from imagecli.commands.gen import gen
from imagecli.commands.models import models
from imagecli.commands.prepare import prepare
from imagecli.commands.serve import serve
from imagecli.commands.vary import vary

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's signature of a callback
    if wanted:
        typer.echo(f"imagecli {__version__}")
        raise typer.Exit


@app.callback()
def imagecli(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make and change pictures, with any server that speaks the OpenAI Images API.

    \b
    Examples:
      imagecli gen "a red fox in the snow" --profile sandbox
      imagecli edit photo.jpg "the same place in winter" -o winter.png
      imagecli vary photo.jpg -n 4 -o looks/
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped


for command in (gen, edit, vary, prepare, models, serve):
    app.command()(command)
app.add_typer(config, name="config")
