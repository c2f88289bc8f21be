"""A field that a server refuses as unknown, or that nobody typed, is left out with a warning, and it is asked again."""

from __future__ import annotations

import json

import pytest

from imagecli.client.errors.fields import missing_fields, unknown_fields
from support.serving import image_file


def openais(field):
    return 400, {
        "error": {
            "message": f"Unknown parameter: '{field}'.",
            "type": "invalid_request_error",
            "param": field,
            "code": "unknown_parameter",
        }
    }


def fastapis(*fields):
    entries = [
        {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs are not permitted", "input": "x"}
        for field in fields
    ]
    return 422, {"detail": entries}


def strict(server, *known, refuse=lambda fields: openais(fields[0]), n=True):
    """Make the server refuse every field but these."""
    accept = server.respond

    def respond(reply, request):
        sent = request.json if "json" in request.headers["content-type"] else request.form
        unknown = [field for field in sent if field not in {"prompt", "model", *(("n",) if n else ()), *known}]
        if unknown:
            status, document = refuse(unknown)
            reply.json(document, status)
        else:
            accept(reply, request)

    server.respond = respond


def test_a_format_that_only_the_name_asked_for_is_dropped(imagecli, server):
    strict(server)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "gpt-image-2", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"])
    asked = {"prompt": "cat", "model": "gpt-image-2"}
    assert [post.json for post in server.posts] == [asked | {"output_format": "png"}, asked]
    assert "output_format" in ran.err
    assert ran.err.count("\n") == 1


def test_a_refusal_by_the_content_policy_is_final_whatever_it_says(imagecli, server):
    error = {"message": "Rejected by the safety system: Unknown parameter: 'size'.", "code": "moderation_blocked"}
    server.respond = lambda reply, _: reply.json({"error": error}, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-s", "512x512", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (3, 1)


def test_all_fields_that_a_refusal_names_are_dropped_at_once(imagecli, server):
    strict(server, "size", refuse=lambda fields: fastapis(*fields))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-s", "512x512", "-q", "low", "--style", "vivid", "--json")
    assert ran.code == 0, ran.err
    assert [sorted(post.json) for post in server.posts] == [["prompt", "quality", "size", "style"], ["prompt", "size"]]
    assert any("quality" in warning and "style" in warning for warning in ran.json["warnings"])


def test_a_server_that_names_one_field_at_a_time_is_asked_once_more_for_each(imagecli, server):
    strict(server)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-s", "512x512", "-q", "low", "--format", "png")
    assert ran.code == 0, ran.err
    assert [len(post.json) for post in server.posts] == [4, 3, 2, 1]
    assert [name in ran.err for name in ("size", "quality", "output_format")] == [True] * 3


def test_the_request_is_repeated_once_for_a_field_and_no_more(imagecli, server):
    status, document = openais("quality")
    server.respond = lambda reply, _: reply.json(document, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-s", "512x512", "-q", "low")
    assert (ran.code, len(server.posts)) == (2, 2)
    assert server.posts[1].json == {"prompt": "cat", "size": "512x512"}


def test_a_server_without_streams_is_asked_without(imagecli, server):
    strict(server)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat")
    assert ran.code == 0, ran.err
    assert server.posts[1].json == {"prompt": "cat"}


def test_a_form_drops_its_fields_too_and_keeps_its_files(imagecli, server, tmp_path):
    strict(server)
    (tmp_path / "in.png").write_bytes(image_file())
    ran = imagecli("edit", str(tmp_path / "in.png"), "cat", "--base-url", server.url, "-q", "low")
    assert ran.code == 0, ran.err
    assert list(server.posts[1].form) == ["prompt"]
    assert list(server.posts[1].files) == ["image"]


def test_later_requests_of_the_run_leave_it_out_at_once(imagecli, server):
    strict(server)
    ran = imagecli("gen", "cat", "-n", "3", "-j", "1", "-q", "hd", "--base-url", server.url, "-m", "dall-e-3")
    assert ran.code == 0, ran.err
    assert ["quality" in post.json for post in server.posts] == [True, False, False, False]


@pytest.mark.parametrize("field", ["prompt", "model", "n"])
def test_what_the_request_is_about_is_never_dropped(imagecli, server, field):
    status, document = openais(field)
    server.respond = lambda reply, _: reply.json(document, status)
    ran = imagecli("gen", "cat", "-n", "2", "-m", "x", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (2, 1)


REFUSALS = [
    (400, {"error": {"message": "Unhandled parameter: output_compression", "code": 400}}),  # OpenVINO Model Server
    (400, {"error": {"message": "Extra inputs are not permitted, field: 'output_compression'"}}),  # Fireworks
    (400, {"error": {"message": "Invalid value: 7", "param": "output_compression", "code": "invalid_value"}}),
    (422, {"detail": [{"type": "less_than", "loc": ["body", "output_compression"], "msg": "must be smaller"}]}),
    (422, {"detail": [{"loc": ["body", "request", 0, "output_compression"], "msg": "no"}]}),
    (400, {"errors": [{"detail": "no", "source": {"pointer": "/data/output_compression"}}]}),
    (400, {"detail": "Bad request: field output_compression may only be used with jpeg"}),
    (400, b"cannot parse output_compression"),
    (422, {"title": "Invalid", "validation": [{"location": ["request", "body"], "message": "output_compression: no"}]}),
    (400, {"message": "x", "error": {"details": [{"field": "output_compression", "issue": "not allowed"}]}}),
    (400, {"error": {"message": 'upstream: {"error": {"param": "output_compression", "message": "no"}}'}}),
]


@pytest.fixture
def by_config(home):
    """A default that nobody types."""
    config = home / "config" / "imagecli" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[defaults]\ncompression = 7\n")
    config.chmod(0o600)


@pytest.mark.parametrize(("status", "document"), REFUSALS)
def test_what_nobody_typed_is_left_out_in_whichever_words_it_is_refused(imagecli, server, by_config, status, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    server.responses = [lambda reply, _: reply.send(body, status)]
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json", "-s", "512x512")
    assert ran.code == 0, ran.err
    sizes = {"prompt": "cat", "size": "512x512"}
    assert [post.json for post in server.posts] == [{**sizes, "output_compression": 7}, sizes]
    assert [warning for warning in ran.json["warnings"] if "refused output_compression" in warning]


@pytest.mark.parametrize(("status", "document"), REFUSALS)
def test_what_was_typed_is_not_left_out_unless_it_is_clearly_unknown(imagecli, server, status, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    server.respond = lambda reply, _: reply.send(body, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--compression", "7")
    assert (ran.code, len(server.posts)) == (2, 1)


def test_a_refused_field_is_asked_without_once(imagecli, server, by_config):
    server.respond = lambda reply, _: reply.json({"detail": "output_compression is bad"}, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (2, 2)


@pytest.mark.parametrize(
    ("status", "document", "code"),
    [
        (400, {"error": {"message": "output_compression", "code": "moderation_blocked"}}, 3),
        (400, {"error": {"message": "output_compression", "code": "billing_hard_limit_reached"}}, 7),
        (401, {"error": {"message": "output_compression"}}, 4),
        (404, {"error": {"message": "output_compression"}}, 2),
        (500, {"error": {"message": "output_compression"}}, 5),
        (200, {"error": {"message": "output_compression", "type": "invalid_request_error"}}, 2),
        # another field is meant, and says so in a key of its own
        (400, {"error": {"message": "size and output_compression differ", "param": "size"}}, 2),
        (422, {"detail": [{"loc": ["body", "size"], "msg": "bad", "input": {"output_compression": 7}}]}, 2),
        # part of another word, or what the server was sent
        (400, {"error": {"message": "my_output_compression is bad"}}, 2),
        (400, {"error": {"message": "bad request", "input": "output_compression"}}, 2),
    ],
)
def test_other_errors_are_no_reason_to_leave_it_out(imagecli, server, by_config, status, document, code):
    server.respond = lambda reply, _: reply.json(document, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-s", "512x512", "--retries", "0")
    assert (ran.code, len(server.posts)) == (code, 1), ran.err


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (400, {"error": {"message": "Invalid size: 512x512", "param": "size", "code": "invalid_value"}}),
        (500, {"error": {"message": "Unknown parameter: 'size'.", "param": "size", "code": "unknown_parameter"}}),
        (200, {"error": {"message": "Unknown parameter: 'size'.", "param": "size", "code": "unknown_parameter"}}),
        (422, {"detail": [{"type": "int_parsing", "loc": ["body", "size"], "msg": "not an integer"}]}),
    ],
)
def test_another_refusal_is_not_repeated(imagecli, server, status, document):
    server.respond = lambda reply, _: reply.json(document, status)
    ran = imagecli("gen", "cat", "-s", "512x512", "--base-url", server.url, "--retries", "0")
    assert ran.code != 0
    assert len(server.posts) == 1


def test_a_file_is_never_dropped(imagecli, server, tmp_path):
    status, document = openais("mask")
    server.respond = lambda reply, _: reply.json(document, status)
    (tmp_path / "in.png").write_bytes(image_file())
    ran = imagecli(
        *("edit", str(tmp_path / "in.png"), "cat", "--mask-rect", "1,1,9,9", "--base-url", server.url, "-q", "low")
    )
    assert (ran.code, len(server.posts)) == (2, 1)


def missing(field):
    return {"detail": [{"type": "missing", "loc": ["body", field], "msg": "Field required", "input": None}]}


@pytest.mark.parametrize(
    "refusal",
    [
        missing("image"),
        {"title": "Bad", "validation": [{"message": "Request body must have required property 'image'"}]},
    ],
)
def test_several_images_are_called_image_where_a_server_misses_that(imagecli, server, tmp_path, refusal):
    """Some do not know `image[]`: mlx-openai-server, and OpenAI's own description."""
    accept = server.respond
    server.respond = lambda reply, request: (
        accept(reply, request) if "image" in request.files else reply.json(refusal, 422)
    )
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(image_file())
    args = ("edit", str(tmp_path / "a.png"), "cat", "-i", str(tmp_path / "b.png"), "--base-url", server.url)
    ran = imagecli(*args, "--mask-rect", "1,1,9,9")
    assert ran.code == 0, ran.err
    assert [sorted(post.files) for post in server.posts] == [["image[]", "mask"], ["image", "mask"]]
    assert len(server.posts[1].files["image"]) == 2


def test_base64_is_asked_for_where_a_server_has_no_urls(imagecli, server):
    accept = server.respond
    words = "response_format='url' requires cloud storage to be configured. Use response_format='b64_json'."
    server.respond = lambda reply, request: (
        accept(reply, request) if "response_format" in request.json else reply.json({"detail": words}, 400)
    )
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert [post.json.get("response_format") for post in server.posts] == [None, "b64_json"]
    ran = imagecli("gen", "cat", "--response-format", "url", "--base-url", server.url, "--force", "-o", "c.png")
    assert ran.code == 0  # the message names what was asked for, and this server takes it


def test_a_field_that_can_not_be_supplied_is_no_reason_to_ask_again(imagecli, server):
    server.respond = lambda reply, _: reply.json(missing("image"), 422)
    assert imagecli("gen", "cat", "--base-url", server.url).code == 2
    assert len(server.posts) == 1


def test_a_server_that_misses_what_it_does_not_know_is_not_asked_for_ever(imagecli, server):
    """A gateway to two servers: one of them needs the field, the other refuses it."""

    def respond(reply, request):
        knows = "response_format" in request.json
        reply.json(openais("response_format")[1] if knows else missing("response_format"), 400 if knows else 422)

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (2, 3)


@pytest.mark.parametrize("key", ["type", "code", "param"])
@pytest.mark.parametrize("value", [{"a": 1}, [1]])
def test_a_value_that_is_not_text_is_not_shown(key, value):
    assert unknown_fields(400, {"error": {"message": "no", key: value, "loc": ["body", "x"]}}) == ()
    assert missing_fields(400, {"error": {"message": "no", key: value, "loc": ["body", "x"]}}) == ()


def test_one_image_is_what_comes_without_n(imagecli, server):
    strict(server, n=False)
    ran = imagecli("gen", "cat", "-n", "1", "-o", "cat", "--base-url", server.url)
    assert (ran.code, [post.json for post in server.posts]) == (0, [{"prompt": "cat", "n": 1}, {"prompt": "cat"}])
    ran = imagecli("gen", "cat", "-n", "2", "-o", "two", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (2, 3)


@pytest.mark.parametrize("code", [400, "422"])
@pytest.mark.parametrize("words", ["Unknown parameter: 'quality'.", "Missing required parameter: 'response_format'"])
def test_fields_named_in_a_success_are_no_reason_to_ask_again(imagecli, server, code, words):
    """A gateway's 200 with an error's status inside: the server behind it may have begun, and may be paid."""
    server.respond = lambda reply, _: reply.json({"error": {"code": code, "message": words}})
    assert imagecli("gen", "cat", "-q", "high", "--base-url", server.url).code == 2
    assert len(server.posts) == 1
