"""Whether a saved image is what was asked for: its size, its format, and what its mask did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.errors import Failure
from imagecli.saving.names import asked_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.errors import ImagecliError
    from imagecli.plan import Plan
    from imagecli.result import GeneratedImage


def differences(plan: Plan, image: GeneratedImage) -> Iterator[str]:
    """Yield how an image differs from what was typed; the sink warns of a format that its name does not have."""
    asked, came = plan.intent.typed_size, image.delivered if image.format != "svg" else None
    fixed = plan.finish is not None and not image.unfinished and plan.finish.size is not None
    if asked and came and came != asked and not fixed:
        yield "the server sent {}x{}, not the {}x{} that was asked for".format(*came, *asked)
    if plan.intent.strict_mask and image.outside_changed is None:
        yield f"the effect of the mask on image {image.n} can't be measured, so --strict-mask accepts it"
    draft = plan.intent.draft
    kind = draft.fields.get("format")
    if "format" in draft.typed and image.format != kind and asked_format(image.path) in {None, image.format}:
        yield f"the image is {(image.format or '?').upper()}, not the {kind} that was asked for"


def shortfall(plan: Plan, image: GeneratedImage) -> ImagecliError | None:
    """Return the error of an image that is saved but is not enough; None where there is none."""
    if image.ignores_mask and plan.intent.strict_mask:
        kept = f"It is saved in {image.path}: look" if image.path else "It was written: look"
        return Failure(
            f"the server seems to have ignored the mask of image {image.n}, which --strict-mask forbids",
            hint=f"{kept} at it, or use another model or server.",
        )
    return image.shortfall
