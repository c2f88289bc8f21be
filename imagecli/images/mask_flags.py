"""The mask flags and --expand, read from their texts; nothing here looks at a pixel.

Lengths are pixels of the upright input or, with a percent sign, hundredths of its width or height. A negative position
counts from the right or bottom edge, a negative width or height ends that far from it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.text import or_meant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.images.types import Box, Size

SIDES = ("left", "top", "right", "bottom")
TOLERANCE = 32
"""How far a pixel may be from a colour by default: the largest difference of a channel, 0 to 255."""

_LENGTH = r"\s*([+-]?(?:\d{1,7}(?:\.\d{0,6})?|\.\d{1,6}))\s*(%|px)?\s*"
_MOST_TOLERANCE = 255
_AREA_NUMBERS = 4
_AREA_HINT = "Write four numbers, in pixels or %: 10,10,200,100 or 50%,0,50%,100%."
_COLOR_HINT = "Write a CSS colour, and how far a channel may differ, 0 to 255 or %: white, '#00ff00:40', 'white:10%'."
_EXPAND_HINT = "For example: --expand left=256 --expand top=20%, or --expand all=10%."


class Length(NamedTuple):
    """A number of pixels, or a percentage of a side."""

    number: float
    percent: bool

    @property
    def negative(self) -> bool:
        """Whether it counts from the far edge, as -0 does too."""
        return math.copysign(1, self.number) < 0

    def of(self, side: int) -> float:
        """Return the length in pixels, on a side of that many pixels."""
        return self.number * side / 100 if self.percent else self.number


class Area(NamedTuple):
    """A rectangle, or the ellipse inscribed in it."""

    flag: str
    text: str
    """As typed, for messages."""
    left: Length
    top: Length
    width: Length
    height: Length

    def box(self, size: Size) -> Box:
        """Return its box on an image, cut to the image.

        Raises `UsageProblem` where it lies outside the image.
        """
        left, right = _span(self.left, self.width, size[0])
        top, bottom = _span(self.top, self.height, size[1])
        if left >= right or top >= bottom:
            raise UsageProblem(
                f"{self.flag} {self.text} opens nothing of the {size[0]}x{size[1]} image",
                hint="X and Y count from the upper left corner of the upright image; width and height follow.",
            )
        return left, top, right, bottom


def _span(start: Length, length: Length, side: int) -> tuple[int, int]:
    """Return where an area begins and ends along a side, in whole pixels of the image."""
    begin = start.of(side) + (side if start.negative else 0)
    end = side + length.of(side) if length.negative else begin + length.of(side)
    return max(0, _round(begin)), min(side, _round(end))


def _round(value: float) -> int:
    return math.floor(value + 0.5)


class ColourRange(NamedTuple):
    """A colour, and how far from it another counts as the same."""

    text: str
    rgb: tuple[int, int, int]
    tolerance: int
    """The largest difference of a channel, 0 to 255."""


class MaskFlags(NamedTuple):
    """What flags open of an image, in addition to a mask file."""

    areas: tuple[Area, ...] = ()
    colours: tuple[ColourRange, ...] = ()
    invert: bool = False
    """Whether open and closed are swapped, including the mask file's."""
    feather: int | None = None
    """Pixels on either side of the edge over which the change fades out. None: the edge is sharp, except for a default
    seam around what was expanded."""

    @property
    def opens_anything(self) -> bool:
        """Whether they open something without a mask file."""
        return bool(self.areas or self.colours)


class Margins(NamedTuple):
    """How far an image is expanded on each side."""

    left: Length
    top: Length
    right: Length
    bottom: Length

    def of(self, size: Size) -> Box:
        """Return the margins of an image in whole pixels: left, top, right, bottom.

        Raises `UsageProblem` where all are zero.
        """
        across, down = size
        left, right = (_round(length.of(across)) for length in (self.left, self.right))
        top, bottom = (_round(length.of(down)) for length in (self.top, self.bottom))
        if not any((left, top, right, bottom)):
            raise UsageProblem("--expand adds nothing to the image", hint=_EXPAND_HINT)
        return left, top, right, bottom


RECT, ELLIPSE = "--mask-rect", "--mask-ellipse"


def read_area(flag: str, text: str) -> Area:
    """Parse X,Y,W,H. Raises `UsageProblem` for anything else."""
    lengths = [_length(part) for part in text.split(",")]
    if len(lengths) != _AREA_NUMBERS or None in lengths:
        raise UsageProblem(f"{flag} must be X,Y,W,H, not {text}", hint=_AREA_HINT)
    left, top, width, height = (length for length in lengths if length)
    return Area(flag, text, left, top, width, height)


def read_colour(text: str) -> ColourRange:
    """Parse COLOR[:TOLERANCE]. Raises `UsageProblem` for anything else."""
    from PIL import ImageColor

    from imagecli.images.css import rgb_of

    name, colon, allowed = text.rpartition(":")
    name = name if colon else text
    tolerance = TOLERANCE
    if colon:
        length = _length(allowed)
        if length is None or length.negative or length.of(_MOST_TOLERANCE) > _MOST_TOLERANCE:
            raise UsageProblem(f"--mask-color {text} has an invalid tolerance", hint=_COLOR_HINT)
        tolerance = _round(length.of(_MOST_TOLERANCE))
    try:
        red, green, blue = rgb_of(name) or ImageColor.getrgb(_with_commas(name))[:3]
    except ValueError:
        meant = or_meant(name, ImageColor.colormap)
        raise UsageProblem(f"--mask-color {text} is not a known colour{meant}", hint=_COLOR_HINT) from None
    return ColourRange(text, (red, green, blue), tolerance)


def _with_commas(colour: str) -> str:
    """Return a CSS colour in the older notation, rgb(1, 2, 3) for rgb(1 2 3 / 50%), without its alpha."""
    function = re.fullmatch(r"(?i)\s*(rgb|hsl|hsv)a?\(\s*([^()]*?)\s*\)\s*", colour)
    if not function:
        return colour.strip()
    numbers = re.split(r"\s*[,/]\s*|\s+", function[2])[:3]
    if function[1].lower() != "rgb":
        numbers[0] = re.sub(r"(?i)deg$", "", numbers[0])
    return f"{function[1].lower()}({','.join(numbers)})"


def read_margins(texts: Sequence[str]) -> Margins:
    """Parse repeated SIDE=LENGTH; for a side that is given twice, the last counts. Raises `UsageProblem`."""
    sides: dict[str, Length] = {}
    for text in texts:
        side, equals, number = text.partition("=")
        side = side.strip().lower()
        length = _length(number)
        if not equals or length is None or (side != "all" and side not in SIDES):
            meant = or_meant(side, (*SIDES, "all")) if side not in {*SIDES, "all"} else ""
            raise UsageProblem(f"--expand {text} is not SIDE=LENGTH{meant}", hint=_EXPAND_HINT)
        if length.negative:
            raise UsageProblem(f"--expand {text} would make the image smaller", hint=_EXPAND_HINT)
        sides |= dict.fromkeys(SIDES if side == "all" else (side,), length)
    zero = Length(0, percent=False)
    return Margins(*(sides.get(side, zero) for side in SIDES))


def _length(text: str) -> Length | None:
    match = re.fullmatch(_LENGTH, text)
    return Length(float(match[1]), match[2] == "%") if match else None
