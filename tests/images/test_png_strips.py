"""PNGs in strips: the same pixels as Pillow's, in memory that doesn't grow with the image."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image, ImageChops

from imagecli.errors import UsageProblem
from imagecli.images import input_image
from imagecli.images.canvas import factors, resample
from imagecli.images.png_strips import fingerprint, layout_of, strips
from imagecli.images.prepare import prepare
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=50)
MODES = ("L", "LA", "P", "RGB", "RGBA")


def image(mode: str, size: tuple[int, int] = (301, 203)) -> Image.Image:
    source = random.Random(4)  # noqa: S311 - noise
    soft = Image.frombytes("RGBA", (9, 9), source.randbytes(324)).resize(size, Image.Resampling.BICUBIC)
    noise = Image.frombytes("RGBA", size, source.randbytes(size[0] * size[1] * 4))
    return Image.blend(soft, noise, 0.1).convert("RGB" if mode == "P" else mode).convert(mode)


def saved(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
KINDS = [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (2, 3), (4, 3), (8, 3), (8, 4), (16, 4)]
KINDS += [(8, 6), (16, 6)]


def noise(width: int, height: int, depth: int, colour: int, interlace: int) -> bytes:
    """A PNG of any kind, with all filters; Pillow can write neither Adam7's passes nor 16 bits in colour."""
    source = random.Random(6)  # noqa: S311 - noise
    rows = b""
    for x, y, across, down in PASSES if interlace else ((0, 0, 1, 1),):
        columns, count = -(-(width - x) // across), -(-(height - y) // down)
        length = -(-columns * depth * CHANNELS[colour] // 8)
        if columns > 0:
            rows += b"".join(bytes([source.randrange(5)]) + source.randbytes(length) for _ in range(count))
    return png(width, height, rows, depth=depth, colour=colour, interlace=interlace)


def interlaced(width: int, height: int) -> bytes:
    """A PNG in Adam7's passes, black."""
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in PASSES]
    rows = b"".join(bytes(1 + columns * 3) * down for columns, down in sizes if columns > 0)
    return png(width, height, rows, interlace=1)


def png(
    width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2, interlace: int = 0, extra: bytes = b""
) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    if colour == 3:
        parts.insert(1, (b"PLTE", random.Random(1).randbytes(3 << depth)))  # noqa: S311 - noise
    if extra:
        parts.insert(-2, (extra[:4], extra[4:]))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("multiple", [1, 7, 1000])
def test_strips_have_the_pixels_of_the_whole(monkeypatch, mode, multiple):
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 5000)
    whole = image(mode)
    pieces = list(strips(io.BytesIO(saved(whole)), multiple))
    assert all(piece.height % multiple == 0 for piece in pieces[:-1])
    together = Image.new(mode, whole.size)
    top = 0
    for piece in pieces:
        together.paste(piece, (0, top))
        top += piece.height
    if mode == "P":
        assert pieces[0].convert("RGB").getpixel((3, 0)) == whole.convert("RGB").getpixel((3, 0))
    assert together.tobytes() == whole.tobytes()


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("depth", "colour"), KINDS)
def test_any_kind_of_png_has_the_same_pixels_in_strips(monkeypatch, depth, colour, interlace):
    for width, height in ((61, 83), (1, 1), (5, 9), (3, 2)):
        data = noise(width, height, depth, colour, interlace)
        whole = open_input(data, "fox.png").decode()
        monkeypatch.setattr("imagecli.images.png_strips._STRIP", 1500)
        together, top = Image.new(whole.mode, whole.size), 0
        for strip in strips(io.BytesIO(data), 3):
            assert strip.mode == whole.mode
            assert (strip.getpalette() == whole.getpalette()) if whole.mode == "P" else True
            together.paste(strip, (0, top))
            top += strip.height
        assert top == height
        assert together.tobytes() == whole.tobytes()


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(
    ("depth", "colour", "key"), [(16, 2, 6), (8, 2, 6), (16, 0, 2), (8, 0, 2), (4, 0, 2), (1, 0, 2), (4, 3, 1)]
)
@pytest.mark.parametrize("limit", [50_000_000, 9_000, 7_500, 2_000])
def test_what_is_written_by_strips_is_what_is_written_as_a_whole(monkeypatch, depth, colour, key, interlace, limit):
    """Display P3 is among what makes an image be written anew; so are bits, passes, and sizes."""
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 2000)
    plain = noise(61, 53, depth, colour, interlace)
    rows = zlib.decompress(plain[plain.index(b"IDAT") + 4 : -16])
    data = png(61, 53, rows, depth=depth, colour=colour, interlace=interlace, extra=b"tRNS" + bytes(key))
    rules = InputRules(square=False, formats=(), modes=(), max_bytes=limit)
    made = []
    for large in (0, 1 << 30):
        monkeypatch.setattr(input_image, "_LARGE", large)
        monkeypatch.setattr("imagecli.images.prepare._LARGE", large)
        done = prepare(open_input(data, "fox.png"), rules, "pad")
        picture = Image.open(io.BytesIO(done.upload.data))
        made.append((picture.mode, picture.size, picture.tobytes(), done.notes, done.warnings))
    assert made[0] == made[1]


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_is_transparent_whatever_its_bits(depth):
    """In tRNS it is counted in the file's own greys, and bits above them mean nothing."""
    most = (1 << depth) - 1
    for key in {0, most // 3, most}:
        row = f"{key:0{depth}b}{most - key:0{depth}b}".ljust(8, "0")
        rows = b"\0" + int(row, 2).to_bytes(len(row) // 8, "big")
        extra = b"tRNS" + struct.pack(">H", key | (0x500 if 1 < depth < 16 else 0))
        flat = open_input(png(2, 1, rows, depth=depth, colour=0, extra=extra), "fox.png").flat().image
        grey, other = 255 * key // most, 255 - 255 * key // most
        assert list(flat.get_flattened_data()) == [(grey, grey, grey, 0), (other, other, other, 255)]


def test_colours_and_opaque_alpha_are_converted_by_strips_too(monkeypatch):
    """A gamma that is not sRGB's."""
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 5000)
    rules = InputRules(square=False, formats=("png",), modes=("RGB", "RGBA"), max_bytes=50_000_000)
    for colour, alpha in ((2, b""), (6, b"\xff"), (6, b"\x40"), (0, b"")):
        pixel = {0: b"\x90", 2: b"\x90\x30\xd0", 6: b"\x90\x30\xd0" + alpha}[colour]
        data = png(90, 60, (b"\0" + pixel * 90) * 60, colour=colour, extra=b"gAMA" + struct.pack(">I", 100_000))
        made = []
        for large in (0, 1 << 30):
            monkeypatch.setattr(input_image, "_LARGE", large)
            monkeypatch.setattr("imagecli.images.prepare._LARGE", large)
            done = prepare(open_input(data, "fox.png"), rules, "pad")
            made.append(Image.open(io.BytesIO(done.upload.data)))
        assert made[0].mode == made[1].mode == ("RGBA" if alpha == b"\x40" else "RGB")
        assert made[0].tobytes() == made[1].tobytes()
        assert made[0].getpixel((9, 9))[0] > 0x90


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("side", [20, 60, 150])
def test_what_is_scaled_by_strips_is_what_is_scaled_as_a_whole(monkeypatch, mode, fit, side):
    data = saved(image(mode))
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 5000)
    made = []
    for large in (0, 1 << 30):
        monkeypatch.setattr(input_image, "_LARGE", large)
        upload = prepare(open_input(data, "fox.png"), SQUARE._replace(max_side=side), fit).upload
        made.append(Image.open(io.BytesIO(upload.data)))
    assert made[0].mode == made[1].mode
    difference = ImageChops.difference(*made)
    # A crop begins where averaging over whole pixels would not.
    assert max(high for _, high in difference.convert("RGB").getextrema()) <= (24 if fit == "crop" else 0)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_colour_is_one_in_strips_too(monkeypatch, mode):
    monkeypatch.setattr(input_image, "_LARGE", 0)
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 5000)
    half = Image.new("RGB", (300, 200), "white")
    half.paste("red", (0, 0, 150, 200))
    half = half.convert(mode)
    key = half.getpixel((9, 9))
    upload = prepare(open_input(saved(half, transparency=key), "fox.png"), SQUARE, "stretch").upload
    result = Image.open(io.BytesIO(upload.data))
    assert [result.getpixel((x, 25))[3] for x in (5, 45)] == [0, 255]


def test_a_palette_may_be_half_transparent(monkeypatch):
    monkeypatch.setattr("imagecli.images.png_strips._STRIP", 5000)
    data = saved(image("P"), transparency=bytes(range(0, 256, 2)))
    made = []
    for large in (0, 1 << 30):
        monkeypatch.setattr(input_image, "_LARGE", large)
        upload = prepare(open_input(data, "fox.png"), SQUARE, "stretch").upload
        made.append(Image.open(io.BytesIO(upload.data)))
    assert made[0].mode == "RGBA"
    assert made[0].tobytes() == made[1].tobytes()


def test_it_is_scaled_by_strips(monkeypatch):
    """Or else the tests above compare a way with itself."""
    monkeypatch.setattr(input_image, "_LARGE", 0)
    opened = open_input(saved(image("RGB")), "fox.png")
    monkeypatch.setattr(opened, "decode", None)
    scaled = opened.srgb_at((50, 30), (0, 0, 301, 203))
    assert scaled.tobytes() == resample(image("RGB"), (50, 30)).tobytes()
    assert factors((50, 30), (0, 0, 301, 203)) == (2, 2)


def test_a_fingerprint_is_that_of_the_pixels():
    one = fingerprint(io.BytesIO(saved(image("RGB"), compress_level=1)))
    assert one == fingerprint(io.BytesIO(saved(image("RGB"), compress_level=1, dpi=(9, 9))))
    assert one != fingerprint(io.BytesIO(saved(image("L"))))
    assert fingerprint(io.BytesIO(interlaced(13, 5)))
    assert layout_of(io.BytesIO(interlaced(1, 1))).length == 4
    for depth, colour in ((1, 0), (2, 3), (4, 0), (16, 6), (16, 2)):
        channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
        rows = bytes((1 + -(-13 * depth * channels // 8)) * 5)
        assert fingerprint(io.BytesIO(png(13, 5, rows, depth=depth, colour=colour)))
        with pytest.raises(ValueError, match="too early"):
            fingerprint(io.BytesIO(png(13, 5, rows[:-1], depth=depth, colour=colour)))
    with pytest.raises(ValueError, match="filter"):
        fingerprint(io.BytesIO(png(13, 5, bytes(40) + b"\x07" + bytes(159))))


def test_a_flipped_byte_is_found_by_the_checksum_of_the_rows(monkeypatch):
    monkeypatch.setattr(input_image, "_LARGE", 0)
    data = bytearray(saved(image("RGB"), compress_level=0))
    data[5000] ^= 4
    with pytest.raises(UsageProblem, match="is damaged or truncated"):
        prepare(open_input(bytes(data), "fox.png"), SQUARE, "pad")


PEAK = """
import sys
from imagecli.__main__ import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("model", "depth", "interlace"),
    [("dall-e-2", 8, 0), ("gpt-image-2", 8, 0), ("dall-e-2", 16, 1), ("gpt-image-2", 16, 0), ("gpt-image-2", 8, 1)],
)
def test_24_megapixels_are_prepared_in_little_memory(tmp_path, model, depth, interlace):
    sizes = [(-(-(6000 - x) // dx), -(-(4000 - y) // dy)) for x, y, dx, dy in PASSES] if interlace else [(6000, 4000)]
    rows = b"".join(bytes((1 + columns * 3 * depth // 8) * down) for columns, down in sizes)
    (tmp_path / "large.png").write_bytes(png(6000, 4000, rows, depth=depth, interlace=interlace))
    command = ["prepare", "large.png", "--for", model, "-o", "small.png"]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *command], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert int(done.stderr.split()[-1]) < 100_000
