"""ICC profiles: what colours one is for, whether it is sRGB by its curves and primaries, and one made of these.

Sources: ICC.1:2022; ITU-T H.273 for the numbers of primaries and transfer curves that PNG's cICP, AVIF and HEIC use;
ITU-R BT.2408 for the white of HDR.
"""

from __future__ import annotations

import enum
import functools
import io
import itertools
import math
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from PIL import Image, ImageCms

    Primaries: TypeAlias = tuple[float, ...]
    """The chromaticities x, y of white, red, green and blue."""
    Curve: TypeAlias = Callable[[float], float]
    """From a stored value to light, both 0 to 1."""
    Triple: TypeAlias = tuple[float, ...]

_TOLERANCE = 2
"""How far a channel may be from sRGB's, of 255, for a profile that is sRGB."""
_SPACES = {
    **dict.fromkeys(("1", "L", "LA", "La", "I", "F"), "GRAY"),
    **dict.fromkeys(("RGB", "RGBA", "RGBX", "RGBa", "P", "PA", "YCbCr", "HSV"), "RGB"),
    "CMYK": "CMYK",
    "LAB": "Lab",
}
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_POINTS = 4096
_D65 = (0.3127, 0.3290)
SRGB: Primaries = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ, _HLG = 16, 18
_WHITE = 203
"""The light of white in HDR, in cd/m²; what is brighter is white in sRGB."""


def space_of(mode: str) -> str:
    """Return the colour space that a profile must be for, by its ICC name, to belong to an image of a Pillow mode."""
    return _SPACES.get(mode, "GRAY" if mode.startswith("I;16") else "RGB")


def space_in(profile: bytes) -> str:
    """Return the colour space that a profile is for, by its ICC name; empty where it isn't a profile of colours."""
    if profile[36:40] != b"acsp" or profile[12:16] in (b"link", b"nmcl", b"abst"):
        return ""
    return profile[16:20].decode("latin-1").strip()


class Verdict(enum.Enum):
    """What a profile's colours are."""

    SRGB = enum.auto()
    OTHER = enum.auto()
    BROKEN = enum.auto()


def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB or GRAY profile means sRGB: whether its colours are sRGB's, whatever it calls itself."""
    return judge(profile) is Verdict.SRGB


@functools.lru_cache(maxsize=16)
def judge(profile: bytes) -> Verdict:
    """Return what a profile's colours are, by what it makes of some."""
    from PIL import Image, ImageCms

    steps = range(0, 256, 51)
    colours = [*itertools.product(steps, steps, steps), *((grey,) * 3 for grey in range(256))]
    probe = Image.frombytes("RGB", (len(colours), 1), bytes(itertools.chain.from_iterable(colours)))
    mode = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space_in(profile))
    if not mode:
        return Verdict.BROKEN
    try:
        seen = transform(probe.convert(mode), profile).tobytes()
    except ImageCms.PyCMSError:
        return Verdict.BROKEN
    meant = probe.convert(mode).convert("RGB").tobytes()
    near = all(abs(one - other) <= _TOLERANCE for one, other in zip(seen, meant, strict=True))
    return Verdict.SRGB if near and mode != "CMYK" else Verdict.OTHER


def opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    """Return a profile as LittleCMS reads it. Raises `ImageCms.PyCMSError` where it is broken."""
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError, TypeError) as error:
        raise ImageCms.PyCMSError(str(error)) from error


def transform(image: Image.Image, source: bytes | None, *, in_place: bool = False) -> Image.Image:
    """Return an image of a profile's values, or of LAB's by definition, in sRGB.

    With `in_place`, for RGB only, the image itself is changed. Raises `ImageCms.PyCMSError` where the profile is broken
    or can't be applied.
    """
    from PIL import ImageCms

    try:
        converted = ImageCms.applyTransform(image, _transform(source, image.mode), inPlace=in_place)
    except (OSError, ValueError, TypeError) as error:
        raise ImageCms.PyCMSError(str(error)) from error
    if in_place:
        return image
    if converted is None:
        raise ImageCms.PyCMSError("no transform")
    return converted


@functools.lru_cache(maxsize=4)
def _transform(source: bytes | None, mode: str) -> ImageCms.ImageCmsTransform:
    """Return the transform to sRGB, made once for all strips of an image."""
    from PIL import ImageCms

    profile = opened(source) if source else ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")


class Coding(NamedTuple):
    """Primaries and a transfer curve by their numbers in H.273."""

    primaries: int
    transfer: int
    full_range: bool = True
    """Whether black is 0 and white the largest value; else 16 and 235 of 255."""


def profile_of_coding(coding: Coding, *, grey: bool = False) -> bytes | None:
    """Return a profile for coded primaries and curve; None where these are unknown, or sRGB's."""
    primaries = _PRIMARIES.get(coding.primaries, SRGB)
    curve = _curve(coding.transfer)
    if not coding.full_range:
        return make_profile(primaries, lambda value: curve(min(1.0, max(0.0, (value * 255 - 16) / 219))), grey=grey)
    return None if primaries is SRGB and curve is srgb_curve else make_profile(primaries, curve, grey=grey)


def make_profile(primaries: Primaries, curve: Curve, *, grey: bool = False) -> bytes | None:
    """Return an RGB or GRAY profile of primaries and a curve; None for primaries that are not colours, or no white."""
    tags = {b"wtpt": _xyz(_D50)}
    try:
        columns = _colorants(primaries)
    except ValueError:
        return None
    values = [min(65535, max(0, round(65535 * curve(at / (_POINTS - 1))))) for at in range(_POINTS)]
    points = b"curv" + bytes(4) + struct.pack(f">I{_POINTS}H", _POINTS, *values)
    if grey:
        tags[b"kTRC"] = points
    else:
        tags |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), points)
    return _written(tags, b"GRAY" if grey else b"RGB ")


def srgb_curve(value: float) -> float:
    """Return the light of a value in sRGB, both 0 to 1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - the standard's


def gamma_curve(gamma: float) -> Curve:
    """Return a curve that is a power."""
    return lambda value: value**gamma


def _curve(transfer: int) -> Curve:
    """Return a transfer curve; sRGB's for those of television, as everything shows them, and for unknown ones."""
    if transfer in _GAMMAS:
        return gamma_curve(_GAMMAS[transfer])
    return {_PQ: _pq_curve, _HLG: _hlg_curve}.get(transfer, srgb_curve)


def _pq_curve(value: float) -> float:
    root = math.pow(value, 1 / 78.84375)
    light = math.pow(max(0.0, root - 0.8359375) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125)
    return light * 10_000 / _WHITE


def _hlg_curve(value: float) -> float:
    half = 0.5
    scene = value**2 / 3 if value <= half else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return math.pow(scene, 1.2) * 1000 / _WHITE


def _colorants(primaries: Primaries) -> list[Triple]:
    """Return the XYZ of red, green and blue under D50. Raises `ValueError` where they don't make white."""
    points = list(zip(primaries[::2], primaries[1::2], strict=True))
    if any(y <= 0 or x + y > 1 for x, y in points):
        raise ValueError("not a colour")
    white, *colours = ((x / y, 1.0, (1 - x - y) / y) for x, y in points)
    scales = [to / of for to, of in zip(_cones(_D50), _cones(white), strict=True)]
    shares = _solved(colours, white)
    if min(shares) <= 0:
        raise ValueError("white is not among them")
    colorants = []
    for share, colour in zip(shares, colours, strict=True):
        cones = (share * scale * cone for scale, cone in zip(scales, _cones(colour), strict=True))
        colorants.append(_solved(list(zip(*_BRADFORD, strict=True)), tuple(cones)))
    return colorants


def _cones(xyz: Triple) -> Triple:
    """Return what the eye's cones see of a colour, in Bradford's model."""
    return tuple(sum(weight * value for weight, value in zip(row, xyz, strict=True)) for row in _BRADFORD)


def _solved(columns: Sequence[Triple], result: Triple) -> Triple:
    """Return how much of each of three columns adds up to a result, by Cramer's rule. Raises `ValueError`."""
    whole = _determinant(columns)
    if not whole:
        raise ValueError("not independent")
    return tuple(_determinant((*columns[:at], result, *columns[at + 1 :])) / whole for at in range(3))


def _determinant(columns: Sequence[Triple]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = columns
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _xyz(values: Triple) -> bytes:
    fixed = (max(-(1 << 31), min((1 << 31) - 1, round(value * 65536))) for value in values)
    return b"XYZ " + bytes(4) + struct.pack(">3i", *fixed)


def _written(tags: dict[bytes, bytes], space: bytes) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    start = 132 + 12 * len(tags)
    for name, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4x4s4s4s4s12x4s28x", size, b"\x02\x40\0\0", b"mntr", space, b"XYZ ", b"acsp") + _xyz(_D50)[8:]
    return head + bytes(128 - len(head)) + table + body
