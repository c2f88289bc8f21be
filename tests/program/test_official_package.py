"""What is sent, held against what the official package sends for the same call."""

from __future__ import annotations

import io
from pathlib import Path

import openai
import pytest
from PIL import Image

KEY = "sk-official-0123"


@pytest.fixture
def official(server):
    with openai.OpenAI(
        api_key=KEY, base_url=server.url, organization="org-1", project="proj-1", max_retries=0
    ) as client:
        yield client


@pytest.fixture
def env(server):
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": server.url,
        "OPENAI_ORG_ID": "org-1",
        "OPENAI_PROJECT_ID": "proj-1",
    }


def _same_headers(ours, theirs):
    for name in ("authorization", "openai-organization", "openai-project", "accept"):
        assert ours.headers[name] == theirs.headers[name], name
    assert ours.headers["content-type"].split(";")[0] == theirs.headers["content-type"].split(";")[0]
    assert (ours.method, ours.path) == (theirs.method, theirs.path)


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        (
            {"model": "dall-e-3", "size": "1024x1024", "quality": "standard", "n": 1},
            ["-m", "dall-e-3", "-s", "1024x1024", "-q", "standard", "-n", "1"],
        ),
        (
            {"model": "dall-e-2", "n": 3, "response_format": "b64_json"},
            ["-m", "dall-e-2", "-n", "3", "--response-format", "b64_json"],
        ),
        (
            {"model": "dall-e-3", "style": "natural", "quality": "hd"},
            ["-m", "dall-e-3", "--style", "natural", "-q", "hd"],
        ),
        (
            {
                "model": "gpt-image-2",
                "size": "1536x864",
                "output_format": "webp",
                "output_compression": 70,
                "background": "opaque",
            },
            [
                "-m",
                "gpt-image-2",
                "-s",
                "1536x864",
                "--format",
                "webp",
                "--compression",
                "70",
                "--background",
                "opaque",
            ],
        ),
        (
            {"model": "gpt-image-2", "moderation": "low", "user": "me"},
            ["-m", "gpt-image-2", "--moderation", "low", "--param", "user=me"],
        ),
        ({}, []),
    ],
)
def test_generations_are_the_same(imagecli, server, official, env, fields, flags):
    official.images.generate(prompt="a white siamese cat, très chic", **fields)
    assert imagecli("gen", "a white siamese cat, très chic", *flags, "-o", "out/", env=env).code == 0
    theirs, ours = server.requests
    assert ours.json == theirs.json
    _same_headers(ours, theirs)


def _square(name, mode="RGBA"):
    image = Image.new(mode, (256, 256), (90, 120, 30, 255)[: len(mode)])
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (50, 50, 120, 120))
    image.save(name)


def test_an_edit_with_a_mask_is_the_same(imagecli, server, official, env):
    _square("lounge.png", "RGB")
    _square("mask.png")
    with open("lounge.png", "rb") as image, open("mask.png", "rb") as mask:
        official.images.edit(model="dall-e-2", image=image, mask=mask, prompt="a pool", n=1, size="1024x1024")
    ran = imagecli(
        *(
            "edit",
            "lounge.png",
            "a pool",
            "--mask",
            "mask.png",
            "-m",
            "dall-e-2",
            "-n",
            "1",
            "-s",
            "1024x1024",
            "-o",
            "out/",
        ),
        env=env,
    )
    assert ran.code == 0, ran.err
    theirs, ours = server.requests
    assert sorted(ours.parts) == sorted(theirs.parts)
    assert [name for name, *_ in ours.parts[-2:]] == ["image", "mask"]
    _same_headers(ours, theirs)


def test_an_edit_of_several_images_is_the_same(imagecli, server, official, env):
    _square("a.png", "RGB")
    _square("b.png")
    with open("a.png", "rb") as first, open("b.png", "rb") as second:
        official.images.edit(
            model="gpt-image-2", image=[first, second], prompt="both", quality="high", background="auto"
        )
    flags = ("-q", "high", "--background", "auto", "-m", "gpt-image-2")
    assert imagecli("edit", "a.png", "both", "-i", "b.png", *flags, "-o", "out/", env=env).code == 0
    theirs, ours = server.requests
    assert sorted(ours.parts) == sorted(theirs.parts)
    _same_headers(ours, theirs)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_a_variation_is_the_same(imagecli, server, official, env):
    _square("in.png", "RGB")
    with open("in.png", "rb") as image:
        official.images.create_variation(model="dall-e-2", image=image, n=2, size="512x512", response_format="b64_json")
    flags = ("-m", "dall-e-2", "-n", "2", "-s", "512x512", "--response-format", "b64_json", "-o", "out/")
    assert imagecli("vary", "in.png", *flags, env=env).code == 0
    theirs, ours = server.requests
    assert sorted(ours.parts) == sorted(theirs.parts)
    _same_headers(ours, theirs)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_bytes_in_memory_get_the_name_and_type_that_the_official_package_does_not_give(imagecli, server, official, env):
    _square("in.png", "RGB")
    stream = io.BytesIO(Path("in.png").read_bytes())
    official.images.create_variation(model="dall-e-2", image=stream.getvalue())
    assert imagecli("vary", "-", "-m", "dall-e-2", "-o", "out/", env=env, stdin=stream.getvalue()).code == 0
    theirs, ours = server.requests
    assert theirs.files["image"][0][:2] == ("upload", "application/octet-stream")
    assert ours.files["image"] == [("image.png", "image/png", stream.getvalue())]
