"""`gen`: what is sent, what is saved, what is printed."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from PIL import Image

from support.serving import b64, error_document, image_file, response_with

IMAGE = image_file()

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
    together = threading.Barrier(4)

    def respond(reply, _):
        together.wait(60)
        reply.send(response_with(IMAGE))

    server.respond = respond
    ran = imagecli("gen", "a cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "4", "-o", "cat.png", "--json")
    assert [request.json["n"] for request in server.requests] == [1, 1, 1, 1]
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png", "cat-2.png", "cat-3.png", "cat-4.png"]


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
    server.respond = lambda reply, _: reply.json(
        {"data": [{"b64_json": b64(image_file()), "revised_prompt": "a fine\x1b[31m cat"}]}
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
    data = image_file((30, 20))

    def respond(reply, request):
        if request.method == "GET":
            reply.send(data, kind="image/png")
        else:
            reply.json({"data": [{"url": link.format(origin=server.origin)}]})

    server.respond = respond
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "-o", "cat.png", "-m", "dall-e-3", "--response-format", "url"
    )
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == data
    assert server.requests[0].json["response_format"] == "url"


def test_the_key_goes_to_the_apis_own_origin_only(imagecli, server):
    from support.serving import Server

    with Server() as elsewhere:
        elsewhere.respond = lambda reply, _: reply.send(image_file(), kind="image/png")
        server.respond = lambda reply, request: (
            reply.json({"data": [{"url": f"{elsewhere.origin}/a.png"}, {"url": "/b.png"}]})
            if request.method == "POST"
            else reply.send(image_file(), kind="image/png")
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
    said = ran.err.splitlines()
    assert ["64x48, not the 1536x864" in said[0], "PNG, not the webp" in said[1], len(said)] == [True, True, 2]


@pytest.mark.parametrize(
    ("name", "asked"),
    [("c.webp", "webp"), ("c.jpg", "jpeg"), ("c.jpeg", "jpeg"), ("c.png", "png"), ("c", None), ("c.x", None)],
)
def test_the_outputs_name_asks_for_its_format(imagecli, server, name, asked):
    kinds = {"webp": "WEBP", "jpeg": "JPEG"}
    server.respond = lambda reply, _: reply.send(response_with(image_file(kind=kinds.get(asked or "", "PNG"))))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-o", name)
    assert (ran.code, ran.out) == (0, name + "\n")
    assert server.requests[0].json.get("output_format") == asked
    assert "holds" not in ran.err


def test_a_typed_format_beats_the_name_and_dall_e_is_asked_for_none(imagecli, server):
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-o", "c.png", "--format", "jpg")
    imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-o", "d.webp")
    assert server.requests[0].json["output_format"] == "jpeg"
    assert "output_format" not in server.requests[1].json


def test_an_image_of_another_format_than_its_name_is_saved_with_a_warning(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file(kind="JPEG")))
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
        (["-f", "prompt.txt"], "can't be used together"),
        (["--timeout", "0"], "timeout"),
        (["--nope"], "--nope"),
    ],
)
def test_what_is_certain_to_fail_is_refused_and_nothing_is_sent(imagecli, server, args, wrong):
    """A value that does not fit the model is certain to fail at the model's own hosts; a slip is one everywhere."""
    place = ("-P", "sandbox") if args[0] == "-m" else ("--base-url", server.url)
    ran = imagecli("gen", "a cat", *place, *args)
    assert (ran.code, ran.raw) == (2, b"") or "--json" in args
    assert ran.code == 2
    assert wrong in ran.err + ran.out
    assert all(line.startswith("imagecli: ") for line in ran.err.splitlines())
    assert server.requests == []


@pytest.mark.parametrize(("prompt", "wrong"), [("", "empty"), ("  \n", "empty"), ("x" * 32001, "32,001")])
def test_an_empty_or_overlong_prompt_is_refused(imagecli, prompt, wrong):
    ran = imagecli("gen", prompt, "-P", "sandbox", "-m", "gpt-image-2")
    assert ran.code == 2
    assert wrong in ran.err


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
    data = image_file((20, 20))
    server.respond = lambda reply, _: reply.send(response_with(data))
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
    server.respond = lambda reply, _: reply.send(response_with(image_file(), usage=usage), x_request_id="req_7")
    document = imagecli("gen", "cat", "--base-url", server.url, "--json").json
    assert list(document) == [
        *(
            "schema",
            "command",
            "ok",
            "profile",
            "route",
            "model",
            "images",
            "failures",
            "usage",
            "svg_usage",
            "cost_usd",
        ),
        *("cost_source", "elapsed_s", "request_ids", "warnings", "error"),
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


def test_several_responses_for_one_image_are_all_kept(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file(), image_file(colour=(1, 2, 3))))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png", "cat-2.png"])
    assert "2 images instead of 1" in ran.err


def test_an_image_can_be_read_as_it_was_sent(imagecli, server):
    data = image_file((300, 200), kind="WEBP")
    server.respond = lambda reply, _: reply.send(response_with(data))
    imagecli("gen", "cat", "--base-url", server.url)
    assert Path("cat.webp").read_bytes() == data
    assert Image.open(io.BytesIO(data)).size == (300, 200)


def test_verbose_shows_what_is_sent_and_never_a_header(imagecli, server):
    ran = imagecli(
        *("gen", "cat", "-n", "2", "-m", "dall-e-3", "-v"),
        env={"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-secret-1234"},
    )
    assert f"imagecli: POST {server.url}/images/generations\nimagecli:   prompt: cat\n" in ran.err
    assert "and 1 more like it" in ran.err
    assert "secret" not in ran.err


def test_the_frames_of_a_gif_may_be_smaller_than_images(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file(kind="GIF")))
    args = ("gen", "cat", "-m", "gpt-image-2.6-flare", "-s", "720x720")
    assert imagecli(*args, "-P", "sandbox").code == 2
    ran = imagecli(*args, "--base-url", server.url, "-o", "cat.gif", "--frames", "16", "--frame-ms", "100", "--json")
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


def test_errors_before_sending_report_all_that_is_known(imagecli):
    ran = imagecli("gen", "fox", "--json", "-m", "dall-e-3", "-n", "2")
    document = ran.json
    assert ran.code == 4
    assert (document["profile"], document["model"]) == ("openai", "dall-e-3")
    assert [failure["n"] for failure in document["failures"]] == [1, 2]
    assert any("2026-05-12" in warning for warning in document["warnings"])
    assert "2026-05-12" in ran.err


def test_auto_is_sent_only_if_typed(imagecli, server):
    env = {"IMAGECLI_SIZE": "auto", "IMAGECLI_QUALITY": "auto"}
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", env=env)
    imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-s", "auto")
    assert "size" not in server.posts[0].json
    assert "quality" not in server.posts[0].json
    assert server.posts[1].json["size"] == "auto"


def test_more_images_than_asked_for_do_no_harm(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(IMAGE, IMAGE, IMAGE))
    Path("o-2.png").write_bytes(b"mine")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "-")
    assert (ran.code, ran.raw) == (0, IMAGE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "o.png", "--force")
    assert Path("o-2.png").read_bytes() == b"mine"
    assert len(ran.paths) == 3
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "/dev/null").paths == ["/dev/null"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "g.png", "-n", "2").paths[2] == "g-3.png"


def test_kept_responses_are_all_named(imagecli, server):
    server.responses = [
        lambda reply, _: reply.json({"error": "boom"}, 501),
        lambda reply, _: reply.json({"data": [{"b64_json": "!!!!"}]}),
    ]
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", "-m", "dall-e-3", "-j", "1")
    assert ran.code == 5
    kept = ran.err.split("the response is kept in ")[1].split()[0]
    assert "!!!!" in Path(kept).read_text()


def test_a_name_whose_format_the_model_cannot_make_is_warned_about_before(imagecli):
    ran = imagecli("gen", "fox", "-P", "sandbox", "-o", "f.svg", "--dry-run")
    assert "svg" in ran.err
    assert imagecli("gen", "fox", "-P", "sandbox", "-m", "dall-e-3", "-o", "f.png", "--dry-run").err == ""


def test_what_the_config_sets_for_other_formats_is_left_out(imagecli, tmp_path):
    """interface.md: a value from the config that does not fit is left out with a warning."""
    environ = {"IMAGECLI_COMPRESSION": "80", "IMAGECLI_FRAMES": "5", "IMAGECLI_FRAME_MS": "50"}
    ran = imagecli("gen", "cat", "-P", "sandbox", "-m", "gpt-image-2.6-flare", env=environ)
    assert ran.code == 0, ran.err
    assert ran.err.count("is left out") == 3


def test_with_several_requests_the_contracts_order_decides(imagecli, server):
    arguments = (
        "gen",
        "cat",
        "--base-url",
        server.url,
        "-m",
        "dall-e-3",
        "-n",
        "2",
        "-j",
        "1",
        "--retries",
        "0",
        "--json",
    )
    ok, gone = (lambda reply, _: reply.send(response_with(IMAGE))), (lambda reply, _: reply.reset())
    busy = lambda reply, _: reply.json(error_document("later"), 503)  # noqa: E731 - one of a row
    blocked = lambda reply, _: reply.json(error_document("no", code="moderation_blocked"), 400)  # noqa: E731 - the same
    for responses, code, images_there in (
        ([ok, busy], 6, 1),
        ([busy, ok], 6, 1),
        ([ok, gone], 8, 1),
        ([gone, busy], 8, 0),
        ([busy, lambda reply, _: reply.json(error_document("no", code="insufficient_quota"), 429)], 7, 0),
        ([busy, lambda reply, _: reply.send(b"nonsense")], 5, 0),
        ([busy, blocked], 3, 0),
        ([blocked, lambda reply, _: reply.json({"detail": "bad size"}, 422)], 3, 0),
        ([blocked, lambda reply, _: reply.json(error_document("no", code="invalid_api_key"), 401)], 4, 0),
    ):
        server.responses = list(responses)
        ran = imagecli(*arguments)
        assert (ran.code, len(ran.json["images"])) == (code, images_there), ran.out
        assert len(ran.json["failures"]) == 2 - images_there
        assert ran.json["error"]["exit_code"] == code


@pytest.mark.parametrize(
    ("status", "error", "code", "sent"),
    [
        (401, error_document("bad key", code="invalid_api_key"), 4, 1),
        (400, error_document("no money", code="billing_hard_limit_reached"), 7, 1),
        (422, {"detail": "bad size"}, 2, 1),
        # Another image of the same prompt may pass, and may come through.
        (400, error_document("no", code="moderation_blocked"), 3, 3),
        (503, error_document("busy"), 5, 3),
        (504, error_document("too slow"), 8, 3),
        (413, b"<html>too large</html>", 2, 1),
        (302, b"", 1, 3),
    ],
)
def test_what_every_request_would_meet_ends_those_that_have_not_begun(imagecli, server, status, error, code, sent):
    body = error if isinstance(error, bytes) else json.dumps(error).encode()
    server.respond = lambda reply, _: reply.send(body, status)
    args = ("--base-url", server.url, "-m", "dall-e-3", "-n", "3", "-j", "1", "--retries", "0", "--json")
    ran = imagecli("gen", "cat", *args)
    assert (ran.code, len(server.posts)) == (code, sent)
    assert [failure["n"] for failure in ran.json["failures"]] == [1, 2, 3]
    assert {failure["exit_code"] for failure in ran.json["failures"]} == {code}


def test_after_one_refusal_by_the_content_policy_the_other_images_are_made(imagecli, server):
    server.responses = [lambda reply, _: reply.json(error_document("no", code="moderation_blocked"), 400)]
    args = ("--base-url", server.url, "-m", "dall-e-3", "-n", "3", "-j", "1", "-o", "cat.png", "--json")
    ran = imagecli("gen", "cat", *args)
    assert (ran.code, [image["path"] for image in ran.json["images"]]) == (6, ["cat-2.png", "cat-3.png"])
    [failure] = ran.json["failures"]
    assert (failure["n"], failure["kind"]) == (1, "content_policy")


@pytest.mark.parametrize("text", ["\ud83e", "x\udcffy", "\udd8a\ud83e"])
def test_no_lone_surrogate_is_in_the_document(imagecli, server, text):
    server.respond = lambda reply, _: reply.json({"data": [{"b64_json": b64(image_file()), "revised_prompt": text}]})
    ran = imagecli("gen", "cat 🦊", "--base-url", server.url, "-o", "cat-🦊.png", "--json")
    assert ran.code == 0
    [image] = ran.json["images"]
    assert image["path"] == "cat-🦊.png"
    assert image["revised_prompt"].replace("\ufffd", "").encode() in {b"", b"xy"}
    assert "\ufffd" in image["revised_prompt"]


def test_a_missing_image_is_said_once(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file(), image_file()))
    ran = imagecli("gen", "cat", "-n", "3", "-o", "cat.png", "--base-url", server.url)
    assert ran.code == 6
    assert ran.err.count("the server sent 2 of 3 images") == 1
    assert len([line for line in ran.err.splitlines() if "missing" in line]) == 1


def test_a_dry_run_shows_no_control_character_of_a_prompts_file(imagecli):
    Path("prompt.txt").write_text("a \x1b[31mred\x07 fox\n\u202eonly \x9b2J", encoding="utf-8")
    ran = imagecli("gen", "-f", "prompt.txt", "-P", "sandbox", "--dry-run")
    assert "  prompt: a red fox\nonly " in ran.out
    assert not [each for each in ran.out if not (each.isprintable() or each == "\n")]
