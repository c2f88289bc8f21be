"""The pages of a TIFF: whether it is a camera RAW file, of which a decoder shows a small preview, and how many it has.

Sources: TIFF 6.0, TIFF/EP (ISO 12234-2), DNG 1.7, and how Canon's CR2, Nikon's NEF and Sony's ARW are laid out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION = 0x00FE, 0x0100, 0x0101, 0x0106, 0x014A, 0xC612
_CFA, _LINEAR_RAW = 32803, 34892
"""Values of the photometric interpretation: a sensor's mosaic, or its values before development."""
_REDUCED = 1
"""The bit of the subfile type that says that a page is a smaller version of another."""
_SIZES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
"""The formats of TIFF's integer types: BYTE, SHORT, LONG, UNDEFINED, IFD, LONG8, IFD8."""
_MAX_PAGES = 64
_MAX_ENTRIES = 4096
_BIG = 43

_Page = dict[int, tuple[int, ...]]


def is_camera_raw(tiff: bytes) -> bool:
    """Return whether a TIFF holds what a camera's sensor saw, or begins with a preview of another page."""
    if tiff[8:10] == b"CR":
        return True
    try:
        layout = _Layout.of(tiff)
        first, *others = _pages(tiff, layout)
    except (struct.error, ValueError):
        return False
    larger_below = any(_area(page) > _area(first) for page in _sub_pages(tiff, layout, first))
    return _is_reduced(first) or larger_below or any(map(_is_undeveloped, (first, *others)))


def count_pages(tiff: bytes) -> int:
    """Return how many pages a TIFF has, not counting smaller versions of another; 0 where it is broken."""
    try:
        return sum(not _is_reduced(page) for page in _pages(tiff, _Layout.of(tiff), below=False))
    except (struct.error, ValueError):
        return 0


class _Layout(NamedTuple):
    """How a TIFF writes its numbers: byte order, and widths that differ in BigTIFF."""

    order: str
    offset: str
    entries: str
    entry: int
    """Bytes of a directory entry."""
    first: int
    """Where the offset of the first directory stands."""

    @classmethod
    def of(cls, tiff: bytes) -> _Layout:
        order = "<" if tiff[:2] == b"II" else ">"
        (magic,) = struct.unpack_from(order + "H", tiff, 2)
        return cls(order, "Q", "Q", 20, 8) if magic == _BIG else cls(order, "I", "H", 12, 4)

    def read(self, tiff: bytes, form: str, position: int) -> int:
        """Return the number at a position."""
        (number,) = struct.unpack_from(self.order + form, tiff, position)
        return int(number)


def _pages(tiff: bytes, layout: _Layout, *, below: bool = True) -> Iterator[_Page]:
    """Yield the directories of the chain, and their sub-directories, if wanted, after each."""
    position = layout.read(tiff, layout.offset, layout.first)
    for _ in range(_MAX_PAGES):
        if not position:
            return
        page, position = _page(tiff, layout, position)
        yield page
        if below:
            yield from _sub_pages(tiff, layout, page)


def _sub_pages(tiff: bytes, layout: _Layout, page: _Page) -> Iterator[_Page]:
    for position in page.get(_SUB_IFDS, ())[:_MAX_PAGES]:
        try:
            yield _page(tiff, layout, position)[0]
        except struct.error:
            continue


def _page(tiff: bytes, layout: _Layout, position: int) -> tuple[_Page, int]:
    """Return the integer tags of a directory, and where the next directory stands."""
    count = layout.read(tiff, layout.entries, position)
    position += struct.calcsize(layout.order + layout.entries)
    if count > _MAX_ENTRIES:
        raise ValueError("too many entries")
    page: _Page = {}
    width = struct.calcsize(layout.order + layout.offset)
    for start in range(position, position + count * layout.entry, layout.entry):
        tag, kind = struct.unpack_from(layout.order + "HH", tiff, start)
        values = layout.read(tiff, layout.offset, start + 4)
        if kind not in _SIZES or not 0 < values <= _MAX_ENTRIES:
            continue
        form = f"{layout.order}{values}{_SIZES[kind]}"
        at = start + 4 + width
        if struct.calcsize(form) > width:
            at = layout.read(tiff, layout.offset, at)
        if at + struct.calcsize(form) <= len(tiff):
            page[tag] = struct.unpack_from(form, tiff, at)
    end = position + count * layout.entry
    return page, layout.read(tiff, layout.offset, end) if end + width <= len(tiff) else 0


def _is_reduced(page: _Page) -> bool:
    return bool(page.get(_SUBFILE_TYPE, (0,))[0] & _REDUCED)


def _is_undeveloped(page: _Page) -> bool:
    return _DNG_VERSION in page or page.get(_PHOTOMETRIC, (0,))[0] in (_CFA, _LINEAR_RAW)


def _area(page: _Page) -> int:
    return page.get(_WIDTH, (0,))[0] * page.get(_HEIGHT, (0,))[0]
