"""The dialect of SGLang's diffusion server, against a fake that was written from the server's source."""

from __future__ import annotations

import pytest
from PIL import Image

from support.fakes.base import GREY, INVERTED, MADE, near, pixels, use_profile
from support.fakes.sglang import SGLang

GREEN = (0, 200, 0)


@pytest.fixture
def sglang(home):
    """Without a folder for images: a URL can't be had of it."""
    with SGLang(keeps=False) as running:
        use_profile(home, running.url, "sglang")
        yield running


@pytest.fixture
def photo():
    Image.new("RGB", (320, 256), GREY).save("photo.png")
    return "photo.png"


def test_gen_asks_for_the_images_themselves(imagecli, sglang):
    ran = imagecli("gen", "a cat", "-s", "320x256", "-n", "2", "--param", "seed=7", "--json")
    assert ran.code == 0
    assert sglang.posts[0].json == {
        "response_format": "b64_json",
        "prompt": "a cat",
        "n": 2,
        "size": "320x256",
        "seed": 7,
    }
    assert [one["path"] for one in ran.json["images"]] == ["a-cat.jpg", "a-cat-2.jpg"]  # JPEG, where nothing is said
    assert pixels("a-cat.jpg").size == (320, 256)
    assert near(pixels("a-cat.jpg").getpixel((9, 9)), MADE)
    assert ran.json["warnings"] == []


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_formats_that_it_makes(imagecli, sglang, kind):
    ran = imagecli("gen", "a cat", "-o", f"cat.{kind}", "-s", "64x64", "--json")
    assert (ran.json["images"][0]["format"], ran.json["warnings"]) == (kind, [])


def test_a_url_is_relative_and_is_found(imagecli, home):
    with SGLang() as running:
        use_profile(home, running.url, "sglang")
        ran = imagecli("gen", "a cat", "-n", "2", "-s", "64x64", "--response-format", "url", "-o", "cat.jpg")
    assert ran.code == 0
    assert [request.path.rpartition("/")[2] for request in running.requests[1:]] == [
        "content?variant=0",
        "content?variant=1",
    ]
    assert pixels("cat-1.jpg").getpixel((0, 0)) != pixels("cat-2.jpg").getpixel((0, 0))


def test_an_edit_with_several_inputs(imagecli, sglang, photo):
    Image.new("RGB", (64, 64), GREEN).save("green.png")
    ran = imagecli("edit", photo, "together", "-i", "green.png", "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/edits")
    assert sglang.posts[0].form["response_format"] == "b64_json"
    out = pixels("out.png")
    assert [out.getpixel(spot) for spot in ((4, 4), (100, 100))] == [GREEN, INVERTED]


def test_a_mask_is_warned_of_and_what_flags_close_is_put_back(imagecli, sglang, photo):
    """The server takes the mask and reads it nowhere."""
    ran = imagecli("edit", photo, "a hat", "--mask-rect", "0,0,64,64", "-o", "out.png", "--json")
    assert ran.code == 0
    assert any("does not use it" in warning for warning in ran.json["warnings"])
    assert "mask" in sglang.posts[0].files
    out = pixels("out.png")
    assert [out.getpixel(spot) for spot in ((5, 5), (70, 70))] == [INVERTED, GREY]


def test_a_mask_file_alone_is_warned_of_and_the_whole_image_changes(imagecli, sglang, photo):
    mask = Image.new("L", (320, 256))
    mask.paste(255, (0, 0, 64, 64))
    mask.save("mask.png")
    ran = imagecli("edit", photo, "a hat", "--mask", "mask.png", "-o", "out.png")
    assert ran.code == 0
    assert "does not use it" in ran.err
    assert pixels("out.png").getpixel((300, 200)) == INVERTED


def test_vary_edits_at_once(imagecli, sglang, photo):
    ran = imagecli("vary", photo, "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/edits")
    assert [request.path for request in sglang.posts] == ["/v1/images/edits"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gen", "a cat", "-s", "auto"), "WIDTHxHEIGHT"),
        (("gen", "a cat", "-q", "medium"), "exact, lossless, high"),
        (("edit", "photo.png", "a hat", "--markup", "photo.png"), "--markup"),
    ],
)
def test_what_would_fail_or_be_lost_is_refused_before_it_is_sent(imagecli, sglang, photo, command, said):
    ran = imagecli(*command, "-o", "out/")
    assert ran.code == 2
    assert said in ran.err
    assert sglang.requests == []


def test_a_quality_from_the_config_that_would_fail_is_left_out(imagecli, home):
    with SGLang() as running:
        use_profile(home, running.url, "sglang", "[defaults]", 'quality = "medium"', 'size = "auto"')
        ran = imagecli("gen", "a cat", "-o", "cat.png", "--json")
    assert ran.code == 0
    assert running.posts[0].json.keys() == {"response_format", "prompt", "output_format"}
    assert sum("left out" in warning for warning in ran.json["warnings"]) == 1  # "auto" is what is meant anyway


def test_a_gif_is_not_what_it_makes(imagecli, sglang):
    ran = imagecli("gen", "a cat", "-s", "64x64", "-o", "cat.gif", "--json")
    assert ran.code == 0
    assert "output_format" not in sglang.posts[0].json
    assert any("SGLang is not asked for gif" in warning for warning in ran.json["warnings"])


def test_partial_images_are_not_streamed(imagecli, sglang):
    ran = imagecli("gen", "a cat", "-s", "64x64", "--partials", "2", "-o", "cat.png", "--json")
    assert ran.code == 0
    assert ran.json["images"][0]["format"] == "png"
    assert any("does not read --partials" in warning for warning in ran.json["warnings"])


def test_usage_is_what_it_says(imagecli, home):
    with SGLang(usage={"prompt_tokens": 5, "completion_tokens": 900, "total_tokens": 905}) as running:
        use_profile(home, running.url, "sglang")
        ran = imagecli("gen", "a cat", "-s", "64x64", "-n", "2", "-o", "cat.png", "--json")
    usage = {"prompt_tokens": 5, "completion_tokens": 900, "total_tokens": 905, "image_count": 2}
    assert ran.json["usage"] == usage


@pytest.mark.parametrize(
    ("server", "command", "code", "status", "words"),
    [
        ({"task": "T2I"}, ("edit", "photo.png", "a hat"), 2, 400, "input_reference is not supported"),
        ({}, ("gen", "a cat", "--param", "num_inference_steps=few"), 2, 422, "valid integer"),
        ({"keeps": False}, ("gen", "a cat", "--response-format", "url"), 2, 400, "requires cloud storage"),
        ({"state": "failing"}, ("gen", "a cat"), 5, 500, "Internal Server Error"),
        ({"state": "gone"}, ("gen", "a cat"), 5, 503, "Scheduler worker exited"),
    ],
)
def test_its_errors_are_read(imagecli, home, photo, server, command, code, status, words):
    with SGLang(**server) as running:
        use_profile(home, running.url, "sglang")
        ran = imagecli(*command, "-o", "out.png", "--retries", "0", "--json")
    error = ran.json["error"]
    assert (ran.code, error["http_status"]) == (code, status)
    assert words in error["message"]
    assert error["hint"]


def test_config_check_finds_its_model(imagecli, sglang):
    assert imagecli("config", "check").code == 0


def test_a_table_is_json_in_one_field_of_the_form(imagecli, sglang, photo):
    ran = imagecli("edit", photo, "a hat", "--param", 'cache_dit_params={"Fn": 8}', "-s", "64x64", "-o", "out.jpg")
    assert (ran.code, sglang.posts[0].form["cache_dit_params"]) == (0, '{"Fn": 8}')
