"""What made an image, as programs write it into the file: the texts of AUTOMATIC1111's kind and of ComfyUI."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_SEED = 2**64 - 1
_FIELD = re.compile(r'\s*([\w ./-]+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_MAX_LINKS = 20
"""How many nodes of a ComfyUI graph are followed from a sampler to its prompt."""


class Recipe(NamedTuple):
    """What a file says of its own making; None: it does not say."""

    program: str
    """Whose form it has: "automatic1111" or "comfyui"."""
    prompt: str | None = None
    negative: str | None = None
    seed: int | None = None
    size: str | None = None
    """WxH, of what was generated."""
    model: str | None = None


def read_recipe(texts: Mapping[str, str]) -> Recipe | None:
    """Return what an image's texts say of its making; None: nothing that is known here."""
    if texts.get("parameters", "").strip():
        return _parameters(texts["parameters"])
    return _graph(texts["prompt"]) if "prompt" in texts else None


def _parameters(text: str) -> Recipe | None:
    """Read `parameters`: the prompt, a line "Negative prompt: …", and a last line "Steps: 20, Seed: 1, Size: …"."""
    prompt, _, settings = text.strip().rpartition("\n")
    if not settings.startswith("Steps: "):
        prompt, settings = text.strip(), ""
    prompt, _, negative = f"\n{prompt}".partition("\nNegative prompt:")
    found = {name.strip(): value.strip() for name, value in _FIELD.findall(settings)}
    size = found.get("Size", "")
    return Recipe(
        "automatic1111",
        prompt.strip() or None,
        negative.strip() or None,
        _seed(found.get("Seed")),
        size if re.fullmatch(r"\d{1,6}x\d{1,6}", size, re.ASCII) else None,
        found.get("Model") or None,
    )


def _graph(text: str) -> Recipe | None:
    """Read ComfyUI's `prompt`: {id: {"class_type": …, "inputs": {name: value, or [id, output] as a link}}}."""
    try:
        graph = json.loads(text)
    except (ValueError, RecursionError):
        return None
    nodes = {str(key): node for key, node in graph.items() if _inputs(node)} if isinstance(graph, dict) else {}
    sampler = next((_inputs(node) for node in nodes.values() if {"positive", "negative"} <= _inputs(node).keys()), None)
    if sampler is None:
        return None
    latent = _inputs(nodes.get(_link(sampler.get("latent_image"))))
    width, height = latent.get("width"), latent.get("height")
    model = next((name for node in nodes.values() if isinstance(name := _inputs(node).get("ckpt_name"), str)), None)
    return Recipe(
        "comfyui",
        _text_behind(sampler["positive"], nodes),
        _text_behind(sampler["negative"], nodes),
        _seed(sampler.get("seed", sampler.get("noise_seed"))),
        f"{width}x{height}" if type(width) is int and type(height) is int else None,
        model,
    )


def _inputs(node: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _link(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the id of the node that an input is linked to, "" where it isn't."""
    return str(value[0]) if isinstance(value, list) and value else ""


def _text_behind(link: Any, nodes: Mapping[str, Any]) -> str | None:  # noqa: ANN401 - any JSON
    """Return the text that a link leads to, through other nodes if need be."""
    for _ in range(_MAX_LINKS):
        inputs = _inputs(nodes.get(_link(link)))
        text = inputs.get("text", inputs.get("value"))
        if isinstance(text, str):
            return text.strip() or None
        link = next(
            (each for each in (text, inputs.get("conditioning"), *inputs.values()) if _link(each) in nodes), None
        )
        if link is None:
            return None
    return None


def _seed(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:  # noqa: PLR2004 - 2**64
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_SEED else None
