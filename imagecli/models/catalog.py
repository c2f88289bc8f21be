"""The catalogue: each model's row, and the user's own over it."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from imagecli.images.types import InputRules, parse_size
from imagecli.models.rows import ROWS, UNKNOWN
from imagecli.text import misspelt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.models.model import Model

    UserModels = Mapping[str, Mapping[str, Any]]
    """[models] of the config file: tables by the name of a model."""

DEFAULT = "gpt-image-2.5-flare"
"""The model of OpenAI's own host and of the sandbox, where none is set."""


def find(name: str | None, user_models: UserModels | None = None) -> Model:
    """Return the row for `name`: the user's own over the catalogue's.

    A dated snapshot ("gpt-image-2-2026-04-21") has the row of its model.
    """
    model = (UNKNOWN if name is None else ROWS.get(base_name(name), UNKNOWN))._replace(name=name)
    table = (user_models or {}).get(name or "")
    return model if table is None else _apply_overrides(model, table)


def names() -> tuple[str, ...]:
    """Return every model of the catalogue, newest last."""
    return tuple(ROWS)


def words(name: str) -> tuple[str, ...]:
    """Return every value that some model takes for the flag `name`."""
    return tuple(dict.fromkeys(value for model in ROWS.values() for value in model.values.get(name, ())))


def misspelt_name(name: str) -> str | None:
    """Return the model of the catalogue that a name is meant for, None where it may be that of a new model."""
    return None if base_name(name) in ROWS else misspelt(name, ROWS)


def base_name(name: str) -> str:
    """Return a model's name without the date of a snapshot."""
    return name if name in ROWS else re.sub(r"-\d{4}-\d{2}-\d{2}$", "", name)


def is_past(day: date) -> bool:
    """Return whether a day of shutdown has come, by the user's own calendar."""
    return day <= date.today()  # noqa: DTZ011 - the user's own day


def variation_rules(model: Model) -> InputRules:
    """Return what the variations endpoint takes from any model: one square PNG under 4 MB."""
    return model.inputs if model.inputs.square else ROWS["dall-e-2"].inputs


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
        price=table.get("price"),
        tokens=table.get("tokens"),
        free_size=None if "size" in listed else model.free_size,
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
