"""What models cost, in USD: the prices that a server lists, else the catalogue's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.images.types import parse_size
from imagecli.models.entry import read_image_price, read_pricing, read_token_prices
from imagecli.models.price_list import find_rows
from imagecli.models.tokens import image_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.models.model import Model
    from imagecli.models.price_list import PriceRow

    Source = Mapping[str, str | None]

_FROM_LIST = {"at": "this server", "source": "its list of models", "date": None, "confidence": "high"}
_FROM_CONFIG = {"at": "this server", "source": "the config file", "date": None, "confidence": "high"}
_CALCULATORS = "2026-09-08"
"""When OpenAI's calculators of tokens are from."""


class Price(NamedTuple):
    """The price of one image of a size and quality; None: of any."""

    usd: float
    size: str | None
    quality: str | None
    source: Source
    """`at` (who charges it), `source`, `date` (when that was read; None: now) and `confidence`: high, medium or low."""


class Prices(NamedTuple):
    """All known prices of a model."""

    tokens: Mapping[str, float] | None = None
    """USD per million, under the names of `PriceRow.tokens`."""
    batch: Mapping[str, float] | None = None
    """The same in a batch."""
    tokens_source: Source | None = None
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


def find_prices(model: Model, entry: Mapping[str, Any]) -> Prices:
    """Return the prices of a model: by the config file, else by the server's list, else by the catalogue.

    Args:
        model: the model.
        entry: its entry in the server's list; empty if it has none.
    """
    rows = find_rows(model.name)
    by_token = next((row for row in rows if row.tokens), None)
    tokens: Mapping[str, float] | None = read_token_prices(entry)
    batch: Mapping[str, float] | None = None
    source = _FROM_LIST if tokens else None
    if tokens is None and by_token is not None:
        tokens, batch, source = by_token.tokens, by_token.batch, _source(by_token)
    if model.tokens:
        tokens, batch, source = model.tokens, None, _FROM_CONFIG
    images = tuple(price for row in rows for price in _image_prices(row))
    if model.grid and tokens and "image_out" in tokens:
        images = tuple(_drawn(model, tokens["image_out"]))
    if (usd := read_image_price(entry)) is not None:
        images = (Price(usd, None, None, _FROM_LIST),)
    if model.price is not None:
        images = (Price(model.price, None, None, _FROM_CONFIG),)
    return Prices(tokens, batch or None, source, images, read_pricing(entry))


def _drawn(model: Model, usd: float) -> Iterator[Price]:
    """Yield the prices of the model's listed sizes, by the tokens that it draws at so many USD a million."""
    assumed = {"source": f"{model.grid_of}'s calculator", "confidence": "low"}
    known = {"source": "its calculator of tokens", "confidence": "medium"}
    source = {"at": "OpenAI", "date": _CALCULATORS} | (assumed if model.grid_of else known)
    for text in model.values.get("size", ()):
        if (size := parse_size(text)) is not None:
            for quality, grid in model.grid.items():
                yield Price(round(image_tokens(size, grid) * usd / 1_000_000, 8), text, quality, source)


def _image_prices(row: PriceRow) -> list[Price]:
    by_quality = [*row.images.items(), *([] if row.image is None else [(None, row.image)])]
    return [Price(usd, size, quality, _source(row)) for size in row.sizes for quality, usd in by_quality]


def _source(row: PriceRow) -> dict[str, str | None]:
    return {"at": row.at, "source": row.source, "date": row.date, "confidence": row.confidence}
