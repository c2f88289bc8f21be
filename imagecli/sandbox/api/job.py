"""A request for images, its fields checked against the model's row of the catalogue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imagecli.images.types import parse_size
from imagecli.models import catalog
from imagecli.sandbox.api.refusals import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.images.types import Size
    from imagecli.models.model import Model
    from imagecli.sandbox.api.body import Body

Route = Literal["generations", "edits", "variations"]

_COMMAND = {"generations": "gen", "edits": "edit", "variations": "vary"}

_EVERYWHERE = {"model", "n", "size", "response_format", "user"}
_OF_GIF_AND_SVG = {"complexity", "frame_count", "frame_duration_ms", "svg"}
_OF_GPT = {
    "background",
    "moderation",
    "output_format",
    "output_compression",
    "stream",
    "partial_images",
    "safety_identifier",
    *_OF_GIF_AND_SVG,
}
_FIELDS: dict[Route, set[str]] = {
    "generations": _EVERYWHERE | _OF_GPT | {"prompt", "quality", "style"},
    "edits": _EVERYWHERE | _OF_GPT | {"prompt", "quality", "input_fidelity"},
    "variations": _EVERYWHERE,
}
_FLAGS = {
    "size": "size",
    "quality": "quality",
    "output_format": "format",
    "output_compression": "compression",
    "background": "background",
    "moderation": "moderation",
    "style": "style",
    "input_fidelity": "input_fidelity",
    "response_format": "response_format",
    "complexity": "complexity",
}
"""Fields whose values the catalogue lists → their names there."""
_RANGES = {
    "output_compression": (0, 100),
    "partial_images": (0, 3),
    "frame_count": (2, 16),
    "frame_duration_ms": (1, 2**31 - 1),
}
_INTEGERS = {"n", *_RANGES}
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_NOT_STREAMED = {"gif", "svg"}
_SVG_AUTHOR = "sandbox-svg-author"
_FRAMES = 9
_FRAME_MS = 200
_MAX_FRAME_MS = 655_350
_MAX_GIF_PIXELS = 8_294_400
"""In all frames together."""
_GRID = 16
_LOSSY = {"jpeg", "webp"}
_WITH_ALPHA = {"png", "webp"}
_SHAPES = {
    "landscape": r"\b(wide|landscape|panorama|panoramic|horizontal|banner|widescreen)\b",
    "portrait": r"\b(tall|portrait|vertical|poster|full-length)\b",
}
"""Words of a prompt that suggest a shape."""


class ImageJob(NamedTuple):
    """A request for images that has passed all checks."""

    route: Route
    model: Model
    prompt: str
    n: int
    size: Size | None
    """None: not requested; an edit then keeps the size of its first image, if the model has that size."""
    quality: str
    style: str | None
    background: str
    output_format: str
    compression: int
    complexity: str | None
    frames: int
    frame_ms: int
    svg_author: str
    """The name of the model that `svg_usage` attributes an SVG to."""
    stream: bool
    partials: int
    """How many partial images a stream sends before each finished one."""
    urls: bool
    safety_identifier: str | None

    @property
    def gpt(self) -> bool:
        """Whether the model is of the GPT Image family."""
        return self.model.family == "gpt-image"


def read_job(route: Route, body: Body, has_dalle_uploads: Callable[[], bool]) -> ImageJob:
    """Check the fields of a request and return its job.

    `has_dalle_uploads` examines the uploads; it is called only if the fields don't determine the model's family.

    Raises:
        Refusal: a field is unknown, of the wrong type, or has a value that the model does not take.
    """
    model = _find_model(route, body, has_dalle_uploads)
    _refuse_unknown(route, model, body.fields)
    fields = {name: _parse_field(name, value, text=body.text) for name, value in body.fields.items()}
    if body.markup is not None and not _takes_markup(model):
        raise unknown_parameter("markup")
    for name, flag in _FLAGS.items():
        if name in fields:
            _refuse_unlisted(model, name, flag, str(fields[name]))
    for name, (low, high) in _RANGES.items():
        _refuse_outside(name, fields.get(name), low, high)
    output_format = fields.get("output_format", "png")
    _refuse_combinations(fields, output_format)
    _refuse_masks(body, output_format)
    frames = fields.get("frame_count", _FRAMES) if output_format == "gif" else 1
    prompt = _check_prompt(model, fields) if route != "variations" else ""
    return ImageJob(
        route=route,
        model=model,
        prompt=prompt,
        n=_check_count(model, output_format, fields.get("n", 1)),
        size=_choose_size(route, model, fields.get("size", "auto"), prompt, frames),
        quality=fields.get("quality", "auto"),
        style=fields.get("style"),
        background=fields.get("background", "auto"),
        output_format=output_format,
        compression=fields.get("output_compression", 100),
        complexity=fields.get("complexity"),
        frames=frames,
        frame_ms=min(_MAX_FRAME_MS, max(10, round(fields.get("frame_duration_ms", _FRAME_MS), -1))),
        svg_author=_check_svg_author(fields.get("svg")),
        stream=fields.get("stream", False),
        partials=fields.get("partial_images", 0),
        urls=model.family == "dall-e" and fields.get("response_format", "url") == "url",
        safety_identifier=fields.get("safety_identifier") or fields.get("user") or None,
    )


def _parse_field(name: str, value: object, *, text: bool) -> Any:  # noqa: ANN401 - whatever the field holds
    """Return a value with the type that its field has; in a form (`text`) every value is text."""
    if name in _INTEGERS:
        if text and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            return int(value)
        return _require_type(name, value, int, "an integer")
    if name == "stream":
        return value == "true" if text and value in {"true", "false"} else _require_type(name, value, bool, "a boolean")
    if name == "svg":
        return _require_type(name, value, dict, "an object")
    return _require_type(name, value, str, "a string")


def _require_type(name: str, value: object, kind: type, expected: str) -> object:
    if type(value) is kind:
        return value
    words = {bool: "a boolean", int: "an integer", float: "a decimal number", str: "a string", list: "an array"}
    raise invalid_type(name, expected, words.get(type(value), "an object"))


def _find_model(route: Route, body: Body, has_dalle_uploads: Callable[[], bool]) -> Model:
    for field in body.fields:
        if field not in _FIELDS[route]:  # whichever model it is
            raise unknown_parameter(field)
    if "model" in body.fields:
        name = str(_require_type("model", body.fields["model"], str, "a string"))
    else:
        name = _default_model(route, body, has_dalle_uploads)
    model = catalog.find(name)
    if not model.known:
        raise Refusal(f"The model '{name}' does not exist", status=404, param="model", code="model_not_found")
    if _COMMAND[route] not in model.endpoints:
        raise invalid_value("model", f"Invalid value: '{name}'. This model does not support images/{route}.")
    return model


def _default_model(route: Route, body: Body, has_dalle_uploads: Callable[[], bool]) -> str:
    """Return the model for a request that names none: the one that its fields, then its uploads, are meant for."""
    if route == "variations":
        return "dall-e-2"
    if body.fields.keys() & (_OF_GPT | {"input_fidelity"}) or body.array or body.markup is not None:
        return catalog.DEFAULT
    fields = body.fields
    size, quality = str(fields.get("size")), fields.get("quality")
    if route == "generations" and (size in {"1792x1024", "1024x1792"} or quality == "hd" or "style" in fields):
        return "dall-e-3"
    if size in {"256x256", "512x512"} or quality == "standard" or "response_format" in fields:
        return "dall-e-2"
    return "dall-e-2" if route == "edits" and has_dalle_uploads() else catalog.DEFAULT


def _refuse_unknown(route: Route, model: Model, fields: Mapping[str, Any]) -> None:
    known = set(_FIELDS[route])
    if model.family == "dall-e":
        known -= _OF_GPT
    elif not model.takes_format("svg"):
        known -= _OF_GIF_AND_SVG
    known -= {name for name, flag in _FLAGS.items() if model.values.get(flag) == ()}
    for name in fields:
        if name not in known:
            raise unknown_parameter(name)


def _takes_markup(model: Model) -> bool:
    """Return whether the model takes a markup: it came with 2.5, as these qualities did."""
    return "max" in model.values.get("quality", ())


def _refuse_unlisted(model: Model, name: str, flag: str, value: str) -> None:
    verdict, reason = model.judge(flag, value)
    if verdict == "listed":
        return
    if model.free_size and flag == "size":
        raise invalid_value(name, f"Invalid value: '{value}'. {reason[0].upper()}{reason[1:]}.")
    *others, last = (f"'{listed}'" for listed in model.values[flag])
    choice = f"{', '.join(others)} and {last}" if others else last
    raise invalid_value(name, f"Invalid value: '{value}'. Supported values are: {choice}.")


def _refuse_outside(name: str, value: int | None, low: int, high: int) -> None:
    if value is None or low <= value <= high:
        return
    side, limit = ("below minimum", f">= {low}") if value < low else ("above maximum", f"<= {high}")
    raise invalid_value(
        name, f"Invalid '{name}': integer {side} value. Expected a value {limit}, but got {value} instead."
    )


def _refuse_combinations(fields: Mapping[str, Any], output_format: str) -> None:
    for name in ("stream", "partial_images"):
        if fields.get(name) and output_format in _NOT_STREAMED:
            raise invalid_value(name, f"'{name}' is not supported for {output_format} output.")
    compression = fields.get("output_compression")
    if compression is not None and output_format not in _LOSSY and not (output_format == "png" and compression == 100):  # noqa: PLR2004 - 100 is no compression, which the API accepts
        raise invalid_value(
            "output_compression", f"Compression less than 100 is not supported for {output_format} output."
        )
    if fields.get("background") == "transparent" and output_format not in _WITH_ALPHA:
        raise invalid_value("background", f"Transparent background is not supported for {output_format} output.")
    for name in ("frame_count", "frame_duration_ms"):
        if name in fields and output_format != "gif":
            raise invalid_value(name, f"'{name}' is only supported for gif output.")
    if "svg" in fields and output_format != "svg":
        raise invalid_value("svg", "'svg' is only supported for svg output.")


def _refuse_masks(body: Body, output_format: str) -> None:
    if body.mask is not None and output_format == "gif":
        raise invalid_value("mask", "A mask is not supported for gif output.")
    if body.mask is not None and body.markup is not None:
        raise invalid_value("markup", "'markup' cannot be combined with 'mask'.")


def _check_svg_author(svg: dict[str, Any] | None) -> str:
    """Check the object that names the author of an SVG, and return that name."""
    if svg is None:
        return _SVG_AUTHOR
    reasoning = svg.get("reasoning")
    for path, value, known in (("svg", svg, {"model", "reasoning"}), ("svg.reasoning", reasoning, {"effort"})):
        if value is not None and not isinstance(value, dict):
            raise invalid_type(path, "an object", "something else")
        for name in value or ():
            if name not in known:
                raise unknown_parameter(f"{path}.{name}")
    if "model" not in svg:
        raise missing("svg.model")
    effort = (reasoning or {}).get("effort")
    for path, value in (("svg.model", svg["model"]), ("svg.reasoning.effort", effort or "none")):
        if not isinstance(value, str):
            raise invalid_type(path, "a string", "something else")
    if effort is not None and effort not in _EFFORTS:
        raise invalid_value(
            "svg.reasoning.effort", f"Invalid value: '{effort}'. Supported values are: {', '.join(_EFFORTS)}."
        )
    author: str = svg["model"]
    return author


def _check_count(model: Model, output_format: str, count: int) -> int:
    most = model.count_per_request(output_format)
    if most == 1 and count != 1:
        raise invalid_value("n", "You must provide n=1 for this model and format.")
    _refuse_outside("n", count, 1, most)
    return count


def _check_prompt(model: Model, fields: Mapping[str, Any]) -> str:
    if "prompt" not in fields:
        raise missing("prompt")
    prompt: str = fields["prompt"]
    if not prompt.strip():
        raise invalid_value("prompt", "Invalid 'prompt': empty string. Expected a string with minimum length 1.")
    if model.max_prompt_chars is not None and len(prompt) > model.max_prompt_chars:
        raise invalid_value(
            "prompt",
            f"Invalid 'prompt': string too long. Expected a string with maximum length {model.max_prompt_chars},"
            f" but got a string with length {len(prompt)} instead.",
        )
    return prompt


def _choose_size(route: Route, model: Model, text: str, prompt: str, frames: int) -> Size | None:
    """Return the size in pixels; without a size, a new image gets the shape that its prompt mentions.

    All frames of a GIF together are limited to the pixels of one image.
    """
    size = parse_size(text)
    if size is not None and frames * size[0] * size[1] > _MAX_GIF_PIXELS:
        raise invalid_value(
            "size",
            f"Invalid value: '{text}'. The {frames} frames of a gif have at most {_MAX_GIF_PIXELS:,} pixels together.",
        )
    if size is None and route != "edits":
        shape = next((shape for shape, words in _SHAPES.items() if re.search(words, prompt, re.IGNORECASE)), "square")
        size = parse_size(model.shapes["square" if model.family == "dall-e" else shape])
        if size is not None and frames > 1:
            scale = min(1.0, (_MAX_GIF_PIXELS / (frames * size[0] * size[1])) ** 0.5)
            size = int(size[0] * scale) // _GRID * _GRID, int(size[1] * scale) // _GRID * _GRID
    return size
