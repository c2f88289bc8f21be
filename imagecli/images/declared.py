"""Colours that a file declares without an ICC profile: by PNG's chunks, or by numbers in AVIF and HEIC.

Sources: PNG (W3C, third edition), 4.3 for which chunk counts; ISO/IEC 14496-12 and 23008-12 for the boxes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imagecli.images.icc import SRGB, Coding, gamma_curve, make_profile, profile_of_coding, srgb_curve
from imagecli.images.png_chunks import body_of, profile_in, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from imagecli.images.icc import Primaries

_CHUNKS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})
_SRGB_GAMMA = range(43182, 47728)
"""The gAMA of files that mean sRGB, 45455, and what libpng takes for the same."""
_GAMMAS = range(10_000, 1_000_001)
"""What else makes sense: a gamma of 10 to 0.1."""
_MAX_PROPERTIES = 1000
_FULL_BOX = 4
"""Bytes of version and flags at the beginning of some boxes."""


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
    meta = dict(_boxes(_box(data, b"meta")[_FULL_BOX:]))
    primary = _number(meta[b"pitm"][_FULL_BOX:], wide=meta[b"pitm"][0] > 0) if b"pitm" in meta else None
    inside = dict(_boxes(meta.get(b"iprp", b"")))
    properties = list(_boxes(inside.get(b"ipco", b"")))[:_MAX_PROPERTIES]
    for at in _properties_of(primary, inside.get(b"ipma", b"")):
        kind, body = properties[at - 1] if 0 < at <= len(properties) else (b"", b"")
        if kind == b"colr" and body[:4] == b"nclx":
            # How the decoder makes RGB of it, the range among that, is its own affair.
            return Coding(*struct.unpack_from(">HH", body, 4))
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and bodies of the boxes that follow one another."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        end = position + max(length, head) if length else len(data)
        yield kind, data[position + head : end]
        position = end


def _box(data: bytes, wanted: bytes) -> bytes:
    return next((body for kind, body in _boxes(data) if kind == wanted), b"")


def _properties_of(item: int | None, ipma: bytes) -> Iterator[int]:
    """Yield the numbers of an item's properties, from 1."""
    version, flags = ipma[0], ipma[3]
    (entries,) = struct.unpack_from(">I", ipma, _FULL_BOX)
    position = 8
    for _ in range(entries):
        number = _number(ipma[position:], wide=version > 0)
        position += 4 if version > 0 else 2
        count = ipma[position]
        position += 1
        form = "H" if flags & 1 else "B"
        found = struct.unpack_from(f">{count}{form}", ipma, position)
        position += count * struct.calcsize(form)
        if number == item:
            # The highest bit says that a reader must know the property.
            yield from (value & (0x7FFF if flags & 1 else 0x7F) for value in found)


def _number(data: bytes, *, wide: bool) -> int:
    return int(struct.unpack_from(">I" if wide else ">H", data)[0])
