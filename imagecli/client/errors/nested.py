"""Walking through an error's document, and through the documents that gateways put into its strings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_MAX_NODES = 2_000
_OBJECT = re.compile(r"\{\s*\"")


def embedded(text: str) -> tuple[dict[str, Any], str] | None:
    """Return the JSON object inside a text, and the text before it; None where it contains none."""
    start = _OBJECT.search(text)
    if start is None:
        return None
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return None
    return document, text[: start.start()]


def walk(document: object, skipped: Collection[str] = ()) -> Iterator[dict[str, Any] | str]:
    """Yield every object and every string, outer ones first; the objects within strings too.

    Args:
        document: any JSON.
        skipped: keys that are not followed.
    """
    todo: list[object] = [document]
    for node in todo:
        if len(todo) > _MAX_NODES:
            return
        if isinstance(node, dict):
            yield node
            todo += [value for key, value in node.items() if key not in skipped]
        elif isinstance(node, list):
            todo += node
        elif isinstance(node, str):
            yield node
            if (inner := embedded(node)) is not None:
                todo.append(inner[0])
