"""What is asked for because of a name, and what is said of an answer that is not what was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.serving import image_file, response_with

FORMATS = '[models."team/flux"]\nformats = ["png", "webp"]\n'
AT_SDCPP = '[profiles.sd]\nbase_url = "{url}"\ndialect = "sdcpp"\n'


@pytest.mark.parametrize(
    ("flags", "config", "asked"),
    [
        ([], "", None),
        (["-m", "team/flux"], "", None),
        (["-m", "team/flux"], FORMATS, "webp"),
        (["-m", "gpt-image-2"], "", "webp"),
        (["-m", "gpt-image-2-2026-04-21"], "", "webp"),
        (["-m", "dall-e-3"], "", None),
        (["-P", "sd"], AT_SDCPP, "webp"),
        (["--format", "jpeg"], "", "jpeg"),
    ],
)
def test_a_name_asks_for_its_format_only_where_that_is_known_to_be_taken(
    imagecli, server, tmp_path, flags, config, asked
):
    (tmp_path / "config.toml").write_text(config.format(url=server.url))
    (tmp_path / "config.toml").chmod(0o600)
    where = () if "-P" in flags else ("--base-url", server.url)
    ran = imagecli(
        "gen", "cat", "-o", "cat.webp", *flags, *where, env={"IMAGECLI_CONFIG": str(tmp_path / "config.toml")}
    )
    assert (ran.code, ran.paths) == (0, ["cat.webp"]), ran.err
    assert server.posts[0].json.get("output_format") == asked
    assert len(server.posts) == 1
    assert "cat.webp contains PNG data" in ran.err


def test_partials_0_is_a_stream_without_partial_images(imagecli, server):
    event = {"type": "image_generation.completed", **json.loads(response_with(image_file()))["data"][0]}
    stream = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    server.respond = lambda reply, _: reply.send(stream, kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "-n", "2", "-o", "cat.png")
    assert (ran.code, ran.err) == (0, "")
    assert [(post.json["stream"], post.json["partial_images"]) for post in server.posts] == [(True, 0)] * 2
    assert sorted(path.name for path in Path().iterdir()) == ["cat-1.png", "cat-2.png"]
    refused = imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "--save-partials")
    assert (refused.code, "--partials 2" in refused.err) == (2, True)
