"""What the mask flags and --expand say, read from their texts; nothing here looks at a pixel.

Lengths are pixels of the original, upright picture or, with a percent sign, hundredths of its width or height. A
negative position counts from the right or bottom edge, a negative width or height ends that far from it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.images.types import Box, Size

SIDES = ("left", "top", "right", "bottom")
TOLERANCE = 32
"""How far from a colour a pixel may be by itself: the largest difference of a channel, of 255."""

_LENGTH = re.compile(r"\s*([+-]?(?:\d{1,7}(?:\.\d{0,6})?|\.\d{1,6}))\s*(%|px)?\s*")
_MOST_TOLERANCE = 255
_AREA_NUMBERS = 4
_AREA_HINT = "Write four numbers, in pixels or %: 10,10,200,100 or 50%,0,50%,100%."
_COLOR_HINT = "Write a CSS colour and how far a channel may be off, 0 to 255 or %: white, '#00ff00:40', 'white:10%'."
_EXPAND_HINT = "Write for instance --expand left=256 --expand top=20%, or --expand all=10%."


@dataclass(frozen=True, slots=True)
class Length:
    """A number of pixels, or a share of a side."""

    number: float
    percent: bool

    @property
    def negative(self) -> bool:
        """Whether it counts from the far edge; -0 does."""
        return math.copysign(1, self.number) < 0

    def of(self, side: int) -> float:
        """Return it in pixels of a side."""
        return self.number * side / 100 if self.percent else self.number


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle, or the ellipse in it."""

    flag: str
    text: str
    """As it was typed, for messages."""
    left: Length
    top: Length
    width: Length
    height: Length

    def box(self, size: Size) -> Box:
        """Return it on a picture, cut to it.

        Raises `UsageProblem` where nothing of it lies on the picture.
        """
        left, right = _span(self.left, self.width, size[0])
        top, bottom = _span(self.top, self.height, size[1])
        if left >= right or top >= bottom:
            raise UsageProblem(
                f"{self.flag} {self.text} opens nothing of the {size[0]}x{size[1]} picture",
                hint="X and Y count from the upper left corner of the upright picture; width and height follow.",
            )
        return left, top, right, bottom


def _span(start: Length, length: Length, side: int) -> tuple[int, int]:
    """Return where an area begins and ends along a side, in whole pixels of the picture."""
    begin = start.of(side) + (side if start.negative else 0)
    end = side + length.of(side) if length.negative else begin + length.of(side)
    return max(0, _round(begin)), min(side, _round(end))


def _round(value: float) -> int:
    return math.floor(value + 0.5)


@dataclass(frozen=True, slots=True)
class Near:
    """A colour, and what counts as the same."""

    text: str
    rgb: tuple[int, int, int]
    tolerance: int
    """The largest difference of a channel, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a picture may change, besides what a mask file opens."""

    areas: tuple[Area, ...] = ()
    """Rectangles and ellipses, by their flags."""
    colours: tuple[Near, ...] = ()
    invert: bool = False
    """Whether what all of that (the mask file too) opens is closed, and the rest open."""
    feather: int | None = None
    """Pixels on either side of the edge over which the change fades out; None: none, and a seam of its own around
    what was expanded."""

    @property
    def drawn(self) -> bool:
        """Whether something is opened by flags alone."""
        return bool(self.areas or self.colours)


@dataclass(frozen=True, slots=True)
class Margins:
    """How far a picture is to grow, to each side."""

    left: Length
    top: Length
    right: Length
    bottom: Length

    def of(self, size: Size) -> Box:
        """Return them in whole pixels: left, top, right, bottom.

        Raises `UsageProblem` where they come to nothing.
        """
        across, down = size
        left, right = (_round(length.of(across)) for length in (self.left, self.right))
        top, bottom = (_round(length.of(down)) for length in (self.top, self.bottom))
        if not any((left, top, right, bottom)):
            raise UsageProblem("--expand adds nothing to the picture", hint=_EXPAND_HINT)
        return left, top, right, bottom


RECT, ELLIPSE = "--mask-rect", "--mask-ellipse"


def read_area(flag: str, text: str) -> Area:
    """Read X,Y,W,H. Raises `UsageProblem` for anything else."""
    lengths = [_length(part) for part in text.split(",")]
    if len(lengths) != _AREA_NUMBERS or None in lengths:
        raise UsageProblem(f"{flag} must be X,Y,W,H, not {text}", hint=_AREA_HINT)
    left, top, width, height = (length for length in lengths if length)
    return Area(flag, text, left, top, width, height)


def read_colour(text: str) -> Near:
    """Read COLOR[:TOLERANCE]. Raises `UsageProblem` for anything else."""
    from PIL import ImageColor

    from imagecli.images.css import rgb_of

    name, colon, allowed = text.rpartition(":")
    name = name if colon else text
    tolerance = TOLERANCE
    if colon:
        length = _length(allowed)
        if length is None or length.negative or length.of(_MOST_TOLERANCE) > _MOST_TOLERANCE:
            raise UsageProblem(f"--mask-color {text} has no tolerance that can be read", hint=_COLOR_HINT)
        tolerance = _round(length.of(_MOST_TOLERANCE))
    try:
        red, green, blue = rgb_of(name) or ImageColor.getrgb(_with_commas(name))[:3]
    except ValueError:
        raise UsageProblem(f"--mask-color {text} is no colour that is known", hint=_COLOR_HINT) from None
    return Near(text, (red, green, blue), tolerance)


def _with_commas(colour: str) -> str:
    """Return a CSS colour in the older spelling, rgb(1, 2, 3) for rgb(1 2 3 / 50%), and without its alpha."""
    function = re.fullmatch(r"(?i)\s*(rgb|hsl|hsv)a?\(\s*([^()]*?)\s*\)\s*", colour)
    if not function:
        return colour.strip()
    numbers = re.split(r"\s*[,/]\s*|\s+", function[2])[:3]
    if function[1].lower() != "rgb":
        numbers[0] = re.sub(r"(?i)deg$", "", numbers[0])
    return f"{function[1].lower()}({','.join(numbers)})"


def read_margins(texts: Sequence[str]) -> Margins:
    """Read SIDE=LENGTH, repeated; a side that stands there twice grows as said last. Raises `UsageProblem`."""
    sides: dict[str, Length] = {}
    for text in texts:
        side, equals, number = text.partition("=")
        side = side.strip().lower()
        length = _length(number)
        if not equals or length is None or (side != "all" and side not in SIDES):
            raise UsageProblem(f"--expand {text} is no SIDE=LENGTH", hint=_EXPAND_HINT)
        if length.negative:
            raise UsageProblem(f"--expand {text} would make the picture smaller", hint=_EXPAND_HINT)
        sides |= dict.fromkeys(SIDES if side == "all" else (side,), length)
    nothing = Length(0, percent=False)
    return Margins(*(sides.get(side, nothing) for side in SIDES))


def _length(text: str) -> Length | None:
    match = _LENGTH.fullmatch(text)
    return Length(float(match[1]), match[2] == "%") if match else None
