"""`imagecli gen`: text → images."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from imagecli.options import shared


@shared(pictures=False)
def gen(
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="What to show; - reads it from stdin.")] = None,
    prompt_file: Annotated[
        str | None,
        typer.Option("-f", "--prompt-file", metavar="FILE", help="Read the prompt from a file, or - for stdin."),
    ] = None,
    verbatim: Annotated[
        bool | None,
        typer.Option("--verbatim/--no-verbatim", help="Ask dall-e-3 in the guide's words not to rewrite the prompt."),
    ] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Make images from text.

    \b
    Examples:
      imagecli gen "a red fox in the snow" --profile sandbox
      imagecli gen "a red fox in the snow" -o fox.png -s landscape -q high
      while read -r line; do imagecli gen -o "out/{slug}-{hash}.{ext}" --skip-existing -- "$line"; done < prompts.txt
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands.making import make

    make("gen", flags, prompt=prompt, prompt_file=prompt_file, verbatim=verbatim)
