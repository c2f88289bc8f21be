"""What a mask did is measured: `outside_changed`, the warning, --strict-mask."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from imagecli import ImageClient
from support.serving import response_with

PINK = (255, 0, 255)
RECT = ("--mask-rect", "20,20,40,30")


def scene(size=(120, 90)):
    return Image.merge("RGB", [Image.linear_gradient("L").resize(size), Image.new("L", size, 80), Image.new("L", size)])


def png(image, kind="PNG", **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def sent(request):
    """The image and what its mask opens, as an obedient server reads them."""
    image, mask = (Image.open(io.BytesIO(request.files[name][0][2])) for name in ("image", "mask"))
    return image.convert("RGB"), mask.convert("RGBA").getchannel("A").point([255] + [0] * 255)


@pytest.fixture
def answering(server):
    """Let a function of the image and of what the mask opens make the result."""

    def answer(make):
        server.respond = lambda reply, request: reply.send(response_with(make(*sent(request))))
        return server

    scene().save("scene.png")
    return answer


def edit(imagecli, server, *flags, model="gpt-image-2"):
    which = ("-m", model) if model else ()
    return imagecli("edit", "scene.png", "x", *flags, *which, "--base-url", server.url, "-o", "out.png", "--json")


def inside(image, opened):
    image.paste(PINK, (0, 0), opened)
    return image


def everything(image, _opened):
    return Image.new("RGB", image.size, PINK)


def outside(image, opened):
    return inside(image, ImageChops.invert(opened))


def inside_and_left(image, opened):
    inside(image, opened).paste(PINK, (0, 0, 20, image.height))
    return image


def faintly(image, opened):
    """Change by 16 everywhere, which is no change, and by much inside."""
    return inside(ImageChops.add(image, Image.new("RGB", image.size, (0, 16, 0))), opened)


def as_it_was(image, _opened):
    return image


CLOSED = 120 * 90 - 40 * 30


@pytest.mark.parametrize(
    ("make", "share", "ignored"),
    [
        (inside, 0, False),
        (everything, 1, True),
        (outside, 1, True),
        (as_it_was, 0, True),
        (faintly, 0, False),
        (inside_and_left, 20 * 90 / CLOSED, False),
    ],
)
@pytest.mark.parametrize("keep", ["--keep", "--no-keep"])
def test_the_share_outside_is_measured_before_it_is_put_back(imagecli, answering, make, share, ignored, keep):
    server = answering(lambda image, opened: png(make(image, opened)))
    ran = edit(imagecli, server, *RECT, keep)
    assert ran.json["images"][0]["outside_changed"] == pytest.approx(share, abs=1e-6)
    said = [one for one in ran.json["warnings"] if "ignored the mask" in one]
    assert (ran.code, len(said)) == (0, int(ignored))
    kept = ImageChops.difference(Image.open("out.png").convert("RGB"), scene()).getbbox()
    assert keep == "--no-keep" or kept in {(20, 20, 60, 50), None}
    if not (ignored and keep == "--keep"):
        return
    Path("out.png").unlink()
    strict = edit(imagecli, server, *RECT, "--strict-mask")
    assert (strict.code, strict.json["ok"], strict.json["error"]["kind"]) == (1, False, "failure")
    assert "--strict-mask" in strict.json["error"]["message"]
    assert strict.json["images"][0]["path"] == "out.png"
    assert Path("out.png").exists()


@pytest.mark.parametrize("scale", [0.5, 2, 3])
@pytest.mark.parametrize("resample", [Image.Resampling.NEAREST, Image.Resampling.LANCZOS])
def test_a_result_of_another_size_is_compared_at_scale(imagecli, answering, photos, scale, resample):
    Image.open(photos / "chelsea.png").convert("RGB").crop((0, 0, 300, 300)).resize((120, 120)).save("scene.png")

    def scaled(make):
        return lambda image, opened: png(
            make(image, opened).resize((int(image.width * scale), int(image.height * scale)), resample)
        )

    ran = edit(imagecli, answering(scaled(inside_and_left)), *RECT)
    area = 120 * 120 - 40 * 30
    assert ran.json["images"][0]["outside_changed"] == pytest.approx(20 * 120 / area, abs=0.03)
    assert not any("ignored" in one for one in ran.json["warnings"])
    Path("out.png").unlink()
    ran = edit(imagecli, answering(scaled(everything)), *RECT)
    assert ran.json["images"][0]["outside_changed"] > 0.95
    assert any("ignored" in one for one in ran.json["warnings"])


def test_padding_is_not_measured(imagecli, answering):
    def repainted_padding(image, opened):
        size = image.size
        bare = Image.new("RGB", size, PINK)
        bare.paste(image.crop((0, size[1] // 8, size[0], size[1] * 7 // 8)), (0, size[1] // 8))
        return png(inside(bare, opened))

    ran = edit(imagecli, answering(repainted_padding), *RECT, model="dall-e-2")
    assert ran.json["images"][0]["outside_changed"] == 0
    assert ran.json["warnings"] == []


def test_another_shape_can_not_be_compared(imagecli, answering):
    server = answering(lambda image, opened: png(everything(image, opened).resize((64, 64))))
    ran = edit(imagecli, server, *RECT)
    assert ran.json["images"][0]["outside_changed"] is None
    assert not any("ignored" in one for one in ran.json["warnings"])
    Path("out.png").unlink()
    strict = edit(imagecli, server, *RECT, "--strict-mask")
    assert (strict.code, any("can't be measured" in one for one in strict.json["warnings"])) == (0, True)


def test_the_noise_of_a_jpeg_is_no_sign_of_an_ignored_mask(imagecli, answering, photos):
    Image.open(photos / "coffee.png").convert("RGB").save("scene.png")
    server = answering(lambda image, opened: png(inside(image, opened), "JPEG", quality=60))
    ran = edit(imagecli, server, "--mask-rect", "200,100,100,100")
    assert ran.json["images"][0]["outside_changed"] < 0.15
    assert not any("ignored" in one for one in ran.json["warnings"])
    assert ran.json["images"][0]["format"] == "png"


def test_a_mask_file_is_measured_by_what_it_opens_and_an_edit_without_mask_not_at_all(imagecli, answering):
    mask = Image.new("RGBA", (120, 90), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 60, 90))
    mask.save("mask.png")
    server = answering(lambda image, opened: png(inside(image, opened)))
    ran = edit(imagecli, server, "--mask", "mask.png")
    assert ran.json["images"][0]["outside_changed"] == 0
    server.respond = lambda reply, _: reply.send(response_with(png(scene())))
    ran = imagecli("edit", "scene.png", "x", "--base-url", server.url, "--json")
    assert "outside_changed" not in ran.json["images"][0]


@pytest.mark.parametrize("flags", [(), ("--mask-rect", "1,1,9,9", "--keep")])
def test_strict_mask_needs_a_mask_that_goes_along(imagecli, server, tmp_path, flags):
    scene().save("scene.png")
    (tmp_path / "config.toml").write_text(f'[profiles.xai]\nbase_url = "{server.url}"\ndialect = "xai"\n')
    (tmp_path / "config.toml").chmod(0o600)
    env = {"IMAGECLI_CONFIG": str(tmp_path / "config.toml")}
    ran = imagecli("edit", "scene.png", "x", *flags, "--strict-mask", "-P", "xai", "--json", env=env)
    assert (ran.code, server.requests) == (2, [])
    assert "--strict-mask" in ran.json["error"]["message"]


def test_several_images_are_measured_each(imagecli, answering):
    server = answering(lambda image, opened: png(everything(image, opened)))
    obedient = inside(*sent_scene())
    server.respond = lambda reply, request: reply.send(response_with(png(obedient), png(everything(*sent(request)))))
    ran = imagecli(
        *("edit", "scene.png", "x", *RECT, "-n", "2", "-m", "gpt-image-2", "--base-url", server.url, "-o", "out.png"),
        *("--json", "--strict-mask"),
    )
    assert ran.code == 1
    assert [image["outside_changed"] for image in ran.json["images"]] == [0, 1]
    assert "the mask of image 2" in ran.json["error"]["message"]
    assert json.loads(ran.out)["failures"] == []


def sent_scene():
    opened = Image.new("L", (120, 90))
    opened.paste(255, (20, 20, 60, 50))
    return scene(), opened


def test_the_library_says_it_too(answering):
    server = answering(lambda image, opened: png(everything(image, opened)))
    made = ImageClient(base_url=server.url).edit(
        "scene.png", "x", mask_rect=("20,20,40,30",), model="gpt-image-2", keep=False
    )
    assert made.images[0].outside_changed == 1
    assert any("ignored the mask" in warning for warning in made.warnings)
