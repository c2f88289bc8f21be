"""What each model takes: the table in catalog.toml, and what it says of a value.

The table is advice. `Model.judge` tells apart what is listed, what is merely not listed (it is sent, with a warning)
and what is certain to fail.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from imagecli.images.types import InputRules, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagecli.flags import Verdict

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Model:
    """One model's row of the catalogue."""

    name: str | None
    """As it is sent; None where the field is left out."""
    known: bool
    family: str
    """ "dall-e", "gpt-image", or "" for a model that is not listed."""
    endpoints: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    closed: frozenset[str]
    shapes: Mapping[str, str]
    """The model's own sizes for square, landscape and portrait."""
    free_size: bool
    count: int
    prompt: int | None
    max_inputs: int
    inputs: InputRules
    shutdown: date | None
    successor: str | None

    def judge(self, name: str, value: str) -> tuple[Verdict, str]:
        """Tell what becomes of `value` for the flag `name`, and the reason in words ("" where it is listed)."""
        if name == "size" and self.free_size and value != "auto":
            reason = _free_size_trouble(value)
            return ("fails", reason) if reason else ("listed", "")
        listed = self.values.get(name)
        if listed is None or value in listed:
            return "listed", ""
        what = name.replace("_", "-")
        reason = f"{self.name} takes {what} {', '.join(listed)}" if listed else f"{self.name} takes no {what}"
        return ("fails" if name in self.closed else "unlisted"), f"{reason}, not {value}"

    def takes_format(self, value: str) -> bool:
        """Whether the model can be asked for this output format; one that is not listed takes everything."""
        listed = self.values.get("format")
        return listed is None or value in listed

    def nearest_size(self, canvas: tuple[int, int]) -> str:
        """Return the size that comes nearest to a canvas: in shape first, then without enlarging what was made."""
        if self.free_size:
            return _nearest_free_size(canvas)
        listed = [size for text in (*self.values.get("size", ()), *self.shapes.values()) if (size := parse_size(text))]

        def distance(size: tuple[int, int]) -> tuple[float, bool, int]:
            shape = abs(math.log(size[0] * canvas[1] / (size[1] * canvas[0])))
            return round(shape, 6), size[0] < canvas[0], abs(size[0] - canvas[0])

        width, height = min(listed, key=distance)
        return f"{width}x{height}"

    def count_per_request(self, output_format: str | None) -> int:
        """How many images one request may ask for."""
        return 1 if output_format == "svg" and self.known else self.count

    def variation_rules(self) -> InputRules:
        """Return what the variations endpoint takes from any model: one square PNG under 4 MB."""
        return self.inputs if self.inputs.square else _row("dall-e-2").inputs


def find(name: str | None, own: Mapping[str, Mapping[str, Any]] | None = None) -> Model:
    """Return the row for `name`: the user's own ([models."…"] of the config file) over the catalogue's.

    A dated snapshot ("gpt-image-2-2026-04-21") has the row of its model.
    """
    tables = _tables()
    mine = (own or {}).get(name or "")
    base = None
    if name is not None:
        base = name if name in tables["models"] else _SNAPSHOT.sub("", name)
    known = base in tables["models"]
    model = replace(_row(base), name=name) if known else _model(name, tables["unknown"], known=False)
    return _with_own(model, mine) if mine is not None else model


def names() -> tuple[str, ...]:
    """Return every model of the catalogue, newest last."""
    return tuple(_tables()["models"])


def price_rows(name: str) -> tuple[Mapping[str, Any], ...]:
    """Return what is known of a model's price: the tables under [[prices]] that name it, in their order."""
    base = name if name in _tables()["models"] else _SNAPSHOT.sub("", name)
    return tuple(row for row in _tables()["prices"] if base in row["models"])


def free_size() -> Mapping[str, Any]:
    """Return the limits of a free size: `multiple`, `long_edge`, `ratio` and `pixels` (least, most)."""
    limits: Mapping[str, Any] = _tables()["free_size"]
    return limits


def _with_own(model: Model, mine: Mapping[str, Any]) -> Model:
    """Lay a user's table over a row. What users list is advice too, so those fields are open."""
    fields = {"sizes": "size", "qualities": "quality", "formats": "format"}
    listed = {fields[key]: tuple(mine[key]) for key in fields if key in mine}
    shapes = _shapes_of(listed["size"]) if "size" in listed else model.shapes
    return replace(
        model,
        endpoints=tuple(mine.get("endpoints", model.endpoints)),
        values={**model.values, **listed},
        closed=model.closed - listed.keys(),
        shapes=shapes,
        count=mine.get("count", model.count),
        prompt=mine.get("prompt", model.prompt),
        free_size=model.free_size and "size" not in listed,
    )


def _shapes_of(sizes: tuple[str, ...]) -> dict[str, str]:
    """Pick the largest size of each shape."""
    shapes: dict[str, tuple[int, str]] = {}
    for text in sizes:
        if size := parse_size(text):
            width, height = size
            shape = "square" if width == height else "landscape" if width > height else "portrait"
            shapes[shape] = max(shapes.get(shape, (0, "")), (width * height, text))
    return {shape: text for shape, (_, text) in shapes.items()}


def _free_size_trouble(text: str) -> str:
    """Say what is wrong with a free size, "" where it is fine."""
    rules = _tables()["free_size"]
    size = parse_size(text)
    if size is None:
        return f"a size is WIDTHxHEIGHT in pixels, not {text}"
    width, height = size
    low, high = rules["pixels"]
    if width % rules["multiple"] or height % rules["multiple"]:
        return f"width and height must be multiples of {rules['multiple']}, and {text} is not"
    if max(size) > rules["long_edge"]:
        return f"the longer side must be at most {rules['long_edge']} pixels, and {text} is longer"
    if max(size) > rules["ratio"] * min(size):
        return f"the sides' ratio must be at most {rules['ratio']}:1, and that of {text} is more"
    if not low <= width * height <= high:
        return f"a picture must have {low:,} to {high:,} pixels, and {text} has {width * height:,}"
    return ""


def _nearest_free_size(canvas: tuple[int, int]) -> str:
    """Return the free size with a canvas's shape and, within the limits, its number of pixels."""
    rules = _tables()["free_size"]
    step, (low, high) = rules["multiple"], rules["pixels"]
    ratio = min(rules["ratio"], max(1 / rules["ratio"], canvas[0] / canvas[1]))
    most = min(high, rules["long_edge"] ** 2 * min(ratio, 1 / ratio))
    pixels = max(low, min(most, canvas[0] * canvas[1]))
    wide = math.sqrt(pixels * ratio)
    # Of the sizes around it, those that are allowed: rounding may have left the limits.
    around = [
        (step * (int(wide / step) + across), step * (int(wide / ratio / step) + down))
        for across in range(-1, 3)
        for down in range(-1, 3)
    ]
    allowed = [size for size in around if min(size) > 0 and not _free_size_trouble(f"{size[0]}x{size[1]}")]
    width, height = min(
        allowed,
        # A shape that differs is padded, a number of pixels only scales.
        key=lambda size: 8 * abs(math.log(size[0] / size[1] / ratio)) + abs(math.log(size[0] * size[1] / pixels)),
    )
    return f"{width}x{height}"


@cache
def _tables() -> dict[str, Any]:
    with open(os.path.join(os.path.dirname(__file__), "catalog.toml"), "rb") as file:
        return tomllib.load(file)


@cache
def _row(name: str) -> Model:
    return _model(name, _merged(name), known=True)


def _merged(name: str) -> dict[str, Any]:
    """Return the table of a model with those that it is `like` beneath it."""
    table: dict[str, Any] = _tables()["models"][name]
    if "like" not in table:
        return table
    below = _merged(table["like"])
    values = {name: listed for name, listed in below["values"].items() if name not in table.get("any", ())}
    return below | table | {"values": values | table.get("values", {})}


def _model(name: str | None, table: Mapping[str, Any], *, known: bool) -> Model:
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
        count=table["count"],
        prompt=table.get("prompt"),
        max_inputs=inputs.pop("count"),
        inputs=InputRules(**inputs),
        shutdown=table.get("shutdown") or None,
        successor=table.get("successor") or None,
    )
