"""What a file holds besides its pixels: texts, XMP, EXIF's comments, C2PA's manifests. None of it is trusted.

Sources: PNG (ISO/IEC 15948) chunks, JPEG (ITU-T T.81) segments, WebP (RFC 9649), GIF89a extensions, ISO media boxes
(ISO/IEC 14496-12); XMP part 3 for where each keeps its packet; C2PA 2.2, A.3 for manifests; EXIF 2.32 for UserComment,
and ComfyUI for what it puts into Make and Model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.png_chunks import body_of, exif_in, inflated, walk
from imagecli.images.sniffing import sniff
from imagecli.provenance.xmp import MAX_PACKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO, Literal

    Span = tuple[int, int]
    """From and to, in bytes of the file."""

_HEAD = 4096
_MAX_TEXT = 1 << 20
"""Bytes of a text, inflated."""
_MAX_TEXTS = 64
_MAX_MANIFEST = 1 << 24
_MAX_BLOCKS = 100_000
_MAX_SVG = 1 << 24
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
XMP_KEYWORD = "XML:com.adobe.xmp"
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_SEGMENT = b"http://ns.adobe.com/xmp/extension/\0"
EXTENSION_HEAD = len(EXTENSION_SEGMENT) + 40
"""Its name, the packet's digest in hex, its length, and where this part belongs."""
EXIF_SEGMENT = b"Exif\0\0"
APP0, APP1, APP11, COM = 0xE0, 0xE1, 0xEB, 0xFE
_SOS, _EOI = 0xDA, 0xD9
_JUMBF = b"JP"
_JUMBF_HEAD = 16
"""JP, the box's instance, the part's number, and the head of the box, which each part repeats."""
GIF_XMP = b"XMP DataXMP"
GIF_TRAILER = bytes((1, *range(255, -1, -1), 0))
"""Ends a packet for readers that take it for blocks of a GIF."""
_GIF_C2PA = b"C2PA_GIF\x01\0\0"
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286
_EXIF_TEXTS = frozenset({0x010E, 0x010F, 0x0110})
"""ImageDescription, Make and Model."""
_MAX_TAGS = 1000


class Blocks(NamedTuple):
    """What a file holds besides its pixels."""

    kind: str | None
    """Its format; None: unknown."""
    texts: Mapping[str, str] = {}
    """Keyword → text; of a comment the keyword is `parameters`."""
    xmp: bytes | None = None
    """The main packet."""
    xmp_span: Span | None = None
    """Where it is, with its head."""
    extension: bytes | None = None
    """Of a JPEG: what did not fit into the main packet."""
    has_c2pa: bool | None = None
    """Whether it has a C2PA manifest, valid or not; None: not known for this format."""
    manifest: bytes | None = None
    """The manifest's boxes; None where they are too large."""


def read_blocks(file: BinaryIO) -> Blocks:
    """Return what a file holds; what is damaged is passed over, and what is too long is not read.

    Raises:
        OSError: the file can't be read.
    """
    file.seek(0)
    head = file.read(_HEAD)
    kind = sniff(head)
    readers = {"png": _png, "jpeg": _jpeg, "webp": _webp, "gif": _gif, "svg": _svg, "avif": _boxes, "heic": _boxes}
    return readers[kind](file, kind) if kind in readers else Blocks(kind)


def _read(file: BinaryIO, start: int, length: int, most: int) -> bytes | None:
    """Return a part of a file; None: it is longer than `most`, or the file ends before it."""
    if not 0 <= length <= most:
        return None
    file.seek(start)
    data = file.read(length)
    return data if len(data) == length else None


# PNG


def _png(file: BinaryIO, kind: str) -> Blocks:
    texts: dict[str, str] = {}
    xmp, span, manifest, has_c2pa = None, None, None, False
    for chunk in walk(file):
        if chunk.kind == b"caBX":
            has_c2pa = True
            manifest = _read(file, chunk.start + 8, chunk.length, _MAX_MANIFEST)
        elif chunk.kind in _TEXTS and chunk.length <= MAX_PACKET:
            keyword, data = _png_text(chunk.kind, body_of(file, chunk))
            if keyword == XMP_KEYWORD and xmp is None:
                xmp, span = data, (chunk.start, chunk.end)
            elif len(data) <= _MAX_TEXT and len(texts) < _MAX_TEXTS:
                texts.setdefault(keyword, data.decode("utf-8" if chunk.kind == b"iTXt" else "latin-1", "replace"))
    try:
        exif = exif_in(file)
    except ValueError:
        exif = b""
    return Blocks(kind, exif_texts(exif) | texts, xmp, span, None, has_c2pa, manifest)


def _png_text(kind: bytes, body: bytes) -> tuple[str, bytes]:
    """Return keyword and text of a chunk."""
    keyword, _, text = body.partition(b"\0")
    most = MAX_PACKET if keyword.decode("latin-1") == XMP_KEYWORD else _MAX_TEXT
    if kind == b"zTXt":
        text = inflated(text[1:], most) or b""
    elif kind == b"iTXt":
        is_packed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
        text = (inflated(text, most) or b"") if is_packed else text
    return keyword.decode("latin-1"), text


# JPEG


def segments(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yield code, start and end of each segment of a JPEG before its first scan."""
    position = 2
    for _ in range(_MAX_BLOCKS):
        file.seek(position)
        marker = file.read(4)
        while marker[:2] == b"\xff\xff":  # fill
            position += 1
            marker = marker[1:] + file.read(1)
        length = int.from_bytes(marker[2:], "big")
        if len(marker) < 4 or marker[0] != 0xFF or marker[1] in {_SOS, _EOI} or length < 2:  # noqa: PLR2004 - FF, code, length
            return
        yield marker[1], position, position + 2 + length
        position += 2 + length


def _jpeg(file: BinaryIO, kind: str) -> Blocks:
    texts: dict[str, str] = {}
    xmp, span, parts = None, None, []
    boxes: dict[bytes, list[bytes]] = {}
    for code, start, end in segments(file):
        if code not in {APP1, APP11, COM}:
            continue
        body = _read(file, start + 4, end - start - 4, 1 << 16) or b""
        if code == APP1 and body.startswith(XMP_SEGMENT) and xmp is None:
            xmp, span = body[len(XMP_SEGMENT) :], (start, end)
        elif code == APP1 and body.startswith(EXTENSION_SEGMENT):
            parts.append(body[len(EXTENSION_SEGMENT) :])
        elif code == APP1 and body.startswith(EXIF_SEGMENT):
            texts = exif_texts(body[len(EXIF_SEGMENT) :]) | texts
        elif code == APP11 and body.startswith(_JUMBF):
            boxes.setdefault(body[2:4], []).append(body)
        elif code == COM:
            texts.setdefault("comment", body.decode("utf-8", "replace"))
    found = [_joined_boxes(each) for each in boxes.values()]
    manifest = next((box for box in found if b"c2pa" in box[:200]), None)
    fits = manifest is not None and len(manifest) <= _MAX_MANIFEST
    return Blocks(kind, texts, xmp, span, _extension(parts), manifest is not None, manifest if fits else None)


def _joined_boxes(parts: list[bytes]) -> bytes:
    """Return a box of a JPEG that is spread over several segments."""
    parts.sort(key=lambda part: part[4:8])
    return parts[0][_JUMBF_HEAD - 8 :] + b"".join(part[_JUMBF_HEAD:] for part in parts[1:])


def _extension(parts: list[bytes]) -> bytes | None:
    """Return the packet that is spread over segments of one digest; None: there is none, or a part of it is missing."""
    made, whole = b"", 0
    for part in sorted(parts, key=lambda part: part[:40]):  # digest and length, then its place
        length, at = int.from_bytes(part[32:36], "big"), int.from_bytes(part[36:40], "big")
        if part[:32] != parts[0][:32] or at != len(made) or length > MAX_PACKET:
            return None
        made, whole = made + part[40:], length
    return made if made and len(made) == whole else None


# WebP


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end (without padding) of each chunk of a WebP."""
    last = file.seek(0, 2)
    file.seek(4)
    last = min(last, 8 + int.from_bytes(file.read(4), "little"))
    position = 12
    for _ in range(_MAX_BLOCKS):
        file.seek(position)
        head = file.read(8)
        if position + 8 > last or len(head) < 8:  # noqa: PLR2004 - kind, length
            return
        length = int.from_bytes(head[4:], "little")
        yield head[:4], position, position + 8 + length
        position += 8 + length + length % 2


def _webp(file: BinaryIO, kind: str) -> Blocks:
    found: dict[bytes, Span] = {}
    for name, start, end in chunks(file):
        found.setdefault(name, (start, end))

    def body(name: bytes, most: int) -> bytes | None:
        start, end = found.get(name, (0, 0))
        return _read(file, start + 8, end - start - 8, most)

    exif = (body(b"EXIF", 1 << 22) or b"").removeprefix(EXIF_SEGMENT)
    return Blocks(
        kind,
        exif_texts(exif),
        body(b"XMP ", MAX_PACKET),
        found.get(b"XMP "),
        has_c2pa=b"C2PA" in found,
        manifest=body(b"C2PA", _MAX_MANIFEST),
    )


# GIF, SVG, AVIF


def gif_start(file: BinaryIO) -> int:
    """Return where a GIF's blocks begin, behind its palette."""
    file.seek(0)
    flags = file.read(13)[10:11] or b"\0"
    return 13 + (3 << (flags[0] & 7) + 1 if flags[0] & 0x80 else 0)


def _gif(file: BinaryIO, kind: str) -> Blocks:
    position = gif_start(file)
    xmp, span, manifest = None, None, b""
    for _ in range(_MAX_BLOCKS):
        file.seek(position)
        head = file.read(14)
        if head[:3] == b"\x21\xff\x0b" and head[3:] == GIF_XMP:
            packet, end = _until_trailer(file, position + 14)
            xmp, span, position = xmp or packet, span or (position, end), end
        elif head[:1] == b"\x21":
            body, position = _sub_blocks(file, position + (14 if head[1:3] == b"\xff\x0b" else 2))
            manifest += body if head[3:] == _GIF_C2PA else b""
        elif head[:1] == b"\x2c":
            palette = 3 << (head[9] & 7) + 1 if len(head) > 9 and head[9] & 0x80 else 0  # noqa: PLR2004 - its flags
            _, position = _sub_blocks(file, position + 11 + palette)
        else:
            break
    return Blocks(kind, {}, xmp, span, None, bool(manifest), manifest or None)


def _until_trailer(file: BinaryIO, start: int) -> tuple[bytes | None, int]:
    """Return the packet of a GIF, and where what follows it begins."""
    file.seek(start)
    data = file.read(MAX_PACKET + len(GIF_TRAILER))
    end = data.find(GIF_TRAILER)
    return (data[:end], start + end + len(GIF_TRAILER)) if end >= 0 else (None, start + len(data))


def _sub_blocks(file: BinaryIO, start: int) -> tuple[bytes, int]:
    """Return the content of blocks, as far as it may be a manifest, and where what follows them begins."""
    body, position = b"", start
    while True:
        file.seek(position)
        length = (file.read(1) or b"\0")[0]
        if not length:
            return body, position + 1
        if len(body) < _MAX_MANIFEST:
            body += file.read(length)
        position += 1 + length


def _svg(file: BinaryIO, kind: str) -> Blocks:
    file.seek(0)
    return Blocks(kind, has_c2pa=re.search(rb"<c2pa:manifest[\s>]", file.read(_MAX_SVG)) is not None)


def _boxes(file: BinaryIO, kind: str) -> Blocks:
    """Look at the outer boxes of an AVIF or HEIC."""
    size = file.seek(0, 2)
    position, has_c2pa = 0, False
    for _ in range(_MAX_BLOCKS):
        file.seek(position)
        head = file.read(24)
        length = int.from_bytes(head[:4], "big")
        has_c2pa = has_c2pa or (head[4:8] == b"uuid" and head[8:] == _C2PA_BOX)
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8 or position + length >= size:  # noqa: PLR2004 - a box's head
            break
        position += length
    return Blocks(kind, has_c2pa=has_c2pa)


# EXIF


def exif_texts(exif: bytes) -> dict[str, str]:
    """Return EXIF's comment as `parameters`, and what ComfyUI has put into it as `prompt` and `workflow`."""
    order: Literal["little", "big"] = "little" if exif.startswith(b"II") else "big"
    found: dict[str, str] = {}
    places = [int.from_bytes(exif[4:8], order)]
    for place in places:  # grows by the folder that holds the comment
        count = min(int.from_bytes(exif[place : place + 2], order), _MAX_TAGS)
        for at in range(place + 2, place + 2 + 12 * count, 12):
            tag, length = int.from_bytes(exif[at : at + 2], order), int.from_bytes(exif[at + 4 : at + 8], order)
            value = int.from_bytes(exif[at + 8 : at + 12], order)
            if tag == _EXIF_POINTER and len(places) == 1:
                places.append(value)
            elif length <= _MAX_TEXT and tag == _USER_COMMENT:
                found |= {"parameters": text} if (text := _comment(exif[value : value + length])) else {}
            elif length <= _MAX_TEXT and tag in _EXIF_TEXTS:
                text = exif[value : value + length].rstrip(b"\0").decode("utf-8", "replace")
                name, colon, rest = text.partition(":")
                found |= {name.lower(): rest} if colon and name.lower() in {"prompt", "workflow"} else {}
    return found


def _comment(comment: bytes) -> str | None:
    code, body = comment[:8], comment[8:]
    if code == b"UNICODE\0":
        # The byte order is the file's, which programs disagree on: ASCII has a zero in one place or the other.
        encoding = "utf-16-be" if re.match(rb"\0[^\0]", body) else "utf-16-le"
        return body.decode(encoding, "replace")
    return body.decode("utf-8", "replace") if code in {b"ASCII\0\0\0", bytes(8)} else None
