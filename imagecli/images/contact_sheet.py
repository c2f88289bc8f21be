"""A contact sheet: small images side by side, each with a label, as one file."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from imagecli.errors import UsageProblem
from imagecli.images.reading import read_input

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL = 256
"""Pixels of an image's longer side, at the most."""
_GAP, _LABEL, _TEXT = 16, 22, 14
"""Pixels between cells, for a label, and of its letters."""
_GROUND, _EMPTY, _INK = "white", "#e4e4e4", "#222222"
_MOST_COLUMNS = 8
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
"""The formats of a sheet, with Pillow's names."""


def contact_sheet(images: Sequence[tuple[str, str]], kind: str) -> bytes:
    """Return the file of a sheet, as square as its cells allow and at most eight cells wide.

    Args:
        images: the path and the label of each. One that Pillow can't decode (SVG) is an empty cell with its label.
        kind: a key of `FORMATS`.
    """
    columns = min(_MOST_COLUMNS, math.ceil(math.sqrt(len(images))))
    rows = math.ceil(len(images) / columns)
    size = (_GAP + columns * (CELL + _GAP), _GAP + rows * (CELL + _LABEL + _GAP))
    sheet = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT)
    for index, (path, label) in enumerate(images):
        left = _GAP + index % columns * (CELL + _GAP)
        top = _GAP + index // columns * (CELL + _LABEL + _GAP)
        if (small := _small(path)) is None:
            draw.rectangle((left, top, left + CELL - 1, top + CELL - 1), _EMPTY)
        else:
            place = (left + (CELL - small.width) // 2, top + (CELL - small.height) // 2)
            sheet.paste(small, place, small.getchannel("A"))
            frame = place[0] - 1, place[1] - 1, place[0] + small.width, place[1] + small.height
            draw.rectangle(frame, outline=_EMPTY)  # for what is as white as the ground
        text = _fitting(label, font)
        draw.text((left + (CELL - font.getlength(text)) / 2, top + CELL + 4), text, _INK, font)
    file = io.BytesIO()
    sheet.save(file, FORMATS[kind])
    return file.getvalue()


def _small(path: str) -> Image.Image | None:
    """Return an image as it is seen, scaled down into a cell, with transparency; None where it can't be decoded."""
    try:
        image = read_input(path)
        longer = max(CELL, *image.size)
        width, height = (max(1, round(side * CELL / longer)) for side in image.size)
        return image.srgb_at((width, height), (0, 0, *image.size)).convert("RGBA")
    except UsageProblem:
        return None


def _fitting(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a label cut in its middle to the width of a cell."""
    kept, text = len(label), label
    while font.getlength(text) > CELL and kept > 1:
        kept -= 1
        text = f"{label[: kept // 2]}…{label[-(kept - kept // 2) :]}"
    return text
