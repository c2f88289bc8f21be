"""Errors: exit code by cause, the server's own words and request id, and never a second bill unasked."""

from __future__ import annotations

import email.utils
import json
import socket
import time

import pytest
from serving import images, picture

KEY = "sk-very-secret-0123456789"
PICTURE = images(picture())


def _error(message="no", **fields):
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            _error(
                "Your request was rejected by the safety system.",
                code="moderation_blocked",
                type="image_generation_user_error",
            ),
            3,
        ),
        (400, _error("blocked", code="content_policy_violation", type="invalid_request_error"), 3),
        (400, _error("filtered", code="contentFilter"), 3),
        (400, _error("upstream: rejected by our safety system", type="image_generation_user_error", code="400"), 3),
        (400, _error("Billing hard limit has been reached", code="billing_hard_limit_reached"), 7),
        (429, _error("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"), 7),
        (429, _error("balance", code="credit_balance_exhausted"), 7),
        (402, _error("Payment required"), 7),
        (401, _error("Incorrect API key provided", code="invalid_api_key"), 4),
        (403, _error("Your organization must be verified to use the model", type="invalid_request_error"), 4),
        (403, _error("Country, region, or territory not supported"), 4),
        (403, {"detail": "Unauthorized"}, 4),
        (400, _error("No connected db."), 4),
        (400, _error("Unknown parameter: 'response_format'.", code="unknown_parameter", param="response_format"), 2),
        (400, _error("Invalid image file", code="invalid_image_file"), 2),
        (400, {"error": "prompt required"}, 2),
        (404, _error("The model 'x' does not exist", code="model_not_found"), 2),
        (404, b"", 2),
        (405, {"detail": "Method Not Allowed"}, 2),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", 2),
        (422, {"detail": [{"loc": ["body", "size"], "msg": "bad size"}]}, 2),
        (409, _error("locked"), 5),
        (429, _error("Rate limit reached", type="rate_limit_error", code="rate_limit_exceeded"), 5),
        (500, {"detail": "[address=1] boom"}, 5),
        (502, b"<html><h1>Bad Gateway</h1></html>", 5),
        (503, _error("overloaded", code="server_is_overloaded"), 5),
        (501, b"", 5),
        (408, _error("timeout"), 8),
        (504, b"gateway timeout", 8),
        (524, b"", 8),
        (418, b"teapot", 1),
    ],
)
def test_the_cause_decides_the_exit_code(imagecli, server, status, body, code):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.answer = lambda reply, _: reply.send(data, status, kind="text/html", x_request_id="req_42")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    error = ran.json["error"]
    assert ran.code == error["exit_code"] == code
    assert (error["http_status"], error["request_id"]) == (status, "req_42")
    assert error["hint"]
    assert ran.json["ok"] is False
    assert ran.json["images"] == []
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "the prompt is bad", "code": 400}}, "the prompt is bad"),
        ({"error": "plain words"}, "plain words"),
        ({"error": "server_error", "message": "[json.exception] deep"}, "[json.exception] deep"),
        ({"detail": "fastapi words"}, "fastapi words"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, "body.n: too many"),
        ({"detail": {"error": "inner words"}}, "inner words"),
        ({"title": "Problem", "detail": "problem words"}, "problem words"),
        ({"message": "bare message"}, "bare message"),
        (b"just text", "just text"),
        (b"<html><head><title>Nope</title><style>x{}</style></head><body><h1>Really</h1></body></html>", "Nope Really"),
        ({"error": {"message": "esc \x1b[31mred\x1b[0m \x07 end"}}, "esc red end"),
    ],
)
def test_the_servers_words_are_found_in_every_envelope(imagecli, server, body, words):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.answer = lambda reply, _: reply.send(data, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 2
    assert words in ran.err
    assert "\x1b" not in ran.err


def test_the_fields_of_an_error_reach_the_json(imagecli, server):
    server.answer = lambda reply, _: reply.json(
        _error("no", code="invalid_value", param="size", type="invalid_request_error"), 400
    )
    error = imagecli("gen", "cat", "--base-url", server.url, "--json").json["error"]
    assert (error["code"], error["param"], error["type"]) == ("invalid_value", "size", "invalid_request_error")


def test_a_refusal_by_the_policy_says_what_to_try(imagecli, server):
    server.answer = lambda reply, _: reply.json(
        _error("Rejected. safety_violations=[x]", code="moderation_blocked"), 400, x_request_id="req_1"
    )
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 3
    assert "safety_violations=[x]" in ran.err
    assert "req_1" in ran.err
    assert "prompt" in ran.err


def test_no_error_shows_the_key(imagecli, server):
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    for status, body in (
        (401, _error(f"Incorrect API key provided: {KEY}")),
        (400, {"error": KEY, "message": f"x {KEY}"}),
        (500, {"detail": [{"loc": [KEY], "msg": KEY}]}),
        (200, {"error": {"message": KEY, "code": KEY}}),
        (302, {}),
    ):
        server.answer = lambda reply, _, status=status, body=body: reply.json(
            body, status, Location=f"http://x/{KEY}", X_Request_Id=KEY
        )
        for flags in ((), ("--json",), ("-v",)):
            ran = imagecli("gen", "cat", "--retries", "0", *flags, env=env)
            assert ran.code != 0
            assert KEY not in ran.out + ran.err
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.posts)


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
def test_what_was_surely_not_begun_is_tried_again(imagecli, server, status):
    server.answers = [lambda reply, _: reply.json(_error("later"), status, retry_after_ms="1")] * 2
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 0, ran.err
    assert len(server.posts) == 3
    server.answer = lambda reply, _: reply.json(_error("later"), status, retry_after_ms="1")
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5
    assert len(server.posts) == 6


@pytest.mark.parametrize(
    ("headers", "status", "sent"),
    [
        ({"x_should_retry": "false"}, 500, 1),
        ({"x_should_retry": "true"}, 400, 2),
        ({"Retry_After": "0"}, 429, 2),
        ({"Retry_After": "soon"}, 429, 2),
        ({"Retry_After": "-5"}, 429, 2),
        ({"Retry_After": "3600"}, 429, 1),
        ({"Retry_After": email.utils.formatdate(time.time() + 3600, usegmt=True)}, 503, 1),
        ({"Retry_After": email.utils.formatdate(time.time() - 3600, usegmt=True)}, 503, 2),
        ({"retry_after_ms": "121000"}, 429, 1),
    ],
)
def test_the_headers_say_whether_and_when(imagecli, server, headers, status, sent):
    server.answers = [lambda reply, _: reply.json(_error("later"), status, **headers)]
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert len(server.posts) == sent
    if "3600" in headers.values():
        assert ran.code == 5
        assert "3,600 s" in ran.json["error"]["hint"]


def test_a_wait_that_is_only_in_the_words_is_understood(imagecli, server):
    server.answers = [lambda reply, _: reply.json(_error("No deployments available. Try again in 1 seconds"), 429)]
    begun = time.monotonic()
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert time.monotonic() - begun > 1


@pytest.mark.parametrize("code", ["insufficient_quota", "moderation_blocked", "invalid_api_key"])
def test_money_policy_and_auth_are_never_tried_again(imagecli, server, code):
    server.answer = lambda reply, _: reply.json(_error("no", code=code), 429, x_should_retry="true")
    assert imagecli("gen", "cat", "--base-url", server.url).code in {3, 4, 7}
    assert len(server.posts) == 1


def _cut(reply, _):
    reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + PICTURE[:60])
    reply.close()


@pytest.mark.parametrize(
    "lost",
    [
        lambda reply, _: reply.reset(),
        lambda reply, _: reply.close(),
        _cut,
        lambda reply, _: (reply.raw(b"garbage that is no HTTP\r\n\r\n"), reply.close()),
        lambda reply, _: reply.json(_error("timeout"), 408),
        lambda reply, _: reply.json(_error("timeout"), 504),
        lambda _, __: time.sleep(4),
    ],
    ids=["reset", "closed", "cut", "garbage", "408", "504", "hangs"],
)
def test_a_lost_answer_is_exit_8_and_sent_again_only_if_asked(imagecli, server, lost):
    server.answer = lost
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json", "--timeout", "2")
    assert (ran.code, ran.json["error"]["kind"]) == (8, "unknown_outcome")
    assert "--retry-unknown" in ran.json["error"]["hint"]
    assert len(server.posts) == 1
    server.answers, server.answer = [lost], lambda reply, _: reply.send(PICTURE)
    assert imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "--timeout", "2").code == 0
    assert len(server.posts) == 3


def test_a_reset_in_mid_upload_is_tried_again(imagecli, server):
    """The server reads the headers of a large upload and tears the connection down; nothing was begun."""
    import os
    import threading
    from pathlib import Path

    from PIL import Image

    Image.frombytes("RGB", (2500, 2500), os.urandom(2500 * 2500 * 3)).save("noise.png", compress_level=0)
    assert Path("noise.png").stat().st_size > 18_000_000
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def tear():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                seen.append(connection.recv(1000))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()

        threading.Thread(target=tear, daemon=True).start()
        port = listener.getsockname()[1]
        ran = imagecli(
            "edit", "noise.png", "x", "--base-url", f"http://127.0.0.1:{port}/v1", "--json", "--retries", "1"
        )
    assert (ran.code, ran.json["error"]["kind"]) == (5, "unavailable")
    assert len(seen) == 2


def test_a_server_that_is_not_there_is_exit_5(imagecli):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = imagecli("gen", "cat", "--base-url", f"http://127.0.0.1:{port}/v1", "--retries", "1")
    assert ran.code == 5
    assert f"127.0.0.1:{port}" in ran.err


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
    ok, gone = (lambda reply, _: reply.send(PICTURE)), (lambda reply, _: reply.reset())
    busy = lambda reply, _: reply.json(_error("later"), 503)  # noqa: E731 - one of a row
    for answers, code, images_there in (
        ([ok, busy], 6, 1),
        ([busy, ok], 6, 1),
        ([ok, gone], 8, 1),
        ([gone, busy], 8, 0),
        ([busy, lambda reply, _: reply.json(_error("no", code="insufficient_quota"), 429)], 7, 0),
        ([busy, lambda reply, _: reply.send(b"nonsense")], 5, 0),
    ):
        server.answers = list(answers)
        ran = imagecli(*arguments)
        assert (ran.code, len(ran.json["images"])) == (code, images_there), ran.out
        assert len(ran.json["failures"]) == 2 - images_there
        assert ran.json["error"]["exit_code"] == code


def test_after_a_wrong_key_the_other_requests_are_not_sent(imagecli, server):
    server.answer = lambda reply, _: reply.json(_error("bad key", code="invalid_api_key"), 401)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "5", "-j", "1", "--json")
    assert ran.code == 4
    assert len(server.posts) == 1
    assert [failure["n"] for failure in ran.json["failures"]] == [1, 2, 3, 4, 5]
