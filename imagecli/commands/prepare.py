"""`imagecli prepare`: what would be uploaded for an image, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.config.settings import Settings
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Prepared
    from imagecli.models.model import Model
    from imagecli.options import Typed
    from imagecli.result import Result
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Save what edit and vary would upload; nothing is sent.

    Examples:
      imagecli prepare photo.jpg --for dall-e-2 -o square.png -v
      imagecli prepare photo.jpg -o - > without-location.jpg
      imagecli prepare - --for dall-e-2 --fit crop -o crop.png < photo.jpg
    """
    from imagecli.config.settings import load
    from imagecli.errors import ImagecliError
    from imagecli.models.catalog import misspelt_name
    from imagecli.plan.intent import model_of
    from imagecli.result import Result
    from imagecli.text import named

    settings = load(typed.__dict__, command="prepare")
    result = Result("prepare", settings.profile.name, None)
    warnings = list(settings.warnings)
    try:
        _check(typed, settings)
        model = model_of(settings)
        if not model.known and (near := misspelt_name(model.name or "")):
            warnings.append(f"{named(model.name)} is not a model that is known; did you mean {near}?")
        result = result._replace(model=model.name)
        result = _prepare(typed, settings, renderer, model, result, warnings)
    except ImagecliError as error:
        result = result._replace(error=error)
    return renderer.result(result._replace(warnings=tuple(warnings)), settings.profile.base_url)


def _check(typed: Typed, settings: Settings) -> None:
    """Refuse a command line that is incomplete, or contradicts itself."""
    from imagecli.errors import UsageProblem

    if typed.input is None:
        raise UsageProblem("IMAGE is missing", hint="Name one: imagecli prepare photo.jpg; - reads it from stdin.")
    if settings.options.output.value == "-" and typed.json:
        raise UsageProblem("-o - and --json both write to stdout", hint="Leave one of them out.")


def _prepare(  # noqa: PLR0913, PLR0917 - what was typed, what it means, and what is filled
    typed: Typed, settings: Settings, renderer: Renderer, model: Model, result: Result, warnings: list[str]
) -> Result:
    import time

    from imagecli.errors import Failure
    from imagecli.images.prepare import prepare
    from imagecli.inputs import STDIO, read_image, resolved
    from imagecli.saving.names import names_for
    from imagecli.saving.sinks import open_sink

    begun = time.monotonic()
    options = settings.options
    path = options.output.value
    named = STDIO if typed.input is None else resolved(typed.input)
    names = None if path == STDIO else names_for(path, f"{_stem(named)}-prepared", model.name)
    sink = open_sink(names, renderer.console, force=typed.force)
    fit, keep_metadata = options.fit.value or "pad", bool(options.keep_metadata.value)
    with sink.reserved([1], dry=False):
        image = read_image(named, options.max_pixels.value)
        described = _described(named, image)
        prepared = prepare(image, model.inputs, fit, keep_metadata=keep_metadata)
        warnings += prepared.warnings
        try:
            saved = sink.save(1, [prepared.upload.data], None, warnings.append)
        except Failure as failure:
            failure.hint = "Make room, or choose another place with -o."
            raise
    return result._replace(
        images=(saved,),
        notes=prepared.notes or ("it is sent as it is, byte for byte",),
        prepared={"input": described} | _steps(prepared),
        elapsed_s=round(time.monotonic() - begun, 3),
    )


def _described(path: str, image: InputImage) -> dict[str, object]:
    """Return what is known of the input, before it is decoded: that may change its mode."""
    return {
        "path": path,
        "format": image.format,
        "mode": image.mode,
        "width": image.size[0],
        "height": image.size[1],
        "bytes": image.length,
        "orientation": image.orientation,
    }


def _steps(prepared: Prepared) -> dict[str, object]:
    geometry = prepared.geometry
    return {
        "filename": prepared.upload.filename,
        "type": prepared.upload.media_type,
        "byte_for_byte": not prepared.notes,
        "steps": prepared.notes,
        "given_up": prepared.warnings,
        "geometry": {"source": geometry.source, "canvas": geometry.canvas, "placed": geometry.placed},
    }


def _stem(path: str) -> str:
    import os

    return "image" if path == "-" else os.path.splitext(os.path.basename(path))[0]
