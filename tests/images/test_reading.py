"""Inputs: what is read, what is refused with which message, and that nothing else is printed or run."""

from __future__ import annotations

import io
import os
import random
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from imagecli.errors import UsageProblem
from imagecli.images.limits import MAX_PIXELS
from imagecli.images.pillow import pillow_errors
from imagecli.images.prepare import prepare
from imagecli.images.reading import open_input, read_input
from imagecli.images.types import InputRules

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=1024)
FREE = InputRules(
    square=False,
    formats=("png", "jpeg", "webp"),
    modes=("1", "L", "LA", "P", "RGB", "RGBA"),
    max_bytes=50_000_000,
)


def encoded(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    noise = random.Random(1).randbytes(size[0] * size[1] * len(mode))  # noqa: S311 - noise, not a secret
    Image.frombytes(mode, size, noise).save(out, kind, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A small PNG that declares any size."""
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "it is HTML, not an image"),
        (b'{"error": {"message": "no"}}', "it is JSON, not an image"),
        (b"not an image, but a letter to you\n" * 10, "is text, not an image"),
        (b'<?xml version="1.0"?><!-- me --><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG input is not supported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript input is not supported"),
        (b"\xc5\xd0\xd3\xc6" + b"\0" * 60, "PostScript input is not supported"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF input is not supported"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 60, "begins like a PNG image but can't be read"),
        (bytes(range(256)) * 4, "isn't an image that can be read"),
    ],
)
def test_what_is_not_an_image_is_named(data, says):
    with pytest.raises(UsageProblem, match=says) as caught:
        open_input(data, "cat.png")
    assert caught.value.message.startswith("cat.png")
    assert caught.value.hint


def test_the_hint_for_svg_is_to_rasterise_it():
    with pytest.raises(UsageProblem) as caught:
        open_input(b"<svg></svg>", "logo.svg")
    assert "Rasterise it first" in str(caught.value.hint)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x0cmeta\0\0\0\0" + b"\0\0\0\x28mdat" + bytes(32)


def test_heic_without_its_plugin_names_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UsageProblem, match="HEIC image, which needs a plugin") as caught:
        open_input(HEIC, "IMG_1.HEIC")
    assert "pipx inject imagecli pillow-heif" in str(caught.value.hint)


@pytest.mark.parametrize("data", [HEIC[:60], HEIC[:24], HEIC[:24] + b"\xff" * 60], ids=["cut", "head", "noise"])
@pytest.mark.parametrize("installed", [True, False])
def test_no_plugin_is_named_where_a_heic_file_is_broken(monkeypatch, data, installed):
    if not installed:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UsageProblem, match="HEIC") as caught:
        open_input(data, "IMG_1.HEIC")
    assert "plugin" not in str(caught.value)
    assert "pillow-heif" not in str(caught.value.hint)


def test_heic_with_its_plugin_is_read():
    pillow_heif = pytest.importorskip("pillow_heif", reason="the optional plugin is not installed")
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 32), "red")).save(out, quality=90)
    opened = open_input(out.getvalue(), "IMG_1.HEIC")
    assert (opened.format, opened.size) == ("heif", (64, 32))
    opened.forget()
    assert opened.decode().size == (64, 32)
    assert prepare(opened, FREE, "pad").upload.filename == "IMG_1.png"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "TGA", "PPM", "SGI"])
@pytest.mark.parametrize("rules", [SQUARE, FREE])
def test_a_truncated_image_is_refused_before_anything_is_sent(kind, rules, capfd):
    data = encoded(kind)
    with pytest.raises(UsageProblem, match=r"^cut\.img "):
        prepare(open_input(data[: len(data) // 2], "cut.img"), rules, "pad")
    assert capfd.readouterr() == ("", "")


def test_a_truncated_png_that_is_turned_is_refused():
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (encoded("PNG", exif=exif), encoded("PNG").replace(b"IDAT", b"IDAT eXIf", 1)):
        with pytest.raises(UsageProblem, match=r"^cut\.png "):
            prepare(open_input(data[: len(data) // 2], "cut.png"), FREE, "pad")


def test_threads_that_read_leave_the_warnings_as_they_were():
    before = list(warnings.filters)
    first, second = pillow_errors("one"), pillow_errors("two")
    for context in (first, second):
        thread = threading.Thread(target=context.__enter__)
        thread.start()
        thread.join()
    first.__exit__(None, None, None)
    warnings.warn_explicit("unheard", UserWarning, "PngImagePlugin.py", 1, "PIL.PngImagePlugin")
    second.__exit__(None, None, None)
    assert warnings.filters == before


def test_broken_files_of_every_kind_end_in_a_message_and_in_nothing_on_stderr(capfd):
    chance = random.Random(7)  # noqa: S311 - noise, not a secret
    for kind, options in [
        ("PNG", {}),
        ("JPEG", {}),
        ("WEBP", {}),
        ("GIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("BMP", {}),
        ("ICO", {}),
        ("ICNS", {}),
        ("JPEG2000", {}),
        ("PCX", {}),
        ("DDS", {}),
        ("QOI", {}),
    ]:
        whole = encoded(kind, (32, 32), **options)
        for _ in range(12):
            broken = bytearray(whole)
            for _ in range(chance.choice((1, 4, 16))):
                broken[chance.randrange(min(len(broken), chance.choice((48, 4096))))] = chance.randrange(256)
            try:
                upload = prepare(open_input(bytes(broken), "broken"), SQUARE, "pad").upload
            except UsageProblem:
                continue
            assert len(upload.data) < SQUARE.max_bytes
    assert capfd.readouterr() == ("", "")


def test_a_bomb_is_refused_by_its_header_with_limit_and_size():
    with pytest.raises(UsageProblem, match=f"10,000,000,000 pixels; the limit is {MAX_PIXELS:,}"):
        open_input(bomb(100_000, 100_000), "bomb.png")


def test_a_bomb_is_refused_where_pillow_has_its_own_limit_lifted(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UsageProblem, match="100000x100000 = 10,000,000,000 pixels"):
        open_input(bomb(100_000, 100_000), "bomb.png")


def test_decoders_written_in_python_have_a_lower_limit():
    # Pillow unpacks run lengths in BMP at 0.2 s per million pixels: this one would take half a minute.
    header = struct.pack("<IiiHHIIiiII", 40, 16_000_000, 10, 1, 8, 1, 0, 0, 0, 256, 0) + b"\0" * 1024
    bmp = b"BM" + struct.pack("<IHHI", 14 + len(header) + 100, 0, 0, 14 + len(header)) + header + b"\0" * 100
    with pytest.raises(UsageProblem, match=r"160,000,000 pixels; the limit is 44,739,242"):
        open_input(bmp, "bomb.bmp")


def test_ghostscript_is_never_run(tmp_path, monkeypatch):
    trap = tmp_path / "gs"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for head in (b"%!PS-Adobe-3.0 EPSF-3.0\n", b" \n%!PS-Adobe-3.0 EPSF-3.0\n"):
        with pytest.raises(UsageProblem):
            open_input(head + b"%%BoundingBox: 0 0 90 90\n%%EndComments\nshowpage\n", "drawing.eps")
    assert not (tmp_path / "ran").exists()


def test_an_input_is_read_from_a_file_and_from_a_named_pipe(tmp_path):
    data = encoded("PNG")
    file = tmp_path / "cat.png"
    file.write_bytes(data)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    from_pipe = read_input(str(pipe))
    writer.join()
    assert from_pipe.data == read_input(str(file)).data == data
    assert from_pipe.size == (64, 48)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing.png", "nothing.png does not exist"),
        ("folder", "folder is a folder"),
        ("empty.png", "empty.png is empty"),
        ("empty.png/cat.png", "empty.png/cat.png can't be read: Not a directory"),
        ("/dev/null", "/dev/null is not a file"),
        ("a\0b.png", "a\N{REPLACEMENT CHARACTER}b.png can't be read"),
        ("\x1b[31mred.png", r"\N{REPLACEMENT CHARACTER}\[31mred.png does not exist"),
    ],
)
def test_what_can_not_be_read_is_named(name, says):
    Path("folder").mkdir()
    Path("empty.png").touch()
    with pytest.raises(UsageProblem, match=says):
        read_input(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    file = tmp_path / "secret.png"
    file.write_bytes(encoded("PNG"))
    file.chmod(0)
    with pytest.raises(UsageProblem, match=r"secret\.png can't be read: Permission denied"):
        read_input(str(file))


def test_a_file_of_more_than_a_gigabyte_is_refused(tmp_path):
    file = tmp_path / "huge.png"
    with file.open("wb") as sparse:
        sparse.truncate((1 << 30) + 1)
    with pytest.raises(UsageProblem, match=r"huge\.png is larger than 1 GB"):
        read_input(str(file))


def test_what_the_header_says_is_known_without_decoding():
    exif = Image.Exif()
    exif[0x0112] = 6
    opened = open_input(encoded("JPEG", (64, 48), exif=exif), "turned.jpg")
    assert (opened.format, opened.mode, opened.size, opened.animated) == ("jpeg", "RGB", (48, 64), False)
    assert opened.decode() is opened.decode()


def test_a_jpeg_is_decoded_no_larger_than_needed_and_never_smaller():
    opened = open_input(encoded("JPEG", (640, 480)), "large.jpg")
    assert opened.decode((100, 75)).size == (160, 120)
    assert opened.decode((90, 75)).size == (160, 120)
    assert opened.decode((400, 300)).size == (640, 480)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_an_animation_is_known_as_one(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    opened = open_input(out.getvalue(), "moving")
    assert opened.animated
    prepared = prepare(opened, FREE, "pad")
    what = "page" if kind == "TIFF" else "frame of the animation"
    assert prepared.warnings == (f"only the first {what} is used",)
    red, green, blue = Image.open(io.BytesIO(prepared.upload.data)).convert("RGB").getpixel((4, 4))
    assert red > 240
    assert max(green, blue) < 15


def test_a_jpeg_with_a_second_image_after_it_is_sent_unchanged_if_that_may_leave():
    """Phones write a gain map, or a second view, after the image."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (32, 32))])
    opened = open_input(out.getvalue(), "phone.jpg")
    assert (opened.format, opened.animated) == ("jpeg", False)
    assert prepare(opened, FREE, "pad", keep_metadata=True).upload.data == out.getvalue()


def tiff(*pages: dict[int, int], order: str = "<", big: bool = False, subs: tuple[dict[int, int], ...] = ()) -> bytes:
    """A TIFF of pages with the given integer tags; the first page has the others as its sub-directories."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    offset, count, width = ("Q", "Q", 8) if big else ("I", "H", 4)
    head += struct.pack(order + "HH", 8, 0) if big else b""
    start = len(head) + width
    sizes = [8 + 20 * 20 if big else 6 + 20 * 12] * (len(pages) + len(subs))
    places = [start + sum(sizes[:at]) for at in range(len(sizes))]
    data = head + struct.pack(order + offset, start)
    for at, page in enumerate((*pages, *subs)):
        tags = sorted((page | ({0x014A: places[len(pages)]} if subs and at == 0 else {})).items())
        body = struct.pack(order + count, len(tags))
        for tag, value in tags:
            body += struct.pack(f"{order}HH{offset}{offset}", tag, 4, 1, value)
        following = places[at + 1] if at + 1 < len(pages) else 0
        data += (body + struct.pack(order + offset, following)).ljust(sizes[at], b"\0")
    return data


SMALL, LARGE = {0x0100: 160, 0x0101: 120}, {0x0100: 6000, 0x0101: 4000}


@pytest.mark.parametrize(
    "data",
    [
        tiff({**SMALL, 0x00FE: 1}, LARGE),
        tiff({**SMALL, 0x00FE: 1}, order=">", subs=(LARGE,)),
        tiff({**LARGE, 0xC612: 0x01040000}),
        tiff(SMALL, subs=({**SMALL, 0x0106: 32803},)),
        tiff(SMALL, {**LARGE, 0x0106: 34892}),
        tiff(SMALL, subs=(LARGE,), big=True),
        tiff(SMALL)[:8] + b"CR\2\0" + bytes(300),
        b"FUJIFILMCCD-RAW 0201FF383501" + bytes(99),
        b"IIU\0\x18\0\0\0" + bytes(99),
        b"IIRO\x08\0\0\0" + bytes(99),
        b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(99),
    ],
    ids=["NewSubfileType", "SubIFDs", "DNGVersion", "CFA", "LinearRaw", "BigTIFF", "CR2", "RAF", "RW2", "ORF", "CR3"],
)
def test_camera_raw_is_refused_and_a_converter_named(data):
    with pytest.raises(UsageProblem, match=r"^IMG\.raw can't be used: it is a camera RAW file") as caught:
        open_input(data, "IMG.raw")
    assert "RAW converter" in str(caught.value.hint)


def test_a_tiff_whose_other_pages_are_smaller_or_equal_is_an_image():
    second = Image.new("RGB", (32, 24))
    for subfile_type in (0, 1):
        second.encoderinfo = {"tiffinfo": {254: subfile_type}}
        out = io.BytesIO()
        Image.new("RGB", (64, 48), "red").save(out, "TIFF", save_all=True, append_images=[second])
        opened = open_input(out.getvalue(), "pages.tif")
        # A smaller version of the first page is not another page.
        assert (opened.size, opened.animated) == ((64, 48), not subfile_type)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"quality": 100}])
@pytest.mark.parametrize("rules", [SQUARE, FREE])
@pytest.mark.parametrize("size", [(64, 48), (61, 47)])
def test_a_jpeg_without_its_last_two_bytes_is_read_and_one_that_lacks_more_is_not(options, rules, size):
    data = encoded("JPEG", size, **options)
    whole = prepare(open_input(data, "whole.jpg"), rules._replace(formats=()), "stretch").upload.data
    for cut in (data[:-1], data[:-2]):
        assert prepare(open_input(cut, "cut.jpg"), rules, "stretch").upload.data == whole
    for less in (8, 20, len(data) // 2):
        with pytest.raises(UsageProblem, match=r"^cut\.jpg is damaged or truncated"):
            prepare(open_input(data[:-less], "cut.jpg"), FREE, "pad")


def huge_jpeg(**options: object) -> bytes:
    """A JPEG of 225 million pixels; its lower blocks are those of a grey image, which take few bytes."""
    data = encoded("JPEG", (16, 16), "L", quality=10, **options)
    at = data.index(b"\xff\xc0") if not options else data.index(b"\xff\xc2")
    return data[: at + 5] + struct.pack(">HH", 15000, 15000) + data[at + 9 :]


def test_a_jpeg_of_200_megapixels_is_taken_where_it_can_be_decoded_small():
    opened = open_input(huge_jpeg(), "phone.jpg")
    assert (opened.size, opened.shrink) == ((15000, 15000), 2)
    with pytest.raises(UsageProblem, match="225,000,000 pixels; the limit is"):
        opened.decode()
    with pytest.raises(UsageProblem, match="225,000,000 pixels; the limit is"):
        open_input(huge_jpeg(progressive=True), "phone.jpg")
    with pytest.raises(UsageProblem, match="225,000,000 pixels; the limit is 200,000,000"):
        open_input(huge_jpeg(), "phone.jpg", max_pixels=200_000_000)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_an_image_is_turned_by_exif_and_never_by_xmp(kind):
    image = Image.new("RGB", (64, 48), "red")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    out = io.BytesIO()
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        image.save(out, kind, pnginfo=info)
    elif kind == "TIFF":
        image.save(out, kind, tiffinfo={700: xmp})
    else:
        image.save(out, kind, xmp=xmp)
    assert b"tiff:Orientation" in out.getvalue()
    opened = open_input(out.getvalue(), "fox")
    assert (opened.size, opened.orientation, opened.decode().size) == ((64, 48), 1, (64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    image.save(turned, kind, exif=exif)
    assert open_input(turned.getvalue(), "fox").size == (48, 64)


def test_a_png_is_turned_by_exif_wherever_it_stands():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded("PNG", exif=exif)
    at = data.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(data[at : at + 4], "big")
    late = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    assert open_input(late, "fox.png").size == (48, 64)
    info = PngInfo()
    body = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    info.add_text("Raw profile type exif", f"\nexif\n{len(body):8}\n{body.hex()}\n", zip=True)
    assert open_input(encoded("PNG", pnginfo=info), "fox.png").size == (48, 64)


def with_tag(tiff: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value in a tag of one SHORT."""
    changed = bytearray(tiff)
    struct.pack_into("<H", changed, changed.index(struct.pack("<HHI", tag, 3, 1)) + 8, value)
    return bytes(changed)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_channel_of_a_tiff_without_a_meaning_is_alpha_unless_it_is_empty(mode, compression):
    image = Image.new(mode, (20, 10), (10, 20, 30, 40)[-len(mode) :])
    for alpha, expected in (
        (40, (*image.convert("RGB").getpixel((0, 0)), 40)),
        (0, image.convert("RGB").getpixel((0, 0))),
    ):
        image.putalpha(alpha)
        out = io.BytesIO()
        image.save(out, "TIFF", compression=compression)
        opened = open_input(with_tag(out.getvalue(), 338, 0), "x.tif")
        assert (opened.mode, opened.flat().image.getpixel((3, 3))) == (mode, expected)


@pytest.mark.parametrize(("number", "said"), [(50001, "compression webp can't be read"), (34887, "can't be read")])
def test_a_tiff_in_a_compression_that_is_not_built_in_is_not_called_damaged(number, said, monkeypatch):
    monkeypatch.setattr("imagecli.images.input_image.can_decompress", lambda compression: compression != number)
    out = io.BytesIO()
    Image.new("RGB", (20, 10)).save(out, "TIFF", compression="tiff_adobe_deflate")
    with pytest.raises(UsageProblem, match=said) as caught:
        open_input(with_tag(out.getvalue(), 259, number), "x.tif")
    assert "LZW or not at all" in caught.value.hint
