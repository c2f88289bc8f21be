"""A model's name says nothing certain at servers that are not its own: what does not fit is warned about and sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.serving import image_file, noise

_ALL = (
    ("gen", ("-m", "dall-e-3", "-s", "1536x1024"), {"size": "1536x1024"}, "1536x1024"),
    ("gen", ("-m", "dall-e-2", "-s", "landscape"), {"size": "1536x1024"}, "landscape"),
    ("gen", ("-m", "gpt-image-2", "-s", "100x100"), {"size": "100x100"}, "100x100"),
    ("gen", ("-m", "dall-e-3", "-q", "ultra"), {"quality": "ultra"}, "ultra"),
    ("gen", ("-m", "dall-e-2", "--seed", "7"), {"seed": 7}, "seed"),
    ("gen", ("-m", "gpt-image-1", "--negative", "text"), {"negative_prompt": "text"}, "negative"),
    ("gen", ("-m", "gpt-image-1", "--response-format", "url"), {"response_format": "url"}, "response-format"),
    (
        "gen",
        ("-m", "gpt-image-1", "--background", "transparent", "--format", "jpeg"),
        {"background": "transparent", "output_format": "jpeg"},
        "transparent",
    ),
    ("edit", ("-m", "dall-e-3"), {"model": "dall-e-3"}, "can't edit"),
    ("edit", ("-m", "dall-e-2"), {"model": "dall-e-2"}, "needs a mask"),
    ("edit", ("-m", "dall-e-2", "-i", "in.png"), {"model": "dall-e-2"}, "1 input image"),
    ("edit", ("-m", "gpt-image-1", "--markup", "mark.png"), {"model": "gpt-image-1"}, "markup"),
    ("vary", ("-m", "dall-e-3"), {"model": "dall-e-3"}, "can't vary"),
)


@pytest.fixture
def command():
    """Write the inputs, and return a function that completes a command line."""
    Path("in.png").write_bytes(noise((64, 64)))
    Path("mark.png").write_bytes(image_file((64, 64), (255, 0, 0, 0), mode="RGBA"))
    words = {"gen": ("gen", "cat"), "edit": ("edit", "in.png", "cat"), "vary": ("vary", "in.png")}
    return lambda name, *flags: (*words[name], *flags)


@pytest.mark.parametrize(("name", "flags", "fields", "word"), _ALL)
def test_what_is_typed_is_sent_elsewhere_with_a_warning(imagecli, server, command, name, flags, fields, word):
    if "mark.png" in flags:
        from PIL import Image

        with Image.open("mark.png") as mark:
            mark.putpixel((3, 3), (255, 0, 0, 255))
            mark.save("mark.png")
    ran = imagecli(*command(name, *flags), "--base-url", server.url)
    assert ran.code == 0, ran.err
    assert any("as far as is known; sending it anyway" in line and word in line for line in ran.err.splitlines())
    sent = server.posts[-1]
    found = sent.json if name == "gen" else sent.form
    assert fields.items() <= found.items()


@pytest.mark.parametrize(("name", "flags", "_fields", "word"), _ALL)
def test_it_is_refused_in_the_sandbox(imagecli, command, name, flags, _fields, word):
    ran = imagecli(*command(name, *flags), "-P", "sandbox")
    assert ran.code == 2
    assert word in ran.err


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://x.openai.azure.com/openai/v1"])
def test_it_is_refused_at_openai_and_azure(imagecli, url):
    ran = imagecli("gen", "cat", "-m", "dall-e-3", "-s", "1536x1024", "--base-url", url, "--dry-run")
    assert ran.code == 2
    assert "1536x1024" in ran.err


def test_a_long_prompt_is_sent_elsewhere(imagecli, server):
    ran = imagecli("gen", "x" * 1001, "-m", "dall-e-2", "--base-url", server.url)
    assert (ran.code, "1,001 characters" in ran.err) == (0, True)
    assert imagecli("gen", "x" * 1001, "-m", "dall-e-2", "-P", "sandbox").code == 2


def test_what_the_config_file_says_is_left_out_as_before(imagecli, server):
    ran = imagecli("gen", "cat", "-m", "dall-e-3", "--base-url", server.url, env={"IMAGECLI_SIZE": "1536x1024"})
    assert (ran.code, "IMAGECLI_SIZE is left out" in ran.err) == (0, True)
    assert "size" not in server.requests[0].json


def test_a_dialects_own_rules_stay_certain(imagecli, server, home):
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[profiles.s]\nbase_url = "{server.url}"\ndialect = "sglang"\n')
    ran = imagecli("gen", "cat", "-P", "s", "-m", "dall-e-3", "-s", "portrait-ish")
    assert ran.code == 2
    assert "SGLang" in ran.err
    assert server.requests == []


@pytest.mark.parametrize(
    "dialect",
    ["deepinfra", "gemini", "litellm", "localai", "openrouter", "sdcpp", "sglang", "together", "vllm-omni", "xai"],
)
def test_vary_with_dall_e_2_is_an_edit_where_there_are_no_variations(imagecli, server, home, dialect):
    """It was refused with a hint at --mask, which vary does not have."""
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[profiles.s]\nbase_url = "{server.url}"\ndialect = "{dialect}"\n')
    Path("in.png").write_bytes(noise((64, 64)))
    ran = imagecli("vary", "in.png", "-P", "s", "-m", "dall-e-2", "--dry-run")
    assert ran.code == 0, ran.err


def test_vary_with_dall_e_2_at_azure_has_a_hint_that_fits(imagecli):
    Path("in.png").write_bytes(noise((64, 64)))
    url = "https://x.openai.azure.com/openai/v1"
    ran = imagecli("vary", "in.png", "-m", "dall-e-2", "--base-url", url, "--dry-run")
    assert ran.code == 2
    assert "--mask" not in ran.err
    assert "-m" in ran.err
