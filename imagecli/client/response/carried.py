"""Images that an error carries: a gateway that could not read a finished stream repeats it in its message.

LiteLLM's proxy does with a stream of an edit (500): litellm.APIError: … - event: image_edit.completed, data: {…
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagecli.client.response.sources import pieces_of
from imagecli.client.response.spool import LongString, NotJsonError, Spool, outline

if TYPE_CHECKING:
    from collections.abc import Iterator

# Escaped once or more: base64 under its usual key that begins as an image does.
_IMAGE = re.compile(rb"\bb64_json[\\\"': ]{2,20}(?:data:image/|iVBORw0KGgo|/9j/|UklGR|R0lGOD)")
_EVENT = re.compile(rb"(?:^|[\s:-])((?:event|data): ?[\w{])")
_FIRST_LOOK = 65_536


def carries_image(error: bytes) -> bool:
    """Return whether the beginning of an error's body has an image in it, which is made and paid for."""
    return _IMAGE.search(error) is not None


def copy_stream(error: Spool, into: Spool) -> bool:
    """Copy the stream of events that stands in a text of an error document; return whether there is one."""
    try:
        document = outline(error)
    except NotJsonError:
        return False
    for text in _texts(document):
        pieces = pieces_of(text, error, is_base64=False)
        try:
            first = next(pieces, b"")
            found = _EVENT.search(first[:_FIRST_LOOK])
            if found is None:
                continue
            into.write(first[found.start(1) :])
            for piece in pieces:
                into.write(piece)
        except ValueError:
            return False
        return True
    return False


def _texts(document: Any) -> Iterator[str | LongString]:  # noqa: ANN401 - any JSON
    todo = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, (str, LongString)):
            yield node
        elif isinstance(node, (dict, list)):
            todo.extend(node.values() if isinstance(node, dict) else node)
