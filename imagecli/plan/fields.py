"""The values of flags, held against the model's row of the catalogue and the server's dialect.

Typed and certain to fail: refused. From the environment or the config and certain to fail: left out, with a warning.
Merely not listed: sent, with a warning.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.config.layout import is_secret_name
from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS, FLAG_ONLY_FIELDS
from imagecli.images.types import parse_size, size_meant
from imagecli.models import catalog
from imagecli.models.rows import UNKNOWN
from imagecli.options import Value
from imagecli.text import KEY_PLACE, closest_match, named, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imagecli.config.profiles import Profile
    from imagecli.dialects.openai import OpenAI
    from imagecli.dialects.request import Fields
    from imagecli.flags.row import Command, Verdict
    from imagecli.images.types import Size
    from imagecli.models.model import Model
    from imagecli.options import Options

    Warn = Callable[[str], None]

SHAPES = ("square", "landscape", "portrait")
_COMPRESSED = ("jpeg", "webp")
_NOT_STREAMED = ("gif", "svg")
_ARGUMENTS = frozenset({"prompt", "model", "n", "image", "image[]", "images", "mask", "markup"})
"""Fields that an argument or a flag of another kind sets."""


def is_catalogued(profile: Profile) -> bool:
    """Return whether a model's name means here what the catalogue says: other servers give it to what they like."""
    return profile.provider in {"openai", "azure", "sandbox"}


class Context(NamedTuple):
    """What the values of a run are held against."""

    command: Command
    options: Options
    model: Model
    dialect: OpenAI
    warn: Warn
    profile: Profile
    by_name: str | None
    """The format that the output's name asks for."""

    def refuse(self, reason: str, hint: str) -> None:
        """Refuse what was typed and does not fit the model; at a server that may mean another model, warn.

        Raises:
            UsageProblem: it is certain to fail.
        """
        # What is known of a model that the catalogue does not list, the user's own config file says.
        if is_catalogued(self.profile) or not self.model.known:
            raise UsageProblem(reason, hint=hint)
        self.warn(f"{reason}, as far as is known; sending it anyway")


def fitting_fields(
    context: Context, values: Mapping[str, Value[Any]], *, canvas: Size | None, covering: bool
) -> Fields:
    """Return the values that are sent, by flag.

    Args:
        context: what they are held against.
        values: the options that become fields, by flag, unset ones too.
        canvas: the size of an input that --expand has enlarged, or that the result is given: the size that comes
            nearest is asked for, unless one was typed.
        covering: whether a size that is not smaller comes before one that is nearer in shape.

    Raises:
        UsageProblem: a typed value is certain to fail.
    """
    fields: Fields = {}
    for name, value in values.items():
        if name == "size" and canvas and not value.typed:
            nearest = context.model.nearest_size(canvas, covering=covering)
            if context.dialect.judge(context.command, name, nearest)[0] == "listed":
                fields[name] = nearest
            continue
        asked = _format(context, context.by_name) if name == "format" and context.by_name is not None else value
        if asked.value is not None and (sent := _fitting(context, name, asked)) is not None:
            fields[name] = sent
    return fields


def _format(context: Context, by_name: str) -> Value[Any]:
    """Return --format; else the format that the output's name asks for, where the model and the server take it.

    A name alone asks only where that field is known to be taken: a strict server refuses a field that it doesn't know.
    """
    options, model, dialect = context.options, context.model, context.dialect
    known = model.lists_formats or "format" in (dialect.reads or ())
    if options.format.typed or not (known and dialect.formats_by_name):
        return options.format
    maker = model.name
    if model.takes_format(by_name):
        if dialect.judge(context.command, "format", by_name)[0] == "listed":
            return Value(by_name, options.output.origin, options.output.typed)
        maker = dialect.title
    if by_name != "png":  # what a model makes that can't be asked for a format
        context.warn(f"{maker} is not asked for {by_name}, which it can't make, as far as is known")
    return options.format


def _fitting(context: Context, name: str, value: Value[Any]) -> object | None:
    """Return what is sent for the flag `name`, None if it is left out."""
    model = context.model
    sent: object = value.value
    if name == "size":
        lower = str(sent).lower()
        sent = lower if parse_size(lower) else sent
        if sent in SHAPES:
            return _shape(context, str(sent), value)
    near = _near(context, name, str(sent))
    verdict, reason = _judged(context, name, value, sent, f" (did you mean {near}?)" if near else "")
    if not value.typed and sent == "auto":
        return None
    if verdict == "listed" and not near:
        return sent
    if verdict == "fails" or (not value.typed and not model.values.get(name, ("",))):
        context.warn(f"{value.origin} is left out: {reason}")
        return None
    context.warn(f"{reason}, as far as is known; sending it anyway")
    return sent


def _judged(context: Context, name: str, value: Value[Any], sent: object, meant: str) -> tuple[Verdict, str]:
    """Return what the model, and where that has no objection the server, is known to make of what is sent, and why.

    Raises:
        UsageProblem: it was typed, and is certain to fail.
    """
    model = context.model
    verdict, reason = model.judge(name, str(sent))
    if verdict == "fails" and name == "size" and "gif" in {context.options.format.value, context.by_name}:
        verdict = "unlisted"  # a gif's frames share the pixels: smaller sizes than others' were seen to work
    do = f"{'Leave out' if model.values.get(name) == () else 'Change'} --{name.replace('_', '-')}"
    if verdict == "fails" and value.typed:
        context.refuse(reason + meant, f"{do}, or name another model with -m.")
    if verdict == "listed" or (verdict == "fails" and value.typed):
        verdict, reason = context.dialect.judge(context.command, name, sent)
        if verdict == "fails" and value.typed:
            raise UsageProblem(reason + meant, hint=f"{do}.")
    return verdict, (reason or f"{value.origin} {named(sent)} is not a usual value") + meant


def _near(context: Context, name: str, value: str) -> str | None:
    """Return the word that a value of the flag `name` is near to; None if it is one, or near none."""
    own = context.model.values.get(name, context.dialect.words(name))
    if name == "size":
        return size_meant(value, ("auto", *SHAPES))
    if context.model.values.get(name) == () or value in {*own, *context.dialect.words(name), *catalog.words(name)}:
        return None  # the model has no such field, or it is a word
    return closest_match(value, own or catalog.words(name))


def _shape(context: Context, shape: str, value: Value[Any]) -> str | None:
    model = context.model
    size = model.shapes.get(shape)
    if size is None and value.typed:
        reason = f"{model.name} has no {shape} size; it takes {', '.join(model.values['size'])}"
        context.refuse(reason, "Change --size, or name another model with -m.")
        return UNKNOWN.shapes[shape]
    if size is None:
        context.warn(f"{value.origin} is left out: {model.name} has no {shape} size")
    return size


def check_together(context: Context, fields: Fields, *, masked: bool) -> None:
    """Refuse, or leave out of `fields`, what can't go together in a GPT Image request.

    Raises:
        UsageProblem: it was typed.
    """
    if context.model.family != "gpt-image":
        return
    options, wanted = context.options, fields.get("format")
    if fields.get("background") == "transparent" and wanted == "jpeg":
        reason = "a transparent background needs --format png or webp, not jpeg"
        _leave_out(context, fields, "background", options.background, reason)
    if "compression" in fields and wanted not in _COMPRESSED:
        reason = f"--compression is for jpeg and webp, not {wanted or 'png, the default'}"
        _leave_out(context, fields, "compression", options.compression, reason, harmless=wanted is None)
    if "partials" in fields and wanted in _NOT_STREAMED:
        reason = f"--partials can't be used with {wanted}"
        _leave_out(context, fields, "partials", options.partials, reason)
    if masked and wanted == "gif":
        context.refuse("a gif can't be made with a mask", "Leave the mask out, or change --format.")
    for name, value in (("frames", options.frames), ("frame_ms", options.frame_ms)):
        if name in fields and wanted != "gif":
            reason = f"--{name.replace('_', '-')} is for --format gif"
            _leave_out(context, fields, name, value, reason, harmless=True)


def _leave_out(  # noqa: PLR0913 - a field, its value and what is wrong with it
    context: Context, fields: Fields, name: str, value: Value[Any], reason: str, *, harmless: bool = False
) -> None:
    """Leave out a field that was not typed; refuse one that was, unless it is harmless."""
    if value.typed and harmless:
        context.warn(f"{reason}; sending it anyway")
    elif value.typed or value.value is None:
        context.refuse(reason, f"Change --{name} or --format.")
    else:
        context.warn(f"{value.origin} is left out: {reason}")
        del fields[name]


def read_params(pairs: Sequence[str]) -> Fields:
    """Read --param KEY=VALUE: JSON where it parses, text otherwise.

    Raises:
        UsageProblem: one is not a pair, its key is empty, or names a key of the API.
    """
    params: Fields = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageProblem(f"--param {quoted(pair)} is not KEY=VALUE", hint="Write for instance --param steps=20.")
        if is_secret_name(key):
            raise UsageProblem(
                f"--param can't set {named(key)}: other users could see a key among the arguments",
                hint=f"{KEY_PLACE} It is sent in a header.",
            )
        params[key] = _json_or_text(text)
    return params


def check_params(params: Fields, values: Mapping[str, Value[Any]]) -> Fields:
    """Return the further fields of a request, which no flag sets in this run.

    Args:
        params: the fields, as --param gives them.
        values: the options that become fields, by flag, unset ones too.

    Raises:
        UsageProblem: a flag owns one, a flag sets it in this very run, or one can't be sent as JSON.
    """
    for key in params:
        if str(key).partition("[")[0] in FLAG_ONLY_FIELDS | _ARGUMENTS:
            raise UsageProblem(f"--param can't set {named(key)}: it has its own flag or argument", hint="See --help.")
    try:
        json.dumps(params, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageProblem(
            "--param has a value that can't be sent as JSON", hint="Give JSON, or UTF-8 text."
        ) from error
    set_by = {FIELDS[name]: value.origin for name, value in values.items() if value.value is not None}
    if values["partials"].typed:
        set_by["stream"] = values["partials"].origin
    for key in params:
        if key in set_by:
            raise UsageProblem(
                f"--param {named(key)} and {set_by[key]} set the same field", hint="Leave one of them out."
            )
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
