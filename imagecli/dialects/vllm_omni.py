"""vLLM-Omni's image endpoints.

Read in the wheel of vllm-omni 0.30.0: vllm_omni/entrypoints/openai/api_server.py (`generate_images`, `edit_images`),
protocol/images.py, images/helpers.py, and diffusion/models/flux2_klein/pipeline_flux2_klein.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.error_words import ErrorWords
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import ANY, ONLY_BASE64, Rule, any_of, makes, no_value
from imagecli.images.types import MaskConvention

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imagecli.dialects.request import Draft, Fields, ImageRequest
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import Upload, Uploads

_AREA = 1024 * 1024
_MULTIPLE = 16


class VllmOmni(OpenAI):
    """A server with one model; another name than the model's is a 400."""

    name = "vllm-omni"
    title = "vLLM-Omni"
    batches = None
    # Neither `ImageGenerationRequest` nor the form of `edit_images` has the other fields.
    reads: ClassVar[Reads] = {
        "size": ANY,
        "format": makes("png", "jpeg", "webp", otherwise="fails"),  # `_choose_output_format`: others become jpeg
        "compression": ANY,
        "background": Rule(no_value, "unlisted", "{title} reads --background for edits only", ("gen",)),
        "response_format": Rule(any_of("b64_json"), "fails", ONLY_BASE64),
        "seed": ANY,
        "negative": ANY,
        # A stream holds text and the finished image; where the model has only one stage, it is a 400.
        "partials": Rule(
            no_value,
            "unlisted",
            "{title} sends no partial images, and streams only edits by models with several stages",
        ),
    }
    fields: ClassVar[Mapping[str, str]] = {"partials": ""}
    mask = MaskConvention("mask_image", open=(255,), closed=(0,))
    """The pipeline drops alpha, makes it grey and repaints what is at least half white; a field `mask` is not read."""
    mask_warning = (
        "of vLLM-Omni's models, only FLUX.2 klein uses a mask: the others edit the whole image; "
        "--keep puts back everything outside the mask"
    )
    has_markup = False
    forms_hold_json = True
    """The form's `lora` is a "Json string" (`edit_images`)."""
    has_variations = False
    error_words = ErrorWords(
        usage_500="size of tensor a .{1,40} must match",
        model_hints=(("model mismatch", "This server has one model: leave -m out, or give that one's name."),),
    )
    """A size that does not fit the mask; and a name that is not the one model's."""

    def mask_warning_for(self, models: Sequence[str]) -> str | None:
        """Return the warning, unless the model is, or the server lists, one that uses a mask."""
        return None if any("klein" in name.lower() for name in models) else self.mask_warning

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request; with a mask and no typed size, its size is the one that the image will be shrunk to.

        FLUX.2 klein shrinks a large image but not its mask; if their sizes then differ, the server fails (500).
        """
        request = super().build(draft, route, count, uploads)
        if uploads.mask is None or "size" in draft.typed:
            return request
        size = _shrunk(uploads.images[0])
        fields = {name: value for name, value in request.fields.items() if name != "size"}
        return request._replace(fields=fields if size is None else fields | {"size": size})

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields, without a size of "auto": generations refuse it (400), and it is the default of edits."""
        return {} if name == "size" and value == "auto" else super().spell(name, value)


def _shrunk(upload: Upload) -> str | None:
    """Return the size that `_resize_to_target_area` and `forward` give an image; None where it is small enough."""
    width, height = upload.width, upload.height
    if width * height <= _AREA:
        return None
    scale = math.sqrt(_AREA / (width * height))
    return "x".join(str(int(side * scale) // _MULTIPLE * _MULTIPLE) for side in (width, height))
