"""OpenRouter, against a fake of it: the program makes, edits and varies there, and reports what it costs."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from support.fakes.base import MADE
from support.fakes.openrouter import OpenRouter
from support.serving import b64, image_file

GPT, GEMINI = "openai/gpt-image-2", "google/gemini-3.1-flash-image"
RED, BLUE = (200, 20, 20), (20, 20, 200)


@pytest.fixture
def router(home, monkeypatch):
    """OpenRouter, and a profile that leads there."""
    with OpenRouter() as fake:
        file = home / "config" / "imagecli" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(
            f'profile = "router"\n[profiles.router]\nbase_url = "{fake.url}"\ndialect = "openrouter"\n'
            'api_key_env = "ROUTER_KEY"\n'
        )
        file.chmod(0o600)
        monkeypatch.setenv("ROUTER_KEY", fake.key)
        yield fake


def _colours(path, stripes):
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        return [rgb.getpixel((rgb.width * (2 * n + 1) // (2 * stripes), rgb.height // 2)) for n in range(stripes)]


def test_the_fake_answers_the_request_that_the_documentation_shows(router):
    body = {
        "model": GPT,
        "prompt": "x",
        "input_references": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(image_file())}"}}],
    }
    request = urllib.request.Request(  # noqa: S310 - the fake's address
        f"{router.url}/images",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {router.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - the same
        document = json.load(response)
    assert document["data"][0]["media_type"] == "image/png"
    assert document["usage"]["cost"] == 0.0425


def test_gen_sends_only_what_was_asked_for(imagecli, router):
    ran = imagecli("gen", "a fox", "-m", GEMINI, "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"]), ran.err
    assert router.posts[0].path == "/api/v1/images"
    assert router.posts[0].json == {"prompt": "a fox", "model": GEMINI}
    assert _colours("fox.png", 1) == [MADE]
    assert ran.err == ""


def test_gen_with_size_format_and_count(imagecli, router):
    ran = imagecli(
        *("gen", "a fox", "-m", GPT, "-s", "1536x1024", "--format", "webp", "-n", "2", "-q", "high", "-o", "fox.webp"),
        "--json",
    )
    assert ran.code == 0, ran.out
    assert router.posts[0].json == {
        "prompt": "a fox",
        "model": GPT,
        "n": 2,
        "size": "1536x1024",
        "output_format": "webp",
        "quality": "high",
    }
    assert [(one["format"], one["width"]) for one in ran.json["images"]] == [("webp", 1536)] * 2
    assert (ran.json["route"], ran.json["cost_usd"]) == ("images", 0.085)
    assert ran.json["usage"]["cost"] == 0.085


def test_what_openrouter_has_beside_openai_goes_by_param(imagecli, router):
    ran = imagecli("gen", "a fox", "-m", GPT, "--param", "resolution=2K", "--param", "aspect_ratio=16:9")
    assert ran.code == 0, ran.err
    with Image.open(ran.paths[0]) as image:
        assert image.size == (2048, 1152)


def test_the_shape_can_be_left_to_the_model(imagecli, router):
    assert imagecli("gen", "a fox", "-m", GPT, "-s", "auto").code == 0
    assert router.posts[0].json["aspect_ratio"] == "auto"
    assert "size" not in router.posts[0].json


def test_markup_is_refused_before_it_is_lost(imagecli, router):
    Path("in.png").write_bytes(image_file())
    marks = Image.new("RGBA", (64, 48))
    marks.paste((255, 0, 0, 255), (0, 0, 9, 9))
    marks.save("marks.png")
    ran = imagecli("edit", "in.png", "a fox", "--markup", "marks.png", "-m", GPT)
    assert ran.code == 2
    assert "OpenRouter takes no --markup" in ran.err
    assert router.posts == []


def test_the_response_format_is_what_comes_anyway(imagecli, router):
    assert imagecli("gen", "a fox", "-m", GEMINI, "--response-format", "b64_json").code == 0
    assert "response_format" not in router.posts[0].json
    ran = imagecli("gen", "a fox", "-m", GEMINI, "--response-format", "url")
    assert ran.code == 2
    assert "OpenRouter sends images as b64_json" in ran.err
    assert len(router.posts) == 1


def test_a_flag_without_a_field_is_sent_with_a_warning(imagecli, router):
    ran = imagecli("gen", "a fox", "-m", GPT, "--moderation", "low")
    assert ran.code == 0
    assert "OpenRouter's Image API has no field moderation" in ran.err
    assert router.posts[0].json["moderation"] == "low"


def test_partials_stream(imagecli, router):
    ran = imagecli("gen", "a fox", "-m", GPT, "--partials", "2", "--json")
    assert ran.code == 0, ran.out
    asked = router.posts[0].json
    assert asked["stream"] is True
    assert "partial_images" not in asked
    assert _colours(ran.json["images"][0]["path"], 1) == [MADE]
    assert ran.json["cost_usd"] == 0.0425


def test_edit_sends_every_input_as_a_reference_in_order(imagecli, router):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    Path("b.jpg").write_bytes(image_file((64, 64), BLUE, "JPEG"))
    ran = imagecli("edit", "a.png", "together", "-i", "b.jpg", "-m", GPT, "-o", "out.png")
    assert ran.code == 0, ran.err
    (left, right) = _colours("out.png", 2)
    assert left == RED
    assert right[2] > 150 > right[0]
    asked = router.posts[0].json
    assert [entry["type"] for entry in asked["input_references"]] == ["image_url"] * 2
    assert asked["input_references"][1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert not {"image", "image[]", "images"} & asked.keys()


def test_a_mask_is_refused_before_anything_is_sent(imagecli, router):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    Path("mask.png").write_bytes(image_file((64, 64), (0, 0, 0, 0), mode="RGBA"))
    ran = imagecli("edit", "a.png", "x", "--mask", "mask.png", "-m", GPT)
    assert ran.code == 2
    assert "OpenRouter takes no mask" in ran.err
    assert router.requests == []


def test_vary_edits_at_once(imagecli, router):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    ran = imagecli("vary", "a.png", "-m", GPT, "--json")
    assert ran.code == 0, ran.out
    assert len(router.posts) == 1
    assert "variation" in router.posts[0].json["prompt"]
    assert ran.json["route"] == "images"
    assert _colours(ran.json["images"][0]["path"], 1) == [RED]


@pytest.mark.parametrize(
    ("failing", "code", "words"),
    [
        ("credits", 7, "requires payment: Insufficient credits"),
        ("moderation", 3, 'Your input was flagged for "violence". (stage: input)'),
        ("rate", 5, "Rate limit exceeded"),
        ("provider", 3, "Provider returned error: Your request was rejected by the safety system."),
        ("provider", 3, "(stage: output; categories: sexual)"),
        ("overloaded", 5, "Provider overloaded"),
    ],
)
def test_the_errors_of_openrouter_and_of_the_providers_behind_it(imagecli, router, failing, code, words):
    router.failing = failing
    ran = imagecli("gen", "a fight", "-m", GPT, "--retries", "0")
    assert ran.code == code
    assert words in ran.err


def test_wrong_keys_models_and_counts(imagecli, router, monkeypatch):
    ran = imagecli("gen", "x", "-m", "nobody/nothing", "--json")
    assert (ran.code, ran.json["error"]["http_status"]) == (2, 400)
    assert "Name a model that this server has" in ran.json["error"]["hint"]
    ran = imagecli("gen", "x", "-m", "team/one-at-a-time", "-n", "3")
    assert ran.code == 2
    assert "only supports generating one image" in ran.err
    monkeypatch.setenv("ROUTER_KEY", "sk-or-v1-wrong")
    ran = imagecli("gen", "x", "-m", GPT)
    assert (ran.code, "did not accept the key" in ran.err) == (4, True)


def test_a_base_url_that_is_not_the_apis(imagecli, router, home):
    file = home / "config" / "imagecli" / "config.toml"
    file.write_text(file.read_text().replace("/api/v1", "/v1"))
    ran = imagecli("gen", "x", "-m", GPT)
    assert ran.code == 2
    assert "This server has no /v1/images: check the base URL" in ran.err


def test_check_lists_the_models_that_make_images_and_knows_that_the_key_was_not_tried(imagecli, router):
    ran = imagecli("config", "check", "--json")
    assert ran.code == 0, ran.err
    assert {request.path for request in router.requests} == {"/api/v1/images/models"}
    assert ran.json["models"] == [GPT, GEMINI, "team/one-at-a-time"]
    assert ran.json["key_tried"] is False  # the list is public


def test_the_hosts_name_is_enough(imagecli):
    ran = imagecli("gen", "x", "-m", GPT, "--base-url", "https://openrouter.ai/api/v1", "--dry-run", "--json")
    assert ran.json["requests"][0]["url"] == "https://openrouter.ai/api/v1/images"
