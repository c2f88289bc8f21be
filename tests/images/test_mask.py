"""A mask opens what its user meant, lies where its input lies, and keeps its own promises."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageOps

from imagecli.errors import UsageProblem
from imagecli.images.mask import region_of
from imagecli.images.mask_file import openings
from imagecli.images.mask_flags import ELLIPSE, RECT, MaskFlags, read_area, read_colour
from imagecli.images.mask_slips import slips
from imagecli.images.prepare import prepare, prepare_with_mask
from imagecli.images.reading import InputImage, open_input
from imagecli.images.types import InputRules, Upload

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=1024)
FREE = InputRules(square=False, formats=("png", "jpeg", "webp"), modes=("L", "RGB", "RGBA"), max_bytes=50_000_000)
OPEN, CLOSED = (255, 255, 255, 0), (0, 0, 0, 255)


def opened(image: Image.Image, kind: str = "PNG", name: str = "mask.png", **options: object) -> InputImage:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return open_input(out.getvalue(), name)


def photo(size: tuple[int, int], kind: str = "JPEG") -> InputImage:
    return opened(Image.linear_gradient("L").resize(size).convert("RGB"), kind, "photo.jpg")


def mask_of(size: tuple[int, int], box: tuple[int, int, int, int], mode: str = "RGBA") -> Image.Image:
    """A mask that opens a box: by alpha in RGBA, by white in the others."""
    mask = Image.new(mode, size, (7, 7, 7, 255) if mode == "RGBA" else 0)
    mask.paste((7, 7, 7, 0) if mode == "RGBA" else "white", box)
    return mask


def pixels(upload: Upload | None) -> Image.Image:
    assert upload
    image = Image.open(io.BytesIO(upload.data))
    image.load()
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (upload.width, upload.height))
    return image


@settings(max_examples=60)
@given(
    width=st.integers(8, 120),
    height=st.integers(8, 120),
    fit=st.sampled_from(["pad", "crop", "stretch"]),
    rules=st.sampled_from([SQUARE, FREE, SQUARE._replace(max_side=32), SQUARE._replace(max_bytes=1500)]),
    factor=st.sampled_from([1, 2, 3]),
    mode=st.sampled_from(["RGBA", "L", "1", "RGB"]),
    limit=st.sampled_from([4_000_000, 400]),
)
def test_input_and_mask_have_one_size_and_both_are_under_their_limits(width, height, fit, rules, factor, mode, limit):
    rules = rules._replace(max_mask_bytes=limit)
    # A checkerboard around the middle: something opens and something stays, however it is cropped.
    mask = Image.new(mode, (width * factor, height * factor), "black")
    side = min(mask.size) // 4
    middle = mask.width // 2, mask.height // 2
    mask.paste((0, 0, 0, 0) if mode == "RGBA" else "white", (middle[0] - side, middle[1] - side, *middle))
    prepared, upload = prepare_with_mask(photo((width, height), "PNG"), opened(mask), rules, fit)
    alpha = pixels(upload).getchannel("A")
    assert alpha.size == (prepared.upload.width, prepared.upload.height)
    assert alpha.getextrema() == (0, 255)
    assert len(upload.data) < limit
    assert len(prepared.upload.data) < rules.max_bytes
    if prepared.geometry.padded:
        alpha.paste(255, prepared.geometry.placed)
        assert alpha.getextrema() == (255, 255), "padding is closed"


@pytest.mark.parametrize(
    ("fit", "box"),
    [("pad", (100, 200, 200, 250)), ("crop", (0, 100, 200, 200)), ("stretch", (100, 200, 200, 300))],
)
@pytest.mark.parametrize("mode", ["RGBA", "L"])
@pytest.mark.parametrize("size", [(400, 200), (800, 400), (200, 100)])
def test_the_opening_goes_where_its_part_of_the_image_goes(fit, box, mode, size):
    scale = size[0] / 400
    mask = mask_of(size, tuple(int(edge * scale) for edge in (100, 100, 200, 150)), mode)
    _, upload = prepare_with_mask(photo((400, 200)), opened(mask), SQUARE, fit)
    result = pixels(upload)
    if fit == "crop":
        box = (0, 100, 100, 150)
    expected = Image.new("RGBA", result.size, CLOSED)
    expected.paste(OPEN, box)
    wrong = ImageChops.difference(result, expected).getchannel("A").histogram()[255]
    assert wrong <= 4, "an enlarged mask may lose the pixel in each corner"


def test_white_opens_only_where_nothing_is_transparent():
    mask = Image.new("RGBA", (64, 64), (255, 255, 255, 255))
    mask.paste((0, 0, 0, 255), (0, 0, 32, 64))
    by_white = pixels(prepare_with_mask(photo((64, 64)), opened(mask), SQUARE, "pad")[1])
    assert (by_white.getpixel((5, 5)), by_white.getpixel((60, 5))) == (CLOSED, OPEN)
    mask.putpixel((0, 0), (0, 0, 0, 0))
    by_alpha = pixels(prepare_with_mask(photo((64, 64)), opened(mask), SQUARE, "pad")[1]).getchannel("A")
    assert by_alpha.histogram()[0] == 1


def test_grey_opens_from_the_middle_on():
    mask = Image.new("L", (3, 3), 127)
    mask.putpixel((1, 1), 128)
    result = pixels(prepare_with_mask(photo((3, 3)), opened(mask), SQUARE, "pad")[1])
    assert [result.getpixel((x, 1)) for x in range(3)] == [CLOSED, OPEN, CLOSED]


def test_a_mask_that_is_right_goes_byte_for_byte():
    mask = opened(mask_of((64, 64), (0, 0, 9, 9)), name="dir/hole.png")
    prepared, upload = prepare_with_mask(photo((64, 64), "PNG"), mask, SQUARE, "crop")
    assert prepared.notes == ()
    assert upload == Upload(mask.data, "hole.png", "image/png", 64, 64)


@pytest.mark.parametrize(
    ("input_image", "rules", "fit"),
    [(photo((96, 64), "PNG"), SQUARE, "pad"), (photo((64, 64), "PNG"), SQUARE._replace(max_mask_bytes=100), "pad")],
    ids=["moved", "over the limit"],
)
def test_a_mask_that_is_not_right_does_not(input_image, rules, fit):
    mask = opened(mask_of(input_image.size, (5, 5, 50, 50)), compress_level=0)
    upload = prepare_with_mask(input_image, mask, rules._replace(max_mask_bytes=4000), fit)[1]
    assert upload.data != mask.data
    assert pixels(upload).getchannel("A").getextrema() == (0, 255)


def test_without_a_mask_only_the_input_is_prepared():
    input_image = photo((64, 64))
    assert prepare_with_mask(input_image, None, SQUARE, "pad") == (prepare(input_image, SQUARE, "pad"), None)


def test_a_mask_is_turned_by_its_own_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    mask = opened(mask_of((40, 80), (0, 0, 20, 20), "L"), "JPEG", quality=100, exif=exif)
    result = pixels(prepare_with_mask(photo((80, 40)), mask, FREE, "pad")[1]).getchannel("A")
    assert result.size == (80, 40)
    assert [result.getpixel(at) for at in [(5, 5), (75, 5), (5, 35), (75, 35)]] == [255, 0, 255, 255]


def test_the_mask_of_a_turned_image_lies_on_what_is_seen():
    exif = Image.Exif()
    exif[0x0112] = 6
    input_image = opened(Image.new("RGB", (40, 80), "red"), "JPEG", exif=exif)
    prepared, upload = prepare_with_mask(input_image, opened(mask_of((80, 40), (0, 0, 20, 20))), FREE, "pad")
    assert (prepared.upload.width, prepared.upload.height) == (80, 40)
    assert pixels(upload).getchannel("A").getpixel((5, 5)) == 0


@pytest.mark.parametrize("size", [(401, 200), (1203, 600), (133, 67), (100, 50)])
def test_a_mask_of_the_same_shape_is_resized_along(size):
    prepared, upload = prepare_with_mask(photo((400, 200)), opened(mask_of(size, (0, 0, 50, 30))), FREE, "pad")
    assert (upload.width, upload.height) == (prepared.upload.width, prepared.upload.height) == (400, 200)


@pytest.mark.parametrize("size", [(200, 400), (400, 202), (64, 64)])
def test_a_mask_of_another_shape_is_refused_with_both_sizes(size):
    with pytest.raises(UsageProblem, match=f"the mask has {size[0]}x{size[1]} pixels and the image 400x200"):
        prepare_with_mask(photo((400, 200)), opened(mask_of(size, (0, 0, 9, 9))), FREE, "pad")


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (Image.new("L", (90, 30), 100), "opens nothing: no pixel of it is transparent or white"),
        (Image.new("RGBA", (90, 30), (255, 255, 255, 1)), "opens nothing: no pixel of it is fully transparent"),
        (Image.new("1", (90, 30), 1), "opens everything: no pixel of it is black"),
        (Image.new("RGBA", (90, 30), (0, 0, 0, 0)), "opens everything: no pixel of it is opaque"),
        (mask_of((90, 30), (0, 0, 20, 30)), "the crop cuts off everything that the mask opens"),
        (mask_of((90, 30), (20, 0, 70, 30)), "the crop cuts off everything that the mask closes"),
    ],
)
def test_a_mask_that_leaves_nothing_to_do_or_to_keep_is_refused(mask, says):
    with pytest.raises(UsageProblem, match=says) as caught:
        prepare_with_mask(photo((90, 30)), opened(mask), SQUARE, "crop")
    assert caught.value.hint


def test_a_hairline_survives_the_shrinking():
    mask = mask_of((2000, 2000), (1000, 0, 1001, 2000))
    result = pixels(prepare_with_mask(photo((2000, 2000)), opened(mask), SQUARE, "pad")[1]).getchannel("A")
    assert result.getextrema() == (0, 255)
    line = Image.new("L", (2000, 2000), 0)
    line.paste(255, (1000, 0, 1001, 2000))
    inverse = pixels(prepare_with_mask(photo((2000, 2000)), opened(line.point(lambda v: 255 - v)), SQUARE, "pad")[1])
    assert inverse.getchannel("A").getextrema() == (0, 255)


def test_a_mask_of_noise_is_made_coarser_with_a_warning():
    noise = Image.frombytes("L", (512, 512), random.Random(5).randbytes(512 * 512))  # noqa: S311 - noise, not a secret
    rules = SQUARE._replace(max_mask_bytes=20_000)
    prepared, upload = prepare_with_mask(photo((512, 512), "PNG"), opened(noise), rules, "pad")
    assert len(upload.data) < 20_000
    assert pixels(upload).getchannel("A").getextrema() == (0, 255)
    assert any("the mask was simplified" in warning for warning in prepared.warnings)


def test_a_truncated_mask_is_refused():
    data = opened(mask_of((64, 64), (0, 0, 9, 9)), compress_level=0).data
    with pytest.raises(UsageProblem, match=r"^mask\.png is damaged or truncated"):
        prepare_with_mask(photo((64, 64)), open_input(data[:3000], "mask.png"), SQUARE, "pad")


def test_a_feather_wider_than_its_region_leaves_the_region_open():
    image = photo((400, 300))
    for text, feather in (("190,140,10,10", 100), ("0,0,3,300", 60), ("200,0,1,1", 1), ("100,100,40,2", 7)):
        area = read_area(RECT, text)
        region = region_of(image, None, MaskFlags(areas=(area,), feather=feather))
        left, top, right, bottom = area.box(image.size)
        assert region.crop((left, top, right, bottom)).getextrema() == (255, 255), text
        found = region.getbbox()
        assert found[0] >= left - feather
        assert found[2] <= right + feather
        row = region.crop((right, top, 400, top + 1)).tobytes()
        assert list(row) == sorted(row, reverse=True), "it fades out"
    line = Image.new("L", (400, 300))
    line.paste(255, (50, 0, 52, 300))
    both = MaskFlags(areas=(read_area(RECT, "200,50,150,200"),), feather=80)
    assert region_of(image, opened(line), both).crop((50, 0, 52, 300)).getextrema() == (255, 255)


@pytest.mark.parametrize("feather", [1, 7, 30])
def test_a_feather_that_is_made_in_pieces_has_no_seams(monkeypatch, feather):
    image = photo((300, 400))
    areas = tuple(read_area(flag, text) for flag, text in ((RECT, "30,0,100,200"), (ELLIPSE, "100,150,120,240")))
    flags = MaskFlags(areas=areas, feather=feather)
    whole = region_of(image, None, flags)
    monkeypatch.setattr("imagecli.images.mask._ROWS", 16)
    assert region_of(image, None, flags).tobytes() == whole.tobytes()
    assert len(set(whole.tobytes())) > feather


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_the_colours_of_a_large_image_open_what_those_of_a_small_one_do(monkeypatch, kind):
    image = opened(Image.linear_gradient("L").resize((300, 400)).convert("RGB"), kind)
    flags = MaskFlags(colours=(read_colour("#808080:40"),))
    held = region_of(image, None, flags)
    monkeypatch.setattr("imagecli.images.mask._LARGE", 0)
    image.forget()
    assert region_of(image, None, flags).tobytes() == held.tobytes()
    assert 0.2 < sum(held.tobytes()) / 255 / 120_000 < 0.4


@pytest.mark.parametrize("by_alpha", [True, False])
def test_a_soft_mask_file_keeps_its_greys_on_the_way_back_and_is_open_or_closed_when_sent(by_alpha):
    grey = Image.linear_gradient("L").crop((0, 0, 64, 256))
    mask = Image.merge("RGBA", [Image.new("L", grey.size)] * 3 + [ImageChops.invert(grey)]) if by_alpha else grey
    region = region_of(photo((64, 256)), opened(mask), MaskFlags())
    assert region.tobytes() == grey.tobytes()
    hard = region_of(photo((64, 256)), opened(mask), MaskFlags(), soft=False)
    assert hard.getbbox() == ((0, 255, 64, 256) if by_alpha else (0, 128, 64, 256))
    assert set(hard.tobytes()) == {0, 255}
    # At half its size it is as soft; a hard mask stays hard.
    assert (
        len(
            region_of(
                photo((64, 256)), opened(mask.resize((32, 128), Image.Resampling.NEAREST)), MaskFlags()
            ).getcolors()
        )
        > 64
    )
    small = opened(mask_of((32, 128), (3, 3, 20, 60)))
    assert set(region_of(photo((64, 256)), small, MaskFlags()).tobytes()) == {0, 255}


def test_the_noise_of_a_jpeg_mask_changes_nothing_outside_it():
    mask = mask_of((96, 96), (30, 30, 60, 60), "L")
    region = region_of(photo((96, 96)), opened(mask, "JPEG", quality=40), MaskFlags())
    assert region.crop((0, 0, 96, 20)).getextrema() == (0, 0)
    assert region.getpixel((45, 45)) == 255


def painted(colour: tuple[int, int, int], box: tuple[int, int, int, int]) -> Image.Image:
    layer = Image.new("RGBA", (90, 60))
    ImageDraw.Draw(layer).ellipse(box, fill=(*colour, 255))
    return layer.resize((180, 120), Image.Resampling.LANCZOS)  # with a soft edge


WHITE, RED = (255, 255, 255), (220, 30, 30)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (painted(WHITE, (20, 20, 50, 50)), "paint on a transparent layer"),
        (painted(RED, (20, 20, 50, 50)), "paint on a transparent layer"),
        (painted((0, 0, 0), (20, 20, 50, 50)), None),
        (painted((0, 0, 0), (20, 20, 30, 30)), "of the image; if that is the wrong way round"),
        (ImageOps.invert(mask_of((180, 120), (10, 10, 30, 30), "L")), "of the image; if that is the wrong way round"),
        (mask_of((180, 120), (10, 10, 90, 90), "L"), None),
        (mask_of((180, 120), (10, 10, 90, 90)), None),
        (Image.composite(Image.new("RGB", (180, 120), (255, 90, 90)), Image.new("RGB", (180, 120)),
                         mask_of((180, 120), (10, 10, 90, 90), "L")), "the mask has colours"),
        (Image.merge("RGBA", [Image.new("L", (180, 120), 9)] * 3 + [mask_of((180, 120), (9, 9, 90, 90), "L")
                                                                    .point([0] + [1] * 255)]), "nearly transparent"),
    ],
)  # fmt: skip
def test_a_mask_file_that_is_probably_a_slip_is_said(mask, says):
    file = opened(mask)
    warnings = slips(file, photo((180, 120)), *openings(file)[:1], by_alpha=openings(file)[1])
    assert [says in warning for warning in warnings] == [True] * (says is not None), warnings


@pytest.mark.parametrize(("kind", "size"), [("PNG", (200, 100)), ("JPEG", (200, 100)), ("PNG", (100, 50))])
def test_a_mask_that_is_the_image_itself_is_refused(kind, size):
    scene = Image.merge("RGB", [Image.linear_gradient("L").resize((200, 100))] * 3)
    file = opened(scene.resize(size), kind)
    with pytest.raises(UsageProblem, match="shows the same as the image"):
        slips(file, opened(scene), openings(file)[0], by_alpha=False)
    dot = Image.new("L", (200, 100))
    dot.paste(255, (5, 5, 7, 7))
    assert slips(opened(dot), opened(Image.new("RGB", (200, 100))), openings(opened(dot))[0], by_alpha=False) == ()


@pytest.mark.parametrize(
    ("value", "hint"), [(1, "multiply them by 255"), (100, "its lightest is 100 of 255"), (0, "transparent or white")]
)
def test_a_mask_that_looks_black_says_how_light_it_is(value, hint):
    mask = Image.new("L", (90, 60))
    mask.paste(value, (10, 10, 20, 20))
    with pytest.raises(UsageProblem, match="opens nothing") as caught:
        openings(opened(mask))
    assert hint in f"{caught.value.message} {caught.value.hint}"
