"""The facts about each model: the catalogue, the config file and a server's list of models, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.models import catalog
from imagecli.models.entry import makes_images, read_fields, read_owner, read_shutdown, read_successor, read_takes
from imagecli.models.listing import name_of
from imagecli.models.prices import Prices, find_prices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagecli.models.catalog import UserModels
    from imagecli.models.listing import ModelsReport

_LISTS = {"size": "sizes", "quality": "qualities", "format": "formats"}
"""Fields of the catalogue → their names in `ModelFacts.takes`."""
_IN_CONFIG = {"endpoints": "endpoints", "sizes": "sizes", "qualities": "qualities", "formats": "formats"} | {
    "count": "max_count",
    "prompt": "prompt_chars",
}
"""Keys of the config file → their names in `ModelFacts.takes`."""


class ModelFacts(NamedTuple):
    """All that is known about one model; None: unknown."""

    name: str
    listed: bool | None
    """Whether the server lists it; None: the server was not asked."""
    known_from: tuple[str, ...]
    """ "catalogue" and "config", if it is in them."""
    makes_images: bool | None
    takes: Mapping[str, Any]
    """endpoints, sizes, qualities, formats, max_count, max_inputs, prompt_chars, without those that are unknown."""
    fields: Mapping[str, tuple[str, ...]]
    """The values of other fields; an empty list: the model does not have the field."""
    free_size: Mapping[str, Any] | None
    """The limits of a free size, if the model has it."""
    prices: Prices
    shutdown: date | None
    successor: str | None
    owned_by: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON documents have them."""
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


def join_facts(report: ModelsReport | None, user_models: UserModels, provider: str | None) -> list[ModelFacts]:
    """Return the facts about all models that the server lists, image models first.

    Args:
        report: the server's list; None if there isn't one.
        user_models: [models] of the config file.
        provider: whose server it is (`Profile.provider`). OpenAI's and the sandbox's have all models of the catalogue,
            listed or not.
    """
    entries = {name_of(entry): entry for entry in report.entries} if report else {}
    names = [*entries]
    if provider in {"openai", "sandbox"}:
        names += [name for name in catalog.names() if name not in entries]
    asked = report is not None
    found = [find_facts(name, entries.get(name), user_models, provider, asked=asked) for name in names]
    return sorted(found, key=_rank)


def find_facts(
    name: str, entry: Mapping[str, Any] | None, user_models: UserModels, provider: str | None, *, asked: bool
) -> ModelFacts:
    """Return the facts about one model.

    Args:
        name: the model's name.
        entry: its entry in the server's list; None if it has none.
        user_models: [models] of the config file.
        provider: whose server it is (`Profile.provider`).
        asked: whether the server has been asked for its list.
    """
    row = catalog.find(name, user_models)
    in_config = user_models.get(name, {})
    listed = entry is not None if asked else None
    entry = entry or {}
    takes: dict[str, Any] = {}
    if row.known:
        takes = {key: row.values[field] for field, key in _LISTS.items() if field in row.values}
        takes |= {"endpoints": row.endpoints, "max_count": row.max_count, "prompt_chars": row.max_prompt_chars}
        takes["max_inputs"] = row.max_inputs if set(row.endpoints) & {"edit", "vary"} else 0
    # Many servers state a single endpoint for a model that has more, so the catalogue's endpoints stay.
    takes |= {key: value for key, value in read_takes(entry).items() if not (row.known and key == "endpoints")}
    takes |= {name: in_config[key] for key, name in _IN_CONFIG.items() if key in in_config}
    fields = {field: values for field, values in row.values.items() if row.known and field not in _LISTS}
    stated, shutdown = read_shutdown(entry)
    if not stated:
        shutdown = row.shutdowns.get(provider or "")
    return ModelFacts(
        name=name,
        listed=listed,
        known_from=tuple(
            place for place, found in (("catalogue", row.known), ("config", name in user_models)) if found
        ),
        makes_images=True if row.known or name in user_models else makes_images(name, entry),
        takes=takes,
        fields=fields | read_fields(entry),
        free_size=row.free_size,
        prices=find_prices(row, entry),
        shutdown=shutdown,
        successor=(read_successor(entry) or row.successor) if shutdown else None,
        owned_by=read_owner(entry),
    )


def _rank(facts: ModelFacts) -> tuple[int, int]:
    """Order models: the catalogue's, newest first; others that make images; those that may; the rest."""
    newest_first = catalog.names()[::-1]
    base = catalog.base_name(facts.name)
    if base in newest_first:
        return 0, newest_first.index(base)
    return {True: 1, None: 2, False: 3}[facts.makes_images], 0
