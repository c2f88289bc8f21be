"""What a server sends is checked byte by byte, in pieces of any size, and its kind is named."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagecli.errors import Failure
from imagecli.images.image_check import ImageCheck, ImageFacts
from imagecli.images.sniffing import KIND_NAMES, sniff
from support.places import ROOT

SVG = b"""\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" [ <!ENTITY a "b>"> ]>
<!-- made by a model, not by <html> -->
<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480px"><svg><g/></svg><path d="M0 0"/></svg>
"""


def encoded(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    noise = random.Random(3).randbytes(size[0] * size[1] * len(mode))  # noqa: S311 - noise, not a secret
    Image.frombytes(mode, size, noise).save(out, kind, **options)
    return out.getvalue()


def animated_gif() -> bytes:
    out = io.BytesIO()
    frames = [Image.effect_noise((40, 30), 60) for _ in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"three of them")
    return out.getvalue()


def as_heic(avif: bytes) -> bytes:
    """The same boxes under HEIC's brand."""
    length = int.from_bytes(avif[:4], "big")
    return avif[:8] + b"heic" + avif[12:16] + b"heic" * ((length - 16) // 4) + avif[length:]


def with_large_length(avif: bytes) -> bytes:
    """Its last box with a length of 64 bits."""
    at = avif.rindex(b"mdat") - 4
    return avif[:at] + struct.pack(">I4sQ", 1, b"mdat", len(avif) - at + 8) + avif[at + 8 :]


IMAGES = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG"),
    "jpeg, progressive": encoded("JPEG", progressive=True, exif=b"Exif\0\0" + b"\xff\xd9" * 8),
    "webp": encoded("WEBP"),
    "webp, lossless": encoded("WEBP", lossless=True),
    "webp, with alpha": encoded("WEBP", mode="RGBA", exif=b"Exif\0\0"),
    "gif": animated_gif(),
    "avif": encoded("AVIF"),
    "avif, with alpha": encoded("AVIF", mode="RGBA"),
    "avif, with a large length": with_large_length(encoded("AVIF")),
    "heic": as_heic(encoded("AVIF")),
}
# Nothing is missing of a PNG once its last chunk begins.
TRUNCATED = {**IMAGES, "png": IMAGES["png"][:-4], "svg": SVG.rstrip()}


def checked(data: bytes, size: int = 1 << 16) -> ImageFacts:
    check = ImageCheck()
    for start in range(0, len(data), size):
        check.feed(data[start : start + size])
    return check.finish()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_whole_image_has_a_known_format_and_size(name, size):
    assert checked(IMAGES[name], size) == ImageFacts(name.split(",")[0], 40, 30)


@pytest.mark.parametrize("name", TRUNCATED)
def test_a_truncated_image_is_found_wherever_it_is_cut(name):
    data = TRUNCATED[name]
    for end in {1, 2, 9, 30, len(data) // 3, len(data) // 2, len(data) - 2, len(data) - 1}:
        with pytest.raises(Failure, match="the server sent"):
            checked(data[:end])
    with pytest.raises(Failure, match=f"a truncated image: the {name.split(',')[0].upper()} data ends too early"):
        checked(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("name", IMAGES)
def test_what_trails_an_image_is_tolerated(name):
    assert checked(IMAGES[name] + b"\0\r\n trailing", 100).width == 40


@settings(max_examples=60)
@given(position=st.integers(8, len(IMAGES["png"]) - 13), value=st.integers(1, 255))
def test_no_damage_to_the_pixels_of_a_png_passes(position, value):
    damaged = bytearray(IMAGES["png"])
    damaged[position] ^= value
    with pytest.raises(Failure):
        checked(bytes(damaged))


@settings(max_examples=150)
@given(data=st.binary(max_size=200), kind=st.sampled_from([*sorted(IMAGES), ""]), cut=st.integers(0, 200))
def test_any_bytes_end_in_facts_or_in_a_failure(data, kind, cut):
    try:
        said = checked(IMAGES.get(kind, b"")[:cut] + data, 13).format
    except Failure as failure:
        said = failure.message
    assert said in KIND_NAMES or said.startswith("the server sent")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the server sent nothing where an image was expected"),
        (b"<!doctype html>\n<title>502 Bad Gateway</title>", "the server sent HTML where a PNG"),
        (b"\n\n<html><svg></svg></html>", "the server sent HTML where"),
        (b'{"detail": "no such image"}', "the server sent JSON where"),
        (b"Not Found", "the server sent text where"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "the server sent text where"),
        (b"%PDF-1.7 ...", "the server sent a PDF document where"),
        (b"BM" + b"\0" * 60, "the server sent a BMP image where a PNG, JPEG, WebP, GIF or SVG image"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "a truncated image: the AVIF data ends too early"),
        (b"\0\0\0\x10ftypavif\0\0\0\0\0\0\0\x03meta", "a damaged image: AVIF has a box that is shorter than"),
        (bytes(range(200, 256)), "the server sent bytes of an unknown kind where an image was expected"),
        (png_of(0, 10, chunk(b"IDAT", b"x")), "a damaged image: PNG declares 0x10 pixels"),
        (png_of(1, 4_000_000_000, chunk(b"IDAT", b"x")), "a damaged image: PNG declares 1x4000000000 pixels"),
        (png_of(9, 9), "a damaged image: PNG has no pixels"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT", b"x" * 40), "a damaged image: PNG does not begin with a single header"),
        (png_of(9, 9, b"\0\0\0\0 no!"), "a damaged image: PNG has stray bytes between its chunks"),
        (b"\xff\xd8\xff\xd9" + b"\0" * 40, "a damaged image: JPEG has no pixels"),
        (b"GIF89a\x09\0\x09\0\0\0\0;" + b"\0" * 40, "a damaged image: GIF has no pixels"),
        (b"RIFF\x40\0\0\0WEBPJUNK" + b"\0" * 60, "a damaged image: WebP does not begin with an image"),
    ],
)
def test_what_is_not_an_image_is_named(data, says):
    with pytest.raises(Failure) as caught:
        checked(data)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        (b'width="640" height="480"', (640, 480)),
        (b"width='639.6px' height = '480.2'", (640, 480)),
        (b'width="100%" height="100%" viewBox="0 0 300 200"', (300, 200)),
        (b'viewBox="-5,-5, 1024 , 768"', (1024, 768)),
        (b'width="10cm" height="5cm"', (None, None)),
        (b'width="640"', (None, None)),
        (b'data-a=">" width="0" height="0"', (None, None)),
        (b"", (None, None)),
    ],
)
def test_an_svg_has_a_known_size_where_it_declares_one(attributes, size):
    data = b"<svg xmlns='http://www.w3.org/2000/svg' " + attributes + b"><g/></svg>"
    for step in (1, 1 << 20):
        assert checked(data, step) == ImageFacts("svg", *size)


def test_an_svg_with_a_long_head_is_one_and_its_own_end_counts():
    assert checked(SVG, 5) == ImageFacts("svg", 640, 480)
    assert checked(b"<!--" + b"licence " * 4000 + b"-->" + SVG.removeprefix(b"\xef\xbb\xbf"), 1000).width == 640
    inner_only = SVG.rstrip().removesuffix(b"</svg>") + b"<g/>" * 2000
    with pytest.raises(Failure, match="truncated"):
        checked(inner_only)


def test_memory_does_not_grow_with_the_image():
    piece = bytes(1 << 16)
    tracemalloc.start()
    check = ImageCheck()
    check.feed(png_of(9, 9)[:33] + struct.pack(">I", 64 << 20) + b"IDAT")
    for _ in range(1024):
        check.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    with pytest.raises(Failure, match="truncated"):
        check.finish()


def test_the_check_does_not_import_pillow():
    code = (
        "import sys, imagecli.images.sniffing; sys.exit(any(name.partition('.')[0] == 'PIL' for name in sys.modules))"
    )
    root = str(ROOT)
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": root}, check=False).returncode == 0


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\0\x08\0\0\0", "tiff"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", None),
        ("grüße aus Köln".encode()[:3], "text"),
        (b" [1, 2]", "json"),
        (b"%!PS-Adobe", "postscript"),
        (b"", None),
        (b"\x00\x01\x02", None),
    ],
)
def test_bytes_are_named_by_how_they_begin(head, kind):
    assert sniff(head) == kind
    assert kind is None or kind in KIND_NAMES


def test_the_size_of_an_avif_is_that_which_is_displayed():
    turned = Image.Exif()
    turned[0x0112] = 6
    assert checked(encoded("AVIF", exif=turned)) == ImageFacts("avif", 30, 40)
    assert checked(boxes_of(b"ispe", struct.pack(">III", 0, 40, 30))) == ImageFacts("avif", 40, 30)
    assert checked(boxes_of(b"clap", struct.pack(">8I", 60, 2, 20, 1, 0, 1, 0, 1))) == ImageFacts("avif", 30, 20)
    assert checked(boxes_of(b"clap", struct.pack(">8I", 60, 0, 20, 1, 0, 1, 0, 1))) == ImageFacts("avif", None, None)
    with pytest.raises(Failure, match="AVIF declares 0x30 pixels"):
        checked(boxes_of(b"ispe", struct.pack(">III", 0, 0, 30)))


def test_a_sequence_has_the_size_of_its_track():
    track = media_box(b"tkhd", bytes(76) + struct.pack(">II", 40 << 16, 30 << 16))
    file = media_box(b"ftyp", b"avis\0\0\0\0") + media_box(b"moov", media_box(b"trak", track))
    assert checked(file + media_box(b"mdat", b"x")) == ImageFacts("avif", 40, 30)
    assert checked(file + b"\0\0\0\0mdat" + b"x" * 99, 7) == ImageFacts("avif", 40, 30)


def media_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxes_of(kind: bytes, body: bytes) -> bytes:
    """An AVIF whose only image has one property."""
    main = media_box(b"pitm", bytes(4) + b"\0\1")
    its = media_box(b"ipma", bytes(4) + struct.pack(">IHBB", 1, 1, 1, 1))
    meta = bytes(4) + main + media_box(b"iprp", media_box(b"ipco", media_box(kind, body)) + its)
    return media_box(b"ftyp", b"avif\0\0\0\0") + media_box(b"meta", meta) + media_box(b"mdat", b"x")
