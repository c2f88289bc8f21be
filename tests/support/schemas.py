"""Documents held against the published schema, by a validator that is none of ours."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from support.places import ROOT


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema of docs/schema/."""
    return json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text("utf-8"))


@cache
def validator(name: str, *, strict: bool = False) -> Draft202012Validator:
    """Return what validates by a schema; `strict`: it refuses each field that the schema does not describe."""
    return Draft202012Validator(_closed(schema(name)) if strict else schema(name))


def check_output(document: Any) -> None:
    """Hold what --json printed against the schema of results: nothing is missing, wrong, or not described."""
    strict = validator("result", strict=True)
    if not strict.is_valid(document):
        error = best_match(strict.iter_errors(document))
        raise AssertionError(f"{error.json_path}: {error.message}\nin {json.dumps(document)[:4000]}")


def _closed(value: Any) -> Any:
    """Return a schema whose objects have no other fields than those that are described."""
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(each) for name, each in value.items()}
    if value.get("type") in ("object", ["object", "null"]) and "properties" in value:
        closed.setdefault("additionalProperties", False)
    return closed
