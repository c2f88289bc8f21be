"""The pictures of a task on their way in and out: made what the endpoint takes, and the fit undone on the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imagecli.dialects.openai import EDITS, VARIATIONS
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL import Image

    from imagecli.images.reading import Picture
    from imagecli.images.types import Geometry, InputRules, Prepared, Upload
    from imagecli.saving.sinks import Transform
    from imagecli.task import Task


@dataclass(frozen=True, slots=True)
class Pictures:
    """The files of a request, ready to be sent, and what is needed to undo the fit."""

    uploads: Uploads = Uploads()  # noqa: RUF009 - frozen
    geometry: Geometry | None = None
    original: Picture | None = None
    region: Image.Image | None = None
    """Where the original may change, at its size."""
    notes: tuple[str, ...] = ()
    """What was done, for -v."""
    warnings: tuple[str, ...] = ()
    """What was given up."""


def prepare(task: Task, route: str) -> Pictures:
    """Make the inputs what `route` takes.

    Raises:
        UsageProblem: a file is no picture, or a mask does not fit.
    """
    if not task.inputs:
        return Pictures()
    from imagecli.images import prepare as by

    rules = _rules(task, route)
    (first, *others), mask, private = task.inputs, task.mask, task.keep_metadata
    region = _region(task)
    if route == EDITS and rules.square and mask is None and region is None and not by.has_transparency(first):
        raise UsageProblem(
            f"{task.model.name} edits what a mask or the picture's own transparency opens, and there is neither",
            hint="Give --mask FILE or --mask-rect X,Y,W,H, or another model with -m.",
        )
    prepared, mask_upload = by.prepare_with_mask(
        *(first, mask, _shaped(task, rules), task.fit),
        region=region if task.marks else None,
        convention=task.dialect.mask or MaskConvention(),
        # Who knows what reads it there: drawn by the convention, it opens the same to a server that goes by grey.
        redraw=not task.model.known,
        keep_metadata=private,
    )
    made = [prepared, *(by.prepare(picture, rules, task.fit, keep_metadata=private) for picture in others)]
    notes = [f"{one.upload.filename}: {note}" for one in made for note in one.notes]
    if task.keep:
        notes.append("outside the mask the original's pixels are kept, at {}x{}".format(*first.size))
    return Pictures(
        Uploads(tuple(one.upload for one in made), mask_upload, _markup(task, prepared, rules)),
        geometry=prepared.geometry,
        original=first,
        region=region if task.keep else None,
        notes=tuple(notes),
        warnings=tuple(warning for one in made for warning in one.warnings),
    )


def mask_preview(task: Task, kind: str | None) -> tuple[bytes, dict[str, Any]]:
    """Return the first input with what its mask opens tinted, and where and how much that is.

    Raises:
        UsageProblem: there is no mask, it does not fit, or it opens nothing or everything.
    """
    from imagecli.images.mask_flags import Marks
    from imagecli.images.region import extent, region_of, tinted

    region = region_of(task.inputs[0], task.mask, task.marks or Marks())
    return tinted(task.inputs[0], region, kind or "png"), extent(region)


def undoing(task: Task, pictures: Pictures, warn: Callable[[str], None]) -> Transform | None:
    """Return what undoes the fit on a result, None where there is nothing to undo."""
    geometry, original = pictures.geometry, pictures.original
    if geometry is None or original is None:
        return None
    if (region := pictures.region) is not None:

        def compose(data: bytes) -> bytes:
            from imagecli.images.restore import keep

            return keep(data, geometry, region, original, warn)

        return compose
    mode = task.restore or ("aspect" if geometry.padded else "none")
    if mode == "none":
        return None

    def undo(data: bytes) -> bytes:
        from imagecli.images.restore import restore

        return restore(data, geometry, mode, original)

    return undo


def _markup(task: Task, prepared: Prepared, rules: InputRules) -> Upload | None:
    if task.markup is None:
        return None
    from imagecli.images.markup import prepare_markup

    return prepare_markup(
        *(task.markup, task.inputs[0].size, prepared.geometry, rules), keep_metadata=task.keep_metadata
    )


def _region(task: Task) -> Image.Image | None:
    """Return what the mask opens, where it is more than a file that goes the way of its picture."""
    if task.marks is None and not task.keep:
        return None
    from imagecli.images.mask_flags import Marks
    from imagecli.images.region import region_of

    if task.keep:
        task.inputs[0].decode()  # whole, as it will be needed; for the upload it is scaled from there
    return region_of(task.inputs[0], task.mask, task.marks or Marks())


def _shaped(task: Task, rules: InputRules) -> InputRules:
    """Return the rules for a canvas that was expanded: it gets the very shape of the size that is asked for."""
    if not task.expanded or task.size is None or rules.shape:
        return rules
    return replace(rules, shape=task.size, max_side=max(task.size))


def _rules(task: Task, route: str) -> InputRules:
    rules = task.model.variation_rules() if route == VARIATIONS else task.model.inputs
    if rules.square and task.size and task.size[0] == task.size[1]:
        rules = replace(rules, max_side=task.size[0])
    rules = task.dialect.inputs(rules)
    canvas = task.dialect.canvas(task)
    return replace(rules, shape=canvas, max_side=rules.max_side or max(canvas)) if canvas else rules
