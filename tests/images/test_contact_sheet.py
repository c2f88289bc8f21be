"""Contact sheets: each image in its cell, in order, on as many pages as they need."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagecli.images import contact_sheet
from imagecli.images.contact_sheet import ContactSheet, pages_for

COLOURS = ["red", "lime", "blue", "yellow", "aqua", "magenta", "black"]


@pytest.fixture
def files():
    for colour in COLOURS:
        Image.new("RGB", (40, 40), colour).save(f"{colour}.png")
    return [f"{colour}.png" for colour in COLOURS]


def colour_at(page, column, row, height=292):
    red, green, blue = page.getpixel((16 + column * 272 + 128, 16 + row * height + 128))
    return tuple(value > 127 for value in (red, green, blue))


def opened(sheet):
    return [Image.open(io.BytesIO(page)) for page in sheet.pages()]


def test_the_order_is_that_of_the_images_whichever_comes_first(files):
    with ContactSheet("png") as sheet:
        for index in (2, 0, 3, 1):
            sheet.add((index,), files[index], files[index])
        [page] = opened(sheet)
        seen = [colour_at(page, column, row) for row in range(2) for column in range(2)]
        assert seen == [(True, False, False), (False, True, False), (False, False, True), (True, True, False)]


def test_pages(files, monkeypatch):
    monkeypatch.setattr(contact_sheet, "PAGE", 3)
    with ContactSheet("webp") as sheet:
        for index, file in enumerate(files):
            sheet.add((0, index), file, file, "a caption")
        pages = opened(sheet)
        assert [page.size for page in pages] == [(560, 640), (560, 640), (288, 328)]
        assert [page.format for page in pages] == ["WEBP"] * 3
        assert colour_at(pages[1], 0, 0, 312) == (True, True, False)
        assert [pages_for(count) for count in (0, 1, 3, 4, 7)] == [1, 1, 1, 2, 3]


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"text"])
def test_what_cannot_be_decoded_is_an_empty_cell(data):
    with open("odd.png", "wb") as file:
        file.write(data)
    with ContactSheet("png") as sheet:
        sheet.add((0,), "odd.png", "odd.png")
        sheet.add((1,), "gone.png", "gone.png")
        sheet.add((2,), "/dev/zero", "zero")
        [page] = opened(sheet)
        assert [page.getpixel((16 + column * 272 + 128, 144)) for column in range(2)] == [(0xE4,) * 3] * 2


@pytest.mark.parametrize("size", [(1, 3000), (9000, 1)])
def test_a_line_of_pixels_is_a_line(size):
    Image.new("RGB", size, "red").save("thin.png")
    with ContactSheet("png") as sheet:
        sheet.add((0,), "thin.png", "thin.png")
        [page] = opened(sheet)
        assert page.size == (288, 308)
        line = page.crop((17, 17, 271, 271)).resize((1, 254) if size[0] > 1 else (254, 1), Image.Resampling.BOX)
        assert min(line.getchannel("G").getextrema()) < 254
