"""What each model takes: the rows of catalog.toml, and the user's own over them.

The catalogue is advice. `Model.judge` separates the values that are listed from those that are merely not listed (they
are sent, with a warning) and those that are certain to fail.
"""

from __future__ import annotations

import math
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.images.types import InputRules, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagecli.flags import Verdict

    UserModels = Mapping[str, Mapping[str, Any]]
    """[models] of the config file: tables by the name of a model."""

DEFAULT = "gpt-image-2.5-flare"
"""The model of OpenAI's own host and of the sandbox, where none is set."""


class Model(NamedTuple):
    """One model's row of the catalogue."""

    name: str | None
    """As it is sent; None: the field is left out."""
    known: bool
    family: str
    """ "dall-e", "gpt-image", or "" for a model that is not listed."""
    endpoints: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    closed: frozenset[str]
    shapes: Mapping[str, str]
    """The model's own sizes for square, landscape and portrait."""
    free_size: bool
    max_count: int
    max_prompt_chars: int | None
    max_inputs: int
    inputs: InputRules
    shutdown: date | None
    successor: str | None

    def judge(self, name: str, value: str) -> tuple[Verdict, str]:
        """Return what is known of a value of the flag `name`, and the reason ("" if it is listed)."""
        if name == "size" and self.free_size and value != "auto":
            reason = _free_size_error(value)
            return ("fails", reason) if reason else ("listed", "")
        listed = self.values.get(name)
        if listed is None or value in listed:
            return "listed", ""
        verdict: Verdict = "fails" if name in self.closed else "unlisted"
        what = name.replace("_", "-")
        if not listed:
            return verdict, f"{self.name} takes no --{what}"
        *others, last = listed
        choice = f"{', '.join(others)} or {last}" if others else last
        return verdict, f"{self.name} takes {what} {choice}, not {value}"

    @property
    def lists_formats(self) -> bool:
        """Whether it is known that the model can be asked for a format."""
        return "format" in self.values

    def takes_format(self, value: str) -> bool:
        """Return whether the model takes this output format; one that is not listed takes all."""
        listed = self.values.get("format")
        return listed is None or value in listed

    def nearest_size(self, canvas: tuple[int, int]) -> str:
        """Return the size nearest to a canvas: in shape first, then one that does not enlarge the result."""
        if self.free_size:
            return _nearest_free_size(canvas)
        listed = [size for text in (*self.values.get("size", ()), *self.shapes.values()) if (size := parse_size(text))]

        def distance(size: tuple[int, int]) -> tuple[float, bool, int]:
            shape = abs(math.log(size[0] * canvas[1] / (size[1] * canvas[0])))
            return round(shape, 6), size[0] < canvas[0], abs(size[0] - canvas[0])

        width, height = min(listed, key=distance)
        return f"{width}x{height}"

    def count_per_request(self, output_format: str | None) -> int:
        """Return how many images one request may ask for."""
        return 1 if output_format == "svg" and self.known else self.max_count

    def variation_rules(self) -> InputRules:
        """Return what the variations endpoint takes from any model: one square PNG under 4 MB."""
        return self.inputs if self.inputs.square else _catalogued("dall-e-2").inputs


def find(name: str | None, user_models: UserModels | None = None) -> Model:
    """Return the row for `name`: the user's own over the catalogue's.

    A dated snapshot ("gpt-image-2-2026-04-21") has the row of its model.
    """
    tables = _load_catalog()
    base = None if name is None else base_name(name)
    if base in tables["models"]:
        model = _catalogued(base)._replace(name=name)
    else:
        model = _make_model(name, tables["unknown"], known=False)
    table = (user_models or {}).get(name or "")
    return model if table is None else _apply_overrides(model, table)


def names() -> tuple[str, ...]:
    """Return every model of the catalogue, newest last."""
    return tuple(_load_catalog()["models"])


def base_name(name: str) -> str:
    """Return a model's name without the date of a snapshot."""
    return name if name in _load_catalog()["models"] else re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name)


def free_size_limits() -> Mapping[str, Any]:
    """Return the limits of a free size: `multiple`, `long_edge`, `ratio` and `pixels` (least, most)."""
    limits: Mapping[str, Any] = _load_catalog()["free_size"]
    return limits


def _apply_overrides(model: Model, table: Mapping[str, Any]) -> Model:
    """Lay a user's table over a row. What users list is advice as well, so those fields are open."""
    fields = {"sizes": "size", "qualities": "quality", "formats": "format"}
    listed = {fields[key]: tuple(table[key]) for key in fields if key in table}
    return model._replace(
        endpoints=tuple(table.get("endpoints", model.endpoints)),
        values={**model.values, **listed},
        closed=model.closed - listed.keys(),
        shapes=_largest_of_shapes(listed["size"]) if "size" in listed else model.shapes,
        max_count=table.get("count", model.max_count),
        max_prompt_chars=table.get("prompt", model.max_prompt_chars),
        free_size=model.free_size and "size" not in listed,
    )


def _largest_of_shapes(sizes: tuple[str, ...]) -> dict[str, str]:
    """Return the largest size of each shape."""
    shapes: dict[str, tuple[int, str]] = {}
    for text in sizes:
        if size := parse_size(text):
            width, height = size
            shape = "square" if width == height else "landscape" if width > height else "portrait"
            shapes[shape] = max(shapes.get(shape, (0, "")), (width * height, text))
    return {shape: text for shape, (_, text) in shapes.items()}


def _free_size_error(text: str) -> str:
    """Return what is wrong with a free size, "" if nothing is."""
    limits = free_size_limits()
    size = parse_size(text)
    if size is None:
        return f"a size is WIDTHxHEIGHT in pixels, not {text}"
    width, height = size
    low, high = limits["pixels"]
    if width % limits["multiple"] or height % limits["multiple"]:
        return f"width and height must be multiples of {limits['multiple']}, and {text} is not"
    if max(size) > limits["long_edge"]:
        return f"the longer side must be at most {limits['long_edge']} pixels, and {text} is longer"
    if max(size) > limits["ratio"] * min(size):
        return f"the sides' ratio must be at most {limits['ratio']}:1, and that of {text} is more"
    if not low <= width * height <= high:
        return f"an image must have {low:,} to {high:,} pixels, and {text} has {width * height:,}"
    return ""


def _nearest_free_size(canvas: tuple[int, int]) -> str:
    """Return the free size with a canvas's shape and, within the limits, its number of pixels."""
    limits = free_size_limits()
    step, (low, high) = limits["multiple"], limits["pixels"]
    ratio = min(limits["ratio"], max(1 / limits["ratio"], canvas[0] / canvas[1]))
    most = min(high, limits["long_edge"] ** 2 * min(ratio, 1 / ratio))
    pixels = max(low, min(most, canvas[0] * canvas[1]))
    wide = math.sqrt(pixels * ratio)
    # Rounding may exceed the limits, so the sizes around it are tried.
    around = [
        (step * (int(wide / step) + across), step * (int(wide / ratio / step) + down))
        for across in range(-1, 3)
        for down in range(-1, 3)
    ]
    allowed = [size for size in around if min(size) > 0 and not _free_size_error(f"{size[0]}x{size[1]}")]
    width, height = min(
        allowed,
        # Another shape means padding, another number of pixels only scaling.
        key=lambda size: 8 * abs(math.log(size[0] / size[1] / ratio)) + abs(math.log(size[0] * size[1] / pixels)),
    )
    return f"{width}x{height}"


@cache
def _load_catalog() -> dict[str, Any]:
    import tomllib

    with open(os.path.join(os.path.dirname(__file__), "catalog.toml"), "rb") as file:
        return tomllib.load(file)


@cache
def _catalogued(name: str) -> Model:
    return _make_model(name, _inherited(name), known=True)


def _inherited(name: str) -> dict[str, Any]:
    """Return the table of a model, over those of the models that it is `like`."""
    table: dict[str, Any] = _load_catalog()["models"][name]
    if "like" not in table:
        return table
    below = _inherited(table["like"])
    values = {name: listed for name, listed in below["values"].items() if name not in table.get("any", ())}
    return below | table | {"values": values | table.get("values", {})}


def _make_model(name: str | None, table: Mapping[str, Any], *, known: bool) -> Model:
    inputs: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table["inputs"].items()
    }
    return Model(
        name=name,
        known=known,
        family=table["family"],
        endpoints=tuple(table["endpoints"]),
        values={key: tuple(values) for key, values in table["values"].items()},
        closed=frozenset(table["closed"]),
        shapes=table["shapes"],
        free_size=table.get("free_size", False),
        max_count=table["count"],
        max_prompt_chars=table.get("prompt"),
        max_inputs=inputs.pop("count"),
        inputs=InputRules(**inputs),
        shutdown=table.get("shutdown") or None,
        successor=table.get("successor") or None,
    )
