"""Removes from a file what its pixels don't need: where and when a photograph was taken, with what, by whom.

The compressed pixels are copied unchanged; the caller checks that they still decode to the same. What a decoder needs
stays: the colour profile, gamma, resolution, Adobe's colour transform. A comment, a time stamp or an unknown chunk is
not enough reason to change a file that could be sent unchanged; where the file is changed anyway, they are removed too.

Sources: JPEG (ITU-T T.81, T.872) segments, PNG (ISO/IEC 15948) chunks, WebP (RFC 9649).
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.png_chunks import SIGNATURE, body_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, Literal

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
_PIECE = 1 << 20
_TRAILING = "data after the image"
_AMONG_PIXELS = "metadata between the scans"

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# The end of a scan: a marker that isn't stuffing (00), a restart (D0 to D7) or fill (FF).
_BETWEEN_SCANS = frozenset({0xC4, 0xCC, *range(0xDA, 0xDE), *range(_APP0, _APP15 + 1), _COM})
_AFTER_SCAN = rb"\xff+[^\x00\xd0-\xd7\xff]"


def without_metadata(file: BinaryIO, kind: str) -> tuple[bytes, tuple[str, ...]] | None:
    """Return a whole PNG, JPEG or WebP without its metadata, and what was removed ("EXIF", "XMP", …), each once.

    Where there is nothing to remove, the bytes are returned unchanged; None where metadata stands among the pixels, so
    that only encoding them anew leaves it out.
    """
    kept, found = [], []
    start = 0
    for end, name in _SPANS[kind](file):
        if name is None:
            kept.append((start, end))
        elif end > start:
            found.append(name)
        start = end
    if _AMONG_PIXELS in found:
        return None
    if _TOLERATED.issuperset(found):
        kept, found = [(0, start)], []
    # As a large file is not to be in memory twice, neither as a whole nor in parts.
    bare = BytesIO()
    for start, end in kept:
        file.seek(start)
        for position in range(start, end, _PIECE):
            bare.write(file.read(min(_PIECE, end - position)))
    if kind == "webp" and found:
        _resize_riff(bare)
    return bare.getvalue(), tuple(dict.fromkeys(found))


def _png(file: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Yield where each part of a file ends, with None if it stays, or else the name of what it holds."""
    yield len(SIGNATURE), None
    for chunk in walk(file):
        stays = chunk.kind in _PNG_KEPT or chunk.kind[:1].isupper()
        comment = chunk.kind == b"tEXt" and body_of(file, chunk).startswith(_COMMENT_KEYWORDS)
        name = _COMMENT if comment else _PNG_NAMES.get(chunk.kind, _OTHER)
        yield chunk.end, None if stays else name
    yield file.seek(0, 2), _TRAILING


def _jpeg(file: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Yield where each part of a file ends, with None if it stays, or else the name of what it holds.

    From the first scan to the end marker it is one part: where a scan ends is not certain in a file that is damaged but
    still decodes.
    """
    data = file.read()
    yield 2, None
    position = 2
    while segment := _segment(data, data.find(b"\xff", position)):
        # Decoders skip what stands between segments, so it may hide something.
        yield segment.start, _OTHER
        position = segment.start
        if segment.code in (_SOS, _EOI):
            break
        yield segment.end, _jpeg_name(segment, data)
        position = segment.end
    yield _scans(data, position)
    yield len(data), _TRAILING


class _Segment(NamedTuple):
    start: int
    """Where its marker begins, with the fill bytes before it."""
    code: int
    body: int
    """What follows its length."""
    end: int


def _segment(data: bytes, start: int) -> _Segment | None:
    """Return the segment whose marker begins at `start`, None where there is none."""
    if not 0 <= start < len(data) - 1:
        return None
    marker = start
    while data[marker + 1 : marker + 2] == b"\xff":
        marker += 1
    code = data[marker + 1] if marker + 1 < len(data) else _EOI
    end = min(marker + 2, len(data))
    if code in (0x00, 0x01, _EOI) or 0xD0 <= code <= 0xD7:  # noqa: PLR2004 - restart markers
        return _Segment(start, code, end, end)
    return _Segment(start, code, end + 2, end + int.from_bytes(data[end : end + 2], "big"))


def _scans(data: bytes, start: int) -> tuple[int, str | None]:
    """Return where the end marker ends that follows the first scan, and a name if metadata stands between the scans."""
    name = None
    position = start
    while following := re.compile(_AFTER_SCAN).search(data, position):
        segment = _segment(data, following.start())
        if segment is None:
            break
        if segment.code == _EOI:
            return segment.end, name
        if segment.code in _BETWEEN_SCANS:
            if _jpeg_name(segment, data) not in (None, *_TOLERATED):
                name = _AMONG_PIXELS
            position = segment.end
        else:
            # Damage: a decoder goes on behind it, at the next restart marker.
            position = segment.body
    return len(data), name


def _jpeg_name(segment: _Segment, data: bytes) -> str | None:
    """Return what a segment holds, None for one that stays."""
    code, body = segment.code, data[segment.body : segment.end]
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


def _webp(file: BinaryIO) -> Iterator[tuple[int, str | None]]:
    """Yield where each part of a file ends, with None if it stays, or else the name of what it holds."""
    data = file.read()
    yield _WEBP_HEADER, None
    position = _WEBP_HEADER
    last = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= last:
        kind = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        end = min(position + 8 + length + length % 2, len(data))
        yield end, None if kind in _WEBP_KEPT else _WEBP_NAMES.get(kind, _OTHER)
        position = end
    yield len(data), _TRAILING


def _resize_riff(webp: BytesIO) -> None:
    """Write its length into the header of a WebP, and that it has no EXIF or XMP."""
    with webp.getbuffer() as written:
        written[4:8] = (len(written) - 8).to_bytes(4, "little")
        if bytes(written[12:16]) == b"VP8X":
            written[20] &= ~_WEBP_EXIF_AND_XMP_FLAGS & 0xFF


_SPANS = {"png": _png, "jpeg": _jpeg, "webp": _webp}
