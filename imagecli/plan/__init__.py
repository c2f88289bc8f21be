"""The plan of a run: options become requests, built once, and the names of the files; nothing is sent or written.

plan(command, settings, inputs, output) ─► Plan

intent.py   options, held against the model and the server: an `Intent`
fields.py   the values of flags (the trip of --background)
masks.py    the mask flags (the trip of --mask-rect)
uploads.py  inputs, made what the endpoint takes
costs.py    what it will cost, and what it did
notations.py  settings that are checked when they are stored
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.types import Uploads
from imagecli.plan.remade import own_seed
from imagecli.saving.names import names_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from imagecli.dialects.request import Draft, ImageRequest
    from imagecli.images.finish import Finish
    from imagecli.plan.intent import Intent
    from imagecli.plan.uploads import PreparedInputs
    from imagecli.saving.names import Names


class Output(NamedTuple):
    """Where the images go."""

    path: str | None
    """-o as it was typed; None: default names in the working folder."""
    force: bool = False
    skip_existing: bool = False


class PlannedRequest(NamedTuple):
    """One request, and the numbers of the images that it asks for."""

    request: ImageRequest
    numbers: tuple[int, ...]


class Plan(NamedTuple):
    """What a run will send and save."""

    intent: Intent
    output: Output | None
    requests: tuple[PlannedRequest, ...]
    """Those for the images that are missing."""
    route: str
    """The endpoint, as results name it."""
    names: Names | None = None
    """None: nothing is saved under a name."""
    existing: Mapping[int, str] = {}
    """Image number → the file that --skip-existing found."""
    uploads: Uploads = Uploads()
    """The files of each request."""
    finish: Finish | None = None
    """What is done to each image that comes; None: nothing."""
    notes: tuple[str, ...] = ()
    """What was done to the inputs, and will be to the results, for -v."""
    warnings: tuple[str, ...] = ()
    """What was given up on the way from the intent to the plan."""
    other_routes: tuple[str, ...] = ()
    """What to try, with `other_plan`, where the server has no such route."""


def plan(intent: Intent, output: Output | None = None) -> Plan:
    """Return the plan of a run; each request is built once.

    Args:
        intent: what is asked for.
        output: where the images go; None: nowhere that has names (memory, standard output).

    Raises:
        UsageProblem: an input does not fit.
    """
    return _plan(intent, output, intent.routes)


def other_plan(planned: Plan) -> Plan:
    """Return the plan for a server that does not have the route of this one; the inputs are prepared again.

    Raises:
        UsageProblem: an input does not fit.
    """
    return _plan(planned.intent, planned.output, planned.other_routes)


def _plan(intent: Intent, output: Output | None, routes: Sequence[str]) -> Plan:
    route, *others = routes
    prepared = None
    if intent.images:
        from imagecli.plan.uploads import prepare_uploads

        prepared = prepare_uploads(intent, route)
    uploads = prepared.uploads if prepared else Uploads()
    every = missing = tuple(range(1, intent.wanted + 1))
    built: tuple[PlannedRequest, ...] = ()
    names, existing = None, {}
    if output is not None:
        if output.path and "{hash}" in output.path:
            built = _requests(intent, route, uploads, every)
        names = _names(intent, output, built)
        if output.skip_existing:
            existing = names.existing()
            missing = tuple(n for n in every if n not in existing)
    requests = built if built and not existing else _requests(intent, route, uploads, missing, built)
    return Plan(
        *(intent, output, requests),
        route=requests[0].request.endpoint if requests else route,
        names=names,
        existing=existing,
        uploads=uploads,
        finish=_finish(intent, prepared),
        notes=(*(prepared.notes if prepared else ()), *_later(intent)),
        warnings=(*(prepared.warnings if prepared else ()), *([names.warning] if names and names.warning else ())),
        other_routes=tuple(others),
    )


def _finish(intent: Intent, prepared: PreparedInputs | None) -> Finish | None:
    """Return what is done to each image that comes; None where it is saved as it comes."""
    fitted, sent = (prepared.fitted, prepared.sent) if prepared else (None, None)
    resize, also = intent.sizes
    if not (fitted or sent or resize or also):
        return None
    from imagecli.images.finish import Finish

    return Finish(fitted=fitted, sent=sent, resize=resize, also=also, kind=intent.kind, quality=intent.quality)


def _later(intent: Intent) -> Iterator[str]:
    """Yield what will be done to each result."""
    resize, also = intent.sizes
    if resize:
        yield "the result is cropped in the middle to the shape of {}x{}, then scaled to it".format(*resize)
    if also:
        yield f"also saved at {', '.join('{}x{}'.format(*size) for size in also)}"


def _requests(
    intent: Intent,
    route: str,
    uploads: Uploads,
    numbers: Sequence[int],
    built: Iterable[PlannedRequest] = (),
) -> tuple[PlannedRequest, ...]:
    """Share the images out over as few requests as the model allows; what is built for as many serves again."""
    again = {(_draft(intent, each.numbers).fields.get("seed"), len(each.numbers)): each.request for each in built}
    planned = []
    for share in _shares(intent, numbers):
        draft = _draft(intent, share)
        same = again.get((draft.fields.get("seed"), len(share)))
        # A copy, as what is in flight is told apart by its request.
        request = same._replace() if same else intent.dialect.build(draft, route, len(share), uploads)
        planned.append(PlannedRequest(request, share))
    return tuple(planned)


def _shares(intent: Intent, numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """Return which images each request is for; with a seed, which the server counts up too, without gaps."""
    shares: list[list[int]] = []
    for number in numbers:
        full = not shares or len(shares[-1]) == intent.per_request
        if full or ("seed" in intent.draft.fields and number != shares[-1][-1] + 1):
            shares.append([])
        shares[-1].append(number)
    return [tuple(share) for share in shares]


def _draft(intent: Intent, numbers: Sequence[int]) -> Draft:
    """Return the draft of the request for these images.

    Each has its own seed, counted up from the first image's: with the same one, all would be the same image.
    """
    draft = intent.draft
    seed = own_seed(draft.fields, numbers[0])
    return draft if seed is None else draft._replace(fields=draft.fields | {"seed": seed})


def _names(intent: Intent, output: Output, built: Sequence[PlannedRequest]) -> Names:
    hashed = _hash(built) if built else ""
    next_free = not (output.force or output.skip_existing)
    return names_for(
        *(output.path, intent.subject, intent.model.name, hashed),
        count=intent.wanted,
        next_free=next_free,
        also=intent.sizes.also,
        sidecar=intent.sidecar,
    )


def _hash(requests: Iterable[PlannedRequest]) -> str:
    """Return eight hex digits that stand for what is sent."""
    digest = hashlib.sha256()
    for each in requests:
        digest.update(json.dumps([each.request.path, each.request.fields], sort_keys=True).encode())
        for part in each.request.files:
            digest.update(part.upload.data)
    return digest.hexdigest()[:8]
