"""What is asked for, once it is known to fit the model and the server; still without files and requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple

from imagecli import dialects
from imagecli.dialects.request import EDITS, GENERATIONS, VARIATIONS, Draft
from imagecli.errors import UsageProblem
from imagecli.flags import FIELDS
from imagecli.images.types import LOSSY, parse_size
from imagecli.models import catalog
from imagecli.plan.fields import Context, check_params, check_together, fitting_fields, is_catalogued, read_params
from imagecli.plan.sizes import Sizes, read_sizes
from imagecli.saving.names import asked_format
from imagecli.text import misspelt, named

if TYPE_CHECKING:
    from imagecli.config.profiles import Profile
    from imagecli.config.settings import Settings
    from imagecli.dialects.openai import OpenAI
    from imagecli.dialects.request import Fields
    from imagecli.flags.row import Command
    from imagecli.images.mask_flags import MaskFlags
    from imagecli.images.reading import InputImage
    from imagecli.images.types import Fit, Restore, Size
    from imagecli.inputs import Inputs
    from imagecli.models.model import Model
    from imagecli.plan.fields import Warn
    from imagecli.provenance.making import Making

VERBATIM = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS: "
"""The words of OpenAI's guide that keep dall-e-3 from rewriting a prompt."""
_FITS: dict[Command, Fit] = {"gen": "pad", "edit": "pad", "vary": "crop", "prepare": "pad"}
_VERBS = {"gen": "make images from text", "edit": "edit images", "vary": "vary images"}


class Intent(NamedTuple):
    """What is asked for, checked against the catalogue and the dialect."""

    command: Command
    profile: Profile
    model: Model
    dialect: OpenAI
    draft: Draft
    routes: tuple[str, ...]
    """Where to send it; the next one is tried where a server has no such route."""
    wanted: int
    subject: str
    """What a default file name is made from."""
    images: tuple[InputImage, ...] = ()
    """The inputs; the first on its canvas, where --expand has enlarged it."""
    mask: InputImage | None = None
    markup: InputImage | None = None
    mask_flags: MaskFlags | None = None
    """What the mask flags open, in `mask` and beside it; None: there are none."""
    expanded: bool = False
    keep: bool = False
    """Whether the result is composed with the original: outside the mask nothing changes."""
    fit: Fit = "pad"
    restore: Restore | None = None
    """None: undo padding, and nothing else."""
    keep_metadata: bool = False
    save_partials: bool = False
    typed_size: Size | None = None
    """The size in pixels that was typed, so that another one is said."""
    sizes: Sizes = Sizes()
    """What results are scaled to."""
    kind: str | None = None
    """The format that a result is written in here, if it has to be: that of the output's name, else of --format."""
    quality: int | None = None
    """Of a JPEG or WebP that is written here."""
    strict_mask: bool = False
    """Whether it is an error if the server seems to have ignored the mask."""
    embed: bool | Literal["force"] = False
    """Whether the request is written into the image; "force": also into one whose content credentials that breaks."""
    sidecar: bool = False
    """Whether it is written into a file beside the image."""
    making: Making | None = None
    """What is written; None: nothing is."""
    warnings: tuple[str, ...] = ()
    """What was left out, and what is sent though it may be refused."""

    @property
    def server_is_unknown(self) -> bool:
        """Whether neither the server nor its model is known: how it resizes what it gets can't be known either."""
        own = self.profile.provider in {"openai", "sandbox"}
        return not self.model.known and not own and self.dialect.name == "openai"

    @property
    def per_request(self) -> int:
        """How many images one request may ask for; a stream is about one, so that its partial images belong to it."""
        if "partials" in self.draft.fields and not self.dialect.never_streams:
            return 1
        most = self.model.count_per_request(self.draft.fields.get("format"))
        return min(most, self.dialect.most(self.draft) or most)


def model_of(settings: Settings) -> Model:
    """Return the row of the model that the settings name, or of the profile's own."""
    return catalog.find(settings.options.model.value or default_model(settings.profile), settings.models)


def default_model(profile: Profile) -> str | None:
    """Return the model where none is set: other servers choose their own."""
    return catalog.DEFAULT if profile.provider in {"openai", "sandbox"} else None


def check(command: Command, settings: Settings, inputs: Inputs, params: Fields | None = None) -> Intent:
    """Return what is asked for.

    Args:
        command: gen, edit or vary.
        settings: the settings, with the command's options.
        inputs: the prompt and the images.
        params: further fields of the request; None: those of --param.

    Raises:
        UsageProblem: a value can't be used, or is certain to fail with this model; its `warnings` came before.
    """
    warnings: list[str] = []
    try:
        intent = _check(command, settings, inputs, params, warnings.append)
    except UsageProblem as error:
        error.warnings = tuple(warnings)
        raise
    return intent._replace(warnings=tuple(warnings))


def _check(command: Command, settings: Settings, inputs: Inputs, params: Fields | None, warn: Warn) -> Intent:
    options, profile = settings.options, settings.profile
    model = model_of(settings)
    dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)
    if is_catalogued(profile) and not model.known and (near := catalog.misspelt_name(model.name or "")):
        warn(f"{named(model.name)} is not a model that is known; did you mean {near}?")
    context = Context(command, options, model, dialect, warn, profile, asked_format(options.output.value))
    kind = context.by_name or options.format.value
    sizes = read_sizes(options, kind, warn)
    values = options.fields()
    params = read_params(options.param.value or ()) if params is None else params
    for key in params:
        if near := misspelt(str(key), FIELDS):
            warn(f"--param {named(key)} is sent as it is; did you mean --{near.replace('_', '-')}?")
    if inputs.prompt is not None:
        _check_prompt(inputs.prompt)
    routes = _routes(context)
    _check_number_of_inputs(len(inputs.images), context)
    images, mask_flags, keep = inputs.images, None, False
    if command == "edit":
        from imagecli.plan.masks import check_mask, expanded_inputs, keeps, read_mask_flags

        images = expanded_inputs(images, options)
        mask_flags = read_mask_flags(options, mask=inputs.mask is not None)
        keep = keeps(options, mask_flags, mask=inputs.mask is not None)
    masked = inputs.mask is not None or mask_flags is not None
    if command == "edit":
        check_mask(context, inputs, masked=masked)
    _warn_of_shutdown(model, profile, warn)
    prompt = inputs.prompt
    if prompt is not None and options.verbatim.value:
        prompt = VERBATIM + prompt
    _check_length(prompt, context)
    expanded = bool(options.expand.value)
    encoded_here = keep or sizes.resize or options.restore.value not in {None, "none"}
    if encoded_here and context.by_name in LOSSY and not options.format.typed:
        # It is encoded here, and once is enough: until then, the name asks for nothing that loses.
        context = context._replace(by_name="png")
        values = {name: value for name, value in values.items() if name != "compression"}
    # What is put back into the original should have its shape.
    size = images[0].size if expanded else None if keep else sizes.resize
    fields = fitting_fields(context, values, canvas=size, covering=not expanded)
    params = check_params(params, values)
    check_together(context, fields, masked=masked)
    draft = Draft(
        prompt,
        model.name,
        fields,
        frozenset(name for name, value in values.items() if value.typed),
        params,
        count_asked=options.count.value is not None,
        masked=masked,
        input_size=images[0].size if images else None,
    )
    draft = dialect.resolve_conflicts(draft, warn)
    making = None
    if options.embed.value or options.sidecar.value:
        from imagecli.plan.remade import making_of

        making = making_of(command, profile, draft, options, inputs)
    return Intent(
        *(command, profile, model, dialect, draft, routes, options.count.value or 1, _subject(inputs)),
        images=images,
        mask=inputs.mask,
        markup=inputs.markup,
        mask_flags=mask_flags,
        expanded=expanded,
        keep=keep,
        fit=options.fit.value or _FITS[command],
        restore=options.restore.value,
        keep_metadata=bool(options.keep_metadata.value),
        save_partials=bool(options.save_partials.value),
        typed_size=parse_size(str(options.size.value).lower()) if options.size.typed else None,
        sizes=sizes,
        kind=kind,
        quality=options.compression.value,
        strict_mask=bool(options.strict_mask.value),
        embed=options.embed.value or False,
        sidecar=bool(options.sidecar.value),
        making=making,
    )


def _subject(inputs: Inputs) -> str:
    """Return what a default file name is made from: the prompt as typed, or the first input's name."""
    if inputs.prompt is not None:
        return inputs.prompt
    return os.path.splitext(os.path.basename(inputs.images[0].name))[0] if inputs.images else "image"


def _routes(context: Context) -> tuple[str, ...]:
    """Return where to send it; the user's own word on a model, in the config file, counts at every server.

    Raises:
        UsageProblem: the model can't do it.
    """
    command, model = context.command, context.model
    vary_or_edit = (VARIATIONS, EDITS) if context.dialect.has_variations else (EDITS,)
    routes = {"gen": (GENERATIONS,), "edit": (EDITS,), "vary": vary_or_edit}[command]
    if command in model.endpoints and not (command == "vary" and context.profile.at_openai and not model.known):
        return routes[:1] if model.known and is_catalogued(context.profile) else routes
    if command == "vary" and ("edit" in model.endpoints or not context.dialect.has_variations):
        return (EDITS,)
    reason = f"{model.name} can't {_VERBS[command]}: it takes {', '.join(model.endpoints)}"
    hint = f"Name another model with -m, for instance {catalog.DEFAULT}."
    context.refuse(reason, hint)
    return routes


def _check_number_of_inputs(count: int, context: Context) -> None:
    model = context.model
    if model.known and count > model.max_inputs:
        reason = f"{model.name} takes {model.max_inputs} input image(s), not {count}"
        context.refuse(reason, "Leave out -i, or name a model that takes several with -m.")


def _warn_of_shutdown(model: Model, profile: Profile, warn: Warn) -> None:
    day = model.shutdowns.get(profile.provider or "")
    if day is not None:
        provider = dialects.load_class(profile.provider or "").title
        what = f"{provider} retired {model.name}" if catalog.is_past(day) else f"{provider} shuts {model.name} down"
        warn(f"{what} on {day}" + (f"; its successor is {model.successor}" if model.successor else ""))


def _check_prompt(prompt: str) -> None:
    if not prompt.strip():
        raise UsageProblem("the prompt is empty", hint="Say what the image should show.")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageProblem("the prompt is not valid UTF-8", hint="Save it as UTF-8 text.") from error
    if "\0" in prompt:
        raise UsageProblem("the prompt contains a NUL byte", hint="Give a text, not a binary file.")


def _check_length(prompt: str | None, context: Context) -> None:
    model = context.model
    if prompt is not None and model.max_prompt_chars is not None and len(prompt) > model.max_prompt_chars:
        reason = f"the prompt has {len(prompt):,} characters, and {model.name} takes {model.max_prompt_chars:,}"
        context.refuse(reason, "Shorten it, or name another model with -m.")
