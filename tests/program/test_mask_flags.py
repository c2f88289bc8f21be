"""Masks from flags, outpainting, keeping, and `prepare`: what is sent, what is saved, what is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw

from imagecli.errors import UsageProblem
from imagecli.images.mask_file import write
from imagecli.images.mask_flags import read_area, read_colour, read_margins
from imagecli.images.types import MaskConvention
from support.running import environment
from support.serving import response_with

GREEN = (0, 200, 0)


def _scene(size=(400, 300)):
    """A gradient with a green disc of 80 pixels around (120, 100)."""
    image = Image.merge("RGB", [Image.linear_gradient("L").resize(size)] * 3)
    ImageDraw.Draw(image).ellipse((80, 60, 160, 140), fill=GREEN)
    return image


def _painted(request, colour=(255, 0, 255)):
    """What an obedient server sends: the input, in one colour where the mask is transparent, at twice the size."""
    image, mask = (Image.open(io.BytesIO(request.files[name][0][2])) for name in ("image", "mask"))
    painted = image.convert("RGB")
    painted.paste(colour, (0, 0), mask.getchannel("A").point([255] + [0] * 255))
    out = io.BytesIO()
    painted.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def painting(server):
    server.respond = lambda reply, request: reply.send(response_with(_painted(request)))
    return server


def _mask(server, index=0):
    return Image.open(io.BytesIO(server.posts[index].files["mask"][0][2])).getchannel("A")


def _saved(path):
    return Image.open(io.BytesIO(Path(path).read_bytes()))


def _open(alpha):
    return ImageChops.invert(alpha).getbbox()


@pytest.mark.parametrize(
    ("flags", "box"),
    [
        (["--mask-rect", "10,20,100,50"], (10, 20, 110, 70)),
        (["--mask-rect", "25%,50%,50%,25%"], (100, 150, 300, 225)),
        (["--mask-rect", "-100,-60,100,60"], (300, 240, 400, 300)),
        (["--mask-rect=-25%,0,25%,100%"], (300, 0, 400, 300)),
        (["--mask-rect", "350,0,500,300"], (350, 0, 400, 300)),
        (["--mask-rect", "20,30,-20,-30"], (20, 30, 380, 270)),
        (["--mask-ellipse", "10,20,101,51"], (10, 20, 111, 71)),
        (["--mask-rect", "0,0,10,10", "--mask-ellipse", "90,90,10,10"], (0, 0, 100, 100)),
        (["--mask-color", "rgb(0 200 0):10"], (80, 60, 161, 141)),
        (["--mask-color", "#00c800"], (80, 60, 161, 141)),
        (["--mask-color", "hsl(120, 100%, 39%):2%"], (80, 60, 161, 141)),
        (["--mask-rect", "0,0,400,100", "--mask-invert"], (0, 100, 400, 300)),
        (["--mask-rect", "100,100,50,50", "--mask-feather", "10"], (90, 90, 160, 160)),
    ],
)
@pytest.mark.parametrize("model", ["gpt-image-2", "dall-e-2"])
def test_flags_open_what_they_say(imagecli, painting, flags, box, model):
    _scene().save("scene.png")
    ran = imagecli("edit", "scene.png", "x", *flags, "-m", model, "--base-url", painting.url)
    assert ran.code == 0, ran.err
    alpha = _mask(painting)
    if model == "dall-e-2":
        assert alpha.size == (400, 400)
        alpha = alpha.crop((0, 50, 400, 350))
    found = _open(alpha)
    assert all(abs(one - other) <= (2 if "--mask-feather" in flags else 0) for one, other in zip(found, box))  # noqa: B905


def test_flags_and_a_mask_file_add_up_and_turn_together(imagecli, painting):
    _scene().save("scene.png")
    mask = Image.new("L", (200, 150))
    mask.paste(255, (0, 0, 50, 50))
    mask.save("mask.png")
    call = ("edit", "scene.png", "x", "--mask", "mask.png", "-m", "gpt-image-2", "--base-url", painting.url)
    assert imagecli(*call, "--mask-rect", "200,200,10,10", "-o", "1.png").code == 0
    assert _open(_mask(painting)) == (0, 0, 210, 210)
    assert imagecli(*call, "--mask-rect", "0,100,400,200", "--mask-invert", "-o", "2.png").code == 0
    assert _open(_mask(painting, 1)) == (100, 0, 400, 100)


@pytest.mark.parametrize("model", ["gpt-image-2", "dall-e-2"])
def test_nothing_changes_outside_a_mask_from_flags(imagecli, painting, model):
    scene = _scene()
    scene.save("scene.png")
    call = ("edit", "scene.png", "x", "--mask-rect", "100,100,60,60", "-m", model, "--base-url", painting.url)
    assert imagecli(*call, "-o", "kept.png").code == 0
    kept = _saved("kept.png")
    assert (kept.size, kept.mode) == ((400, 300), "RGB")
    assert ImageChops.difference(kept, scene).getbbox() == (100, 100, 160, 160)
    assert kept.getpixel((130, 130)) == (255, 0, 255)
    assert imagecli(*call, "-o", "whole.png", "--no-keep").code == 0
    assert _saved("whole.png").size == (800, 600)
    assert imagecli(*call, "-o", "canvas.png", "--restore", "none").code == 0
    assert _saved("canvas.png").size == ((800, 800) if model == "dall-e-2" else (800, 600))


def test_a_result_of_another_shape_is_a_warning(imagecli, server):
    _scene().save("scene.png")
    out = io.BytesIO()
    Image.new("RGB", (512, 512), "red").save(out, "PNG")
    server.respond = lambda reply, _: reply.send(response_with(out.getvalue()))
    call = ("edit", "scene.png", "x", "--mask-rect", "0,0,60,60", "-m", "gpt-image-2", "--base-url", server.url)
    ran = imagecli(*call, "-o", "kept.png", "--json")
    assert any("a different shape" in warning for warning in ran.json["warnings"])
    assert ImageChops.difference(_saved("kept.png"), _scene()).getbbox() == (0, 0, 60, 60)


def test_a_mask_file_keeps_only_if_asked(imagecli, painting):
    _scene().save("scene.png")
    mask = Image.new("RGBA", (400, 300), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 50, 50))
    mask.save("mask.png")
    call = ("edit", "scene.png", "x", "--mask", "mask.png", "-m", "gpt-image-2", "--base-url", painting.url)
    assert imagecli(*call, "-o", "plain.png").code == 0
    assert _saved("plain.png").size == (800, 600)
    assert imagecli(*call, "-o", "kept.png", "--keep").code == 0
    assert ImageChops.difference(_saved("kept.png"), _scene()).getbbox() == (0, 0, 50, 50)
    assert painting.posts[1].files["mask"][0][2] == Path("mask.png").read_bytes()


def test_a_wide_gamut_image_keeps_its_profile_and_its_pixels(imagecli, painting):
    from PIL import ImageCms

    space = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # The same primaries under another name: what matters is that it isn't taken for sRGB.
    profile = space.replace(b"s\0R\0G\0B", b"m\0i\0n\0e").replace(b"sRGB", b"mine")
    _scene().save("scene.png", icc_profile=profile)
    call = ("edit", "scene.png", "x", "--mask-rect", "0,0,40,40", "-m", "dall-e-2", "--base-url", painting.url)
    ran = imagecli(*call, "-o", "kept.png")
    assert ran.code == 0, ran.err
    kept = _saved("kept.png")
    assert kept.info["icc_profile"] == profile
    assert ImageChops.difference(kept.convert("RGB"), _scene()).getbbox() == (0, 0, 40, 40)


@pytest.mark.parametrize(
    ("flags", "model", "frame", "size", "canvas"),
    [
        (["--expand", "left=256", "--expand", "top=20%"], "gpt-image-2", (656, 360), "1104x608", (656, 361)),
        (["--expand", "all=10%"], "dall-e-2", (480, 360), "512x512", (480, 480)),
        (["--expand", "right=50%"], "gpt-image-1", (600, 300), "1536x1024", (600, 400)),
        (["--expand", "bottom=100", "-s", "1024x1024"], "gpt-image-2", (400, 400), "1024x1024", (400, 400)),
    ],
)
def test_expanding_opens_what_is_new_and_asks_for_the_nearest_size(
    imagecli, painting, flags, model, frame, size, canvas
):
    scene = _scene()
    scene.save("scene.png")
    call = ("edit", "scene.png", "x", *flags, "-m", model, "--base-url", painting.url)
    ran = imagecli(*call, "-o", "wide.png", env={"IMAGECLI_SIZE": "256x256"} if model == "dall-e-2" else None)
    assert ran.code == 0, ran.err
    post = painting.posts[0]
    sent = Image.open(io.BytesIO(post.files["image"][0][2]))
    assert post.form["size"] == size
    assert sent.size == canvas
    wide = _saved("wide.png")
    assert wide.size == frame
    margins = read_margins([flag for flag in flags if "=" in flag]).of((400, 300))
    inner = (margins[0], margins[1], margins[0] + 400, margins[1] + 300)
    # The seam is 9 pixels here; beyond it the photograph is unchanged.
    middle = (inner[0] + 9, inner[1] + 9, inner[2] - 9, inner[3] - 9)
    assert wide.crop(middle).tobytes() == scene.crop((9, 9, 391, 291)).tobytes()
    for x in (0, frame[0] - 1):
        for y in (0, frame[1] - 1):
            new = not (inner[0] <= x < inner[2] and inner[1] <= y < inner[3])
            assert (wide.getpixel((x, y)) == (255, 0, 255)) == new


@pytest.mark.parametrize(("mode", "size"), [("aspect", (960, 720)), ("size", (480, 360)), ("none", (960, 960))])
def test_what_was_expanded_is_restored_to_its_new_canvas(imagecli, painting, mode, size):
    _scene().save("scene.png")
    call = ("edit", "scene.png", "x", "--expand", "all=10%", "-m", "dall-e-2", "--base-url", painting.url)
    ran = imagecli(*call, "--no-keep", "--restore", mode, "-o", "wide.png")
    assert ran.code == 0, ran.err
    assert _saved("wide.png").size == size


def test_a_mask_preview_is_written_and_nothing_is_sent(imagecli, server):
    _scene().save("scene.jpg", quality=95)
    call = ("edit", "scene.jpg", "--mask-rect", "100,100,50,50", "--base-url", server.url)
    ran = imagecli(*call, "--mask-preview", "look.png")
    assert (ran.code, ran.paths) == (0, ["look.png"])
    look, scene = _saved("look.png"), _saved("scene.jpg")
    assert ImageChops.difference(look, scene).getbbox() == (100, 100, 150, 150)
    assert look.getpixel((120, 120))[0] > 150
    assert look.getpixel((120, 120))[1] < 90
    ran = imagecli(*call, "--mask-preview", "look.png", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (2, "usage")
    assert "exists" in ran.json["error"]["message"]
    ran = imagecli(*call, "--mask-preview", "look.webp", "--json")
    assert ran.json["images"][0]["format"] == "webp"
    assert ran.json["mask"] == {"box": [100, 100, 150, 150], "share": 0.020833, "width": 400, "height": 300}
    assert imagecli(*call, "--mask-preview", "-").raw.startswith(b"\x89PNG")
    assert server.requests == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mask-rect", "1,2,3"], "X,Y,W,H"),
        (["--mask-rect", "a,b,c,d"], "X,Y,W,H"),
        (["--mask-rect", "500,0,10,10"], "opens nothing"),
        (["--mask-rect", "0,0,100%,100%"], "opens everything"),
        (["--mask-rect", "0,0,100%,100%", "--mask-invert"], "opens nothing"),
        (["--mask-color", "mauvish"], "not a known colour"),
        (["--mask-color", "red:300"], "tolerance"),
        (["--mask-color", "red:1"], "no pixel is near red:1"),
        (["--mask-feather", "5"], "--mask-feather needs a mask"),
        (["--mask-invert"], "--mask-invert needs a mask"),
        (["--mask-preview", "look.png"], "--mask-preview needs a mask"),
        (["--keep"], "--keep needs a mask"),
        (["--expand", "left"], "SIDE=LENGTH"),
        (["--expand", "middle=3"], "SIDE=LENGTH"),
        (["--expand", "left=0"], "adds nothing"),
        (["--expand", "left=-5"], "smaller"),
        (["--expand", "left=999999"], "pixels"),
        (["--mask-rect", "0,0,9,9", "--mask-preview", "look.gif"], "gif"),
        (["--max-pixels", "1000"], "--max-pixels"),
    ],
)
def test_impossible_flags_are_refused_before_anything_is_sent(imagecli, server, flags, words):
    _scene().save("scene.png")
    ran = imagecli("edit", "scene.png", "x", *flags, "-m", "gpt-image-2", "--base-url", server.url)
    assert ran.code == 2, ran.err
    assert words in ran.err
    assert server.requests == []
    assert not Path("look.png").exists()


def test_the_flags_have_variables(imagecli, painting):
    _scene().save("scene.png")
    env = {"IMAGECLI_MASK_RECT": "0,0,10,10\n30,30,10,10", "IMAGECLI_KEEP": "no"}
    assert imagecli("edit", "scene.png", "x", "--base-url", painting.url, "-o", "1.png", env=env).code == 0
    assert _open(_mask(painting)) == (0, 0, 40, 40)
    assert _saved("1.png").size == (800, 600)


def test_a_crop_warns_of_what_it_cuts_off_the_mask(imagecli, painting):
    _scene().save("scene.png")
    call = ("edit", "scene.png", "x", "--mask-rect", "0,0,100,100", "--fit", "crop", "-m", "dall-e-2")
    ran = imagecli(*call, "--base-url", painting.url, "--json", "-o", "1.png")
    assert any("cuts off part" in warning for warning in ran.json["warnings"])
    assert ImageChops.difference(_saved("1.png"), _scene()).getbbox() == (50, 0, 100, 100)


def test_a_dialect_may_have_masks_of_another_kind():
    opened = Image.new("L", (8, 8))
    opened.paste(255, (0, 0, 4, 8))
    data, _ = write(opened, 10_000, MaskConvention("mask_image", open=(255,), closed=(0,)))
    assert Image.open(io.BytesIO(data)).mode == "L"
    assert Image.open(io.BytesIO(data)).tobytes() == opened.tobytes()
    assert not MaskConvention(open=(255,), closed=(0,)).by_alpha


@pytest.mark.parametrize(
    ("text", "rgb", "tolerance"),
    [
        ("white", (255, 255, 255), 32),
        ("RebeccaPurple:0", (102, 51, 153), 0),
        ("#0f0:40", (0, 255, 0), 40),
        ("#00ff0080:10%", (0, 255, 0), 26),
        ("rgb(10, 20, 30)", (10, 20, 30), 32),
        ("rgb(10 20 30 / 50%):1", (10, 20, 30), 1),
        ("rgba(100%, 0%, 0%, 1)", (255, 0, 0), 32),
        ("hsl(120deg 100% 50%)", (0, 255, 0), 32),
    ],
)
def test_colours_are_read_as_css_has_them(text, rgb, tolerance):
    colour = read_colour(text)
    assert (colour.rgb, colour.tolerance) == (rgb, tolerance)


def test_lengths_are_pixels_or_shares():
    assert read_area("--mask-rect", " 10 , 12.5% , 50px , -0 ").box((200, 80)) == (10, 10, 60, 80)
    assert read_margins(["all=10%", "top=3"]).of((200, 80)) == (20, 3, 20, 8)


# prepare


def test_prepare_saves_what_would_be_uploaded(imagecli, server):
    _scene().save("scene.jpg", quality=95)
    ran = imagecli("prepare", "scene.jpg", "--for", "dall-e-2", "-o", "out.png", "-v")
    assert (ran.code, ran.out) == (0, "out.png\n")
    for word in ("padded to a square", "written as PNG"):
        assert word in ran.err
    mask = ("--mask-rect", "0,0,9,9")
    assert imagecli("edit", "scene.jpg", "x", *mask, "-m", "dall-e-2", "--base-url", server.url).code == 0
    assert Path("out.png").read_bytes() == server.posts[0].files["image"][0][2]


def test_prepare_reports_everything_in_json(imagecli):
    exif = Image.Exif()
    exif[0x0112] = 6
    _scene().save("scene.jpg", exif=exif)
    ran = imagecli("prepare", "scene.jpg", "--for", "dall-e-2", "--fit", "crop", "--json")
    assert (ran.json["command"], ran.json["ok"], ran.json["model"]) == ("prepare", True, "dall-e-2")
    assert ran.json["images"][0]["path"] == "scene-prepared.png"
    done = ran.json["prepared"]
    assert done["input"] == {
        "path": "scene.jpg",
        "format": "jpeg",
        "mode": "RGB",
        "width": 300,
        "height": 400,
        "bytes": Path("scene.jpg").stat().st_size,
        "orientation": 6,
    }
    assert done["steps"][:2] == ["turned upright", "cropped to a square"]
    assert (done["type"], done["byte_for_byte"], done["given_up"]) == ("image/png", False, [])
    assert done["geometry"] == {"source": [0, 50, 300, 350], "canvas": [300, 300], "placed": [0, 0, 300, 300]}
    assert imagecli("prepare", "scene.jpg", "--for", "dall-e-2").out == "scene-prepared-2.png\n"


def test_prepare_goes_through_pipes_and_takes_the_location_out(imagecli):
    exif = Image.Exif()
    exif[0x010E] = "at home"
    out = io.BytesIO()
    _scene().save(out, "JPEG", exif=exif)
    ran = imagecli("prepare", "-", "-o", "-", stdin=out.getvalue())
    assert ran.code == 0
    assert ran.raw.startswith(b"\xff\xd8")
    assert b"at home" not in ran.raw
    assert Image.open(io.BytesIO(ran.raw)).tobytes() == Image.open(out).tobytes()
    assert imagecli("prepare", "-", "-o", "-", "--keep-metadata", stdin=out.getvalue()).raw == out.getvalue()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "IMAGE"),
        (["gone.png"], "gone.png"),
        (["scene.png", "--fit", "squeeze"], "squeeze"),
        (["scene.png", "-o", "scene.png"], "exists"),
        (["scene.png", "-o", "-", "--json"], "stdout"),
        (["scene.png", "--max-pixels", "1000"], "--max-pixels"),
        (["drawing.svg"], "SVG"),
    ],
)
def test_prepare_refuses_what_it_cannot_do(imagecli, args, words):
    _scene().save("scene.png")
    Path("drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    ran = imagecli("prepare", *args)
    assert (ran.code, words in ran.out + ran.err) == (2, True), ran.err


def test_a_lifted_limit_lets_a_large_image_in(imagecli):
    Image.new("1", (20_000, 9_500)).save("large.png")
    ran = imagecli("prepare", "large.png", "--for", "dall-e-2", "-o", "out.png")
    assert ran.code == 2
    assert "190,000,000 pixels" in ran.err
    assert "--max-pixels" in ran.err
    ran = imagecli("prepare", "large.png", "--for", "dall-e-2", "-o", "out.png", "--max-pixels", "200000000")
    assert ran.code == 0, ran.err
    assert _saved("out.png").size == (1024, 1024)


def test_python_has_the_same_flags(tmp_path):
    from imagecli import ImageClient

    scene = _scene()
    out = io.BytesIO()
    scene.save(out, "PNG")
    made = ImageClient(profile="sandbox").edit(
        out.getvalue(), "a red square", mask_rect=["10,10,50,50"], mask_feather=2, model="dall-e-2"
    )
    result = Image.open(io.BytesIO(made.images[0].data))
    assert result.size == scene.size
    left, top, right, bottom = ImageChops.difference(result.convert("RGB"), scene).getbbox()
    assert (left, top, right, bottom) >= (8, 8, 0, 0)
    assert max(right, bottom) <= 62


def test_json_of_an_edit_is_as_it_was(imagecli, painting):
    _scene().save("scene.png")
    ran = imagecli("edit", "scene.png", "x", "--mask-rect", "0,0,9,9", "--base-url", painting.url, "--json")
    assert not {"prepared", "mask"} & json.loads(ran.out).keys()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory there was")
def test_a_large_jpeg_is_prepared_in_little_memory(tmp_path):
    Image.linear_gradient("L").resize((8000, 6000)).convert("RGB").save("large.jpg")
    code = (
        "from imagecli.__main__ import main\n"
        "assert main(['prepare', 'large.jpg', '--for', 'dall-e-2', '-o', 'out.png']) == 0\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert _saved("out.png").size == (1024, 1024)
    assert int(ran.stdout.split()[-1]) < 64_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory there was")
@pytest.mark.parametrize("flags", ["--mask-rect 1%,1%,98%,98%", "--mask-color #808080:99 --mask-feather 40"])
def test_an_edit_of_nearly_all_of_a_large_jpeg_takes_little_more_memory_than_its_pixels(server, flags):
    Image.linear_gradient("L").resize((6000, 4000)).convert("RGB").save("large.jpg")
    server.respond = lambda reply, _: reply.send(response_with(Path("answer.png").read_bytes()))
    Image.new("RGB", (60, 40), "teal").save("answer.png")
    code = (
        "import sys\n"
        "from imagecli.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "sys.exit(code)"
    )
    command = ["edit", "large.jpg", "a fox", *flags.split(), "--keep", "-o", "kept.png", "--base-url", server.url]
    ran = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True, env=environment()
    )
    assert _saved("kept.png").size == (6000, 4000)
    assert int(ran.stdout.split()[-1]) < 4 * 24_000 + 90_000


def test_nothing_decodes_an_image_twice(painting, monkeypatch):
    """Neither the mask, nor the upload, nor each of the results."""
    from PIL import JpegImagePlugin

    from imagecli import ImageClient

    _scene((1200, 900)).save("scene.jpg")
    decoded = []
    real = JpegImagePlugin.JpegImageFile.load
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "load",
        lambda image: (decoded.append(image.size) if image.tile else None, real(image))[1],
    )
    made = ImageClient(base_url=painting.url).edit(
        "scene.jpg", "x", mask_rect=["10%,10%,10%,10%"], mask_color=["#00c800"], model="dall-e-2", count=3
    )
    assert len(made.images) == 1
    assert decoded == [(1200, 900)]


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("hwb(194 0% 0%)", (0, 195, 255)),
        ("hwb(0.5turn 20% 100%)", (43, 43, 43)),
        ("lab(52.2345% 40.1645 59.9971)", (198, 93, 7)),
        ("lch(52.2345% 72.2 56.2)", (198, 93, 7)),
        ("lab(100 0 0 / 50%)", (255, 255, 255)),
        ("oklab(0.62796 0.22486 0.12585)", (255, 0, 0)),
        ("oklch(62.796% 0.25768 29.234deg)", (255, 0, 0)),
        ("color(srgb 1 50% 0)", (255, 128, 0)),
        ("rebeccapurple", (102, 51, 153)),
    ],
)
def test_every_kind_of_css_colour_is_read(text, colour):
    read = read_colour(f"{text}:5")
    assert read.tolerance == 5
    assert max(abs(one - other) for one, other in zip(read.rgb, colour, strict=True)) <= 1


@pytest.mark.parametrize(
    "text", ["lab(1 2)", "hwb(10% 0 0)", "oklch(a b c)", "color(display-p3 1 0 0)", "lab(1deg 0 0)"]
)
def test_what_is_not_a_css_colour_is_refused(text):
    with pytest.raises(UsageProblem):
        read_colour(text)


@pytest.mark.parametrize(("mode", "warned"), [("L", False), ("P", False), ("1", False), ("LA", False), ("I;16", True)])
def test_outside_the_mask_every_mode_keeps_its_pixels_and_lost_depth_is_warned_about(imagecli, mode, warned):
    grey = Image.linear_gradient("L")
    deep = Image.frombytes("I;16", grey.size, b"".join(bytes((value, value)) for value in grey.tobytes()))
    (deep if mode == "I;16" else grey.convert(mode)).save("in.png")
    ran = imagecli("edit", "in.png", "blue", "--mask-rect", "0,0,64,64", "-P", "sandbox", "-o", "out.png")
    assert ran.code == 0, ran.err
    assert ("16 bits" in ran.err) == warned
    outside = (64, 64, *grey.size)
    with Image.open("in.png") as before, Image.open("out.png") as after:
        expected = grey if mode == "I;16" else before
        assert after.convert("RGB").crop(outside).tobytes() == expected.convert("RGB").crop(outside).tobytes()


@pytest.mark.parametrize(("model", "same"), [("dall-e-2", True), ("gpt-image-2", True), (None, False)])
def test_for_an_unknown_model_a_mask_opens_by_alpha_and_by_grey(imagecli, server, model, same):
    Image.new("RGB", (64, 64), (90, 120, 30)).save("in.png")
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (8, 8, 24, 24))
    mask.save("mask.png")
    ran = imagecli(
        *("edit", "in.png", "x", "--mask", "mask.png", "--base-url", server.url), *(("-m", model) if model else ())
    )
    assert ran.code == 0, ran.err
    [(_, _, sent)] = server.requests[0].files["mask"]
    assert (sent == Path("mask.png").read_bytes()) is same
    with Image.open(io.BytesIO(sent)) as seen:
        assert (seen.getpixel((10, 10))[3], seen.getpixel((40, 40))[3]) == (0, 255)
        if not same:
            assert (seen.convert("RGB").convert("L").getpixel((10, 10)), seen.getpixel((40, 40))[0]) == (255, 0)


@pytest.mark.parametrize("kept_pixels", [0, 8_000_000])
def test_several_results_are_each_put_into_the_untouched_original(imagecli, painting, monkeypatch, kept_pixels):
    """The original is lent with a patch in it, not copied: nothing of one patch may be left for the next."""
    monkeypatch.setattr("imagecli.images.restore._MOST_KEPT", kept_pixels)
    monkeypatch.setattr("imagecli.images.restore._ROWS", 64)
    scene = _scene()
    scene.save("scene.png")
    out = [io.BytesIO() for _ in range(4)]
    colours = [(255, 0, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]
    for colour, file in zip(colours, out, strict=True):
        Image.new("RGB", (400, 300), colour).save(file, "PNG")
    painting.respond = lambda reply, _: reply.send(response_with(*(file.getvalue() for file in out)))
    areas = ("--mask-rect", "10,10,50,40", "--mask-rect", "300,100,60,150", "--mask-ellipse", "100,200,80,80")
    call = ("edit", "scene.png", "x", *areas, "-n", "4", "-m", "gpt-image-2", "--base-url", painting.url)
    assert imagecli(*call, "-o", "kept.png").code == 0
    for n, colour in enumerate(colours, 1):
        expected = scene.copy()
        expected.paste(colour, (10, 10, 60, 50))
        expected.paste(colour, (300, 100, 360, 250))
        ImageDraw.Draw(expected).ellipse((100, 200, 179, 279), fill=colour)
        assert ImageChops.difference(_saved(f"kept-{n}.png"), expected).getbbox() is None, n


def test_what_is_kept_in_a_lossy_format_is_said(imagecli, server):
    _scene().save("scene.png")
    out = io.BytesIO()
    _scene().save(out, "JPEG", quality=80)
    server.respond = lambda reply, _: reply.send(response_with(out.getvalue()))
    call = ("edit", "scene.png", "x", "--mask-rect", "0,0,60,60", "-m", "gpt-image-2", "--base-url", server.url)
    said = imagecli(*call, "-o", "kept.jpg", "--json").json["warnings"]
    assert any("jpeg is lossy" in warning for warning in said)
    assert any("webp is lossy" in one for one in _kept_warnings(imagecli, call, "kept.webp", "80"))
    # As a server answers in a lossy format, nothing is lost, nor by a lossless one.
    for name in ("kept.png", "./", "lossless.webp"):
        ran = imagecli(*call, "-o", name, "--json")
        assert not any("loss of" in warning for warning in ran.json["warnings"])
        path = ran.json["images"][0]["path"]
        box = ImageChops.difference(_saved(path).convert("RGB"), _scene()).getbbox()
        assert box is None or (box[2] <= 60 and box[3] <= 60), path


def _kept_warnings(imagecli, call, name, compression):
    flags = ("--format", "webp", "--compression", compression)
    return imagecli(*call, *flags, "-o", name, "--json").json["warnings"]


def test_a_result_much_smaller_than_the_original_is_said(imagecli, server):
    _scene((1600, 1200)).save("scene.png")
    out = io.BytesIO()
    _scene((400, 300)).save(out, "PNG")
    server.respond = lambda reply, _: reply.send(response_with(out.getvalue()))
    call = ("edit", "scene.png", "x", "--mask-rect", "0,0,60,60", "-m", "gpt-image-2", "--base-url", server.url)
    said = imagecli(*call, "-o", "kept.png", "--json").json["warnings"]
    assert any("much smaller than scene.png (1600x1200)" in one and "4.0 times" in one for one in said)


def _pillow_resizes(reply, request):
    """What a server does that resizes image and mask with Pillow to the size it was asked for, and goes by grey."""
    size = tuple(map(int, request.form["size"].split("x")))
    image, mask = (Image.open(io.BytesIO(request.files[name][0][2])) for name in ("image", "mask"))
    if image.size != size:
        image, mask = image.resize(size), mask.resize(size)
    painted = image.convert("RGB")
    painted.paste((255, 0, 255), (0, 0), mask.convert("RGB").convert("L").point([0] * 128 + [255] * 128))
    out = io.BytesIO()
    painted.save(out, "PNG")
    reply.send(response_with(out.getvalue()))


@pytest.mark.parametrize("size", ["512x512", "240x180", "400x300", "640x240", "landscape"])
@pytest.mark.parametrize("flag", ["--mask-rect", "--mask"])
def test_to_an_unknown_server_image_and_mask_go_at_the_size_that_is_asked_for(imagecli, server, size, flag):
    """A mask that is white at alpha 0 is black once Pillow has resized it: the server would change nothing."""
    server.respond = _pillow_resizes
    scene = _scene()
    scene.save("scene.png")
    mask = Image.new("L", (400, 300))
    mask.paste(255, (100, 100, 200, 200))
    mask.save("mask.png")
    how = ("--mask-rect", "100,100,100,100") if flag == "--mask-rect" else ("--mask", "mask.png", "--keep")
    call = ("edit", "scene.png", "x", *how, "-m", "team/sdxl", "--base-url", server.url)
    ran = imagecli(*call, "-s", size, "-o", "kept.png", "--json")
    assert ran.code == 0, ran.err
    form = server.posts[0].form["size"]
    sizes = [Image.open(io.BytesIO(files[0][2])).size for files in server.posts[0].files.values()]
    assert [f"{width}x{height}" for width, height in sizes] == [form, form]
    assert ran.json["warnings"] == []
    assert ran.json["images"][0]["outside_changed"] == 0
    kept = _saved("kept.png")
    assert kept.getpixel((150, 150)) == (255, 0, 255)
    left, top, right, bottom = ImageChops.difference(kept, scene).getbbox()
    assert max(abs(left - 100), abs(top - 100), abs(right - 200), abs(bottom - 200)) <= 1
