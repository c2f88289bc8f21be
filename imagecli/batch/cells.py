"""What the cells of a row mean: the keys of a job, and their values as the flags take them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from imagecli.config.layout import is_secret_name
from imagecli.config.validation import checked, from_text
from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS, FLAGS, flags_of
from imagecli.flags.row import INPUT, MADE, MAKING, OUTPUT, REPORT, SERVER, Flag
from imagecli.inputs import STDIO
from imagecli.text import named, or_meant, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagecli.flags.row import Command

OWN = ("id", "op", "image", "prompt", "output", "prompt_file")
"""The keys that are not simply a flag's value: they name the job, what it is made from, and where it goes."""
_OF_RUN = frozenset({"force", "skip_existing", "like", "mask_preview", "grid"})
"""Flags that say what a run does with files, not what an image is."""
OPTIONS: dict[str, Flag] = {
    flag.name: flag
    for command in MAKING
    for flag in flags_of(command)
    if flag.group in {OUTPUT, MADE, INPUT} and flag.name not in _OF_RUN and flag.name not in OWN
}
"""The flags that a job may set, by name."""
KEYS = (*OWN, *OPTIONS)
TAKERS: dict[str, tuple[str, ...]] = {
    name: tuple(op for op in MAKING if any(flag.name == name for flag in flags_of(op))) for name in OPTIONS
}
"""Flag → the operations that take it."""
_ELSEWHERE = {
    **{field: name for name, field in FIELDS.items() if field != name},
    "n": "count",
    "custom_id": "id",
    "name": "id",
    "text": "prompt",
    "caption": "prompt",
    "operation": "op",
    "file": "image",
    "input": "image",
    "images": "image",
    "input_image": "image",
    "out": "output",
    "path": "output",
    "filename": "output",
    "file_name": "output",
    "params": "param",
}
"""What others call a key, and what it is called here."""
_ALMOST = 0.8
"""From this likeness on, a name is taken for a slip: promt, siz."""
_WIRE = frozenset({"custom_id", "method", "url", "body"})
"""Keys of a file for a provider's batch engine."""


class Shape(NamedTuple):
    """What the keys of a row are; many rows have the same."""

    own: Mapping[str, str]
    """Key of OWN → how it is written."""
    options: tuple[tuple[str, str], ...]
    """Each flag's name, and how it is written."""
    others: tuple[str, ...]
    """Those that are no keys."""
    twice: tuple[str, ...]
    """Those that are written in two ways."""


def shape_of(names: Iterable[str]) -> Shape:
    """Return what the keys of a row are."""
    own: dict[str, str] = {}
    options: dict[str, str] = {}
    others, twice = [], []
    for name in names:
        key = name.replace("-", "_")
        found = own if key in OWN else options if key in OPTIONS else None
        if found is None:
            others.append(name)
        elif key in found:
            twice.append(name)
        else:
            found[key] = name
    return Shape(own, tuple(options.items()), tuple(others), tuple(twice))


def is_near(name: str) -> bool:
    """Return whether a name is almost a key, or one that no job may have."""
    import difflib

    key = name.replace("-", "_").lower()
    return key in _others() or is_secret_name(key) or bool(difflib.get_close_matches(key, KEYS, cutoff=_ALMOST))


def strange(shape: Shape) -> list[str]:
    """Return what is wrong with the names of a row."""
    wrong = [f"{named(name)} is there twice" for name in shape.twice]
    if {*shape.others} >= _WIRE:
        return [*wrong, "this is a line for a provider's batch engine: a job is what its body says"]
    return [*wrong, *map(_unknown, shape.others)]


def _unknown(name: str) -> str:
    key = name.replace("-", "_").lower()
    shown = named(name) or "a column without a name"
    if is_secret_name(key) or key in {"base_url", "profile"}:
        return f"{shown} can't be in a job: no job can name a key, a base URL or a profile"
    if key in _others():
        return f"{shown} is the run's, not a job's: give it to the command, as --{key.replace('_', '-')}"
    meant = f"; did you mean {_ELSEWHERE[key]}?" if key in _ELSEWHERE else or_meant(key, KEYS)
    return f"{shown} is not a key{meant}"


def _others() -> frozenset[str]:
    """Return the flags of making images that belong to a run."""
    return frozenset(
        flag.name
        for flag in FLAGS
        if {*flag.commands} & {*MAKING} and (flag.group in {SERVER, REPORT} or flag.name in _OF_RUN)
    )


def read_value(name: str, value: object, place: str, *, table: bool) -> object:
    """Return the value of a flag as it is in a row.

    Args:
        name: the flag's.
        value: as JSON has it, or the text of a table's cell.
        place: how the key is written.
        table: whether it is a cell: one of several values a line, or a JSON list (of --param: an object).

    Raises:
        UsageProblem: it is not what the flag takes.
    """
    flag = OPTIONS[name]
    if flag.repeated:
        return checked(flag, _several(name, value, place, table=table), place)
    if isinstance(value, str) and flag.type is not str:
        return from_text(flag, value, place)
    return checked(flag, value, place)


def _several(name: str, value: object, place: str, *, table: bool) -> object:
    if table and isinstance(value, str):
        value = _listed(value)
    if name == "param" and isinstance(value, dict):
        if any("=" in key for key in value):
            raise UsageProblem(f"{place} has a field whose name contains a =, which none does")
        return [f"{key}={json.dumps(each)}" for key, each in value.items()]
    return value


def _listed(text: str) -> object:
    """Return the values of a cell: those of a JSON list or object, or one a line."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list | dict):
            return found
    return [line for line in text.splitlines() if line.strip()]


def read_texts(value: object, place: str, *, table: bool) -> tuple[str, ...]:
    """Return one or several texts: the paths of images.

    Raises:
        UsageProblem: there is something else.
    """
    texts = _listed(value) if table and isinstance(value, str) else value
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise UsageProblem(f"{place} must be a path, or a list of paths")
    return tuple(texts)


def read_text(value: object, place: str) -> str:
    """Return a text.

    Raises:
        UsageProblem: it is something else.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and place == "id":
        return str(value)
    kind = {dict: "an object", list: "a list", bool: "true or false"}.get(type(value), "a number")
    raise UsageProblem(f"{place} must be a text, not {kind}")


def read_op(value: object) -> Command:
    """Return the operation that a row names.

    Raises:
        UsageProblem: there is no such.
    """
    for op in MAKING:
        if value == op:
            return op  # type: ignore[return-value] # MAKING are commands
    shown = quoted(value) if isinstance(value, str) else "that"
    raise UsageProblem(f"op must be one of {', '.join(MAKING)}, not {shown}{or_meant(value, MAKING)}")


def input_path(text: str, place: str, folder: str) -> str:
    """Return the path of an input; a relative one is in this folder.

    Raises:
        UsageProblem: it names no file.
    """
    if not text.strip() or "\0" in text:
        raise UsageProblem(f"{place} must be a path, not {quoted(text)}")
    if text == STDIO:
        raise UsageProblem(f"{place} can't be standard input: name a file")
    if text.startswith("@"):
        raise UsageProblem(f"{place} can't be {quoted(text)}, which is another image after each run: name its file")
    if text.startswith(("http://", "https://", "data:")):
        raise UsageProblem(f"{place} {quoted(text)} is a URL, not a file: save it as one first")
    return os.path.join(folder, os.path.expanduser(text))
