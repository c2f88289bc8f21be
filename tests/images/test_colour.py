"""Colours arrive as they are meant: in sRGB, by whatever profile, chunk or number says so, and from any mode."""

from __future__ import annotations

import array
import io
import math
import random
import struct
import zlib

import pytest
from PIL import Image, ImageCms, ImageStat

from imagecli.images.icc import SRGB, Coding, gamma_curve, is_srgb, make_profile, profile_of_coding, srgb_curve
from imagecli.images.mask import region_of, tinted
from imagecli.images.mask_flags import ColourRange, MaskFlags
from imagecli.images.prepare import prepare, prepare_markup
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules
from support.places import ROOT

INPUTS = ROOT.parent / "shared" / "inputs"
here = pytest.mark.skipif(not INPUTS.is_dir(), reason="the collection of inputs is not here")
FREE = InputRules(
    square=False,
    formats=("png", "jpeg", "webp"),
    modes=("1", "L", "LA", "P", "RGB", "RGBA"),
    max_bytes=50_000_000,
)
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
REC2020 = (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
LIME_IN_P3 = (117, 251, 76)
"""sRGB's green, (0, 255, 0), by Display P3's published matrices."""


def named(profile: bytes, name: bytes) -> bytes:
    """A profile with a description, as tools show it."""
    text = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(1 + 12 + 67)
    text += bytes(-len(text) % 4)
    (count,) = struct.unpack_from(">I", profile, 128)
    table = bytearray(profile[132 : 132 + 12 * count])
    for at in range(0, len(table), 12):
        struct.pack_into(">I", table, at + 4, struct.unpack_from(">I", table, at + 4)[0] + 12)
    body = profile[132 + 12 * count :]
    table += struct.pack(">4sII", b"desc", 132 + len(table) + 12 + len(body), len(text))
    data = profile[:128] + struct.pack(">I", count + 1) + bytes(table) + body + text
    return struct.pack(">I", len(data)) + data[4:]


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def sent(data: bytes, rules: InputRules = FREE) -> tuple[Image.Image, tuple[str, ...]]:
    prepared = prepare(open_input(data, "fox"), rules, "pad")
    return Image.open(io.BytesIO(prepared.upload.data)), prepared.notes


def near(one: object, other: object, by: int = 3) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(image: Image.Image, *chunks: tuple[bytes, bytes]) -> bytes:
    data = saved(image)
    return data[:33] + b"".join(chunk(*one) for one in chunks) + data[33:]


def chrm(primaries: tuple[float, ...]) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in primaries))


def gama(value: int) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_wide_colours_go_as_srgb_without_their_profile(kind, mode):
    if (kind, mode) == ("JPEG", "RGBA"):
        mode = "RGB"
    image = Image.new(mode, (40, 20), (*LIME_IN_P3, 128)[: len(mode)])
    options = {"PNG": {}, "TIFF": {}, "JPEG": {"quality": 100}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    result, notes = sent(saved(image, kind, icc_profile=make_profile(P3, srgb_curve), **options[kind]))
    assert near(result.convert("RGB").getpixel((20, 10)), (0, 255, 0), 4)
    assert "icc_profile" not in result.info
    assert "converted to sRGB" in notes


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_srgb_goes_byte_for_byte_whatever_it_calls_itself(kind):
    little_cms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (little_cms, named(make_profile(SRGB, srgb_curve), b"a camera")):
        data = saved(Image.new("RGB", (40, 20), "red"), kind, icc_profile=profile)
        assert prepare(open_input(data, "fox"), FREE, "pad").upload.data == data


def test_a_profile_is_judged_by_its_curves_and_primaries():
    assert is_srgb(make_profile(SRGB, srgb_curve))
    assert is_srgb(make_profile(SRGB, srgb_curve, grey=True))
    others = ((SRGB, gamma_curve(1)), (SRGB, gamma_curve(2.2)), (P3, srgb_curve))
    for other in (make_profile(*one) for one in others):
        assert not is_srgb(other)
        assert not is_srgb(named(other, b"sRGB IEC61966-2.1"))
    linear = named(make_profile(SRGB, gamma_curve(1)), b"sRGB, linear")
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear))).startswith("sRGB")
    image = Image.new("RGB", (9, 9), (128, 64, 0))
    assert near(sent(saved(image, icc_profile=linear))[0].getpixel((4, 4)), (188, 137, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize(
    ("mode", "grey"), [("RGB", True), ("P", True), ("RGBA", True), ("L", False), ("LA", False), ("1", False)]
)
def test_a_profile_of_another_colour_space_is_passed_over(kind, mode, grey):
    if kind in ("JPEG", "WEBP") and mode in ("P", "RGBA", "LA", "1"):
        mode = "RGB" if grey else "L"
    if kind == "WEBP" and not grey:
        return  # WebP has no grey
    image = Image.frombytes("RGB", (40, 20), random.Random(2).randbytes(2400)).convert(mode)  # noqa: S311 - noise
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    data = saved(image, kind, icc_profile=make_profile(P3, gamma_curve(1), grey=grey), **options)
    result, notes = sent(data)
    assert result.convert("RGBA").tobytes() == Image.open(io.BytesIO(data)).convert("RGBA").tobytes()
    assert f"a colour profile for {'GRAY' if grey else 'RGB'} was ignored" in notes
    assert "icc_profile" not in result.info


def test_a_grey_profile_is_applied_to_grey():
    data = saved(Image.new("L", (9, 9), 128), icc_profile=make_profile(SRGB, gamma_curve(1), grey=True))
    assert near(sent(data)[0].convert("RGB").getpixel((4, 4)), (188, 188, 188))


@pytest.mark.parametrize(
    ("chunks", "seen"),
    [
        ([chrm(P3), gama(45455)], (0, 255, 0)),
        ([chrm(P3)], (0, 255, 0)),
        ([(b"cICP", bytes((12, 13, 0, 1)))], (0, 255, 0)),
        ([(b"cICP", bytes((12, 13, 0, 1))), (b"sRGB", b"\0")], (0, 255, 0)),
        ([(b"sRGB", b"\0"), chrm(P3), gama(100_000)], LIME_IN_P3),
        ([chrm(SRGB), gama(45455)], LIME_IN_P3),
        ([gama(45000)], LIME_IN_P3),
        ([(b"cICP", bytes((1, 13, 0, 1))), chrm(P3)], LIME_IN_P3),
        ([(b"cICP", bytes((2, 2, 0, 1)))], LIME_IN_P3),
        ([gama(100_000)], (181, 253, 149)),
        ([gama(0)], LIME_IN_P3),
        ([chrm((0.3127, 0.3290, 0.64, 0.33, 0.64, 0.33, 0.64, 0.33))], LIME_IN_P3),
        ([chrm((0.3, 0, 0, 0, 0, 0, 0, 0))], LIME_IN_P3),
    ],
)
def test_a_png_says_its_colours_in_chunks_too(chunks, seen):
    data = with_chunks(Image.new("RGB", (9, 9), LIME_IN_P3), *chunks)
    result, notes = sent(data)
    assert near(result.getpixel((4, 4)), seen)
    assert ("converted to sRGB" in notes) == (seen != LIME_IN_P3)
    assert not {"gamma", "chromaticity"} & result.info.keys() or not notes


def test_a_png_with_a_profile_goes_by_it_and_not_by_other_chunks():
    profile = make_profile(P3, srgb_curve)
    chunks = [gama(100_000), (b"iCCP", b"P3\0\0" + zlib.compress(profile))]
    assert near(sent(with_chunks(Image.new("RGB", (9, 9), LIME_IN_P3), *chunks))[0].getpixel((4, 4)), (0, 255, 0))


def test_grey_and_palettes_have_a_gamma_too():
    grey = with_chunks(Image.new("L", (9, 9), 128), gama(100_000))
    assert near(sent(grey)[0].convert("RGB").getpixel((4, 4)), (188, 188, 188))
    palette = with_chunks(Image.new("RGB", (9, 9), LIME_IN_P3).quantize(4), chrm(P3))
    assert near(sent(palette)[0].convert("RGB").getpixel((4, 4)), (0, 255, 0), 3)


def test_hdr_is_cut_at_its_white():
    """In PQ, 203 cd/m² are 0.5807; that is white, and what is brighter too."""
    for value, seen in ((148, 255), (220, 255), (0, 0)):
        data = with_chunks(Image.new("RGB", (9, 9), (value,) * 3), (b"cICP", bytes((9, 16, 0, 1))))
        assert near(sent(data)[0].getpixel((4, 4)), (seen,) * 3, 3)
    assert profile_of_coding(Coding(1, 1)) is None


def nclx(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def test_an_avif_says_its_colours_in_numbers():
    data = saved(Image.new("RGB", (40, 20), LIME_IN_P3), "AVIF", quality=100, subsampling="4:4:4")
    for numbers, seen in (((12, 13), (0, 255, 0)), ((1, 13), LIME_IN_P3), ((1, 1), LIME_IN_P3), ((2, 2), LIME_IN_P3)):
        assert near(sent(nclx(data, *numbers))[0].getpixel((20, 10)), seen, 5)


def test_markup_goes_as_srgb():
    marks = Image.new("RGBA", (40, 20))
    marks.paste((*LIME_IN_P3, 255), (5, 5, 9, 9))
    photo = prepare(open_input(saved(Image.new("RGB", (40, 20))), "photo.png"), FREE, "pad")
    marked = open_input(saved(marks, icc_profile=make_profile(P3, srgb_curve)), "marks.png")
    upload = prepare_markup(marked, (40, 20), photo.geometry, FREE)
    assert near(Image.open(io.BytesIO(upload.data)).getpixel((6, 6)), (0, 255, 0, 255))


def test_colours_are_found_and_previews_written_in_srgb():
    image = Image.new("RGB", (40, 20), (200, 30, 30))
    image.paste(LIME_IN_P3, (10, 5, 20, 15))
    opened = open_input(saved(image, icc_profile=make_profile(P3, srgb_curve)), "fox.png")
    region = region_of(opened, None, MaskFlags(colours=(ColourRange("lime", (0, 255, 0), 8),)))
    assert region.getbbox() == (10, 5, 20, 15)
    preview = Image.open(io.BytesIO(tinted(opened, Image.new("L", (40, 20)))))
    assert near(preview.getpixel((12, 7)), (0, 255, 0))


def cmyk_profile() -> bytes | None:
    for path in ("/usr/share/color/icc/ghostscript/default_cmyk.icc", "/usr/share/color/icc/ghostscript/ps_cmyk.icc"):
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            continue
    return None


def test_cmyk_goes_by_its_profile_and_without_one_by_the_plain_formula():
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    plain, _ = sent(saved(image, "TIFF"))
    assert near(plain.getpixel((4, 4)), (0, 255, 255))
    wrong, _ = sent(saved(image, "TIFF", icc_profile=make_profile(P3, srgb_curve)))
    assert wrong.tobytes() == plain.tobytes()
    profile = cmyk_profile()
    if profile:
        red, green, blue = sent(saved(image, "TIFF", icc_profile=profile))[0].getpixel((4, 4))
        assert red < 60
        assert min(green, blue) > 120
        assert (red, green, blue) != (0, 255, 255)


def grey16(values: list[int], *, photometric: int = 1, bits: int = 16, form: str = "H", sample: int = 1) -> bytes:
    """A TIFF of one row."""
    body = struct.pack(f"<{len(values)}{form}", *values)
    tags = [
        *((256, 3, 1, len(values)), (257, 3, 1, 1), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric)),
        *((273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 1), (279, 4, 1, len(body)), (339, 3, 1, sample)),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def row(data: bytes) -> list[int]:
    image = sent(data)[0].convert("RGB")
    return [image.getpixel((x, 0))[0] for x in range(image.width)]


def test_white_is_zero_at_every_depth():
    steps = [0, 64, 128, 255]
    assert row(grey16(steps, bits=8, form="B", photometric=0)) == [255, 191, 127, 0]
    assert near(row(grey16([step * 257 for step in steps], photometric=0)), [255, 191, 127, 0], 1)
    assert near(
        row(grey16([step / 255 for step in steps], bits=32, form="f", photometric=0, sample=3)), [255, 191, 127, 0], 1
    )
    assert near(row(grey16([step * 257 for step in steps])), steps, 1)


def test_32_bits_have_no_sign_where_the_file_says_so():
    top = (1 << 32) - 1
    assert near(row(grey16([0, top // 4, top // 2 + 1, top], bits=32, form="I")), [0, 64, 128, 255], 1)
    assert near(row(grey16([0, 64, 128, 255], bits=32, form="I")), [0, 64, 128, 255], 1)
    assert near(row(grey16([-(1 << 31), 0, 0, (1 << 31) - 1], bits=32, form="i", sample=2)), [0, 128, 128, 255], 1)


def test_ink_is_black_in_xbm():
    data = b"#define i_width 8\n#define i_height 1\nstatic char i_bits[] = {\n0x0f};\n"
    assert row(data) == [0] * 4 + [255] * 4


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([math.nan, 0, 0.5, 1], [0, 0, 128, 255]),
        ([0, math.nan, 127, 255], [0, 0, 127, 255]),
        ([math.inf, 0, 0.5, 1], [255, 0, 128, 255]),
        ([-math.inf, math.inf, 0, 255], [0, 255, 0, 255]),
        ([math.nan, -5, 0, 5], [0, 0, 128, 255]),
        ([0, 0.5, 1, 1.05], [0, 121, 243, 255]),
        ([math.nan] * 4, [0] * 4),
        ([-3e38, 0, 3e38, math.nan], [0, 128, 255, 0]),
        ([7, 7, 7, math.nan], [128, 128, 128, 0]),
    ],
)
def test_floating_point_is_scaled_over_its_finite_values(values, seen):
    if values[0] == 7:
        seen = row(grey16(values, bits=32, form="f", sample=3))[:1] * 4
    assert near(row(grey16(values, bits=32, form="f", sample=3)), seen, 1)


def png16(pixels: list[tuple[int, int, int]], key: tuple[int, int, int], filter_type: int = 0) -> bytes:
    values = array.array("H", [value for pixel in pixels for value in pixel])
    values.byteswap()
    header = struct.pack(">IIBBBBB", len(pixels), 1, 16, 2, 0, 0, 0)
    rows = zlib.compress(bytes([filter_type]) + values.tobytes())
    parts = ((b"IHDR", header), (b"tRNS", struct.pack(">3H", *key)), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_the_transparent_colour_of_16_bits_is_compared_by_all_of_them():
    key = (0x1234, 0x5678, 0x9ABC)
    near_it = (0x1235, 0x5678, 0x9ABC)
    image, _ = sent(png16([key, near_it, (0, 0, 0), (0xFFFF, 0xFFFF, 0xFFFF)], key))
    assert image.mode == "RGBA"
    assert [image.getpixel((x, 0))[3] for x in range(4)] == [0, 255, 255, 255]
    assert image.getpixel((1, 0))[:3] == (0x12, 0x56, 0x9A)
    assert image.getpixel((3, 0)) == (255, 255, 255, 255)


@here
@pytest.mark.parametrize(
    ("name", "mean"),
    [
        ("gray_on_rgb.png", (148, 111, 87)),
        ("pg.png", (148, 111, 87)),
        ("p3.png", (155, 110, 80)),
        ("srgb_linear.png", (199, 174, 153)),
        ("g16_whiteiszero.tif", (128, 128, 128)),
        ("fnan.tif", (128, 128, 128)),
    ],
)
def test_the_collected_files_have_their_colours(name, mean):
    image = sent((INPUTS / name).read_bytes())[0].convert("RGB")
    assert near(ImageStat.Stat(image).mean, mean)
    if name == "g16_whiteiszero.tif":
        assert near(image.getpixel((5, 5)), (238,) * 3)


@here
def test_the_collected_green_is_found():
    opened = open_input((INPUTS / "green_p3.png").read_bytes(), "green_p3.png")
    region = region_of(opened, None, MaskFlags(colours=(ColourRange("lime", (0, 255, 0), 32),)))
    assert region.getbbox()
