"""The images of a response: which it contains, where each of them is, and its bytes a piece at a time."""

from __future__ import annotations

import binascii
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import pybase64

from imagecli.client.response.events import Event, looks_like_events, read_events
from imagecli.client.response.spool import LongString, NotJsonError, Spool, outline, read_text, unescape
from imagecli.errors import Failure
from imagecli.images.sniffing import sniff
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.errors import ImagecliError

_HEAD = 4096
_MAX_IMAGES = 1000
_LONGEST_PROMPT = 40_000
_LISTS = ("data", "images", "output")
"""Keys of the list of images in a document."""
_BASE64 = ("b64_json", "base64")
_IMAGES = frozenset({*_BASE64, "url", "image_url"})
"""Keys of the image in an entry of that list."""
_LONGEST_ESCAPE = 6
_HALF_OF_PAIR = rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\Z"
"""The first escape of two that are one character."""
_NOT_BASE64 = re.compile(rb"\\[^/nrtu]")
_DATA_URL = re.compile(rb"\s*data:[^,;]*((?:;[^,;]*)*),", re.IGNORECASE)
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n"


class Inline(NamedTuple):
    """Base64 (or a data: URL) inside the response: a short string, or its place in the spool."""

    text: str | LongString

    @property
    def size(self) -> int:
        """Bytes in the response."""
        return len(self.text) if isinstance(self.text, str) else self.text.end - self.text.start


class Link(NamedTuple):
    """A URL to download the image from, as the server wrote it."""

    url: str


class Raw(NamedTuple):
    """The response's body is the image."""


class Blocked(NamedTuple):
    """No image: the server made one, and withholds it by its content policy (xAI's `respect_moderation: false`)."""


class Item(NamedTuple):
    """One image of a response."""

    source: Inline | Link | Raw | Blocked
    revised_prompt: str | None = None


class ImageResponse:
    """The images of a response, and what it contains besides.

    Attributes:
        spool: the response's bytes.
        url: where the response came from; relative links start there.
        items: its finished images.
        usage: numbers alone, in the server's own structure.
        warnings: what a user should know of it.
        request_id: the server's.
        downloads: what was downloaded from links; discarded with the response.
        partial: the last partial image of a stream that ended without its finished one.
        error: why the response is not complete.
    """

    def __init__(  # noqa: PLR0913 - what a response contains
        self,
        spool: Spool,
        url: str,
        items: tuple[Item, ...],
        usage: dict[str, Any] | None = None,
        *,
        warnings: tuple[str, ...] = (),
        partial: Item | None = None,
        error: ImagecliError | None = None,
    ) -> None:
        """Keep what was read; nothing of it is safe to show before `redact`."""
        self.spool = spool
        self.url = url
        self.items = items
        self.usage = usage
        self.warnings = warnings
        self.request_id: str | None = None
        self.downloads: list[Spool] = []
        self.partial = partial
        self.error = error

    def redact(self, secrets: Iterable[str]) -> None:
        """Make what the server wrote besides its images safe to show: without control characters and keys."""
        self.items = tuple(
            Item(item.source, sanitize(item.revised_prompt, secrets, keep_newlines=True, limit=_LONGEST_PROMPT))
            if item.revised_prompt is not None
            else item
            for item in self.items
        )
        counts = _counts(self.usage, secrets)
        # A gateway that does not know it fills it with zeros; no image costs no tokens at all.
        self.usage = None if counts and "total_tokens" in counts and not _any_above_zero(counts) else counts

    def discard(self) -> None:
        """Remove what was spooled."""
        for spool in (self.spool, *self.downloads):
            spool.discard()


def _counts(usage: object, secrets: Iterable[str], depth: int = 3) -> dict[str, Any] | None:
    """Return the numbers of `usage`, in its own structure, and nothing else."""
    if not isinstance(usage, dict) or not depth:
        return None
    return {
        sanitize(str(key), secrets, limit=200): _counts(value, secrets, depth - 1) if isinstance(value, dict) else value
        for key, value in usage.items()
        if isinstance(value, dict) or (isinstance(value, (int, float)) and math.isfinite(value))
    }


def _any_above_zero(counts: dict[str, Any] | None) -> bool:
    return any(_any_above_zero(value) if isinstance(value, dict) else value for value in (counts or {}).values())


def read_response(spool: Spool, url: str) -> ImageResponse:
    """Return the images of a spooled response from `url`.

    Raises:
        Failure: it is empty or not JSON.
        NoImages: it is JSON without images; what it contains instead is for the caller to read.
    """
    head = spool.read(0, _HEAD)
    kind = sniff(head)
    if kind in {"png", "jpeg", "webp", "gif", "svg"}:
        return ImageResponse(spool, url, (Item(Raw()),))
    if not any(chunk.strip() for chunk in spool.chunks()):
        raise Failure("the server's response is empty", hint="Check the base URL and the server's log.")
    if looks_like_events(head):
        return _read_stream(spool, url)
    try:
        document = outline(spool)
        _read_texts(document, spool)
    except NotJsonError as error:
        raise _not_json(head, kind, error) from error
    return _read_document(document, spool, url)


def _read_document(document: Any, spool: Spool, url: str) -> ImageResponse:  # noqa: ANN401 - any JSON
    entries = _entries(document)
    items = tuple(item for item in map(_item, entries) if item is not None)
    if not items and isinstance(document, dict) and document.get("block_reason"):
        items = (Item(Blocked()),)  # xAI, where no image passed
    if not items:
        raise NoImages(document)
    warnings = []
    if len(items) < len(entries):
        warnings.append(f"the server sent {len(entries) - len(items)} empty entries among its images")
    if not isinstance(document, dict):
        return ImageResponse(spool, url, items, warnings=tuple(warnings))
    if document.get("error"):
        warnings.append("the server reports an error besides its images")
    if document.get("respect_moderation") is False:
        items = tuple(Item(Blocked()) for _ in items)
    usage = document.get("usage")
    return ImageResponse(spool, url, items, usage if isinstance(usage, dict) else None, warnings=tuple(warnings))


def _read_stream(spool: Spool, url: str) -> ImageResponse:
    """Return the images of a stream of events: its finished ones, or else its last partial one.

    Raises:
        Failure: it contains neither, and no error.
        NoImages: it contains an error instead; `partial` is what had come before.
    """
    partial: Item | None = None
    finished: list[Any] = []
    others: list[Any] = []
    joined: dict[str, Any] = {}
    for event in read_events(spool):
        if (found := partial_of(event, spool)) is not None:
            partial = found
        elif isinstance(event.document, dict):
            try:
                _read_texts(event.document, spool)
            except NotJsonError:
                continue
            joined |= {key: event.document[key] for key in ("error", "usage") if event.document.get(key)}
            if "error" in (event.name, event.document.get("type")) and not event.document.get("error"):
                joined["error"] = event.document
            entries = _entries(event.document)
            kind = f"{event.name} {event.document.get('type')}"
            is_finished = "complete" in kind and any(_item(entry) is not None for entry in entries)
            (finished if is_finished else others).extend(entries)
    joined["data"] = finished or others  # events with other names count where none is called completed
    if joined["data"]:
        try:
            return _read_document(joined, spool, url)
        except NoImages as found:  # the stream is completed, without an image
            raise NoImages(found.document, partial) from None
    if "error" in joined:
        raise NoImages(joined, partial)
    if partial is None:
        raise Failure("the server's stream ended without a finished image", hint="Run it again.")
    return ImageResponse(spool, url, (), joined.get("usage"), partial=partial)


def partial_of(event: Event, spool: Spool) -> Item | None:
    """Return the partial image in an event, None where it contains none."""
    document = event.document
    if not isinstance(document, dict):
        return None
    kind = f"{event.name} {document.get('type')}"
    if "partial_image" not in kind and (document.get("partial_image_index") is None or ".completed" in kind):
        return None
    try:
        _read_texts(document, spool)
    except NotJsonError:
        return None
    return next((item for item in map(_item, _entries(document)) if item is not None), None)


def _entries(document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return what should be images: the entries of `data`, or the document where it is one itself."""
    if isinstance(document, list):
        return document[:_MAX_IMAGES]
    if not isinstance(document, dict):
        return []
    for key in _LISTS:
        found = document.get(key)
        if isinstance(found, list):
            return found[:_MAX_IMAGES]
        if isinstance(found, dict) and _IMAGES & found.keys():
            return [found]
    is_entry = "b64_json" in document or str(document.get("type")).endswith((".completed", ".partial_image"))
    return [document] if is_entry else []


class NoImages(Exception):
    """A JSON document contains no images."""

    def __init__(self, document: object, partial: Item | None = None) -> None:
        """Keep the document for the caller to read, and the last partial image that came before it."""
        super().__init__("no images")
        self.document = document
        self.partial = partial

    @property
    def is_error(self) -> bool:
        """Whether the document contains an error."""
        return isinstance(self.document, dict) and bool(self.document.get("error"))


def _read_texts(document: Any, spool: Spool) -> None:  # noqa: ANN401 - any JSON
    """Put every long string back that is not an image: prompts, messages, URLs."""
    entries = {id(part) for entry in _entries(document) for part in (entry, _link_of(entry))}
    lists = [document.get(key) for key in _LISTS] if isinstance(document, dict) else []
    bare = {id(part) for part in (document, *lists)}
    todo = [document]
    while todo:
        node = todo.pop()
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in list(pairs):
            if isinstance(value, (dict, list)):
                todo.append(value)
            elif isinstance(value, LongString):
                is_bare = isinstance(node, list) and id(node) in bare
                if not is_bare and not (id(node) in entries and _is_image(key, value, spool)):
                    node[key] = read_text(spool, value)


def _is_image(key: object, value: LongString, spool: Spool) -> bool:
    head = spool.read(value.start, value.start + len("data:"))
    return key in _BASE64 or (key in _IMAGES and head.lower() == b"data:")


def _not_json(head: bytes, kind: str | None, error: NotJsonError) -> Failure:
    if kind in {"html", "svg"}:
        return Failure(
            "the server responded with a web page, not with images",
            hint="Check the base URL: it usually ends in /v1.",
        )
    if head.lstrip()[:1] in b"{[":
        return Failure(f"the server's response is not valid JSON: {error}", hint="It may have been cut off.")
    beginning = head.decode("utf-8", "replace")
    return Failure(f"the server's response is not JSON; it begins: {beginning}", hint="Check the base URL.")


def _item(entry: object) -> Item | None:
    """Read one entry of `data`: whichever of b64_json and url it has; some servers send the value alone."""
    if isinstance(entry, (str, LongString)):
        is_link = isinstance(entry, str) and entry.startswith(("http://", "https://"))  # base64 may begin with a slash
        entry = {"url" if is_link else "b64_json": entry}
    if not isinstance(entry, dict):
        return None
    revised = entry.get("revised_prompt")
    revised = revised if isinstance(revised, str) and revised else None
    if entry.get("respect_moderation") is False:
        return Item(Blocked(), revised)
    text = next((entry[key] for key in _BASE64 if entry.get(key)), None)
    if isinstance(text, LongString) or (isinstance(text, str) and text.strip()):
        return Item(Inline(text), revised)
    url = entry.get("url") or _link_of(entry)
    url = url.get("url") if isinstance(url, dict) else url
    if isinstance(url, LongString) or (isinstance(url, str) and url.lstrip()[:5].lower() == "data:"):
        return Item(Inline(url), revised)
    if isinstance(url, str) and url.strip():
        return Item(Link(url.strip()), revised)
    return None


def _link_of(entry: object) -> object:
    return entry.get("image_url") if isinstance(entry, dict) else None


def decode(source: Inline | Raw, spool: Spool) -> Iterator[bytes]:
    """Yield the image's bytes, a piece at a time.

    Raises:
        Failure: it is not base64.
    """
    if isinstance(source, Raw):
        yield from spool.chunks()
        return
    try:
        pieces = _pieces(source.text, spool)
        first = next(pieces, b"")
        prefix = _DATA_URL.match(first)
        first = first[prefix.end() :] if prefix else first
        if prefix is None:
            yield from _from_base64(first, pieces)
            return
        plain = _from_percents(first, pieces)
        yield from _from_base64(b"", plain) if b";base64" in prefix[1].lower() else plain
    except (binascii.Error, ValueError) as error:
        raise Failure("the server sent something other than base64 as an image") from error


def _from_percents(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Undo percent-encoding; no %XX is split at the end of a piece."""
    for piece in pieces:
        cut = held.find(b"%", max(0, len(held) - 2))
        cut = len(held) if cut < 0 else cut
        yield unquote_to_bytes(held[:cut])
        held = held[cut:] + piece
    yield unquote_to_bytes(held)


def _pieces(text: str | LongString, spool: Spool) -> Iterator[bytes]:
    """Yield the string's bytes, unescaped; no escape is split."""
    if isinstance(text, str):
        yield text.encode("utf-8", "replace")
        return
    rest, is_base64 = b"", None
    for chunk in spool.chunks(text.start, text.end):
        piece = rest + chunk
        if is_base64 is None:
            prefix = _DATA_URL.match(piece)
            is_base64 = prefix is None or b";base64" in prefix[1].lower()
        last = piece.rfind(b"\\", max(0, len(piece) - _LONGEST_ESCAPE))
        cut = len(piece) if last < 0 else _run_start(piece, last)
        if not is_base64 and re.search(_HALF_OF_PAIR, piece[max(0, cut - _LONGEST_ESCAPE) : cut]):
            cut = _run_start(piece, cut - _LONGEST_ESCAPE)
        piece, rest = piece[:cut], piece[cut:]
        if len(rest) > _HEAD or (is_base64 and _NOT_BASE64.search(piece)):
            raise ValueError("not base64")
        yield unescape(piece)
    if rest:
        yield unescape(rest)


def _run_start(piece: bytes, position: int) -> int:
    """Return the start of the run of backslashes that ends at `position`."""
    while position and piece[position - 1] == 0x5C:  # noqa: PLR2004 - a backslash
        position -= 1
    return position


def _from_base64(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode in whole groups of four; line breaks, the URL-safe alphabet and missing padding are accepted."""
    held, ended = _normalised(first), False
    for piece in pieces:
        held += _normalised(piece)
        if ended and held.strip(b"="):
            raise ValueError("more after the padding")
        if b"=" in held:
            ended = True
            rest = held.rstrip(b"=")
            yield pybase64.b64decode(rest + b"=" * (-len(rest) % 4), validate=True)
            held = b""
            continue
        whole = len(held) // 4 * 4
        yield pybase64.b64decode(held[:whole], validate=True)
        held = held[whole:]
    held = held.rstrip(b"=")
    yield pybase64.b64decode(held + b"=" * (-len(held) % 4), validate=True)


def _normalised(text: bytes) -> bytes:
    """Return plain base64; the usual case costs four searches and no copy."""
    if b"-" in text or b"_" in text:
        text = text.translate(_URLSAFE)
    if any(space in text for space in (b"\n", b"\r", b" ", b"\t")):
        text = text.translate(None, _WHITESPACE)
    return text
