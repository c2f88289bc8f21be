"""What is written down of the making of one image: the request behind it, without keys, users and paths.

In an image it is XMP (`properties_of`), in a PNG also the text that AUTOMATIC1111's readers know (`parameters_of`);
beside it, JSON (`document_of`). `read` reads it back.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli._version import __version__
from imagecli.images.types import SIDECAR
from imagecli.provenance.recipes import Recipe
from imagecli.provenance.xmp import SOURCE_TYPES
from imagecli.text import hide_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SCHEMA = 1
_MAX_SIDECAR = 1 << 23
_REQUEST = "imagecli:Request"
_KINDS = {"edit": "compositeWithTrainedAlgorithmicMedia"}
_MADE = "trainedAlgorithmicMedia"


class Making(NamedTuple):
    """What made an image."""

    command: str
    """gen, edit or vary."""
    prompt: str | None = None
    model: str | None = None
    system: str | None = None
    """Whose model it is: the provider's name, where it is known."""
    options: Mapping[str, Any] = {}
    """The flags that made it, by name."""
    inputs: tuple[Mapping[str, Any], ...] = ()
    """sha256 of each input, and `as` what it went along; never where it lay."""
    n: int = 1
    """Which image of its run it is, from 1."""
    revised_prompt: str | None = None
    request_id: str | None = None
    at: float = 0.0
    """When it came, in seconds since 1970."""
    seed: int | None = None
    """Its own, where the run counts them up."""
    size: tuple[int, int] | None = None
    """Pixels, as it is saved."""

    def is_of(self, other: Making) -> bool:
        """Return whether it is of the same image of the same request: only the time may differ."""
        names = ("command", "prompt", "model", "n", "request_id", "revised_prompt", "seed")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def without(self, hide: Callable[[str], str]) -> Making:
        """Return it without keys: what has the shape of one, and what `hide` takes out of a text."""

        def clean(value: Any) -> Any:  # noqa: ANN401 - any JSON
            if isinstance(value, str):
                return hide_words(hide(value))
            if isinstance(value, (list, tuple)):
                return [clean(each) for each in value]
            return {clean(name): clean(each) for name, each in value.items()} if isinstance(value, dict) else value

        names = ("prompt", "model", "system", "options", "inputs", "revised_prompt", "request_id")
        return self._replace(**{name: clean(getattr(self, name)) for name in names})


def document_of(making: Making) -> dict[str, Any]:
    """Return it as JSON has it."""
    return {
        "schema": _SCHEMA,
        "program": "imagecli",
        "version": __version__,
        "command": making.command,
        "prompt": making.prompt,
        "revised_prompt": making.revised_prompt,
        "model": making.model,
        "options": making.options,
        "inputs": making.inputs,
        "n": making.n,
        "seed": making.seed,
        "made_at": _iso(making.at),
        "request_id": making.request_id,
    }


def properties_of(making: Making) -> dict[str, str]:
    """Return it as properties of XMP: in IPTC's and Adobe's fields what those have, and all of it in one of our own."""
    program = f"imagecli {__version__}"
    systems = [name for name in (making.system, making.model) if name]
    found = {
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPES + _KINDS.get(making.command, _MADE),
        "xmp:CreatorTool": program,
        "xmp:CreateDate": _iso(making.at),
        "Iptc4xmpExt:AISystemUsed": " ".join(systems),
        "Iptc4xmpExt:AISystemVersionUsed": making.model,
        "Iptc4xmpExt:AIPromptInformation": making.prompt,
        "dc:description": making.prompt,
        _REQUEST: json.dumps(document_of(making), ensure_ascii=False, default=str),
    }
    return {name: value for name, value in found.items() if value}


def parameters_of(making: Making) -> str | None:
    """Return it as AUTOMATIC1111 writes it into a PNG; None: its readers would not know it from a prompt."""
    facts = {
        "Seed": making.seed,
        "Size": "{}x{}".format(*making.size) if making.size else None,
        "Model": making.model,
        "Version": f"imagecli {__version__}",
    }
    settings = [f"{name}: {_quoted(str(value))}" for name, value in facts.items() if value is not None]
    if making.prompt is None or len(settings) < 3:  # noqa: PLR2004 - as many as they ask for
        return None
    negative = making.options.get("negative")
    lines = [making.prompt, f"Negative prompt: {negative}" if negative else "", ", ".join(settings)]
    return "\n".join(filter(None, lines))


def is_ours(properties: Mapping[str, str]) -> bool:
    """Return whether imagecli has written down there what made an image."""
    return _REQUEST in properties


def read(properties: Mapping[str, str]) -> tuple[Making, str] | None:
    """Return what imagecli has written into an image, and its version; None: nothing, or it is not what it writes."""
    return _read(properties.get(_REQUEST, ""))


def read_sidecar(image: str, sha256: str) -> tuple[Making, str] | None:
    """Return what imagecli has written beside an image, as `read`; None also where it is about other bytes."""
    path = image + SIDECAR
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MAX_SIDECAR:
            return None
        with open(path, "rb") as file:
            text = file.read(_MAX_SIDECAR).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None
    return _read(text, lambda said: isinstance(said.get("image"), dict) and said["image"].get("sha256") == sha256)


def _read(text: str, counts: Callable[[dict[str, Any]], bool] = bool) -> tuple[Making, str] | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(said, dict) and counts(said)):
        return None
    if said.get("program") != "imagecli" or not _is_text(said.get("command")):
        return None
    options, inputs = said.get("options"), said.get("inputs")
    texts = {name: said.get(name) if _is_text(said.get(name)) else None for name in _TEXTS}
    number, seed = said.get("n"), said.get("seed")
    making = Making(
        said["command"],
        texts["prompt"],
        texts["model"],
        None,
        options if isinstance(options, dict) else {},
        tuple(each for each in inputs if isinstance(each, dict)) if isinstance(inputs, list) else (),
        number if type(number) is int else 1,
        texts["revised_prompt"],
        texts["request_id"],
        _seconds(texts["made_at"]),
        seed if type(seed) is int else None,
    )
    return making, texts["version"] or ""


def recipe_of(making: Making) -> Recipe:
    """Return it as what other programs say of an image."""
    negative, size = making.options.get("negative"), making.options.get("size")
    return Recipe(
        "imagecli",
        making.prompt,
        negative if isinstance(negative, str) else None,
        making.seed,
        size if isinstance(size, str) else None,
        making.model,
    )


_TEXTS = ("prompt", "revised_prompt", "model", "request_id", "made_at", "version")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _quoted(text: str) -> str:
    """Return a value as AUTOMATIC1111 writes it: in quotes where it would end too early."""
    return json.dumps(text, ensure_ascii=False) if any(char in text for char in ',:\n"') else text


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _seconds(text: str | None) -> float:
    """Return the seconds since 1970 of a time, 0 where it is none."""
    from calendar import timegm

    try:
        return float(timegm(time.strptime(text or "", "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return 0.0
