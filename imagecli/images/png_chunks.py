"""The chunks of a PNG: what of them makes its pixels, and a copy without those that decoders stumble over.

What is not pixels can't make a picture unreadable. A chunk that PNG calls ancillary is left out where it is broken, too
large or in the wrong place, as libpng does, and so all that browsers show. Sources: PNG (ISO/IEC 15948:2004, and the
third edition of 2025 for cICP, mDCV, cLLI, eXIf and animations); the limits are libpng's and Pillow's.
"""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_LENGTH = (1 << 31) - 1
_FRAMES = frozenset({b"fcTL", b"fdAT"})
"""Ancillary by name, but they hold the pixels of an animation."""
_LENGTHS = {
    **dict.fromkeys((b"gAMA", b"cICP"), 4),
    **dict.fromkeys((b"cLLI", b"acTL"), 8),
    b"sRGB": 1,
    b"tIME": 7,
    b"pHYs": 9,
    b"mDCV": 24,
    b"fcTL": 26,
    b"cHRM": 32,
}
_LENGTHS_BY_COLOUR_TYPE = {
    b"tRNS": {0: 2, 2: 6},
    b"sBIT": {0: 1, 2: 3, 3: 3, 4: 2, 6: 4},
    b"bKGD": {0: 2, 2: 6, 3: 1, 4: 2, 6: 6},
}
_BEFORE_PALETTE = frozenset(b"cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI".split())
_BEFORE_PIXELS = _BEFORE_PALETTE | frozenset(b"tRNS bKGD hIST pHYs sPLT acTL".split())
_ONCE = (_BEFORE_PIXELS | {b"tIME", b"eXIf"}) - {b"sPLT"}
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_MAX_TEXT = 1 << 20
"""The longest text, inflated; Pillow refuses a file with a longer one."""
_MAX_OTHERS = 1000
"""How many ancillary chunks are kept; libpng keeps as many."""
_EXIF_AS_TEXT = b"Raw profile type exif"
_MAX_PROFILE = 1 << 24
_PALETTE = 3
_HEADER_LENGTH = 13
_CRITICAL = rb"(?:PLTE|IDAT|IEND)"

_WINDOW = 1 << 20
"""Bytes that are read at once."""
_OVERLAP = 7
"""Bytes of a chunk's length and kind, less one."""
_MOST_SUMS = 4


class Chunk(NamedTuple):
    """Where a chunk stands in a file."""

    kind: bytes
    start: int
    """Of its length field."""
    length: int
    """Of its body."""

    @property
    def end(self) -> int:
        """Return where the next one begins."""
        return self.start + self.length + 12


class Repaired(NamedTuple):
    """A PNG without what was broken."""

    data: bytes
    removed: tuple[str, ...]
    """The names of the chunks that were left out, each once."""


def is_ancillary(kind: bytes) -> bool:
    """Return whether an image can be shown without a kind of chunk."""
    return kind[:1].islower() and kind not in _FRAMES


def body_of(file: IO[bytes], chunk: Chunk) -> bytes:
    """Return a chunk's body, shorter than it says where the file ends too early."""
    file.seek(chunk.start + 8)
    return file.read(chunk.length)


def walk(file: IO[bytes]) -> Iterator[Chunk]:
    """Yield the chunks of a PNG from IHDR to IEND, or as far as they go; the last may be cut off.

    After a chunk that lies about its length, it goes on with the next critical one.
    """
    size = file.seek(0, 2)
    last = Chunk(b"", 0, 0)
    position = len(SIGNATURE)
    while position + 8 <= size and last.kind != b"IEND":
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        chunk = Chunk(kind, position, length)
        if not kind.isalpha() or length > MAX_LENGTH or (chunk.end > size and is_ancillary(chunk.kind)):
            found = _next_critical(file, min(last.start + 8 if is_ancillary(last.kind) else position, position))
            if not found:
                return
            chunk = found
        yield chunk
        last, position = chunk, chunk.end


def repaired(file: BinaryIO) -> Repaired | None:
    """Return a PNG without its broken ancillary chunks; None where there are none, or it can't be helped."""
    chunks = list(walk(file))
    kinds = [chunk.kind for chunk in chunks]
    if kinds[:1] != [b"IHDR"] or b"IDAT" not in kinds:
        return None
    size = file.seek(0, 2)
    judge = _Judge(body_of(file, chunks[0]), last_pixels=max(chunk.start for chunk in chunks if chunk.kind == b"IDAT"))
    kept, removed = [], []
    position = len(SIGNATURE)
    for chunk in chunks:
        if chunk.start != position:
            removed.append("stray bytes")
        position = chunk.end
        if judge.is_sound(file, chunk):
            kept.append(chunk)
        else:
            removed.append(chunk.kind.decode("ascii"))
    if chunks[-1].kind != b"IEND" or position > size:
        removed.append("a cut-off end")
    if not removed or any(chunk.end > size for chunk in kept if chunk.kind != b"IEND"):
        return None
    pieces = [SIGNATURE, *(_read(file, chunk) for chunk in kept if chunk.kind != b"IEND"), chunk_of(b"IEND", b"")]
    return Repaired(b"".join(pieces), tuple(dict.fromkeys(removed)))


def png_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the size of a PNG whose pixels are whole, whatever its ancillary chunks are like; None of any other."""
    chunks = [chunk for chunk in walk(file) if not is_ancillary(chunk.kind)]
    kinds = [chunk.kind for chunk in chunks]
    if kinds[:1] != [b"IHDR"] or b"IDAT" not in kinds or kinds[-1] != b"IEND":
        return None
    for chunk in chunks:
        if not _has_its_checksum(file, chunk):
            return None
    width, height = struct.unpack(">II", body_of(file, chunks[0])[:8])
    return (width, height) if width and height else None


def repaired_bytes(data: bytes) -> bytes:
    """Return a PNG without its broken ancillary chunks, and anything else as it is."""
    found = repaired(BytesIO(data)) if data.startswith(SIGNATURE) else None
    return found.data if found else data


def exif_in(file: BinaryIO) -> bytes:
    """Return a PNG's EXIF, from its chunk, or a text where ImageMagick wrote it. Raises `ValueError` without any."""
    for chunk in walk(file):
        if chunk.kind == b"eXIf":
            return body_of(file, chunk)
        if chunk.kind in _TEXTS and chunk.length < _MAX_TEXT:
            keyword, _, text = body_of(file, chunk).partition(b"\0")
            if keyword == _EXIF_AS_TEXT:
                written = text if chunk.kind == b"tEXt" else inflated(text[1:], _MAX_TEXT) or b""
                # A blank line, the kind, the length, then hexadecimal digits.
                return bytes.fromhex(b"".join(written.split(b"\n")[3:]).decode("ascii"))
    raise ValueError("no EXIF")


def chunk_of(kind: bytes, body: bytes) -> bytes:
    """Return a chunk as it is written."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def inflated(data: bytes, limit: int) -> bytes | None:
    """Return what a whole zlib stream holds; None where it is broken, or longer than `limit`."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, limit)
    except zlib.error:
        return None
    return text if stream.eof else None


class _Judge:
    """Knows what came before a chunk, on which it depends whether the chunk may stand where it does."""

    def __init__(self, header: bytes, last_pixels: int) -> None:
        whole = len(header) == _HEADER_LENGTH
        self._colour_type = header[9] if whole else 0
        self._size = struct.unpack(">II", header[:8]) if whole else (0, 0)
        self._last_pixels = last_pixels
        self._seen: set[bytes] = set()
        self._frames = 0
        self._colours = 0
        self._others = 0

    def is_sound(self, file: BinaryIO, chunk: Chunk) -> bool:
        """Return whether a chunk is to be kept; a critical one always is."""
        sound = chunk.kind[:1].isupper() or (self._is_in_place(chunk) and self._holds(file, chunk))
        if chunk.kind == b"PLTE":
            self._colours = chunk.length // 3
        if sound:
            self._seen.add(chunk.kind)
        return sound

    def _is_in_place(self, chunk: Chunk) -> bool:
        kind, after_pixels = chunk.kind, b"IDAT" in self._seen
        return not (
            (kind in _ONCE and kind in self._seen)
            or (after_pixels and (kind in _BEFORE_PIXELS or chunk.start < self._last_pixels))
            or (kind in _BEFORE_PALETTE and b"PLTE" in self._seen)
        )

    def _holds(self, file: BinaryIO, chunk: Chunk) -> bool:
        """Return whether a chunk's checksum, length and content are right, as far as decoders insist."""
        body = body_of(file, chunk)
        checksum = struct.pack(">I", zlib.crc32(body, zlib.crc32(chunk.kind)))
        return file.read(4) == checksum and self._fits(chunk) and self._is_readable(chunk.kind, body)

    def _fits(self, chunk: Chunk) -> bool:
        """Return whether a chunk has the length that its kind must have."""
        if chunk.kind == b"tRNS" and self._colour_type == _PALETTE:
            return 0 < chunk.length <= self._colours
        lengths = _LENGTHS_BY_COLOUR_TYPE.get(chunk.kind)
        wanted = lengths.get(self._colour_type, -1) if lengths else _LENGTHS.get(chunk.kind, chunk.length)
        return chunk.length == wanted

    def _is_readable(self, kind: bytes, body: bytes) -> bool:
        if kind == b"iCCP":
            return profile_in(body) is not None
        if kind == b"acTL":
            return 0 < int.from_bytes(body[:4], "big") <= MAX_LENGTH
        if kind == b"fcTL" and not self._shows_frame(body):
            return False
        if kind in _FRAMES:
            # They are numbered; where one is missing, Pillow refuses those that follow.
            self._frames += 1
            return body[:4] == struct.pack(">I", self._frames - 1)
        self._others += 1
        return self._others <= _MAX_OTHERS and (kind not in _TEXTS or _is_text(kind, body))

    def _shows_frame(self, body: bytes) -> bool:
        """Return whether a frame of an animation lies within the image; Pillow reads no pixel where one doesn't."""
        width, height, left, top = struct.unpack_from(">4I", body, 4)
        return bool(width and height and left + width <= self._size[0] and top + height <= self._size[1])


def profile_in(body: bytes) -> bytes | None:
    """Return the colour profile of an iCCP chunk; None where it is broken."""
    name, _, rest = body.partition(b"\0")
    profile = inflated(rest[1:], _MAX_PROFILE) if name and rest[:1] == b"\0" else None
    return profile if profile and profile[36:40] == b"acsp" else None


def _is_text(kind: bytes, body: bytes) -> bool:
    keyword, separator, rest = body.partition(b"\0")
    if not (keyword and separator) or len(body) > _MAX_TEXT:
        return False
    if kind == b"tEXt":
        return True
    if kind == b"zTXt":
        return rest[:1] == b"\0" and inflated(rest[1:], _MAX_TEXT) is not None
    _language, *more = rest[2:].split(b"\0", 2)
    if rest[:1] not in (b"\0", b"\1") or len(more) < 2:  # noqa: PLR2004 - the keyword in that language, and the text
        return False
    return rest[:1] == b"\0" or inflated(more[1], _MAX_TEXT) is not None


def _next_critical(file: IO[bytes], start: int) -> Chunk | None:
    """Return the first critical chunk after a position whose checksum is right.

    No more is summed up than a few times the file: of a hostile one, each byte may look like a chunk's beginning.
    """
    size = file.seek(0, 2)
    left = _MOST_SUMS * size
    at = start
    while at < size:
        file.seek(at)
        window = file.read(_WINDOW)
        for match in re.finditer(_CRITICAL, window):
            begin = match.start() - 4
            chunk = Chunk(match[0], at + begin, int.from_bytes(window[max(0, begin) : begin + 4], "big"))
            if begin < 0 or chunk.end > size:
                continue
            left -= chunk.length
            if left < 0:
                return None
            if _has_its_checksum(file, chunk):
                return chunk
        at += len(window) - _OVERLAP if at + len(window) < size else len(window)
    return None


def _has_its_checksum(file: IO[bytes], chunk: Chunk) -> bool:
    file.seek(chunk.start + 8)
    checksum, left = zlib.crc32(chunk.kind), chunk.length
    while left and (piece := file.read(min(left, _WINDOW))):
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return not left and file.read(4) == struct.pack(">I", checksum)


def _read(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.start)
    return file.read(chunk.end - chunk.start)
