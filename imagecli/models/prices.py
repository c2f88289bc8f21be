"""What a model costs: what its server says, else what the catalogue has heard. Estimates, in USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.models import catalog
from imagecli.models import entry as listed

if TYPE_CHECKING:
    from collections.abc import Mapping

_FROM_LIST = {"at": "this server", "source": "its list of models", "confidence": "high"}


class Price(NamedTuple):
    """One picture of a size and quality; None is any."""

    usd: float
    size: str | None
    quality: str | None
    source: Mapping[str, str]
    """`at` (who asks it), `source` and `confidence`: high, medium or low."""


@dataclass(frozen=True, slots=True)
class Prices:
    """All that is known of a model's price."""

    tokens: Mapping[str, float] | None = None
    """USD per million: text_in, text_in_cached, image_in, image_in_cached, image_out, text_out."""
    tokens_source: Mapping[str, str] | None = None
    images: tuple[Price, ...] = ()
    as_listed: Mapping[str, Any] | None = None
    """The server's own words, in whatever unit."""

    @property
    def known(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.tokens or self.images or self.as_listed)

    @property
    def span(self) -> tuple[float, float] | None:
        """Return the least and the most that one picture costs."""
        found = [price.usd for price in self.images]
        return (min(found), max(found)) if found else None

    def as_dict(self) -> dict[str, Any]:
        """Return what the JSON document says."""
        tokens = None if self.tokens is None else {"per": 1_000_000, **self.tokens, **(self.tokens_source or {})}
        images = [{"size": p.size, "quality": p.quality, "usd": p.usd, **p.source} for p in self.images]
        return {
            "currency": "USD",
            "estimate": True,
            "tokens": tokens,
            "images": images or None,
            "as_listed": self.as_listed,
        }


def prices_of(name: str, entry: Mapping[str, Any] | None) -> Prices:
    """Return the prices of a model, `entry` being what its server lists, None where it lists nothing of it."""
    said = entry or {}
    rows = catalog.price_rows(name) or catalog.price_rows(listed.bare_name(name))
    tokens, tokens_source = listed.token_prices(said), _FROM_LIST
    by_token = next((row for row in rows if "tokens" in row), None)
    if tokens is None and by_token is not None:
        tokens, tokens_source = by_token["tokens"], _source(by_token)
    usd = listed.image_price(said)
    images = (Price(usd, None, None, _FROM_LIST),) if usd else tuple(price for row in rows for price in _images(row))
    return Prices(tokens, tokens_source if tokens else None, images, listed.pricing_of(said))


def _images(row: Mapping[str, Any]) -> list[Price]:
    by_quality = [*row.get("images", {}).items(), *([(None, row["image"])] if "image" in row else [])]
    return [Price(usd, size, quality, _source(row)) for size in row.get("sizes", [None]) for quality, usd in by_quality]


def _source(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: row[key] for key in ("at", "source", "confidence")}
