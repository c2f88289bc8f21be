"""The library face: the same workflow as the commands. Results hold bytes, and nothing is written."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypedDict

from imagecli import context, dialects
from imagecli.asking import Asker
from imagecli.config.keys import check_transport, make_key, require_key
from imagecli.config.settings import load
from imagecli.config.values import Origin
from imagecli.errors import PartialResult, UsageProblem
from imagecli.images.reading import Picture, open_picture, read_picture
from imagecli.images.sniffing import sniff
from imagecli.result import Result
from imagecli.running import Run
from imagecli.saving.sinks import MemorySink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self, Unpack

    from typing_extensions import TypeIs

    from imagecli.config.keys import Key
    from imagecli.errors import ImagecliError
    from imagecli.flags import Command

Source = bytes | str | os.PathLike[str] | BinaryIO
"""A picture: the bytes of a file, a path, or a file that is open for reading bytes."""


class Options(TypedDict, total=False):
    """What can be asked for besides the prompt: the flags of `imagecli gen` by their names."""

    model: str
    count: int
    """How many images, 1 to 10."""
    size: str
    """"WxH" in pixels, "auto", "square", "landscape" or "portrait"."""
    quality: str
    format: Literal["png", "jpeg", "webp", "gif", "svg"]
    compression: int
    """0 to 100, for jpeg and webp."""
    background: str
    moderation: str
    style: str
    response_format: Literal["url", "b64_json"]
    partials: int
    """Stream, with 1 to 3 partial images on the way."""
    frames: int
    frame_ms: int
    complexity: str
    safety_identifier: str
    params: Mapping[str, Any]
    """Any other fields of the request."""
    jobs: int
    """Requests at once."""


class PictureOptions(Options, total=False):
    """What can be asked for with an input picture: the flags of `imagecli vary` by their names."""

    input_fidelity: str
    fit: Literal["pad", "crop", "stretch"]
    restore: Literal["none", "aspect", "size"]
    keep_metadata: bool
    max_pixels: int


class EditOptions(PictureOptions, total=False):
    """What can be asked for of an edit: the flags of `imagecli edit` by their names."""

    mask_rect: Sequence[str]
    mask_ellipse: Sequence[str]
    mask_color: Sequence[str]
    mask_invert: bool
    mask_feather: int
    expand: Sequence[str]
    keep: bool


_OPTIONS: Mapping[Command, type[Options]] = {"gen": Options, "edit": EditOptions, "vary": PictureOptions}


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


@dataclass(frozen=True, slots=True)
class PartialImage:
    """An image on its way, as a stream shows it."""

    data: bytes = field(repr=False)
    format: str | None
    """By the bytes."""
    n: int
    """Of the image that it will be."""
    number: int
    """From 1; servers may leave some out, or send them twice."""


@dataclass(frozen=True, slots=True)
class Images:
    """What came of a call: the images that are there, and what went wrong with the others."""

    images: tuple[Image, ...]
    failures: dict[int, ImagecliError]
    """Image number, from 1 → why it is missing."""
    route: str | None
    """The endpoint that made them, such as "images/edits"."""
    model: str | None
    usage: dict[str, Any] | None
    """What the server counted, summed over all requests."""
    cost_usd: float | None
    """What the server says that it has cost; None where it does not say."""
    request_ids: tuple[str, ...]
    warnings: tuple[str, ...]
    partials: tuple[Image, ...] = ()
    """The last partial images of streams whose finished ones never came; `failures` says why."""


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
            dialect: how that server differs, as a profile names it ("sdcpp", "xai", …); the profile's own, else by the
                host's name.
            timeout: seconds for one attempt as a whole.
            retries: tries after the first, where that is safe.
            retry_unknown: send again what may have been billed already.

        Raises:
            UsageProblem: there is no such dialect.
        """
        if dialect is not None and dialect not in dialects.names():
            raise UsageProblem(f"there is no dialect {dialect}", hint=f"There are {', '.join(dialects.names())}.")
        self._dialect = dialect
        self._flags: dict[str, object | None] = {
            "profile": profile,
            "base_url": base_url,
            "timeout": timeout,
            "retries": retries,
            "retry_unknown": retry_unknown,
        }
        self._key: Key | None = make_key(api_key, Origin("flag", "api_key")) if api_key is not None else None

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open between calls."""

    def generate(self, prompt: str, *, verbatim: bool = False, **options: Unpack[Options]) -> Images:
        """Make images from text.

        Args:
            prompt: what to show.
            verbatim: put the guide's words before it, that keep dall-e-3 from rewriting it.
            options: see `Options`.

        Raises:
            ImagecliError: no image came; by cause, as the command's exit codes. Where some came, `failures` says why
                the others did not.
        """
        return self._run("gen", dict(options), prompt=_text(prompt), subject=prompt, verbatim=verbatim)

    def edit(
        self,
        image: Source | Iterable[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        markup: Source | None = None,
        **options: Unpack[EditOptions],
    ) -> Images:
        """Edit one or several images, everywhere or where a mask opens the first.

        Args:
            image: the picture, or several; bytes of a file or paths.
            prompt: what the whole new picture shows.
            mask: transparent where the picture may change, or white where it has no transparency.
            markup: marks on a transparent ground, of the first picture's size, that say what to change.
            options: see `EditOptions`; mask_rect, mask_ellipse, mask_color and expand are spelt as the flags take them.

        Raises:
            ImagecliError: as `generate`.
        """
        return self._run("edit", dict(options), **_edited(image, prompt, mask, markup, options))

    def vary(self, image: Source, **options: Unpack[PictureOptions]) -> Images:
        """Make look-alikes of an image; `route` of the result says by which endpoint.

        Args:
            image: the picture; bytes of a file or a path.
            options: see `PictureOptions`.

        Raises:
            ImagecliError: as `generate`.
        """
        return self._run("vary", dict(options), prompt=None, subject="image", inputs=(_picture(image, options),))

    def generate_stream(
        self, prompt: str, *, verbatim: bool = False, **options: Unpack[Options]
    ) -> Iterator[PartialImage | Image]:
        """Make images from text, and yield the partial images as they come, then the finished ones.

        A stream that nobody reads to its end goes on by itself, as it is paid for; its picture is lost then.

        Args:
            prompt: as for `generate`.
            verbatim: as for `generate`.
            options: see `Options`; `partials` is 2 where it is not given.

        Raises:
            ImagecliError: as `generate`; also behind those that came, where some did not.
        """
        yield from self._stream("gen", dict(options), prompt=_text(prompt), subject=prompt, verbatim=verbatim)

    def edit_stream(
        self,
        image: Source | Iterable[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        markup: Source | None = None,
        **options: Unpack[EditOptions],
    ) -> Iterator[PartialImage | Image]:
        """Edit images, and yield the partial images as they come, then the finished ones.

        Args:
            image: as for `edit`.
            prompt: as for `edit`.
            mask: as for `edit`.
            markup: as for `edit`.
            options: see `EditOptions`; `partials` is 2 where it is not given.

        Raises:
            ImagecliError: as `generate_stream`.
        """
        yield from self._stream("edit", dict(options), **_edited(image, prompt, mask, markup, options))

    def _stream(
        self,
        command: Command,
        options: dict[str, Any],
        **asked: Any,  # noqa: ANN401 - Asker.task's
    ) -> Iterator[PartialImage | Image]:
        told: queue.SimpleQueue[PartialImage | Images | BaseException] = queue.SimpleQueue()

        def show(n: int, number: int, data: bytes) -> None:
            told.put(PartialImage(data, sniff(data), n, number))

        def work() -> None:
            try:
                told.put(self._run(command, {"partials": 2} | options, show, **asked))
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                told.put(error)

        threading.Thread(target=work, daemon=True).start()
        while isinstance(come := told.get(), PartialImage):
            yield come
        if isinstance(come, BaseException):
            raise come
        yield from come.images
        if come.failures:
            raise come.failures[min(come.failures)]

    def _run(
        self,
        command: Command,
        options: dict[str, Any],
        show: Callable[[int, int, bytes], None] = lambda _n, _number, _data: None,
        **asked: Any,  # noqa: ANN401 - Asker.task's
    ) -> Images:
        params = dict(options.pop("params", None) or {})
        if unknown := options.keys() - _OPTIONS[command].__annotations__.keys():
            raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
        settings = load(self._flags | options)
        settings.values.pop("output", None)
        if self._dialect is not None:
            settings = replace(settings, profile=replace(settings.profile, dialect=self._dialect))
        if self._key is not None:
            check_transport(settings.profile, self._key.origin)
            settings = replace(settings, warnings=[w for w in settings.warnings if w != settings.profile.key_withheld])
        asker = Asker(command, settings)
        task = asker.task(params=params, **asked)
        result = Result(command, settings.profile.name, task.model.name)
        result.warnings += [*settings.warnings, *asker.warnings]
        key = self._key or require_key(settings.profile, warn=result.warnings.append)
        run = Run(task, result, show=show)
        pictures = run.prepare(task.routes[0])
        sink = MemorySink()
        client = context.open_client(settings, key, spool_folder=None)
        try:
            run.send(client, sink, pictures, range(1, task.count + 1), settings.value("jobs"))
        finally:
            client.close()
        if result.error is not None and isinstance(result.error.__cause__, KeyboardInterrupt):
            raise result.error.__cause__
        images = [
            (Image(sink.data[one.n], one.format, one.width, one.height, one.n, one.revised_prompt), one.partial)
            for one in result.images
        ]
        finished = tuple(image for image, partial in images if not partial)
        partials = tuple(image for image, partial in images if partial)
        if result.error is not None and not finished:
            if isinstance(result.error, PartialResult):
                result.error.partials = partials
            raise result.error
        return Images(
            finished,
            result.failures,
            result.route,
            result.model,
            result.usage,
            result.cost_usd,
            tuple(result.request_ids),
            tuple(result.warnings),
            partials,
        )


def _edited(
    image: Source | Iterable[Source],
    prompt: str,
    mask: Source | None,
    markup: Source | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what an edit hands on to `Asker.task`."""
    sources: list[Any] = [image] if isinstance(image, (bytes, str, os.PathLike)) or _is_file(image) else list(image)
    if not sources:
        raise UsageProblem("there is no picture to edit", hint="Give bytes or a path, or a list of those.")
    return {
        "prompt": _text(prompt),
        "subject": prompt,
        "inputs": tuple(_picture(source, options) for source in sources),
        "mask": None if mask is None else _picture(mask, options),
        "markup": None if markup is None else _picture(markup, options),
    }


def _text(prompt: object) -> str:
    if not isinstance(prompt, str):
        raise UsageProblem("a prompt is text", hint="Give a str.")
    return prompt


def _is_file(source: object) -> TypeIs[BinaryIO]:
    return hasattr(source, "read")


def _picture(source: Source, options: Mapping[str, Any]) -> Picture:
    most = options.get("max_pixels")
    if _is_file(source):  # an open file is a series of lines, too
        source = source.read()
    if isinstance(source, bytes):
        return open_picture(source, "image", most)
    if isinstance(source, (str, os.PathLike)):
        return read_picture(os.fspath(source), most)
    raise UsageProblem(
        "a picture is bytes, a path or an open file", hint="Read it first, for instance with Path.read_bytes()."
    )
