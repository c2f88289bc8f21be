"""The library face: the same workflow as the commands. Results hold bytes, and nothing is written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from imagecli import context
from imagecli.config.keys import check_transport, make_key, require_key
from imagecli.config.settings import load
from imagecli.config.values import Origin
from imagecli.dialects.openai import FIELDS
from imagecli.errors import UsageProblem
from imagecli.images.source import Picture, open_picture, read_picture
from imagecli.output import MemorySink
from imagecli.request import Asker
from imagecli.schema import Result
from imagecli.workflow import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from imagecli.config.keys import Key
    from imagecli.errors import ImagecliError
    from imagecli.schema import Command

Source = bytes | str | os.PathLike[str]
"""A picture: the bytes of a file, or a path."""

_OPTIONS = frozenset({*FIELDS, "model", "count", "jobs", "fit", "restore", "keep", "keep_metadata", "max_pixels"})
_EDIT_OPTIONS = _OPTIONS | {"mask_rect", "mask_ellipse", "mask_color", "mask_invert", "mask_feather", "expand"}


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
    request_ids: tuple[str, ...]
    warnings: tuple[str, ...]


class ImageClient:
    """Generates and edits images. Settings come from the arguments, then as they do for the commands."""

    def __init__(  # noqa: PLR0913 - each has a default
        self,
        *,
        profile: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        retry_unknown: bool | None = None,
    ) -> None:
        """Remember where to send; nothing is sent yet.

        Args:
            profile: a profile of the config file, "openai" (the default) or "sandbox".
            base_url: another address, usually ending in /v1.
            api_key: the key for that address; without it the profile's own is looked up.
            timeout: seconds for one attempt as a whole.
            retries: tries after the first, where that is safe.
            retry_unknown: send again what may have been billed already.
        """
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

    def generate(self, prompt: str, *, verbatim: bool = False, **options: Any) -> Images:  # noqa: ANN401 - see _run
        """Make images from text.

        Args:
            prompt: what to show.
            verbatim: put the guide's words before it, that keep dall-e-3 from rewriting it.
            options: the flags of `imagecli gen` by their names: model, count, size, quality, format, compression,
                background, moderation, style, response_format, jobs; `params` is a dict of any other fields.

        Raises:
            ImagecliError: no image came; by cause, as the command's exit codes. Where some came, `failures` says why
                the others did not.
        """
        return self._run("gen", options, prompt=_text(prompt), subject=prompt, verbatim=verbatim)

    def edit(
        self,
        image: Source | Iterable[Source],
        prompt: str,
        *,
        mask: Source | None = None,
        **options: Any,  # noqa: ANN401 - see generate
    ) -> Images:
        """Edit one or several images, everywhere or where a mask opens the first.

        Args:
            image: the picture, or several; bytes of a file or paths.
            prompt: what the whole new picture shows.
            mask: transparent where the picture may change, or white where it has no transparency.
            options: as for `generate`, and input_fidelity, fit ("pad", "crop", "stretch"), restore, keep,
                keep_metadata, max_pixels; mask_rect, mask_ellipse, mask_color and expand, each a list of texts as the
                flags take them; mask_invert and mask_feather.

        Raises:
            ImagecliError: as `generate`.
        """
        sources = [image] if isinstance(image, (bytes, str, os.PathLike)) else list(image)
        if not sources:
            raise UsageProblem("there is no picture to edit", hint="Give bytes or a path, or a list of those.")
        return self._run(
            "edit",
            options,
            prompt=_text(prompt),
            subject=prompt,
            inputs=tuple(_picture(source, options) for source in sources),
            mask=None if mask is None else _picture(mask, options),
        )

    def vary(self, image: Source, **options: Any) -> Images:  # noqa: ANN401 - see generate
        """Make look-alikes of an image; `route` of the result says by which endpoint.

        Args:
            image: the picture; bytes of a file or a path.
            options: as for `edit`.

        Raises:
            ImagecliError: as `generate`.
        """
        return self._run("vary", options, prompt=None, subject="image", inputs=(_picture(image, options),))

    def _run(self, command: Command, options: dict[str, Any], **asked: Any) -> Images:  # noqa: ANN401 - Asker.task's
        params = options.pop("params", None) or {}
        if unknown := options.keys() - (_EDIT_OPTIONS if command == "edit" else _OPTIONS):
            raise TypeError(f"there is no option {', '.join(sorted(unknown))}")
        settings = load(self._flags | options)
        settings.values.pop("output", None)
        if self._key is not None:
            check_transport(settings.profile, self._key.origin)
            settings = replace(settings, warnings=[w for w in settings.warnings if w != settings.profile.key_withheld])
        asker = Asker(command, settings)
        task = asker.task(params=params, **asked)
        result = Result(command, settings.profile.name, task.model.name)
        result.warnings += [*settings.warnings, *asker.warnings]
        key = self._key or require_key(settings.profile, warn=result.warnings.append)
        run = Run(task, result)
        pictures = run.prepare(task.routes[0])
        sink = MemorySink()
        client = context.open_client(settings, key, spool_folder=None)
        try:
            run.send(client, sink, pictures, range(1, task.count + 1), settings.value("jobs"))
        finally:
            client.close()
        if result.error is not None and isinstance(result.error.__cause__, KeyboardInterrupt):
            raise result.error.__cause__
        if result.error is not None and not result.images:
            raise result.error
        images = tuple(
            Image(sink.data[one.n], one.format, one.width, one.height, one.n, one.revised_prompt)
            for one in result.images
        )
        return Images(
            images,
            result.failures,
            result.route,
            result.model,
            result.usage,
            tuple(result.request_ids),
            tuple(result.warnings),
        )


def _text(prompt: object) -> str:
    if not isinstance(prompt, str):
        raise UsageProblem("a prompt is text", hint="Give a str.")
    return prompt


def _picture(source: Source, options: Mapping[str, Any]) -> Picture:
    most = options.get("max_pixels")
    if isinstance(source, bytes):
        return open_picture(source, "image", most)
    if isinstance(source, (str, os.PathLike)):
        return read_picture(os.fspath(source), most)
    raise UsageProblem("a picture is bytes or a path", hint="Read the file first, for instance with Path.read_bytes().")
