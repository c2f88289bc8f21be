"""Retries: what is safe to send again, after how long, and never a second bill unasked."""

from __future__ import annotations

import email.utils
import socket
import time
from pathlib import Path

import pytest

from support.serving import error_document, image_file, noise, response_with

KEY = "sk-very-secret-0123456789"
IMAGE = response_with(image_file())


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
def test_what_certainly_was_not_begun_is_tried_again(imagecli, server, status):
    server.responses = [lambda reply, _: reply.json(error_document("later"), status, retry_after_ms="1")] * 2
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 0, ran.err
    assert len(server.posts) == 3
    server.respond = lambda reply, _: reply.json(error_document("later"), status, retry_after_ms="1")
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
def test_the_headers_decide_whether_and_when(imagecli, server, headers, status, sent):
    server.responses = [lambda reply, _: reply.json(error_document("later"), status, **headers)]
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert len(server.posts) == sent
    if "3600" in headers.values():
        assert ran.code == 5
        assert "3,600 s" in ran.json["error"]["hint"]


def test_a_wait_that_is_only_in_the_message_is_understood(imagecli, server, waits):
    server.responses = [
        lambda reply, _: reply.json(error_document("No deployments available. Try again in 1 seconds"), 429)
    ]
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert waits == [1]


@pytest.mark.parametrize("code", ["insufficient_quota", "moderation_blocked", "invalid_api_key"])
def test_money_policy_and_auth_are_never_tried_again(imagecli, server, code):
    server.respond = lambda reply, _: reply.json(error_document("no", code=code), 429, x_should_retry="true")
    assert imagecli("gen", "cat", "--base-url", server.url).code in {3, 4, 7}
    assert len(server.posts) == 1


def _cut(reply, _):
    reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + IMAGE[:60])
    reply.close()


def _too_late(reply, clock):
    clock.advance(61)
    reply.raw(b"HTTP/1.1 200 OK\r\n")
    reply.hang()


@pytest.mark.parametrize(
    "lost",
    [
        lambda reply, _: reply.reset(),
        lambda reply, _: reply.close(),
        _cut,
        lambda reply, _: (reply.raw(b"garbage that is no HTTP\r\n\r\n"), reply.close()),
        lambda reply, _: reply.json(error_document("timeout"), 408),
        lambda reply, _: reply.json(error_document("timeout"), 504),
        _too_late,
    ],
    ids=["reset", "closed", "cut", "garbage", "408", "504", "too late"],
)
def test_a_lost_response_is_exit_8_and_sent_again_only_if_asked(imagecli, server, clock, lost):
    server.respond = lambda reply, _: lost(reply, clock)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json", "--timeout", "60")
    assert (ran.code, ran.json["error"]["kind"]) == (8, "unknown_outcome")
    assert "--retry-unknown" in ran.json["error"]["hint"]
    assert len(server.posts) == 1
    server.responses, server.respond = [server.respond], lambda reply, _: reply.send(IMAGE)
    assert imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "--timeout", "60").code == 0
    assert len(server.posts) == 3


def test_a_server_that_sends_nothing_is_waited_for_until_the_timeout(imagecli, server):
    server.respond = lambda reply, _: reply.hang()
    ran = imagecli("gen", "cat", "--base-url", server.url, "--timeout", "0.3", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (8, "unknown_outcome")
    server.wait_for(lambda requests: len(requests) == 1)


def test_a_reset_in_mid_upload_is_tried_again(imagecli, server):
    """The server reads the headers of a large upload and resets the connection; nothing was begun."""
    import threading

    Path("noise.png").write_bytes(noise((2500, 2500)))
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


def test_the_beginning_of_a_lost_response_is_kept_also_with_retry_unknown(imagecli, server, home):
    def cut(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"{" * 200)
        reply.close()

    server.respond = cut
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "--retries", "1", "--json")
    assert ran.code == 8
    kept = Path(ran.json["error"]["saved_response"])
    assert kept.read_bytes() == b"{" * 200
    assert [path.name for path in (home / "state" / "imagecli" / "answers").iterdir()] == [kept.name]


@pytest.mark.parametrize("words", ["Try again in 1h.", "Please try again in 2m30s", "try again in 3 minutes"])
def test_long_waits_in_the_message_are_not_waited_for(imagecli, server, waits, words):
    server.respond = lambda reply, _: reply.json({"error": {"message": words}}, 429)
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5
    assert (waits, len(server.posts)) == ([], 1)
