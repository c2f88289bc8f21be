"""What made an image, as far as it is known before anything is sent: for the ledger, the image's file and --like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from imagecli.config.layout import is_secret_name
from imagecli.flags import FIELDS, REMADE
from imagecli.flags.making import MOST_SEED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.config.profiles import Profile
    from imagecli.dialects.request import Draft
    from imagecli.flags.row import Command
    from imagecli.inputs import Inputs
    from imagecli.options import Options
    from imagecli.provenance.making import Making

_PRIVATE = "safety_identifier"
"""Stands for a person, and so does not go into a file."""


def remade_options(options: Options) -> dict[str, object]:
    """Return what was typed, or is of --like: what is no field of the request, and how results are saved."""
    return {
        name: value.value
        for name, value in options.__dict__.items()
        if name in REMADE and name not in FIELDS and (value.typed or value.origin.kind == "like")
    }


def fields_of(draft: Draft) -> dict[str, object]:
    """Return the flags that are fields of a request, by their names."""
    return {name: draft.fields[name] for name in FIELDS if name in draft.fields}


def making_of(command: Command, profile: Profile, draft: Draft, options: Options, inputs: Inputs) -> Making:
    """Return what makes the images of a run, without keys and paths."""
    from imagecli.inputs import input_files
    from imagecli.provenance.making import Making

    made_with: dict[str, Any] = fields_of(draft) | remade_options(options)
    made_with.pop(_PRIVATE, None)
    if draft.params:
        made_with["param"] = [f"{name}={json.dumps(_clean(value))}" for name, value in draft.params.items()]
    files = ({"as": each["as"], "sha256": each["sha256"]} for each in input_files(inputs))
    return Making(command, inputs.prompt, draft.model, _system(profile), made_with, tuple(files))


def making_of_row(making: Making, row: Mapping[str, Any] | None) -> Making:
    """Return what made the images of a run that is over: what is not in its record is in the ledger's row, or gone."""
    if row is None:
        return making._replace(prompt=None)
    try:
        options = json.loads(row["options"] or "{}")
    except ValueError:
        options = {}
    params = [_clean_param(each) for each in options.pop("param", None) or ()]
    options = {name: value for name, value in options.items() if name != _PRIVATE} | (
        {"param": params} if params else {}
    )
    return making._replace(prompt=row["prompt"], model=row["model"], options=options)


def _clean_param(pair: str) -> str:
    name, _, text = pair.partition("=")
    try:
        return f"{name}={json.dumps(_clean(json.loads(text)))}"
    except ValueError:
        return pair


def _clean(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value without what is in fields that have the names of keys."""
    if isinstance(value, dict):
        return {name: _clean(each) for name, each in value.items() if not is_secret_name(str(name))}
    return [_clean(each) for each in value] if isinstance(value, list) else value


def _system(profile: Profile) -> str | None:
    """Return whose model it is, where that is known."""
    from imagecli import dialects

    if profile.sandbox:
        return "imagecli's sandbox"
    return None if profile.provider is None else dialects.load_class(profile.provider).title


def own_seed(fields: Mapping[str, Any], n: int) -> int | None:
    """Return the seed of one image of a run; None: it has none, or a random one."""
    seed = fields.get("seed", -1)
    return None if seed < 0 else (seed + n - 1) % (MOST_SEED + 1)
