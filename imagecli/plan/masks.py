"""The mask flags: read, held against the server, and what they mean for the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.mask_flags import ELLIPSE, RECT, MaskFlags, read_area, read_colour, read_margins

if TYPE_CHECKING:
    from imagecli.images.reading import InputImage
    from imagecli.inputs import Inputs
    from imagecli.options import Options
    from imagecli.plan.fields import Context


def expanded_inputs(images: tuple[InputImage, ...], options: Options) -> tuple[InputImage, ...]:
    """Return the inputs, the first of them on the canvas that --expand asks for."""
    if not options.expand.value:
        return images
    from imagecli.images.expand import ExpandedImage

    return (ExpandedImage(images[0], read_margins(options.expand.value), options.max_pixels.value), *images[1:])


def read_mask_flags(options: Options, *, mask: bool) -> MaskFlags | None:
    """Return the mask flags; None where there are none, or only such as need a mask and are not typed.

    Raises:
        UsageProblem: one can't be read, or needs a mask where there is none.
    """
    flags = MaskFlags(
        areas=(
            *(read_area(RECT, text) for text in options.mask_rect.value or ()),
            *(read_area(ELLIPSE, text) for text in options.mask_ellipse.value or ()),
        ),
        colours=tuple(read_colour(text) for text in options.mask_color.value or ()),
        invert=bool(options.mask_invert.value),
        feather=options.mask_feather.value,
    )
    expanded = bool(options.expand.value)
    if not (flags.opens_anything or expanded or mask):
        for flag, value in (
            ("--mask-invert", options.mask_invert),
            ("--mask-feather", options.mask_feather),
            ("--mask-preview", options.mask_preview),
            ("--keep", options.keep),
            ("--strict-mask", options.strict_mask),
        ):
            if value.typed and value.value:
                raise UsageProblem(
                    f"{flag} needs a mask, and there is none",
                    hint="Give --mask FILE, --mask-rect, --mask-ellipse, --mask-color or --expand.",
                )
        return None
    if flags.invert and not (flags.opens_anything or mask):
        raise UsageProblem(
            "--mask-invert needs a mask besides --expand", hint="Give --mask FILE, --mask-rect or another."
        )
    return flags if flags != MaskFlags() or expanded else None


def keeps(options: Options, flags: MaskFlags | None, *, mask: bool) -> bool:
    """Return whether the result is composed with the original: by default where flags made the mask."""
    if options.keep.value is not None:
        return options.keep.value and (mask or flags is not None)
    if options.restore.value == "none" and options.restore.typed:
        return False
    return flags is not None and bool(flags.opens_anything or flags.feather or options.expand.value)


def check_mask(context: Context, inputs: Inputs, *, masked: bool) -> None:
    """Refuse a mask or markup that would be lost on the way; only a typed --keep does without the server's help.

    Raises:
        UsageProblem: it would be.
    """
    dialect, warn = context.dialect, context.warn
    if masked and inputs.markup is not None:
        raise UsageProblem("a mask and --markup can't be used together", hint="Leave one of them out.")
    if inputs.markup is not None:
        _check_markup(context)
    if not masked:
        return
    if dialect.mask_warning is not None and (warning := dialect.mask_warning_for(_models(context))) is not None:
        warn(warning)
    if dialect.mask is not None:
        return
    if context.options.strict_mask.typed and context.options.strict_mask.value:
        raise UsageProblem(
            f"{dialect.title} takes no mask, so --strict-mask has nothing to check", hint="Leave out --strict-mask."
        )
    if not (context.options.keep.typed and context.options.keep.value):
        raise UsageProblem(
            f"{dialect.title} takes no mask: it would change the whole image",
            hint="Leave the mask out, or add --keep: then everything outside the mask is put back from the original.",
        )
    warn(f"{dialect.title} takes no mask: the whole image is edited, and everything outside the mask is put back")


def _models(context: Context) -> tuple[str, ...]:
    """Return the model that is asked for; where none is, those that the server listed when it was last asked."""
    from imagecli.models import cache

    if context.model.name is not None:
        return (context.model.name,)
    listed = cache.load(context.profile, None)
    return () if listed is None else listed.report.models


def _check_markup(context: Context) -> None:
    model, dialect = context.model, context.dialect
    if not dialect.has_markup:
        raise UsageProblem(
            f"{dialect.title} takes no --markup", hint="Mark the place with a mask, or describe it in the prompt."
        )
    verdict, reason = model.judge("markup", "FILE")
    if verdict == "fails":
        context.refuse(reason, "Leave --markup out, or name another model with -m.")
    if verdict == "unlisted":
        context.warn(f"{model.name} takes no --markup, as far as is known; sending it anyway")
