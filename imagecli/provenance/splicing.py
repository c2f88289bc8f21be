"""What made an image, written into its file: a packet of XMP between its parts. Its pixels are not touched.

Sources: XMP part 3 (ISO 16684-1) for where each format keeps a packet, and for the extended one of a JPEG; PNG (ISO/IEC
15948) iTXt; WebP (RFC 9649) VP8X.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

from imagecli.images.png_chunks import chunk_of, walk
from imagecli.provenance.blocks import (
    APP0,
    APP1,
    EXIF_SEGMENT,
    EXTENSION_HEAD,
    EXTENSION_SEGMENT,
    GIF_TRAILER,
    GIF_XMP,
    XMP_KEYWORD,
    XMP_SEGMENT,
    chunks,
    gif_start,
    read_blocks,
    segments,
)
from imagecli.provenance.making import is_ours, parameters_of, properties_of
from imagecli.provenance.xmp import packet_of, packet_with, read_properties

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from imagecli.provenance.blocks import Blocks
    from imagecli.provenance.making import Making

_PIECE = 1 << 18
_MOST_SEGMENT = 0xFFFF - 2
"""Bytes of a JPEG's segment, behind its length."""
_LONG = 1000
"""Characters of a property that goes into the extended packet, if one is needed."""
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10
_MOST_RIFF = (1 << 32) - 2
_SIGNED = "it carries content credentials (C2PA), which that would make void; --embed=force does it all the same"
REMOTE = "dcterms:provenance"
"""Says where the manifest is, if it is not in the file."""


class NotEmbedded(Exception):
    """What made an image is not written into its file, which stays as it was; the text says why."""


class Splice(NamedTuple):
    """Bytes that take the place of others."""

    start: int
    end: int
    data: bytes


def embed(file: BinaryIO, making: Making, *, force: bool = False) -> bool:
    """Write what made an image into its file, which is open for reading and writing.

    Args:
        file: the image, whole.
        making: what made it.
        force: also into one with content credentials, which are not valid any more then.

    Returns:
        Whether it has content credentials.

    Raises:
        NotEmbedded: it is not.
        OSError: the file can't be read or written.
    """
    blocks = read_blocks(file)
    writers = {"png": _png, "jpeg": _jpeg, "webp": _webp, "gif": _gif}
    if blocks.kind not in writers:
        raise NotEmbedded(f"{(blocks.kind or 'this format').upper()} files can't hold it")
    there = read_properties(blocks.xmp) if blocks.xmp is not None else {}
    signed = bool(blocks.has_c2pa) or REMOTE in (there or {})
    if signed and not force:
        raise NotEmbedded(_SIGNED)
    properties = properties_of(making)
    if blocks.xmp is None or is_ours(there or {}):
        packet = packet_of(properties)
    else:
        found = packet_with(blocks.xmp, properties)
        if found is None:
            raise NotEmbedded("it has XMP that can't be added to")
        packet = found
    changes = sorted(writers[blocks.kind](file, blocks, packet, making), reverse=True)
    if changes[0].end > file.seek(0, 2):
        raise NotEmbedded(f"it is not laid out as a {blocks.kind.upper()} is")
    for each in changes:
        _splice(file, each)
    return signed


def _splice(file: BinaryIO, change: Splice) -> None:
    """Put bytes into the place of others; what follows is moved a piece at a time."""
    size = file.seek(0, 2)
    shift = len(change.data) - (change.end - change.start)
    starts = range(change.end, size, _PIECE)
    for start in reversed(starts) if shift > 0 else starts:
        file.seek(start)
        piece = file.read(_PIECE)
        file.seek(start + shift)
        file.write(piece)
    file.truncate(size + shift)
    file.seek(change.start)
    file.write(change.data)


def _png(file: BinaryIO, blocks: Blocks, packet: bytes, making: Making) -> list[Splice]:
    header = next((chunk for chunk in walk(file) if chunk.kind == b"IHDR"), None)
    if header is None:
        raise NotEmbedded("it is not laid out as a PNG is")
    text = parameters_of(making)
    others = "" if text is None or "parameters" in blocks.texts else text.replace("\0", "")
    made = _text_chunk("parameters", others.encode()) if others else b""
    made += b"" if blocks.xmp_span else _text_chunk(XMP_KEYWORD, packet)
    replaced = [Splice(*blocks.xmp_span, _text_chunk(XMP_KEYWORD, packet))] if blocks.xmp_span else []
    return [Splice(header.end, header.end, made), *replaced]


def _text_chunk(keyword: str, text: bytes) -> bytes:
    """Return a chunk with a text that is not compressed, in no language."""
    return chunk_of(b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text)


def _jpeg(file: BinaryIO, blocks: Blocks, packet: bytes, making: Making) -> list[Splice]:
    start = end = 2
    for code, _, after in segments(file):
        if code not in {APP0, APP1}:
            break
        file.seek(start + 4)
        if code == APP1 and file.read(len(EXIF_SEGMENT)) != EXIF_SEGMENT:
            break
        start = end = after
    start, end = blocks.xmp_span or (start, end)
    if len(XMP_SEGMENT) + len(packet) <= _MOST_SEGMENT:
        return [Splice(start, end, _segment(XMP_SEGMENT + packet))]
    if blocks.xmp is not None:
        raise NotEmbedded("it has XMP, and there is no room for more in a JPEG's")
    return [Splice(start, end, _extended(properties_of(making)))]


def _segment(body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, APP1, len(body) + 2) + body


def _extended(properties: Mapping[str, str]) -> bytes:
    """Return the segments of properties that are too long for one: a packet with the short ones, an extended one."""
    extension = packet_of({name: value for name, value in properties.items() if len(value) > _LONG})
    # The extended packet has no wrapper.
    extension = extension[extension.index(b"<x:xmpmeta") : extension.rindex(b"<?xpacket")]
    digest = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    short = {name: value for name, value in properties.items() if len(value) <= _LONG}
    made = _segment(XMP_SEGMENT + packet_of(short | {"xmpNote:HasExtendedXMP": digest}))
    most = _MOST_SEGMENT - EXTENSION_HEAD
    for at in range(0, len(extension), most):
        head = EXTENSION_SEGMENT + digest.encode() + struct.pack(">II", len(extension), at)
        made += _segment(head + extension[at : at + most])
    return made


def _webp(file: BinaryIO, blocks: Blocks, packet: bytes, making: Making) -> list[Splice]:  # noqa: ARG001 - as the others
    found = [*chunks(file)]
    size = file.seek(0, 2)
    if not found or found[-1][2] > size:
        raise NotEmbedded("it is not laid out as a WebP is")
    last = found[-1][2] + (found[-1][2] - found[-1][1]) % 2
    padding = bytes(last - size) if last > size else b""
    chunk = _chunk(b"XMP ", packet)
    changes = [Splice(last - len(padding), last - len(padding), padding + chunk)]
    if blocks.xmp_span is not None:
        start, end = blocks.xmp_span
        changes = [Splice(start, min(end + (end - start) % 2, size), chunk)]
    kind, start, end = found[0]
    if kind == b"VP8X":
        file.seek(start + 8)
        flags = file.read(1)[0] | _XMP_FLAG
        changes.append(Splice(start + 8, start + 9, bytes((flags,))))
    else:
        changes.append(Splice(12, 12, _extended_header(file, kind, start)))
    total = size - 8 + sum(len(each.data) - (each.end - each.start) for each in changes)
    total -= max(0, size - last)  # what stands behind the image
    if total > _MOST_RIFF:
        raise NotEmbedded("it is too large")
    return [*changes, Splice(4, 8, struct.pack("<I", total))]


def _extended_header(file: BinaryIO, kind: bytes, start: int) -> bytes:
    """Return the header that a WebP with metadata must have: its features, and its size, which the pixels say too."""
    file.seek(start + 8)
    head = file.read(10)
    alpha = 0
    if kind == b"VP8L" and head[:1] == b"\x2f":
        bits = int.from_bytes(head[1:5], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        width, height = width - 1, height - 1
    else:
        raise NotEmbedded("it is not laid out as a WebP is")
    flags = _XMP_FLAG | (_ALPHA_FLAG if alpha else 0)
    return _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + width.to_bytes(3, "little") + height.to_bytes(3, "little"))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _gif(file: BinaryIO, blocks: Blocks, packet: bytes, making: Making) -> list[Splice]:  # noqa: ARG001 - as the others
    start, end = blocks.xmp_span or (gif_start(file),) * 2
    # The older form has no extensions, and is otherwise the same.
    return [Splice(0, 6, b"GIF89a"), Splice(start, end, b"\x21\xff\x0b" + GIF_XMP + packet + GIF_TRAILER)]
