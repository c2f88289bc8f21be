"""Walking through an error's document, and through the documents that gateways put into its texts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_MOST_NODES = 2_000
_TABLE = re.compile(r"\{\s*\"")


def embedded(text: str) -> tuple[dict[str, Any], str] | None:
    """Return the JSON table that stands in a text, and the words before it; None where there is none."""
    start = _TABLE.search(text)
    if start is None:
        return None
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return None
    return document, text[: start.start()]


def walk(document: object, skipped: Collection[str] = ()) -> Iterator[dict[str, Any] | str]:
    """Yield every table and every text, outer ones first; the tables within texts too.

    Args:
        document: any JSON.
        skipped: keys that are not followed.
    """
    todo: list[object] = [document]
    for node in todo:
        if len(todo) > _MOST_NODES:
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
