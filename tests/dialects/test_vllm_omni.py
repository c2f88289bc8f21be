"""The dialect of vLLM-Omni, against a fake that was written from the server's source."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.fakes.base import (
    CHANGED,
    INVERTED,
    MADE,
    ONLY_THERE,
    ORANGE,
    mask_file,
    near,
    opened_at,
    photo,
    pixels,
    use_profile,
)
from support.fakes.vllm_omni import VllmOmni
from support.serving import image_file

KLEIN = "black-forest-labs/FLUX.2-klein-4B"


@pytest.fixture
def omni(home):
    with VllmOmni() as running:
        use_profile(home, running.url, "vllm-omni")
        yield running


@pytest.fixture
def several_stages(home):
    with VllmOmni(model="zai-org/GLM-Image", stages=2) as running:
        use_profile(home, running.url, "vllm-omni")
        yield running


def _image(path):
    with Image.open(path) as image:
        return image.format, image.size


def test_gen_sends_what_was_asked_and_nothing_else(imagecli, omni):
    ran = imagecli("gen", "a cat", "-s", "320x256", "-n", "2", "--format", "webp", "-o", "cat.webp", "--json")
    assert ran.code == 0
    assert ran.json["route"] == "images/generations"
    assert ran.json["warnings"] == []
    assert [one["format"] for one in ran.json["images"]] == ["webp", "webp"]
    assert omni.posts[0].json == {"prompt": "a cat", "n": 2, "size": "320x256", "output_format": "webp"}
    assert _image("cat-1.webp") == ("WEBP", (320, 256))
    assert near(pixels("cat-1.webp").getpixel((9, 9)), MADE)


def test_a_size_that_is_auto_is_left_to_the_server(imagecli, omni):
    """Its generations refuse the word: it has no x in it."""
    assert imagecli("gen", "a cat", "-s", "auto", "-o", "cat.png").code == 0
    assert "size" not in omni.posts[0].json


def test_what_the_server_does_not_read_is_sent_with_a_warning(imagecli, omni):
    ran = imagecli("gen", "a cat", "-q", "high", "-o", "cat.png")
    assert ran.code == 0
    assert "vLLM-Omni does not read --quality" in ran.err
    assert omni.posts[0].json["quality"] == "high"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--response-format", "url"), "b64_json only"),
        (("--format", "gif"), "makes png, jpeg and webp, not gif"),
    ],
)
def test_what_is_certain_to_fail_is_not_sent(imagecli, omni, flags, words):
    ran = imagecli("gen", "a cat", *flags)
    assert ran.code == 2
    assert words in ran.err
    assert omni.requests == []


def test_markup_is_refused(imagecli, omni):
    """The server does not read a part called markup."""
    mask_file("alpha")
    ran = imagecli("edit", photo(), "a hat", "--markup", "mask.png")
    assert ran.code == 2
    assert "vLLM-Omni takes no --markup" in ran.err
    assert omni.requests == []


@pytest.mark.parametrize("kind", ["alpha", "grey"])
def test_a_mask_of_either_kind_opens_the_right_place(imagecli, omni, kind):
    """The server reads `mask_image`, drops alpha and repaints white: a hole in a dark image would stay as it is."""
    ran = imagecli("edit", photo(), "a hat", "--mask", mask_file(kind), "-o", "out.png", "--json")
    assert ran.code == 0
    assert opened_at("out.png") == ONLY_THERE
    assert omni.posts[0].files.keys() == {"image", "mask_image"}
    assert "only FLUX.2 klein uses a mask" in ran.json["warnings"][0]


def test_a_mask_drawn_by_flags_opens_the_right_place(imagecli, omni):
    ran = imagecli("edit", photo(), "a hat", "--mask-rect", "0,0,64,64", "--no-keep", "-o", "out.png")
    assert ran.code == 0
    assert opened_at("out.png") == ONLY_THERE


def test_a_large_image_with_a_mask_comes_as_large_as_the_model_makes_it(imagecli, omni):
    """It shrinks the image and not the mask, so that without a size it would fail."""
    large = photo(size=(2000, 1500))
    ran = imagecli("edit", large, "a hat", "--mask-rect", "0,0,500,500", "--no-keep", "-o", "out.png")
    assert ran.code == 0
    assert omni.posts[0].form["size"] == "1168x880"
    assert _image("out.png") == ("PNG", (1168, 880))
    assert [near(pixels("out.png").getpixel(spot), CHANGED) for spot in ((280, 280), (300, 300))] == [True, False]
    assert imagecli("edit", large, "a hat", "--mask-rect", "0,0,500,500", "-o", "kept.png").code == 0
    assert _image("kept.png") == ("PNG", (2000, 1500))
    assert pixels("kept.png").getpixel((510, 510)) == (90, 90, 90)


def test_a_canvas_that_was_expanded_keeps_the_size_of_its_mask(imagecli, omni):
    """A size that was not typed, here one for the canvas, would not be the mask's."""
    ran = imagecli("edit", photo(), "more of it", "--expand", "right=128", "-o", "wide.png")
    assert ran.code == 0
    assert "size" not in omni.posts[0].form
    assert _image("wide.png") == ("PNG", (384, 192))
    assert [near(pixels("wide.png").getpixel(spot), CHANGED) for spot in ((100, 100), (320, 100))] == [False, True]


def test_a_size_that_does_not_fit_a_mask_is_the_callers_mistake(imagecli, omni):
    ran = imagecli("edit", photo(), "a hat", "--mask", mask_file("grey"), "-s", "512x512")
    assert ran.code == 2
    assert "The size of tensor a" in ran.err
    assert len(omni.posts) == 1


def test_a_model_that_drops_masks_is_warned_of_and_keep_saves_the_image(imagecli, several_stages):
    mask = mask_file("grey")
    ran = imagecli("edit", photo(), "a hat", "--mask", mask, "-o", "all.png")
    assert "the others edit the whole image; --keep puts back everything outside the mask" in ran.err
    assert opened_at("all.png", INVERTED) == [True] * 4
    assert imagecli("edit", photo(), "a hat", "--mask", mask, "--keep", "-o", "kept.png").code == 0
    assert opened_at("kept.png", INVERTED) == ONLY_THERE


def test_an_edit_takes_several_images(imagecli, omni):
    ran = imagecli("edit", photo(), "a hat", "-i", photo("hat.png", (64, 64), ORANGE), "-o", "out.png")
    assert ran.code == 0
    assert len(omni.posts[0].files["image[]"]) == 2
    assert pixels("out.png").getpixel((3, 3)) == ORANGE
    assert pixels("out.png").getpixel((20, 3)) == INVERTED
    assert _image("out.png") == ("PNG", (256, 192))


def test_vary_is_an_edit_at_once(imagecli, omni):
    ran = imagecli("vary", photo(), "-o", "out.png", "--json")
    assert ran.code == 0
    assert ran.json["route"] == "images/edits"
    assert [request.path for request in omni.posts] == ["/v1/images/edits"]


def test_a_foreign_model_is_the_callers_mistake(imagecli, omni):
    ran = imagecli("gen", "a cat", "-m", "team/flux", "--json")
    assert ran.code == 2
    error = ran.json["error"]
    assert f"request specifies 'team/flux' but server is running '{KLEIN}'" in error["message"]
    assert (error["http_status"], error["type"]) == (400, "Bad Request")
    assert imagecli("gen", "a cat", "-m", KLEIN, "-o", "cat.png").code == 0


def test_a_field_that_does_not_fit_is_named(imagecli, omni):
    ran = imagecli("gen", "a cat", "-s", "big", "--json")
    assert ran.code == 2
    assert ran.json["error"]["param"] == "body.size"
    assert "size must be in format 'WIDTHxHEIGHT'" in ran.json["error"]["message"]


def test_too_many_images_are_left_to_the_server_to_refuse(imagecli, home):
    with VllmOmni(max_inputs=1) as running:
        use_profile(home, running.url, "vllm-omni")
        ran = imagecli("edit", photo(), "a hat", "-i", photo("hat.png"))
    assert ran.code == 2
    assert "Only a single image is supported by this model" in ran.err


def test_an_overloaded_server_is_asked_again_later(imagecli, home):
    with VllmOmni(fails=True) as running:
        use_profile(home, running.url, "vllm-omni")
        ran = imagecli("gen", "a cat", "--retries", "0", "--json")
    assert ran.code == 5
    assert ran.json["error"]["http_status"] == 500
    assert "EngineCore encountered an issue" in ran.json["error"]["message"]


def test_a_key_is_wanted(imagecli, home):
    with VllmOmni(key="sk-right") as running:
        use_profile(home, running.url, "vllm-omni", 'api_key_env = "OMNI_KEY"')
        assert imagecli("gen", "a cat", "-o", "cat.png", env={"OMNI_KEY": "sk-right"}).code == 0
        ran = imagecli("gen", "a cat", "--json", env={"OMNI_KEY": "sk-wrong"})
    assert ran.code == 4
    assert "Unauthorized" in ran.json["error"]["message"]


def test_config_check_reads_the_list_of_models(imagecli, omni):
    assert imagecli("config", "check", "here").code == 0
    assert [request.path for request in omni.requests] == ["/v1/models"]


# Streams


def test_an_edit_is_streamed_where_the_model_has_several_stages(imagecli, several_stages):
    ran = imagecli("edit", photo(), "a hat", "--partials", "1", "-o", "out.png", "--json")
    assert ran.code == 0
    assert several_stages.posts[0].form["stream"] == "true"
    assert "partial_images" not in several_stages.posts[0].form
    assert pixels("out.png").getpixel((9, 9)) == INVERTED
    assert "sends no partial images" in ran.json["warnings"][0]


def test_a_stream_that_ends_in_an_error_is_one(imagecli, home):
    with VllmOmni(stages=2, fails=True) as running:
        use_profile(home, running.url, "vllm-omni")
        ran = imagecli("edit", photo(), "a hat", "--partials", "1", "--retries", "0", "--json")
    assert ran.code == 5
    assert "completed without a final image output" in ran.json["error"]["message"]


def test_a_model_of_one_stage_refuses_to_stream(imagecli, omni):
    ran = imagecli("edit", photo(), "a hat", "--partials", "1")
    assert ran.code == 2
    assert "only supported for multi-stage image editing pipelines" in ran.err


def test_a_table_is_json_in_one_field_of_the_form(imagecli, omni):
    lora = '{"name": "x", "scale": 0.5}'
    assert imagecli("edit", photo(), "a hat", "--param", f"lora={lora}", "--param", "seed=5", "-o", "out.png").code == 0
    assert (omni.posts[0].form["lora"], omni.posts[0].form["seed"]) == (lora, "5")


@pytest.mark.parametrize("name", ["black-forest-labs/FLUX.2-klein-4B", "flux.2-Klein"])
def test_no_warning_of_a_mask_where_the_model_uses_it(imagecli, server, home, name):
    """The model is named, or is what the server listed when it was last asked."""
    use_profile(home, server.url, "vllm-omni")
    Path("in.png").write_bytes(image_file((64, 64)))
    mask = ("edit", "in.png", "a hat", "--mask-rect", "0,0,16,16", "--dry-run")
    assert "only FLUX.2 klein" in imagecli(*mask).err
    assert "only FLUX.2 klein" in imagecli(*mask, "-m", "Qwen/Qwen-Image-Edit").err
    assert "klein" not in imagecli(*mask, "-m", name).err
    server.respond = lambda reply, _: reply.json({"object": "list", "data": [{"id": name, "owned_by": "vllm"}]})
    assert imagecli("config", "check").code == 0
    assert "klein" not in imagecli(*mask).err
