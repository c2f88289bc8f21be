"""The library face: the same plan and the same execution as the commands'. Results hold bytes; nothing is written."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

from imagecli import dialects
from imagecli.accounts import open_accounts
from imagecli.cache.answers import answers_for
from imagecli.client.open import open_client
from imagecli.config.keys import check_transport, make_key, require_key
from imagecli.config.settings import load
from imagecli.errors import UsageProblem
from imagecli.exchange import Observer
from imagecli.execute import execute
from imagecli.flags import flags_of
from imagecli.images.reading import InputImage, open_input, read_input
from imagecli.images.sniffing import sniff
from imagecli.inputs import Inputs
from imagecli.keywords import EditOptions, GenOptions, VaryOptions
from imagecli.options import UNSET, Options, Origin
from imagecli.plan import plan
from imagecli.plan.intent import check
from imagecli.saving.streams import MemorySink
from imagecli.text import or_meant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self, Unpack

    from typing_extensions import TypeIs

    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings
    from imagecli.errors import ImagecliError
    from imagecli.flags.row import Command
    from imagecli.result import GeneratedImage, Result

    ReadInputs = Callable[[int | None], Inputs]
    """Reads what a call was given, once the most pixels that an input may have are known."""

__all__ = ["EditOptions", "GenOptions", "Image", "ImageClient", "Images", "PartialImage", "VaryOptions"]

Source = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
"""An input: the bytes of a file, a path, or a file that is open for reading bytes."""
_BYTES = (bytes, bytearray, memoryview)


@dataclass(frozen=True, slots=True)
class Image:
    """One image, as the server made it (or with the fit undone)."""

    data: bytes = field(repr=False)
    format: str | None
    """By the bytes: "png", "jpeg", "webp", "gif", "svg"."""
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    n: int
    """From 1, in the order that was asked for; `failures` counts the same."""
    revised_prompt: str | None
    outside_changed: float | None = None
    """After an edit with a mask: the share of the pixels outside it that the server changed, 0 to 1, before `keep` puts
    them back; None: not known."""
    also: tuple[Image, ...] = ()
    """The same image in the further sizes that were asked for, in their order."""
    cached: bool = False
    """Whether it came out of the cache, and cost nothing."""


@dataclass(frozen=True, slots=True)
class PartialImage:
    """An unfinished image, as a stream shows it."""

    data: bytes = field(repr=False)
    format: str | None
    """By the bytes."""
    n: int
    """Of the image that it will be."""
    number: int
    """From 1; servers may skip some, or send one twice."""


@dataclass(frozen=True, slots=True)
class Images:
    """What came of a call: the images that are there, and why the others are not."""

    images: tuple[Image, ...]
    failures: Mapping[int, ImagecliError]
    """Image number, from 1 → why it is missing."""
    route: str | None
    """The endpoint that made them, such as "images/edits"."""
    model: str | None
    usage: Mapping[str, Any] | None
    """What the server counted, summed over all requests."""
    cost_usd: float | None
    """What it has cost: as the server says, else by what it counted and the price of a token; None: not known."""
    request_ids: tuple[str, ...]
    warnings: tuple[str, ...]
    partials: tuple[Image, ...] = ()
    """The last partial images of streams whose finished ones never came; `failures` says why."""
    svg_usage: Mapping[str, Any] | None = None
    """As `usage`, of the model that wrote SVG images, where the server counts it apart."""


class ImageClient:
    """Generates and edits images. Settings come from the arguments, then as they do for the commands."""

    def __init__(  # noqa: PLR0913 - each has a default
        self,
        *,
        profile: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dialect: str | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        retry_unknown: bool | None = None,
    ) -> None:
        """Remember where to send; nothing is sent yet.

        Args:
            profile: a profile of the config file, "openai" (the default) or "sandbox".
            base_url: another address, usually ending in /v1.
            api_key: the key for that address; without it the profile's own is looked up.
            dialect: how that server differs, as a profile names it ("sdcpp", "xai", …); by default the profile's own,
                or that of the host's name.
            timeout: seconds for one attempt as a whole.
            retries: attempts after the first, where that is safe.
            retry_unknown: send again what may have been billed already.

        Raises:
            UsageProblem: there is no such dialect, or the key is not text.
            AuthProblem: the key can't be sent.
        """
        if dialect is not None and dialect not in dialects.names():
            raise UsageProblem(f"unknown dialect {dialect}", hint=f"Known: {', '.join(dialects.names())}.")
        self._dialect = dialect
        self._typed: dict[str, object | None] = {
            "profile": profile,
            "base_url": base_url,
            "timeout": timeout,
            "retries": retries,
            "retry_unknown": retry_unknown,
        }
        if api_key is not None and not isinstance(api_key, str):
            raise UsageProblem("api_key must be text", hint="Give a str.")  # never what was given
        self._key: Key | None = make_key(api_key, Origin("flag", "api_key")) if api_key is not None else None

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: no connection stays open between calls."""

    def generate(
        self, prompt: str, *, params: Mapping[str, Any] | None = None, **options: Unpack[GenOptions]
    ) -> Images:
        """Make images from text.

        Args:
            prompt: what to show.
            params: any other fields of the request.
            options: see `GenOptions`.

        Raises:
            ImagecliError: no image came; by cause, as the command's exit codes. Where some came, `failures` says why
                the others did not.
        """
        return self._run("gen", options, params, lambda _: Inputs(_text(prompt)))

    def edit(
        self,
        image: Source | Iterable[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        markup: Source | None = None,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[EditOptions],
    ) -> Images:
        """Edit one or several images, all of it or what a mask opens in the first.

        Args:
            image: the input, or several; bytes of a file or paths.
            prompt: what the whole new image shows.
            mask: transparent where the image may change, or white where it has no transparency.
            markup: marks on a transparent ground, of the first input's size, that show what to change.
            params: any other fields of the request.
            options: see `EditOptions`; mask_rect, mask_ellipse, mask_color and expand are spelt as the flags take them.

        Raises:
            ImagecliError: as `generate`.
        """
        return self._run("edit", options, params, lambda most: _edit_inputs(image, prompt, mask, markup, most))

    def vary(self, image: Source, *, params: Mapping[str, Any] | None = None, **options: Unpack[VaryOptions]) -> Images:
        """Make variations of an image; `route` of the result says by which endpoint.

        Args:
            image: the input; bytes of a file or a path.
            params: any other fields of the request.
            options: see `VaryOptions`.

        Raises:
            ImagecliError: as `generate`.
        """
        return self._run("vary", options, params, lambda most: Inputs(images=(_input(image, most),)))

    def generate_stream(
        self, prompt: str, *, params: Mapping[str, Any] | None = None, **options: Unpack[GenOptions]
    ) -> Iterator[PartialImage | Image]:
        """Make images from text, and yield the partial images as they come, then the finished ones.

        A stream that is not read to its end goes on by itself, as it is paid for; its image is lost then.

        Args:
            prompt: as for `generate`.
            params: as for `generate`.
            options: see `GenOptions`; `partials` is 2 where it is not given.

        Raises:
            ImagecliError: as `generate`; also after those that came, where some did not.
        """
        yield from self._stream("gen", options, params, lambda _: Inputs(_text(prompt)))

    def edit_stream(
        self,
        image: Source | Iterable[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        markup: Source | None = None,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[EditOptions],
    ) -> Iterator[PartialImage | Image]:
        """Edit images, and yield the partial images as they come, then the finished ones.

        Args:
            image: as for `edit`.
            prompt: as for `edit`.
            mask: as for `edit`.
            markup: as for `edit`.
            params: as for `edit`.
            options: see `EditOptions`; `partials` is 2 where it is not given.

        Raises:
            ImagecliError: as `generate_stream`.
        """
        yield from self._stream("edit", options, params, lambda most: _edit_inputs(image, prompt, mask, markup, most))

    def _stream(
        self, command: Command, options: Mapping[str, object], params: Mapping[str, Any] | None, read: ReadInputs
    ) -> Iterator[PartialImage | Image]:
        events: queue.SimpleQueue[PartialImage | Images | BaseException] = queue.SimpleQueue()

        class Events(Observer):
            def partial(self, n: int, number: int, data: bytes) -> None:
                events.put(PartialImage(data, sniff(data), n, number))

        def work() -> None:
            try:
                events.put(self._run(command, {"partials": 2, **options}, params, read, Events()))
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                events.put(error)

        threading.Thread(target=work, daemon=True).start()
        while isinstance(event := events.get(), PartialImage):
            yield event
        if isinstance(event, BaseException):
            raise event
        yield from event.images
        if event.failures:
            raise event.failures[min(event.failures)]

    def _run(
        self,
        command: Command,
        options: Mapping[str, object],
        params: Mapping[str, Any] | None,
        read: ReadInputs,
        observer: Observer | None = None,
    ) -> Images:
        settings = self._settings(command, options)
        inputs = read(settings.options.max_pixels.value)
        intent = check(command, settings, inputs, _fields(params))
        planned = plan(intent)
        warnings = [*settings.warnings, *intent.warnings, *planned.warnings]
        sink = MemorySink()
        with answers_for(planned, settings.options) as answers, ExitStack() as at_end:
            client = accounts = None
            if answers is None or not answers.complete:
                client = open_client(settings, self._key or require_key(settings.profile, warn=warnings.append))
                at_end.callback(client.close)
                accounts = open_accounts(settings, inputs, warnings.append)
                if accounts is not None:
                    at_end.callback(accounts.close)
            jobs = settings.options.jobs.value
            result = execute(planned, client, sink, observer, jobs=jobs, answers=answers, accounts=accounts)
        return _images(result, sink, (*warnings, *result.warnings))

    def _settings(self, command: Command, options: Mapping[str, object]) -> Settings:
        """Return the settings, with the client's own dialect and key.

        Raises:
            TypeError: there is no such option.
        """
        known = {flag.name for flag in flags_of(command) if flag.field or flag.in_python}
        if unknown := options.keys() - known:
            raise TypeError(f"there is no option {', '.join(sorted(unknown))}{or_meant(min(unknown), known)}")
        settings = load(self._typed | dict(options), command=command)
        # Nothing is saved: no output's name asks for a format.
        settings = settings._replace(options=Options({**settings.options.__dict__, "output": UNSET}))
        profile = settings.profile
        if self._dialect is not None:
            profile = profile._replace(dialect=self._dialect)
        if self._key is None:
            return settings._replace(profile=profile)
        check_transport(profile, self._key.origin)
        warnings = tuple(warning for warning in settings.warnings if warning != profile.key_withheld)
        return settings._replace(profile=profile, warnings=warnings)


def _images(result: Result, sink: MemorySink, warnings: tuple[str, ...]) -> Images:
    """Return what came, with its bytes.

    Raises:
        ImagecliError: no image came.
    """
    if result.error is not None and isinstance(result.error.__cause__, KeyboardInterrupt):
        raise result.error.__cause__
    images = [(_image(one, sink), one.partial) for one in result.images]
    finished = tuple(image for image, partial in images if not partial)
    partials = tuple(image for image, partial in images if partial)
    if result.error is not None and not finished:
        result.error.partials = partials
        raise result.error
    return Images(
        finished,
        result.failures,
        result.route,
        result.model,
        result.usage,
        result.cost_usd,
        result.request_ids,
        warnings,
        partials,
        result.svg_usage,
    )


def _image(made: GeneratedImage, sink: MemorySink) -> Image:
    also = tuple(
        Image(data, each.format, each.width, each.height, each.n, made.revised_prompt)
        for each, data in zip(made.also, sink.sizes[made.n], strict=True)
    )
    facts = (made.format, made.width, made.height, made.n, made.revised_prompt)
    return Image(sink.data[made.n], *facts, made.outside_changed, also, made.cached)


def _edit_inputs(
    image: Source | Iterable[Source],
    prompt: str,
    mask: Source | None,
    markup: Source | None,
    most: int | None,
) -> Inputs:
    one = isinstance(image, (*_BYTES, str, os.PathLike, Mapping)) or _is_file(image) or not isinstance(image, Iterable)
    sources: list[Any] = [image] if one else list(image)  # type: ignore[arg-type] # it is iterable
    if not sources:
        raise UsageProblem("there is no image to edit", hint="Give bytes or a path, or a list of those.")
    return Inputs(
        _text(prompt),
        tuple(_input(source, most) for source in sources),
        None if mask is None else _input(mask, most),
        None if markup is None else _input(markup, most),
    )


def _fields(params: object) -> dict[str, Any]:
    """Return the further fields of a request.

    Raises:
        UsageProblem: they are not a mapping from names.
    """
    if params is None:
        return {}
    if not isinstance(params, Mapping) or not all(isinstance(name, str) and name for name in params):
        raise UsageProblem("params must be a mapping from names to values", hint='Give a dict such as {"steps": 4}.')
    return dict(params)


def _text(prompt: object) -> str:
    if not isinstance(prompt, str):
        raise UsageProblem("the prompt must be text", hint="Give a str.")
    return prompt


def _is_file(source: object) -> TypeIs[BinaryIO]:
    return callable(getattr(source, "read", None))


def _input(source: Source, most: int | None) -> InputImage:
    if isinstance(source, (str, os.PathLike)):
        return _named(os.fspath(source), most)
    if _is_file(source):  # an open file is a series of lines, too
        try:
            source = source.read()
        except (OSError, ValueError) as error:  # ValueError: it is closed, or open for writing only
            raise UsageProblem(
                f"the open file of an image can't be read: {error}", hint="Open it with 'rb'."
            ) from error
        if not isinstance(source, bytes):
            raise UsageProblem("the open file of an image gives text", hint="Open it with 'rb', or use io.BytesIO.")
    if isinstance(source, _BYTES):
        return open_input(bytes(source), "image", most)
    hint = "Read it first, for instance with Path.read_bytes()."
    if hasattr(source, "save"):  # an image of Pillow
        hint = "Save it first: image.save(file, 'PNG') into a file = io.BytesIO(), then give file.getvalue()."
    raise UsageProblem(
        f"an image must be bytes, a path or an open file of bytes, not {type(source).__name__}", hint=hint
    )


def _named(path: str | bytes, most: int | None) -> InputImage:
    name = os.fsdecode(path)
    if not name:
        raise UsageProblem("the path of an image is empty", hint="Give the path of an image, or its bytes.")
    if name.startswith(("http://", "https://")):
        raise UsageProblem("an image must be bytes or a path, not a URL", hint="Fetch it first, and give its bytes.")
    return read_input(name, most)
