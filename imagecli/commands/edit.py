"""`imagecli edit`: images + prompt (+ mask) → images."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from imagecli.options import shared


@shared(pictures=True)
def edit(  # noqa: PLR0913 - what a user can say
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="The picture to edit; - reads it from stdin.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="What the whole new picture shows; - reads it from stdin.")
    ] = None,
    prompt_file: Annotated[
        str | None,
        typer.Option("-f", "--prompt-file", metavar="FILE", help="Read the prompt from a file, or - for stdin."),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("-i", "--image", metavar="FILE", help="One more input picture; repeatable.")
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(
            "--mask", metavar="FILE", help="Where to edit: transparent, or white in a mask without transparency."
        ),
    ] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Edit a picture, everywhere or where a mask opens it.

    \b
    Examples:
      imagecli edit photo.jpg "the same room at night" -o night.png
      imagecli edit lounge.png "a flamingo in the pool" --mask mask.png -m dall-e-2
      curl -s https://example.com/cat.jpg | imagecli edit - "a hat on the cat" -o - > hat.png
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands.making import make  # noqa: PLC0415 - --help needs none of it

    make("edit", flags, image=image, prompt=prompt, prompt_file=prompt_file, more=more or (), mask=mask)
