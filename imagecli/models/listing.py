"""A server's list of models, in any of the forms that servers use, bounded and safe to show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.redaction import redactor
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ENTRIES = 5000
_MOST_ITEMS = 100
"""In one object or array of an entry."""
_MOST_LEVELS = 5
_MOST_CHARACTERS = 500
_LARGEST = 2**63
_IN_DOCUMENT = ("data", "models")
"""The keys under which a document has its list, unless it is a bare list."""


class ModelsReport(NamedTuple):
    """The response to GET /models."""

    url: str
    models: tuple[str, ...]
    """The models' names, in the server's order."""
    request_id: str | None
    entries: tuple[dict[str, Any], ...] = ()
    """Each model as the server describes it, bounded and without control characters; a bare name becomes its `id`."""
    listed_in: str = ""
    """The key of the list in the document: "data", "models", or "" for a bare list."""
    headers: tuple[tuple[str, str], ...] = ()
    """The response's headers, names in lower case, without cookies."""


class ListingError(Exception):
    """A response with a success status is an error document."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Keep the document."""
        super().__init__("an error instead of a list")
        self.document = document


def read_models(  # noqa: PLR0913 - the parts of a response
    body: bytes,
    url: str,
    headers: Mapping[str, str],
    secrets: tuple[str, ...],
    request_id: str | None,
    *,
    prefix: str = "",
) -> ModelsReport | None:
    """Return the list in a body, None if it has none. A `prefix` is removed from the models' names.

    Raises:
        ListingError: the body is an error document.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    key = ""
    entries = document
    if isinstance(document, dict):
        if document.get("error"):
            raise ListingError(document)
        key = next((name for name in _IN_DOCUMENT if isinstance(document.get(name), list)), "")
        entries = document.get(key)
    if not isinstance(entries, list):
        return None
    # Most lists repeat no secret, and have thousands of strings: the whole is searched once.
    hidden = secrets if secrets and redactor(secrets).occurs_in(body) else ()
    found = [entry for each in entries[:_MOST_ENTRIES] if (entry := _entry(each, hidden))]
    if prefix:
        found = [entry | {"id": name_of(entry).removeprefix(prefix)} for entry in found]
    return ModelsReport(
        url,
        tuple(name_of(entry) for entry in found),
        request_id,
        tuple(found),
        key,
        tuple(
            (sanitize(name.lower(), secrets), sanitize(value, secrets, limit=_MOST_CHARACTERS))
            for name, value in list(headers.items())[:_MOST_ITEMS]
            if "cookie" not in name.lower()
        ),
    )


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the name by which a model is requested, "" if the entry has none."""
    return next((entry[key] for key in ("id", "name") if isinstance(entry.get(key), str) and entry[key]), "")


def _entry(value: object, secrets: tuple[str, ...]) -> dict[str, Any] | None:
    entry = _bounded({"id": value} if isinstance(value, str) else value, secrets, _MOST_LEVELS)
    return entry if isinstance(entry, dict) and name_of(entry) else None


def _bounded(value: object, secrets: tuple[str, ...], levels: int) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON cut to the limits; what is too deep or not a finite number becomes None."""
    if isinstance(value, str):
        return sanitize(value, secrets, limit=_MOST_CHARACTERS)
    if isinstance(value, list) and levels:
        return [_bounded(each, secrets, levels - 1) for each in value[:_MOST_ITEMS]]
    if isinstance(value, dict) and levels:
        pairs = list(value.items())[:_MOST_ITEMS]
        return {sanitize(name, secrets): _bounded(each, secrets, levels - 1) for name, each in pairs}
    # The comparison is false for NaN, which Python's parser accepts.
    return value if isinstance(value, (int, float)) and abs(value) < _LARGEST else None
