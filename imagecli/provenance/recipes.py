"""What programs leave in a file about its making.

AUTOMATIC1111 and those that write as it does (`parameters`, with stable-diffusion.cpp's JSON behind it), ComfyUI
(`prompt` and `workflow`: graphs, followed from the node that saves the image to its prompt), InvokeAI, NovelAI, and
what IPTC has for any generator. All of it is foreign: nothing is believed about types and lengths.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Graph = Mapping[str, Mapping[str, Any]]
    """Node → its `inputs`, `class_type` and so on."""

_MAX_SEED = 2**64 - 1
_FIELD = re.compile(r'([\w ./-]{1,100}+):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_LEAST_FIELDS = 3
"""Of a line that is taken for AUTOMATIC1111's settings, as by itself."""
_MOST_SETTINGS = 1 << 16
_SDCPP = ", SDCPP: {"
_MAX_LINKS = 30
"""How many nodes of a ComfyUI graph are followed from a sampler to its prompt."""
_MAX_NODES = 5000
_TEXT_INPUTS = (
    *("text", "value", "string", "prompt"),
    *("text_g", "t5xxl", "text_l", "clip_l", "populated_text", "string_a"),
)
_MODEL_INPUTS = ("ckpt_name", "unet_name", "model_name")
_WIDGETS = {
    "KSampler": ("seed",),
    "KSamplerAdvanced": ("add_noise", "noise_seed"),
    "RandomNoise": ("noise_seed",),
    "SamplerCustom": ("add_noise", "noise_seed"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
}
"""What the values of a node mean in a `workflow`, which does not name them; those of others are a text, or a size."""


class Recipe(NamedTuple):
    """What a file says of its own making; None: it does not say."""

    program: str
    """Whose form it has: "imagecli", "automatic1111", "comfyui", "invokeai", "novelai", "swarmui", "fooocus" or
    "stable-diffusion.cpp"; "iptc": what is said in fields of IPTC's alone."""
    prompt: str | None = None
    negative: str | None = None
    seed: int | None = None
    size: str | None = None
    """WxH, of what was generated."""
    model: str | None = None


def read_recipe(texts: Mapping[str, str], properties: Mapping[str, str] | None = None) -> Recipe | None:
    """Return what an image's texts, and the properties of its XMP, say of its making; None: nothing that is known here.

    What imagecli itself has written is read by `making.read`.
    """
    properties = properties or {}
    if "sdcpp:parameters" in properties:
        texts = {"parameters": properties["sdcpp:parameters"], **texts}
    readers: tuple[Callable[[], Recipe | None], ...] = (
        lambda: _invokeai(texts),
        lambda: _novelai(texts),
        lambda: _parameters(texts.get("parameters", "")),
        lambda: _graph(_nodes(texts.get("prompt", ""))),
        lambda: _graph(_nodes_of_workflow(texts.get("workflow", ""))),
        lambda: _comment(texts.get("comment", "")),
        lambda: _iptc(properties),
    )
    return next(filter(None, (read() for read in readers)), None)


# AUTOMATIC1111 and those that write as it does


def _parameters(text: str) -> Recipe | None:
    """Read `parameters`: the prompt, a line "Negative prompt: …", and a last line "Steps: 20, Seed: 1, Size: …"."""
    if not text.strip():
        return None
    if text.lstrip().startswith("{"):
        document = _parsed(text)
        return _swarm(document) or _fooocus(document)
    whole, tail, record = text.strip().partition(_SDCPP)
    prompt, _, settings = whole.rpartition("\n")
    found = {name.strip(): _unquoted(value.strip()) for name, value in _FIELD.findall(settings[:_MOST_SETTINGS])}
    if not (settings.startswith("Steps: ") or len(found) >= _LEAST_FIELDS):
        prompt, found = whole, {}
    prompt, _, negative = f"\n{prompt}".partition("\nNegative prompt:")
    version = found.get("Version", "")
    program = "stable-diffusion.cpp" if tail or version == "stable-diffusion.cpp" else "automatic1111"
    said = Recipe(
        program if not version.startswith("imagecli") else "imagecli",
        _text(prompt),
        _text(negative),
        _seed(found.get("Seed")),
        _size(*found.get("Size", "").partition("x")[::2]),
        _text(found.get("Model")),
    )
    return _sdcpp(_parsed("{" + record), said) if tail else said


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except ValueError:
        return value


def _sdcpp(record: Mapping[str, Any], said: Recipe) -> Recipe:
    """Read the JSON that stable-diffusion.cpp writes behind its settings, where it has it."""
    prompt, models = _mapping(record.get("prompt")), _mapping(record.get("models"))
    return Recipe(
        "stable-diffusion.cpp",
        _text(prompt.get("positive")) or said.prompt,
        _text(prompt.get("negative")) or said.negative,
        said.seed if _seed(record.get("seed")) is None else _seed(record.get("seed")),
        _size(record.get("width"), record.get("height")) or said.size,
        _text(models.get("model")) or _text(models.get("diffusion_model")) or said.model,
    )


def _swarm(document: Mapping[str, Any]) -> Recipe | None:
    """Read the parameters of SwarmUI, which writes JSON where AUTOMATIC1111 writes a text."""
    found = _mapping(document.get("sui_image_params"))
    if not found:
        return None
    size = _size(found.get("width"), found.get("height"))
    negative = _text(found.get("negativeprompt"))
    return Recipe(
        "swarmui", _text(found.get("prompt")), negative, _seed(found.get("seed")), size, _text(found.get("model"))
    )


def _fooocus(document: Mapping[str, Any]) -> Recipe | None:
    """Read the parameters of Fooocus, which are JSON too, with a size as "(896, 1152)"."""
    prompt, model = _text(document.get("prompt")), _text(document.get("base_model"))
    if prompt is None:
        return None
    sides = re.fullmatch(r"\((\d+), (\d+)\)", str(document.get("resolution")), re.ASCII)
    size = _size(*sides.groups()) if sides else None
    return Recipe("fooocus", prompt, _text(document.get("negative_prompt")), _seed(document.get("seed")), size, model)


def _comment(text: str) -> Recipe | None:
    """Read a JPEG's comment, which counts only if it has settings."""
    text = text.removeprefix("parameters").lstrip("\0: ")
    return _parameters(text) if "\nSteps: " in text else None


# InvokeAI and NovelAI


def _invokeai(texts: Mapping[str, str]) -> Recipe | None:
    found = _parsed(texts.get("invokeai_metadata", ""))
    if found:
        model = found.get("model")
        named = _mapping(model).get("name", _mapping(model).get("model_name"))
        return Recipe(
            "invokeai",
            _text(found.get("positive_prompt")),
            _text(found.get("negative_prompt")),
            _seed(found.get("seed")),
            _size(found.get("width"), found.get("height")),
            _text(named) or _text(model),
        )
    older = _parsed(texts.get("sd-metadata", ""))
    image = _mapping(older.get("image"))
    if not image:
        return None
    prompt = image.get("prompt")
    if isinstance(prompt, list) and prompt:
        prompt = _mapping(prompt[0]).get("prompt")
    size = _size(image.get("width"), image.get("height"))
    return Recipe("invokeai", _text(prompt), None, _seed(image.get("seed")), size, _text(older.get("model_weights")))


def _novelai(texts: Mapping[str, str]) -> Recipe | None:
    if texts.get("Software") != "NovelAI":
        return None
    found = _parsed(texts.get("Comment", ""))
    return Recipe(
        "novelai",
        _text(found.get("prompt")) or _text(texts.get("Description")),
        _text(found.get("uc")),
        _seed(found.get("seed")),
        _size(found.get("width"), found.get("height")),
        _text(texts.get("Source")),
    )


# Fields of IPTC's


def _iptc(properties: Mapping[str, str]) -> Recipe | None:
    """Read IPTC's fields; a description is a prompt only where the image is said to be made by a model."""
    prompt = properties.get("Iptc4xmpExt:AIPromptInformation")
    kind = properties.get("Iptc4xmpExt:DigitalSourceType", "").rpartition("/")[2]
    if prompt is None and not kind.lower().endswith("trainedalgorithmicmedia"):
        return None
    prompt = properties.get("dc:description") if prompt is None else prompt
    return Recipe("iptc", _text(prompt), model=_text(properties.get("Iptc4xmpExt:AISystemUsed")))


# ComfyUI


def _nodes(text: str) -> Graph:
    """Read ComfyUI's `prompt`: {id: {"class_type": …, "inputs": {name: value, or [id, output] as a link}}}."""
    graph = _parsed(text)
    return {str(key): node for key, node in graph.items() if _inputs(node)} if len(graph) <= _MAX_NODES else {}


def _nodes_of_workflow(text: str) -> Graph:
    """Read ComfyUI's `workflow`, which is what its window shows, as the graph that it stands for."""
    document = _parsed(text)
    nodes, links = document.get("nodes"), document.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list) or len(nodes) > _MAX_NODES:
        return {}
    # Each link is a list: its id, the node and output that it comes from, the node and input that it goes to, a type.
    sources = {link[0]: [str(link[1]), link[2]] for link in links if _is_link(link)}
    graph = {}
    for node in filter(_mapping, nodes):
        inputs: dict[str, Any] = {}
        for each in node.get("inputs") or () if isinstance(node.get("inputs"), list) else ():
            link = _mapping(each).get("link")
            if isinstance(link, int) and link in sources:
                inputs[str(each.get("name"))] = sources[link]
        kind, values = str(node.get("type")), node.get("widgets_values")
        values = values if isinstance(values, list) else []
        names = _WIDGETS.get(kind) or (("width", "height") if "Latent" in kind else ("text",))
        inputs = dict(zip(names, values, strict=False)) | inputs
        graph[str(node.get("id"))] = {"class_type": kind, "inputs": inputs}
    return graph


def _is_link(link: object) -> bool:
    return isinstance(link, list) and len(link) >= 5 and all(isinstance(each, int) for each in link[:5])  # noqa: PLR2004


def _graph(nodes: Graph) -> Recipe | None:
    """Return what made the image that a graph saves."""
    sampler = _sampler(nodes)
    if sampler is None:
        return None
    inputs = _inputs(nodes[sampler])
    conditioned = inputs
    if not _is_conditioned(inputs):
        conditioned = _inputs(nodes.get(_link(inputs.get("guider"))))
    latent = _inputs(nodes.get(_link(inputs.get("latent_image"))))
    noise = _inputs(nodes.get(_link(inputs.get("noise"))))
    seeds = (inputs.get("seed"), inputs.get("noise_seed"), noise.get("noise_seed"))
    seed = next((each for each in seeds if each is not None), None)
    every = [_inputs(node) for node in nodes.values()]
    model = next((each[name] for each in every for name in _MODEL_INPUTS if name in each), None)
    return Recipe(
        "comfyui",
        _text_behind(conditioned.get("positive", conditioned.get("conditioning")), nodes),
        _text_behind(conditioned.get("negative"), nodes),
        _seed(_number_behind(seed, nodes)),
        _size(_number_behind(latent.get("width"), nodes), _number_behind(latent.get("height"), nodes)),
        _text(model),
    )


def _is_conditioned(inputs: Mapping[str, Any]) -> bool:
    return "positive" in inputs or "conditioning" in inputs


def _is_sampler(node: Mapping[str, Any]) -> bool:
    inputs = _inputs(node)
    samples = "latent_image" in inputs or "seed" in inputs or "noise_seed" in inputs or "noise" in inputs
    return samples and ({"positive", "negative"} <= inputs.keys() or "guider" in inputs)


def _sampler(nodes: Graph) -> str | None:
    """Return the sampler whose image is saved: the first on the way back from a node that saves; else any."""
    saving = [key for key, node in nodes.items() if str(node.get("class_type")).startswith(("Save", "Preview"))]
    seen: dict[str, None] = dict.fromkeys(saving)
    waiting = list(seen)
    for key in waiting:  # grows
        if _is_sampler(nodes[key]):
            return key
        for value in _inputs(nodes[key]).values():
            if (link := _link(value)) in nodes and link not in seen:
                seen[link] = None
                waiting.append(link)
    any_sampler = (key for key, node in nodes.items() if _is_sampler(node))
    conditioned = (key for key, node in nodes.items() if {"positive", "negative"} <= _inputs(node).keys())
    return next(any_sampler, next(conditioned, None))


def _inputs(node: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _link(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the id of the node that an input is linked to, "" where it isn't."""
    return str(value[0]) if isinstance(value, list) and value else ""


def _text_behind(link: Any, nodes: Graph) -> str | None:  # noqa: ANN401 - any JSON
    """Return the text that a link leads to, through other nodes if need be."""
    for _ in range(_MAX_LINKS):
        inputs = _inputs(nodes.get(_link(link)))
        found = next((inputs[name] for name in _TEXT_INPUTS if name in inputs), None)
        if isinstance(found, str):
            return _text(found)
        through: Iterable[Any] = (found, inputs.get("conditioning"), *inputs.values())
        if {"positive", "negative"} <= inputs.keys():  # it hands both on, as its first and second output
            output = link[1] if len(link) > 1 else 0
            through = (inputs["negative" if output == 1 else "positive"],)
        link = next((each for each in through if _link(each) in nodes), None)
        if link is None:
            return None
    return None


def _number_behind(value: Any, nodes: Graph) -> Any:  # noqa: ANN401 - any JSON
    """Return a number, or the one of the node that it is linked to."""
    if not _link(value):
        return value
    inputs = _inputs(nodes.get(_link(value)))
    return next((inputs[name] for name in ("value", "seed", "int", "number", "noise_seed") if name in inputs), None)


# Values


def _parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in a text; empty: it is none."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _size(width: object, height: object) -> str | None:
    size = f"{width}x{height}"
    return size if re.fullmatch(r"[1-9]\d{0,5}x[1-9]\d{0,5}", size, re.ASCII) else None


def _seed(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:  # noqa: PLR2004 - 2**64
        value = int(value)
    return value if type(value) is int and 0 <= value <= _MAX_SEED else None
