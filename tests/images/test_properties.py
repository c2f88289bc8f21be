"""What is promised of images on their way in and back, over sizes, modes, orientations, fits and content."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from imagecli.errors import UsageProblem
from imagecli.images.expand import ExpandedImage
from imagecli.images.mask import region_of
from imagecli.images.mask_flags import ELLIPSE, RECT, MaskFlags, read_area, read_margins
from imagecli.images.prepare import prepare, prepare_with_mask
from imagecli.images.reading import open_input
from imagecli.images.types import InputRules
from support.finishing import keep, restore

SQUARE = InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=4_000_000, max_side=64)
FREE = InputRules(square=False, formats=("png", "jpeg", "webp"), modes=("L", "RGB", "RGBA"), max_bytes=50_000_000)
RULES = {
    "square": SQUARE,
    "tight": InputRules(square=True, formats=("png",), modes=("RGB", "RGBA"), max_bytes=3000, max_side=48),
    "free": FREE,
    "shaped": InputRules(
        square=False, formats=("png",), modes=("RGB",), max_bytes=50_000_000, max_side=96, shape=(96, 64)
    ),
}
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK")
STORED = {  # how a camera held in each orientation stores an upright scene
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
MANY = settings(max_examples=80)
SIDE = st.integers(12, 90)
FITS = st.sampled_from(["pad", "crop", "stretch"])


def noise(mode, size, seed=3):
    bits = random.Random(seed)  # noqa: S311 - noise
    if mode == "1":
        return noise("L", size, seed).point(lambda value: 255 * (value > 127)).convert("1")
    if mode == "P":
        return noise("RGB", size, seed).quantize(31)
    if mode == "I;16":
        return Image.frombytes("I;16", size, bits.randbytes(size[0] * size[1] * 2))
    return Image.frombytes(mode, size, bits.randbytes(size[0] * size[1] * len(mode)))


def opened(image, orientation=1, kind="PNG", **options):
    """The image as a camera held in another orientation would have stored it."""
    out = io.BytesIO()
    stored = image if STORED[orientation] is None else image.transpose(STORED[orientation])
    if orientation != 1:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    stored.save(out, kind, **options)
    return open_input(out.getvalue(), f"cat.{kind.lower()}")


def _keeps_its_size(size, rules):
    """Whether an input of this size may be sent unchanged at a size that a re-encoded one would be shrunk from."""
    width, height = (1, 1) if rules.square else rules.shape
    return size[0] * height == size[1] * width and max(size) > rules.max_side


def read(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@MANY
@given(
    width=SIDE,
    height=SIDE,
    mode=st.sampled_from(MODES),
    orientation=st.integers(1, 8),
    fit=FITS,
    rules=st.sampled_from(sorted(RULES)),
)
def test_what_is_sent_is_square_and_small_and_its_mask_has_its_size(width, height, mode, orientation, fit, rules):
    wanted = RULES[rules]
    kind = "TIFF" if mode == "CMYK" else "PNG"
    input_image = opened(noise(mode, (width, height)), 1 if kind == "TIFF" else orientation, kind)
    assert input_image.size == (width, height)
    region = region_of(input_image, None, MaskFlags(areas=(read_area(RECT, "30%,30%,25%,25%"),)))
    prepared, mask = prepare_with_mask(input_image, None, wanted, fit, region=region)
    image, opening = read(prepared.upload.data), read(mask.data)
    assert image.size == opening.size == prepared.geometry.canvas == (prepared.upload.width, prepared.upload.height)
    assert len(prepared.upload.data) < wanted.max_bytes
    assert opening.getchannel("A").getextrema() == (0, 255)
    if wanted.square:
        assert image.width == image.height
        assert image.mode in {"RGB", "RGBA"}
        assert not image.getexif()


@MANY
@given(
    width=SIDE, height=SIDE, orientation=st.integers(1, 8), kind=st.sampled_from(["PNG", "WEBP"]), free=st.booleans()
)
def test_exif_turns_an_image_exactly_once(width, height, orientation, kind, free):
    assume(free or not _keeps_its_size((width, height), SQUARE))
    upright = noise("RGB", (width, height))
    options = {"lossless": True} if kind == "WEBP" else {}
    prepared = prepare(opened(upright, orientation, kind, **options), FREE if free else SQUARE, "pad")
    if free:
        image = read(prepared.upload.data)
        assert image.convert("RGB").tobytes() == upright.tobytes()
        assert image.getexif().get(0x0112, 1) == 1
    else:
        sent = read(prepared.upload.data).crop(prepared.geometry.placed)
        again = read(prepare(opened(upright), SQUARE, "pad").upload.data).crop(prepared.geometry.placed)
        assert sent.tobytes() == again.tobytes()


@MANY
@given(
    width=st.integers(30, 200),
    height=st.integers(30, 200),
    box=st.tuples(*[st.floats(0, 0.7), st.floats(0, 0.7), st.floats(0.2, 0.6), st.floats(0.2, 0.6)]),
    orientation=st.integers(1, 8),
    fit=FITS,
    rules=st.sampled_from(["square", "free", "shaped"]),
    corner=st.booleans(),
)
def test_a_mask_rectangle_lands_on_what_it_was_named_on(width, height, box, orientation, fit, rules, corner):
    """An image that is white where the rectangle is: where the mask opens, what is sent is white."""
    left, top = round(box[0] * width), round(box[1] * height)
    right, bottom = min(width, left + round(box[2] * width)), min(height, top + round(box[3] * height))
    assume((left, top, right, bottom) != (0, 0, width, height))
    upright = Image.new("RGB", (width, height))
    upright.paste("white", (left, top, right, bottom))
    x, y = (left - width, top - height) if corner else (left, top)
    input_image = opened(upright, orientation)
    region = region_of(input_image, None, MaskFlags(areas=(read_area(RECT, f"{x},{y},{right - left},{bottom - top}"),)))
    assert region.getbbox() == (left, top, right, bottom)
    try:
        prepared, mask = prepare_with_mask(input_image, None, RULES[rules], fit, region=region)
    except UsageProblem:  # the crop has cut it off
        assume(fit != "crop")
        raise
    geometry = prepared.geometry
    image = read(prepared.upload.data).convert("L").crop(geometry.placed)
    alpha = read(mask.data).getchannel("A").crop(geometry.placed)
    white = image.point([255 if value >= 128 else 0 for value in range(256)]).getbbox()
    open_ = ImageChops.invert(alpha).getbbox()
    assert all(abs(one - other) <= 1 for one, other in zip(white, open_, strict=True))
    outside = read(mask.data).getchannel("A")
    outside.paste(255, geometry.placed)
    assert outside.getextrema() == (255, 255), "padding is closed"


@MANY
@given(
    width=SIDE,
    height=SIDE,
    mode=st.sampled_from(["1", "L", "P", "RGB", "RGBA"]),
    orientation=st.integers(1, 8),
    fit=FITS,
    rules=st.sampled_from(["square", "free", "shaped"]),
    shape=st.sampled_from([RECT, ELLIPSE]),
    feather=st.sampled_from([None, 1, 4, 9]),
    expand=st.sampled_from([(), ("left=7",), ("all=30%",), ("top=5", "right=50%")]),
    scale=st.sampled_from([1, 2]),
)
def test_outside_the_mask_the_originals_pixels_stay_to_the_bit(
    width, height, mode, orientation, fit, rules, shape, feather, expand, scale
):
    upright = noise(mode, (width, height))
    input_image = opened(upright, orientation)
    if expand:
        input_image = ExpandedImage(input_image, read_margins(expand))
    marks = MaskFlags(areas=(read_area(shape, "20%,25%,40%,45%"),), feather=feather)
    try:
        region = region_of(input_image, None, marks)
        prepared, _ = prepare_with_mask(input_image, None, RULES[rules], fit, region=region)
    except UsageProblem:  # so small, or so cropped, that nothing is left that is fully closed
        assume(fit != "crop" and not (feather and min(width, height) < 6 * feather))
        raise
    made = Image.new("RGB", tuple(side * scale for side in prepared.geometry.canvas), (1, 254, 3))
    result = read(keep(png(made), prepared.geometry, region, input_image))
    assert result.size == input_image.size
    seen = upright.convert("RGBA" if mode == "RGBA" else "RGB").convert("RGBA")
    inner = input_image.inner if expand else (0, 0, width, height)
    got = result.convert("RGBA").crop(inner)
    changed = region.crop(inner).point([0] + [255] * 255)
    got.paste((0, 0, 0, 0), (0, 0), changed)
    seen.paste((0, 0, 0, 0), (0, 0), changed)
    assert got.tobytes() == seen.tobytes()
    # And what the region opens fully is the result's, as far as it was sent.
    whole = region.point([0] * 255 + [255])
    source = Image.new("L", input_image.size)
    source.paste(255, prepared.geometry.source)
    whole = ImageChops.darker(whole, source)
    inside = Image.new("RGB", input_image.size, (1, 254, 3))
    inside.paste(result.convert("RGB"), (0, 0), whole)
    assert inside.tobytes() == Image.new("RGB", input_image.size, (1, 254, 3)).tobytes()


@MANY
@given(width=SIDE, height=SIDE, feather=st.integers(0, 12), box=st.sampled_from(["30%,30%,40%,40%", "0,0,50%,100%"]))
def test_a_feathered_edge_ends_where_it_says(width, height, feather, box):
    input_image = opened(noise("RGB", (width, height)))
    sharp = region_of(input_image, None, MaskFlags(areas=(read_area(RECT, box),)))
    try:
        soft = region_of(input_image, None, MaskFlags(areas=(read_area(RECT, box),), feather=feather))
    except UsageProblem:  # nothing is left that is fully closed
        assume(False)  # noqa: FBT003 - hypothesis's way to pass over an example
    left, top, right, bottom = sharp.getbbox()
    grown = max(0, left - feather), max(0, top - feather), min(width, right + feather), min(height, bottom + feather)
    found = soft.getbbox()
    assert all(a <= b for a, b in zip(grown[:2], found[:2], strict=True))
    assert all(a >= b for a, b in zip(grown[2:], found[2:], strict=True))
    if feather and right - left > 2 * feather + 1 and bottom - top > 2 * feather + 1:
        assert soft.getpixel(((left + right) // 2, (top + bottom) // 2)) == 255


@MANY
@given(
    width=SIDE,
    height=SIDE,
    orientation=st.integers(1, 8),
    fit=FITS,
    mode=st.sampled_from(["aspect", "size"]),
    expand=st.sampled_from([(), ("left=9",), ("all=25%",)]),
    rules=st.sampled_from(["square", "shaped"]),
)
def test_fit_and_restore_give_the_same_geometry_to_the_pixel(width, height, orientation, fit, mode, expand, rules):
    input_image = opened(noise("RGB", (width, height)), orientation)
    if expand:
        input_image = ExpandedImage(input_image, read_margins(expand))
    assume(not _keeps_its_size(input_image.size, RULES[rules]))
    prepared = prepare(input_image, RULES[rules], fit)
    restored = read(restore(prepared.upload.data, prepared.geometry, mode, input_image))
    if mode == "size":
        assert restored.size == input_image.size
    else:
        across, down = input_image.size
        assert abs(restored.width * down - restored.height * across) <= max(across, down)
    again = prepare(opened(restored), RULES[rules], fit)
    if mode == "size":
        assert again.geometry == prepared.geometry


def _within_two_levels(one, other):
    high = max(high for _, high in ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getextrema())
    return high <= 2


@MANY
@given(width=SIDE, height=SIDE, seed=st.integers(0, 99))
def test_sixteen_bits_are_within_two_levels_of_the_exact_value(width, height, seed):
    deep = noise("I;16", (width, height), seed)
    values = memoryview(deep.tobytes()).cast("H")
    exact = Image.frombytes("L", deep.size, bytes(round(value * 255 / 65535) for value in values)).convert("RGB")
    prepared = prepare(opened(deep), FREE, "pad")
    assert _within_two_levels(read(prepared.upload.data), exact)


@settings(MANY, max_examples=20)
@given(width=SIDE, height=SIDE, seed=st.integers(0, 99), profile=st.booleans())
def test_cmyk_is_within_two_levels_of_a_reference(width, height, seed, profile):
    """Without a profile the plain formula; a profile of another colour space is ignored."""
    inks = noise("CMYK", (width, height), seed)
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if profile else None
    cyan, magenta, yellow, black = (band.tobytes() for band in inks.split())
    exact = bytes(
        round((255 - ink) * (255 - key) / 255)
        for *colours, key in zip(cyan, magenta, yellow, black, strict=True)
        for ink in colours
    )
    prepared = prepare(opened(inks, kind="TIFF", **({"icc_profile": icc} if icc else {})), FREE, "pad")
    assert _within_two_levels(read(prepared.upload.data), Image.frombytes("RGB", inks.size, exact))


@pytest.mark.parametrize("text", ["900,0,10,10", "0,0,0,10", "-9,-9,0,5", "50%,100%,5,5"])
def test_an_area_beside_the_image_is_refused(text):
    input_image = opened(noise("RGB", (40, 30)))
    with pytest.raises(UsageProblem, match=r"opens nothing of the 40x30 image"):
        region_of(input_image, None, MaskFlags(areas=(read_area(RECT, text),)))
