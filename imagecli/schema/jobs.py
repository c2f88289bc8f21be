"""The schema of a line of a job file, from the keys that are read and the table of flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.batch.cells import OPTIONS, TAKERS
from imagecli.flags.row import MAKING
from imagecli.schema.kinds import boolean, closed, list_of, maybe, one_of, open_table, text, value_of

if TYPE_CHECKING:
    from imagecli.flags.row import Flag
    from imagecli.schema.kinds import Fields, Schema

_OWN: Fields = {
    "id": {"type": ["string", "integer"], "description": "The job's name, one of its own."},
    "op": one_of(MAKING, "What to do; left out: edit if there is an image, else gen."),
    "image": {"anyOf": [text(), list_of(text())], "description": "The input image; a list: several."},
    "prompt": text("What to show."),
    "prompt_file": text("The file that says what to show."),
    "output": text("Where it goes in DIR: a name, a folder/, or a template such as {id}.{ext}."),
}


def job_schema() -> Schema:
    """Return the schema of an object of a .jsonl file; what --prompt alone uses of it is not in there."""
    keys = _OWN | {name: _value(flag) for name, flag in OPTIONS.items()}
    spelt = {each: maybe(kind) for name, kind in keys.items() for each in dict.fromkeys((name, name.replace("_", "-")))}
    whole = closed(spelt, "A line of a job file (JSON lines); null is not set.")
    return {"title": "A job of imagecli"} | whole | {"allOf": [_only_own(op) for op in MAKING]}


def _value(flag: Flag) -> Schema:
    """Return what a flag takes in a job: numbers and switches as text, too, and of --param an object."""
    kind = value_of(flag)
    if flag.name == "param":
        return kind | {"anyOf": [*kind["anyOf"], open_table("field → value")]}
    if flag.type is bool and flag.choices:  # as text, on and off have many spellings
        return boolean(kind["description"]) | {"type": ["boolean", "string"]}
    return kind if flag.type is str else kind | {"type": [kind["type"], "string"]}


def _only_own(op: str) -> Schema:
    """Return the rule that a job which names an operation has no key that only others take."""
    others = [name for name, takers in TAKERS.items() if op not in takers]
    return {
        "if": {"properties": {"op": {"const": op}}, "required": ["op"]},
        "then": {"properties": {each: {"type": "null"} for each in others}},
    }
