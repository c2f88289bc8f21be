"""SGLang's diffusion server, 0.5.23.

Sources are files of its wheel, below sglang/multimodal_gen: I = runtime/entrypoints/openai/image_api.py, U = utils.py
and P = protocol.py beside it, S = configs/sample/sampling_params.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import ANY, NOT_PIXELS, Rule, any_of, is_pixels, makes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.rules import Reads


class SGLang(OpenAI):
    """SGLang: one model, which edits if it takes images."""

    name = "sglang"
    title = "SGLang"
    batches = None
    # I and P don't have the other fields, or don't read them. Sizes (U) and qualities (S) are checked (400); an
    # unknown format becomes a jpeg (U).
    reads: ClassVar[Reads] = {
        "size": Rule(is_pixels, "fails", NOT_PIXELS),
        "quality": Rule(
            any_of("exact", "lossless", "high", "extra-high", "auto"),
            "fails",
            "{title} takes exact, lossless, high, extra-high or auto as quality, not {value}",
        ),
        "format": makes("png", "jpeg", "webp", otherwise="unlisted"),
        "compression": ANY,
        "background": ANY,
        "response_format": ANY,
        "seed": ANY,
        "negative": ANY,
    }
    # I: the default for generations is a URL, which is a 400 where the server does not store images.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask_warning = "SGLang (0.5.23) takes a mask but does not use it: look at the result, or add --keep"  # I
    has_markup = False  # I
    forms_hold_json = True  # I: cache_dit_params is a Json form field
    has_variations = False  # I
    never_streams = True  # I
