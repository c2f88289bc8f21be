"""The Images API as OpenAI speaks it, and the base of every other dialect."""

from __future__ import annotations

import json
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote

from imagecli.dialects.request import DATA_URL, EDITS, GENERATIONS, VARIATIONS, Draft, Fields, FilePart, ImageRequest
from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS
from imagecli.images.types import InputRules, MaskConvention, Size, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagecli.dialects.error_words import ErrorWords
    from imagecli.dialects.rules import Reads
    from imagecli.flags.row import Command, Verdict

__all__ = ["EDITS", "GENERATIONS", "VARIATIONS", "VARY_PROMPT", "OpenAI"]

_OF_VARIATIONS = frozenset({"size", "response_format"})
"""All that /images/variations takes; other fields go there only if they were typed."""

VARY_PROMPT = (
    "Create a variation of this image: keep its subject, composition, style and colours, "
    "and let the details differ as if it had been made a second time."
)
"""What `vary` asks a server for that edits but has no variations."""


class OpenAI:
    """How a kind of server differs from OpenAI: mostly attributes, and methods for what they can't express.

    A dialect only builds requests and reads no file. The attributes that matter first:

        name              as a profile names it
        title             the server's name in a sentence
        reads             the flags that the server reads, each with the rule for its values
        fields            flags whose field has another name there
        always            fields that the server needs even if nothing asks for them
        mask              how a mask is written; None: the server takes none
        has_markup        whether it takes markup
        has_variations    whether it has an endpoint for variations
        edits_as_json     whether input images go in a JSON document instead of a form
        most_per_request  how many images one request may ask for

    If `-n` was given it is sent, also where `most_per_request` is 1. Next comes `formats_by_name`: False for a server
    that can't be asked for a format, so that `-o cat.jpg` asks for none.

    A whole dialect is a file such as this, and its row in `imagecli/dialects/__init__.py`:
    `Row("example", "example.Example", ("images.example.com",))`.

        from typing import ClassVar

        from imagecli.dialects.openai import OpenAI
        from imagecli.dialects.rules import ANY, NOT_PIXELS, Reads, Rule, any_of, is_pixels, makes
        from imagecli.images.types import MaskConvention


        class Example(OpenAI):
            '''Example Images, https://images.example.com/docs as of 2026-11-01.'''

            name = "example"
            title = "Example Images"
            reads: ClassVar[Reads] = {
                "size": Rule(is_pixels, "fails", NOT_PIXELS),
                "quality": Rule(any_of("draft", "final"), "unlisted", "{title} takes draft or final, not {value}"),
                "format": makes("png", "jpeg", otherwise="fails"),
                "response_format": ANY,
            }
            always: ClassVar[dict[str, str]] = {"response_format": "b64_json"}  # its URLs expire in a minute
            mask = MaskConvention("mask_image", open=(255,), closed=(0,))
            has_markup = False
            has_variations = False
    """

    name: ClassVar[str] = "openai"
    title: ClassVar[str] = "OpenAI"
    """The server's name in a sentence."""
    reads: ClassVar[Reads | None] = None
    """Flag → the rule for its values; None: it reads every flag. Others are sent with a warning, or, where their
    name in `fields` is "", not sent and not warned about."""
    not_read: ClassVar[str] = "{title} does not read --{flag}"
    """The warning for another flag; {field} stands for OpenAI's name of its field."""
    fields: ClassVar[Mapping[str, str]] = {}
    """Flag → the server's name of its field, where that is not OpenAI's; "" where it has none: the flag is not sent,
    or as `stream` alone if it is `partials`."""
    always: ClassVar[Mapping[str, Any]] = {}
    """Fields that the server needs even if nothing asks for them; a flag or --param replaces them."""
    mask: ClassVar[MaskConvention | None] = MaskConvention()
    """How a mask is written, and the name of its field. None: the server takes none, so that a mask is refused before
    anything is sent."""
    mask_warning: ClassVar[str | None] = None
    """The warning for a mask that the server takes but, as far as is known, does not use (`mask_warning_for`)."""
    formats_by_name: ClassVar[bool] = True
    """Whether the output's name asks for its format: `-o cat.jpg` for a jpeg."""
    has_markup: ClassVar[bool] = True
    """Whether the server takes markup; if not, it is refused before anything is sent."""
    edits_as_json: ClassVar[bool] = False
    """Whether input images go in a JSON document (in the `FilePart.shape` of each) instead of a form. Where it depends
    on the images, override `in_json`."""
    forms_hold_json: ClassVar[bool] = False
    """Whether a form holds a table as JSON in one field: lora={"scale": 1}. Otherwise each entry is a field, as OpenAI
    has it: lora[scale]=1."""
    most_per_request: ClassVar[int | None] = None
    """Images in one request; None: as many as the model makes. Where it depends on the draft, override `most`."""
    has_variations: ClassVar[bool] = True
    """False: there is certainly no such endpoint, and `vary` edits at once. True: it is tried where the model is
    unknown."""
    never_streams: ClassVar[bool] = False
    """Whether the server treats a request for partial images like any other, so that it may ask for several images."""
    models_path: str = "models"
    """Where the server lists its models, below the base URL; it may have a query."""
    listed_prefix: ClassVar[str] = ""
    """What precedes a model's name in that list, and need not precede it in a request."""
    tasks_path: ClassVar[str | None] = None
    """Where a task is asked for that the server answers with in place of images, below the base URL, with `{id}` for
    the task's ID: "tasks/{id}". None: it sends images, or an `operation-location`, which every dialect follows."""
    batches: ClassVar[str | None] = "openai"
    """Whose wire its batches speak: "openai" or "xai" (imagecli/batch/engines/). None: it certainly has none."""
    headers: ClassVar[Mapping[str, str]] = {}
    """Headers that every request to the server's own origin has, besides the key's."""
    error_words: ClassVar[ErrorWords | None] = None
    """What only this kind of server writes into its errors."""

    endpoint_variable: ClassVar[str | None] = None
    """The environment variable that gives the base URL of a profile that names this dialect and has no base_url."""
    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that hold a key for that endpoint, in the order in which they are read; hints name the
    last."""
    version_variable: ClassVar[str | None] = None
    """The environment variable that gives the `api_version` where the profile doesn't; None: the server has none."""

    def __init__(self, base_url: str = "", api_version: str | None = None) -> None:  # noqa: ARG002 - for others
        """Speak to the server at `base_url`, which has no trailing slash."""
        self.api_version = api_version
        self.in_batch = False
        """Whether its requests are lines of a batch."""

    def batched(self) -> Self:
        """Return the same dialect for lines of a batch: they are JSON documents, and cost less."""
        other = copy(self)
        other.in_batch = True
        return other

    # What can be asked

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Return what becomes of `value` for the flag `name` with this server, and the reason ("" where it is taken).

        "listed": it is sent. "unlisted": it is sent, with the reason as a warning. "fails": it is certain to fail;
        refused where it was typed, left out with a warning where it comes from the config.
        """
        if self.reads is None:
            return "listed", ""
        if name not in self.reads:
            flag = name.replace("_", "-")
            return "unlisted", self.not_read.format(title=self.title, flag=flag, field=FIELDS.get(name, name))
        from imagecli.dialects.rules import judge

        return judge(self.reads[name], command, str(value), self.title)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the values of the flag `name` that the server is known to take; () where that is not known."""
        if not (self.reads and name in self.reads):
            return ()
        from imagecli.dialects.rules import words

        return tuple(words(self.reads[name]))

    def inputs(self, rules: InputRules) -> InputRules:
        """Return what an input must be here, starting from what the model takes."""
        return rules

    def canvas(self, draft: Draft) -> Size | None:  # noqa: ARG002 - for others to override
        """Return the size that the server stretches or crops every input to; None: it keeps their shape.

        Inputs get this shape before they are sent, as --fit decides, and the result gets theirs back.
        """
        return None

    def most(self, draft: Draft) -> int | None:  # noqa: ARG002 - for others to override
        """Return how many images one request of this draft may ask for; None: as many as the model makes."""
        return self.most_per_request

    def resolve_conflicts(self, draft: Draft, warn: Callable[[str], None]) -> Draft:  # noqa: ARG002 - for others
        """Return the draft without the flags that can't be used together with the rest of it (`Draft.without`).

        Raises:
            UsageProblem: such a flag was typed.
        """
        return draft

    # The request

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request for `count` images; a field that was not asked for is not in it.

        `route` is one of GENERATIONS, EDITS and VARIATIONS: what is wanted, in OpenAI's words. `path` returns
        where the server has it.
        """
        fields = self.spell_draft(draft, route, count)
        files = self.file_parts(uploads)
        as_json = self.in_json(uploads)
        typed = {field for name in draft.typed & draft.fields.keys() for field in self.spell(name, draft.fields[name])}
        _check_params(draft.params, typed | {part.field.removesuffix("[]") for part in files})
        fields |= self.spell_params(draft.params, as_json=as_json)
        typed |= draft.params.keys()
        return ImageRequest(
            *(route, self.path(route, draft), fields, files, count), as_json=as_json, typed=frozenset(typed)
        )

    def spell_draft(self, draft: Draft, route: str, count: int) -> Fields:
        """Return the fields of a request besides its files and --param, under the server's names."""
        fields: Fields = dict(self.always)
        prompt = draft.prompt if draft.prompt is not None or route == VARIATIONS else VARY_PROMPT
        if prompt is not None:
            fields["prompt"] = prompt
        if draft.model is not None:
            fields["model"] = draft.model
        if draft.count_asked:
            fields["n"] = count
        sent = draft.fields.keys() if route != VARIATIONS else _OF_VARIATIONS | draft.typed
        for name, value in draft.fields.items():
            if name in sent:
                fields |= self.spell(name, value)
        return fields

    def spell_params(self, params: Fields, *, as_json: bool) -> Fields:
        """Return what --param sets as a JSON document or a form contains it."""
        if not as_json and self.forms_hold_json:
            params = {name: _as_text(value) if _is_nested(value) else value for name, value in params.items()}
        return params if as_json else _flat(params)

    def spell(self, name: str, value: Any) -> Fields:  # noqa: ANN401 - of the flag's type
        """Return the field, or the fields, that hold `value` for the flag `name`."""
        streaming = {"stream": True} if name == "partials" else {}
        field = self.fields.get(name, FIELDS[name])
        return streaming | {field: value} if field else streaming

    def in_json(self, uploads: Uploads) -> bool:
        """Return whether a request with these files is a JSON document; otherwise it is a form."""
        return self.in_batch or self.edits_as_json or not uploads.images

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files of a request under the server's names."""
        if self.in_batch:
            return self.batched_parts(uploads)
        # One image is sent as `image`, several as `image[]`: the only spelling that every server takes. In a JSON
        # document several are one list.
        several, as_json = len(uploads.images) > 1, self.in_json(uploads)
        name = "image[]" if several and not as_json else "image"
        files = [FilePart(name, upload, listed=several and as_json) for upload in uploads.images]
        if uploads.mask is not None and self.mask is not None:
            files.append(FilePart(self.mask.field, uploads.mask))
        if uploads.markup is not None:
            files.append(FilePart("markup", uploads.markup))
        return tuple(files)

    def batched_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files of a line of a batch, as OpenAI's JSON edits have them; these have no markup."""
        files = [FilePart("images", upload, {"image_url": DATA_URL}, listed=True) for upload in uploads.images]
        if uploads.mask is not None and self.mask is not None:
            files.append(FilePart("mask", uploads.mask, {"image_url": DATA_URL}))
        return tuple(files)

    def mask_warning_for(self, models: Sequence[str]) -> str | None:  # noqa: ARG002 - for servers where it matters
        """Return the warning for a mask; `models`: the one that is asked for, or else those that the server lists."""
        return self.mask_warning

    def path(self, route: str, draft: Draft) -> str:  # noqa: ARG002 - for others to override
        """Return where the server has a route: a path below the base URL, with a query if it needs one."""
        return route

    def service_path(self, name: str) -> str:
        """Return where the server has its files and batches, below the base URL: `name` is "files", "batches/ID"."""
        return name

    def task_path(self, task_id: str) -> str | None:
        """Return where a task is asked for, below the base URL; None where the server is not known to have tasks."""
        return None if self.tasks_path is None else self.tasks_path.format(id=quote(task_id, safe=""))

    def credentials(self, key: str, origin: str) -> dict[str, str]:  # noqa: ARG002 - for others to override
        """Return the headers that carry a key; `origin` names where it came from (a variable, a place in a file)."""
        return {"Authorization": f"Bearer {key}"}

    # The response. Its images, errors and streams are read alike whichever server sent them (see the client).

    def cost_usd(self, usage: Mapping[str, Any]) -> float | None:  # noqa: ARG002 - for others to override
        """Return what the request has cost according to the server; None where it does not state it."""
        return None


def _check_params(params: Fields, others: set[str]) -> None:
    """Check that no --param sets the same field as a typed flag or a file, whatever the server calls it.

    Raises:
        UsageProblem: one does.
    """
    for key in others & params.keys():
        raise UsageProblem(f"--param {key} and a flag or a file set the same field", hint="Leave one of them out.")


def _is_nested(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value))


def _as_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _flat(params: Fields) -> Fields:
    """Spell nested values as form fields do: {"svg": {"model": "x"}} becomes svg[model]=x.

    Raises:
        UsageProblem: a form can't express it.
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
                f"--param {name} can't be sent in a form, which is what a request with images is",
                hint="Give a text, a number, true, false, a table, or a list of those.",
            )
        else:
            flat[name] = value

    for name, value in params.items():
        add(name, value)
    return flat
