"""What each model takes: a row each, oldest first, most of them another's with what differs.

A new model is a new row here; users add theirs under [models] in the config file. The attributes are explained in
`model.Model`. Prices are in `price_list`.

Sources: OpenAI's OpenAPI description and its model pages, as of 2026-11-23; grids from its calculators of 2026-09-08,
tokens of images without one from its guide to image generation;
Azure's dates from its list of model retirements, as LiteLLM 1.110.2 has them.
"""

from __future__ import annotations

from datetime import date

from imagecli.images.types import InputRules
from imagecli.models.model import Model

_ENDS_AT_OPENAI = date(2026, 12, 1)
_SUCCESSOR = "gpt-image-2.6-flare"
_NO_FRAMES = {"frames": (), "frame_ms": (), "complexity": ()}
_NO_SEED = {"seed": (), "negative": ()}
_SHAPES = {"square": "1024x1024", "landscape": "1536x1024", "portrait": "1024x1536"}


def _without(model: Model, field: str) -> dict[str, tuple[str, ...]]:
    """Return a model's values without those of a field, which then takes anything."""
    return {name: values for name, values in model.values.items() if name != field}


_DALL_E_2 = Model(
    family="dall-e",
    endpoints=("gen", "edit", "vary"),
    inputs=InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=1024),
    shapes={"square": "1024x1024"},
    values={
        "size": ("256x256", "512x512", "1024x1024"),
        "quality": ("standard",),
        "format": (),
        "compression": (),
        "background": (),
        "moderation": (),
        "style": (),
        "input_fidelity": (),
        "response_format": ("url", "b64_json"),
        "partials": (),
        **_NO_FRAMES,
        **_NO_SEED,
        "markup": (),
    },
    closed=frozenset(
        {
            *("size", "quality", "format", "compression", "background", "moderation", "style", "input_fidelity"),
            *("response_format", "partials", "seed", "negative"),
        }
    ),
    max_inputs=1,
    max_prompt_chars=1000,
    shutdowns={"openai": date(2026, 5, 12)},
    successor=_SUCCESSOR,
)
_DALL_E_3 = _DALL_E_2._replace(
    endpoints=("gen",),
    shapes={"square": "1024x1024", "landscape": "1792x1024", "portrait": "1024x1792"},
    values={
        **_DALL_E_2.values,
        "size": ("1024x1024", "1792x1024", "1024x1792"),
        "quality": ("standard", "hd"),
        "style": ("vivid", "natural"),
    },
    max_count=1,
    max_prompt_chars=4000,
)

_GPT_IMAGE_1 = Model(
    family="gpt-image",
    endpoints=("gen", "edit"),
    inputs=InputRules(
        square=False,
        formats=("png", "jpeg", "webp"),
        modes=("1", "L", "LA", "P", "RGB", "RGBA"),
        max_bytes=50_000_000,
    ),
    shapes=_SHAPES,
    values={
        "size": ("1024x1024", "1536x1024", "1024x1536", "auto"),
        "quality": ("low", "medium", "high", "auto"),
        "format": ("png", "jpeg", "webp"),
        "background": ("transparent", "opaque", "auto"),
        "moderation": ("auto", "low"),
        "style": (),
        "input_fidelity": ("high", "low"),
        "response_format": (),
        **_NO_FRAMES,
        **_NO_SEED,
        "markup": (),
    },
    closed=frozenset({"size", "quality", "format", "input_fidelity", "response_format", "seed", "negative"}),
    max_prompt_chars=32_000,
    drawn={
        "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
        "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
        "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
    },
    shutdowns={"openai": date(2026, 10, 23), "azure": date(2026, 10, 23)},
    successor=_SUCCESSOR,
)
_GPT_IMAGE_1_MINI = _GPT_IMAGE_1._replace(
    values={**_GPT_IMAGE_1.values, "input_fidelity": ("low",)},
    drawn={},  # not published
    shutdowns={"openai": _ENDS_AT_OPENAI, "azure": date(2027, 4, 7)},
)
_GPT_IMAGE_1_5 = _GPT_IMAGE_1._replace(shutdowns={"openai": _ENDS_AT_OPENAI, "azure": date(2026, 12, 16)})

_GPT_IMAGE_2 = _GPT_IMAGE_1._replace(
    values={
        **_GPT_IMAGE_1.values,
        "size": ("1024x1024", "1536x1024", "1024x1536", "2048x2048", "3840x2160", "auto"),
        "input_fidelity": (),
    },
    closed=frozenset({"size", "input_fidelity", "response_format", "seed", "negative"}),
    free_size={"multiple": 16, "long_edge": 3840, "ratio": 3, "pixels": (655_360, 8_294_400)},
    grid={"low": 16, "medium": 48, "high": 96},
    drawn={},
    shutdowns={},
    successor=None,
)
_GPT_IMAGE_2_5 = _GPT_IMAGE_2._replace(
    values={**_without(_GPT_IMAGE_2, "markup"), "quality": ("low", "medium", "high", "xhigh", "max", "auto")},
    closed=frozenset({"size", "response_format", "seed", "negative"}),
    grid={"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
)
_GPT_IMAGE_2_6 = _GPT_IMAGE_2_5._replace(
    values={
        **_without(_GPT_IMAGE_2_5, "frame_ms"),
        "format": ("png", "jpeg", "webp", "gif", "svg"),
        "frames": tuple(str(count) for count in range(2, 17)),
        "complexity": ("low", "medium", "high"),
    },
    grid_of="gpt-image-2.5",
)

ROWS = {
    "dall-e-2": _DALL_E_2,
    "dall-e-3": _DALL_E_3,
    "gpt-image-1": _GPT_IMAGE_1,
    "gpt-image-1-mini": _GPT_IMAGE_1_MINI,
    "gpt-image-1.5": _GPT_IMAGE_1_5,
    "chatgpt-image-latest": _GPT_IMAGE_1_5._replace(shutdowns={"openai": _ENDS_AT_OPENAI}),
    "gpt-image-2": _GPT_IMAGE_2,
    "gpt-image-2.5-sunburst": _GPT_IMAGE_2_5,
    "gpt-image-2.5-flare": _GPT_IMAGE_2_5,
    "gpt-image-2.6-sunburst": _GPT_IMAGE_2_6,
    "gpt-image-2.6-flare": _GPT_IMAGE_2_6,
}

UNKNOWN = Model(
    family="",
    endpoints=("gen", "edit", "vary"),
    # Formats and modes that every server tested so far can read.
    inputs=InputRules(square=False, formats=("png", "jpeg", "webp"), modes=("RGB", "RGBA"), max_bytes=50_000_000),
    shapes=_SHAPES,
    known=False,
)
"""A model that is not listed takes everything."""
