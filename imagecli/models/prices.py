"""What models cost, in USD: the prices that a server lists, else our own estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.models.catalog import base_name
from imagecli.models.entry import bare_name, read_image_price, read_pricing, read_token_prices
from imagecli.models.price_list import PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.models.price_list import PriceRow

_FROM_LIST = {"at": "this server", "source": "its list of models", "confidence": "high"}


class Price(NamedTuple):
    """The price of one image of a size and quality; None: of any."""

    usd: float
    size: str | None
    quality: str | None
    source: Mapping[str, str]
    """`at` (who charges it), `source` and `confidence`: high, medium or low."""


class Prices(NamedTuple):
    """All known prices of a model."""

    tokens: Mapping[str, float] | None = None
    """USD per million: text_in, text_in_cached, image_in, image_in_cached, image_out, text_out."""
    batch: Mapping[str, float] | None = None
    """The same in a batch."""
    tokens_source: Mapping[str, str] | None = None
    images: tuple[Price, ...] = ()
    as_listed: Mapping[str, Any] | None = None
    """What the server lists, in whatever unit."""

    @property
    def known(self) -> bool:
        """Whether any price is known."""
        return bool(self.tokens or self.images or self.as_listed)

    @property
    def span(self) -> tuple[float, float] | None:
        """The lowest and the highest price of one image, None if no such price is known."""
        found = [price.usd for price in self.images]
        return (min(found), max(found)) if found else None

    def as_dict(self) -> dict[str, Any]:
        """Return the prices as JSON documents have them."""
        tokens, batch = (
            {"per": 1_000_000, **rates, **(self.tokens_source or {})} if rates else None
            for rates in (self.tokens, self.batch)
        )
        images = [{"size": p.size, "quality": p.quality, "usd": p.usd, **p.source} for p in self.images]
        return {
            "currency": "USD",
            "estimate": True,
            "tokens": tokens,
            "batch_tokens": batch,
            "images": images or None,
            "as_listed": self.as_listed,
        }


def find_prices(name: str, entry: Mapping[str, Any] | None) -> Prices:
    """Return the prices of a model; `entry` is its entry in the server's list, None if it has none."""
    entry = entry or {}
    rows = find_rows(name) or find_rows(bare_name(name))
    tokens, batch, tokens_source = read_token_prices(entry), None, _FROM_LIST
    by_token = next((row for row in rows if row.tokens), None)
    if tokens is None and by_token is not None:
        tokens, batch, tokens_source = dict(by_token.tokens), dict(by_token.batch), _source(by_token)
    usd = read_image_price(entry)
    images = (
        (Price(usd, None, None, _FROM_LIST),) if usd else tuple(price for row in rows for price in _image_prices(row))
    )
    return Prices(tokens, batch or None, tokens_source if tokens else None, images, read_pricing(entry))


def find_rows(name: str) -> tuple[PriceRow, ...]:
    """Return the rows of the price list that name a model, in their order."""
    base = base_name(name)
    return tuple(row for row in PRICES if base in row.models)


def _image_prices(row: PriceRow) -> list[Price]:
    by_quality = [*row.images.items(), *([] if row.image is None else [(None, row.image)])]
    return [Price(usd, size, quality, _source(row)) for size in row.sizes for quality, usd in by_quality]


def _source(row: PriceRow) -> dict[str, str]:
    return {"at": row.at, "source": row.source, "confidence": row.confidence}
