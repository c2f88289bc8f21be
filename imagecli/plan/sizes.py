"""The sizes that results are given here: --resize and --also."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.images.image_check import MAX_RESULT_PIXELS
from imagecli.images.types import MOST_SIDE, parse_size, size_meant

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Size
    from imagecli.options import Options

_ANIMATED_OR_DRAWN = ("gif", "svg")


class Sizes(NamedTuple):
    """The sizes of the files."""

    resize: Size | None = None
    """Of each image itself; None: as it comes."""
    also: tuple[Size, ...] = ()
    """Of the files beside it, each once."""


def read_sizes(options: Options, kind: str | None, warn: Callable[[str], None]) -> Sizes:
    """Return the sizes that results are given, without those that don't fit and were not typed: `warn` is told.

    Args:
        options: what is asked for.
        kind: the format of the files.
        warn: is told what is left out.

    Raises:
        UsageProblem: one is not a size, or too large, or what is asked for has no pixels to scale.
    """
    given = [value for value in (options.resize, options.also) if value.value]
    if kind in _ANIMATED_OR_DRAWN:
        for value in given:
            reason = f"{value.origin} can't be used with {kind}: only still images of pixels are scaled here"
            if value.typed:
                raise UsageProblem(reason, hint=f"Leave out {value.origin}, or choose png, jpeg or webp.")
            warn(f"{value.origin} is left out: {kind} has no still pixels to scale")
        return Sizes()
    resize, also = options.resize, tuple(dict.fromkeys(text.lower() for text in options.also.value or ()))
    sizes = Sizes(
        read_size(str(resize.origin), resize.value.lower()) if resize.value else None,
        tuple(read_size(str(options.also.origin), text) for text in also),
    )
    for size in (*filter(None, (sizes.resize,)), *sizes.also):
        longest = MOST_SIDE.get(kind or "", max(size))
        if max(size) > longest:
            raise UsageProblem(
                f"a {kind} can't have {size[0]}x{size[1]} pixels: its sides end at {longest:,}",
                hint="Choose a smaller size, or png.",
            )
    return sizes


def read_size(place: str, text: str) -> Size:
    """Return the size that a result is given; `place` names where it was found.

    Raises:
        UsageProblem: it is not a size, or too large.
    """
    size = parse_size(text)
    if size is None:
        near = size_meant(text, ())
        meant = f" (did you mean {near}?)" if near else ""
        raise UsageProblem(f"{place} {text} is not a size{meant}", hint="Write width and height in pixels: 512x512.")
    if size[0] * size[1] > MAX_RESULT_PIXELS:
        raise UsageProblem(f"{place} {text} has more than {MAX_RESULT_PIXELS:,} pixels", hint="Choose a smaller size.")
    return size
