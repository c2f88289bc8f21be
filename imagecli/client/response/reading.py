"""From a spooled success to its images, in whichever form the server sent them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagecli.client.response.events import looks_like_events
from imagecli.client.response.images import ImageResponse, NoImages, read_document
from imagecli.client.response.sources import IMAGE_KINDS, Inline, Item, Raw, kind_of
from imagecli.client.response.spool import CutOffError, LongString, NotJsonError, Spool, documents, outline
from imagecli.errors import Failure
from imagecli.images.sniffing import sniff

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.client.response.images import Explain

_HEAD = 4096
_JSON_BEGINS = (b"{", b"[", b'"')


def read_response(
    spool: Spool, url: str, explain: Explain, *, outline: Callable[[Spool], Any] = outline
) -> ImageResponse:
    """Return the images of a spooled response from `url`; `explain` reads errors that stand in the places of some.

    `outline` reads the JSON document.

    Raises:
        CutOffError: it ends before its end.
        Failure: it is empty or not JSON.
        NoImages: it is JSON without images; what it contains instead is for the caller to read.
    """
    head = spool.read(0, _HEAD)
    kind = sniff(head)
    if kind in IMAGE_KINDS:
        return ImageResponse(spool, url, (Item(Raw()),))
    if not head.strip() and not any(chunk.strip() for chunk in spool.chunks()):
        raise Failure("the server's response is empty", hint="Check the base URL and the server's log.")
    body = LongString(0, spool.size)
    if not head.lstrip().startswith(_JSON_BEGINS) and kind_of(body, spool) is not None:
        return ImageResponse(spool, url, (Item(Inline(body)),))  # base64 alone, or a data: URL
    if looks_like_events(head):
        from imagecli.client.response.streams import read_stream

        return read_stream(spool, url, explain)
    try:
        document = outline(spool)
    except NotJsonError as error:
        if not head.lstrip().startswith(_JSON_BEGINS):
            raise _not_json(head, kind, error) from error
        return _read_lines(spool, url, explain, _not_json(head, kind, error))
    return read_document(document, spool, url, explain)


def _read_lines(spool: Spool, url: str, explain: Explain, failed: Failure) -> ImageResponse:
    """Return the images of JSON documents that follow one another, or of one that something else follows.

    Raises:
        Failure: `failed`, where they are not that.
        NoImages: they contain an error or a task instead.
    """
    try:
        found = documents(spool)
    except NotJsonError:
        raise failed from None
    try:
        if len(found) > 1:
            from imagecli.client.response.events import Event
            from imagecli.client.response.streams import read_gathered

            return read_gathered((Event("", document) for document in found), spool, url, explain)
        if found:
            return read_document(found[0], spool, url, explain)
    except NoImages:
        if not isinstance(failed, CutOffError):
            raise
    except Failure:
        pass
    raise failed


def _not_json(head: bytes, kind: str | None, error: NotJsonError) -> Failure:
    if kind in {"html", "svg"}:
        return Failure(
            "the server responded with a web page, not with images",
            hint="Check the base URL: it usually ends in /v1.",
        )
    if error.is_cut and head.lstrip().startswith(_JSON_BEGINS):
        return CutOffError("the server's response is cut off")
    if head.lstrip()[:1] in b"{[":
        return Failure(f"the server's response is not valid JSON: {error}", hint="Check the server's log.")
    beginning = head.decode("utf-8", "replace")
    return Failure(f"the server's response is not JSON; it begins: {beginning}", hint="Check the base URL.")
