"""What a request may ask for: its fields, checked against the model's row of the catalogue, become a `Job`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from imagecli import catalog
from imagecli.sandbox.wire import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.catalog import Model
    from imagecli.sandbox.body import Body
    from imagecli.schema import Size

Route = Literal["generations", "edits", "variations"]

_COMMAND = {"generations": "gen", "edits": "edit", "variations": "vary"}
_NEWEST = "gpt-image-2.5-flare"

_EVERYWHERE = {"model", "n", "size", "response_format", "user", "seed"}
_MOVING_AND_DRAWN = {"complexity", "frame_count", "frame_duration_ms", "svg"}
_OF_GPT = {
    "background",
    "moderation",
    "output_format",
    "output_compression",
    "stream",
    "partial_images",
    "safety_identifier",
    *_MOVING_AND_DRAWN,
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
}
"""Fields whose values the catalogue lists, and the name they have there."""
_RANGES = {
    "output_compression": (0, 100),
    "partial_images": (0, 3),
    "frame_count": (2, 16),
    "frame_duration_ms": (10, 60_000),
}
_INTEGERS = {"n", "seed", *_RANGES}
_LOSSY = {"jpeg", "webp"}
_WITH_ALPHA = {"png", "webp"}
_SHAPES = {
    "landscape": re.compile(r"\b(wide|landscape|panorama|panoramic|horizontal|banner|widescreen)\b", re.IGNORECASE),
    "portrait": re.compile(r"\b(tall|portrait|vertical|poster|full-length)\b", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Job:
    """A request that is in order."""

    route: Route
    model: Model
    prompt: str
    n: int
    size: Size | None
    """None: not asked for; a picture that was uploaded keeps its own where the model has it."""
    quality: str
    style: str | None
    background: str
    output_format: str
    compression: int
    frames: int
    frame_ms: int
    urls: bool
    seed: int | None

    @property
    def gpt(self) -> bool:
        """Whether the model is of the GPT Image family."""
        return self.model.family == "gpt-image"


def check(route: Route, body: Body, dalle_shaped: Callable[[], bool]) -> Job:
    """Check the fields of a request; `dalle_shaped` looks at the uploads where no field tells the model's family.

    Raises:
        Refusal: a field is unknown, of a wrong type or has a value that the model does not take.
    """
    fields = {name: _typed(name, value, text=body.text) for name, value in body.fields.items()}
    model = _model(route, fields, body, dalle_shaped)
    _refuse_unknown(route, model, fields)
    for name, flag in _FLAGS.items():
        if name in fields:
            _refuse_unlisted(model, name, flag, str(fields[name]))
    for name, (low, high) in _RANGES.items():
        _refuse_outside(name, fields.get(name), low, high)
    output_format = fields.get("output_format", "png")
    _refuse_combinations(fields, output_format)
    gif = output_format == "gif"
    prompt = _prompt(model, fields) if route != "variations" else ""
    return Job(
        route=route,
        model=model,
        prompt=prompt,
        n=_count(model, output_format, fields.get("n", 1)),
        size=_size(route, model, fields.get("size", "auto"), prompt),
        quality=fields.get("quality", "auto"),
        style=fields.get("style"),
        background=fields.get("background", "auto"),
        output_format=output_format,
        compression=fields.get("output_compression", 100),
        frames=fields.get("frame_count", 9) if gif else 1,
        frame_ms=round(fields.get("frame_duration_ms", 200), -1),
        urls=model.family == "dall-e" and fields.get("response_format", "url") == "url",
        seed=fields.get("seed"),
    )


def _typed(name: str, value: object, *, text: bool) -> Any:  # noqa: ANN401 - whatever the field holds
    """Return a value as the type that its field has; a form has only text to say it with."""
    if name in _INTEGERS:
        if text and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
            return int(value)
        return _of_type(name, value, int, "an integer")
    if name == "stream":
        return value == "true" if text and value in {"true", "false"} else _of_type(name, value, bool, "a boolean")
    if name == "svg":
        return _of_type(name, value, dict, "an object")
    return _of_type(name, value, str, "a string")


def _of_type(name: str, value: object, kind: type, expected: str) -> object:
    if type(value) is kind:
        return value
    words = {bool: "a boolean", int: "an integer", float: "a decimal number", str: "a string", list: "an array"}
    raise invalid_type(name, expected, words.get(type(value), "an object"))


def _model(route: Route, fields: Mapping[str, Any], body: Body, dalle_shaped: Callable[[], bool]) -> Model:
    name = fields.get("model")
    if name is None:
        name = _default(route, fields, body, dalle_shaped)
    model = catalog.find(name)
    if not model.known:
        raise Refusal(f"The model '{name}' does not exist", status=404, param="model", code="model_not_found")
    if _COMMAND[route] not in model.endpoints:
        raise invalid_value("model", f"Invalid value: '{name}'. This model does not support images/{route}.")
    return model


def _default(route: Route, fields: Mapping[str, Any], body: Body, dalle_shaped: Callable[[], bool]) -> str:
    """Choose for a request without a model: the one that its fields, then its uploads, belong to."""
    if route == "variations":
        return "dall-e-2"
    if fields.keys() & (_OF_GPT | {"input_fidelity"}) or body.array:
        return _NEWEST
    size, quality = fields.get("size"), fields.get("quality")
    if route == "generations" and (size in {"1792x1024", "1024x1792"} or quality == "hd" or "style" in fields):
        return "dall-e-3"
    if size in {"256x256", "512x512"} or quality == "standard" or "response_format" in fields:
        return "dall-e-2"
    return "dall-e-2" if route == "edits" and dalle_shaped() else _NEWEST


def _refuse_unknown(route: Route, model: Model, fields: Mapping[str, Any]) -> None:
    known = set(_FIELDS[route])
    if model.family == "dall-e":
        known -= _OF_GPT
    elif not model.takes_format("svg"):
        known -= _MOVING_AND_DRAWN
    known -= {name for name, flag in _FLAGS.items() if model.values.get(flag) == ()}
    for name in fields:
        if name.partition("[")[0] not in known:
            raise unknown_parameter(name)


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
    if fields.get("stream"):
        raise invalid_value("stream", "Invalid value: true. The sandbox does not stream.")
    compression = fields.get("output_compression")
    if compression is not None and output_format not in _LOSSY and not (output_format == "png" and compression == 100):  # noqa: PLR2004 - none: the API lets it pass
        raise invalid_value(
            "output_compression", f"Compression less than 100 is not supported for {output_format} output."
        )
    if fields.get("background") == "transparent" and output_format not in _WITH_ALPHA:
        raise invalid_value("background", f"Transparent background is not supported for {output_format} output.")
    for name in ("frame_count", "frame_duration_ms"):
        if name in fields and output_format != "gif":
            raise invalid_value(name, f"'{name}' is only supported for gif output.")


def _count(model: Model, output_format: str, count: int) -> int:
    most = model.count_per_request(output_format)
    if most == 1 and count != 1:
        raise invalid_value("n", "You must provide n=1 for this model and format.")
    _refuse_outside("n", count, 1, most)
    return count


def _prompt(model: Model, fields: Mapping[str, Any]) -> str:
    if "prompt" not in fields:
        raise missing("prompt")
    prompt: str = fields["prompt"]
    if not prompt.strip():
        raise invalid_value("prompt", "Invalid 'prompt': empty string. Expected a string with minimum length 1.")
    if model.prompt is not None and len(prompt) > model.prompt:
        raise invalid_value(
            "prompt",
            f"Invalid 'prompt': string too long. Expected a string with maximum length {model.prompt},"
            f" but got a string with length {len(prompt)} instead.",
        )
    return prompt


def _size(route: Route, model: Model, text: str, prompt: str) -> Size | None:
    """Return the size in pixels; without one, a new picture has the shape that its prompt speaks of."""
    size = catalog.parse_size(text)
    if size is None and route != "edits":
        shape = next((shape for shape, words in _SHAPES.items() if words.search(prompt)), "square")
        size = catalog.parse_size(model.shapes["square" if model.family == "dall-e" else shape])
    return size
