"""Finding the images in a JSON document, whatever its shape and whatever their keys.

An object has one image, or a list of them, under the best of its keys; a list has those of all its entries. What is
taken for an image: any string that begins as one, and any address under a key that says so. Thumbnails, and images that
were sent to the server, are not results.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.client.response.sources import Inline, Item, Link, kind_of
from imagecli.client.response.spool import LongString, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.client.response.spool import Spool

_MAX_DEPTH = 16
_MAX_IMAGES = 1000
_MAX_NODES = 100_000
"""Values of a document that are looked at."""
_LONGEST_ADDRESS = 65_536
_LONGEST_NESTED = 1 << 25
_FIRST_LOOK = 64
_BASE64 = ("b64_json", "base64")
_ADDRESSES = ("url", "image_url")
"""OpenAI's own keys of an image, and their next of kin: whatever text they hold is meant to be one."""
_RANKED = (
    *(*_BASE64, "data", "images", "output", "outputs", "result", "results", "artifacts", "predictions", "candidates"),
    *("choices", "{result}", *_ADDRESSES, "image", "{other}", "{late}"),
)
"""Keys in the order in which they are tried; the results before an address of the document itself."""
_RANKS = {key: rank for rank, key in enumerate(_RANKED)}
_RESULT = frozenset({"output", "outputs", "result", "results", "generated", "edited", "final"})
"""Words in keys of results: beside "image", which may be the input."""
_LATE = frozenset({"original", "source", "before", "uploaded", "metadata", "meta"})
"""Words in keys that go after all others: of two images, those under them are hardly the result."""
_NEVER = frozenset(
    {
        *("input", "inputs", "init", "mask", "masks", "request", "echo", "ref", "reference", "references"),
        *("control", "prompt", "param", "params", "parameters", "thumb", "thumbs", "thumbnail"),
        *("arguments", "thumbnails", "preview", "previews", "partial", "icon", "logo", "avatar", "favicon", "error"),
        *("errors", "usage", "doc", "docs", "documentation", "help", "terms"),
    }
)
"""Words in keys below which nothing is a result: what was sent, previews, messages."""
_NO_ADDRESS = frozenset(
    {
        *("status", "cancel", "callback", "webhook", "response", "poll", "polling", "get", "self", "stream"),
        *("task", "web", "next", "prev", "previous", "homepage", "model", "license", "operation", "metrics"),
        *("video", "audio", "upgrade", "billing", "payment", "pricing", "support", "login", "dashboard", "console"),
    }
)
"""Words in keys whose addresses are not an image's."""
_ADDRESS_WORDS = (
    r"ur[li]|im(?:a?g|age)|pic|photo|link|href|src|source|original|output|result|artifact|file|asset|media|sample"
    r"|download|data|content|render|generat"
)
_PROSE = frozenset({"content", "text", "markdown", "html", "answer", "response", "reply"})
"""Keys of texts that people read, in which an image may be shown."""
_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg")
_ABSOLUTE = ("http://", "https://", "//")
_FAILED = frozenset({"failed", "fail", "failure", "error", "rejected", "blocked", "moderated"})


class Found(NamedTuple):
    """One entry of a list of images, or all there is."""

    item: Item | None
    """None: there is no image in it."""
    entry: Any = None
    """The entry itself, where there is none: an error, or nothing."""


class Finder:
    """Looks for images in one document whose long strings are in `spool`."""

    def __init__(self, spool: Spool, *, previews: bool = False) -> None:
        """Look for results, or for `previews` too."""
        self._spool = spool
        self._never = _NEVER - {"preview", "previews", "partial"} if previews else _NEVER
        self._left = _MAX_NODES
        self._doubtful = False
        self._lists = 0

    def find(self, document: Any) -> list[Found]:  # noqa: ANN401 - any JSON
        """Return the images of a document in their order, and in their places what its lists have instead."""
        self._left, self._lists = _MAX_NODES, 0
        self._doubtful = is_error(document)
        return self._images(document, "data", _MAX_DEPTH)[:_MAX_IMAGES]

    def _images(self, node: Any, key: str, depth: int) -> list[Found]:  # noqa: ANN401 - any JSON
        self._left -= 1
        if not depth or self._left < 0:
            return []
        if isinstance(node, (str, LongString)):
            item = self._item(node, key)
            return [Found(item)] if item is not None else self._in_prose(node, key) or self._in_json(node, key, depth)
        if isinstance(node, list):
            return self._in_list(node, key, depth)
        return self._in_object(node, depth) if isinstance(node, dict) else []

    def _in_prose(self, text: str | LongString, key: str) -> list[Found]:
        """Return the images that a chat's answer shows in its text; an error's text has none."""
        if key not in _PROSE or self._doubtful:
            return []
        from imagecli.client.response.prose import images_in

        return [Found(item) for item in images_in(text, self._spool)]

    def _in_json(self, text: str | LongString, key: str, depth: int) -> list[Found]:
        """Return the images of a document that stands in another as a text."""
        head = text[:1] if isinstance(text, str) else read_text(self._spool, text, 1)
        whole = self.text(text, _LONGEST_NESTED) if head in ("{", "[") else None
        try:
            document = json.loads(whole or "null")
        except (ValueError, RecursionError):
            return []
        return self._images(document, key, depth - 1)

    def _in_list(self, entries: list[Any], key: str, depth: int) -> list[Found]:
        """Return the images of all entries; of one without any, the entry: it counts where others have images."""
        found: list[Found] = []
        self._lists += 1
        for entry in entries[:_MAX_NODES]:
            found += self._images(entry, key, depth - 1) or ([Found(None, entry)] if _is_place(entry) else [])
        self._lists -= 1
        return found

    def _in_object(self, node: dict[str, Any], depth: int) -> list[Found]:
        if node.get("thought") is True:  # Gemini's drafts
            return []
        if node.get("respect_moderation") is False:  # of an image that may be there
            return [Found(None, node)]
        places: list[Found] = []
        keys = [key for key in node if _words(key).isdisjoint(self._never)]
        for key in sorted(keys, key=lambda key: _order(key, node[key])):
            found = self._images(node[key], key, depth - 1)
            if any(one.item is not None for one in found):
                for other in keys:
                    if other != key and _stem(other) == _stem(key):  # image1, image2 …
                        found += self._images(node[other], other, depth - 1)
                return self._with_prompt(found, node)
            places = places or found
        return places or ([Found(None, node)] if is_withheld(node) else [])

    def _with_prompt(self, found: list[Found], node: dict[str, Any]) -> list[Found]:
        """Give the images of an object its revised prompt, where they have none of their own."""
        text = next(filter(None, (self.text(node.get(key)) for key in ("revised_prompt", "revisedPrompt"))), None)
        return [
            Found(one.item._replace(revised_prompt=one.item.revised_prompt or text)) if one.item is not None else one
            for one in found
        ]

    def _item(self, value: str | LongString, key: str) -> Item | None:
        if kind_of(value, self._spool) is not None or (key in _BASE64 and isinstance(value, LongString)):
            return Item(Inline(value))
        head = value if isinstance(value, str) else read_text(self._spool, value, _FIRST_LOOK)
        if head[:_FIRST_LOOK].lstrip().lower().startswith("data:"):
            return Item(Inline(value)) if key in _BASE64 or key in _ADDRESSES else None
        text = (self.text(value, _LONGEST_ADDRESS) or "").strip()
        if text and self._is_address(text, key):
            return Item(Link(text))
        return Item(Inline(value)) if text and key in _BASE64 else None

    def _is_address(self, text: str, key: str) -> bool:
        """Return whether a text is an image's address; where an error is explained, most others aren't."""
        if self._doubtful and not (self._lists or _has_extension(text)):
            return False
        if _is_absolute(text):
            return _says_address(key, text)
        return key in _ADDRESSES or (text.startswith("/") and _says_address(key, "") and _has_extension(text))

    def text(self, value: object, limit: int = 1 << 20) -> str | None:
        """Return a string of the document, None where it is none or longer than `limit`."""
        if isinstance(value, str):
            return value
        if not isinstance(value, LongString) or value.end - value.start > limit:
            return None
        return read_text(self._spool, value)

    def may_hold_one(self, document: Any) -> bool:  # noqa: ANN401 - any JSON
        """Return whether anything in a document may be an image or the address of one, wherever it stands."""
        for number, (key, value) in enumerate(_strings(document)):
            if number > _MAX_NODES:
                return True
            text = self.text(value, _LONGEST_ADDRESS)
            is_address = text is not None and _is_absolute(text)
            if (is_address and not _words(key) & {"doc", "docs", "help", "documentation"}) or kind_of(
                value, self._spool
            ):
                return True
        return False


@lru_cache(4096)
def _words(key: str) -> frozenset[str]:
    """Return the words of a key, in lower case: "thumbnail_url", "thumbnailUrl"."""
    spaced = (char if char.islower() else f" {char}" if char.isupper() else " " for char in key[:200])
    return frozenset("".join(spaced).lower().split())


def _order(key: str, value: object) -> tuple[int, int]:
    """Return what orders the keys of an object: of several that nobody knows, the longest image is the result."""
    kind = "{result}" if _words(key) & _RESULT else "{late}" if _words(key) & _LATE else "{other}"
    size = value.end - value.start if isinstance(value, LongString) else 0
    return (_RANKS[key], 0) if key in _RANKS else (_RANKS[kind], -size)


def _stem(key: str) -> str:
    """Return a key without its number; of one that has none, the key with a mark that others lack."""
    bare = key.rstrip("0123456789")
    return bare if bare != key else f"{key}#"


def _says_address(key: str, address: str) -> bool:
    """Return whether the key of an address, or else its own end, says that it is an image's."""
    if not _words(key).isdisjoint(_NO_ADDRESS):
        return False
    return re.search(_ADDRESS_WORDS, key.lower()) is not None or _has_extension(address)


def _is_absolute(text: str) -> bool:
    return text[:100].lstrip().lower().startswith(_ABSOLUTE)


def _has_extension(address: str) -> bool:
    return address.partition("?")[0].partition("#")[0].lower().endswith(_EXTENSIONS)


def _is_place(entry: object) -> bool:
    """Return whether an entry of a list of images without one stands in an image's place."""
    if isinstance(entry, dict):
        return is_error(entry) or not entry or not entry.keys().isdisjoint((*_BASE64, *_ADDRESSES, "revised_prompt"))
    return not entry


def is_error(entry: object) -> bool:
    """Return whether an object reports an error of its own: `error`, a code beside a message, or a failed state."""
    if not isinstance(entry, dict):
        return False
    if entry.get("error"):
        return True
    has_code = entry.get("code") not in (None, "", 0, 200, "0", "200", "success")
    has_message = any(isinstance(entry.get(key), str) and entry[key] for key in ("message", "msg"))
    states = (entry.get(key) for key in ("status", "state"))
    return (has_code and has_message) or any(isinstance(state, str) and state.lower() in _FAILED for state in states)


def is_withheld(entry: object) -> bool:
    """Return whether an object says that its image was made and not let through: xAI's, Ideogram's."""
    return isinstance(entry, dict) and any(entry.get(flag) is False for flag in ("respect_moderation", "is_image_safe"))


def _strings(document: Any) -> Iterator[tuple[str, str | LongString]]:  # noqa: ANN401 - any JSON
    """Yield every string of a document with the key that it stands under."""
    todo: list[tuple[str, Any]] = [("", document)]
    while todo:
        key, node = todo.pop()
        if isinstance(node, (str, LongString)):
            yield key, node
        elif isinstance(node, (list, dict)):
            pairs: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, dict) else ((key, one) for one in node)
            todo += [(str(name), value) for name, value in pairs]


def shortened(document: Any, spool: Spool, limit: int = 16_384) -> Any:  # noqa: ANN401 - any JSON
    """Return a document with each string that was left in the spool put back, as far as `limit` and a few of them."""
    left = 64
    todo = [document] if isinstance(document, (dict, list)) else []
    while todo:
        node = todo.pop()
        for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
            if isinstance(value, (dict, list)):
                todo.append(value)
            elif isinstance(value, LongString):
                node[key] = read_text(spool, value, limit) if left > 0 else ""
                left -= 1
    return read_text(spool, document, limit) if isinstance(document, LongString) else document
