"""Retries: what is safe to send again, after how long, and never a second bill unasked."""

from __future__ import annotations

import email.utils
import json
import socket
import time
from pathlib import Path

import pytest

from support.serving import b64, error_document, image_file, noise, response_with

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


def test_what_one_request_is_told_the_next_ones_heed(imagecli, server, waits):
    """No time passes here, so each that begins later is held for the whole of it."""
    server.responses = [lambda reply, _: reply.json(error_document("later"), 429, retry_after="100")]
    assert imagecli("gen", "cat", "--base-url", server.url, "-n", "3", "-j", "1", "-m", "dall-e-3").code == 0
    assert (len(server.posts), [round(each, -1) for each in waits]) == (4, [100, 100, 100])


def test_a_wait_that_is_only_in_the_message_is_understood(imagecli, server, waits):
    server.responses = [
        lambda reply, _: reply.json(error_document("No deployments available. Try again in 1 seconds"), 429)
    ]
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert waits == [1]


def test_a_wait_in_the_details_is_kept_to_and_one_that_is_too_long_ends_the_run(imagecli, server, waits):
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.9s"}]
    server.responses = [lambda reply, _: reply.json({"error": {"message": "busy", "details": details}}, 429)]
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert waits == [37.9]
    server.respond = lambda reply, _: reply.json({"error": {"message": "busy", "retry_after": 121}}, 429)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, waits, "121 s" in ran.err) == (5, [37.9], True)


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


PAGE = b"<html><head><title>502 Bad Gateway</title></head><center>nginx/1.22.1</center></html>"


def _body(document):
    return document if isinstance(document, bytes) else json.dumps(document).encode()


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (502, PAGE),
        (503, b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"),
        (500, b"Internal Server Error"),
        (502, b""),
        (503, b"null"),
        (522, PAGE),
        (500, {"error": {"type": "upstream_error", "message": "bad response status code 502"}}),
        (502, {"message": "An invalid response was received from the upstream server"}),
        (500, {"error": {"message": "do request failed", "code": "do_request_failed", "type": "new_api_error"}}),
        (500, {"error": {"message": "Post https://x/v1: unexpected EOF", "type": "server_error"}}),
        (500, {"error": {"message": "do request failed: context deadline exceeded", "type": "one_api_error"}}),
        (503, {"error": {"message": "上游服务暂时不可用", "type": "new_api_error"}}),
        (500, {"message": "Internal server error"}),
        (502, {"type": "about:blank", "title": "Bad Gateway", "status": 502}),
        (500, {"status": 500, "error": "Internal Server Error", "path": "/v1/images/generations"}),
        (503, {"error": "Service Unavailable"}),
        (502, {"error": {"code": "OriginTimeout", "message": "The origin failed to respond"}}),
        (502, {"title": "Error 502: Bad gateway", "detail": "The origin web server returned an invalid response"}),
        (500, {"error": {"message": 'Post "https://api.example.com/v1/images/generations": EOF'}}),
        (500, {"error": "There was a problem proxying the request"}),
        (502, {"error": {"code": "502", "message": "FUNCTION_INVOCATION_FAILED"}}),
    ],
)
def test_what_a_gateway_reports_late_is_a_lost_response(imagecli, server, clock, status, document):
    """It reads the same whether the server behind it was never reached or died at work: the time tells which."""
    server.respond = lambda reply, _: (clock.advance(2.5), reply.send(_body(document), status))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, len(server.posts)) == (8, 1), ran.out
    assert (ran.json["error"]["http_status"], ran.json["error"]["kind"]) == (status, "unknown_outcome")
    server.respond = lambda reply, _: (clock.advance(1.5), reply.send(_body(document), status))
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5
    assert len(server.posts) == (2 if status == 522 else 4)


@pytest.mark.parametrize(
    ("status", "document", "headers"),
    [
        (500, error_document("The server had an error", type="server_error"), {}),
        (503, error_document("overloaded", code="server_is_overloaded"), {}),
        (500, {"detail": "[address=1] out of memory"}, {}),
        (502, {"error": "the model crashed"}, {}),
        (500, [{"error": {"code": 500, "message": "try later", "status": "INTERNAL"}}], {}),
        (503, PAGE, {"Retry_After": "1"}),
        (503, PAGE, {"retry_after_ms": "10"}),
        (502, PAGE, {"x_should_retry": "true"}),
    ],
)
def test_the_servers_own_word_that_it_failed_counts_however_late(imagecli, server, clock, status, document, headers):
    server.responses = [lambda reply, _: (clock.advance(60), reply.send(_body(document), status, **headers))]
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (0, 2), ran.err


@pytest.mark.parametrize("status", [521, 523, 525, 530])
def test_a_gateway_that_did_not_reach_the_server_has_lost_nothing(imagecli, server, clock, status):
    server.respond = lambda reply, _: (clock.advance(20), reply.send(PAGE, status))
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5


def test_the_time_of_an_upload_is_not_the_gateways(imagecli, server, clock, monkeypatch):
    """What counts is how long after the last piece of the request its page comes."""
    from imagecli.client import network

    write = network.Guard.writing
    monkeypatch.setattr(network.Guard, "writing", lambda guard: (clock.advance(1), write(guard)))
    Path("noise.png").write_bytes(noise((300, 300)))
    server.respond = lambda reply, _: reply.send(PAGE, 502)
    assert imagecli("edit", "noise.png", "cat", "--base-url", server.url).code == 5
    assert (len(server.posts), clock.now > 3600 + 3 * 10) == (3, True)


def test_a_list_of_models_is_never_billed(imagecli, server, clock):
    server.respond = lambda reply, _: (clock.advance(30), reply.send(PAGE, 504))
    ran = imagecli("config", "check", "--base-url", server.url)
    assert (ran.code, "billed" in ran.err) == (5, False)


def _carried(image, *, cut=0):
    """Return the 500 with which LiteLLM's proxy repeats a stream of an edit that it could not read."""
    event = json.dumps({"type": "image_edit.completed", "b64_json": b64(image), "output_format": "png"})
    event = event[:-cut] if cut else event
    stream = f"event: image_edit.completed\ndata: {event}\n\n\n\nLiteLLM: model group 'x' failed with the error above."
    message = f"litellm.APIError: APIError: OpenAIException - {stream}"
    return {"error": {"message": message, "type": "internal_server_error", "param": None, "code": "500"}}


@pytest.mark.parametrize("size", [(20, 20), (90, 90), (800, 700)], ids=["short", "long", "over a megabyte"])
def test_an_image_that_an_error_carries_is_saved_and_never_paid_for_again(imagecli, server, size):
    image = noise(size)
    server.respond = lambda reply, _: reply.json(_carried(image), 500, Retry_After="1")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json", "--retry-unknown")
    assert (ran.code, len(server.posts)) == (8, 1), ran.out
    assert Path("cat.png").read_bytes() == image
    [failure] = ran.json["failures"]
    assert (failure["kind"], ran.json["images"][0]["path"]) == ("unknown_outcome", "cat.png")
    assert "cat.png" in failure["message"]
    assert b64(image[:300])[:200].encode() in Path(failure["saved_response"]).read_bytes()


@pytest.mark.parametrize("cut", [2, 300], ids=["event", "image"])
def test_an_image_that_an_error_carries_in_part_is_a_lost_response_that_is_kept(imagecli, server, home, cut):
    server.respond = lambda reply, _: reply.json(_carried(noise(), cut=cut), 500)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, len(server.posts), ran.json["images"]) == (8, 1, [])
    assert b"image_edit.completed" in Path(ran.json["error"]["saved_response"]).read_bytes()
    assert not Path("cat.png").exists()
    assert list(home.rglob("*.part")) == []


def test_a_damaged_image_that_an_error_carries_is_a_lost_response_that_is_kept(imagecli, server):
    """As it would be by a gateway that takes out of its messages what looks like a key, wherever that stands."""
    image = noise()
    server.respond = lambda reply, _: reply.json(_carried(image[:9000] + image[9030:]), 500)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, len(server.posts), ran.json["images"]) == (8, 1, [])
    assert "did not come whole" in ran.json["error"]["message"]
    assert Path(ran.json["error"]["saved_response"]).is_file()


def test_an_error_of_a_server_leaves_no_file(imagecli, server, home):
    server.respond = lambda reply, _: reply.json(error_document("x" * 3_000_000), 500)
    assert imagecli("gen", "cat", "--base-url", server.url).code == 5
    assert list(home.rglob("answer-*")) == []


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
