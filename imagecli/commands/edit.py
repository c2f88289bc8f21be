"""`imagecli edit`: images + prompt (+ mask) → images."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from imagecli.options import shared


@shared(pictures=True)
def edit(  # noqa: PLR0913, PLR0917 - what a user can say
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
    markup: Annotated[
        str | None,
        typer.Option("--markup", metavar="FILE", help="Marks drawn over the picture that say what to change."),
    ] = None,
    mask_rect: Annotated[
        list[str] | None,
        typer.Option("--mask-rect", metavar="X,Y,W,H", help="Edit in here: pixels or % of the picture; repeatable."),
    ] = None,
    mask_ellipse: Annotated[
        list[str] | None,
        typer.Option("--mask-ellipse", metavar="X,Y,W,H", help="The same, in the ellipse; -X, -Y: from right, bottom."),
    ] = None,
    mask_color: Annotated[
        list[str] | None,
        typer.Option("--mask-color", metavar="COLOR[:TOL]", help="Edit where it has this colour; repeatable [:32]."),
    ] = None,
    mask_invert: Annotated[
        bool | None, typer.Option("--mask-invert/--no-mask-invert", help="Edit everywhere but there [off].")
    ] = None,
    mask_feather: Annotated[
        int | None, typer.Option("--mask-feather", metavar="PX", help="How far the mask's edge fades out [0].")
    ] = None,
    mask_preview: Annotated[
        str | None,
        typer.Option("--mask-preview", metavar="FILE", help="Write the picture with the mask tinted; send nothing."),
    ] = None,
    expand: Annotated[
        list[str] | None,
        typer.Option("--expand", metavar="SIDE=LENGTH", help="Outpaint: left, top, right, bottom or all; repeatable."),
    ] = None,
    keep: Annotated[
        bool | None,
        typer.Option("--keep/--no-keep", help="Change nothing outside the mask [on where flags made the mask]."),
    ] = None,
    *,
    flags: dict[str, Any],
) -> None:
    """Edit a picture, everywhere or where a mask opens it.

    \b
    Examples:
      imagecli edit photo.jpg "the same room at night" -o night.png
      imagecli edit lounge.png "a flamingo in the pool" --mask mask.png -m dall-e-2
      imagecli edit photo.jpg "a red balloon" --mask-ellipse 60%,5%,30%,40% --mask-feather 12
      imagecli edit photo.jpg "more of the same landscape" --expand left=256 --expand top=20%
      curl -s https://example.com/cat.jpg | imagecli edit - "a hat on the cat" -o - > hat.png
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands.making import make

    own = {
        "mask": mask,
        "markup": markup,
        "mask_rect": mask_rect,
        "mask_ellipse": mask_ellipse,
        "mask_color": mask_color,
        "mask_invert": mask_invert,
        "mask_feather": mask_feather,
        "mask_preview": mask_preview,
        "expand": expand,
        "keep": keep,
    }
    make("edit", flags | own, image=image, prompt=prompt, prompt_file=prompt_file, more=more or ())
