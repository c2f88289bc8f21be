"""`gen`: what is sent, what is saved, what is said."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from serving import b64, images, picture

GUIDE = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS: "


def _opened(path):
    return Image.open(io.BytesIO(Path(path).read_bytes()))


def test_sends_only_what_was_asked_for(imagecli, server):
    ran = imagecli("gen", "a white siamese cat", "--base-url", server.url)
    assert (ran.code, ran.out) == (0, "a-white-siamese-cat.png\n")
    assert server.requests[0].path == "/v1/images/generations"
    assert server.requests[0].json == {"prompt": "a white siamese cat"}
    assert server.requests[0].headers["content-type"] == "application/json"
    assert "authorization" not in server.requests[0].headers
    assert _opened("a-white-siamese-cat.png").size == (64, 48)


@pytest.mark.parametrize("size", ["1024x1024", "1024x1792", "1792x1024"])
@pytest.mark.parametrize("quality", ["standard", "hd"])
def test_dall_e_3_takes_the_guides_sizes_and_qualities(imagecli, server, size, quality):
    ran = imagecli(
        "gen", "a cat", "--base-url", server.url, "-m", "dall-e-3", "-s", size, "-q", quality, "-o", "cat.png"
    )
    assert (ran.code, ran.out) == (0, "cat.png\n")
    assert server.requests[0].json == {"prompt": "a cat", "model": "dall-e-3", "size": size, "quality": quality}


def test_dall_e_3_makes_one_image_a_request_so_four_are_sent_in_parallel(imagecli, server):
    server.delay = 0.5
    ran = imagecli("gen", "a cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "4", "-o", "cat.png", "--json")
    assert [request.json["n"] for request in server.requests] == [1, 1, 1, 1]
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png", "cat-2.png", "cat-3.png", "cat-4.png"]
    assert ran.json["elapsed_s"] < 4 * 0.5


@pytest.mark.parametrize("size", ["256x256", "512x512", "1024x1024"])
def test_dall_e_2_makes_up_to_ten_in_one_request(imagecli, server, size):
    ran = imagecli("gen", "a cat", "--base-url", server.url, "-m", "dall-e-2", "-n", "10", "-s", size, "-o", "cats/")
    assert server.requests[0].json == {"prompt": "a cat", "model": "dall-e-2", "n": 10, "size": size}
    assert len(server.requests) == 1
    assert ran.paths == ["cats/a-cat.png", *(f"cats/a-cat-{n}.png" for n in range(2, 11))]


def test_verbatim_puts_the_guides_words_before_the_prompt(imagecli, server):
    ran = imagecli("gen", "a cat", "--verbatim", "--base-url", server.url, "-m", "dall-e-3")
    assert server.requests[0].json["prompt"] == GUIDE + "a cat"
    assert ran.out == "a-cat.png\n"


def test_the_revised_prompt_is_in_the_json_and_on_stderr_with_v(imagecli, server):
    server.answer = lambda reply, _: reply.json(
        {"data": [{"b64_json": b64(picture()), "revised_prompt": "a fine\x1b[31m cat"}]}
    )
    assert (
        imagecli("gen", "cat", "--base-url", server.url, "--json").json["images"][0]["revised_prompt"] == "a fine cat"
    )
    said = imagecli("gen", "cat", "--base-url", server.url, "-v").err
    assert "a fine cat" in said
    assert "\x1b" not in said
    assert "a fine cat" not in imagecli("gen", "cat", "--base-url", server.url).err


@pytest.mark.parametrize("link", ["/files/cat.png", "cat.png", "{origin}/files/cat.png"])
def test_a_url_is_fetched_at_once_absolute_or_relative(imagecli, server, link):
    data = picture((30, 20))

    def answer(reply, request):
        if request.method == "GET":
            reply.send(data, kind="image/png")
        else:
            reply.json({"data": [{"url": link.format(origin=server.origin)}]})

    server.answer = answer
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "-o", "cat.png", "-m", "dall-e-3", "--response-format", "url"
    )
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == data
    assert server.requests[0].json["response_format"] == "url"


def test_the_key_goes_to_the_apis_own_origin_only(imagecli, server):
    from serving import Server

    with Server() as elsewhere:
        elsewhere.answer = lambda reply, _: reply.send(picture(), kind="image/png")
        server.answer = lambda reply, request: (
            reply.json({"data": [{"url": f"{elsewhere.origin}/a.png"}, {"url": "/b.png"}]})
            if request.method == "POST"
            else reply.send(picture(), kind="image/png")
        )
        ran = imagecli("gen", "cat", "-n", "2", env={"OPENAI_API_KEY": "sk-secret-1234", "OPENAI_BASE_URL": server.url})
        assert ran.code == 0, ran.err
        assert server.requests[0].headers["authorization"] == "Bearer sk-secret-1234"
        assert server.requests[1].headers["authorization"] == "Bearer sk-secret-1234"
        assert "authorization" not in elsewhere.requests[0].headers


def test_gpt_image_fields_go_under_the_wires_names(imagecli, server):
    ran = imagecli(
        *("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2.6-flare", "-s", "1536x864", "-q", "xhigh"),
        *("--format", "webp", "--compression", "80", "--background", "opaque", "--moderation", "low", "-n", "2"),
        *("--param", "safety_identifier=u-1", "--param", "x=[1,2]"),
    )
    assert server.requests[0].json == {
        "prompt": "cat",
        "model": "gpt-image-2.6-flare",
        "n": 2,
        "size": "1536x864",
        "quality": "xhigh",
        "output_format": "webp",
        "output_compression": 80,
        "background": "opaque",
        "moderation": "low",
        "safety_identifier": "u-1",
        "x": [1, 2],
    }
    assert "WARNING" not in ran.err.upper()


@pytest.mark.parametrize(
    ("name", "asked"),
    [("c.webp", "webp"), ("c.jpg", "jpeg"), ("c.jpeg", "jpeg"), ("c.png", "png"), ("c", None), ("c.x", None)],
)
def test_the_outputs_name_asks_for_its_format(imagecli, server, name, asked):
    kinds = {"webp": "WEBP", "jpeg": "JPEG"}
    server.answer = lambda reply, _: reply.send(images(picture(kind=kinds.get(asked or "", "PNG"))))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-o", name)
    assert (ran.code, ran.out) == (0, name + "\n")
    assert server.requests[0].json.get("output_format") == asked
    assert "holds" not in ran.err


def test_a_typed_format_beats_the_name_and_dall_e_is_asked_for_none(imagecli, server):
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-o", "c.png", "--format", "jpg")
    imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-o", "d.webp")
    assert server.requests[0].json["output_format"] == "jpeg"
    assert "output_format" not in server.requests[1].json


def test_other_bytes_than_the_name_says_are_saved_and_said(imagecli, server):
    server.answer = lambda reply, _: reply.send(images(picture(kind="JPEG")))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert ran.code == 0
    assert ran.json["images"][0]["format"] == "jpeg"
    assert "JPEG" in ran.json["warnings"][-1]
    assert "JPEG" in ran.err
    assert _opened("cat.png").format == "JPEG"


@pytest.mark.parametrize(
    ("args", "wrong"),
    [
        (["-m", "dall-e-3", "-s", "512x512"], "512x512"),
        (["-m", "dall-e-2", "-s", "landscape"], "landscape"),
        (["-m", "dall-e-3", "-q", "high"], "high"),
        (["-m", "gpt-image-2", "-s", "1000x1000"], "16"),
        (["-m", "gpt-image-2", "-s", "4096x1024"], "3840"),
        (["-m", "gpt-image-2", "-s", "512x512"], "655,360"),
        (["-m", "gpt-image-2", "-s", "3200x1024"], "3:1"),
        (["-m", "gpt-image-1.5", "-s", "2048x2048"], "2048x2048"),
        (["-m", "gpt-image-2", "--response-format", "url"], "response-format"),
        (["-m", "gpt-image-2", "--background", "transparent", "--format", "jpeg"], "transparent"),
        (["--compression", "101"], "100"),
        (["-n", "11"], "10"),
        (["-n", "0"], "10"),
        (["--param", "n=3"], "n"),
        (["--param", "size"], "KEY=VALUE"),
        (["--format", "tiff"], "tiff"),
        (["-o", "{nope}.png"], "nope"),
        (["-o", "{slug.png"], "brace"),
        (["-o", "-", "-n", "2"], "one image"),
        (["-o", "-", "--json"], "stdout"),
        (["-o", "-", "--dry-run"], "stdout"),
        (["--skip-existing"], "-o"),
        (["-f", "prompt.txt"], "two prompts"),
        (["--timeout", "0"], "timeout"),
        (["--nope"], "--nope"),
    ],
)
def test_what_is_certain_to_fail_is_refused_and_nothing_is_sent(imagecli, server, args, wrong):
    ran = imagecli("gen", "a cat", "--base-url", server.url, *args)
    assert (ran.code, ran.raw) == (2, b"") or "--json" in args
    assert ran.code == 2
    assert wrong in ran.err + ran.out
    assert all(line.startswith("imagecli: ") for line in ran.err.splitlines())
    assert server.requests == []


@pytest.mark.parametrize(("prompt", "wrong"), [("", "empty"), ("  \n", "empty"), ("x" * 32001, "32,001")])
def test_a_prompt_that_is_none_is_refused(imagecli, server, prompt, wrong):
    ran = imagecli("gen", prompt, "--base-url", server.url, "-m", "gpt-image-2")
    assert ran.code == 2
    assert wrong in ran.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("args", "field", "sent"),
    [
        (["-m", "gpt-image-2", "-q", "ultra"], "quality", "ultra"),
        (["-m", "gpt-image-9", "-s", "77x99"], "size", "77x99"),
        (["-s", "2K"], "size", "2K"),
        (["-m", "gpt-image-2.5-flare", "--format", "gif"], "output_format", "gif"),
    ],
)
def test_what_the_catalogue_merely_does_not_list_is_sent(imagecli, server, args, field, sent):
    assert imagecli("gen", "cat", "--base-url", server.url, *args).code == 0
    assert server.requests[0].json[field] == sent


def test_a_config_value_that_does_not_fit_is_left_out_with_a_warning(imagecli, server, home):
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('[defaults]\nsize = "512x512"\nquality = "high"\n')
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "--json")
    assert ran.code == 0
    assert server.requests[0].json == {"prompt": "cat", "model": "dall-e-3"}
    assert sum("left out" in warning for warning in ran.json["warnings"]) == 2


@pytest.mark.parametrize(
    ("model", "shape", "size"),
    [
        ("dall-e-3", "landscape", "1792x1024"),
        ("dall-e-3", "portrait", "1024x1792"),
        ("gpt-image-2", "portrait", "1024x1536"),
        ("whatever", "landscape", "1536x1024"),
    ],
)
def test_shapes_are_the_models_own_sizes(imagecli, server, model, shape, size):
    imagecli("gen", "cat", "--base-url", server.url, "-m", model, "-s", shape)
    assert server.requests[0].json["size"] == size


def test_the_prompt_comes_from_a_file_or_stdin_less_one_newline(imagecli, server):
    Path("p.txt").write_bytes("ein Kätzchen\n\n".encode())
    for args, stdin in ((["-f", "p.txt"], b""), (["-f", "-"], b"a cat\r\n"), (["-"], b"two\nlines\n")):
        assert imagecli("gen", *args, "--base-url", server.url, stdin=stdin).code == 0
    assert [request.json["prompt"] for request in server.requests] == ["ein Kätzchen\n", "a cat", "two\nlines"]


def test_raw_bytes_go_to_stdout_and_nothing_else(imagecli, server):
    data = picture((20, 20))
    server.answer = lambda reply, _: reply.send(images(data))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "-")
    assert (ran.code, ran.raw) == (0, data)
    assert list(Path().iterdir()) == []


def test_a_dry_run_prints_the_request_and_sends_and_writes_nothing(imagecli, server):
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "-n", "2", "-m", "dall-e-3", "--dry-run", "--json", "-o", "new/"
    )
    assert ran.code == 0
    assert ran.json["dry_run"] is True
    assert ran.json["images"] == []
    assert (
        ran.json["requests"]
        == [
            {
                "method": "POST",
                "url": f"{server.url}/images/generations",
                "fields": {"prompt": "cat", "model": "dall-e-3", "n": 1},
                "files": [],
            }
        ]
        * 2
    )
    assert server.requests == []
    assert list(Path().iterdir()) == []


def test_a_dry_run_needs_no_key_and_a_real_one_at_openai_does(imagecli):
    ran = imagecli("gen", "cat", "--dry-run")
    assert ran.code == 0
    assert "gpt-image-2.5-flare" in ran.out
    ran = imagecli("gen", "cat")
    assert ran.code == 4
    assert all(name in ran.err for name in ("OPENAI_API_KEY", "set-key", "--profile sandbox"))


def test_a_shutdown_warns_at_openais_own_host_only(imagecli, server):
    ran = imagecli("gen", "cat", "-m", "dall-e-3", "--dry-run", "--json")
    assert any("2026-05-12" in warning and "gpt-image-2.6-flare" in warning for warning in ran.json["warnings"])
    ran = imagecli("gen", "cat", "-m", "dall-e-3", "--base-url", server.url, "--json")
    assert not any("2026" in warning for warning in ran.json["warnings"])


def test_the_json_document_has_every_field(imagecli, server):
    usage = {"input_tokens": 50, "output_tokens": 1056, "total_tokens": 1106}
    server.answer = lambda reply, _: reply.send(images(picture(), usage=usage), x_request_id="req_7")
    document = imagecli("gen", "cat", "--base-url", server.url, "--json").json
    assert list(document) == [
        *("schema", "command", "ok", "profile", "route", "model", "images", "failures", "usage", "cost_usd"),
        *("elapsed_s", "request_ids", "warnings", "error"),
    ]
    assert list(document["images"][0]) == [
        "n",
        "path",
        "format",
        "width",
        "height",
        "bytes",
        "sha256",
        "revised_prompt",
    ]
    assert (document["schema"], document["command"], document["ok"]) == (1, "gen", True)
    assert (document["usage"], document["request_ids"], document["error"]) == (usage, ["req_7"], None)
    assert document["images"][0]["bytes"] == len(Path("cat.png").read_bytes())


def test_usage_errors_are_json_too_and_null_where_the_command_is_not_known(imagecli):
    ran = imagecli("gen", "cat", "--nope", "--json")
    assert (ran.code, ran.json["command"], ran.json["error"]["kind"]) == (2, "gen", "usage")
    assert imagecli("--json", "frobnicate").json["command"] is None
    assert imagecli("gen", "--json").json["error"]["exit_code"] == 2
    assert imagecli("gen", "--", "--json", "--nope").out == ""


def test_several_answers_for_one_image_are_all_kept(imagecli, server):
    server.answer = lambda reply, _: reply.send(images(picture(), picture(colour=(1, 2, 3))))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png", "cat-2.png"])
    assert "2 images for the 1" in ran.err


def test_a_picture_can_be_read_as_it_was_sent(imagecli, server):
    data = picture((300, 200), kind="WEBP")
    server.answer = lambda reply, _: reply.send(images(data))
    imagecli("gen", "cat", "--base-url", server.url)
    assert Path("cat.webp").read_bytes() == data
    assert Image.open(io.BytesIO(data)).size == (300, 200)


def test_verbose_says_what_is_sent_and_never_a_header(imagecli, server):
    ran = imagecli(
        *("gen", "cat", "-n", "2", "-m", "dall-e-3", "-v"),
        env={"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-secret-1234"},
    )
    assert f"imagecli: POST {server.url}/images/generations\nimagecli:   prompt: cat\n" in ran.err
    assert "and 1 more of the kind" in ran.err
    assert "secret" not in ran.err


def test_the_frames_of_a_gif_may_be_smaller_than_pictures(imagecli, server):
    server.answer = lambda reply, _: reply.send(images(picture(kind="GIF")))
    args = ("gen", "cat", "-m", "gpt-image-2.6-flare", "-s", "720x720", "--base-url", server.url)
    assert imagecli(*args).code == 2
    ran = imagecli(*args, "-o", "cat.gif", "--frames", "16", "--frame-ms", "100", "--json")
    assert ran.code == 0, ran.err
    sent = server.requests[0].json
    assert (sent["size"], sent["frame_count"], sent["frame_duration_ms"]) == ("720x720", 16, 100)
    assert any("720x720" in warning for warning in ran.json["warnings"])


def test_a_param_and_a_typed_flag_that_a_server_calls_alike_are_refused(imagecli, server, home):
    path = home / "config" / "imagecli" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[profiles.t]\nbase_url = "{server.url}"\ndialect = "together"\n')
    ran = imagecli("gen", "cat", "-P", "t", "-m", "m", "-s", "1024x1024", "--param", "width=512")
    assert (ran.code, "width" in ran.err, server.requests) == (2, True, [])
    assert imagecli("gen", "cat", "-P", "t", "-m", "m", "--param", "width=512").code == 0


def test_a_misspelt_dialect_is_refused_where_it_is_set(imagecli):
    ran = imagecli("config", "set", "profiles.u.dialect", "sdcp")
    assert (ran.code, "sdcpp" in ran.err) == (2, True)
    assert imagecli("config", "set", "profiles.u.dialect", "sdcpp").code == 0
