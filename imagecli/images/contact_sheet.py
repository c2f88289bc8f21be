"""A contact sheet: small images side by side, each with a label, on as many pages as they need."""

from __future__ import annotations

import io
import math
import tempfile
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from PIL import Image, ImageDraw, ImageOps

from imagecli.errors import UsageProblem
from imagecli.images.lettering import Lettering
from imagecli.images.thumbnail import thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL = 256
"""Pixels of an image's longer side, at the most."""
PAGE = 100
"""Images on a page, at the most: 10 by 10, which take 25 MB in memory."""
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
"""The formats of a sheet, with Pillow's names."""
_GAP, _LINE = 16, 20
"""Pixels between cells, and of a line of a label."""
_LETTERS, _SMALL_LETTERS = 14, 12
_GROUND, _EMPTY, _INK, _SOFT_INK = "white", "#e4e4e4", "#222222", "#777777"
_IN_MEMORY = 1 << 24
"""Bytes of thumbnails that are kept in memory; the others wait in a file."""


class _Cell(NamedTuple):
    order: tuple[int, ...]
    name: str
    caption: str
    place: tuple[int, int] | None
    """Where its thumbnail begins in the file of them, and how long it is; None: it can't be drawn."""


def pages_for(count: int) -> int:
    """Return how many pages so many images take."""
    return max(1, math.ceil(count / PAGE))


class ContactSheet:
    """Gets the images in any order, as they come, and draws pages of them; in memory is one page at a time."""

    def __init__(self, kind: str, across: int | None = None) -> None:
        """Take the format of its pages, a key of `FORMATS`, and how many images are in a row; None: as many as rows."""
        self._kind = kind
        self._across = across
        self._cells: list[_Cell] = []
        self._thumbnails = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - `__exit__` closes it
        self._letters, self._small_letters = Lettering(_LETTERS), Lettering(_SMALL_LETTERS)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what it holds."""
        self._thumbnails.close()

    @property
    def lacking(self) -> set[str]:
        """The characters of the labels that no font of this system has."""
        return self._letters.lacking | self._small_letters.lacking

    def add(self, order: tuple[int, ...], path: str, name: str, caption: str = "") -> None:
        """Add an image, from any thread. One that can't be decoded (SVG) is an empty cell with its label.

        Args:
            order: its place among the others.
            path: its file.
            name: the first line of its label.
            caption: the second line.

        Raises:
            OSError: what waits for its page can't be written.
        """
        data = b""
        try:
            small = thumbnail(path, (CELL, CELL))
        except (UsageProblem, TimeoutError, MemoryError):
            pass
        else:
            file = io.BytesIO()
            on_white = Image.new("RGB", small.size, _GROUND)
            on_white.paste(small, mask=small if small.mode == "RGBA" else None)
            on_white.save(file, "JPEG", quality=95, subsampling=0)
            data = file.getvalue()
        with self._lock:
            begin = self._thumbnails.seek(0, io.SEEK_END)
            self._thumbnails.write(data)
            self._cells.append(_Cell(order, name, caption, (begin, len(data)) if data else None))

    def pages(self) -> Iterator[bytes]:
        """Yield the file of each page."""
        cells = sorted(self._cells, key=lambda cell: cell.order)
        for first in range(0, len(cells), PAGE):
            yield self._drawn(cells[first : first + PAGE])

    def _drawn(self, cells: list[_Cell]) -> bytes:
        """Return a page; without a number of columns as square as its cells allow."""
        columns = self._across or math.ceil(math.sqrt(len(cells)))
        lines = 1 + any(cell.caption for cell in cells)
        width, height = CELL + _GAP, CELL + lines * _LINE + _GAP
        rows = math.ceil(len(cells) / columns)
        page = Image.new("RGB", (_GAP + columns * width, _GAP + rows * height), _GROUND)
        for index, cell in enumerate(cells):
            left, top = _GAP + index % columns * width, _GAP + index // columns * height
            self._draw_image(page, cell, left, top)
            self._letters.write(page, cell.name, (left, top + CELL + 3, CELL), _INK, whole_end=True)
            below = left, top + CELL + _LINE + 3, CELL
            self._small_letters.write(page, cell.caption, below, _SOFT_INK, whole_end=False)
        file = io.BytesIO()
        page.save(file, FORMATS[self._kind], quality=90)
        return file.getvalue()

    def _draw_image(self, page: Image.Image, cell: _Cell, left: int, top: int) -> None:
        if cell.place is None:
            ImageDraw.Draw(page).rectangle((left, top, left + CELL - 1, top + CELL - 1), _EMPTY)
            return
        self._thumbnails.seek(cell.place[0])
        with Image.open(io.BytesIO(self._thumbnails.read(cell.place[1])), formats=("JPEG",)) as small:
            framed = ImageOps.expand(small, 1, _EMPTY)  # for what is as white as the ground
        page.paste(framed, (left + (CELL - framed.width) // 2, top + (CELL - framed.height) // 2))
