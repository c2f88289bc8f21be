"""The dialect of stable-diffusion.cpp's sd-server, against a fake that was written from the server's source."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image, ImageDraw

from support.fakes.base import CHANGED, COLOURS, GREY, MADE, near, pixels, use_profile
from support.fakes.sdcpp import SdCpp


@pytest.fixture
def sdcpp(home):
    with SdCpp() as running:
        use_profile(home, running.url, "sdcpp")
        yield running


@pytest.fixture
def photo():
    """An image of 256x192 whose right half is orange."""
    image = Image.new("RGB", (256, 192), GREY)
    image.paste((250, 120, 0), (128, 0, 256, 192))
    image.save("photo.png")
    return "photo.png"


def test_gen_asks_for_what_was_asked_and_for_nothing_else(imagecli, sdcpp):
    ran = imagecli("gen", "a cat", "-o", "cat.webp", "-s", "320x256", "-n", "2", "--json")
    assert ran.code == 0
    assert ran.json["route"] == "images/generations"
    assert [one["format"] for one in ran.json["images"]] == ["webp", "webp"]
    assert sdcpp.posts[0].json == {"prompt": "a cat", "n": 2, "size": "320x256", "output_format": "webp"}
    assert pixels("cat-1.webp").size == (320, 256)
    assert near(pixels("cat-1.webp").getpixel((9, 9)), MADE)
    assert ran.json["warnings"] == []


def test_more_than_eight_are_two_requests(imagecli, sdcpp):
    """The server clamps n to 8 without a warning."""
    ran = imagecli("gen", "a cat", "-n", "10", "-s", "64x64", "-o", "cats/")
    assert (ran.code, len(ran.paths)) == (0, 10)
    assert sorted(request.json["n"] for request in sdcpp.posts) == [2, 8]


def test_a_param_goes_where_the_server_reads_it(imagecli, sdcpp):
    ran = imagecli(
        "gen", "a cat", "--param", "seed=45", "--param", 'sample_params={"sample_steps": 4}', "-o", "cat.png"
    )
    assert ran.code == 0
    prompt = sdcpp.posts[0].json["prompt"]
    assert prompt.startswith("a cat <sd_cpp_extra_args>{")
    assert json.loads(prompt.split(">")[1].split("<")[0]) == {"seed": 45, "sample_params": {"sample_steps": 4}}
    assert sdcpp.posts[0].json.keys() == {"prompt", "output_format"}
    assert pixels("cat.png").getpixel((0, 0)) == COLOURS[3]  # the seed was read


@pytest.mark.parametrize("kind", ["alpha", "grey"])
def test_a_mask_of_either_kind_opens_the_right_place(imagecli, sdcpp, photo, kind):
    """The server reads grey and drops alpha: a photo with a hole is dark there, and nothing of it would change."""
    if kind == "alpha":
        mask = Image.open(photo).convert("RGBA")
        mask.paste((0, 0, 0, 0), (0, 0, 64, 64))
    else:
        mask = Image.new("L", (256, 192))
        mask.paste(255, (0, 0, 64, 64))
    mask.save("mask.png")
    ran = imagecli("edit", photo, "a hat", "--mask", "mask.png", "-o", "out.png")
    assert ran.code == 0
    out = pixels("out.png")
    assert [out.getpixel(spot) for spot in ((5, 5), (60, 60), (70, 60), (60, 70))] == [CHANGED, CHANGED, GREY, GREY]
    assert sdcpp.posts[0].files.keys() == {"image", "mask"}


def test_a_size_of_another_shape_loses_nothing_of_the_input(imagecli, sdcpp, photo):
    """The server would cut out the middle; padded before and cut back after, all of it is there."""
    ran = imagecli("edit", photo, "a hat", "-s", "256x256", "--mask-rect", "0,0,32,32", "--no-keep", "-o", "out.png")
    assert ran.code == 0
    out = pixels("out.png")
    assert abs(out.width / out.height - 256 / 192) < 0.02
    assert out.getpixel((4, 4)) == CHANGED
    assert near(out.getpixel((40, 40)), GREY)
    assert near(out.getpixel((out.width - 2, out.height // 2)), (250, 120, 0))


def test_every_input_is_seen_also_what_the_server_could_not_read(imagecli, sdcpp, photo):
    """Several go as image[]; the server leaves out what it can't read or what is grey, without a warning."""
    sdcpp.webp = False
    Image.new("L", (64, 64), 200).save("grey.png")
    Image.new("RGB", (64, 64), (0, 200, 0)).save("green.webp", lossless=True)
    ran = imagecli("edit", photo, "together", "-i", "grey.png", "-i", "green.webp", "-o", "out.png")
    assert ran.code == 0
    out = pixels("out.png")
    assert [out.getpixel((x, 4)) for x in (4, 20)] == [(200, 200, 200), (0, 200, 0)]
    assert len(sdcpp.posts[0].files["image[]"]) == 3


def test_vary_edits_at_once(imagecli, sdcpp, photo):
    ran = imagecli("vary", photo, "-o", "out.png", "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/edits")
    assert [request.path for request in sdcpp.posts] == ["/v1/images/edits"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gen", "a cat", "--format", "gif"), "png, jpeg and webp"),
        (("edit", "photo.png", "a hat", "--format", "webp"), "png or jpeg"),
        (("gen", "cat <sd_cpp_extra_args>{}</sd_cpp_extra_args>", "--param", "seed=7"), "--param"),
        (("edit", "photo.png", "a hat", "--markup", "marks.png"), "--markup"),
    ],
)
def test_what_would_fail_or_be_lost_is_refused_before_it_is_sent(imagecli, sdcpp, photo, command, said):
    marks = Image.new("RGBA", (256, 192))
    ImageDraw.Draw(marks).line((0, 0, 90, 90), fill=(255, 0, 0, 255), width=5)
    marks.save("marks.png")
    ran = imagecli(*command, "-o", "out/")
    assert ran.code == 2
    assert said in ran.err
    assert sdcpp.requests == []


def test_a_webp_name_for_an_edit_asks_for_nothing_and_says_so(imagecli, sdcpp, photo):
    ran = imagecli("edit", photo, "a hat", "-o", "out.webp", "--json")
    assert ran.code == 0
    assert "output_format" not in sdcpp.posts[0].form
    assert ran.json["images"][0]["format"] == "png"
    assert any("sd-server is not asked for webp" in warning for warning in ran.json["warnings"])


def test_fields_that_it_does_not_read_are_sent_with_a_warning(imagecli, sdcpp):
    ran = imagecli("gen", "a cat", "-q", "high", "--partials", "2", "-n", "2", "-o", "cat.png", "--json")
    assert ran.code == 0
    assert [one["path"] for one in ran.json["images"]] == ["cat-1.png", "cat-2.png"]
    assert len(sdcpp.posts) == 1  # not a stream for each: with the same seed they would be the same image
    assert sdcpp.posts[0].json["quality"] == "high"
    assert [warning.partition(",")[0] for warning in ran.json["warnings"]] == [
        "sd-server does not read --quality",
        "sd-server does not read --partials",
    ]


def test_a_format_from_the_config_that_would_fail_is_left_out(imagecli, home):
    with SdCpp() as running:
        use_profile(home, running.url, "sdcpp", "[profiles.here.defaults]", 'format = "gif"')
        ran = imagecli("gen", "a cat", "-o", "cat/", "--json")
    assert ran.code == 0
    assert "output_format" not in running.posts[0].json
    assert any("left out" in warning for warning in ran.json["warnings"])


def test_its_errors_are_read(imagecli, sdcpp):
    refused = imagecli("gen", "<sd_cpp_extra_args>nonsense</sd_cpp_extra_args>", "-o", "cat.png", "--json")
    assert (refused.code, refused.json["error"]["http_status"]) == (2, 400)
    assert "invalid sd_cpp_extra_args" in refused.json["error"]["message"]
    sdcpp.renders = False
    failed = imagecli("gen", "a cat", "-o", "cat.png", "--retries", "0", "--json")
    assert (failed.code, failed.json["error"]["kind"]) == (5, "unavailable")
    assert "generate_image returned no results" in failed.json["error"]["message"]
    assert failed.json["error"]["hint"]


def test_config_check_finds_its_models(imagecli, sdcpp):
    ran = imagecli("config", "check")
    assert ran.code == 0
    assert re.search(r"models\s+1\b", ran.out)
