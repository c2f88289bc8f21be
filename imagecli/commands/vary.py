"""`imagecli vary`: image → look-alikes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from imagecli.options import shared


@shared(pictures=True)
def vary(
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="The picture to vary; - reads it from stdin.")
    ] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Make look-alikes of a picture.

    \b
    Examples:
      imagecli vary photo.jpg --profile sandbox
      imagecli vary photo.jpg -n 4 -o "looks/{slug}-{n}.{ext}"
      imagecli vary photo.jpg -m dall-e-2 --base-url http://127.0.0.1:8765/v1 --fit pad
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands.making import make

    make("vary", flags, image=image)
