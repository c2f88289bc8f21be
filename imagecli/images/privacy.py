"""Removes from a file what its pixels don't need: where and when a photograph was taken, with what, by whom.

The compressed pixels are copied unchanged. What a decoder needs stays: the colour profile, gamma, resolution, Adobe's
colour transform. A comment, a time stamp or an unknown chunk is not enough reason to change a file that could be sent
unchanged; where the file is changed anyway, they are removed too.

Sources: JPEG (ITU-T T.81, T.872) segments, PNG (ISO/IEC 15948) chunks, WebP (RFC 9649).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

_COMMENT = "comment"
_COMMENT_KEYWORDS = (b"Comment\0", b"Software\0")
_OTHER = "other metadata"
_PROVENANCE = "provenance"
_TIME = "time"
_TOLERATED = frozenset({_COMMENT, _TIME, _OTHER})
"""What is only removed along with something else."""
_PNG_KEPT = frozenset(b"cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST tRNS pHYs sPLT".split())
"""The ancillary chunks that stay; critical ones (IHDR, IDAT …) always do."""
_PNG_NAMES = {b"eXIf": "EXIF", b"tEXt": "text", b"zTXt": "text", b"iTXt": "text", b"tIME": _TIME, b"caBX": _PROVENANCE}
_JPEG_NAMES = (
    (0xE1, b"Exif\0", "EXIF"),
    (0xE1, b"http://ns.adobe.com/x", "XMP"),
    (0xED, b"", "IPTC"),
    (0xEB, b"", _PROVENANCE),
    (0xFE, b"", _COMMENT),
)
_WEBP_KEPT = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
_WEBP_NAMES = {b"EXIF": "EXIF", b"XMP ": "XMP"}
_WEBP_HEADER = 12
_WEBP_EXIF_AND_XMP_FLAGS = 0x0C
_EXIF_HEAD = b"Exif\0\0"
_RATIONALS = frozenset({0x011A, 0x011B})
_HARMLESS = _RATIONALS | {0x0112, 0x0128, 0x0213}
"""The EXIF tags for resolution and its unit, orientation, and chroma positioning."""
_TRAILING = "data after the image"

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# The end of a scan: a marker that isn't stuffing (00), a restart (D0 to D7) or fill (FF).
_AFTER_SCAN = rb"\xff+[^\x00\xd0-\xd7\xff]"


def without_metadata(data: bytes, kind: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a whole PNG, JPEG or WebP without its metadata, and what was removed ("EXIF", "XMP", …), each once.

    Where there is nothing to remove, the bytes are returned unchanged.
    """
    pieces, found = [], []
    for piece, name in _PIECES[kind](data):
        if name is None:
            pieces.append(piece)
        elif piece:
            found.append(name)
    if _TOLERATED.issuperset(found):
        return data, ()
    stripped = b"".join(pieces)
    return (_resized_riff(stripped) if kind == "webp" else stripped), tuple(dict.fromkeys(found))


def _png(data: bytes) -> Iterator[tuple[bytes, str | None]]:
    """Yield the file in pieces, each with None if it stays, or else the name of what it holds."""
    yield data[:8], None
    position, kind = 8, b""
    while position + 8 <= len(data) and kind != b"IEND":
        kind = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        stays = kind in _PNG_KEPT or kind[:1].isupper()
        comment = kind == b"tEXt" and data[position + 8 : end].startswith(_COMMENT_KEYWORDS)
        name = _COMMENT if comment else _PNG_NAMES.get(kind, _OTHER)
        yield data[position:end], None if stays else name
        position = end
    yield data[position:], _TRAILING


def _jpeg(data: bytes) -> Iterator[tuple[bytes, str | None]]:
    """Yield the file in pieces, each with None if it stays, or else the name of what it holds."""
    yield data[:2], None
    position = 2
    while 0 <= (marker := data.find(b"\xff", position)) < len(data) - 1:
        start = marker
        while data[marker + 1 : marker + 2] == b"\xff":
            marker += 1
        code = data[marker + 1] if marker + 1 < len(data) else _EOI
        # Decoders skip what stands between segments, so it may hide something.
        yield data[position:start], _OTHER
        if code == _EOI:
            position = min(marker + 2, len(data))
            yield data[start:position], None
            break
        end = marker + 2
        if code not in (0x00, 0x01, _SOI) and not 0xD0 <= code <= 0xD7:  # noqa: PLR2004 - restart markers
            end += int.from_bytes(data[end : end + 2], "big")
        if code == _SOS:
            following = re.compile(_AFTER_SCAN).search(data, end)
            end = following.start() if following else len(data)
        yield data[start:end], _jpeg_name(code, data[marker + 4 : end])
        position = end
    yield data[position:], _TRAILING


def _jpeg_name(code: int, body: bytes) -> str | None:
    """Return what a segment holds, None for one that stays."""
    if not (_APP0 <= code <= _APP15 or code == _COM):
        return None
    if code == _APP14 or (code == _APP0 and body.startswith(b"JFIF\0")):
        return None
    if code == _APP2 and body.startswith(b"ICC_PROFILE\0"):
        return None
    if code == _APP1 and body.startswith(_EXIF_HEAD) and _is_harmless(body[len(_EXIF_HEAD) :]):
        return None
    return next((name for marker, head, name in _JPEG_NAMES if code == marker and body.startswith(head)), _OTHER)


def _is_harmless(exif: bytes) -> bool:
    """Return whether EXIF holds the orientation and resolution and nothing else, not even in unused bytes."""
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"
    count = int.from_bytes(exif[8:10], order)
    entries, link = exif[10 : 10 + 12 * count], exif[10 + 12 * count : 14 + 12 * count]
    tags = {int.from_bytes(entries[start : start + 2], order) for start in range(0, len(entries), 12)}
    rationals = 8 * len(tags & _RATIONALS)
    return (
        exif[4:8] == (8).to_bytes(4, order)
        and tags <= _HARMLESS
        and len(tags) == count
        and not any(link)
        and len(exif) <= 14 + 12 * count + rationals
    )


def _webp(data: bytes) -> Iterator[tuple[bytes, str | None]]:
    """Yield the file in pieces, each with None if it stays, or else the name of what it holds."""
    yield data[:_WEBP_HEADER], None
    position = _WEBP_HEADER
    last = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= last:
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        end = min(position + 8 + length + length % 2, len(data))
        yield data[position:end], None if kind in _WEBP_KEPT else _WEBP_NAMES.get(kind, _OTHER)
        position = end
    yield data[position:], _TRAILING


def _resized_riff(data: bytes) -> bytes:
    """Return a WebP whose header has its length, and no longer announces EXIF or XMP."""
    written = bytearray(data)
    written[4:8] = (len(data) - 8).to_bytes(4, "little")
    if written[12:16] == b"VP8X":
        written[20] &= ~_WEBP_EXIF_AND_XMP_FLAGS & 0xFF
    return bytes(written)


_PIECES = {"png": _png, "jpeg": _jpeg, "webp": _webp}
