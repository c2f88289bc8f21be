"""What is uploaded for an input: the file byte for byte where possible, else a PNG that keeps every promise."""

from __future__ import annotations

import io
import math
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from imagecli.errors import UsageProblem
from imagecli.images.prepare import has_transparency, prepare
from imagecli.images.reading import InputImage, open_input
from imagecli.images.types import InputRules, Prepared
from support.places import PHOTOS

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=1024)
FREE = InputRules(
    square=False,
    formats=("png", "jpeg", "webp"),
    modes=("1", "L", "LA", "P", "RGB", "RGBA"),
    max_bytes=50_000_000,
)
FITS = st.sampled_from(["pad", "crop", "stretch"])
SIDES = st.one_of(st.integers(1, 40), st.sampled_from([300, 700]))
QUICK = settings(max_examples=60)

# How a camera held in each orientation stores an upright scene.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def noise(mode: str, size: tuple[int, int], seed: int = 1) -> Image.Image:
    return Image.frombytes(mode, size, random.Random(seed).randbytes(size[0] * size[1] * len(mode)))  # noqa: S311 - noise


def opened(image: Image.Image, kind: str = "PNG", name: str = "cat.png", **options: object) -> InputImage:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return open_input(out.getvalue(), name)


def pixels(prepared: Prepared) -> Image.Image:
    """The uploaded pixels, after checking what is declared of them."""
    image = Image.open(io.BytesIO(prepared.upload.data))
    image.load()
    assert image.size == (prepared.upload.width, prepared.upload.height) == prepared.geometry.canvas
    return image


def worst(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of a channel."""
    assert (one.mode, one.size) == (other.mode, other.size)
    extrema = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in (extrema if isinstance(extrema[0], tuple) else (extrema,)))


def png16(width: int, colour_type: int, samples: list[int], key: bytes = b"") -> bytes:
    """A PNG of 16 bits per channel and one row; Pillow can't write one with several channels."""
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples)
    chunks = [(b"IHDR", header), (b"tRNS", key), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    for kind, body in chunks:
        if body or kind == b"IEND":
            data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


@QUICK
@given(
    width=SIDES, height=SIDES, mode=st.sampled_from(["RGB", "RGBA", "L"]), fit=FITS, most=st.sampled_from([1, 7, 1024])
)
def test_a_square_is_square_and_never_enlarged(width, height, mode, fit, most):
    input_image = opened(noise(mode, (width, height)))
    prepared = prepare(input_image, SQUARE._replace(max_side=most), fit)
    image, geometry = pixels(prepared), prepared.geometry
    assert image.width == image.height <= max(width, height)
    assert (image.format, image.mode in ("RGB", "RGBA")) == ("PNG", True)
    assert image.width <= most or prepared.upload.data == input_image.data
    left, top, right, bottom = geometry.placed
    assert 0 <= left < right <= image.width
    assert 0 <= top < bottom <= image.height
    assert geometry.original == (width, height)
    assert geometry.padded == (fit == "pad" and (right - left, bottom - top) != image.size)


@QUICK
@given(limit=st.integers(120, 9000), mode=st.sampled_from(["RGB", "RGBA"]), fit=FITS, side=st.integers(1, 60))
def test_an_input_is_always_strictly_under_the_limit(limit, mode, fit, side):
    prepared = prepare(opened(noise(mode, (side, 40))), SQUARE._replace(max_bytes=limit), fit)
    assert len(prepared.upload.data) < limit
    assert pixels(prepared).width == pixels(prepared).height


def test_noise_with_alpha_stays_under_the_limit_at_its_full_size():
    image = noise("RGBA", (1024, 1024))
    prepared = prepare(opened(image), SQUARE, "pad")
    kept = pixels(prepared)
    assert len(prepared.upload.data) < 4_000_000
    assert kept.size == (1024, 1024)
    assert worst(kept, image) == 1
    assert prepared.warnings == ("the lowest bit of every channel was cleared to stay under 4,000,000 bytes",)
    for value in (0, 255):
        before, after = (im.getchannel("A").point([255 * (a == value) for a in range(256)]) for im in (image, kept))
        assert worst(before, after) == 0, "what is open stays open, and nothing else; so with what is opaque"


def test_a_smaller_size_is_the_last_resort_and_close_to_the_limit():
    prepared = prepare(opened(noise("RGB", (600, 400))), SQUARE._replace(max_bytes=100_000), "crop")
    assert 70_000 < len(prepared.upload.data) < 100_000
    side = prepared.upload.width
    assert prepared.warnings[0] == f"the image was shrunk to {side}x{side} to stay under 100,000 bytes"


def test_an_opaque_alpha_is_dropped_before_anything_is_lost():
    image = noise("RGB", (1024, 1024))
    image.putalpha(255)
    prepared = prepare(opened(image, "TIFF"), SQUARE, "pad")
    assert worst(pixels(prepared), image.convert("RGB")) == 0
    assert prepared.warnings == ()


def test_flat_art_is_compressed_harder_before_anything_is_lost():
    image = Image.effect_noise((512, 512), 90).convert("1").convert("RGB")
    prepared = prepare(opened(image, "TIFF"), SQUARE._replace(max_bytes=80_000), "pad")
    assert worst(pixels(prepared), image) == 0
    assert prepared.warnings == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_the_model_takes_goes_byte_for_byte(mode):
    input_image = opened(Image.radial_gradient("L").resize((2000, 2000)).convert(mode))
    prepared = prepare(input_image, SQUARE, "crop")
    assert prepared.upload.data == input_image.data
    assert (prepared.notes, prepared.warnings, prepared.geometry.canvas) == ((), (), input_image.size)


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_what_a_gpt_model_takes_is_neither_squared_nor_reencoded(kind, extension):
    input_image = opened(noise("RGB", (90, 50)), kind, "some where/it.tiff")
    upload = prepare(input_image, FREE, "crop").upload
    assert (upload.data, upload.filename) == (input_image.data, f"it.{extension}")
    assert (upload.media_type, upload.width, upload.height) == (f"image/{kind.lower()}", 90, 50)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda data: data + b"\0" * 4_000_000, "re-encoded"),
        (lambda data: data[:-8], "left out, as broken: a cut-off end"),
    ],
    ids=["too large", "cut behind the pixels"],
)
def test_a_file_that_only_looks_right_is_repaired(change, note):
    image = noise("RGB", (32, 32))
    out = io.BytesIO()
    image.save(out, "PNG")
    prepared = prepare(open_input(change(out.getvalue()), "cat.png"), SQUARE, "pad")
    assert prepared.notes == (note,)
    assert worst(pixels(prepared), image) == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("rules", [SQUARE, FREE], ids=["square", "free"])
def test_exif_orientation_is_applied_exactly_once(kind, orientation, rules):
    seen = Image.new("RGB", (96, 64), "white")
    for box, colour in zip([(0, 0), (48, 0), (0, 32), (48, 32)], ["red", "lime", "blue", "black"], strict=True):
        seen.paste(colour, (*box, box[0] + 48, box[1] + 32))
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    input_image = opened(seen if turn is None else seen.transpose(turn), kind, exif=exif, **options)
    assert input_image.size == (96, 64)
    prepared = prepare(input_image, rules, "pad")
    image = pixels(prepared)
    left, top, right, bottom = prepared.geometry.placed
    assert (right - left, bottom - top) == (96, 64)
    assert not image.getexif() or orientation == 1
    for point in [(10, 10), (86, 10), (10, 54), (86, 54)]:
        expected, got = seen.getpixel(point), image.convert("RGB").getpixel((left + point[0], top + point[1]))
        assert max(abs(a - b) for a, b in zip(expected, got, strict=True)) < 12


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0garbage", b"Exif\0\0"])
def test_broken_exif_is_no_reason_to_refuse(exif, capfd):
    input_image = opened(noise("RGB", (40, 20)), "JPEG", exif=exif)
    upload = prepare(input_image, FREE, "pad", keep_metadata=True).upload
    assert (upload.data, upload.width, upload.height) == (input_image.data, 40, 20)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    input_image = opened(noise("RGB", (40, 20)), "JPEG", exif=exif)
    assert prepare(input_image, FREE, "pad", keep_metadata=True).upload.data == input_image.data


def test_padding_has_the_colour_of_each_edge_and_is_opaque():
    image = Image.new("RGBA", (60, 20), (0, 0, 0, 0))
    image.paste((200, 100, 50, 255), (0, 0, 60, 1))
    image.paste((10, 20, 30, 255), (0, 19, 30, 20))
    padded = pixels(prepare(opened(image), SQUARE, "pad"))
    assert padded.getpixel((30, 5)) == (200, 100, 50, 255)
    assert padded.getpixel((30, 55)) == (132, 137, 142, 255), "half of the edge shows white"
    assert padded.getpixel((30, 30)) == (0, 0, 0, 0), "the image itself stays open"
    assert padded.crop((0, 20, 60, 40)).tobytes() == image.tobytes()


def test_a_shrunk_image_keeps_its_open_part_open_without_rings():
    image = Image.new("RGBA", (1000, 1000), "red")
    image.paste((0, 0, 0, 0), (300, 300, 700, 700))
    alpha = pixels(prepare(opened(image, "TIFF"), SQUARE._replace(max_side=256), "pad")).getchannel("A")
    assert alpha.crop((79, 79, 177, 177)).getextrema() == (0, 0)
    assert alpha.crop((0, 0, 256, 75)).getextrema() == (255, 255)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(["TIFF", "JPEG"]))
def test_cmyk_is_within_two_levels_of_the_plain_formula(seed, kind):
    image = noise("CMYK", (2, 2), seed).resize((16, 16), Image.Resampling.NEAREST)
    options = {"quality": 100} if kind == "JPEG" else {}
    input_image = opened(image, kind, **options)
    result = pixels(prepare(input_image, FREE, "pad"))
    stored = input_image.decode()
    for point in [(4, 4), (12, 4), (4, 12), (12, 12)]:
        *inks, black = stored.getpixel(point)
        expected = [(255 - ink) * (255 - black) / 255 for ink in inks]
        assert max(abs(a - b) for a, b in zip(expected, result.getpixel(point), strict=True)) <= 2


@settings(max_examples=25)
@given(samples=st.lists(st.integers(0, 65535), min_size=12, max_size=12))
def test_16_bits_are_within_two_levels_of_their_share(samples):
    for colour_type, bands, rules in ((0, 1, SQUARE), (2, 3, FREE), (6, 4, FREE)):
        data = png16(12 // bands, colour_type, samples)
        prepared = prepare(open_input(data, "deep.png"), rules, "pad")
        assert prepared.upload.data != data, "16 bits are not what the models take"
        assert prepared.upload.data[24] == 8
        image = pixels(prepared)
        left, top, *_ = prepared.geometry.placed
        for index, sample in enumerate(samples):
            value = image.getpixel((left + index // bands, top))[index % bands]
            assert abs(value - sample / 257) <= 2


def test_one_transparent_value_of_16_bits_is_exactly_that():
    grey = pixels(prepare(open_input(png16(3, 0, [500, 501, 65535], b"\x01\xf4"), "x.png"), FREE, "pad"))
    assert [grey.getpixel((x, 0)) for x in range(3)] == [(2, 2, 2, 0), (2, 2, 2, 255), (255, 255, 255, 255)]
    colour = png16(2, 2, [65535, 0, 0x1234, 0, 65535, 0], struct.pack(">3H", 65535, 0, 0x1234))
    assert pixels(prepare(open_input(colour, "x.png"), FREE, "pad")).getchannel("A").tobytes() == b"\0\xff"


def test_floating_point_is_scaled_from_its_least_to_its_most():
    for values, expected in (((0.0, 0.5, 1.0), (0, 128, 255)), ((-10.0, 0.0, 30.0), (0, 64, 255))):
        image = Image.new("F", (3, 1))
        for x, value in enumerate(values):
            image.putpixel((x, 0), value)
        result = pixels(prepare(opened(image, "TIFF"), FREE, "pad"))
        assert [result.getpixel((x, 0))[0] for x in range(3)] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_becomes_rgb_or_rgba(mode):
    image = noise("RGB", (31, 17)).convert("L" if mode in ("I", "I;16", "F") else "RGB")
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    else:
        image = image.convert("L").convert(mode) if mode in ("LA", "I", "I;16", "F") else image.convert(mode)
    result = pixels(prepare(opened(image, "TIFF"), SQUARE, "pad"))
    assert (result.mode, result.size) == ("RGB", (31, 31))


def test_a_palette_keeps_its_transparency():
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(0, (0, 0, 10, 20))
    result = pixels(prepare(opened(image, "GIF", transparency=0), SQUARE, "pad"))
    assert (result.getpixel((2, 2))[3], result.getpixel((15, 2))) == (0, (0, 255, 0, 255))


def swapped_profile() -> bytes:
    """An sRGB with red and blue swapped, so that it shows whether it was applied."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = data.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    return bytes(data.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_profile_is_applied_and_left_out(mode):
    image = Image.new(mode, (40, 20), (220, 30, 30, 128)[: len(mode)])
    prepared = prepare(opened(image, icc_profile=swapped_profile()), SQUARE, "pad")
    result = pixels(prepared)
    red, _, blue, *alpha = result.getpixel((20, 20))
    assert blue > red + 100
    assert alpha == [128][: len(mode) - 3]
    assert "icc_profile" not in result.info
    assert "converted to sRGB" in prepared.notes


def test_a_broken_profile_is_ignored_with_a_note():
    image = noise("RGB", (20, 10))
    broken = opened(image, "WEBP", lossless=True, icc_profile=b"no profile at all")
    prepared = prepare(broken, FREE._replace(formats=()), "pad")
    assert worst(pixels(prepared), image) == 0
    assert any("a broken colour profile was ignored" in note for note in prepared.notes)


def test_nothing_but_the_pixels_is_sent():
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    image = pixels(
        prepare(opened(noise("RGB", (20, 10)), "JPEG", exif=exif, comment=b"me", dpi=(72, 72)), SQUARE, "pad")
    )
    assert image.info == {}


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("cat.png", "cat.png"),
        ("CAT.PNG", "CAT.PNG"),
        ("dir/my cat.jpeg", "my cat.png"),
        ("C:\\dir\\cat.png", "cat.png"),
        ("Málaga Ähre.png", "Malaga Ahre.png"),
        ("猫.png", "image.png"),
        ('a"b\r\nX: y.png', "a_b_X_ y.png"),
        ("-", "image.png"),
        (".png", "png.png"),
        ("", "image.png"),
        ("\udcff.png", "image.png"),
        ("x" * 300 + ".png", "x" * 60 + ".png"),
    ],
)
def test_file_names_are_plain_and_end_as_the_bytes_are(name, filename):
    assert prepare(opened(noise("RGB", (4, 4)), name=name), SQUARE, "pad").upload.filename == filename


def test_an_upload_shows_everything_but_its_bytes():
    upload = prepare(opened(noise("RGB", (4, 4))), SQUARE, "pad").upload
    assert repr(upload) == f"Upload('cat.png', 'image/png', 4x4, {len(upload.data)} bytes)"


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000), (1, 1), (3, 2000)])
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_the_thinnest_images_work(size, fit):
    prepared = prepare(opened(Image.new("RGB", size, "teal"), "BMP"), SQUARE, fit)
    image = pixels(prepared)
    assert image.width == image.height == min(1024, min(size) if fit == "crop" else max(size))
    assert image.getextrema() == ((0, 0), (128, 128), (128, 128))


def test_transparency_counts_where_it_is_complete():
    half, none, open_ = (Image.new("RGBA", (8, 8), (9, 9, 9, alpha)) for alpha in (1, 255, 0))
    none.paste(open_.crop((0, 0, 1, 1)), (3, 3))
    assert [has_transparency(opened(image)) for image in (half, none, noise("RGB", (8, 8)))] == [False, True, False]
    assert not has_transparency(opened(noise("RGB", (8, 8)), "JPEG"))


def test_what_can_not_be_small_enough_is_refused():
    with pytest.raises(UsageProblem, match=r"cat\.png does not fit into 40 bytes"):
        prepare(opened(noise("RGB", (8, 8))), SQUARE._replace(max_bytes=40), "pad")


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not beside this clone")
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_photographs_keep_what_they_show(fit):
    for path in sorted([*PHOTOS.glob("*.png"), *PHOTOS.glob("*.jpg")]):
        input_image = open_input(path.read_bytes(), path.name)
        prepared = prepare(input_image, SQUARE._replace(max_side=400), fit)
        geometry, image = prepared.geometry, pixels(prepared).convert("RGB")
        size = geometry.placed[2] - geometry.placed[0], geometry.placed[3] - geometry.placed[1]
        reference = Image.open(path).convert("RGB").resize(size, Image.Resampling.LANCZOS, geometry.source)
        if profile := reference.info.get("icc_profile"):
            reference = ImageCms.profileToProfile(reference, io.BytesIO(profile), ImageCms.createProfile("sRGB"))
        difference = ImageChops.difference(image.crop(geometry.placed), reference).convert("L")
        error = sum(count * level**2 for level, count in enumerate(difference.histogram())) / math.prod(size)
        assert error == 0 or 10 * math.log10(255**2 / error) > 40, path.name
