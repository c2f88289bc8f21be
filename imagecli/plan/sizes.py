"""The sizes that results are given here: --resize and --also."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.images.sniffing import MAX_RESULT_PIXELS
from imagecli.images.types import MOST_SIDE, parse_size
from imagecli.saving.names import asked_format

if TYPE_CHECKING:
    from imagecli.images.types import Size
    from imagecli.options import Options

_ANIMATED_OR_DRAWN = ("gif", "svg")


class Sizes(NamedTuple):
    """The sizes of the files."""

    resize: Size | None = None
    """Of each image itself; None: as it comes."""
    also: tuple[Size, ...] = ()
    """Of the files beside it, each once."""


def read_sizes(options: Options) -> Sizes:
    """Return the sizes that results are given.

    Raises:
        UsageProblem: one is not a size, or too large, or what is asked for has no pixels to scale.
    """
    resize, also = options.resize, options.also
    texts = tuple(dict.fromkeys(text.lower() for text in also.value or ()))
    if resize.value is None and not texts:
        return Sizes()
    kind = asked_format(options.output.value) or options.format.value
    flag = "--also" if resize.value is None else str(resize.origin)
    if kind in _ANIMATED_OR_DRAWN:
        raise UsageProblem(
            f"{flag} can't be used with {kind}: only still images of pixels are scaled here",
            hint=f"Leave out {flag}, or choose png, jpeg or webp.",
        )
    sizes = Sizes(
        None if resize.value is None else _read(flag, resize.value.lower()),
        tuple(_read("--also", text) for text in texts),
    )
    for size in (*filter(None, (sizes.resize,)), *sizes.also):
        longest = MOST_SIDE.get(kind or "", max(size))
        if max(size) > longest:
            raise UsageProblem(
                f"a {kind} can't have {size[0]}x{size[1]} pixels: its sides end at {longest:,}",
                hint="Choose a smaller size, or png.",
            )
    return sizes


def _read(flag: str, text: str) -> Size:
    size = parse_size(text)
    if size is None:
        raise UsageProblem(f"{flag} {text} is not a size", hint="Write width and height in pixels: 512x512.")
    if size[0] * size[1] > MAX_RESULT_PIXELS:
        raise UsageProblem(f"{flag} {text} has more than {MAX_RESULT_PIXELS:,} pixels", hint="Choose a smaller size.")
    return size
