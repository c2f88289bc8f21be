"""The Images API as OpenAI speaks it: which flag becomes which field, and how files are called.

Every other dialect is a class below `OpenAI` that overrides what its server does otherwise, and nothing else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.request import FilePart, ImageRequest
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Fields
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules, Size
    from imagecli.task import Task

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
    "partials": "partial_images",
    "frames": "frame_count",
    "frame_ms": "frame_duration_ms",
    "complexity": "complexity",
    "safety_identifier": "safety_identifier",
}
"""Flag name → field of the request."""

_OF_VARIATIONS = frozenset({"size", "response_format"})
"""All that /images/variations knows; more than that goes there only if it was typed."""

_SHARED = frozenset({"complexity", "safety_identifier"})
"""Fields that --param may set as well, where their flag does not."""

OWNED = frozenset({*FIELDS.values(), "prompt", "model", "n", "image", "image[]", "images", "mask", "markup"}) - _SHARED
"""Fields that a flag or an argument owns, so that --param must not set them."""

GENERATIONS = "images/generations"
EDITS = "images/edits"
VARIATIONS = "images/variations"

VARY_PROMPT = (
    "Create a variation of this image: keep its subject, composition, style and colours, "
    "and let the details differ as if it had been made a second time."
)
"""What `vary` asks a server for that edits but has no variations."""


class OpenAI:
    """OpenAI's own dialect, and what every other one is by default.

    It only spells: it reads no file, asks no server and knows no key but the one it is given to spell.
    """

    name: ClassVar[str] = "openai"
    title: ClassVar[str] = "OpenAI"
    """The server's name in a sentence."""
    fields: ClassVar[Mapping[str, str]] = FIELDS
    """Flag name → the server's field; a flag that is not in it goes under OpenAI's name, for the server to judge."""
    ignores: ClassVar[frozenset[str]] = frozenset()
    """Flags whose fields the server accepts and does not read, as far as is known: sent, with a warning."""
    always: ClassVar[Mapping[str, Any]] = {}
    """Fields that the server needs although nobody asked: beneath whatever was asked."""
    mask: ClassVar[MaskConvention | None] = MaskConvention()
    """How a mask is written and called. None: the server has no place for one, so that a mask is refused before
    anything is sent."""
    mask_warning: ClassVar[str | None] = None
    """What to say of a mask that the server takes and does not use, as far as is known."""
    formats_by_name: ClassVar[bool] = True
    """Whether the output's name asks for its format (`-o cat.jpg`); False where a format that was not asked for in so
    many words is better left out."""
    has_markup: ClassVar[bool] = True
    """False: the server has no place for marks drawn over a picture, so that they are refused before anything is
    sent."""
    edits_as_json: ClassVar[bool] = False
    """Whether input pictures stand in a JSON document (as each `FilePart.shape` says) instead of a form. Where it
    depends on the pictures, `in_json` tells."""
    forms_hold_json: ClassVar[bool] = False
    """Whether a form says a table as JSON in one field: lora={"scale": 1}. Else each entry is a field, as OpenAI has
    it: lora[scale]=1."""
    most_per_request: ClassVar[int | None] = None
    """Images in one request; None: what the model's row says. Where it depends on the task, `most` tells."""
    has_variations: ClassVar[bool] = True
    """False: there is certainly no such endpoint, and `vary` edits at once. True: it is tried where the model is not
    known."""
    models_path: str = "models"
    """Where the server lists its models, below the base URL; it may have a query."""
    listed_prefix: ClassVar[str] = ""
    """What stands before a model's name in that list, and need not stand there in a request."""

    headers: ClassVar[Mapping[str, str]] = {}
    """Headers that every request to the server's own origin has, besides the key's."""

    def __init__(self, base_url: str = "", api_version: str | None = None) -> None:  # noqa: ARG002 - for others
        """Speak to the server at `base_url` (without a trailing slash)."""
        self.api_version = api_version

    # What can be asked

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:  # noqa: ARG002 - for others
        """Tell what becomes of `value` for the flag `name` with this server, and the reason ("" where it is taken).

        "listed": it is sent. "unlisted": it is sent, with the reason as a warning. "fails": it is certain to fail;
        refused where it was typed, left out with a warning where it comes from the config.
        """
        if name in self.ignores:
            return "unlisted", f"{self.title} does not read --{name.replace('_', '-')}"
        return "listed", ""

    def inputs(self, rules: InputRules) -> InputRules:
        """Return what an input picture must be here, starting from what the model takes."""
        return rules

    def canvas(self, task: Task) -> Size | None:  # noqa: ARG002 - for others to override
        """Return the size that the server stretches or crops every input to; None: it keeps their shape.

        Inputs get this shape before they are sent, as --fit says, and the result is brought back to theirs.
        """
        return None

    def most(self, task: Task) -> int | None:  # noqa: ARG002 - for others to override
        """Return how many images one request of this task may ask for; None: what the model's row says."""
        return self.most_per_request

    # The request

    def build(self, task: Task, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request for `count` images of the task; a field that was not asked for is not in it.

        `route` is one of GENERATIONS, EDITS and VARIATIONS: what is wanted, in OpenAI's words. Where the server has it
        is for `path` to say.
        """
        fields = self.spell_task(task, route, count)
        files = self.file_parts(uploads)
        as_json = self.in_json(uploads)
        self._check_params(task, files)
        fields |= self.spell_params(task.params, as_json=as_json)
        return ImageRequest(route, self.path(route, task), fields, files, count, as_json=as_json)

    def _check_params(self, task: Task, files: tuple[FilePart, ...]) -> None:
        """Refuse a --param that would fight a typed flag or a file, which the server may call otherwise than OpenAI.

        Raises:
            UsageProblem: it does.
        """
        typed = {field for name in task.typed & task.fields.keys() for field in self.spell(name, task.fields[name])}
        for key in (typed | {part.field.removesuffix("[]") for part in files}) & task.params.keys():
            raise UsageProblem(f"--param {key} and a flag or a file both set it", hint="Leave one of them out.")

    def spell_task(self, task: Task, route: str, count: int) -> Fields:
        """Return the fields of a request besides its files and --param, under the server's names."""
        fields: Fields = dict(self.always)
        prompt = task.prompt if task.prompt is not None or route == VARIATIONS else VARY_PROMPT
        if prompt is not None:
            fields["prompt"] = prompt
        if task.model.name is not None:
            fields["model"] = task.model.name
        if task.count_asked:
            fields["n"] = count
        known = task.fields.keys() if route != VARIATIONS else _OF_VARIATIONS | task.typed
        for name, value in task.fields.items():
            if name in known:
                fields |= self.spell(name, value)
        return fields

    def spell_params(self, params: Fields, *, as_json: bool) -> Fields:
        """Return what --param says as a JSON document or a form has it."""
        if not as_json and self.forms_hold_json:
            params = {name: _as_text(value) if _is_nested(value) else value for name, value in params.items()}
        return params if as_json else _flat(params)

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the field, or the fields, that say `value` for the flag `name`."""
        streaming = {"stream": True} if name == "partials" else {}
        return streaming | {self.fields.get(name, FIELDS[name]): value}

    def in_json(self, uploads: Uploads) -> bool:
        """Tell whether a request with these files is a JSON document; else it is a form."""
        return self.edits_as_json or not uploads.images

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files of a request under the server's names."""
        # One image goes as `image`, several as `image[]`: the only spelling that every server takes.
        name = "image" if len(uploads.images) == 1 else "image[]"
        files = [FilePart(name, upload) for upload in uploads.images]
        if uploads.mask is not None and self.mask is not None:
            files.append(FilePart(self.mask.field, uploads.mask))
        if uploads.markup is not None:
            files.append(FilePart("markup", uploads.markup))
        return tuple(files)

    def path(self, route: str, task: Task) -> str:  # noqa: ARG002 - for others to override
        """Return where the server has a route: a path below the base URL, with a query if it wants one."""
        return route

    def credentials(self, key: str, origin: str) -> dict[str, str]:  # noqa: ARG002 - for others to override
        """Return the headers that carry a key; `origin` names where it came from (a variable, a place in a file)."""
        return {"Authorization": f"Bearer {key}"}

    # The answer. Its images, errors and streams are read alike whoever sent them (see the client).

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:  # noqa: ARG002 - for others to override
        """Return what the server says that a request has cost, None where it does not say."""
        return None


def _is_nested(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value))


def _as_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


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
