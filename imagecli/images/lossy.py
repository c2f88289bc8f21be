"""Whether a file's format has given up some of its picture already, so that a JPEG of it loses nothing that counts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_LOSSY = ("jpeg", "heif", "avif")
"""AVIF and HEIC can be lossless too, but no camera or program makes them so unasked."""
_WEBP_HEADER = 12
_FRAME_HEADER = 16


def is_lossy(kind: str, file: BinaryIO) -> bool:
    """Return whether a file of a format (Pillow's name in lower case) is compressed with loss."""
    return kind in _LOSSY or (kind == "webp" and _webp_is_lossy(file))


def _webp_is_lossy(file: BinaryIO) -> bool:
    """Return whether the first image of a WebP is VP8, not VP8L (RFC 9649)."""
    position = _WEBP_HEADER
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004 - a chunk's kind and length
            return False
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8 ")
        position += 8 + (_FRAME_HEADER if kind == b"ANMF" else length + length % 2)
