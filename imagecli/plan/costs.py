"""What a plan will probably cost, and what its responses did."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from imagecli.dialects.openai import OpenAI
    from imagecli.models.cost import Asked, Estimate
    from imagecli.models.model import Model
    from imagecli.plan import Plan, PlannedRequest

CACHE = "cache"
"""How the cost of a response is known that came out of the cache: it is 0."""
_AUTHORED = ("svg", "gif")
"""Formats that cost more than the pixels of an image: a text model writes the one, and the other has many frames."""


def estimate_plan(plan: Plan) -> tuple[Estimate | None, str | None]:
    """Return what a plan's requests will probably cost together, and what a user should know of that estimate.

    The estimate is None where a price is not known.
    """
    from imagecli.models.cost import total

    model = plan.intent.model
    found = [estimate_request(plan, each) for each in plan.requests]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None, None
    caveat = None
    if model.grid_of is not None and model.price is None:
        caveat = f"how many tokens an image of {model.name} takes is not published: this goes by {model.grid_of}"
    return total(known), caveat


def estimate_request(plan: Plan, planned: PlannedRequest) -> Estimate | None:
    """Return what one of a plan's requests will probably cost; None where a price is not known.

    Where it lacks what was planned, because the server refused it, the server chooses.
    """
    from imagecli.models.cost import estimate, halved

    intent = plan.intent
    is_authored = intent.draft.fields.get("format") in _AUTHORED or plan.uploads.markup is not None
    if is_authored and intent.model.price is None:
        return None
    found = estimate(intent.model, intent.profile.provider, _asked(plan, planned))
    return halved(found) if found is not None and intent.dialect.in_batch else found


class Bill:
    """What the responses of a run were counted for, and cost: known only while each one's cost is."""

    def __init__(self, dialect: OpenAI, model: Model, *, images_sent: bool) -> None:
        """Start with no response; `images_sent` is whether images go along with the requests."""
        self.usage: Mapping[str, Any] | None = None
        """What the server counted, summed."""
        self.svg_usage: Mapping[str, Any] | None = None
        self._dialect = dialect
        self._model = model
        self._images_sent = images_sent
        self._costs: list[tuple[float, str] | None] = []

    def add(
        self,
        usage: Mapping[str, Any] | None,
        svg_usage: Mapping[str, Any] | None,
        images: int,
        *,
        said: float | None = None,
        cached: bool = False,
    ) -> tuple[float, str] | None:
        """Add a response with so many images, and return what it cost in USD and how that is known.

        Args:
            usage: what the server counted.
            svg_usage: the same of what wrote an SVG.
            images: how many images it contains.
            said: what the server says, apart from that, that it cost, in USD; None where it does not.
            cached: it was not asked for now, and costs nothing.
        """
        self.usage = _sum(self.usage, usage)
        self.svg_usage = _sum(self.svg_usage, svg_usage)
        cost = (0.0, CACHE) if cached else self._cost(usage or {}, svg_usage, images, said)
        self._costs.append(cost)
        return cost

    @property
    def usd(self) -> float | None:
        """The sum in USD; None where there is no response, or a cost is not known."""
        known = [cost[0] for cost in self._costs if cost is not None]
        return round(sum(known), 8) if known and len(known) == len(self._costs) else None

    @property
    def source(self) -> str | None:
        """How the sum is known: "server" says so, or it follows from its "usage", or from the config's "price".

        "cache" where nothing was asked of it.
        """
        if self.usd is None:
            return None
        return min({cost[1] for cost in self._costs if cost is not None} - {CACHE}, default=CACHE)

    def _cost(
        self, usage: Mapping[str, Any], svg_usage: Mapping[str, Any] | None, images: int, said: float | None
    ) -> tuple[float, str] | None:
        said = self._dialect.cost_usd(usage) if said is None else said
        if said is not None:
            return said, "server"
        if self._model.price is not None:
            return self._model.price * images / (2 if self._dialect.in_batch else 1), "price"
        if not usage:
            return None
        from imagecli.models.cost import cost_of, token_rates

        rates = token_rates(self._model, in_batch=self._dialect.in_batch)
        counted = cost_of(usage, svg_usage, rates, images_sent=self._images_sent)
        return None if counted is None else (counted, "usage")


def _asked(plan: Plan, planned: PlannedRequest) -> Asked:
    from imagecli.models.cost import Asked

    lacking = {name for each in plan.requests for name in each.request.fields} - planned.request.fields.keys()
    fields = {name: value for name, value in plan.intent.draft.fields.items() if name not in lacking}
    size = fields.get("size")
    if plan.intent.profile.provider == "xai":
        size = planned.request.fields.get("resolution", "1k")
    return Asked(
        quality=fields.get("quality"),
        size=size,
        images=len(planned.numbers),
        partials=fields.get("partials", 0),
        inputs=tuple((upload.width, upload.height) for upload in plan.uploads.images),
        masks=() if (mask := plan.uploads.mask) is None else ((mask.width, mask.height),),
        prompt_bytes=len(str(planned.request.fields.get("prompt") or plan.intent.draft.prompt or "").encode()),
    )


def _sum(one: Any, other: Any) -> Any:  # noqa: ANN401 - usage is whatever the server counts
    """Add up the usage of two responses, key by key."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _sum(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one + other
    return other if one is None else one
