"""Gemini's compatible endpoint, against a fake of it: it makes images, and refuses the rest in its own way."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.fakes.gemini import Gemini
from support.serving import image_file

MODEL = "gemini-2.5-flash-image"


@pytest.fixture
def gemini(home, monkeypatch):
    """The endpoint, and a profile that leads there."""
    with Gemini() as fake:
        file = home / "config" / "imagecli" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(
            f'profile = "google"\n[profiles.google]\nbase_url = "{fake.url}/"\ndialect = "gemini"\n'
            f'api_key_env = "GEMINI_API_KEY"\n[profiles.google.defaults]\nmodel = "{MODEL}"\n'
        )
        file.chmod(0o600)
        monkeypatch.setenv("GEMINI_API_KEY", fake.key)
        yield fake


def test_gen_asks_as_the_documentation_does(imagecli, gemini):
    ran = imagecli("gen", "a fox", "-n", "1", "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"]), ran.err
    assert ran.err == ""
    assert gemini.posts[0].path == "/v1beta/openai/images/generations"
    assert gemini.posts[0].json == {"model": MODEL, "prompt": "a fox", "response_format": "b64_json", "n": 1}


def test_several_images_are_several_requests(imagecli, gemini):
    ran = imagecli("gen", "a fox", "-n", "3", "-s", "512x256")
    assert (ran.code, len(ran.paths), len(gemini.posts)) == (0, 3, 3)
    with Image.open(ran.paths[0]) as image:
        assert image.size == (512, 256)
    assert gemini.ignored == set()


def test_what_google_adds_goes_by_param(imagecli, gemini):
    ran = imagecli("gen", "a fox", "--param", 'extra_body={"google": {"aspect_ratio": "16:9"}}')
    assert ran.code == 0, ran.err
    with Image.open(ran.paths[0]) as image:
        assert image.size == (1344, 768)


def test_a_flag_that_is_ignored_is_warned_about(imagecli, gemini):
    ran = imagecli("gen", "a fox", "-q", "high", "--format", "jpeg")
    assert ran.code == 0
    assert "Gemini's compatible endpoint ignores quality" in ran.err
    assert "Gemini's compatible endpoint ignores output_format" in ran.err
    assert gemini.ignored == {"quality", "output_format"}


def test_edit_and_vary_end_in_a_404_that_names_the_missing_route(imagecli, gemini):
    Path("a.png").write_bytes(image_file())
    for command in (("edit", "a.png", "x"), ("vary", "a.png")):
        ran = imagecli(*command, "--json")
        assert (ran.code, ran.json["error"]["http_status"]) == (2, 404)
        assert "This server has no /v1beta/openai/images/edits" in ran.json["error"]["hint"]
        assert "That's an error" in ran.json["error"]["message"]
    assert len(gemini.posts) == 2


def test_a_mask_is_refused_before_anything_is_sent(imagecli, gemini):
    Path("a.png").write_bytes(image_file())
    ran = imagecli("edit", "a.png", "x", "--mask-rect", "0,0,20,20")
    assert ran.code == 2
    assert "takes no mask" in ran.err
    assert gemini.requests == []


def test_a_wrong_key_is_a_400_here(imagecli, gemini, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-wrong-0123456789")
    ran = imagecli("gen", "x", "--json")
    error = ran.json["error"]
    assert (ran.code, error["http_status"], error["code"], error["type"]) == (4, 400, "400", "INVALID_ARGUMENT")
    assert "API key not valid" in error["message"]
    assert "set-key" in error["hint"]
    ran = imagecli("config", "check")
    assert ran.code == 4
    monkeypatch.delenv("GEMINI_API_KEY")
    assert imagecli("gen", "x").code == 4


def test_a_rate_that_google_calls_a_quota_is_waited_for(imagecli, gemini):
    gemini.throttled = 1
    ran = imagecli("gen", "x")
    assert (ran.code, len(gemini.posts)) == (0, 2), ran.err
    gemini.throttled = 1
    assert imagecli("gen", "x", "--retries", "0").code == 5


def test_a_plan_without_images_is_about_money(imagecli, gemini):
    gemini.free_tier = True
    ran = imagecli("gen", "x")
    assert (ran.code, len(gemini.posts)) == (7, 1)
    assert "limit: 0" in ran.err


def test_prompts_and_models_that_are_refused(imagecli, gemini):
    ran = imagecli("gen", "two knives", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (3, "content_policy")
    ran = imagecli("gen", "x", "-m", "imagen-3.0-generate-002")
    assert ran.code == 2
    assert "is not found for API version" in ran.err
    assert "Name a model that this server has" in ran.err


def test_check_finds_the_models_under_the_names_that_are_asked_for(imagecli, gemini):
    ran = imagecli("config", "check", "--json")
    assert ran.code == 0, ran.err
    assert {request.path for request in gemini.requests} == {"/v1beta/openai/models"}
    assert ran.json["models"] == ["gemini-2.5-flash-image", "gemini-3-pro-image-preview"]
    assert ran.json["model"] == {"name": MODEL, "listed": True}
    assert ran.json["key_tried"] is not False


def test_the_hosts_name_is_enough(imagecli):
    base = "https://generativelanguage.googleapis.com/v1beta/openai"
    ran = imagecli("gen", "x", "-m", MODEL, "--base-url", base, "--dry-run", "--json")
    assert ran.json["requests"][0]["fields"]["response_format"] == "b64_json"
