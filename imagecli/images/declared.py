"""Colours that a file declares without an ICC profile: by PNG's chunks, or by numbers in AVIF and HEIC.

Sources: PNG (W3C, third edition), 4.3 for which chunk counts; ISO/IEC 23008-12 for the property colr.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imagecli.images.boxes import box, properties
from imagecli.images.icc import SRGB, Coding, gamma_curve, make_profile, profile_of_coding, srgb_curve
from imagecli.images.png_chunks import body_of, profile_in, walk

if TYPE_CHECKING:
    from typing import BinaryIO

    from imagecli.images.icc import Primaries

_CHUNKS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})
_SRGB_GAMMA = range(43182, 47728)
"""The gAMA of files that mean sRGB, 45455, and what libpng takes for the same."""
_GAMMAS = range(10_000, 1_000_001)
"""What else makes sense: a gamma of 10 to 0.1."""


def profile_of_png(file: BinaryIO, *, grey: bool) -> bytes | None:
    """Return the ICC profile of a PNG whose chunks are whole, or one that says the same; None: sRGB, or unknown."""
    bodies: dict[bytes, bytes] = {}
    for chunk in walk(file):
        if chunk.kind == b"IDAT":
            break
        if chunk.kind in _CHUNKS:
            bodies[chunk.kind] = body_of(file, chunk)
    if b"cICP" in bodies and bodies[b"cICP"][2] == 0:
        primaries, transfer, _, full_range = bodies[b"cICP"]
        return profile_of_coding(Coding(primaries, transfer, full_range=bool(full_range)), grey=grey)
    if b"iCCP" in bodies:
        return profile_in(bodies[b"iCCP"])
    if b"sRGB" in bodies:
        return None
    (gamma,) = struct.unpack(">I", bodies.get(b"gAMA", b"\0\0\0\0"))
    curve = gamma_curve(100_000 / gamma) if gamma in _GAMMAS and gamma not in _SRGB_GAMMA else srgb_curve
    colours = _chromaticities(bodies[b"cHRM"]) if b"cHRM" in bodies else SRGB
    return None if curve is srgb_curve and colours is SRGB else make_profile(colours, curve, grey=grey)


def _chromaticities(chrm: bytes) -> Primaries:
    return tuple(value / 100_000 for value in struct.unpack(">8I", chrm))


def profile_of_heif(data: bytes, *, grey: bool) -> bytes | None:
    """Return a profile for the primaries and the curve that an AVIF or HEIC declares; None: sRGB, or unknown."""
    try:
        coding = _coding_in(data)
    except (struct.error, IndexError):
        return None
    return profile_of_coding(coding, grey=grey) if coding else None


def _coding_in(data: bytes) -> Coding | None:
    """Return the coding among the properties of the primary image."""
    for kind, body in properties(box(data, b"meta")):
        if kind == b"colr" and body[:4] == b"nclx":
            # How the decoder makes RGB of it, the range among that, is its own affair.
            return Coding(*struct.unpack_from(">HH", body, 4))
    return None
