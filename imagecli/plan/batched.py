"""What is asked for as a line of a provider's batch: never streamed, never a variation, at half the price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.dialects.request import VARIATIONS
from imagecli.errors import UsageProblem
from imagecli.models.price_list import find_rows

if TYPE_CHECKING:
    from imagecli.plan.intent import Intent

_ONE_BY_ONE = "`imagecli batch run` sends the same jobs one by one."


def batched(intent: Intent) -> Intent:
    """Return the same intent for a line of a batch.

    Raises:
        UsageProblem: its server certainly has no batches, or they can't have it.
    """
    dialect, model = intent.dialect, intent.model
    if dialect.batches is None:
        raise UsageProblem(f"{dialect.title} has no batch engine that imagecli can use", hint=_ONE_BY_ONE)
    routes = tuple(route for route in intent.routes if route != VARIATIONS)
    if not routes:
        raise UsageProblem(f"a batch makes no variations, and {model.name} can't edit", hint=_ONE_BY_ONE)
    warnings = list(intent.warnings)
    draft = intent.draft
    if "partials" in draft.fields:
        draft = draft.without("partials", "a batch does not stream", warnings.append)
    if intent.markup is not None:
        raise UsageProblem("a batch takes no markup", hint=_ONE_BY_ONE)
    if intent.profile.at_openai and model.known and not any(row.batch for row in find_rows(model.name)):
        warnings.append(f"as far as is known, {model.name} can't be used in batches")
    return intent._replace(
        dialect=dialect.batched(), draft=draft, routes=routes, save_partials=False, warnings=tuple(warnings)
    )
