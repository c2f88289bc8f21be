"""The Images API as OpenAI speaks it: which flag becomes which field, and how files are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagecli.errors import UsageProblem
from imagecli.schema import FilePart, ImageRequest, MaskConvention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.schema import Fields, Task, Upload

FIELDS = {
    "size": "size",
    "quality": "quality",
    "format": "output_format",
    "compression": "output_compression",
    "background": "background",
    "moderation": "moderation",
    "style": "style",
    "input_fidelity": "input_fidelity",
    "response_format": "response_format",
}
"""Flag name → field of the request."""

_OF_VARIATIONS = frozenset({"size", "response_format"})
"""All that /images/variations knows; more than that goes there only if it was typed."""

MASK = MaskConvention()
"""Alpha 0 marks what changes, in a file part called mask."""

OWNED = frozenset({*FIELDS.values(), "prompt", "model", "n", "image", "image[]", MASK.field})
"""Fields that a flag or an argument owns, so that --param must not set them."""

GENERATIONS = "images/generations"
EDITS = "images/edits"
VARIATIONS = "images/variations"

VARY_PROMPT = (
    "Create a variation of this image: keep its subject, composition, style and colours, "
    "and let the details differ as if it had been made a second time."
)
"""What `vary` asks a server for that edits but has no variations."""


def build(
    task: Task, route: str, count: int, images: Sequence[Upload] = (), mask: Upload | None = None
) -> ImageRequest:
    """Return the request for `count` images of the task; a field that was not asked for is not in it."""
    prompt = task.prompt if task.prompt is not None or route == VARIATIONS else VARY_PROMPT
    fields: Fields = {}
    if prompt is not None:
        fields["prompt"] = prompt
    if task.model.name is not None:
        fields["model"] = task.model.name
    if task.count_asked:
        fields["n"] = count
    known = task.fields.keys() if route != VARIATIONS else _OF_VARIATIONS | task.typed
    fields |= {FIELDS[name]: value for name, value in task.fields.items() if name in known}
    if route == GENERATIONS:
        return ImageRequest(route, fields | task.params, count=count)
    # One image goes as `image`, several as `image[]`: the only spelling that every server takes.
    name = "image" if len(images) == 1 else "image[]"
    files = [FilePart(name, upload) for upload in images]
    if mask is not None:
        files.append(FilePart(MASK.field, mask))
    return ImageRequest(route, fields | _flat(task.params), tuple(files), count)


def _flat(params: Fields) -> Fields:
    """Spell nested values as form fields do: {"svg": {"model": "x"}} becomes svg[model]=x.

    Raises:
        UsageProblem: a form has no way to say it.
    """
    flat: Fields = {}

    def add(name: str, value: Any) -> None:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}[{key}]", inner)
        elif isinstance(value, list) and value and not any(isinstance(one, (dict, list)) for one in value):
            flat[f"{name}[]"] = value
        elif value is None or isinstance(value, list):
            raise UsageProblem(
                f"--param {name} can't stand in a form, which is what a request with pictures is",
                hint="Give a text, a number, true, false, a table, or a list of those.",
            )
        else:
            flat[name] = value

    for name, value in params.items():
        add(name, value)
    return flat
