"""What kind of file some bytes begin like, by their magic numbers, brands or first element, without Pillow."""

from __future__ import annotations

import codecs
import re

KIND_NAMES = {
    "png": "a PNG image",
    "jpeg": "a JPEG image",
    "webp": "a WebP image",
    "gif": "a GIF image",
    "svg": "an SVG image",
    "bmp": "a BMP image",
    "tiff": "a TIFF image",
    "avif": "an AVIF image",
    "heic": "a HEIC image",
    "html": "HTML",
    "json": "JSON",
    "text": "text",
    "pdf": "a PDF document",
    "postscript": "PostScript",
    "jxl": "a JPEG XL image",
    "raw": "a camera RAW file",
}
"""What `sniff` returns, in words for a message."""
IMAGE_KINDS = frozenset({"png", "jpeg", "webp", "gif", "svg", "bmp", "tiff", "avif", "heic"})
"""What `sniff` returns for images."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"%PDF-", "pdf"),
    (b"%!PS", "postscript"),
    (b"\xc5\xd0\xd3\xc6", "postscript"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    # Fujifilm, Panasonic, Olympus (three), Minolta, Sigma, Canon's older ones; TIFFs that hold RAW begin like any TIFF.
    (b"FUJIFILMCCD-RAW", "raw"),
    (b"IIU\0", "raw"),
    (b"IIRO", "raw"),
    (b"IIRS", "raw"),
    (b"MMOR", "raw"),
    (b"\0MRM", "raw"),
    (b"FOVb", "raw"),
    (b"II\x1a\0\0\0HEAPCCDR", "raw"),
)
_RAW_BRAND = b"crx "
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# Patterns are compiled on first use: a PNG needs none of them.
# Atomic, so that no input is slow: space, <?xml …?>, comments, a doctype that is not HTML's.
_PROLOG = rb"(?si)(?>\xef\xbb\xbf|\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?!\s+html)[^\[>]*+(?:\[.*?\]\s*)?>)*+"
_HTML = rb"(?i)<(?:!doctype\s+html|(?:html|head|body|title|meta|script|center|h1|p|div)[\s>])"
_SVG_ROOT = rb"<(?:\w+:)?svg(?=[\s>/])"
_CONTROL = rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]"


def sniff(head: bytes) -> str | None:
    """Return the kind that some bytes begin like: a key of `KIND_NAMES`, or None where it is unknown.

    A few hundred bytes are enough for everything but an SVG after a long comment.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_brand(head)
    return _sniff_text(head)


def _sniff_brand(head: bytes) -> str | None:
    """Distinguish AVIF from HEIC by the brands of an ISO media file; the general `mif1` may precede either."""
    end = min(int.from_bytes(head[:4], "big"), len(head), 256)
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "avif"
    if _RAW_BRAND in brands:
        return "raw"
    return "heic" if brands & _HEIC_BRANDS else None


def _sniff_text(head: bytes) -> str | None:
    if b"<" in head:
        root = without_prolog(head)
        if re.match(_SVG_ROOT, root):
            return "svg"
        if re.match(_HTML, root):
            return "html"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text or re.search(_CONTROL, head):
        return None
    try:
        # Incrementally, as the last character may be cut off.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    return "json" if text[:1] in b"{[" else "text"


def without_prolog(head: bytes) -> bytes:
    """Return what follows the space, the comments and the like before the first element of XML or HTML."""
    prolog = re.match(_PROLOG, head)
    return head[prolog.end() :] if prolog else head
