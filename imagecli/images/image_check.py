"""Whether an image arrived whole, without Pillow.

An image is walked through as it streams in: only the few bytes that a decision needs are kept, so memory does not
grow with it. Sources: PNG (ISO/IEC 15948) chunks and their CRCs, JPEG (ITU-T T.81) markers, WebP (RFC 9649) RIFF
length, GIF89a blocks, SVG's root element, ISO media files' boxes (ISO/IEC 14496-12).
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import Failure
from imagecli.images.png_chunks import MAX_LENGTH, is_ancillary, png_size
from imagecli.images.sniffing import IMAGE_KINDS, KIND_NAMES, sniff, without_prolog

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import IO, TypeAlias

    Walk: TypeAlias = "Generator[int, memoryview, ImageFacts]"
    """Yields how many bytes it wants next: n for exactly n, -n for up to n."""

_SVG_TAG = rb"<(?:\w+:)?svg(?P<attributes>(?:\s(?:[^>\"']|\"[^\"]*+\"|'[^']*+')*+)?)>"
# The end of the root, not of an svg inside it: no element follows it.
_SVG_END = rb"(?s)</(?:\w+:)?svg\s*>(?:[^<]|<!--.*?-->|<\?.*?\?>)*+\Z"

_FIRST_LOOK = 32
_LAST_LOOK = 1 << 16
_PIECE = 1 << 20
_TAIL = 4096
_MAX_SIDE = 1_000_000
MAX_RESULT_PIXELS = 64_000_000
"""Pixels of a result that is decoded: models make 8 million, and upscalers a few times that."""


class ImageFacts(NamedTuple):
    """What is known of an image that arrived whole."""

    format: str
    """ "png", "jpeg", "webp", "gif", "svg", "avif" or "heic"."""
    width: int | None
    """Pixels; None where it is unknown (an SVG without a size, an AVIF whose boxes don't say it)."""
    height: int | None

    @property
    def too_large(self) -> bool:
        """Whether it declares more pixels than any model makes, so that decoding it may be all that it is for."""
        return (self.width or 0) * (self.height or 0) > MAX_RESULT_PIXELS


class ImageCheck:
    """Checks one image as it streams in, in memory that does not grow with it.

    `feed` never raises; `finish` returns what the image is, or raises `Failure`.
    """

    def __init__(self) -> None:
        """Start without any bytes."""
        self._held = bytearray()
        self._look = _FIRST_LOOK
        self._walk: Walk | None = None
        self._wanted = 0
        self._facts: ImageFacts | None = None
        self._failure: Failure | None = None
        self._kind: str | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; after the end of the image, or an error, they are ignored."""
        view = memoryview(chunk)
        while view and not (self._walk or self._failure or self._facts):
            # A chunk may be the whole image, of which no copy is wanted.
            self._held += view[:_LAST_LOOK]
            view = view[_LAST_LOOK:]
            if len(self._held) >= self._look:
                # Only each time their number has doubled, so that single bytes stay cheap.
                self._look = 2 * len(self._held)
                self._begin(last=len(self._held) >= _LAST_LOOK)
        if not (self._failure or self._facts):
            self._advance(view)

    def finish(self) -> ImageFacts:
        """Return the format and size of the image.

        Raises `Failure` where the bytes aren't an image, or are a damaged or truncated one.
        """
        if not self._walk and not self._failure:
            self._begin(last=True)
        if self._walk and not self._facts and self._wanted < 0:
            self._advance(memoryview(b""), last=True)
        if self._failure:
            raise self._failure
        if not self._facts:
            raise _truncated(self._kind)
        return self._facts

    def finish_file(self, file: IO[bytes]) -> ImageFacts:
        """Return the same as `finish`, of a PNG too whose ancillary chunks lie about their length; `file` holds it all.

        Raises `Failure` as `finish` does.
        """
        try:
            return self.finish()
        except Failure:
            size = png_size(file) if self._kind == "png" else None
            if size is None:
                raise
            return ImageFacts("png", *size)

    def _begin(self, *, last: bool) -> None:
        head = bytes(self._held)
        self._kind = sniff(head)
        walk = _WALKS.get(self._kind or "")
        if walk:
            self._walk = walk()
            self._wanted = next(self._walk)
            self._held.clear()
            self._advance(memoryview(head))
        elif last:
            self._failure = _not_an_image(head, self._kind)

    def _advance(self, view: memoryview, *, last: bool = False) -> None:
        """Give the walk what it wants, from the bytes held back and the new ones; an empty piece marks the end."""
        if not self._walk:
            return
        try:
            if last:
                self._walk.send(view)
            while view:
                if self._wanted < 0:
                    piece, view = view[: -self._wanted], view[-self._wanted :]
                elif not self._held and len(view) >= self._wanted:
                    piece, view = view[: self._wanted], view[self._wanted :]
                else:
                    missing = self._wanted - len(self._held)
                    self._held += view[:missing]
                    view = view[missing:]
                    if len(self._held) < self._wanted:
                        return
                    piece = memoryview(bytes(self._held))
                    self._held.clear()
                self._wanted = self._walk.send(piece)
        except StopIteration as stop:
            self._facts = stop.value
        except Failure as failure:
            self._failure = failure


def _failure(message: str) -> Failure:
    return Failure(message, hint="Try again; if that doesn't help, look at the server's response.")


def _not_an_image(head: bytes, kind: str | None) -> Failure:
    if not head:
        return _failure("the server sent nothing where an image was expected")
    if kind is None:
        return _failure("the server sent bytes of an unknown kind where an image was expected")
    failed = _failure(f"the server sent {KIND_NAMES[kind]} where a PNG, JPEG, WebP, GIF or SVG image was expected")
    if kind in IMAGE_KINDS:
        failed.hint = "It is in the saved response. If the server has other formats, ask for one: --format png."
    return failed


def _truncated(kind: str | None) -> Failure:
    return _failure(f"the server sent a truncated image: the {(kind or 'image').upper()} data ends too early")


def _corrupt(kind: str, why: str) -> Failure:
    return _failure(f"the server sent a damaged image: {kind} {why}")


def _skip(length: int) -> Generator[int, memoryview, None]:
    while length > 0:
        length -= len((yield -length))


def _walk_png() -> Walk:
    """Check the chunks from IHDR to IEND; only those that make the pixels have to match their CRC.

    Once the pixels are there, whatever else is broken or missing leaves a whole image.
    """
    yield 8
    width = height = 0
    kinds: set[bytes] = set()
    while True:
        # Behind the pixels of a still image the file may end anywhere.
        whole = b"IDAT" in kinds and b"acTL" not in kinds
        length, kind = struct.unpack(">I4s", (yield 8))
        whole &= kind != b"IDAT"
        if whole or kind == b"IEND":
            if b"IDAT" not in kinds:
                raise _corrupt("PNG", "has no pixels")
            return ImageFacts("png", width, height)
        if length > MAX_LENGTH or not kind.isalpha():
            raise _corrupt("PNG", "has stray bytes between its chunks")
        if (kind == b"IHDR") == bool(width) or (kind == b"IHDR" and length != 13):  # noqa: PLR2004 - IHDR's length
            raise _corrupt("PNG", "does not begin with a single header")
        crc = zlib.crc32(kind)
        if kind == b"IHDR":
            header = yield length
            crc = zlib.crc32(header, crc)
            width, height = struct.unpack_from(">II", header)
            if not (0 < width <= _MAX_SIDE and 0 < height <= _MAX_SIDE):
                raise _corrupt("PNG", f"declares {width}x{height} pixels")
        while length and kind != b"IHDR":
            piece = yield -length
            crc = zlib.crc32(piece, crc)
            length -= len(piece)
            kinds.add(kind)
        if int.from_bytes((yield 4), "big") != crc and not is_ancillary(kind):
            raise _corrupt("PNG", "data does not match its checksum")


_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SOS, _EOI, _FILL = 0xDA, 0xD9, 0xFF
_STANDALONE = {0x00, 0x01, *range(0xD0, 0xD8)}


def _walk_jpeg() -> Walk:
    """Go from segment to segment to the first scan, then find the end marker, which no scan can contain."""
    yield 2
    size: tuple[int, int] | None = None
    code = 0
    while code != _SOS:
        code = yield from _jpeg_marker()
        length = int.from_bytes((yield 2), "big") - 2
        if length < 0 or (code in _SOF and length < 5):  # noqa: PLR2004 - precision, height, width
            raise _corrupt("JPEG", "has a segment without a length")
        if code in _SOF:
            height, width = struct.unpack(">xHH", (yield 5))
            length -= 5
            if not width:
                raise _corrupt("JPEG", f"declares {width}x{height} pixels")
            size = width, height
        yield from _skip(length)
    if not size:
        raise _corrupt("JPEG", "begins without its size")
    last = b""
    while True:
        piece = last + (yield -_PIECE)
        if piece.find(b"\xff\xd9") >= 0:
            # A height of zero is given after the first scan (DNL).
            return ImageFacts("jpeg", size[0], size[1] or None)
        last = piece[-1:]


def _jpeg_marker() -> Generator[int, memoryview, int]:
    """Return the code of the next marker that begins a segment."""
    while True:
        # Decoders skip what is between segments, and any number of fill bytes.
        while (yield 1)[0] != _FILL:
            pass
        code = _FILL
        while code == _FILL:
            code = (yield 1)[0]
        if code == _EOI:
            raise _corrupt("JPEG", "has no pixels")
        if code not in _STANDALONE:
            return code


def _walk_webp() -> Walk:
    """Read the size from the first chunk, then count to RIFF's length."""
    header = yield 30
    (length,) = struct.unpack_from("<4xI", header)
    kind = bytes(header[12:16])
    if kind == b"VP8X":
        width = 1 + int.from_bytes(header[24:27], "little")
        height = 1 + int.from_bytes(header[27:30], "little")
    elif kind == b"VP8L" and header[20] == 0x2F:  # noqa: PLR2004 - VP8L's signature
        bits = int.from_bytes(header[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and bytes(header[23:26]) == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", header, 26))
    else:
        raise _corrupt("WebP", "does not begin with an image")
    if not (width and height):
        raise _corrupt("WebP", f"declares {width}x{height} pixels")
    yield from _skip(max(0, length + 8 - len(header)))
    return ImageFacts("webp", width, height)


_GIF_TRAILER, _GIF_EXTENSION, _GIF_IMAGE, _GIF_PADDING = 0x3B, 0x21, 0x2C, 0x00


def _walk_gif() -> Walk:
    """Go from block to block to the trailer."""
    width, height, flags = struct.unpack("<6xHHBxx", (yield 13))
    if not (width and height):
        raise _corrupt("GIF", f"declares {width}x{height} pixels")
    yield from _skip(_colour_table(flags))
    has_pixels = False
    while (kind := (yield 1)[0]) != _GIF_TRAILER:
        if kind == _GIF_PADDING:
            continue
        if kind == _GIF_EXTENSION:
            yield 1
        elif kind == _GIF_IMAGE:
            has_pixels = True
            yield from _skip(_colour_table((yield 9)[8]))
            yield 1
        else:
            raise _corrupt("GIF", "has stray bytes between its blocks")
        while length := (yield 1)[0]:
            yield from _skip(length)
    if not has_pixels:
        raise _corrupt("GIF", "has no pixels")
    return ImageFacts("gif", width, height)


def _colour_table(flags: int) -> int:
    """Return the length in bytes of the colour table that some flags of a GIF announce."""
    return 3 << (1 + (flags & 7)) if flags & 0x80 else 0


def _walk_svg() -> Walk:
    """Take the size from the root element, and look for its end in the last bytes."""
    head = b""
    while not (root := re.match(_SVG_TAG, without_prolog(head))):
        if len(head) > 2 * _LAST_LOOK:
            raise _corrupt("SVG", "does not begin with its root element")
        head += yield -_LAST_LOOK
    tail = root.string[root.end() :]
    while piece := (yield -_PIECE):
        # There may be much white space after the end; a piece is shortened to what precedes it.
        tail = (tail[-_TAIL:] + piece).rstrip() or tail[-_TAIL:]
    if not root["attributes"].endswith(b"/") and not re.search(_SVG_END, tail.rstrip()[-_TAIL:]):
        raise _truncated("svg")
    return ImageFacts("svg", *_svg_size(root["attributes"].decode(errors="replace")))


def _svg_size(attributes: str) -> tuple[int | None, int | None]:
    """Return width and height in pixels: the attributes where both are in pixels, else the viewBox, else None."""
    values = {name: value for name, _, value in re.findall(r"\s([\w:]+)\s*=\s*([\"'])(.*?)\2", attributes, re.DOTALL)}
    sides = [_svg_pixels(values.get(name, "")) for name in ("width", "height")]
    if None in sides:
        box = re.split(r"[\s,]+", values.get("viewBox", "").strip())
        sides = [_svg_pixels(side) for side in box[2:]] if len(box) == 4 else [None, None]  # noqa: PLR2004 - x y w h
    width, height = sides
    return (None, None) if width is None or height is None else (width, height)


def _svg_pixels(length: str) -> int | None:
    number = re.fullmatch(r"\s*\+?(\d{1,7}(?:\.\d*)?|\.\d+)(?:px)?\s*", length)
    return round(float(number[1])) or None if number else None


_REST = -1
"""The length of a box that reaches to the end of the file."""
_DATA = frozenset({b"mdat"})
_MAX_META = 1 << 20
"""The longest box that is read for the size."""


def _walk_media(kind: str) -> Walk:
    """Go from box to box to the end of the file: an ISO media file is whole if its last box is."""
    from imagecli.images.boxes import box, size_in_meta, size_in_moov

    kinds: set[bytes] = set()
    size: tuple[int, int] | None = None
    length = 0
    while length != _REST and (head := (yield from _media_box(kind))):
        name, length = head
        if name not in _DATA and _is_complete(kinds):
            break  # what trails an image
        if name in {b"meta", b"moov"} and length in range(1, _MAX_META) and not size:
            body = bytes((yield length))
            size = size_in_meta(body) if name == b"meta" else size_in_moov(body)
            kinds.update(_DATA if name == b"meta" and box(body[4:], b"idat") else ())
        else:
            yield from _skip(length)
        kinds.add(name)
    while length == _REST and (yield -_PIECE):
        pass
    if not _is_complete(kinds):
        raise _truncated(kind)
    width, height = size or (None, None)
    if size and not (0 < size[0] <= _MAX_SIDE and 0 < size[1] <= _MAX_SIDE):
        raise _corrupt(kind.upper(), f"declares {width}x{height} pixels")
    return ImageFacts(kind, width, height)


def _media_box(kind: str) -> Generator[int, memoryview, tuple[bytes, int] | None]:
    """Return the next box's name and the length of its body; None at the end of the file."""
    head = yield from _as_far_as_it_goes(8)
    if len(head) < 8:  # noqa: PLR2004 - a length and a name
        return None
    length, name = struct.unpack(">I4s", head)
    if length == 0:
        return name, _REST
    body = int.from_bytes((yield 8), "big") - 16 if length == 1 else length - 8
    if body < 0:
        raise _corrupt(kind.upper(), "has a box that is shorter than its header")
    return name, body


def _is_complete(kinds: set[bytes]) -> bool:
    """Return whether boxes of these kinds are all that an image needs: what is said of it, and its data."""
    return bool(kinds & _DATA and kinds & {b"meta", b"moov"})


def _as_far_as_it_goes(length: int) -> Generator[int, memoryview, bytes]:
    """Return so many bytes, or those that are left at the end of the file."""
    found = b""
    while len(found) < length and (piece := (yield len(found) - length)):
        found += piece
    return found


_WALKS: dict[str, Callable[[], Walk]] = {
    "png": _walk_png,
    "jpeg": _walk_jpeg,
    "webp": _walk_webp,
    "gif": _walk_gif,
    "svg": _walk_svg,
    "avif": lambda: _walk_media("avif"),
    "heic": lambda: _walk_media("heic"),
}
