"""Writing labels into an image, in any script that a font of the system has.

Pillow's own font is there always and has ASCII. What it lacks is written in a font of the system: fontconfig is asked
for one that has the characters, or the places are looked into where macOS and Windows keep theirs. A character that no
font has is written without its accent, or as "?", never as the box that fonts draw for it.
"""

from __future__ import annotations

import math
import os
import subprocess
import unicodedata
from bisect import bisect_right
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont, features

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_CHARACTER = "\U0010ffff"
"""What no font has: it shows what a font draws for what it lacks."""
_BLANK = ("Zs", "Cf", "Cc")
"""Categories of what draws nothing: blanks, joiners."""
_ATTACHED = ("Mn", "Me", "Cf", "Cc")
"""Categories of what belongs to the character before it, and is left out where no font has it: accents, joiners."""
_BITMAP_SIZES = (109, 136, 128, 160, 96, 64)
"""Sizes of the emoji fonts that hold bitmaps: Noto's, Twitter's, Apple's."""
_SHAPED = ((0x0900, 0x0DFF), (0x1000, 0x109F), (0x1780, 0x17FF))
"""Scripts whose letters change with their neighbours, besides those that run from right to left."""
_MISSING = "?"
"""Stands for characters that no font has."""
_PLAINER = str.maketrans("\u2013\u2014\u2018\u2019\u201c\u201d", "--''\"\"")
"""Dashes and quotation marks, and what is written where no font has them."""
_MOST_SEARCHES = 40
_SEARCH_S = 5.0
_FOLDERS = (
    "/System/Library/Fonts",
    "/System/Library/Fonts/Supplemental",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:\\Windows\\Fonts",
)
_FILES = (
    *("Arial Unicode.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Apple Color Emoji.ttc"),
    *("segoeui.ttf", "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "Nirmala.ttc", "seguiemj.ttf"),
)
"""Fonts of macOS and Windows that have what Latin fonts lack."""
_PLAIN_WORDS = ("sans", "hei", "gothic")
_ODD_WORDS = ("bold", "italic", "oblique", "mono", "condensed", "light", "serif")

_Loaded = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Font:
    """A font, and which characters it has."""

    def __init__(self, font: _Loaded, scale: float = 1.0) -> None:
        self.font = font
        self.scale = scale
        """What it draws is scaled by this: fonts of bitmaps have one size."""
        self._has: dict[str, bool] = {}
        self._probe = font
        if isinstance(font, ImageFont.FreeTypeFont):  # Raqm would draw a circle below an accent that stands alone
            self._probe = font.font_variant(layout_engine=ImageFont.Layout.BASIC)

    def has(self, text: str) -> bool:
        return all(map(self._has_one, text))

    def _has_one(self, character: str) -> bool:
        if character not in self._has:
            self._has[character] = self._draws(character)
        return self._has[character]

    def _draws(self, character: str) -> bool:
        try:
            drawn = self._probe.getmask(character)
        except (OSError, ValueError, UnicodeError):  # Pillow's font without FreeType has Latin-1
            return False
        if drawn.getbbox() is None:
            return unicodedata.category(character) in _BLANK
        return (drawn.size, bytes(drawn)) != self._box

    @cached_property
    def _box(self) -> tuple[tuple[int, int], bytes]:
        try:
            drawn = self._probe.getmask(_NO_CHARACTER)
        except (OSError, ValueError, UnicodeError):
            return (0, 0), b""
        return drawn.size, bytes(drawn)

    def width(self, text: str) -> float:
        return self.font.getlength(text) * self.scale


class _Run(NamedTuple):
    text: str
    font: _Font


class Lettering:
    """Writes lines of text of one size."""

    def __init__(self, size: int) -> None:
        """Take the size of the letters, in pixels."""
        self.size = size
        self.lacking: set[str] = set()
        """The characters that no font has."""
        self._fonts = [_Font(ImageFont.load_default(size))]
        self._tried: set[tuple[str, int]] = set()
        self._searches = 0
        self._shapes = features.check("raqm") and features.check("fribidi")

    def write(self, image: Image.Image, text: str, box: tuple[int, int, int], ink: str, *, whole_end: bool) -> None:
        """Write a text, centred and cut to fit, on an RGB image.

        Args:
            image: is written on.
            text: any text.
            box: left, top and width of its line, in pixels.
            ink: the colour.
            whole_end: cut it in its middle, as the end tells names apart.
        """
        left, top, width = box
        runs = list(self._runs(self._fitting(text, width, whole_end=whole_end)))
        x = left + (width - sum(run.font.width(run.text) for run in runs)) / 2
        for run in runs:
            if run.font.scale == 1:
                draw = ImageDraw.Draw(image)
                draw.text((x, top + self.size), run.text, ink, run.font.font, anchor=_anchor(run.font.font))
            else:
                self._paste(image, run, (round(x), top))
            x += run.font.width(run.text)

    def _paste(self, image: Image.Image, run: _Run, place: tuple[int, int]) -> None:
        """Draw with a font of bitmaps at its own size, and paste that as large as the letters."""
        left, top, right, bottom = map(int, run.font.font.getbbox(run.text))
        drawn = Image.new("RGBA", (max(1, right - left), max(1, bottom - top)))
        ImageDraw.Draw(drawn).text((-left, -top), run.text, font=run.font.font, embedded_color=True)
        size = max(1, round(run.font.width(run.text))), max(1, round(drawn.height * run.font.scale))
        small = drawn.resize(size, Image.Resampling.BOX)
        image.paste(small, (place[0], place[1] + self.size - small.height + self.size // 5), small)

    def _fitting(self, text: str, width: int, *, whole_end: bool) -> str:
        """Return a text cut to a width in pixels, with "?" for what can't be written."""
        text = "".join(run.text for run in self._runs(text))

        def cut(kept: int) -> str:
            behind = kept // 2 if whole_end else 0
            return f"{text[: kept - behind].rstrip()}…{text[len(text) - behind :].lstrip()}"

        if self._width(text) <= width:
            return text
        return cut(
            max(1, bisect_right(range(len(text)), width, key=lambda kept: math.ceil(self._width(cut(kept)))) - 1)
        )

    def _width(self, text: str) -> float:
        return sum(run.font.width(run.text) for run in self._runs(text))

    def _runs(self, text: str) -> Iterator[_Run]:
        """Yield a text in pieces, each in one font; in one piece where one font has it all, as the order may turn."""
        text = unicodedata.normalize("NFC", text)
        text = "".join(each if self._is_writable(each) else _MISSING for each in text)
        if (whole := self._font_for(text)) is not None:
            yield _Run(text, whole)
            return
        piece, font = "", self._fonts[0]
        for each in text:
            stays = piece and font.has(each) and not (each == " " and font.scale != 1)
            found = font if stays else self._font_for(each)
            character = each if found is not None else self._instead_of(each)
            if found is None:
                found = self._fonts[0]
                if character == _MISSING == piece[-1:]:
                    continue
            if found is not font and piece:
                yield _Run(piece, font)
                piece = ""
            piece, font = piece + character, found
        if piece:
            yield _Run(piece, font)

    def _instead_of(self, character: str) -> str:
        """Return what stands for a character that no font has."""
        if unicodedata.category(character) in _ATTACHED:
            return ""
        plainer = unicodedata.normalize("NFKD", character.translate(_PLAINER))
        plainer = "".join(each for each in plainer if not unicodedata.combining(each))
        if plainer and self._fonts[0].has(plainer):
            return plainer
        self.lacking.add(character)
        return _MISSING

    def _is_writable(self, character: str) -> bool:
        """Return whether a character can be written as it has to look: some need Raqm, which shapes them."""
        if self._shapes or not character.strip():
            return True
        turned = unicodedata.bidirectional(character) in {"R", "AL"}
        if turned or any(first <= ord(character) <= last for first, last in _SHAPED):
            self.lacking.add(character)
            return False
        return True

    def _font_for(self, text: str) -> _Font | None:
        """Return a font that has all of a text."""
        if (known := next((font for font in self._fonts if font.has(text)), None)) is not None:
            return known
        lacking = "".join(sorted({each for each in text if not self._fonts[0].has(each)}))
        if self._searches >= _MOST_SEARCHES or self.lacking.issuperset(lacking):
            return None
        self._searches += 1
        for path, index in _candidates("".join(sorted(set(text)))):
            if (path, index) not in self._tried:
                self._tried.add((path, index))
                if (font := self._load(path, index)) is not None:
                    self._fonts.append(font)
                    if font.has(text):
                        return font
        return None

    def _load(self, path: str, index: int) -> _Font | None:
        for size in (self.size, *_BITMAP_SIZES):
            with suppress(OSError, ValueError):  # not a font, or one of bitmaps that has another size
                font = ImageFont.truetype(path, size, index)
                return _Font(font, self.size * 1.15 / size if size != self.size else 1.0)
        return None


def _anchor(font: _Loaded) -> str | None:
    return "ls" if isinstance(font, ImageFont.FreeTypeFont) else None


def _candidates(characters: str) -> list[tuple[str, int]]:
    """Return the files of fonts that may have these characters, each with the font's number in it; plain ones first."""
    visible = (each for each in characters if unicodedata.category(each) not in _BLANK)
    asked = " ".join(f"{ord(each):x}" for each in visible)
    try:
        listed = subprocess.run(  # noqa: S603 - of code points
            ["fc-list", "-f", "%{file}\t%{index}\n", f":charset={asked}"],  # noqa: S607 - wherever it is installed
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SEARCH_S,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        places = (os.path.join(os.path.expanduser(folder), name) for name in _FILES for folder in _FOLDERS)
        return [(path, 0) for path in places if os.path.isfile(path)]
    found = []
    for line in listed.splitlines():
        path, _, index = os.fsdecode(line).partition("\t")
        # Above the lowest 16 bits stands the number of a variation.
        found.append((path, int(index) & 0xFFFF if index.isdigit() else 0))
    return sorted(set(found), key=_oddness)


def _oddness(font: tuple[str, int]) -> tuple[int, str, int]:
    name = os.path.basename(font[0]).lower()
    odd = sum(word in name for word in _ODD_WORDS) - any(word in name for word in _PLAIN_WORDS)
    return odd, *font
