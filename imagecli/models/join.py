"""The catalogue, the config file and a server's list, joined: what is known of each model, and which are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imagecli.models import catalog
from imagecli.models import entry as listed
from imagecli.models.listing import name_of
from imagecli.models.prices import Prices, prices_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagecli.models.listing import ModelsReport

    Own = Mapping[str, Mapping[str, Any]]

_NAMED = {"size": "sizes", "quality": "qualities", "format": "formats"}
"""Field of the catalogue → its name in a document."""
_IN_CONFIG = {"endpoints": "endpoints", "sizes": "sizes", "qualities": "qualities", "formats": "formats"} | {
    "count": "max_count",
    "prompt": "prompt_chars",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one model here; None is not known."""

    name: str
    listed: bool | None
    """Whether the server lists it; None where it was not asked."""
    known_from: tuple[str, ...]
    """ "catalogue" and "config", as far as they have it."""
    makes_images: bool | None
    takes: Mapping[str, Any]
    """endpoints, sizes, qualities, formats, max_count, max_inputs, prompt_chars; what is not known is not in it."""
    fields: Mapping[str, tuple[str, ...]]
    """What other fields take; an empty list: the model does not know the field."""
    free_size: Mapping[str, Any] | None
    """The limits of a free size, where the model has it."""
    prices: Prices
    shutdown: date | None
    successor: str | None
    owned_by: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return what the JSON document says."""
        keys = ("endpoints", "sizes", "qualities", "formats", "max_count", "max_inputs", "prompt_chars")
        return {
            "name": self.name,
            "listed": self.listed,
            "known": bool(self.known_from),
            "known_from": self.known_from,
            "makes_images": self.makes_images,
            **{key: self.takes.get(key) for key in keys},
            "free_size": self.free_size,
            "fields": self.fields or None,
            "prices": self.prices.as_dict() if self.prices.known else None,
            "shutdown": None if self.shutdown is None else self.shutdown.isoformat(),
            "successor": self.successor,
            "owned_by": self.owned_by,
        }


def join(report: ModelsReport | None, own: Own, *, at_home: bool) -> list[Facts]:
    """Return every model that the server lists, and at home those of the catalogue; image models first.

    Args:
        report: the server's list; None where there is none.
        own: [models] of the config file.
        at_home: whether the catalogue is about this very server: OpenAI, or the sandbox that plays it.
    """
    entries = {name_of(entry): entry for entry in report.entries} if report else {}
    names = [*entries, *(name for name in catalog.names() if name not in entries)] if at_home else list(entries)
    found = [facts_of(name, entries.get(name), own, at_home=at_home, asked=report is not None) for name in names]
    return sorted(found, key=_rank)


def facts_of(name: str, entry: Mapping[str, Any] | None, own: Own, *, at_home: bool, asked: bool) -> Facts:
    """Return what is known of the model `name`, `entry` being what its server lists, None where it does not."""
    row = catalog.find(name, own)
    mine = own.get(name, {})
    said = entry or {}
    takes: dict[str, Any] = {}
    if row.known:
        takes = {named: row.values[field] for field, named in _NAMED.items() if field in row.values}
        takes |= {"endpoints": row.endpoints, "max_count": row.count, "prompt_chars": row.prompt}
        takes["max_inputs"] = row.max_inputs if set(row.endpoints) & {"edit", "vary"} else 0
    # What a model is for, many servers say in one word, though it can do more.
    takes |= {key: value for key, value in listed.takes_of(said).items() if not (row.known and key == "endpoints")}
    takes |= {named: mine[key] for key, named in _IN_CONFIG.items() if key in mine}
    told, day = listed.shutdown_of(said)
    if not told and at_home:
        day = row.shutdown
    return Facts(
        name=name,
        listed=entry is not None if asked else None,
        known_from=tuple(place for place, there in (("catalogue", row.known), ("config", name in own)) if there),
        makes_images=True if row.known or name in own else listed.makes_images(name, said),
        takes=takes,
        fields={field: values for field, values in row.values.items() if row.known and field not in _NAMED}
        | listed.fields_of(said),
        free_size=catalog.free_size() if row.known and row.free_size else None,
        prices=prices_of(name, entry),
        shutdown=day,
        successor=(listed.successor_of(said) or row.successor) if day else None,
        owned_by=listed.owner_of(said),
    )


def _rank(facts: Facts) -> tuple[int, int]:
    """Order the models: the catalogue's, the newest first; others that make images; those in doubt; the rest."""
    newest_first = catalog.names()[::-1]
    base = catalog.find(facts.name)
    if base.known:
        place = next(n for n, name in enumerate(newest_first) if facts.name == name or _is_snapshot(facts.name, name))
        return 0, place
    return {True: 1, None: 2, False: 3}[facts.makes_images], 0


def _is_snapshot(name: str, base: str) -> bool:
    return name.startswith(f"{base}-2") and len(name) == len(base) + len("-2026-01-01")
