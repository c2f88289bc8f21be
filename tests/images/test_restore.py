"""A result gets back the shape, or the size, of the input that it was made from."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from imagecli.errors import Failure
from imagecli.images.icc import make_profile, srgb_curve
from imagecli.images.prepare import prepare
from imagecli.images.reading import InputImage, open_input
from imagecli.images.types import InputRules
from support.finishing import keep, restore

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=512)
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
FREE = InputRules(square=False, formats=("png", "jpeg"), modes=("RGB",), max_bytes=50_000_000)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def scene(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Red to the right, green to the bottom: every place has its colour."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (across, down, Image.new("L", size, 90))).convert(mode)


def input_of(size: tuple[int, int]) -> InputImage:
    return open_input(encoded(scene(size)), "scene.png")


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def worst(one: Image.Image, other: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getextrema())


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    fit=st.sampled_from(["pad", "crop", "stretch"]),
    side=st.sampled_from([None, 64, 200]),
    rules=st.sampled_from([SQUARE, FREE, SQUARE._replace(max_side=40)]),
)
def test_what_was_fitted_gets_its_geometry_back(size, fit, side, rules):
    original = input_of(size)
    prepared = prepare(original, rules, fit)
    # The server's result: the same canvas, at another size.
    canvas = decoded(prepared.upload.data)
    result = encoded(canvas.resize((side, side)) if side and rules.square else canvas)
    assert decoded(restore(result, prepared.geometry, "size", original)).size == size
    width, height = decoded(restore(result, prepared.geometry, "aspect", original)).size
    scale = max(width, height) / max(size)
    # Within a pixel of either: the canvas was rounded, and the result again.
    slack = 1 + max(decoded(result).width / canvas.width, 1)
    assert abs(width - size[0] * scale) <= slack
    assert abs(height - size[1] * scale) <= slack


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("side", [256, 512, 1024])
def test_the_restored_image_shows_the_original(fit, side):
    original = input_of((640, 400))
    prepared = prepare(original, SQUARE, fit)
    result = encoded(decoded(prepared.upload.data).resize((side, side), Image.Resampling.LANCZOS))
    # Scaling mixes the outermost pixels with the padding.
    inside = (12, 12, 628, 388)
    by_size = decoded(restore(result, prepared.geometry, "size", original))
    assert by_size.size == (640, 400)
    assert worst(by_size.crop(inside), scene((640, 400)).crop(inside)) <= 3
    restored = decoded(restore(result, prepared.geometry, "aspect", original))
    expected = {"pad": side, "stretch": side, "crop": round(640 * side / 400)}[fit]
    assert restored.size == (expected, round(expected * 400 / 640))
    assert worst(restored.resize((640, 400)).crop(inside), scene((640, 400)).crop(inside)) <= 3


def test_padding_is_cut_away_without_touching_a_pixel():
    original = input_of((300, 200))
    prepared = prepare(original, SQUARE, "pad")
    restored = restore(prepared.upload.data, prepared.geometry, "aspect", original)
    assert decoded(restored).tobytes() == scene((300, 200)).tobytes()


def test_a_crop_is_put_back_where_it_was_and_the_rest_is_the_original():
    original = input_of((300, 200))
    geometry = prepare(original, SQUARE, "crop").geometry
    restored = decoded(restore(encoded(Image.new("RGB", (512, 512), "blue")), geometry, "size", original))
    expected = scene((300, 200))
    expected.paste("blue", (50, 0, 250, 200))
    assert worst(restored, expected) == 0


def test_what_was_turned_by_exif_is_restored_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = scene((60, 90)).transpose(Image.Transpose.ROTATE_90)
    original = open_input(encoded(stored, "JPEG", quality=100, subsampling=0, exif=exif), "phone.jpg")
    assert original.size == (60, 90)
    prepared = prepare(original, SQUARE, "crop")
    restored = decoded(restore(prepared.upload.data, prepared.geometry, "size", original))
    assert restored.size == (60, 90)
    assert worst(restored, scene((60, 90))) <= 9


@pytest.mark.parametrize("mode", ["aspect", "size"])
def test_where_nothing_has_to_be_done_the_bytes_are_the_same(mode):
    original = input_of((128, 128))
    prepared = prepare(original, SQUARE, "pad")
    result = encoded(scene((128, 128)), pnginfo=None, compress_level=2)
    assert restore(result, prepared.geometry, mode, original) == result
    larger = encoded(scene((1024, 1024)))
    assert (restore(larger, prepared.geometry, "aspect", original)) == larger


def test_a_result_of_another_shape_is_cut_in_its_middle():
    original = input_of((400, 300))
    geometry = prepare(original, FREE, "pad").geometry
    result = encoded(scene((600, 300)))
    restored = decoded(restore(result, geometry, "aspect", original))
    assert restored.tobytes() == scene((600, 300)).crop((100, 0, 500, 300)).tobytes()
    assert decoded(restore(result, geometry, "size", original)).size == (400, 300)


@pytest.mark.parametrize("sent", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("asked", "kind"), [(None, "PNG"), ("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("svg", "PNG")]
)
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_what_is_written_here_has_the_format_that_was_asked_for_and_never_a_lossy_one_because_it_came_so(
    sent, asked, kind, fit
):
    original = input_of((300, 200))
    geometry = prepare(original, SQUARE, fit).geometry
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    result = encoded(scene((300, 300)), sent, icc_profile=profile, quality=95)
    data = restore(result, geometry, "aspect", original, asked)
    restored = decoded(data)
    assert restored.format == kind
    if kind == "JPEG":
        assert {layer[1:3] for layer in restored.layer} == {(1, 1)}, "no colour is halved"
    if kind == "WEBP":
        assert b"VP8L" in data[:4096], "it is lossless"
    if fit == "pad":
        assert restored.size == (300, 200)
        assert restored.info["icc_profile"] == profile
        assert worst(restored, decoded(result).crop((0, 50, 300, 250))) <= (6 if kind == "JPEG" else 0)


def test_where_nothing_has_to_be_done_a_name_decides_all_the_same():
    original = input_of((64, 64))
    geometry = prepare(original, SQUARE, "pad").geometry
    result = encoded(scene((64, 64)), "JPEG")
    assert restore(result, geometry, "size", original) == result
    assert restore(result, geometry, "size", original, "jpeg") == result
    assert decoded(restore(result, geometry, "size", original, "png")).tobytes() == decoded(result).tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "1", "I;16"])
@pytest.mark.parametrize("restoring", ["aspect", "size"])
def test_results_of_every_mode_are_restored(mode, restoring):
    original = input_of((60, 40))
    geometry = prepare(original, SQUARE, "pad").geometry
    result = scene((120, 120), "L").convert(mode) if mode in ("1", "L", "I;16") else scene((120, 120), mode)
    restored = decoded(restore(encoded(result), geometry, restoring, original))
    assert restored.size == {"aspect": (120, 80), "size": (60, 40)}[restoring]
    if restoring == "aspect":
        assert restored.mode == mode


def test_a_transparent_result_stays_transparent_in_its_place():
    original = input_of((90, 60))
    geometry = prepare(original, SQUARE, "crop").geometry
    restored = decoded(restore(encoded(Image.new("RGBA", (60, 60), (0, 0, 0, 0))), geometry, "size", original))
    assert (restored.getpixel((45, 30))[3], restored.getpixel((2, 30))[3]) == (0, 255)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (b"<svg></svg>", "an SVG image can't be restored"),
        (b"\0\1\2", "this kind of file can't be restored"),
        (encoded(scene((99, 99)))[:200], "the result is damaged or truncated"),
        (encoded(Image.new("1", (8001, 8000))), "the result declares 8001x8000"),
        (
            encoded(scene((9, 9)), save_all=True, append_images=[Image.new("RGB", (9, 9))]),
            "an animation can't be restored",
        ),
    ],
)
def test_what_can_not_be_restored_is_a_failure_not_a_usage_problem(result, says):
    original = input_of((30, 20))
    geometry = prepare(original, SQUARE, "pad").geometry
    with pytest.raises(Failure, match=says):
        restore(result, geometry, "aspect", original)


def test_a_restored_image_has_a_limit_too():
    """A crop of one pixel out of a line, sent back large, would enlarge the line to ten thousand million pixels."""
    original = input_of((10_000, 1))
    geometry = prepare(original, SQUARE, "crop").geometry
    with pytest.raises(Failure, match=r"10240000x1024 pixels; the limit is 178,956,970"):
        restore(encoded(Image.new("RGB", (1024, 1024))), geometry, "aspect", original)
    assert decoded(restore(encoded(Image.new("RGB", (99, 99))), geometry, "size", original)).size == (10_000, 1)


@pytest.mark.parametrize(("profile", "mode"), [(b"", "RGB"), (make_profile(P3, srgb_curve), "RGBA")])
def test_what_is_packed_is_kept_to_the_bit_though_it_is_written_in_strips(profile, mode):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the optional plugin is not installed")
    out, size = io.BytesIO(), (200, 700)
    pillow_heif.from_pillow(scene(size)).save(out, quality=95, icc_profile=profile)
    packed = open_input(out.getvalue(), "IMG_1.HEIC")
    same = open_input(encoded(packed.decode(), icc_profile=profile), "same.png")
    weights = Image.new("L", size)
    weights.paste(255, (20, 100, 150, 600))
    weights.paste(100, (10, 250, 190, 260))
    geometry = prepare(same, FREE, "pad").geometry
    made = Image.radial_gradient("L").resize((100, 350)).convert(mode)
    if mode == "RGBA":
        made.putalpha(200)
    result = encoded(made)
    for kind in ("png", "jpeg", "webp"):
        packed.forget()
        assert packed.is_packed
        kept, expected = (decoded(keep(result, geometry, weights, one, kind)) for one in (packed, same))
        assert kept.mode == ("RGB" if kind == "jpeg" else mode)
        assert worst(kept, expected) <= 3
        if kind == "png":
            closed = Image.new("RGB", size)
            opened = weights.point([0] + [255] * 255)
            outside = [Image.composite(closed, one.convert("RGB"), opened) for one in (kept, expected)]
            assert worst(*outside) == 0
        assert kept.info.get("icc_profile") == expected.info.get("icc_profile")
