"""Together's images: one route for everything, with numbers for a size and addresses for pictures.

Sources: togethercomputer/openapi (2026-04-28), docs.together.ai/docs/inference/images (parameters, reference images),
PyPI together 3.1.1, npm @ai-sdk/togetherai 2.0.84 (data URLs are taken, masks are not).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import GENERATIONS, OpenAI
from imagecli.dialects.request import DATA_URL, FilePart, ImageRequest
from imagecli.errors import UsageProblem
from imagecli.images.types import Uploads, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields
    from imagecli.flags import Command, Verdict
    from imagecli.task import Task

_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?")
_STEP = 8
"""Sides should be multiples of it (docs, parameters)."""
_FORMATS = ("png", "jpeg")
_TAKES_ONE = "FLUX.1"
"""In the names of models that take one picture, as `image_url` (docs, reference images); newer ones take a list."""


class Together(OpenAI):
    """Together's pictures."""

    name = "together"
    title = "Together"
    always: ClassVar[Mapping[str, Any]] = {"response_format": "base64"}  # else a short-lived address
    mask = None  # no field in the specification
    has_markup = False
    edits_as_json = True
    most_per_request = 4  # docs, images overview
    has_variations = False

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Tell what the specification lists; the server ignores what it does not know."""
        if name == "size":
            return self._judge_size(str(value))
        if name == "format" and value not in _FORMATS:
            return "fails", f"{self.title} makes {' and '.join(_FORMATS)}, not {value}"
        if name not in {"format", "response_format"}:
            return "unlisted", f"{self.title} does not read --{name.replace('_', '-')}"
        return super().judge(command, name, value)

    def _judge_size(self, text: str) -> tuple[Verdict, str]:
        if text == "auto" or _RATIO.fullmatch(text):
            return "listed", ""
        size = parse_size(text)
        if size is None:
            return "fails", f"{self.title} takes sizes such as 1024x768 and 16:9, not {text}"
        if any(side % _STEP for side in size):
            return "unlisted", f"{self.title} takes sides that are multiples of {_STEP}, not {text}"
        return "listed", ""

    def build(self, task: Task, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Give a model that takes one picture that picture as `image_url`.

        Raises:
            UsageProblem: it takes one, and there are more.
        """
        request = super().build(task, route, count, uploads)
        if not request.files or _TAKES_ONE not in (task.model.name or ""):
            return request
        if len(request.files) > 1:
            raise UsageProblem(
                f"{task.model.name} takes 1 input image, not {len(request.files)}",
                hint="Leave out -i, or name a model that takes several with -m, such as black-forest-labs/FLUX.2-pro.",
            )
        return replace(request, files=(FilePart("image_url", uploads.images[0], DATA_URL),))

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Say a size as two numbers, or as the shape that some models want."""
        if name == "response_format":
            return {name: "base64" if value == "b64_json" else value}
        if name != "size":
            return super().spell(name, value)
        if size := parse_size(value):
            return {"width": size[0], "height": size[1]}
        return {} if value == "auto" else {"aspect_ratio": value}

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Give the pictures as a list of data URLs."""
        return tuple(FilePart("reference_images", upload, DATA_URL, listed=True) for upload in uploads.images)

    def path(self, route: str, task: Task) -> str:  # noqa: ARG002 - whatever is wanted
        """Name the only route that there is."""
        return GENERATIONS
