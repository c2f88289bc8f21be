"""`imagecli prepare`: what would be uploaded for a picture, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from imagecli.options import FIT, KEEP_METADATA, MAX_PIXELS, Json, Option

if TYPE_CHECKING:
    from imagecli.config.settings import Settings
    from imagecli.result import Result
    from imagecli.terminal.console import Console


def prepare(  # noqa: PLR0913 - what a user can say
    *,
    image: Annotated[
        str | None, typer.Argument(metavar="IMAGE", help="The picture to prepare; - reads it from stdin.")
    ] = None,
    output: Annotated[
        str | None,
        Option("-o", "--output", metavar="PATH", help="A file, a folder/, a template, or - for raw bytes on stdout."),
    ] = None,
    force: Annotated[bool, Option("--force", help="Replace a file that exists.")] = False,
    model: Annotated[
        str | None, Option("--for", metavar="MODEL", help="What the picture is prepared for; any name is accepted.")
    ] = None,
    fit: FIT = None,
    keep_metadata: KEEP_METADATA = None,
    max_pixels: MAX_PIXELS = None,
    as_json: Json = False,
    verbose: Annotated[bool, Option("-v", "--verbose", help="Say what was done to the picture.")] = False,
    quiet: Annotated[bool, Option("--quiet", help="Say only errors on stderr.")] = False,
) -> None:
    """Save what edit and vary would upload; nothing is sent.

    \b
    Examples:
      imagecli prepare photo.jpg --for dall-e-2 -o square.png -v
      imagecli prepare photo.jpg -o - > without-location.jpg
      curl -s https://example.com/cat.jpg | imagecli prepare - --for dall-e-2 --fit crop --json
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli import context
    from imagecli.config.settings import load
    from imagecli.errors import ImagecliError
    from imagecli.result import Result
    from imagecli.terminal import render as report

    console = context.open_console(verbose=verbose, quiet=quiet)
    flags = {"output": output, "model": model, "fit": fit, "keep_metadata": keep_metadata, "max_pixels": max_pixels}
    settings = load(flags)
    result = Result("prepare", settings.profile.name, None, warnings=list(settings.warnings))
    try:
        _prepare(console, settings, result, image, as_json=as_json, force=force)
    except ImagecliError as error:
        result.error = error
    for warning in result.warnings:
        console.warn(warning)
    report.show(console, result, as_json=as_json, base_url=settings.profile.base_url)
    if result.error is not None:
        raise typer.Exit(int(result.error.exit_code))


def _prepare(  # noqa: PLR0913 - a run's things, and two flags
    console: Console, settings: Settings, result: Result, image: str | None, *, as_json: bool, force: bool
) -> None:
    import time

    from imagecli.asking import Asker
    from imagecli.commands.making import make_sink, read_picture
    from imagecli.errors import Failure, UsageProblem
    from imagecli.images.prepare import prepare as prepared_by
    from imagecli.saving.sinks import FileSink

    begun = time.monotonic()
    if image is None:
        raise UsageProblem("there is no IMAGE", hint="Name one: imagecli prepare photo.jpg; - reads it from stdin.")
    if settings.value("output") == "-" and as_json:
        raise UsageProblem("-o - and --json both want stdout", hint="Leave one of them out.")
    model = Asker("prepare", settings).model
    result.model = model.name
    sink = make_sink(console, settings, subject=f"{_stem(image)}-prepared", model=model.name, force=force)
    if isinstance(sink, FileSink):
        sink.reserve([1], dry=False)
    picture = read_picture(image, settings.value("max_pixels"))
    size, mode = picture.size, picture.mode
    prepared = prepared_by(
        picture, model.inputs, settings.value("fit") or "pad", keep_metadata=bool(settings.value("keep_metadata"))
    )
    result.warnings += prepared.warnings
    result.notes += prepared.notes or ("goes as it is, byte for byte",)
    try:
        result.images = [sink.save(1, [prepared.upload.data], None, result.warnings.append)]
    except Failure as failure:
        failure.hint = "Make room, or choose another place with -o."
        raise
    geometry = prepared.geometry
    result.prepared = {
        "input": {
            "path": image,
            "format": picture.format,
            "mode": mode,
            "width": size[0],
            "height": size[1],
            "bytes": picture.length,
            "orientation": picture.orientation,
        },
        "filename": prepared.upload.filename,
        "type": prepared.upload.media_type,
        "byte_for_byte": not prepared.notes,
        "steps": list(prepared.notes),
        "given_up": list(prepared.warnings),
        "geometry": {"source": geometry.source, "canvas": geometry.canvas, "placed": geometry.placed},
    }
    result.elapsed_s = round(time.monotonic() - begun, 3)


def _stem(path: str) -> str:
    import os

    return "image" if path == "-" else os.path.splitext(os.path.basename(path))[0]
