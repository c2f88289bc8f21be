"""The dialect of LocalAI, against a fake that was written from the server's source."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from support.fakes.base import CHANGED, GREY, INVERTED, MADE, near, pixels, use_profile
from support.fakes.localai import LocalAI
from support.serving import noise


@pytest.fixture
def localai(home):
    """What the documentation promises: a backend that knows masks."""
    with LocalAI() as running:
        use_profile(home, running.url, "localai")
        yield running


@pytest.fixture
def photo():
    """A grey image of 300x200 with an orange right edge."""
    image = Image.new("RGB", (300, 200), GREY)
    image.paste((250, 120, 0), (270, 0, 300, 200))
    image.save("photo.png")
    return "photo.png"


def _decoded(text):
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def test_gen_has_its_images_in_the_response(imagecli, localai):
    """The URL that it answers with by itself names the host that the request was for, which may be a proxy's own."""
    ran = imagecli("gen", "a cat|dogs", "-o", "cat.png", "-s", "320x256", "-n", "2", "-q", "30", "--json")
    assert ran.code == 0
    assert (ran.json["route"], ran.json["warnings"]) == ("images/generations", [])
    assert localai.posts[0].json == {
        "prompt": "a cat|dogs",
        "n": 2,
        "size": "320x256",
        "quality": "30",
        "output_format": "png",
        "response_format": "b64_json",
    }
    assert [request.method for request in localai.requests] == ["POST"]
    assert pixels("cat-1.png").size == (320, 256)
    assert near(pixels("cat-1.png").getpixel((9, 9)), MADE)
    assert ran.json["usage"] is None  # it counts nothing, and sends zeros


def test_urls_can_be_had_and_their_key_goes_along(imagecli, home, monkeypatch):
    monkeypatch.setenv("LOCAL_KEY", "sk-local")
    with LocalAI(key="sk-local") as running:
        use_profile(home, running.url, "localai", 'api_key_env = "LOCAL_KEY"')
        ran = imagecli("gen", "a cat", "--response-format", "url", "-o", "cat.png")
    assert ran.code == 0
    assert running.requests[1].path.startswith("/generated-images/")
    assert near(pixels("cat.png").getpixel((9, 9)), MADE)


def test_a_mask_goes_to_inpainting_and_the_right_place_is_painted(imagecli, localai, photo):
    """Always 512x512 there: padded to a square before, cut back after, the place is still the place."""
    mask = Image.open(photo).convert("RGBA")
    mask.paste((0, 0, 0, 0), (0, 100, 90, 200))
    mask.save("mask.png")
    ran = imagecli("edit", photo, "a hat", "--mask", "mask.png", "-m", "stablediffusion", "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/inpainting")
    post = localai.posts[0]
    assert post.files.keys() == {"image", "mask"}
    assert (post.form["model"], post.form["prompt"]) == ("stablediffusion", "a hat")
    out = pixels("out.png")
    assert abs(out.width / out.height - 1.5) < 0.02
    x, y = out.width / 300, out.height / 200
    spots = [(20, 150), (85, 105), (20, 90), (100, 150), (290, 100)]
    expected = [CHANGED, CHANGED, GREY, GREY, (250, 120, 0)]
    assert all(
        near(out.getpixel((int(spot[0] * x), int(spot[1] * y))), colour)
        for spot, colour in zip(spots, expected, strict=True)
    )


def test_a_mask_that_the_backend_leaves_aside_is_warned_of_and_can_be_kept(imagecli, home, photo):
    with LocalAI(backend="diffusers") as running:
        use_profile(home, running.url, "localai", "[profiles.here.defaults]", 'model = "stablediffusion"')
        ran = imagecli("edit", photo, "a hat", "--mask-rect", "0,0,50,50", "-o", "out.png", "--json")
    assert ran.code == 0
    assert any("do not use a mask" in warning for warning in ran.json["warnings"])
    out = pixels("out.png")
    assert out.size == (300, 200)
    assert near(out.getpixel((20, 20)), INVERTED)
    assert out.getpixel((60, 20)) == GREY


def test_an_address_that_can_not_be_fetched_is_kept(imagecli, home, photo):
    """As v4.9 does with what inpainting made: it lies beside the folder that is served."""
    with LocalAI(serves=False) as running:
        use_profile(home, running.url, "localai")
        masked = ("--mask-rect", "0,0,50,50", "-m", "stablediffusion")
        ran = imagecli("edit", photo, "a hat", *masked, "-o", "o.png", "--json")
    error = ran.json["error"]
    assert (ran.code, error["kind"]) == (1, "failure")
    with open(error["saved_response"]) as kept:
        assert "/generated-images/" in kept.read()


@pytest.mark.parametrize("backend", ["documented", "ggml", "diffusers"])
def test_an_edit_without_a_mask_is_a_generation_with_the_image_in_it(imagecli, home, photo, backend):
    with LocalAI(backend=backend) as running:
        use_profile(home, running.url, "localai")
        ran = imagecli("edit", photo, "at night", "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/generations")
    body = running.posts[0].json
    # Plain base64: a data URL would be ignored, and the image made from the prompt alone.
    assert _decoded(body["file"]).size == _decoded(body["ref_images"][0]).size
    out = pixels("out.png")
    assert abs(out.width / out.height - 1.5) < 0.02
    assert near(out.getpixel((out.width // 2, out.height // 2)), INVERTED)
    assert near(out.getpixel((out.width - 4, out.height // 2)), (5, 135, 255))


def test_a_size_that_was_asked_for_gives_the_image_its_shape(imagecli, localai, photo):
    ran = imagecli("edit", photo, "at night", "-s", "768x512", "-o", "out.png")
    assert ran.code == 0
    assert pixels("out.png").size == (768, 512)
    assert _decoded(localai.posts[0].json["file"]).size == (300, 200)  # the shape is the same: as it was


def test_an_image_that_the_request_has_no_room_for_is_shrunk(imagecli, localai):
    """15 MB are all that LocalAI takes by itself, and base64 makes four bytes of three."""
    Path("noise.png").write_bytes(noise((2000, 2000)))
    ran = imagecli("edit", "noise.png", "at night", "-o", "out.png")
    assert ran.code == 0
    assert len(localai.posts[0].body) < 15_000_000


def test_several_inputs_are_all_seen(imagecli, home, photo):
    Image.new("L", (64, 64), 200).save("grey.png")
    with LocalAI(backend="ggml") as running:
        use_profile(home, running.url, "localai")
        ran = imagecli("edit", photo, "together", "-i", "grey.png", "-s", "512x512", "--restore", "none", "-o", "o.png")
    assert ran.code == 0
    assert len(running.posts[0].json["ref_images"]) == 2
    # The first is what is painted over and the first reference, too.
    out = pixels("o.png")
    assert near(out.getpixel((24, 8)), (200, 200, 200))


def test_vary_is_an_edit(imagecli, localai, photo):
    ran = imagecli("vary", photo, "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/generations")
    assert [request.path for request in localai.posts] == ["/v1/images/generations"]
    assert localai.posts[0].json["file"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gen", "a cat", "-s", "wide x high"), "WIDTHxHEIGHT"),
        (("edit", "photo.png", "a hat", "--mask-rect", "0,0,50,50"), "named model"),
        (("edit", "photo.png", "a hat", "--mask-rect", "0,0,50,50", "-m", "sd", "-i", "photo.png"), "one image"),
        (("edit", "photo.png", "a hat", "--markup", "photo.png"), "--markup"),
    ],
)
def test_what_would_fail_or_be_lost_is_refused_before_it_is_sent(imagecli, localai, photo, command, said):
    for dry in ((), ("--dry-run",)):
        ran = imagecli(*command, "-o", "out/", *dry)
        assert ran.code == 2
        assert said in ran.err
    assert localai.requests == []


def test_several_images_with_a_mask_are_a_request_each(imagecli, localai, photo):
    """Inpainting has no n."""
    ran = imagecli("edit", photo, "a hat", "--mask-rect", "0,0,50,50", "-m", "stablediffusion", "-n", "3", "-o", "o/")
    assert (ran.code, len(ran.paths)) == (0, 3)
    assert [request.form.get("n") for request in localai.posts] == ["1", "1", "1"]
    assert len(localai.posts) == 3


def test_what_it_does_not_read_is_sent_with_a_warning(imagecli, localai):
    ran = imagecli("gen", "a cat", "-s", "auto", "-q", "high", "--format", "webp", "--partials", "1", "--json")
    assert ran.code == 0
    assert ran.json["images"][0]["format"] == "png"
    assert pixels(ran.json["images"][0]["path"]).size == (512, 512)
    assert localai.posts[0].json["output_format"] == "webp"
    said = " ".join(ran.json["warnings"])
    assert all(word in said for word in ("WIDTHxHEIGHT", "steps as quality", "makes png", "--partials"))


def test_its_errors_are_read(imagecli, home, localai):
    ran = imagecli("gen", "a cat", "-m", "none", "-o", "cat.png", "--json")
    error = ran.json["error"]
    assert (ran.code, error["http_status"], error["code"]) == (2, 404, "404")
    assert 'model "none" not found' in error["message"]
    assert "base URL" not in error["hint"]


@pytest.mark.parametrize("opaque", [False, True])
def test_a_key_that_is_missing_is_an_auth_problem_also_without_a_message(imagecli, home, opaque):
    with LocalAI(key="sk-local", opaque=opaque) as running:
        use_profile(home, running.url, "localai")
        ran = imagecli("gen", "a cat", "-o", "cat.png", "--json")
    assert (ran.code, ran.json["error"]["http_status"]) == (4, 401)
    assert ran.json["error"]["message"]
    assert len(running.posts) == 1


def test_a_model_that_is_still_loading_is_waited_for(imagecli, home):
    with LocalAI(loading=1) as running:
        use_profile(home, running.url, "localai")
        ran = imagecli("gen", "a cat", "-o", "cat.png")
    assert ran.code == 0
    assert len(running.posts) == 2


def test_config_check_finds_its_models(imagecli, home):
    with LocalAI(models=("flux.1-dev", "stablediffusion")) as running:
        use_profile(home, running.url, "localai")
        ran = imagecli("config", "check")
    assert ran.code == 0


def test_outpainting_fills_the_new_place_and_no_other(imagecli, localai, photo):
    ran = imagecli("edit", photo, "more wall", "--expand", "left=100", "-m", "stablediffusion", "-o", "out.png")
    assert ran.code == 0
    out = pixels("out.png")
    assert out.size == (400, 200)
    assert [out.getpixel((x, 100)) for x in (50, 110, 399)] == [CHANGED, GREY, (250, 120, 0)]
