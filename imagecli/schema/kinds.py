"""The words that the schemas are written with: small functions that return JSON Schema (draft 2020-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagecli.flags.row import Flag

Schema = dict[str, Any]
Fields = dict[str, Schema]
"""Name → what its value is; a name that ends with "?" may be left out."""


def anything(meaning: str) -> Schema:
    """Any value."""
    return {"description": meaning}


def text(meaning: str = "") -> Schema:
    """A text."""
    return _of("string", meaning)


def number(meaning: str = "") -> Schema:
    """A number."""
    return _of("number", meaning)


def whole(meaning: str = "", least: int = 0) -> Schema:
    """A whole number."""
    return _of("integer", meaning) | {"minimum": least}


def boolean(meaning: str = "") -> Schema:
    """True or false."""
    return _of("boolean", meaning)


def true(meaning: str) -> Schema:
    """True; a field that is false is left out."""
    return {"const": True, "description": meaning}


def one_of(values: Iterable[object], meaning: str = "") -> Schema:
    """One of these values."""
    return {"enum": [*values]} | _said(meaning)


def list_of(items: Schema, meaning: str = "", length: int | None = None) -> Schema:
    """A list; of `length` values where that is given."""
    fixed = {} if length is None else {"minItems": length, "maxItems": length}
    return _of("array", meaning) | {"items": items} | fixed


def table(fields: Fields, meaning: str = "") -> Schema:
    """An object. It may have more fields than these: others are added in later versions."""
    return _of("object", meaning) | {
        "properties": {name.removesuffix("?"): each for name, each in fields.items()},
        "required": [name for name in fields if not name.endswith("?")],
    }


def names_to(values: Schema, meaning: str = "") -> Schema:
    """An object of any names, each with such a value."""
    return _of("object", meaning) | {"additionalProperties": values}


def open_table(meaning: str) -> Schema:
    """An object of any names and values, such as a server's own."""
    return names_to({}, meaning)


def ref(name: str, meaning: str = "") -> Schema:
    """What stands under that name in `$defs`."""
    return {"$ref": f"#/$defs/{name}"} | _said(meaning)


def maybe(schema: Schema) -> Schema:
    """That, or null."""
    if "enum" in schema:
        return schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        kinds = schema["type"]
        return schema | {"type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}
    said = _said(schema.get("description", ""))
    return {"anyOf": [{name: each for name, each in schema.items() if name not in said}, {"type": "null"}]} | said


def value_of(flag: Flag) -> Schema:
    """What a flag takes, in a file; bounds and choices as on the command line."""
    from imagecli.config.validation import SPELLINGS

    if flag.type is bool and flag.choices:
        kind = one_of([True, False, *flag.choices])
    elif flag.choices:
        kind = one_of([*flag.choices, *(other for other, usual in SPELLINGS.items() if usual in flag.choices)])
    else:
        kind = _of({str: "string", int: "integer", float: "number", bool: "boolean"}[flag.type], "")
    if flag.bounds != (0, 0):
        low, high = flag.bounds
        kind |= {"exclusiveMinimum" if flag.above else "minimum": low, "maximum": high}
    if flag.type is str and not flag.choices:
        kind |= {"pattern": f"^({flag.pattern})$" if flag.pattern else r"\S"}
    said = _said(flag.help)
    return {"anyOf": [kind, list_of(kind)]} | said if flag.repeated else kind | said


def closed(properties: Mapping[str, Schema], meaning: str = "") -> Schema:
    """An object that has no other names than these, any of which may be left out."""
    return _of("object", meaning) | {"properties": dict(properties), "additionalProperties": False}


def _of(kind: str, meaning: str) -> Schema:
    return {"type": kind} | _said(meaning)


def _said(meaning: str) -> Schema:
    return {"description": meaning} if meaning else {}
