"""Xinference's image endpoints.

Read in the wheel of xinference 4.1.0: xinference/api/restful_api.py (`create_images`, `create_variations`,
`create_image_edits`), api/schemas/requests.py, model/image/utils.py (`handle_image_result`) and
model/image/stable_diffusion/core.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import EDITS, VARIATIONS, VARY_PROMPT, OpenAI
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields, ImageRequest
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules, Size, Uploads
    from imagecli.task import Task

_MULTIPLE = 8
"""Sides that are no multiple of it are a 500 with most models."""


class Xinference(OpenAI):
    """A server with many models; pictures are JPEG, or PNG where they have transparency, whatever was asked for."""

    name = "xinference"
    title = "Xinference"
    ignores = frozenset(
        {
            *("quality", "format", "compression", "background", "moderation", "style", "input_fidelity"),
            *("frames", "frame_ms", "complexity", "safety_identifier"),
        }
    )
    """Neither `TextToImageRequest` nor the forms have them."""
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    """By itself it is url, and the url a path on the server's own disk."""
    mask = MaskConvention(open=(255,), closed=(0,))
    """`image_edit` of its own client: "White pixels in the mask are repainted while black pixels are preserved"."""
    has_markup = False
    forms_hold_json = True
    """`kwargs` is JSON as text, in forms and in `TextToImageRequest`."""
    formats_by_name = False

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Refuse a url that nobody can fetch; there are no partial pictures, though edits stream what they are at."""
        if name == "response_format" and value == "url":
            return "fails", "Xinference's url is a path on its own disk, which can't be fetched"
        if name == "partials":
            return "unlisted", "Xinference sends no partial pictures"
        return super().judge(command, name, value)

    def spell_params(self, params: Fields, *, as_json: bool) -> Fields:
        """Return what --param says; `kwargs` is a text everywhere."""
        if isinstance(params.get("kwargs"), dict):
            params = params | {"kwargs": json.dumps(params["kwargs"])}
        return super().spell_params(params, as_json=as_json)

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules without those of OpenAI's variations: there is no square here, and Pillow opens the file."""
        return replace(rules, square=False, formats=("png", "jpeg", "webp"), max_side=None) if rules.square else rules

    def canvas(self, task: Task) -> Size | None:
        """Return the size of an edit with a mask, to which the models stretch the input: as asked, or the input's."""
        if not task.masked:
            return None
        if task.size is not None:
            return task.size
        width, height = (-(-side // _MULTIPLE) * _MULTIPLE for side in task.inputs[0].size)
        return width, height

    def build(self, task: Task, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request; with a mask the size is always said, for without one the server fails (500)."""
        request = super().build(task, route, count, uploads)
        canvas = self.canvas(task)
        if canvas is None or "size" in request.fields:
            return request
        return replace(request, fields={**request.fields, "size": f"{canvas[0]}x{canvas[1]}"})

    def spell_task(self, task: Task, route: str, count: int) -> Fields:
        """Return the fields; all but edits need a model's name, and variations a prompt.

        Raises:
            UsageProblem: no model is named.
        """
        if task.model.name is None and route != EDITS:
            raise UsageProblem(
                "Xinference needs to know which model to use, and none is named",
                hint="Name one with -m: `imagecli models` lists them.",
            )
        fields = super().spell_task(task, route, count)
        return {"prompt": VARY_PROMPT} | fields if route == VARIATIONS else fields

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields; "auto" is no size (500), but what it is without one."""
        if name == "size" and value == "auto":
            return {}
        return {"stream": True} if name == "partials" else super().spell(name, value)
