"""--like: the request that made a file, as settings, a prompt and inputs.

It is the one in the ledger; of a file that the ledger does not know, what is written in it counts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from imagecli.errors import UsageProblem
from imagecli.flags import REMADE
from imagecli.history import check_unchanged, is_reference, known_of
from imagecli.inputs import STDIO, Remake
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags.row import Command
    from imagecli.ledger.queries import Entry
    from imagecli.options import Typed
    from imagecli.provenance.making import Making


def read_remake(command: Command, typed: Typed) -> Remake:
    """Return the request that made the file of --like, as far as nothing else was typed in its place.

    Raises:
        UsageProblem: nothing is known of the file, or an input that is needed is gone or has changed.
    """
    path, sha256, entry = known_of(typed.like or "")
    image, prompt = _words(command, typed)
    if entry is None:
        found = _from_file(path, sha256)
    else:
        found = _from_ledger(command, typed, entry, printable(path), has_image=image is not None)
    prompt = found.prompt if prompt is None and typed.prompt_file is None else prompt
    if command != "vary" and prompt is None and typed.prompt_file is None:
        raise UsageProblem(f"the prompt that made {printable(path)} is not known", hint="Give a PROMPT, or -f FILE.")
    return found._replace(prompt=None if command == "vary" else prompt, image=found.image if image is None else image)


def _words(command: Command, typed: Typed) -> tuple[str | None, str | None]:
    """Return IMAGE and PROMPT: a single word of `edit` is the PROMPT unless it names a file, or looks as if it did."""
    word = typed.input
    alone = command == "edit" and word is not None and typed.prompt is None and typed.prompt_file is None
    if not alone or word is None or word == STDIO or is_reference(word) or os.path.exists(word):
        return word, typed.prompt
    names_file = len(word.split()) == 1 and ("." in word or "/" in word)
    return (word, None) if names_file else (None, word)


def _from_ledger(command: Command, typed: Typed, entry: Entry, name: str, *, has_image: bool) -> Remake:
    request = entry.request
    options = request["options"]
    values: dict[str, Any] = dict(options) if isinstance(options, dict) else {}
    values |= {key: request[key] for key in ("profile", "model") if request[key] is not None}
    images, others = [], {}
    for each in request["inputs"] if isinstance(request["inputs"], list) else ():
        if each.get("as") in {"mask", "markup"}:
            others[each["as"]] = each
        else:
            images.append(each)
    host = None if typed.profile is not None or typed.base_url is not None else request["host"]
    if command == "gen":
        return Remake(values, request["prompt"], host=host)
    wanted = [] if has_image else images[:1]
    if command == "edit":
        further = [] if typed.image else images[1:]
        used = {role: each for role, each in others.items() if getattr(typed, role) is None}
        values |= {role: _path(each, f"the {role} of {name}") for role, each in used.items()}
        values["image"] = tuple(_path(each, f"an input of {name}") for each in further)
    first = next((_path(each, f"the input of {name}") for each in wanted), None)
    return Remake(values, request["prompt"], first, host)


def _path(each: Mapping[str, Any], called: str) -> str:
    """Return the path of an input.

    Raises:
        UsageProblem: it is gone, has changed, or was piped in.
    """
    path = each.get("path")
    if path is None:
        raise UsageProblem(f"{called} came from standard input", hint="Name it, or pipe it in again as -.")
    check_unchanged(path, each.get("sha256"), f"{called}, {printable(path)},")
    return str(path)


def _from_file(path: str, sha256: str) -> Remake:
    from imagecli.provenance.reading import read_said

    name = printable(path)
    said = read_said(path, sha256, check=False)
    recipe = said.recipe
    if said.making is not None:
        return _from_making(said.making, name, "beside" if said.beside else "into")
    if recipe is None:
        raise UsageProblem(
            f"how {name} was made is not known: it is not in the ledger, and the file does not say",
            hint="`imagecli log` lists what is in the ledger.",
        )
    wanted = {"negative": recipe.negative, "seed": recipe.seed, "size": recipe.size}
    values = {key: value for key, value in wanted.items() if value is not None}
    model = "" if recipe.model is None else f"; it was made with {printable(recipe.model)}"
    warning = f"{name} is not in the ledger, so what it says of itself is used{model}"
    return Remake(values, recipe.prompt, warnings=(warning,))


def _from_making(making: Making, name: str, where: str) -> Remake:
    """Return what imagecli has written into the file or beside it; of that, nothing which names another file."""
    values = {key: value for key, value in making.options.items() if key in REMADE}
    if making.model is not None:
        values["model"] = making.model
    files = {"mask": "--mask", "markup": "--markup"}
    missing = [files[role] for role in dict.fromkeys(each.get("as") for each in making.inputs) if role in files]
    also = f"; it had a file for {' and '.join(missing)} too, which is not in it" if missing else ""
    warning = f"{name} is not in the ledger, so what imagecli has written {where} it is used{also}"
    return Remake(values, making.prompt, warnings=(warning,))
