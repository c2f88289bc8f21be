"""One entry of a server's list of models: what it says of itself, in the words of a dozen kinds of servers.

    Together                  type: "image"; pricing
    OpenRouter                architecture.output_modalities; pricing (USD a token, as text); expiration_date; of
                              images/models supported_parameters: {"n": {"type": "range", "max": 10}, …}
    Xinference                model_type: "image", model_ability: ["text2image", "image2image", "inpainting"]
    SGLang                    task_type: "T2I", "I2I", "TI2I" (with or without a picture), "T2V", …
    LiteLLM                   mode: "image_generation"
    DeepInfra                 metadata.tags, metadata.pricing.per_image_unit
    LocalAI                   capabilities, output_modalities (of models/capabilities)
    xAI                       output_modalities, image_price (10,000,000,000 are a dollar)
    Azure, Mistral            capabilities: {"chat_completion": true, …}; deprecation
    OpenAI                    nothing but a name and shutdown_date

A server that says nothing leaves the name, which decides where it can't mean anything else.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Entry = Mapping[str, Any]

_IMAGE_WORD = re.compile(
    r"images?|(text|txt|image|img)[-_ ]?(to|2)[-_ ]?(image|img)|t2i|i2i|ti2i|in-?painting"
    r"|images?[-_ ](gen|edit|variation)\w*"
)
_OTHER_WORD = re.compile(
    r"(chat|completion|language|code|embed|rerank|moderation|audio|video|speech|transcri|tts|stt|llm|vlm|text)[\w-]*"
    r"|responses|realtime|search|ocr|[ti]+2v"
)
_IMAGE_NAME = re.compile(r"image|imagin|dall-?e|diffusion|flux|sdxl|sd-?[123]|sd-cpp|text2img|t2i")
_OTHER_NAME = re.compile(
    r"^(gpt-(3|4|5|oss|audio|realtime)|chatgpt-4o|o[134](-|$)|davinci|babbage|codex|computer-use|sora|text-|tts-)"
    r"|^(grok-\d|claude)|embed|rerank|moderation|whisper|transcri"
)
# LiteLLM's mode is not among these: it says image_generation of models that edit as well.
_ABILITIES = {
    "text2image": {"gen"},
    "t2i": {"gen"},
    "image2image": {"edit"},
    "inpainting": {"edit"},
    "i2i": {"edit"},
    "ti2i": {"gen", "edit"},
}
_ABILITY_LISTS = ("model_ability", "capabilities", "supported_task_types")
_LISTS = {"resolution": "sizes", "size": "sizes", "quality": "qualities", "output_format": "formats"}
_RANGES = {"n": "max_count", "input_references": "max_inputs"}
"""OpenRouter's names for what a model takes → ours."""
_TICKS = 10_000_000_000
"""Of xAI, in a dollar."""


def makes_images(name: str, entry: Entry) -> bool | None:
    """Tell whether a model makes images; None where neither the server nor the name tells."""
    if _table(entry, "supported_parameters"):  # for other models it is a list
        return True
    made = [word.lower() for word in _outputs(entry)]
    if made:
        return "image" in made
    words = [word.lower() for word in _abilities(entry)]
    if any(_IMAGE_WORD.fullmatch(word) for word in words):
        return True
    if any(_OTHER_WORD.fullmatch(word) for word in words):
        return False
    bare = bare_name(name).lower()
    if _IMAGE_NAME.search(bare):
        return True
    return False if _OTHER_NAME.search(bare) else None


def bare_name(name: str) -> str:
    """Return a model's name without those who offer it: openai/gpt-image-2 is gpt-image-2."""
    return name.rpartition("/")[2]


def endpoints_of(entry: Entry) -> tuple[str, ...] | None:
    """Return the commands that a model is good for, where its server says so; None where it does not."""
    able = {command for word in _abilities(entry) for command in _ABILITIES.get(word.lower(), ())}
    if "image" in map(str.lower, _outputs(entry)):
        taken = _texts(_table(entry, "architecture").get("input_modalities")) or _texts(entry.get("input_modalities"))
        able |= {command for command, modality in (("gen", "text"), ("edit", "image")) if modality in taken}
    return tuple(command for command in ("gen", "edit") if command in able) or None


def takes_of(entry: Entry) -> dict[str, Any]:
    """Return what the server says that a model takes: sizes, qualities and formats, and how much of it."""
    parameters = _table(entry, "supported_parameters")
    takes: dict[str, Any] = {
        named: values for field, named in _LISTS.items() if (values := _texts(_table(parameters, field).get("values")))
    }
    for field, named in _RANGES.items():
        most = _table(parameters, field).get("max")
        if isinstance(most, int) and not isinstance(most, bool):
            takes[named] = most
    if endpoints := endpoints_of(entry):
        takes["endpoints"] = endpoints
    return takes


def fields_of(entry: Entry) -> dict[str, tuple[str, ...]]:
    """Return what the server says that other fields take."""
    parameters = _table(entry, "supported_parameters")
    listed = {field: _texts(_table(parameters, field).get("values")) for field in parameters if field not in _LISTS}
    return {field: tuple(values) for field, values in listed.items() if values}


def owner_of(entry: Entry) -> str | None:
    """Return whose model it is, in the server's words."""
    return next((entry[key] for key in ("owned_by", "organization") if _is_text(entry.get(key))), None)


def pricing_of(entry: Entry) -> Mapping[str, Any] | None:
    """Return the price as the server has it, in whatever unit."""
    for found in (entry.get("pricing"), _table(entry, "metadata").get("pricing")):
        if isinstance(found, dict) and found:
            return found
    return {"image_price": entry["image_price"]} if _number(entry.get("image_price")) else None


def image_price(entry: Entry) -> float | None:
    """Return the price of one image in USD, where its unit is known."""
    per_image = _number(_table(_table(entry, "metadata"), "pricing").get("per_image_unit"))
    if per_image:
        return per_image
    ticks = _number(entry.get("image_price"))
    return ticks / _TICKS if ticks and entry.get("owned_by") == "xai" else None


def token_prices(entry: Entry) -> dict[str, float] | None:
    """Return USD per million tokens, where the unit is known: OpenRouter's, which are texts."""
    pricing = entry.get("pricing")
    if not isinstance(pricing, dict) or not all(_is_text(pricing.get(key)) for key in ("prompt", "completion")):
        return None
    found = {"text_in": _number(pricing["prompt"]), "text_out": _number(pricing["completion"])}
    return {key: round(price * 1e6, 6) for key, price in found.items() if price} or None


def shutdown_of(entry: Entry) -> tuple[bool, date | None]:
    """Return whether the server says when the model goes away, and when: None is never, as far as it knows."""
    for key in ("shutdown_date", "expiration_date", "deprecation_date", "deprecation"):
        if key in entry:
            value = entry[key]
            if isinstance(value, dict):
                value = value.get("inference")
            day = _day(value)
            if day or value is None:
                return True, day
    return False, None


def successor_of(entry: Entry) -> str | None:
    """Return the model that the server names instead."""
    value = entry.get("deprecation_replacement_model")
    return value if _is_text(value) else None


def _outputs(entry: Entry) -> list[str]:
    architecture = _table(entry, "architecture")
    found = _texts(architecture.get("output_modalities")) or _texts(entry.get("output_modalities"))
    modality = architecture.get("modality")
    if not found and isinstance(modality, str) and "->" in modality:
        found = modality.rpartition("->")[2].split("+")
    return found


def _abilities(entry: Entry) -> Iterator[str]:
    for key in ("type", "model_type", "mode", "task", "task_type"):
        # Anthropic's lists, and some of those that copy OpenAI's, have type: "model".
        if _is_text(entry.get(key)) and entry[key] != "model":
            yield entry[key]
    for value in (*map(entry.get, _ABILITY_LISTS), _table(entry, "metadata").get("tags")):
        if isinstance(value, dict):
            yield from (name for name, able in value.items() if able is True)
        else:
            yield from _texts(value)


def _table(entry: Entry, key: str) -> Entry:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _number(value: object) -> float | None:
    """Return a price that is one: above zero, also where it is a text. Nobody asks for -1, which means it depends."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _day(value: object) -> date | None:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date()
    except (ValueError, OverflowError, OSError):
        pass
    return None
