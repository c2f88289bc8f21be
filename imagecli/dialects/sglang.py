"""SGLang's diffusion server, 0.5.23.

Sources are files of its wheel, below sglang/multimodal_gen: I = runtime/entrypoints/openai/image_api.py, U = utils.py
and P = protocol.py beside it, S = configs/sample/sampling_params.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.images.types import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags import Command, Verdict

_FORMATS = ("png", "jpeg", "webp")
_QUALITIES = ("exact", "lossless", "high", "extra-high", "auto")


class SGLang(OpenAI):
    """SGLang: one model; edits where that takes pictures."""

    name = "sglang"
    title = "SGLang"
    # I and P know no such field, or know it and read it nowhere.
    ignores = frozenset(
        {
            *("moderation", "style", "input_fidelity", "partials"),
            *("frames", "frame_ms", "complexity", "safety_identifier"),
        }
    )
    # I: by itself generations answer with a URL, which is 400 where the server keeps no pictures.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask_warning = "SGLang (0.5.23) takes a mask and does not use it: look at the result, or add --keep"  # I
    has_markup = False  # I
    forms_hold_json = True  # I: cache_dit_params is a Json form field
    has_variations = False  # I

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Sizes (U) and qualities (S) are checked, 400; a format that it does not know becomes a jpeg (U)."""
        if name == "size" and parse_size(str(value)) is None:
            return "fails", f"SGLang takes a size as WIDTHxHEIGHT, not {value}"
        if name == "quality" and value not in _QUALITIES:
            return "fails", f"SGLang takes quality {', '.join(_QUALITIES)}, not {value}"
        if name == "format" and value not in _FORMATS:
            return "unlisted", f"SGLang makes {', '.join(_FORMATS)}, not {value}"
        return super().judge(command, name, value)
