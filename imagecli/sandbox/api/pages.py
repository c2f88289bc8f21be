"""Lists of the API, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api.wire import invalid_type, invalid_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def page(items: Sequence[dict[str, Any]], query: Mapping[str, str], *, most: int, usual: int) -> dict[str, Any]:
    """Return the items after that of ID `after`, as many as `limit` says (`usual`, at most `most`).

    Raises:
        Refusal: the limit is none.
    """
    text = query.get("limit", str(usual))
    if not (text.isascii() and text.isdigit()):
        raise invalid_type("limit", "an integer", "a string")
    limit = int(text[:9])
    if not 1 <= limit <= most:
        raise invalid_value("limit", f"Invalid 'limit': expected a value from 1 to {most}, but got {text} instead.")
    ids = [item["id"] for item in items]
    after = query.get("after")
    start = 0 if after is None else ids.index(after) + 1 if after in ids else len(ids)
    shown = items[start : start + limit]
    return {
        "object": "list",
        "data": list(shown),
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": start + limit < len(items),
    }
