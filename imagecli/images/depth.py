"""Depth: grey of 16 or 32 bits, integers or floating point, as 8 bits; and colours that only 16 bits tell apart."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops, ImageMath

if TYPE_CHECKING:
    from collections.abc import Sequence

# The largest grey values of the ranges that files with more than eight bits use.
_MAX_8 = 255
_MAX_12 = 4095
_MAX_16 = 65535
_LEVELS = 16
"""Floating point up to 255 is taken for 0 to 255 from this value on; below, for 0 to 1 and a little more."""
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
"""TIFF tags."""
_WHITE_IS_ZERO = 0
_FLOAT_MAX = 3.4028234663852886e38


def is_wide(mode: str) -> bool:
    """Return whether one of Pillow's modes is grey with more than 8 bits."""
    return mode.startswith("I;16") or mode in ("I", "F")


def narrow(image: Image.Image) -> Image.Image:
    """Scale wide grey to RGB, or to RGBA where one value is marked as transparent."""
    tags = getattr(image, "tag_v2", {})
    flat = _stretch(image) if image.mode == "F" else _scale(image)
    # Pillow inverts what TIFF calls "white is zero" up to 8 bits only.
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        flat = ImageChops.invert(flat)
    key = image.info.get("transparency")
    if image.mode == "F" or not isinstance(key, int):
        return flat.convert("RGB")
    flat = flat.convert("RGB")
    flat.putalpha(image.convert("I").point(_all_but(key), "L"))
    return flat


@functools.lru_cache(maxsize=1)
def _all_but(key: int) -> list[int]:
    """Return a table that makes one value transparent, made once for all strips of an image."""
    return [255 * (value != key) for value in range(1 << 16)]


@functools.lru_cache(maxsize=2)
def _scale_to(top: float) -> list[int]:
    """Return a table in which a value is white, made once for all strips of an image."""
    return [min(255, round(value * 255 / top)) for value in range(1 << 16)]


def with_key(high: Image.Image, low: Image.Image, key: Sequence[int]) -> Image.Image:
    """Return 16-bit RGB, given as its high and its low bytes, as RGBA that is transparent where it is of one colour."""
    differs = Image.new("L", high.size)
    for half, shift in ((high, 8), (low, 0)):
        for band, value in zip(half.split(), key, strict=True):
            wanted = value >> shift & 0xFF
            differs = ImageChops.lighter(differs, band.point([255 * (level != wanted) for level in range(256)]))
    keyed = high.copy()
    keyed.info.pop("transparency", None)
    keyed.putalpha(differs)
    return keyed


def _scale(image: Image.Image) -> Image.Image:
    """Scale integers to L."""
    wide = image.convert("I")
    low, high = _extrema(wide)
    if low < 0 or high > _MAX_16:
        return _scale_unsigned(wide) if _is_unsigned(image) else _stretch(wide.convert("F"))
    return wide.point(_scale_to(_top(image, high)), "L")


def _is_unsigned(image: Image.Image) -> bool:
    """Return whether integers of 32 bits have no sign, which Pillow doesn't mind."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_SAMPLE_FORMAT, 1) in (1, (1,))


def _scale_unsigned(wide: Image.Image) -> Image.Image:
    """Scale 32 bits, of which Pillow takes the highest for a sign, to L."""
    floats: Image.Image = ImageMath.lambda_eval(
        lambda args: args["x"] + (args["x"] < 0) * float(1 << 32), x=wide.convert("F")
    )
    return floats.point(lambda value: value * (255 / ((1 << 32) - 1)) + 0.5).convert("L")


def _top(image: Image.Image, high: float) -> int:
    """Return the value of white: what the file declares, or else what its largest value suggests."""
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
        return _MAX_12 if bits in (12, (12,)) else _MAX_16
    # Pillow scales PNG and PPM to 16 bits in mode I; in other formats small values are 8 bits in a wide type.
    return _MAX_8 if high <= _MAX_8 and getattr(image, "format", None) not in ("PNG", "PPM") else _MAX_16


def _stretch(image: Image.Image) -> Image.Image:
    """Scale floating point to L: from 0 to 1 or 0 to 255 where the values fit, else from the lowest to the highest.

    What is not a number is black, infinity white.
    """
    finite = _finite(image)
    low, high = finite.low, finite.high
    if low >= 0 and high <= 1:
        low, high = 0, 1
    elif low >= 0 and _LEVELS <= high <= _MAX_8:
        low, high = 0, _MAX_8
    # Halved, as the difference of the largest numbers would be infinite.
    span = high / 2 - low / 2
    scale = 127.5 / span if span > 0 else 0
    # Half a level is added because Pillow truncates the fraction.
    return finite.image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


class _Finite(NamedTuple):
    image: Image.Image
    low: float
    high: float


def _finite(image: Image.Image) -> _Finite:
    """Return floating point with the lowest finite value in place of NaN and -infinity, and the highest of infinity."""
    is_finite = ImageMath.lambda_eval(lambda args: args["convert"](args["x"] - args["x"] == 0, "L"), x=image)
    mask = is_finite.point([0] + [255] * 255, "1")
    if mask.getbbox() is None:
        return _Finite(Image.new("F", image.size), 0, 0)
    low = _extrema(_filled(image, mask, _FLOAT_MAX))[0]
    high = _extrema(_filled(image, mask, -_FLOAT_MAX))[1]
    infinite = ImageMath.lambda_eval(lambda args: args["convert"](args["x"] > _FLOAT_MAX, "L"), x=image)
    filled = _filled(image, mask, low)
    filled.paste(high, (0, 0, *image.size), infinite.point([0] + [255] * 255, "1"))
    return _Finite(filled, low, high)


def _filled(image: Image.Image, mask: Image.Image, value: float) -> Image.Image:
    """Return an image where the mask is set, and a value elsewhere."""
    filled = Image.new("F", image.size, value)
    filled.paste(image, (0, 0), mask)
    return filled


def _extrema(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    return float(low), float(high)  # type: ignore[arg-type]  # one band: two numbers
