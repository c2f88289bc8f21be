"""From settings to a task: every value is held against the model's row of the catalogue, before anything is sent.

Typed and certain to fail: refused. From the environment or the config and certain to fail: left out, with a warning.
Merely not listed: sent, with a warning.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, cast

from imagecli import dialects
from imagecli.dialects.openai import EDITS, FIELDS, GENERATIONS, OWNED, VARIATIONS
from imagecli.errors import UsageProblem
from imagecli.images.types import parse_size
from imagecli.models import catalog
from imagecli.saving.names import asked_format
from imagecli.task import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.config.profiles import Profile
    from imagecli.config.settings import Settings
    from imagecli.config.values import Value
    from imagecli.dialects.request import Fields
    from imagecli.flags import Command
    from imagecli.images.mask_flags import Marks
    from imagecli.images.reading import Picture
    from imagecli.images.types import Fit, Restore, Size

DEFAULT_MODEL = "gpt-image-2.5-flare"
VERBATIM = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS: "
"""The guide's words that keep dall-e-3 from rewriting a prompt."""

SHAPES = ("square", "landscape", "portrait")
_COMPRESSED = ("jpeg", "webp")
_WHOLE = ("gif", "svg")
"""Formats that are not streamed."""
_FITS: dict[Command, Fit] = {"gen": "pad", "edit": "pad", "vary": "crop", "prepare": "pad"}


def default_model(profile: Profile) -> str | None:
    """Return the model where none is set: other servers choose their own."""
    return DEFAULT_MODEL if profile.at_openai or profile.sandbox else None


class Asker:
    """Collects one task; `warnings` fills on the way."""

    def __init__(self, command: Command, settings: Settings) -> None:
        """Find the model that the settings name, or the profile's own."""
        self.warnings: list[str] = []
        self._command = command
        self._settings = settings
        profile = settings.profile
        self.model = catalog.find(self._text("model") or default_model(profile), settings.models)
        self.dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)

    def task(  # noqa: PLR0913 - the arguments of three commands
        self,
        *,
        prompt: str | None,
        subject: str,
        inputs: Sequence[Picture] = (),
        mask: Picture | None = None,
        markup: Picture | None = None,
        params: Fields | None = None,
        verbatim: bool = False,
    ) -> Task:
        """Return the task.

        Raises:
            UsageProblem: a value can't be used, or is certain to fail with this model.
        """
        if prompt is not None:
            self._check_prompt(prompt)
        routes = self._routes()
        self._check_inputs(len(inputs))
        inputs, expanded = self._expanded(inputs)
        marks = self._marks(mask, expanded=expanded)
        masked = mask is not None or marks is not None
        self._check_mask(masked=masked, markup=markup is not None)
        self._warn_of_shutdown()
        sent = VERBATIM + prompt if prompt is not None and verbatim else prompt
        self._check_length(sent)
        count = self._settings.value("count")
        task = Task(
            command=self._command,
            dialect=self.dialect,
            model=self.model,
            prompt=sent,
            subject=subject,
            fields=self._fields(inputs[0].size if expanded else None),
            typed=frozenset(filter(self._settings.typed, FIELDS)),
            params=self._params(params or {}),
            count=count or 1,
            count_asked=count is not None,
            inputs=tuple(inputs),
            mask=mask,
            fit=cast("Fit", self._text("fit") or _FITS[self._command]),
            restore=cast("Restore | None", self._text("restore")),
            marks=marks,
            expanded=expanded,
            keep=self._keeps(mask, marks, expanded=expanded),
            keep_metadata=bool(self._settings.value("keep_metadata")),
            preview_mask=self._command == "edit" and self._settings.value("mask_preview") is not None,
            routes=routes,
            markup=markup,
            save_partials=bool(self._settings.value("save_partials")),
        )
        self._check_together(task.fields, masked=masked)
        return task

    def _text(self, name: str) -> str | None:
        value = self._settings.value(name)
        return None if value is None else str(value)

    # The mask

    def _expanded(self, inputs: Sequence[Picture]) -> tuple[Sequence[Picture], bool]:
        """Lay the first input on the canvas that --expand asks for."""
        wanted = self._settings.value("expand") if self._command == "edit" else None
        if not wanted:
            return inputs, False
        from imagecli.images.expand import ExpandedPicture
        from imagecli.images.mask_flags import read_margins

        return (ExpandedPicture(inputs[0], read_margins(wanted), self._settings.value("max_pixels")), *inputs[1:]), True

    def _marks(self, mask: Picture | None, *, expanded: bool) -> Marks | None:
        """Read the mask flags; None where there are none, or only what needs a mask and has none (from the config)."""
        if self._command != "edit":
            return None
        from imagecli.images.mask_flags import ELLIPSE, RECT, Marks, read_area, read_colour

        marks = Marks(
            areas=(
                *(read_area(RECT, text) for text in self._settings.value("mask_rect") or ()),
                *(read_area(ELLIPSE, text) for text in self._settings.value("mask_ellipse") or ()),
            ),
            colours=tuple(read_colour(text) for text in self._settings.value("mask_color") or ()),
            invert=bool(self._settings.value("mask_invert")),
            feather=self._settings.value("mask_feather"),
        )
        if not (marks.drawn or expanded or mask):
            for name in ("mask_invert", "mask_feather", "mask_preview", "keep"):
                if self._settings.typed(name) and self._settings.value(name):
                    raise UsageProblem(
                        f"--{name.replace('_', '-')} needs a mask, and there is none",
                        hint="Give --mask FILE, --mask-rect, --mask-ellipse, --mask-color or --expand.",
                    )
            return None
        if marks.invert and not (marks.drawn or mask):
            raise UsageProblem(
                "--mask-invert needs a mask beside --expand", hint="Give --mask FILE, --mask-rect or another."
            )
        return marks if marks != Marks() or expanded else None

    def _keeps(self, mask: Picture | None, marks: Marks | None, *, expanded: bool) -> bool:
        """Tell whether the result is composed with the original: where flags made the mask, if nothing is said."""
        wanted = self._settings.value("keep")
        if wanted is not None:
            return bool(wanted) and (mask is not None or marks is not None)
        if self._text("restore") == "none" and self._settings.typed("restore"):
            return False
        return marks is not None and bool(marks.drawn or marks.feather or expanded)

    def _check_mask(self, *, masked: bool, markup: bool) -> None:
        """Refuse a mask that would be lost on the way; only a typed --keep does without the server's help."""
        if masked and markup:
            raise UsageProblem("a mask and --markup can't go together", hint="Leave one of them out.")
        if markup and not self.dialect.has_markup:
            raise UsageProblem(
                f"{self.dialect.title} has no --markup", hint="Mark the place with a mask, or say in words where it is."
            )
        verdict, reason = self.model.judge("markup", "FILE") if markup else ("listed", "")
        if verdict == "fails":
            raise UsageProblem(reason, hint="Leave --markup out, or name another model with -m.")
        if verdict == "unlisted":
            self.warnings.append(f"{self.model.name} takes no markup, as far as is known; it is sent all the same")
        if not masked or self._command != "edit":
            return
        if self.dialect.mask_warning is not None:
            self.warnings.append(self.dialect.mask_warning)
        if self.dialect.mask is not None:
            return
        if not (self._settings.typed("keep") and self._settings.value("keep")):
            raise UsageProblem(
                f"{self.dialect.title} takes no mask: it would change the whole picture",
                hint="Leave the mask out, or add --keep: then all outside the mask is put back from the original.",
            )
        self.warnings.append(
            f"{self.dialect.title} takes no mask: the whole picture is edited, and what the mask closes is put back"
        )

    # The model

    def _routes(self) -> tuple[str, ...]:
        model, command = self.model, self._command
        if command == "vary" and not self.dialect.has_variations:
            return (EDITS,)
        if command == "vary":
            if not model.known and not self._settings.profile.at_openai and "vary" in model.endpoints:
                return (VARIATIONS, EDITS)
            if "vary" in model.endpoints and model.known:
                return (VARIATIONS,)
            if "edit" in model.endpoints:
                return (EDITS,)
        elif command in model.endpoints:
            return (GENERATIONS if command == "gen" else EDITS,)
        verb = {"gen": "make pictures from text", "edit": "edit pictures", "vary": "vary pictures"}[command]
        raise UsageProblem(
            f"{model.name} can't {verb}: it takes {', '.join(model.endpoints)}",
            hint=f"Name another model with -m, for instance {DEFAULT_MODEL}.",
        )

    def _check_inputs(self, count: int) -> None:
        if self.model.known and count > self.model.max_inputs:
            raise UsageProblem(
                f"{self.model.name} takes {self.model.max_inputs} input image(s), not {count}",
                hint="Leave out -i, or name a model that takes several with -m.",
            )

    def _warn_of_shutdown(self) -> None:
        if self.model.shutdown is None or not self._settings.profile.at_openai:
            return
        successor = f"; its successor is {self.model.successor}" if self.model.successor else ""
        self.warnings.append(f"OpenAI shuts {self.model.name} down on {self.model.shutdown}{successor}")

    # The prompt

    def _check_prompt(self, prompt: str) -> None:
        if not prompt.strip():
            raise UsageProblem("the prompt is empty", hint="Say what the picture should show.")
        try:
            prompt.encode()
        except UnicodeEncodeError as error:
            raise UsageProblem("the prompt is not valid UTF-8", hint="Save it as UTF-8 text.") from error
        if "\0" in prompt:
            raise UsageProblem("the prompt has a NUL byte in it", hint="Give a text, not a binary file.")

    def _check_length(self, prompt: str | None) -> None:
        limit = self.model.prompt
        if prompt is not None and limit is not None and len(prompt) > limit and self.model.known:
            raise UsageProblem(
                f"the prompt has {len(prompt):,} characters, and {self.model.name} takes {limit:,}",
                hint="Shorten it, or name another model with -m.",
            )

    # The fields

    def _fields(self, canvas: Size | None) -> Fields:
        """Return what is sent; the size that is nearest to a canvas that was expanded, unless one was typed."""
        fields: Fields = {}
        for name in FIELDS:
            if name == "size" and canvas and not self._settings.typed(name):
                fields[name] = self.model.nearest_size(canvas)
                continue
            value = self._format() if name == "format" else self._settings.get(name)
            if value is not None and (fitting := self._fitting(name, value)) is not None:
                fields[name] = fitting
        return fields

    def _format(self) -> Value | None:
        """Return --format; else the format that the output's name asks for, where the model takes it."""
        value = self._settings.get("format")
        if value is not None and value.origin.typed:
            return value
        output = self._settings.get("output")
        asked = asked_format(str(output.value)) if output is not None else None
        if output is None or asked is None or not self.dialect.formats_by_name:
            return value
        maker = self.model.name
        if self.model.takes_format(asked):
            if self.dialect.judge(self._command, "format", asked)[0] == "listed":
                return type(output)(asked, output.origin)
            maker = self.dialect.title
        if asked != "png":  # what a model makes that has no say in it
            self.warnings.append(f"{maker} is not asked for {asked}, which it can't make as far as is known")
        return value

    def _fitting(self, name: str, value: Value) -> object | None:
        """Return what is sent for the flag `name`, None if it is left out."""
        sent = value.value
        if name == "size":
            lower = str(sent).lower()
            sent = lower if parse_size(lower) else sent
            if sent in SHAPES:
                return self._shape(str(sent), value)
        verdict, reason = self.model.judge(name, str(sent))
        if name == "size" and verdict == "fails" and self._wants_gif():
            verdict = "unlisted"  # a gif's frames share the pixels: smaller sizes than others' were seen to work
        if verdict == "listed":
            verdict, reason = self.dialect.judge(self._command, name, sent)
        if not value.origin.typed and sent == "auto":
            return None
        if verdict == "listed":
            return sent
        if verdict == "fails" and value.origin.typed:
            raise UsageProblem(reason, hint=f"Change --{name.replace('_', '-')}, or name another model with -m.")
        if verdict == "fails" or (not value.origin.typed and not self.model.values.get(name, ("",))):
            self.warnings.append(f"{value.origin} is left out: {reason}")
            return None
        self.warnings.append(f"{reason}, as far as is known; it is sent all the same")
        return sent

    def _wants_gif(self) -> bool:
        return "gif" in {self._settings.value("format"), asked_format(self._text("output"))}

    def _shape(self, shape: str, value: Value) -> str | None:
        size = self.model.shapes.get(shape)
        if size is None and value.origin.typed:
            raise UsageProblem(
                f"{self.model.name} has no {shape} size; it takes {', '.join(self.model.values['size'])}",
                hint="Change --size, or name another model with -m.",
            )
        if size is None:
            self.warnings.append(f"{value.origin} is left out: {self.model.name} has no {shape} size")
        return size

    def _check_together(self, fields: Fields, *, masked: bool) -> None:
        """Refuse or leave out what can't go together in a GPT Image request."""
        if self.model.family != "gpt-image":
            return
        wanted = fields.get("format")
        if fields.get("background") == "transparent" and wanted == "jpeg":
            self._conflict(fields, "background", "a transparent background needs --format png or webp, not jpeg")
        if "compression" in fields and wanted not in _COMPRESSED:
            reason = f"--compression is for jpeg and webp, not {wanted or 'png, the default'}"
            if wanted is None and self._settings.typed("compression"):
                self.warnings.append(f"{reason}; it is sent all the same")
            else:
                self._conflict(fields, "compression", reason)
        if "partials" in fields and wanted in _WHOLE:
            self._conflict(fields, "partials", f"--partials can't be had of a {wanted}")
        if masked and wanted == "gif":
            raise UsageProblem("a gif can't be made with a mask", hint="Leave the mask out, or change --format.")
        for name in ("frames", "frame_ms"):
            if name not in fields or wanted == "gif":
                continue
            reason = f"--{name.replace('_', '-')} is for --format gif"
            if self._settings.typed(name):
                self.warnings.append(f"{reason}; it is sent all the same")
            else:
                self._conflict(fields, name, reason)

    def _conflict(self, fields: Fields, name: str, reason: str) -> None:
        value = self._settings.get(name)
        if value is None or value.origin.typed:
            raise UsageProblem(reason, hint=f"Change --{name} or --format.")
        self.warnings.append(f"{value.origin} is left out: {reason}")
        del fields[name]

    def _params(self, params: Fields) -> Fields:
        """Return the fields that no flag sets in this run.

        Raises:
            UsageProblem: a flag owns one, a flag sets it in this very run, or one is no JSON.
        """
        check_params(params)
        flags = {name: self._settings.value(name) is not None for name in ("complexity", "safety_identifier")}
        flags["stream"] = self._settings.typed("partials")
        for key in params:
            if flags.get(key):
                raise UsageProblem(f"--param {key} and a flag both set it", hint="Leave one of them out.")
        return params


def read_params(pairs: Sequence[str]) -> Fields:
    """Read --param KEY=VALUE: JSON where it parses, text otherwise.

    Raises:
        UsageProblem: it is no pair, or its key is empty.
    """
    params: Fields = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageProblem(f"--param {pair} is no KEY=VALUE", hint="Write for instance --param seed=7.")
        params[key] = _json_or_text(text)
    return params


def check_params(params: Fields) -> Fields:
    """Return `params`, the fields that no flag owns.

    Raises:
        UsageProblem: a flag owns one, or one is no JSON.
    """
    for key in params:
        if str(key).partition("[")[0] in OWNED:
            raise UsageProblem(f"--param can't set {key}: a flag or an argument of its own does", hint="See --help.")
    try:
        json.dumps(params, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageProblem(
            "--param has a value that can't be sent as JSON", hint="Give JSON, or UTF-8 text."
        ) from error
    return params


def _json_or_text(text: str) -> object:
    def finite(word: str) -> float:
        number = float(word)
        if not math.isfinite(number):
            raise ValueError(word)
        return number

    try:
        return json.loads(text, parse_constant=finite, parse_float=finite)
    except (ValueError, RecursionError):
        return text
