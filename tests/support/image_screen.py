"""A terminal's screen for tests, on which images can be seen: half blocks, Sixel, iTerm2's and Kitty's.

Images are of one colour; each of their cells shows as its letter.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata

from PIL import Image

COLOURS = {"R": (220, 30, 30), "G": (30, 190, 60), "B": (40, 60, 210), "W": (250, 250, 250)}
_PIECE = re.compile(
    r"\x1bP(?P<sixel>.*?)\x1b\\|\x1b_G(?P<kitty>.*?)\x1b\\|\x1b\]1337;File=(?P<iterm2>.*?)\x07"
    r"|\x1b\[(?P<csi>[>?\d;]*)(?P<end>[A-Za-z])|\x1b(?P<cursor>[78])|(?P<character>[^\x1b])",
    re.DOTALL,
)


def letter(colour: tuple[int, ...]) -> str:
    """Return the letter of a colour, "?" for one that no image has."""
    close = (name for name, one in COLOURS.items() if all(abs(a - b) < 12 for a, b in zip(one, colour, strict=False)))
    return next(close, "?")


def png(name: str, size: tuple[int, int]) -> bytes:
    """Return a PNG in the colour of a letter."""
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS[name]).save(file, "PNG")
    return file.getvalue()


class ImageScreen:
    """What a terminal of `rows` and `columns` shows after `text`."""

    def __init__(self, text: str, rows: int, columns: int, cell: tuple[int, int] = (10, 20)) -> None:
        """Take everything in, from an empty screen on."""
        self.columns, self.cell = columns, cell
        self.history: list[str] = []
        """The lines that have left at the top."""
        self.cells = [[" "] * columns for _ in range(rows)]
        self.images: dict[str, str] = {}
        """Kitty's images: number to letter, while the terminal keeps them."""
        self._sent: dict[str, str] = {}
        self._row = self._column = 0
        self._saved = (0, 0)
        self._foreground = (0, 0, 0)
        position = 0
        for piece in _PIECE.finditer(text):
            assert piece.start() == position, f"no terminal understands {text[position : position + 20]!r}"
            position = piece.end()
            self._take(piece)
        assert position == len(text)

    @property
    def lines(self) -> list[str]:
        """The history and the screen, without what is empty at the end; Kitty's cells as the letters of images."""
        lines = self.history + [self._line(row) for row in self.cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _line(self, row: list[str]) -> str:
        cells = (self.images.get(cell[1:], "?") if cell.startswith("#") else cell for cell in row)
        return "".join(cells).rstrip()

    def _take(self, piece: re.Match[str]) -> None:
        if (character := piece["character"]) is not None:
            self._character(character)
        elif piece["end"] is not None:
            self._control(piece["csi"], piece["end"])
        elif piece["cursor"] == "7":
            self._saved = self._row, self._column
        elif piece["cursor"] == "8":
            self._row, self._column = self._saved
        elif piece["kitty"] is not None:
            keys, _, data = piece["kitty"].partition(";")
            self._kitty(dict(pair.split("=") for pair in keys.split(",")), data)
        elif piece["iterm2"] is not None:
            keys, _, data = piece["iterm2"].partition(":")
            fields = dict(pair.split("=") for pair in keys.split(";"))
            with Image.open(io.BytesIO(base64.b64decode(data))) as image:
                self._fill(letter(image.getpixel((0, 0))), int(fields["width"]), int(fields["height"]))
            self._row = max(self._row - 1, 0)  # wherever: no two terminals leave the cursor in the same place
        else:
            size = re.search(r'"1;1;(\d+);(\d+)', piece["sixel"])
            colour = re.search(r"#\d+;2;(\d+);(\d+);(\d+)", piece["sixel"])
            columns, rows = (int(side) // unit for side, unit in zip(size.groups(), self.cell, strict=True))
            self._fill(letter(tuple(int(part) * 255 // 100 for part in colour.groups())), columns, rows)

    def _character(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._column = 0
            self._down()
        elif not unicodedata.combining(character):
            if self._column == self.columns:  # only now: the last cell alone wraps nothing
                self._column = 0
                self._down()
            shown = {"▀": letter(self._foreground), "\U0010eeee": f"#{self._number()}"}.get(character, character)
            self.cells[self._row][self._column] = shown
            self._column += 1

    def _control(self, numbers: str, end: str) -> None:
        if end == "A":
            self._row = max(self._row - int(numbers or 1), 0)
        elif end == "B":
            self._row = min(self._row + int(numbers or 1), len(self.cells) - 1)
        elif end == "C":
            self._column += int(numbers or 1)
        elif end == "m":
            if colour := re.search(r"38;2;(\d+);(\d+);(\d+)", numbers):
                self._foreground = tuple(map(int, colour.groups()))
            elif index := re.search(r"38;5;(\d+)", numbers):  # of 256 colours, as Kitty counts it
                self._foreground = (0, 0, int(index[1]))
        elif end in {"K", "J"} and not numbers:
            blank = [" "] * self.columns
            self.cells[self._row][self._column :] = blank[self._column :]
            if end == "J":
                self.cells[self._row + 1 :] = [list(blank) for _ in self.cells[self._row + 1 :]]
        else:
            assert (numbers, end) in {("?2026", "h"), ("?2026", "l"), ("16", "t"), (">", "q"), ("", "c")}

    def _kitty(self, keys: dict[str, str], data: str) -> None:
        if keys.get("f") == "100":
            self._sent[keys["i"]] = self._sent.get(keys["i"], "") + data
        elif keys.get("a") == "p":
            with Image.open(io.BytesIO(base64.b64decode(self._sent.pop(keys["i"])))) as image:
                self.images[str(int(keys["i"]) & 0xFFFFFF)] = letter(image.getpixel((0, 0)))
        elif keys.get("a") == "d":
            assert keys["d"] == "I"
            del self.images[str(int(keys["i"]) & 0xFFFFFF)]

    def _number(self) -> int:
        red, green, blue = self._foreground
        return red << 16 | green << 8 | blue

    def _fill(self, shown: str, columns: int, rows: int) -> None:
        for row in self.cells[self._row : self._row + rows]:
            row[self._column : self._column + columns] = [shown] * columns

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.cells):
            self._row -= 1
            self.history.append(self._line(self.cells.pop(0)))
            self.cells.append([" "] * self.columns)
