"""The dialect of Xinference, against a fake that was written from the server's source."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from imagecli.client.errors.causes import classify
from imagecli.client.errors.document import read_error
from support.fakes.base import (
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
from support.fakes.xinference import Xinference


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "of-the-server"
    folder.mkdir()
    return folder


@pytest.fixture
def xinference(home, disk):
    with Xinference(disk) as running:
        use_profile(home, running.url, "xinference", "[profiles.here.defaults]", 'model = "sd3-medium"')
        yield running


def _image(path):
    with Image.open(path) as image:
        return image.format, image.size


def test_gen_asks_for_the_image_itself(imagecli, xinference):
    """By itself the server answers with a path on its own disk."""
    ran = imagecli("gen", "a cat", "-s", "320x256", "-n", "2", "-o", "cat.jpg", "--json")
    assert ran.code == 0
    assert ran.json["route"] == "images/generations"
    assert ran.json["warnings"] == []
    assert xinference.posts[0].json == {
        "response_format": "b64_json",
        "prompt": "a cat",
        "model": "sd3-medium",
        "n": 2,
        "size": "320x256",
    }
    assert _image("cat-1.jpg") == ("JPEG", (320, 256))
    assert near(pixels("cat-1.jpg").getpixel((9, 9)), MADE)


def test_the_name_that_was_given_is_kept_and_the_true_format_reported(imagecli, xinference):
    ran = imagecli("gen", "a cat", "-s", "64x64", "-o", "cat.png", "--json")
    assert ran.code == 0
    assert ran.json["images"][0]["format"] == "jpeg"
    assert any("cat.png" in warning for warning in ran.json["warnings"])
    assert _image("cat.png")[0] == "JPEG"


def test_transparency_comes_as_png(imagecli, home, disk):
    with Xinference(disk, transparent=True) as running:
        use_profile(home, running.url, "xinference")
        ran = imagecli("gen", "a cat", "-m", "sd3-medium", "-s", "64x64", "--json")
    assert [one["path"] for one in ran.json["images"]] == ["a-cat.png"]


def test_a_url_is_refused_before_anything_is_sent(imagecli, xinference):
    ran = imagecli("gen", "a cat", "--response-format", "url")
    assert ran.code == 2
    assert "a path on its own disk" in ran.err
    assert xinference.requests == []


def test_a_path_on_the_servers_disk_is_never_opened(imagecli, home, disk):
    """In the openai dialect the server responds with one; here it even exists."""
    with Xinference(disk) as running:
        use_profile(home, running.url, "openai")
        ran = imagecli("gen", "a cat", "-m", "sd3-medium", "-o", "cat.jpg", "-s", "64x64", "--json")
    assert ran.code == 1
    assert ran.json["images"] == []
    assert list(disk.iterdir())
    assert "--response-format b64_json" in ran.json["error"]["hint"]


@pytest.mark.parametrize("command", [("gen", "a cat"), ("vary", "photo.png")])
def test_a_model_has_to_be_named(imagecli, home, disk, command):
    photo()
    with Xinference(disk) as running:
        use_profile(home, running.url, "xinference")
        ran = imagecli(*command)
        assert running.requests == []
    assert ran.code == 2
    assert "Name one with -m" in ran.err


def test_an_edit_finds_a_model_by_itself(imagecli, home, disk):
    with Xinference(disk) as running:
        use_profile(home, running.url, "xinference")
        assert imagecli("edit", photo(), "a hat", "-o", "out.jpg").code == 0
        assert "model" not in running.posts[0].form
    assert _image("out.jpg") == ("JPEG", (256, 192))


def test_a_size_that_is_auto_is_left_to_the_server(imagecli, xinference):
    """It would look for numbers in the word, and fail."""
    assert imagecli("gen", "a cat", "-s", "auto", "-o", "cat.jpg").code == 0
    assert "size" not in xinference.posts[0].json
    assert imagecli("edit", photo(), "a hat", "-s", "auto", "-o", "out.jpg").code == 0
    assert "size" not in xinference.posts[1].form


@pytest.mark.parametrize("kind", ["alpha", "grey"])
def test_a_mask_of_either_kind_opens_the_right_place(imagecli, xinference, kind):
    """The server drops alpha and repaints white; and with a mask it needs to be told the size."""
    ran = imagecli("edit", photo(), "a hat", "--mask", mask_file(kind), "-o", "out.jpg", "--json")
    assert ran.code == 0
    assert ran.json["warnings"] == []
    assert opened_at("out.jpg") == ONLY_THERE
    assert xinference.posts[0].form["size"] == "256x192"
    assert xinference.posts[0].files.keys() == {"image", "mask"}


def test_with_a_mask_the_size_is_one_that_the_models_take(imagecli, xinference):
    name = photo(size=(250, 190))
    ran = imagecli("edit", name, "a hat", "--mask", mask_file("grey", (250, 190)), "-o", "out.jpg", "--json")
    assert ran.code == 0
    assert ran.json["warnings"] == []
    assert xinference.posts[0].form["size"] == "256x192"
    assert opened_at("out.jpg") == ONLY_THERE


def test_with_a_mask_and_a_size_of_another_shape_nothing_is_distorted(imagecli, xinference):
    """The models stretch the input: it is padded before, and cut back after."""
    name = photo()
    ran = imagecli("edit", name, "a hat", "--mask", mask_file("grey"), "-s", "512x512", "-o", "out.jpg")
    assert ran.code == 0
    (name, _, sent), *_ = xinference.posts[0].files["image"]
    assert name == "photo.png"
    with Image.open(io.BytesIO(sent)) as image:
        assert image.width == image.height
    width, height = _image("out.jpg")[1]
    assert width / height == pytest.approx(4 / 3, rel=0.02)


def test_with_a_mask_a_size_that_was_asked_for_stays(imagecli, xinference):
    ran = imagecli("edit", photo(), "a hat", "--mask", mask_file("grey"), "-s", "512x384", "-o", "out.jpg")
    assert ran.code == 0
    assert _image("out.jpg") == ("JPEG", (512, 384))


def test_a_mask_with_a_model_that_has_no_inpainting_is_an_error(imagecli, home, disk):
    with Xinference(disk, abilities=("text2image", "image2image")) as running:
        use_profile(home, running.url, "xinference")
        ran = imagecli("edit", photo(), "a hat", "--mask", mask_file("grey"), "--retries", "0", "--json")
    assert ran.code == 2
    assert "does not support inpainting" in ran.json["error"]["message"]


def test_an_edit_takes_several_images(imagecli, xinference):
    ran = imagecli("edit", photo(), "a hat", "-i", photo("hat.png", (64, 64), ORANGE), "-o", "out.jpg")
    assert ran.code == 0
    assert len(xinference.posts[0].files["image[]"]) == 2
    assert near(pixels("out.jpg").getpixel((3, 3)), ORANGE)
    assert near(pixels("out.jpg").getpixel((40, 40)), INVERTED)


def test_vary_is_a_variation_with_a_prompt_and_keeps_the_shape(imagecli, xinference):
    """OpenAI's rule of squares does not hold for this server; its models want a prompt."""
    ran = imagecli("vary", photo(), "-o", "out.jpg", "--json")
    assert ran.code == 0
    assert ran.json["route"] == "images/variations"
    assert _image("out.jpg") == ("JPEG", (256, 192))
    assert xinference.posts[0].form["prompt"].startswith("Create a variation")
    assert len(xinference.posts) == 1


def test_markup_is_refused(imagecli, xinference):
    mask_file("alpha")
    ran = imagecli("edit", photo(), "a hat", "--markup", "mask.png")
    assert ran.code == 2
    assert "Xinference takes no --markup" in ran.err
    assert xinference.requests == []


def test_what_the_server_does_not_read_is_sent_with_a_warning(imagecli, xinference):
    ran = imagecli("gen", "a cat", "-q", "high", "-s", "64x64", "-o", "cat.jpg")
    assert ran.code == 0
    assert "Xinference does not read --quality" in ran.err


# Errors


def test_an_unknown_model_is_the_callers_mistake(imagecli, xinference):
    ran = imagecli("gen", "a cat", "-m", "nope", "--json")
    assert ran.code == 2
    assert "Name a model" in ran.json["error"]["hint"]
    assert ran.json["error"]["http_status"] == 404
    assert "Model not found in the model list, uid: nope" in ran.json["error"]["message"]


def test_a_model_that_is_loading_is_waited_for(imagecli, home, disk):
    with Xinference(disk, loading=True) as running:
        use_profile(home, running.url, "xinference")
        ran = imagecli("gen", "a cat", "-m", "sd3-medium", "--retries", "0", "--json")
    assert ran.code == 5
    assert "Model is loading" in ran.json["error"]["message"]


def test_a_callers_mistake_is_one_although_it_is_a_500(imagecli, xinference):
    """And it is not tried again."""
    ran = imagecli("gen", "a cat", "-s", "100x60", "--json")
    assert ran.code == 2
    assert len(xinference.posts) == 1
    assert "have to be divisible by 8 but are 60 and 100" in ran.json["error"]["message"]


def test_a_key_is_wanted(imagecli, home, disk):
    with Xinference(disk, key="sk-right") as running:
        use_profile(home, running.url, "xinference", 'api_key_env = "XI_KEY"')
        flags = ("-m", "sd3-medium", "-s", "64x64", "-o", "cat.jpg")
        assert imagecli("gen", "a cat", *flags, env={"XI_KEY": "sk-right"}).code == 0
        ran = imagecli("gen", "a cat", "-m", "sd3-medium", "--json", env={"XI_KEY": "sk-wrong"})
    assert ran.code == 4
    assert "Could not validate credentials" in ran.json["error"]["message"]


def test_config_check_reads_the_list_of_models(imagecli, xinference):
    assert imagecli("config", "check", "here").code == 0
    assert [request.path for request in xinference.requests] == ["/v1/models"]


# Streams


def test_an_edit_is_streamed(imagecli, xinference):
    mask = mask_file("grey")
    ran = imagecli("edit", photo(), "a hat", "--mask", mask, "--partials", "2", "-o", "out.jpg", "--json")
    assert ran.code == 0
    assert xinference.posts[0].form["stream"] == "true"
    assert "partial_images" not in xinference.posts[0].form
    assert opened_at("out.jpg") == ONLY_THERE
    assert any("sends no partial images" in warning for warning in ran.json["warnings"])


def test_a_stream_that_ends_in_an_error_is_one(imagecli, home, disk):
    with Xinference(disk, abilities=("text2image", "image2image")) as running:
        use_profile(home, running.url, "xinference")
        flags = ("--mask", mask_file("grey"), "--partials", "1", "--retries", "0")
        ran = imagecli("edit", photo(), "a hat", *flags, "--json")
    assert ran.code not in {0, 6}
    assert "does not support inpainting" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (500, "[address=127.0.0.1:1, pid=2] invalid literal for int() with base 10: ''", "usage"),
        (500, "Provide either `prompt` or `prompt_embeds`. Cannot leave both undefined.", "usage"),
        (500, "Internal Server Error: 1 validation error for TextToImageRequest\nmodel\n  Field required", "usage"),
        (500, "cannot identify image file <_io.BytesIO object at 0x7f>", "usage"),
        (500, "CUDA out of memory", "unavailable"),
        (503, "`height` and `width` have to be divisible by 8", "unavailable"),
    ],
)
def test_which_500_is_a_callers_mistake(status, words, kind):
    said = read_error(status, json.dumps({"detail": words}).encode())
    assert classify(said, request_id=None, host="x").kind == kind


def test_kwargs_are_json_as_text(imagecli, xinference):
    wanted = ("--param", 'kwargs={"seed": 5}', "-s", "256x192")
    imagecli("gen", "a cat", *wanted, "-o", "one.jpg")
    imagecli("edit", "one.jpg", "a hat", *wanted, "-o", "two.jpg")
    assert [xinference.posts[0].json["kwargs"], xinference.posts[1].form["kwargs"]] == ['{"seed": 5}'] * 2
