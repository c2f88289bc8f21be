"""Together's images: one route for everything, with a size as two numbers and images as URLs.

Sources: togethercomputer/openapi (2026-04-28), docs.together.ai/docs/inference/images (parameters, reference images),
PyPI together 3.1.1, npm @ai-sdk/togetherai 2.0.84 (data URLs are taken, masks are not).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import DATA_URL, GENERATIONS, FilePart, ImageRequest
from imagecli.dialects.rules import ANY, Rule, is_pixels, makes
from imagecli.errors import UsageProblem
from imagecli.images.types import Uploads, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Draft, Fields
    from imagecli.dialects.rules import Reads

_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?")
_TAKES_ONE = "FLUX.1"
"""In the names of models that take one image, as `image_url` (docs, reference images); newer ones take a list."""


def _is_size(value: str) -> bool:
    return value == "auto" or is_pixels(value) or _RATIO.fullmatch(value) is not None


def _is_multiple(value: str) -> bool:
    return not any(side % 8 for side in parse_size(value) or ())  # docs, parameters


class Together(OpenAI):
    """https://api.together.ai/v1."""

    name = "together"
    title = "Together"
    batches = None
    # The specification has no other field, and the server ignores unknown ones.
    reads: ClassVar[Reads] = {
        "size": (
            Rule(_is_size, "fails", "{title} takes sizes such as 1024x768 and 16:9, not {value}"),
            Rule(_is_multiple, "unlisted", "{title} takes sides that are multiples of 8, not {value}"),
        ),
        "format": makes("png", "jpeg", otherwise="fails"),
        "response_format": ANY,
        "seed": ANY,
        "negative": ANY,
    }
    always: ClassVar[Mapping[str, Any]] = {"response_format": "base64"}  # otherwise a short-lived URL
    mask = None  # no field in the specification
    has_markup = False
    edits_as_json = True
    most_per_request = 4  # docs, images overview
    has_variations = False

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request, with the image as `image_url` for a model that takes one.

        Raises:
            UsageProblem: the model takes one image, and there are several.
        """
        request = super().build(draft, route, count, uploads)
        if not request.files or _TAKES_ONE not in (draft.model or ""):
            return request
        if len(request.files) > 1:
            raise UsageProblem(
                f"{draft.model} takes 1 input image, not {len(request.files)}",
                hint="Leave out -i, or name a model that takes several with -m, such as black-forest-labs/FLUX.2-pro.",
            )
        return request._replace(files=(FilePart("image_url", uploads.images[0], DATA_URL),))

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields; a size is two numbers, or the aspect ratio that some models want."""
        if name == "response_format":
            return {name: "base64" if value == "b64_json" else value}
        if name != "size":
            return super().spell(name, value)
        if size := parse_size(value):
            return {"width": size[0], "height": size[1]}
        return {} if value == "auto" else {"aspect_ratio": value}

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the images as a list of data URLs."""
        return tuple(FilePart("reference_images", upload, DATA_URL, listed=True) for upload in uploads.images)

    def path(self, route: str, draft: Draft) -> str:  # noqa: ARG002 - it is the same for all
        """Return the only path."""
        return GENERATIONS
