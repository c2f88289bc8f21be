"""Xinference's image endpoints.

Read in the wheel of xinference 4.1.0: xinference/api/restful_api.py (`create_images`, `create_variations`,
`create_image_edits`), api/schemas/requests.py, model/image/utils.py (`handle_image_result`) and
model/image/stable_diffusion/core.py.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.error_words import ErrorWords
from imagecli.dialects.openai import VARY_PROMPT, OpenAI
from imagecli.dialects.request import EDITS, VARIATIONS
from imagecli.dialects.rules import ANY, Rule, any_of, no_value
from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS
from imagecli.images.types import MaskConvention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.dialects.request import Draft, Fields, ImageRequest
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import InputRules, Size, Uploads

_MULTIPLE = 8
"""Sides that are not multiples of it are a 500 with most models."""
_IN_KWARGS = ("seed", "negative")
"""Flags that the server reads in `kwargs`; edits don't have that, and variations have a field for the second."""


class Xinference(OpenAI):
    """A server with many models; images are JPEG, or PNG if they have transparency, whatever the request contains."""

    name = "xinference"
    title = "Xinference"
    batches = None
    # Neither `TextToImageRequest` nor the forms have the other fields.
    reads: ClassVar[Reads] = {
        "size": ANY,
        "response_format": Rule(
            any_of("b64_json"), "fails", "{title}'s URL is a path on its own disk, which can't be fetched"
        ),
        "partials": Rule(no_value, "unlisted", "{title} sends no partial images"),  # edits stream their progress
        "seed": Rule(no_value, "unlisted", "{title} reads --seed for gen and vary only", ("edit",)),
        "negative": Rule(no_value, "unlisted", "{title} reads --negative for gen and vary only", ("edit",)),
    }
    fields: ClassVar[Mapping[str, str]] = {"partials": ""}
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    """The default is url, and the URL is a path on the server's own disk."""
    mask = MaskConvention(open=(255,), closed=(0,))
    """`image_edit` of its own client: "White pixels in the mask are repainted while black pixels are preserved"."""
    has_markup = False
    forms_hold_json = True
    """`kwargs` is a text that holds JSON, in forms and in `TextToImageRequest`."""
    formats_by_name = False
    error_words = ErrorWords(
        usage_500=r"have to be divisible by|does not support (?:inpainting|image2image|text2image)"
        r"|unsupported response format|cannot leave .{0,60}undefined|invalid literal for int\(\)"
        r"|validation errors? for \w*request\b|cannot identify image file"
    )
    """Most of a caller's mistakes are answered with 500."""

    def spell_params(self, params: Fields, *, as_json: bool) -> Fields:
        """Return what --param sets; `kwargs` is always a text."""
        if isinstance(params.get("kwargs"), dict):
            params = params | {"kwargs": json.dumps(params["kwargs"])}
        return super().spell_params(params, as_json=as_json)

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules without those of OpenAI's variations: an input need not be square, and Pillow opens it."""
        return rules._replace(square=False, formats=("png", "jpeg", "webp"), max_side=None) if rules.square else rules

    def canvas(self, draft: Draft) -> Size | None:
        """Return the size of an edit with a mask, to which models stretch the input: as requested, or the input's."""
        if not draft.masked:
            return None
        if draft.size is not None or draft.input_size is None:
            return draft.size
        width, height = (-(-side // _MULTIPLE) * _MULTIPLE for side in draft.input_size)
        return width, height

    def resolve_conflicts(self, draft: Draft, warn: Callable[[str], None]) -> Draft:
        """Return the draft without the flags that `--param kwargs` sets too, or can't be joined with."""
        kwargs = draft.params.get("kwargs", {})
        for flag in _IN_KWARGS:
            if flag in draft.fields and (not isinstance(kwargs, dict) or FIELDS[flag] in kwargs):
                draft = draft.without(flag, f"--param kwargs can't be joined with --{flag}", warn)
        return draft

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request; with a mask it always has a size, without which the server fails (500).

        Raises:
            UsageProblem: no model is named.
        """
        request = super().build(_as_params(draft, route), route, count, uploads)
        canvas = self.canvas(draft)
        if canvas is None or "size" in request.fields:
            return request
        return request._replace(fields={**request.fields, "size": f"{canvas[0]}x{canvas[1]}"})

    def spell_draft(self, draft: Draft, route: str, count: int) -> Fields:
        """Return the fields; all but edits need a named model, and variations a prompt.

        Raises:
            UsageProblem: no model is named.
        """
        if draft.model is None and route != EDITS:
            raise UsageProblem(
                "Xinference needs to know which model to use, and none is named",
                hint="Name one with -m; `imagecli models` lists them.",
            )
        fields = super().spell_draft(draft, route, count)
        return {"prompt": VARY_PROMPT} | fields if route == VARIATIONS else fields

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields, without a size of "auto": it is a 500, and the default."""
        return {} if name == "size" and value == "auto" else super().spell(name, value)


def _as_params(draft: Draft, route: str) -> Draft:
    """Return the draft with the flags of `_IN_KWARGS` as the route reads them, beside what --param puts there."""
    if route == EDITS:
        return draft
    draft, own = draft.split_off(*_IN_KWARGS)
    params = dict(draft.params)
    if route == VARIATIONS and "negative_prompt" in own:
        params["negative_prompt"] = own.pop("negative_prompt")
    return draft._replace(params=params | {"kwargs": params.get("kwargs", {}) | own} if own else params)
