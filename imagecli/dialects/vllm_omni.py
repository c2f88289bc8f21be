"""vLLM-Omni's image endpoints.

Read in the wheel of vllm-omni 0.30.0: vllm_omni/entrypoints/openai/api_server.py (`generate_images`, `edit_images`),
protocol/images.py, images/helpers.py, and diffusion/models/flux2_klein/pipeline_flux2_klein.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagecli.dialects.openai import OpenAI
from imagecli.images.types import MaskConvention

if TYPE_CHECKING:
    from imagecli.dialects.request import Fields, ImageRequest
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import Upload, Uploads
    from imagecli.task import Task

_FORMATS = ("png", "jpeg", "webp")
"""`_choose_output_format`: anything else comes as jpeg."""
_AREA = 1024 * 1024
_MULTIPLE = 16


class VllmOmni(OpenAI):
    """A server with one model; a model's name must be its own, or be left out (else 400)."""

    name = "vllm-omni"
    title = "vLLM-Omni"
    ignores = frozenset(
        {"quality", "style", "moderation", "input_fidelity", "frames", "frame_ms", "complexity", "safety_identifier"}
    )
    """Neither `ImageGenerationRequest` nor the form of `edit_images` has them."""
    mask = MaskConvention("mask_image", open=(255,), closed=(0,))
    """The pipeline makes it grey, alpha dropped, and repaints what is at least half white; `mask` is read by nobody."""
    mask_warning = (
        "of vLLM-Omni's models only FLUX.2 klein looks at a mask: any other edits the whole picture; "
        "--keep puts back what the mask closes"
    )
    has_markup = False
    forms_hold_json = True
    """The form's `lora` is a "Json string" (`edit_images`)."""
    has_variations = False

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Refuse what is a 400 or comes as something else."""
        if name == "response_format" and value == "url":
            return "fails", "vLLM-Omni sends pictures as b64_json only, not as url"
        if name == "format" and value not in _FORMATS:
            return "fails", f"vLLM-Omni makes {', '.join(_FORMATS)}, not {value}"
        if name == "background" and command == "gen":
            return "unlisted", "vLLM-Omni reads --background for edits only"
        if name == "partials":
            # A stream of words and the finished picture; 400 where the model has but one stage.
            return (
                "unlisted",
                "vLLM-Omni sends no partial pictures, and streams edits of models with several stages only",
            )
        return super().judge(command, name, value)

    def build(
        self,
        task: Task,
        route: str,
        count: int,
        uploads: Uploads,
    ) -> ImageRequest:
        """Return the request; with a mask the size is the picture's, as large as that will be, unless one was typed.

        FLUX.2 klein shrinks a large picture and not its mask: where the two differ in the end, the server fails (500).
        """
        request = super().build(task, route, count, uploads)
        if uploads.mask is None or "size" in task.typed:
            return request
        size = _shrunk(uploads.images[0])
        fields = {name: value for name, value in request.fields.items() if name != "size"}
        return replace(request, fields=fields if size is None else fields | {"size": size})

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the fields; "auto" is no size on generations (400), and on edits what it is without one."""
        if name == "size" and value == "auto":
            return {}
        return {"stream": True} if name == "partials" else super().spell(name, value)


def _shrunk(upload: Upload) -> str | None:
    """Return the size that `_resize_to_target_area` and `forward` give a picture; None where it is small enough."""
    width, height = upload.width, upload.height
    if width * height <= _AREA:
        return None
    scale = math.sqrt(_AREA / (width * height))
    return "x".join(str(int(side * scale) // _MULTIPLE * _MULTIPLE) for side in (width, height))
