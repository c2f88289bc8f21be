"""What the sandbox paints: deterministic, in the colours of the prompt, and labelled."""

from __future__ import annotations

from io import BytesIO
from xml.dom import minidom

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from imagecli.sandbox.paint import colours
from imagecli.sandbox.paint.edits import inpaint, round_corners, tint, vary
from imagecli.sandbox.paint.encoding import encode, write_svg
from imagecli.sandbox.paint.painter import draw, label, paint
from imagecli.sandbox.paint.scene import compose, derive_seed, make_drawable, shorten


def reopened(data):
    return Image.open(BytesIO(data))


def photo(size=(96, 64)):
    """Something with many colours."""
    red, green = Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size)
    return Image.merge("RGB", (red, green, ImageChops.invert(red)))


def difference(a, b):
    """Return the mean difference of two images' shape in grey, 0 to 255."""
    small = [image.convert("L").resize((32, 32), Image.Resampling.BOX) for image in (a, b)]
    return ImageStat.Stat(ImageChops.difference(*small)).mean[0]


def test_same_inputs_same_bytes():
    one, two = (encode(paint("a red fox", (256, 256), 1), "png") for _ in range(2))
    assert one == two


@pytest.mark.parametrize("changed", [{"n": 1}, {"prompt": "a red foxx"}, {"quality": "high"}])
def test_whatever_is_asked_shows(changed):
    asked = {"prompt": "a red fox", "size": (256, 256), "n": 0, "quality": "low"}
    assert paint(**asked)[0].tobytes() != paint(**asked | changed)[0].tobytes()


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("a red fox on blue snow", [(221, 31, 38), (37, 99, 235)]),
        ("GREEN hills", [(31, 157, 63)]),
        ("a yellow door, purple frame", [(250, 212, 24), (123, 47, 208)]),
        ("an orange", [(249, 122, 18)]),
        ("turquoise sea", [(31, 201, 188)]),
        ("one red and red again", [(221, 31, 38)]),
        ("a scared redhead in a bluegrass tavern", []),
    ],
)
def test_colour_words(prompt, names):
    assert list(colours.find_colours(prompt)) == names


def test_shades_change_the_colour_after_them():
    [dark], [plain_blue], [light], [joined] = (
        colours.find_colours(f"a {words} car") for words in ("dark blue", "blue", "light blue", "darkblue")
    )
    assert sum(dark) < sum(plain_blue) < sum(light)
    assert joined == dark


def test_the_words_dominate_the_image():
    """Upper half the first colour's, lower half the second's: the mean leans the way that the words say."""
    [image] = paint("a red fox on blue snow", (256, 256))
    sky = ImageStat.Stat(image.crop((0, 0, 256, 90))).mean
    ground = ImageStat.Stat(image.crop((0, 160, 256, 256))).mean
    assert sky[0] > sky[2] + 60
    assert ground[2] > ground[0] + 60


def test_prompts_without_colours_have_a_palette_of_their_own():
    palettes = {
        colours.choose_palette(prompt) for prompt in ("a cat", "a dog", "a house", "a ship", "a song", "a storm")
    }
    assert len(palettes) > 1
    assert colours.choose_palette("a cat") == colours.choose_palette("a cat")


@pytest.mark.parametrize("size", [(256, 256), (1792, 1024), (512, 1536), (1536, 512)])
def test_it_is_labelled_sandbox(size):
    """The label is dark behind white letters, at the bottom left."""
    scene = compose("a quiet lake", size, derive_seed("a quiet lake", 0))
    bare, labelled = draw(scene), draw(scene)
    label(labelled, "a quiet lake")
    left, top, right, bottom = ImageChops.difference(bare, labelled).getbbox()
    assert left < size[0] / 8
    assert bottom > size[1] * 0.85
    assert right - left > 60
    assert labelled.crop((left, top, right, bottom)).convert("L").getextrema()[1] == 255


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (16, 16), (40, 12), (12, 300), (3840, 1280)])
def test_every_size_is_painted(size):
    [image] = paint("x", size)
    assert image.size == size
    assert image.mode == "RGB"


def test_transparent_has_no_sky():
    [image] = paint("a red fox", (256, 256), transparent=True)
    assert image.getpixel((128, 2))[3] == 0
    assert image.getpixel((128, 250))[3] == 255


@pytest.mark.parametrize(("kind", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("gif", "GIF")])
def test_formats(kind, name):
    image = reopened(encode(paint("a red fox", (256, 256)), kind))
    image.load()
    assert (image.format, image.size) == (name, (256, 256))


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_compression_is_honoured(kind):
    images = paint("a red fox", (256, 256))
    assert len(encode(images, kind, compression=20)) < len(encode(images, kind, compression=95))


def test_gif_moves():
    image = reopened(encode(paint("a red fox", (128, 128), frames=4), "gif", frame_ms=120))
    assert image.n_frames == 4
    assert image.info["duration"] == 120


def test_svg_is_the_same_scene_with_any_prompt():
    prompt = 'a <red> fox & "blue" snow \x01\x0b\ufffe\ud800 漢字'
    document = minidom.parseString(write_svg(compose(prompt, (1024, 512), 3), prompt))  # noqa: S318 - our own
    assert document.documentElement.getAttribute("viewBox") == "0 0 1024 512"
    texts = [node.firstChild.data for node in document.getElementsByTagName("text")]
    assert texts[0] == "SANDBOX"
    assert texts[1].startswith('a <red> fox & "blue" snow')


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("crème brûlée", "creme brulee"),
        ("漢字だけのことば", ""),
        ("a fox 🦊", "a fox"),
        ("one\ttwo\nthree", "one two three"),
    ],
)
def test_label_draws_what_the_font_has(text, drawn):
    assert make_drawable(shorten(text)) == drawn


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_inpaint_changes_only_what_is_open(mode):
    source = photo().convert(mode)
    opening = Image.new("L", source.size)
    ImageDraw.Draw(opening).ellipse((20, 10, 70, 55), fill=255)
    result = inpaint(source, opening, "a green field")
    changed = ImageChops.difference(result.convert("RGB"), source.convert("RGB")).convert("L").point([0] + [255] * 255)
    assert ImageChops.subtract(changed, opening).getbbox() is None, "changed where the mask is closed"
    assert ImageStat.Stat(changed, opening).mean[0] > 240, "unchanged where the mask is open"


def test_inpaint_of_nothing_is_the_image():
    source = photo()
    assert inpaint(source, Image.new("L", source.size), "x").tobytes() == source.tobytes()


def test_tint_is_recognisable_and_takes_the_colour():
    source = photo((256, 256))
    result = tint([source], "all in blue")
    assert 1 < difference(result, source) < 60
    before, after = ImageStat.Stat(source).mean, ImageStat.Stat(result).mean
    assert after[2] - after[0] > before[2] - before[0] + 20
    assert tint([source], "all in blue", 1).tobytes() != result.tobytes()


def test_tint_shows_further_inputs():
    source, other = photo((256, 256)), Image.new("RGB", (40, 80), "lime")
    corner = tint([source, other], "x").crop((200, 0, 256, 56))
    assert (0, 255, 0) in {color for _, color in corner.getcolors(56 * 56)}


def test_vary_resembles_its_source():
    [source] = paint("a red fox on blue snow", (256, 256))
    looks = [vary(source, 256, n) for n in range(3)]
    assert all(look.size == (256, 256) for look in looks)
    assert difference(looks[0], source) < 25
    assert difference(Image.Image.transpose(looks[1], Image.Transpose.FLIP_LEFT_RIGHT), source) < 25
    assert len({look.tobytes() for look in looks}) == 3


def test_vary_keeps_transparency():
    source = round_corners(photo((128, 128)))
    assert vary(source, 256).getchannel("A").getextrema() == (0, 255)
