"""CSS colours that Pillow does not read: hwb, lab, lch, oklab, oklch and color(srgb …).

Source: CSS Color Module Level 4. Colours outside sRGB are clipped to it. Alpha is ignored.
"""

from __future__ import annotations

import colorsys
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Triple = tuple[float, float, float]

_FUNCTION = re.compile(r"(?i)\s*(hwb|oklab|oklch|lab|lch|color)\(\s*(?:(srgb)\s+)?([^()]*?)\s*\)\s*")
_NUMBER = re.compile(r"(?i)([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(%|deg|grad|rad|turn)?")
_TURNS = {"deg": 360.0, "grad": 400.0, "rad": 2 * math.pi, "turn": 1.0}
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27
_D50 = (0.3457 / 0.3585, 1.0, (1.0 - 0.3457 - 0.3585) / 0.3585)
_D50_TO_D65 = (
    (0.955473421488075, -0.02309845494876471, 0.06325924320057072),
    (-0.0283697093338637, 1.0099953980813041, 0.021041441191917323),
    (0.012314014864481998, -0.020507649298898964, 1.330365926242124),
)
_XYZ_TO_SRGB = (
    (3.2409699419045226, -1.537383177570094, -0.4986107602930034),
    (-0.9692436362808796, 1.8759675015077202, 0.04155505740717559),
    (0.05563007969699366, -0.20397695888897652, 1.0569715142428786),
)
_OKLAB_TO_LMS = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_LMS_TO_SRGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


def rgb_of(text: str) -> tuple[int, int, int] | None:
    """Return red, green and blue, 0 to 255; None where the text isn't one of these functions."""
    function = _FUNCTION.fullmatch(text)
    if function is None:
        return None
    name = function[1].lower()
    parts = re.split(r"\s*[,/]\s*|\s+", function[3])[:3]
    if len(parts) < 3 or (name == "color") != bool(function[2]):  # noqa: PLR2004 - three channels
        return None
    full, convert = _FUNCTIONS[name]
    numbers = [_number(part, whole) for part, whole in zip(parts, full, strict=True)]
    if None in numbers:
        return None
    one, two, three = (number for number in numbers if number is not None)
    red, green, blue = convert(one, two, three)
    return _byte(red), _byte(green), _byte(blue)


def _number(text: str, whole: float | None) -> float | None:
    """Read a number, a percentage of `whole`, or (where that is None) a hue in turns; `none` is 0."""
    if text.lower() == "none":
        return 0.0
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    number, unit = float(match[1]), (match[2] or "").lower()
    if whole is None:
        return None if unit == "%" else number / _TURNS[unit or "deg"]
    if unit == "%":
        return number / 100 * whole
    return None if unit else number


def _byte(channel: float) -> int:
    return round(min(max(channel, 0.0), 1.0) * 255)


def _polar(chroma: float, hue: float) -> tuple[float, float]:
    angle = hue * 2 * math.pi
    return chroma * math.cos(angle), chroma * math.sin(angle)


def _hwb(hue: float, white: float, black: float) -> Triple:
    # Plain numbers are percentages here: hwb(120 20 30).
    white, black = (share / 100 if share > 1 else share for share in (white, black))
    if white + black >= 1:
        grey = white / (white + black)
        return grey, grey, grey
    red, green, blue = (pure * (1 - white - black) + white for pure in colorsys.hsv_to_rgb(hue % 1, 1, 1))
    return red, green, blue


def _lab(lightness: float, a: float, b: float) -> Triple:
    y = (lightness + 16) / 116
    x, z = a / 500 + y, y - b / 200
    light = y**3 if lightness > _KAPPA * _EPSILON else lightness / _KAPPA
    xyz = [_f_inverse(x) * _D50[0], light * _D50[1], _f_inverse(z) * _D50[2]]
    red, green, blue = map(_gamma, _times(_XYZ_TO_SRGB, _times(_D50_TO_D65, xyz)))
    return red, green, blue


def _f_inverse(value: float) -> float:
    return value**3 if value**3 > _EPSILON else (116 * value - 16) / _KAPPA


def _oklab(lightness: float, a: float, b: float) -> Triple:
    lms = [value**3 for value in _times(_OKLAB_TO_LMS, [lightness, a, b])]
    red, green, blue = map(_gamma, _times(_LMS_TO_SRGB, lms))
    return red, green, blue


def _times(matrix: tuple[Triple, Triple, Triple], vector: list[float]) -> list[float]:
    return [sum(factor * value for factor, value in zip(row, vector, strict=True)) for row in matrix]


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055  # noqa: PLR2004 - sRGB


def _lch(lightness: float, chroma: float, hue: float) -> Triple:
    return _lab(lightness, *_polar(chroma, hue))


def _oklch(lightness: float, chroma: float, hue: float) -> Triple:
    return _oklab(lightness, *_polar(chroma, hue))


def _srgb(red: float, green: float, blue: float) -> Triple:
    return red, green, blue


_Whole = float | None
_FUNCTIONS: dict[str, tuple[tuple[_Whole, _Whole, _Whole], Callable[[float, float, float], Triple]]] = {
    "hwb": ((None, 1.0, 1.0), _hwb),
    "lab": ((100.0, 125.0, 125.0), _lab),
    "lch": ((100.0, 150.0, None), _lch),
    "oklab": ((1.0, 0.4, 0.4), _oklab),
    "oklch": ((1.0, 0.4, None), _oklch),
    "color": ((1.0, 1.0, 1.0), _srgb),
}
"""What 100% is in each place (None: a hue), and the conversion to red, green and blue."""
