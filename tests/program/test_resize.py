"""--resize and --also: what is asked for, what is saved, under which names."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from imagecli import ImageClient
from support.serving import image_file, response_with


def halves(size=(96, 64), mode="RGB", kind="PNG"):
    """Red on the left, blue on the right, and a green line down the middle."""
    image = Image.new(mode, size, (200, 0, 0) if mode == "RGB" else (200, 0, 0, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((size[0] // 2, 0, *size), fill="blue")
    draw.rectangle((size[0] // 2 - 4, 0, size[0] // 2 + 3, size[1]), fill="lime")
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def close(pixels, *colours):
    return all(max(map(abs, map(int.__sub__, *each))) <= 3 for each in zip(pixels, colours, strict=True))


def seen(path):
    image = Image.open(io.BytesIO(Path(path).read_bytes()))
    image.load()
    return image


@pytest.fixture
def drawing(server):
    server.respond = lambda reply, _: reply.send(response_with(halves()))
    return server


def test_the_image_is_cut_in_the_middle_scaled_and_saved_alone(imagecli, drawing):
    ran = imagecli("gen", "cat", "--base-url", drawing.url, "--resize", "32X32", "-o", "cat.png", "--json")
    assert (ran.code, ran.json["warnings"]) == (0, [])
    image = seen("cat.png")
    assert (image.size, image.mode, image.format) == ((32, 32), "RGB", "PNG")
    # A square out of the middle: the line is as far from either side.
    assert close([image.getpixel((x, 16)) for x in (2, 15, 16, 29)], (200, 0, 0), *[(0, 255, 0)] * 2, (0, 0, 255))
    made = ran.json["images"][0]
    assert (made["width"], made["height"], made["bytes"]) == (32, 32, Path("cat.png").stat().st_size)
    assert [path.name for path in Path().iterdir()] == ["cat.png"]


@pytest.mark.parametrize(
    ("output", "sent", "kind", "saved"),
    [
        ("cat.png", "PNG", "PNG", "cat.png"),
        ("cat.jpg", "PNG", "JPEG", "cat.jpg"),
        ("cat.webp", "JPEG", "WEBP", "cat.webp"),
        ("cat.png", "JPEG", "PNG", "cat.png"),
        ("./", "JPEG", "PNG", "cat.png"),
        ("{slug}.{ext}", "WEBP", "PNG", "cat.png"),
    ],
)
def test_it_is_written_as_the_name_asks_else_as_png(imagecli, server, output, sent, kind, saved):
    server.respond = lambda reply, _: reply.send(response_with(halves(kind=sent)))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--resize", "32x32", "--also", "8x8", "-o", output)
    assert (ran.code, ran.err) == (0, "")
    stem, _, extension = saved.rpartition(".")
    assert [path.removeprefix("./") for path in ran.paths] == [saved, f"{stem}.8x8.{extension}"]
    assert [(seen(path).format, seen(path).size) for path in ran.paths] == [(kind, (32, 32)), (kind, (8, 8))]


def test_transparency_is_scaled_with_its_colours_and_white_in_a_jpeg(imagecli, server):
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((8, 8, 55, 55), fill=(255, 0, 0, 255))
    out = io.BytesIO()
    image.save(out, "PNG")
    server.respond = lambda reply, _: reply.send(response_with(out.getvalue()))
    call = ("gen", "cat", "--base-url", server.url, "--resize", "16x16")
    assert imagecli(*call, "-o", "cat.png").code == 0
    small = seen("cat.png")
    assert (small.mode, small.getpixel((0, 0))[3], small.getpixel((8, 8))) == ("RGBA", 0, (255, 0, 0, 255))
    pixels = (small.getpixel((x, y)) for x in range(16) for y in range(16))
    edge = [pixel for pixel in pixels if 8 < pixel[3] < 255]
    assert edge
    assert all(red > 250 for red, *_ in edge), "no dark rim"
    assert imagecli(*call, "-o", "cat.jpg").code == 0
    assert min(seen("cat.jpg").getpixel((0, 0))) > 250


@pytest.mark.parametrize(
    ("model", "resize", "asked"),
    [
        ("dall-e-2", "64x64", "256x256"),
        ("dall-e-2", "300x300", "512x512"),
        ("dall-e-2", "300x600", "1024x1024"),
        ("dall-e-2", "3000x3000", "1024x1024"),
        ("dall-e-3", "600x300", "1792x1024"),
        ("gpt-image-1", "1200x630", "1536x1024"),
        ("gpt-image-1", "1000x1100", "1024x1536"),
        ("gpt-image-2", "1000x1000", "1008x1008"),
        ("gpt-image-2", "1280x720", "1280x720"),
        ("gpt-image-2", "1500x100", "1520x512"),
        ("gpt-image-2", "100x3000", "1008x3024"),
        ("team/flux", "1200x300", "1536x1024"),
        (None, "64x64", "1024x1024"),
    ],
)
def test_the_model_is_asked_for_its_nearest_size_that_is_not_smaller(imagecli, server, model, resize, asked):
    which = ("-m", model) if model else ()
    ran = imagecli("gen", "cat", "--base-url", server.url, *which, "--resize", resize, "--dry-run", "--json")
    assert ran.json["requests"][0]["fields"]["size"] == asked
    assert any(resize in step for step in ran.json["steps"])
    typed = imagecli(
        *("gen", "cat", "--base-url", server.url, *which, "--resize", resize, "-s", "1024x1024", "--dry-run", "--json")
    )
    assert typed.json["requests"][0]["fields"]["size"] == "1024x1024"
    assert server.requests == []


def test_a_dry_run_says_what_will_be_done_to_the_result(imagecli, server):
    ran = imagecli("gen", "cat", "--base-url", server.url, "--resize", "64x64", "--also", "9x9", "--dry-run")
    assert ran.out.splitlines()[-2:] == [
        "  - the result is cropped in the middle to the shape of 64x64, then scaled to it",
        "  - also saved at 9x9",
    ]
    assert (ran.err, server.requests) == ("", [])


def test_a_size_from_the_settings_gives_way_to_a_format_that_is_not_scaled(imagecli, server):
    data = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    server.respond = lambda reply, _: reply.send(response_with(data))
    env = {"IMAGECLI_RESIZE": "64x64", "IMAGECLI_ALSO": "9x9\n8x8"}
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.svg", env=env)
    assert (ran.code, ran.paths) == (0, ["cat.svg"])
    assert "IMAGECLI_RESIZE is left out" in ran.err
    server.respond = lambda reply, _: reply.send(response_with(halves()))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", env=env)
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png", "cat.9x9.png", "cat.8x8.png"], "")
    assert seen("cat.png").size == (64, 64)


def test_also_saves_further_sizes_of_each_image_in_their_order(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(halves(), halves()))
    sizes = ("--also", "32x32", "--also", "20x10", "--also", "32x32")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", *sizes, "-o", "sub/cat.png")
    names = [f"sub/cat-{n}{size}.png" for n in (1, 2) for size in ("", ".32x32", ".20x10")]
    assert (ran.code, ran.paths) == (0, names)
    assert [seen(name).size for name in names[:3]] == [(96, 64), (32, 32), (20, 10)]
    assert Path("sub/cat-1.png").read_bytes() == halves()
    assert "size" not in server.posts[0].json
    again = imagecli("gen", "cat", "--base-url", server.url, *sizes, "-o", "{slug}-{n}.{ext}", "--json")
    assert again.json["images"][0]["path"] == "cat-1.png"
    beside = again.json["images"][0]["also"]
    assert [(one["path"], one["width"], one["height"], one["format"]) for one in beside] == [
        ("cat-1.32x32.png", 32, 32, "png"),
        ("cat-1.20x10.png", 20, 10, "png"),
    ]
    assert [one["bytes"] for one in beside] == [Path(one["path"]).stat().st_size for one in beside]


def test_names_are_checked_before_anything_is_sent(imagecli, drawing):
    Path("cat.32x32.png").write_text("mine")
    call = ("gen", "cat", "--base-url", drawing.url, "--also", "32x32")
    ran = imagecli(*call, "-o", "cat.png")
    assert (ran.code, "cat.32x32.png already exists" in ran.err, drawing.requests) == (2, True, [])
    ran = imagecli(*call, "--skip-existing", "-o", "cat.png")
    assert (ran.code, "--force" in ran.err, "--skip-existing" in ran.err) == (2, True, False)
    assert drawing.requests == []
    assert imagecli(*call).paths == ["cat-2.png", "cat-2.32x32.png"]
    assert imagecli(*call, "--force", "-o", "cat.png").code == 0
    assert seen("cat.32x32.png").size == (32, 32)


def test_a_size_that_is_missing_beside_an_image_costs_nothing(imagecli, drawing):
    call = ("gen", "cat", "--base-url", drawing.url, "-o", "cat.png", "--also", "32x32")
    assert imagecli(*call).code == 0
    before = Path("cat.32x32.png").read_bytes(), Path("cat.png").read_bytes()
    ran = imagecli(*call, "--also", "16x16", "--skip-existing", "--json")
    assert ran.code == 0, ran.err
    assert [one["path"] for one in ran.json["images"][0]["also"]] == ["cat.32x32.png", "cat.16x16.png"]
    assert seen("cat.16x16.png").size == (16, 16)
    assert (Path("cat.32x32.png").read_bytes(), Path("cat.png").read_bytes()) == before
    assert len(drawing.requests) == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--resize", "big"], "--resize big is not a size"),
        (["--resize", "0x10"], "is not a size"),
        (["--also", "64"], "--also 64 is not a size"),
        (["--resize", "20000x20000"], "more than 64,000,000 pixels"),
        (["--resize", "20000x100", "-o", "cat.webp"], "its sides end at 16,383"),
        (["--also", "64x64", "-o", "-"], "--also"),
        (["--also", "64x64", "-o", "/dev/null"], "--also makes more"),
        (["--resize", "64x64", "-o", "cat.svg"], "only still images"),
        (["--also", "64x64", "--format", "gif"], "only still images"),
    ],
)
def test_what_can_not_be_done_is_refused_unpaid(imagecli, server, flags, words):
    ran = imagecli("gen", "cat", "--base-url", server.url, *flags)
    assert (ran.code, server.requests) == (2, [])
    assert words in ran.err


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


def animation():
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize(("data", "what"), [(SVG, "an SVG image"), (animation(), "an animation")])
def test_what_has_no_still_pixels_is_saved_as_it_came(imagecli, server, data, what):
    server.respond = lambda reply, _: reply.send(response_with(data))
    call = ("gen", "cat", "--base-url", server.url, "--resize", "8x8", "-o", "./")
    ran = imagecli(*call)
    assert (ran.code, f"{what} can't be resized" in ran.err) == (0, True)
    assert Path(ran.paths[0]).read_bytes() == data
    # What is missing beside it is an error; the image is kept.
    ran = imagecli(*call, "--also", "4x4", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (1, "failure")
    assert "4x4" in ran.json["error"]["message"]
    assert Path(ran.json["images"][0]["path"]).read_bytes() == data


def test_an_enlarged_image_is_said(imagecli, drawing):
    ran = imagecli("gen", "cat", "--base-url", drawing.url, "--resize", "192x192", "-o", "cat.png")
    assert seen("cat.png").size == (192, 192)
    assert "enlarged from 96x64 to 192x192" in ran.err


def test_stdout_takes_a_resized_image(imagecli, drawing):
    ran = imagecli("gen", "cat", "--base-url", drawing.url, "--resize", "12x12", "-o", "-")
    assert Image.open(io.BytesIO(ran.raw)).size == (12, 12)


def test_an_edit_is_put_back_before_it_is_resized(imagecli, server):
    Path("scene.png").write_bytes(halves((120, 90)))
    server.respond = lambda reply, _: reply.send(response_with(image_file((120, 90), "white")))
    ran = imagecli(
        *("edit", "scene.png", "x", "--mask-rect", "0,0,30,90", "-m", "gpt-image-2", "--base-url", server.url),
        *("--resize", "60x45", "--also", "90x90", "-o", "out.png"),
    )
    assert (ran.code, ran.paths) == (0, ["out.png", "out.90x90.png"]), ran.err
    assert "size" not in server.posts[0].form, "what is put back should have the input's shape"
    pixels = [seen("out.png").getpixel((x, 20)) for x in (5, 25, 55)]
    assert close(pixels, (255, 255, 255), (200, 0, 0), (0, 0, 255))
    assert seen("out.90x90.png").getpixel((5, 45)) == (255, 255, 255)


def test_the_library_takes_them_too(server):
    server.respond = lambda reply, _: reply.send(response_with(halves()))
    made = ImageClient(base_url=server.url).generate("a cat", resize="32x32", also=("16x16", "8x4")).images[0]
    assert (made.width, made.height, made.format) == (32, 32, "png")
    assert [(one.width, one.height) for one in made.also] == [(16, 16), (8, 4)]
    assert Image.open(io.BytesIO(made.also[1].data)).size == (8, 4)


@pytest.mark.parametrize("name", ["cat.jpg", "cat.webp"])
def test_what_is_encoded_here_is_not_compressed_by_the_server_before(imagecli, server, name):
    call = ("gen", "cat", "-m", "gpt-image-2", "--base-url", server.url, "--compression", "80", "--force", "-o", name)
    server.respond = lambda reply, _: reply.send(response_with(image_file((96, 96))))
    kind = {"cat.jpg": "jpeg", "cat.webp": "webp"}[name]
    ran = imagecli(*call, "--resize", "32x32", "--json")
    assert (ran.code, ran.json["images"][0]["format"]) == (0, kind), ran.err
    assert imagecli(*call).code == 0
    assert imagecli(*call, "--resize", "32x32", "--format", kind).code == 0
    asked = [(post.json.get("output_format"), post.json.get("output_compression")) for post in server.posts]
    assert asked == [("png", None), (kind, 80), (kind, 80)]
