"""Making sense of an answer: which images it holds, where each of them is, and its bytes a piece at a time."""

from __future__ import annotations

import binascii
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import pybase64

from imagecli.client.response.events import Event, events_of, looks_like_events
from imagecli.client.response.spool import LongString, NotJsonError, Spool, outline, text_of, unescape
from imagecli.errors import Failure
from imagecli.images.sniffing import sniff
from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.errors import ImagecliError

_HEAD = 4096
_MOST_IMAGES = 1000
_LONGEST_PROMPT = 40_000
_LISTS = ("data", "images", "output")
"""Where a document has its entries."""
_BASE64 = ("b64_json", "base64")
_PICTURES = frozenset({*_BASE64, "url", "image_url"})
"""Where an entry's picture stands."""
_LONGEST_ESCAPE = 6
_NO_BASE64 = re.compile(rb"\\[^/nrtu]")
_DATA_URL = re.compile(rb"\s*data:[^,;]*((?:;[^,;]*)*),", re.IGNORECASE)
_URLSAFE = bytes.maketrans(b"-_", b"+/")
_BLANKS = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Inline:
    """Base64 (or a data: URL) inside the answer: a short string, or where it stands in the spool."""

    text: str | LongString

    def __len__(self) -> int:
        """Return how many bytes it has in the answer."""
        return len(self.text) if isinstance(self.text, str) else self.text.end - self.text.start


@dataclass(frozen=True, slots=True)
class Link:
    """An address to fetch the image from, as the server spelt it."""

    url: str


@dataclass(frozen=True, slots=True)
class Raw:
    """The answer's body is the image."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """No image: the server made one, and its content policy keeps it back (xAI's `respect_moderation: false`)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image of an answer."""

    source: Inline | Link | Raw | Blocked
    revised_prompt: str | None = None


@dataclass(slots=True)
class Answer:
    """What a server answered: its images, and what it said besides."""

    spool: Spool
    url: str
    """Where the answer came from; relative links start there."""
    items: tuple[Item, ...]
    usage: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    request_id: str | None = None
    downloads: list[Spool] = field(default_factory=list)
    """What was fetched from links; discarded with the answer."""
    partial: Item | None = None
    """The last partial image of a stream that ended without its finished one."""
    trouble: ImagecliError | None = None
    """Why the answer is not whole."""

    def redact(self, secrets: Iterable[str]) -> None:
        """Make what the server says beside its images fit to be shown: without control characters and keys."""
        self.items = tuple(
            Item(item.source, clean(item.revised_prompt, secrets, keep_newlines=True, limit=_LONGEST_PROMPT))
            if item.revised_prompt is not None
            else item
            for item in self.items
        )
        counts = _counts(self.usage, secrets)
        # A gateway that knows nothing of it fills it with zeros; nobody makes a picture of no tokens at all.
        self.usage = None if counts and "total_tokens" in counts and not _is_any(counts) else counts

    def discard(self) -> None:
        """Remove what was spooled: every image is where it belongs."""
        for spool in (self.spool, *self.downloads):
            spool.discard()


def _counts(usage: object, secrets: Iterable[str], depth: int = 3) -> dict[str, Any] | None:
    """Return the numbers of `usage`, in its own tables, and nothing else."""
    if not isinstance(usage, dict) or not depth:
        return None
    return {
        clean(str(key), secrets, limit=200): _counts(value, secrets, depth - 1) if isinstance(value, dict) else value
        for key, value in usage.items()
        if isinstance(value, dict) or (isinstance(value, (int, float)) and math.isfinite(value))
    }


def _is_any(counts: dict[str, Any] | None) -> bool:
    """Tell whether any number in a table, or in those inside it, is more than zero."""
    return any(_is_any(value) if isinstance(value, dict) else value for value in (counts or {}).values())


def read(spool: Spool, url: str) -> Answer:
    """Return what a spooled answer from `url` holds.

    Raises:
        Failure: it is empty or no JSON.
        NoImages: it is JSON without images; what the server says instead is for the caller to read.
    """
    head = spool.read(0, _HEAD)
    kind = sniff(head)
    if kind in {"png", "jpeg", "webp", "gif", "svg"}:
        return Answer(spool, url, (Item(Raw()),))
    if not any(chunk.strip() for chunk in spool.chunks()):
        raise Failure("the server answered with nothing", hint="Look at the base URL, and at the server's own log.")
    if looks_like_events(head):
        return read_stream(spool, url)
    try:
        document = outline(spool)
        _read_texts(document, spool)
    except NotJsonError as error:
        raise _no_json(head, kind, error) from error
    return _read_document(document, spool, url)


def _read_document(document: Any, spool: Spool, url: str) -> Answer:  # noqa: ANN401 - any JSON
    entries = _entries(document)
    items = tuple(item for item in map(_item, entries) if item is not None)
    if not items and isinstance(document, dict) and document.get("block_reason"):
        items = (Item(Blocked()),)  # xAI, where nothing passed
    if not items:
        raise NoImages(document)
    warnings = []
    if len(items) < len(entries):
        warnings.append(f"the server sent {len(entries) - len(items)} empty entries among its images")
    if not isinstance(document, dict):
        return Answer(spool, url, items, warnings=tuple(warnings))
    if document.get("error"):
        warnings.append("the server reports an error beside its images")
    if document.get("respect_moderation") is False:
        items = tuple(Item(Blocked()) for _ in items)
    usage = document.get("usage")
    return Answer(spool, url, items, usage if isinstance(usage, dict) else None, tuple(warnings))


def read_stream(spool: Spool, url: str) -> Answer:
    """Return what a stream of events amounts to: its finished images, or else its last partial one.

    Raises:
        Failure: it holds neither, and no error.
        NoImages: it holds an error instead; `partial` is what had come before.
    """
    partial: Item | None = None
    finished: list[Any] = []
    others: list[Any] = []
    joined: dict[str, Any] = {}
    for event in events_of(spool):
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
            known = "complete" in kind and any(_item(entry) is not None for entry in entries)
            (finished if known else others).extend(entries)
    joined["data"] = finished or others  # what is called finished goes before what bears another name
    if joined["data"]:
        try:
            return _read_document(joined, spool, url)
        except NoImages as found:  # events that say that all is done, and bring nothing
            raise NoImages(found.document, partial) from None
    if "error" in joined:
        raise NoImages(joined, partial)
    if partial is None:
        raise Failure("the server's stream ended without a finished image", hint="Ask again.")
    return Answer(spool, url, (), joined.get("usage"), partial=partial)


def partial_of(event: Event, spool: Spool) -> Item | None:
    """Return the partial image that an event brings, None where it brings none."""
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
    """Return what should be images: the entries of `data`, or the document itself where it is one."""
    if isinstance(document, list):
        return document[:_MOST_IMAGES]
    if not isinstance(document, dict):
        return []
    for key in _LISTS:
        found = document.get(key)
        if isinstance(found, list):
            return found[:_MOST_IMAGES]
        if isinstance(found, dict) and _PICTURES & found.keys():
            return [found]
    alone = "b64_json" in document or str(document.get("type")).endswith((".completed", ".partial_image"))
    return [document] if alone else []


class NoImages(Exception):
    """A JSON document in which there are no images."""

    def __init__(self, document: object, partial: Item | None = None) -> None:
        """Keep the document for the caller to read, and the last partial image that came before it."""
        super().__init__("no images")
        self.document = document
        self.partial = partial


def _read_texts(document: Any, spool: Spool) -> None:  # noqa: ANN401 - any JSON
    """Put every long string back that is no picture: prompts, words of errors, addresses."""
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
                if not is_bare and not (id(node) in entries and _is_picture(key, value, spool)):
                    node[key] = text_of(spool, value)


def _is_picture(key: object, value: LongString, spool: Spool) -> bool:
    head = spool.read(value.start, value.start + len("data:"))
    return key in _BASE64 or (key in _PICTURES and head.lower() == b"data:")


def _no_json(head: bytes, kind: str | None, error: NotJsonError) -> Failure:
    if kind in {"html", "svg"}:
        return Failure(
            "the server answered with a web page, not with images",
            hint="Look at the base URL: it usually ends in /v1.",
        )
    if head.lstrip()[:1] in b"{[":
        return Failure(f"the server's answer is no valid JSON: {error}", hint="The answer may have been cut off.")
    words = head.decode("utf-8", "replace")
    return Failure(f"the server's answer is no JSON; it begins: {words}", hint="Look at the base URL.")


def _item(entry: object) -> Item | None:
    """Read one entry of `data`: whichever of b64_json and url is there; some servers send either one bare."""
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
    """Yield the image's bytes a piece at a time.

    Raises:
        Failure: what should be base64 is not.
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
        raise Failure("the server sent something that is no base64 where a picture was expected") from error


def _from_percents(held: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Undo %XX; none is torn apart at the end of a piece."""
    for piece in pieces:
        cut = held.find(b"%", max(0, len(held) - 2))
        cut = len(held) if cut < 0 else cut
        yield unquote_to_bytes(held[:cut])
        held = held[cut:] + piece
    yield unquote_to_bytes(held)


def _pieces(text: str | LongString, spool: Spool) -> Iterator[bytes]:
    """Yield the string's bytes, unescaped; no escape is torn apart."""
    if isinstance(text, str):
        yield text.encode("utf-8", "replace")
        return
    rest = b""
    for chunk in spool.chunks(text.start, text.end):
        piece = rest + chunk
        last = piece.rfind(b"\\", max(0, len(piece) - _LONGEST_ESCAPE))
        cut = len(piece) if last < 0 else _run_start(piece, last)
        piece, rest = piece[:cut], piece[cut:]
        if len(rest) > _HEAD or _NO_BASE64.search(piece):
            raise ValueError("no base64")
        yield unescape(piece)
    if rest:
        yield unescape(rest)


def _run_start(piece: bytes, position: int) -> int:
    """Return where the run of backslashes that ends at `position` begins."""
    while position and piece[position - 1] == 0x5C:  # noqa: PLR2004 - a backslash
        position -= 1
    return position


def _from_base64(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode in whole groups of four; line breaks, the URL-safe alphabet and missing padding are mended."""
    held, ended = _clean(first), False
    for piece in pieces:
        held += _clean(piece)
        if ended and held.strip(b"="):
            raise ValueError("more behind the padding")
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


def _clean(text: bytes) -> bytes:
    """Return plain base64; the usual case costs four searches and no copy."""
    if b"-" in text or b"_" in text:
        text = text.translate(_URLSAFE)
    if any(blank in text for blank in (b"\n", b"\r", b" ", b"\t")):
        text = text.translate(None, _BLANKS)
    return text
