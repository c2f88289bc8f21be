"""What a response contains: its images, why others are missing, and what was counted."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imagecli.client.response.finding import Finder, Found, is_error, is_withheld, shortened
from imagecli.client.response.sources import Item, Link, Withheld
from imagecli.images.sniffing import sniff
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imagecli.client.response.spool import Spool
    from imagecli.errors import ImagecliError

    Explain = Callable[[Any], ImagecliError]
    """Given what a server wrote in place of an image, returns the error that it stands for."""

_LONGEST_PROMPT = 40_000
_HEAD = 4096
_TEXTS = frozenset({None, "html", "json", "text"})
"""What `sniff` calls what a server sends where there is no image."""


class ImageResponse:
    """The images of a response, and what it contains besides.

    Attributes:
        spool: the response's bytes.
        url: where the response came from; relative links start there.
        items: its finished images.
        usage: numbers alone, in the server's own structure.
        svg_usage: the same of what wrote an SVG, which is counted apart.
        cost_usd: what the server says, apart from its usage, that it cost, in USD.
        warnings: what a user should know of it.
        request_id: the server's.
        downloads: what was downloaded from links; discarded with the response.
        is_cut: whether it ends in the middle of an event, however orderly the connection was closed.
        lost: the error that carries the images; the response itself never came.
        partial: the last partial image of a stream that ended without its finished one.
        error: why the response is not complete, where it is not.
    """

    def __init__(  # noqa: PLR0913 - what a response contains
        self,
        spool: Spool,
        url: str,
        items: tuple[Item, ...],
        counts: Mapping[str, Any] = MappingProxyType({}),
        *,
        warnings: tuple[str, ...] = (),
        partial: Item | None = None,
        error: ImagecliError | None = None,
    ) -> None:
        """Keep what was read, `counts` as `counts_in` returns them; nothing of it is safe to show before `redact`."""
        self.spool = spool
        self.url = url
        self.items = items
        self.usage: dict[str, Any] | None = counts.get("usage")
        self.svg_usage: dict[str, Any] | None = counts.get("svg_usage")
        self.warnings = warnings
        self.cost_usd: float | None = None
        self.request_id: str | None = None
        self.downloads: list[Spool] = []
        self.partial = partial
        self.error = error
        self.lost: ImagecliError | None = None
        self.is_cut = False

    def redact(self, secrets: Iterable[str]) -> None:
        """Make what the server wrote besides its images safe to show: without control characters and keys."""
        self.items = tuple(
            Item(item.source, sanitize(item.revised_prompt, secrets, keep_newlines=True, limit=_LONGEST_PROMPT))
            if item.revised_prompt is not None
            else item
            for item in self.items
        )
        self.usage, self.svg_usage = (_known(_counts(usage, secrets)) for usage in (self.usage, self.svg_usage))

    def keep_download(self, since: int) -> str | None:
        """Keep what was downloaded last, after the first `since`; return its file, None where it is not an image."""
        last = self.downloads[-1] if len(self.downloads) > since else None
        return last.keep() if last is not None and sniff(last.read(0, _HEAD)) not in _TEXTS else None

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


def _known(counts: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what was counted; None for the zeros of a gateway that does not know: no image costs no tokens at all."""
    return None if counts and "total_tokens" in counts and not _any_above_zero(counts) else counts


def _any_above_zero(counts: dict[str, Any] | None) -> bool:
    return any(_any_above_zero(value) if isinstance(value, dict) else value for value in (counts or {}).values())


def read_document(document: Any, spool: Spool, url: str, explain: Explain) -> ImageResponse:  # noqa: ANN401 - any JSON
    """Return the images of a JSON document whose long strings are in `spool`.

    Raises:
        NoImages: there are none, nor an error in the place of one.
    """
    finder = Finder(spool)
    whole = document if isinstance(document, dict) else {}
    withheld = whole.get("respect_moderation") is False  # xAI, of all its images
    found = finder.find({key: value for key, value in whole.items() if key != "respect_moderation"} or document)
    items = items_of(found, spool, explain)
    if not items and whole.get("block_reason"):  # xAI, where no image passed
        withheld, items = True, (Item(Withheld(explain(whole))),)
    if items and all(isinstance(item.source, Link) for item in items):
        from imagecli.client.response.tasks import is_at_work

        if is_at_work(whole):
            items = ()  # where the result will be, or a preview
    if not items:
        raise NoImages(shortened(document, spool), may_hold_one=finder.may_hold_one(document))
    if withheld:
        items = (Item(Withheld(explain({"respect_moderation": False}))),) * len(items)
    warnings = []
    if empty := len(found) - len(items):
        entries = "an empty entry" if empty == 1 else f"{empty} empty entries"
        warnings.append(f"the server sent {entries} among its images")
    error = None
    if whole.get("error"):
        warnings.append("the server reports an error besides its images")
        error = explain(shortened({"error": whole["error"]}, spool))
    return ImageResponse(spool, url, items, counts_in(whole), warnings=tuple(warnings), error=error)


def counts_in(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document says was used: `usage`, and `svg_usage` of what wrote an SVG."""
    return {key: document[key] for key in ("usage", "svg_usage") if isinstance(document.get(key), dict)}


def items_of(found: Iterable[Found], spool: Spool, explain: Explain) -> tuple[Item, ...]:
    """Return the images, and in their places the errors of those that are missing; what is neither is left out."""
    items = []
    for one in found:
        if one.item is not None:
            items.append(one.item)
        elif is_error(one.entry) or is_withheld(one.entry):
            items.append(Item(Withheld(explain(shortened(one.entry, spool)))))
    return tuple(items)


class NoImages(Exception):
    """A JSON document contains no images."""

    def __init__(self, document: object, partial: Item | None = None, *, may_hold_one: bool = False) -> None:
        """Keep the document for the caller to read, and the last partial image that came before it.

        `may_hold_one`: something in it may be an image, or the address of one, all the same.
        """
        super().__init__("no images")
        self.document = document
        self.partial = partial
        self.may_hold_one = may_hold_one

    @property
    def is_error(self) -> bool:
        """Whether the document contains an error."""
        return isinstance(self.document, dict) and bool(self.document.get("error"))
