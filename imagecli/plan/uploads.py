"""The images of a request: inputs made what the endpoint takes, and what is needed to undo that on the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.dialects.request import EDITS, VARIATIONS
from imagecli.errors import UsageProblem
from imagecli.images.types import LOSSY, MaskConvention, Uploads
from imagecli.models.catalog import variation_rules
from imagecli.plan.fields import is_catalogued

if TYPE_CHECKING:
    from PIL import Image

    from imagecli.images.finish import Fitted
    from imagecli.images.measure import Sent
    from imagecli.images.types import Geometry, InputRules, Prepared, Upload
    from imagecli.plan.intent import Intent


class PreparedInputs(NamedTuple):
    """The files of a request, and what was done to get there."""

    uploads: Uploads = Uploads()
    fitted: Fitted | None = None
    """What the result gets back of the input; None: nothing."""
    sent: Sent | None = None
    """What a mask went along with; None: none did."""
    notes: tuple[str, ...] = ()
    """What was done, for -v."""
    warnings: tuple[str, ...] = ()
    """What was given up."""


def prepare_uploads(intent: Intent, route: str) -> PreparedInputs:
    """Make the inputs what `route` takes.

    Raises:
        UsageProblem: a file is not an image, or a mask does not fit.
    """
    if not intent.images:
        return PreparedInputs()
    from imagecli.images.prepare import has_transparency, prepare, prepare_with_mask

    rules = _rules(intent, route)
    (first, *others), mask, keep_metadata = intent.images, intent.mask, intent.keep_metadata
    region = _region(intent)
    sent_region = _sent_region(intent, region)
    warnings: list[str] = []
    if route == EDITS and rules.square and mask is None and region is None and not has_transparency(first):
        reason = f"{intent.model.name} needs a mask, or an image with transparent areas"
        ways = "Give --mask FILE or --mask-rect X,Y,W,H, or " if intent.command == "edit" else "Name "
        if is_catalogued(intent.profile):
            raise UsageProblem(reason, hint=f"{ways}another model with -m.")
        warnings.append(f"{reason}, as far as is known; sending it anyway")
    prepared, mask_upload = prepare_with_mask(
        *(first, mask, _shaped(intent, rules), intent.fit),
        region=sent_region,
        convention=intent.dialect.mask or MaskConvention(),
        # How an unknown model reads a mask file is unknown too: drawn by the convention, it opens the same to a server
        # that goes by grey.
        redraw=not intent.model.known,
        keep_metadata=keep_metadata,
    )
    made = [prepared, *(prepare(image, rules, intent.fit, keep_metadata=keep_metadata) for image in others)]
    notes = [f"{one.upload.filename}: {note}" for one in made for note in one.notes]
    warnings += [*_slips(intent), *(warning for one in made for warning in one.warnings)]
    if intent.keep:
        notes.append("outside the mask the original's pixels are kept, at {}x{}".format(*first.size))
        if intent.kind == "jpeg" or (intent.kind == "webp" and intent.quality is not None):
            warnings.append(f"{intent.kind} is lossy, so what is outside the mask is not kept exactly; png keeps it")
        elif first.format in LOSSY:
            notes.append(f"they are what the {first.format} decodes to; saved as png, they lose nothing more")
    markup = _markup(intent, prepared, rules)
    return PreparedInputs(
        Uploads(tuple(one.upload for one in made), mask_upload, markup),
        _fitted(intent, prepared.geometry, region if intent.keep else None),
        _sent(intent, prepared, sent_region) if mask_upload and intent.dialect.mask else None,
        tuple(notes),
        tuple(warnings),
    )


def preview_of_mask(intent: Intent, kind: str | None) -> tuple[bytes, dict[str, Any], tuple[str, ...]]:
    """Return the first input with what its mask opens tinted, where and how much that is, and warnings.

    Raises:
        UsageProblem: there is no mask, it does not fit, or it opens nothing or everything.
    """
    from imagecli.images.mask import extent, region_of, tinted
    from imagecli.images.mask_flags import MaskFlags

    region = region_of(intent.images[0], intent.mask, intent.mask_flags or MaskFlags())
    return tinted(intent.images[0], region, kind or "png"), extent(region), _slips(intent)


def picture_of_mask(intent: Intent, side: int) -> bytes:
    """Return the same image, as a PNG whose longer side has at most `side` pixels; errors as above."""
    from imagecli.images.mask import region_of, tinted_small
    from imagecli.images.mask_flags import MaskFlags

    region = region_of(intent.images[0], intent.mask, intent.mask_flags or MaskFlags())
    return tinted_small(intent.images[0], region, side)


def _slips(intent: Intent) -> tuple[str, ...]:
    """Return warnings about a mask file that is probably not what was meant."""
    if intent.mask is None or (intent.mask_flags and intent.mask_flags.invert):
        return ()
    from imagecli.images.mask_file import openings
    from imagecli.images.mask_slips import slips

    opened, by_alpha = openings(intent.mask)
    return slips(intent.mask, intent.images[0], opened, by_alpha=by_alpha)


def _fitted(intent: Intent, geometry: Geometry, region: Image.Image | None) -> Fitted | None:
    mode = intent.restore or ("aspect" if geometry.padded else "none")
    if mode == "none" and region is None:
        return None
    from imagecli.images.finish import Fitted
    from imagecli.images.restore import Region

    return Fitted(intent.images[0], geometry, mode, None if region is None else Region.of(region))


def _sent(intent: Intent, prepared: Prepared, region: Image.Image | None) -> Sent | None:
    """Return what went along with a mask, so that what it did can be measured."""
    from imagecli.images.mask_file import follow, opened_by, openings
    from imagecli.images.measure import Sent

    if region is not None:
        opened = opened_by(region)
    elif intent.mask is not None:
        opened, _ = openings(intent.mask)
    else:
        return None
    return Sent.of(prepared.upload, follow(opened, prepared.geometry), prepared.geometry.placed)


def _markup(intent: Intent, prepared: Prepared, rules: InputRules) -> Upload | None:
    if intent.markup is None:
        return None
    from imagecli.images.prepare import prepare_markup

    return prepare_markup(
        *(intent.markup, intent.images[0].size, prepared.geometry, rules), keep_metadata=intent.keep_metadata
    )


def _region(intent: Intent) -> Image.Image | None:
    """Return what the mask opens, where it is more than a file that goes the way of its image."""
    if intent.mask_flags is None and not intent.keep:
        return None
    from imagecli.images.mask import region_of
    from imagecli.images.mask_flags import MaskFlags

    if intent.keep and intent.images[0].shrink > 1:
        intent.images[0].decode()  # raises: it will be needed whole
    return region_of(intent.images[0], intent.mask, intent.mask_flags or MaskFlags())


def _sent_region(intent: Intent, region: Image.Image | None) -> Image.Image | None:
    """Return what the mask that is sent opens; None where the file itself says it.

    The greys of a mask file are for the way back: what is sent is open or closed.
    """
    if intent.mask_flags is None or intent.mask is None:
        return region if intent.mask_flags else None
    from imagecli.images.mask import region_of

    return region_of(intent.images[0], intent.mask, intent.mask_flags, soft=False)


def _shaped(intent: Intent, rules: InputRules) -> InputRules:
    """Return the rules for a canvas that was expanded: it gets the very shape of the size that is asked for."""
    size = intent.draft.size
    if not intent.expanded or size is None or rules.shape:
        return rules
    return rules._replace(shape=size, max_side=max(size))


def _rules(intent: Intent, route: str) -> InputRules:
    rules = variation_rules(intent.model) if route == VARIATIONS else intent.model.inputs
    size = intent.draft.size
    if rules.square and size and size[0] == size[1]:
        rules = rules._replace(max_side=size[0])
    rules = intent.dialect.inputs(rules)
    canvas = intent.dialect.canvas(intent.draft)
    if canvas is None and size and route == EDITS and intent.server_is_unknown:
        return rules._replace(shape=size, exact=True)
    return rules._replace(shape=canvas, max_side=rules.max_side or max(canvas)) if canvas else rules
