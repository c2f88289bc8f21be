"""What GET /models said, read with care: servers list in many shapes, and what they write is shown to people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ENTRIES = 5000
_MOST_ITEMS = 100
"""Of one object or array in an entry."""
_MOST_LEVELS = 5
_MOST_CHARACTERS = 500
_LARGEST = 2**63
_IN_DOCUMENT = ("data", "models")
"""Where the list stands; a bare list has no name."""


@dataclass(frozen=True, slots=True)
class ModelsReport:
    """What GET /models said."""

    url: str
    models: tuple[str, ...]
    """The models' names, in the server's order."""
    request_id: str | None
    entries: tuple[dict[str, Any], ...] = ()
    """Each model as the server has it, bounded and without control characters; a plain name is its `id`."""
    listed_in: str = ""
    """Where the list stood in the document: "data", "models", or "" for a bare list."""
    headers: tuple[tuple[str, str], ...] = ()
    """The answer's headers, names in lower case, cookies left out."""


class ErrorInstead(Exception):
    """A success holds an error; `document` is all of it."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Take the document."""
        super().__init__("an error instead of a list")
        self.document = document


def read_models(  # noqa: PLR0913 - an answer, in its parts
    body: bytes,
    url: str,
    headers: Mapping[str, str],
    secrets: tuple[str, ...],
    request_id: str | None,
    *,
    prefix: str = "",
) -> ModelsReport | None:
    """Return the list that a body holds, None where it holds none. A `prefix` is taken off the models' names.

    Raises:
        ErrorInstead: it holds an error.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    place = ""
    entries = document
    if isinstance(document, dict):
        if document.get("error"):
            raise ErrorInstead(document)
        place = next((name for name in _IN_DOCUMENT if isinstance(document.get(name), list)), "")
        entries = document.get(place)
    if not isinstance(entries, list):
        return None
    found = [entry for each in entries[:_MOST_ENTRIES] if (entry := _entry(each, secrets))]
    if prefix:
        found = [entry | {"id": name_of(entry).removeprefix(prefix)} for entry in found]
    return ModelsReport(
        url,
        tuple(name_of(entry) for entry in found),
        request_id,
        tuple(found),
        place,
        tuple(
            (name.lower(), clean(value, secrets, limit=_MOST_CHARACTERS))
            for name, value in list(headers.items())[:_MOST_ITEMS]
            if "cookie" not in name.lower()
        ),
    )


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the name under which a model is asked for, "" where the entry has none."""
    return next((entry[key] for key in ("id", "name") if isinstance(entry.get(key), str) and entry[key]), "")


def _entry(value: object, secrets: tuple[str, ...]) -> dict[str, Any] | None:
    entry = _bounded({"id": value} if isinstance(value, str) else value, secrets, _MOST_LEVELS)
    return entry if isinstance(entry, dict) and name_of(entry) else None


def _bounded(value: object, secrets: tuple[str, ...], levels: int) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON without what is too deep, too long or no number; None takes its place."""
    if isinstance(value, str):
        return clean(value, secrets, limit=_MOST_CHARACTERS)
    if isinstance(value, list) and levels:
        return [_bounded(each, secrets, levels - 1) for each in value[:_MOST_ITEMS]]
    if isinstance(value, dict) and levels:
        pairs = list(value.items())[:_MOST_ITEMS]
        return {clean(name, secrets): _bounded(each, secrets, levels - 1) for name, each in pairs}
    # NaN, which Python's parser takes, is less than nothing.
    return value if isinstance(value, (int, float)) and abs(value) < _LARGEST else None
