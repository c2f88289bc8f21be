"""What a file says of its own making: texts that programs leave in it, and whether it has a C2PA manifest.

Sources: PNG (ISO/IEC 15948) text chunks; C2PA 2.1, A.3: the chunk caBX in PNG, APP11 in JPEG, the chunk C2PA in WebP;
EXIF 2.32: UserComment, where Stable Diffusion's programs put in a JPEG or WebP what they put in a PNG as `parameters`.
"""

from __future__ import annotations

import re
import warnings
import zlib
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.pillow import FORMATS, open_with_pillow
from imagecli.images.png_chunks import SIGNATURE, body_of, inflated, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_MAX_TEXT = 1 << 20
"""Bytes of a text, inflated."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_MAX_SEGMENTS = 10_000
_APP11, _SOS, _EOI = 0xEB, 0xDA, 0xD9


class Embedded(NamedTuple):
    """What a file holds besides its pixels."""

    c2pa: bool | None
    """Whether it has a C2PA manifest, valid or not; None: not known for this format."""
    texts: dict[str, str]
    """Keyword → text; of EXIF's comment the keyword is `parameters`."""


def read_embedded(path: str) -> Embedded:
    """Return what an image file holds; what is damaged is passed over.

    Raises:
        OSError: the file can't be read.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        file.seek(0)
        if head.startswith(SIGNATURE):
            chunks = [chunk for chunk in walk(file) if chunk.kind in {*_TEXTS, b"caBX"}]
            texts = dict(_png_texts(file))
            return Embedded(any(chunk.kind == b"caBX" for chunk in chunks), _comment(file) | texts)
        if head.startswith(b"\xff\xd8"):
            return Embedded(_jpeg_has_c2pa(file), _comment(file))
        if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            return Embedded(b"C2PA" in _webp_chunks(file), _comment(file))
        return Embedded(None, _comment(file))


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    for chunk in walk(file):
        if chunk.kind not in _TEXTS or chunk.length > _MAX_TEXT:
            continue
        keyword, _, body = body_of(file, chunk).partition(b"\0")
        encoding = "latin-1"
        if chunk.kind == b"zTXt":
            body = inflated(body[1:], _MAX_TEXT) or b""
        elif chunk.kind == b"iTXt":
            encoding, packed = "utf-8", body[:1] == b"\1"
            body = body[2:].partition(b"\0")[2].partition(b"\0")[2]
            body = (inflated(body, _MAX_TEXT) or b"") if packed else body
        yield keyword.decode("latin-1"), body.decode(encoding, "replace")


def _jpeg_has_c2pa(file: BinaryIO) -> bool:
    """Return whether a segment before the pixels is a C2PA manifest."""
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        marker = file.read(4)
        if len(marker) < 4 or marker[0] != 0xFF or marker[1] in {_SOS, _EOI}:  # noqa: PLR2004 - FF, code, length
            return False
        body = file.read(max(0, int.from_bytes(marker[2:], "big") - 2))
        if marker[1] == _APP11 and body.startswith(b"JP") and b"c2pa" in body[:200]:
            return True
    return False


def _webp_chunks(file: BinaryIO) -> set[bytes]:
    """Return the kinds of a WebP's chunks."""
    found: set[bytes] = set()
    position = 12
    for _ in range(_MAX_SEGMENTS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004 - kind, length
            break
        found.add(head[:4])
        length = int.from_bytes(head[4:], "little")
        position += 8 + length + length % 2
    return found


def _comment(file: BinaryIO) -> dict[str, str]:
    """Return EXIF's comment as `parameters`; nothing where there is none, or it can't be read."""
    file.seek(0)
    try:
        with warnings.catch_warnings(action="ignore"), open_with_pillow(file, FORMATS) as image:
            comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    except (Exception, zlib.error):  # noqa: BLE001 - Pillow raises nearly anything on broken files, and this is an extra
        return {}
    if isinstance(comment, str):
        comment = comment.encode("latin-1", "replace")
    if not isinstance(comment, bytes) or len(comment) > _MAX_TEXT:
        return {}
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        # The byte order is the file's, which programs disagree on: ASCII has a zero in one place or the other.
        encoding = "utf-16-be" if re.match(rb"\0[^\0]", body) else "utf-16-le"
        return {"parameters": body.decode(encoding, "replace")}
    return {"parameters": body.decode("utf-8", "replace")} if code == b"ASCII\0\0\0" else {}
