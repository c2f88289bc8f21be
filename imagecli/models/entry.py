"""One entry of a server's list of models, in the formats of a dozen kinds of servers.

    Together                  type: "image"; pricing
    OpenRouter                architecture.output_modalities; pricing (USD per token, as text); expiration_date; in
                              images/models supported_parameters: {"n": {"type": "range", "max": 10}, …}
    Xinference                model_type: "image", model_ability: ["text2image", "image2image", "inpainting"]
    SGLang                    task_type: "T2I", "I2I", "TI2I" (with or without an input), "T2V", …
    LiteLLM                   mode: "image_generation"
    DeepInfra                 metadata.tags, metadata.pricing.per_image_unit
    LocalAI                   capabilities, output_modalities (in models/capabilities)
    xAI                       output_modalities, image_price (10,000,000,000 is a dollar)
    Azure, Mistral            capabilities: {"chat_completion": true, …}; deprecation
    others                    modality: "image" or "text->image"; modalities: {"input": […], "output": ["image"]}
    OpenAI                    only a name and shutdown_date

Where an entry does not state whether a model makes images, its name decides, if it is unambiguous.
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
# LiteLLM's mode is not among these: it is image_generation for models that edit, too.
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
"""OpenRouter's names → ours."""
_TICKS_PER_USD = 10_000_000_000
"""xAI's unit."""


def makes_images(name: str, entry: Entry) -> bool | None:
    """Return whether a model makes images; None if neither its entry nor its name determines it."""
    if _table(entry, "supported_parameters"):  # for other models it is a list
        return True
    made = [word.lower() for word in _outputs(entry)]
    if made:
        return any(word.startswith("image") for word in made)
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
    """Return a model's name without its vendor: gpt-image-2 for openai/gpt-image-2."""
    return name.rpartition("/")[2]


def read_endpoints(entry: Entry) -> tuple[str, ...] | None:
    """Return the commands that a model can be used with; None if the entry does not state it."""
    able = {command for word in _abilities(entry) for command in _ABILITIES.get(word.lower(), ())}
    if "image" in map(str.lower, _outputs(entry)):
        taken = _texts(_table(entry, "architecture").get("input_modalities")) or _texts(entry.get("input_modalities"))
        able |= {command for command, modality in (("gen", "text"), ("edit", "image")) if modality in taken}
    return tuple(command for command in ("gen", "edit") if command in able) or None


def read_takes(entry: Entry) -> dict[str, Any]:
    """Return what a model takes: sizes, qualities, formats, endpoints, max_count and max_inputs, where stated."""
    parameters = _table(entry, "supported_parameters")
    takes: dict[str, Any] = {
        named: values for field, named in _LISTS.items() if (values := _texts(_table(parameters, field).get("values")))
    }
    for field, named in _RANGES.items():
        most = _table(parameters, field).get("max")
        if isinstance(most, int) and not isinstance(most, bool):
            takes[named] = most
    if endpoints := read_endpoints(entry):
        takes["endpoints"] = endpoints
    return takes


def read_fields(entry: Entry) -> dict[str, tuple[str, ...]]:
    """Return the values of other fields, where stated."""
    parameters = _table(entry, "supported_parameters")
    listed = {field: _texts(_table(parameters, field).get("values")) for field in parameters if field not in _LISTS}
    return {field: tuple(values) for field, values in listed.items() if values}


def read_owner(entry: Entry) -> str | None:
    """Return the owner of a model, as the server names it."""
    return next((entry[key] for key in ("owned_by", "organization") if _is_text(entry.get(key))), None)


def read_pricing(entry: Entry) -> Mapping[str, Any] | None:
    """Return the prices as the server lists them, in whatever unit."""
    for found in (entry.get("pricing"), _table(entry, "metadata").get("pricing")):
        if isinstance(found, dict) and found:
            return found
    return {"image_price": entry["image_price"]} if _number(entry.get("image_price")) else None


def read_image_price(entry: Entry) -> float | None:
    """Return the price of one image in USD, if its unit is known."""
    per_image = _number(_table(_table(entry, "metadata"), "pricing").get("per_image_unit"))
    if per_image:
        return per_image
    ticks = _number(entry.get("image_price"))
    return ticks / _TICKS_PER_USD if ticks and entry.get("owned_by") == "xai" else None


def read_token_prices(entry: Entry) -> dict[str, float] | None:
    """Return USD per million tokens, if the unit is known: OpenRouter's prices, which are texts."""
    pricing = entry.get("pricing")
    if not isinstance(pricing, dict) or not all(_is_text(pricing.get(key)) for key in ("prompt", "completion")):
        return None
    found = {"text_in": _number(pricing["prompt"]), "text_out": _number(pricing["completion"])}
    return {key: round(price * 1e6, 6) for key, price in found.items() if price} or None


def read_shutdown(entry: Entry) -> tuple[bool, date | None]:
    """Return whether the entry states a shutdown date, and the date: None if none is planned."""
    for key in ("shutdown_date", "expiration_date", "deprecation_date", "deprecation"):
        if key in entry:
            value = entry[key]
            if isinstance(value, dict):
                value = value.get("inference")
            day = _read_date(value)
            if day or value is None:
                return True, day
    return False, None


def read_successor(entry: Entry) -> str | None:
    """Return the model that the server recommends in place of this one."""
    value = entry.get("deprecation_replacement_model")
    return value if _is_text(value) else None


def _outputs(entry: Entry) -> list[str]:
    """Return what a model makes, where the entry tells that apart from what it takes."""
    for place in (_table(entry, "architecture"), entry, _table(entry, "metadata")):
        found = _texts(place.get("output_modalities")) or _texts(_table(place, "modalities").get("output"))
        modality = place.get("modality")
        if not found and isinstance(modality, str) and "->" in modality:
            found = [word.strip() for word in re.split(r"[+,]", modality.rpartition("->")[2])]
        if found:
            return found
    return []


def _modality(entry: Entry) -> Iterator[str]:
    """Yield the one modality of a model: of several, some may be what it takes."""
    for place in (entry, _table(entry, "architecture"), _table(entry, "metadata")):
        for value in (place.get("modality"), place.get("modalities")):
            words = [value] if isinstance(value, str) else _texts(value)
            if len(words) == 1 and "->" not in words[0]:
                yield words[0].replace(" ", "-")


def _abilities(entry: Entry) -> Iterator[str]:
    yield from _modality(entry)
    for key in ("type", "model_type", "mode", "task", "task_type"):
        # Anthropic's lists, and some that imitate OpenAI's, have type: "model".
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
    """Return a price above zero, which may be a text; None for all else: servers write -1 for "it depends"."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _read_date(value: object) -> date | None:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).date()
    except (ValueError, OverflowError, OSError):
        pass
    return None
