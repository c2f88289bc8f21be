"""Answers that are odd, broken or hostile: what can be saved is, what was paid is kept, and the message is clear."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from serving import Server, b64, images, picture

PICTURE = picture()


def _data(**entry):
    return json.dumps({"data": [entry]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        _data(b64_json=b64(PICTURE), url=None, revised_prompt=None, provider_specific_fields=None),
        _data(b64_json=None, url="data:image/png;base64," + b64(PICTURE)),
        _data(b64_json="data:image/png;base64," + b64(PICTURE)),
        _data(b64_json="\n".join(b64(PICTURE)[i : i + 76] for i in range(0, 400, 76))),
        _data(b64_json=b64(PICTURE).rstrip("=")),
        _data(b64_json=b64(PICTURE).replace("+", "-").replace("/", "_")),
        _data(b64_json=b64(PICTURE)).replace(b"/", b"\\/"),
        _data(b64_json=b64(PICTURE)).replace(b"/", b"\\u002f"),
        b"\n  " + _data(b64_json=b64(PICTURE)).replace(b'": ', b'"  :\t'),
        PICTURE,
    ],
    ids=["nulls", "data-url", "prefix", "lines", "no-padding", "urlsafe", "slashes", "escapes", "blanks", "raw"],
)
def test_every_way_to_send_a_picture_gives_the_same_bytes(imagecli, server, body):
    assert len(b64(PICTURE)) < 456
    server.answer = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == PICTURE


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!DOCTYPE html><html><title>Hi</title></html>", "text/html", "web page"),
        (b"", "application/json", "nothing"),
        (b"hello there", "text/plain", "hello there"),
        (b'{"data": [', "application/json", "no valid JSON"),
        (b'{"data": [{"b64_json": "AAAA', "application/json", "no valid JSON"),
        (b'{"data": []}', "application/json", "no images"),
        (b'{"created": 1}', "application/json", "no images"),
        (b"[1, 2]", "application/json", "no images"),
        (b'{"data": [null]}', "application/json", "no images"),
        (b'{"data": [{"b64_json": null, "url": ""}]}', "application/json", "no images"),
        (_data(b64_json="!!!! no base64 at all !!!!"), "application/json", "base64"),
        (_data(b64_json=b64(b"<html>sorry</html>")), "application/json", "HTML"),
        (_data(b64_json=b64(PICTURE[:-30])), "application/json", "truncated"),
        (_data(b64_json=b64(picture(kind="JPEG")[:-30])), "application/json", "truncated"),
        (_data(b64_json=b64(b"hello")), "application/json", "picture"),
        (_data(url="file:///etc/passwd"), "application/json", "/etc/passwd"),
        (_data(url="ftp://example.com/a.png"), "application/json", "ftp"),
        (_data(url="http://["), "application/json", "address"),
        (b"[" * 100_000, "application/json", "JSON"),
        (b"\x80\x81\xfe\xff", "application/octet-stream", "JSON"),
    ],
)
def test_an_answer_that_makes_no_sense_is_exit_1_with_nothing_written(imagecli, server, body, kind, words):
    server.answer = lambda reply, _: reply.send(body, kind=kind, x_request_id="req_9")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    error = ran.json["error"]
    assert (ran.code, error["kind"], ran.json["ok"]) == (1, "failure", False)
    assert words in error["message"]
    assert error["request_id"] == "req_9"
    assert [failure["n"] for failure in ran.json["failures"]] == [1]
    assert list(Path().iterdir()) == []
    assert len(server.posts) == 1
    if body:
        assert Path(error["saved_response"]).read_bytes() == body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "Unexpected endpoint or method"}, 2),
        ("Unexpected endpoint", 2),
        ("the server has run out of something", 1),
        ({"message": "blocked", "code": "moderation_blocked"}, 3),
        ({"message": "no money", "code": "insufficient_quota"}, 7),
    ],
)
def test_an_error_in_a_200_is_a_failure_with_its_own_code(imagecli, server, error, code):
    server.answer = lambda reply, _: reply.json({"error": error})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == ran.json["error"]["exit_code"] == code


def test_fewer_images_than_asked_for_is_partial(imagecli, server):
    server.answer = lambda reply, _: reply.send(images(PICTURE, PICTURE))
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (6, "partial")
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png", "cat-2.png"]
    assert [(failure["n"], failure["kind"]) for failure in ran.json["failures"]] == [(3, "failure")]
    again = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png", "--skip-existing")
    assert server.requests[1].json["n"] == 1
    assert again.code == 0


def test_empty_entries_are_skipped_with_a_warning(imagecli, server):
    body = json.dumps({"data": [{"b64_json": b64(PICTURE)}, None, {"b64_json": b64(PICTURE)}]}).encode()
    server.answer = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat-1.png", "cat-2.png"])
    assert "1 empty entries" in ran.err
    server.answer = lambda reply, _: reply.json({"data": [None, {"b64_json": b64(PICTURE)}]})
    assert imagecli("gen", "fox", "--base-url", server.url).paths == ["fox.png"]


def test_a_picture_that_cannot_be_fetched_keeps_its_address(imagecli, server):
    server.answer = lambda reply, request: (
        reply.json({"data": [{"url": "/gone.png"}]}) if request.method == "POST" else reply.send(b"no", 404)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 1
    assert "/gone.png" in Path(ran.json["error"]["saved_response"]).read_text()
    assert len(server.posts) == 1


def test_a_download_that_fails_is_tried_again_and_the_request_is_not(imagecli, server):
    def post(reply, _):
        reply.json({"data": [{"url": "/a.png"}]})

    server.answers = [post, lambda reply, _: reply.send(b"", 503), lambda reply, _: reply.reset()]
    server.answer = lambda reply, _: reply.send(PICTURE, kind="image/png")
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]


def test_a_download_follows_five_redirects_and_no_more(imagecli, server):
    def answer(reply, request):
        left = int(request.path.rsplit("/", 1)[-1]) if request.method == "GET" else None
        if left is None:
            reply.json({"data": [{"url": f"/hop/{hops}"}]})
        elif left:
            reply.send(b"", 302, Location=f"/hop/{left - 1}")
        else:
            reply.send(PICTURE)

    server.answer = answer
    hops = 5
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    hops = 6
    assert imagecli("gen", "cat", "--base-url", server.url).code == 1


def test_a_public_apis_url_that_leads_inside_is_refused(imagecli, server):
    """The server stands as the proxy of a public API, whose answer names a loopback address."""
    server.answer = lambda reply, request: (
        reply.json({"data": [{"url": f"{server.origin}/inside.png"}]})
        if request.method == "POST"
        else reply.send(PICTURE)
    )
    ran = imagecli("gen", "cat", "--base-url", "http://api.example.com/v1", env={"HTTP_PROXY": server.origin})
    assert ran.code == 1
    assert "private" in ran.err
    assert [request.method for request in server.requests] == ["POST"]


def test_a_redirect_of_the_request_is_not_followed(imagecli, server):
    with Server() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            server.answer = lambda reply, _, status=status: reply.send(b"", status, Location=f"{elsewhere.origin}/v1/x")
            ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
            assert (ran.code, ran.json["error"]["http_status"]) == (1, status)
            assert elsewhere.origin in ran.json["error"]["message"]
        assert elsewhere.requests == []


def test_a_packed_answer_is_unpacked_and_a_bomb_does_no_harm(imagecli, server):
    server.answer = lambda reply, _: reply.send(gzip.compress(images(PICTURE)), Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a.png").code == 0
    bomb = gzip.compress(gzip.compress(bytes(1 << 30), 1), 1)
    server.answer = lambda reply, _: reply.send(bomb, Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "b.png").code == 1
    server.answer = lambda reply, _: reply.send(gzip.compress(images(PICTURE))[:-40], Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "c.png").code == 1


def test_a_large_answer_takes_little_memory(server):
    """Three 20 MB pictures in one answer, and a third of that in memory."""
    large = _large(20_000_000)
    server.answer = lambda reply, _: reply.send(images(large, large, large))
    program = (
        "import sys; from imagecli.__main__ import main; code = main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr); sys.exit(code)"
    )
    arguments = ["gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=_env(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path("cat-3.png").read_bytes() == large
    assert int(done.stderr.split()[-1]) < 64_000, "kilobytes at the peak"


def _large(size):
    """Return a PNG whose pixels don't matter: a private chunk makes it large."""
    import struct
    import zlib

    body = b"prVt" + bytes(size)
    return PICTURE[:33] + struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body)) + PICTURE[33:]


def _env():
    import os

    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@pytest.mark.parametrize("where", ["headers", "body", "download"])
def test_a_drip_of_bytes_ends_at_the_timeout(imagecli, server, where):
    def drip(reply, data):
        for byte in data * 100:
            reply.raw(bytes([byte]))
            time.sleep(0.2)

    def answer(reply, request):
        if where == "download" and request.method == "POST":
            reply.json({"data": [{"url": "/slow.png"}]})
        elif where == "headers":
            drip(reply, b"HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyyyy")
        else:
            reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            drip(reply, b'{"data": ')

    server.answer = answer
    begun = time.monotonic()
    ran = imagecli("gen", "cat", "--base-url", server.url, "--timeout", "1.5", "--retries", "0", "--json")
    assert time.monotonic() - begun < 6
    assert (ran.code, ran.json["error"]["kind"]) == ((1, "failure") if where == "download" else (8, "unknown_outcome"))
    assert len(server.posts) == 1


def _events(*documents, end="data: [DONE]\n\n"):
    return ("".join(f"event: {d.get('type', 'x')}\ndata: {json.dumps(d)}\n\n" for d in documents) + end).encode()


PARTIAL = {"type": "image_generation.partial_image", "b64_json": b64(picture((8, 8))), "partial_image_index": 0}
COMPLETED = {"type": "image_generation.completed", "b64_json": b64(PICTURE), "usage": {"total_tokens": 9}}


@pytest.mark.parametrize(
    "body",
    [
        _events(PARTIAL, COMPLETED),
        _events(COMPLETED, end=""),
        _events(PARTIAL, {"type": "complete", "data": [{"b64_json": b64(PICTURE)}], "usage": {"total_tokens": 9}}),
        b": ping\n\n" + _events(COMPLETED).replace(b"\n", b"\r\n"),
    ],
)
def test_events_where_a_document_was_expected_give_their_finished_image(imagecli, server, body):
    server.answer = lambda reply, _: reply.send(body, kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--param", "stream=true", "--json")
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == PICTURE
    assert ran.json["usage"] == {"total_tokens": 9}


def test_a_stream_without_an_end_is_no_image(imagecli, server):
    server.answer = lambda reply, _: reply.send(_events(PARTIAL), kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"])
    Path("cat.partial.png").unlink()
    server.answer = lambda reply, _: reply.send(_events({"type": "ping"}), kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, list(Path().iterdir())) == (1, [])
    assert "ping" in Path(ran.json["error"]["saved_response"]).read_text()
    error = {"type": "error", "error": {"message": "no", "code": "moderation_blocked"}}
    server.answer = lambda reply, _: reply.send(_events(PARTIAL, error), kind="text/event-stream")
    assert imagecli("gen", "cat", "--base-url", server.url).code == 3


@pytest.mark.parametrize(
    "document",
    [
        {"images": [b64(PICTURE)]},
        {"data": [b64(PICTURE)]},
        [{"b64_json": b64(PICTURE)}],
        {"data": {"b64_json": b64(PICTURE)}},
        {"data": [{"base64": b64(PICTURE)}]},
        {"output": [{"image_url": {"url": f"data:image/png;base64,{b64(PICTURE)}"}}]},
        {"images": ["/a.png"]},
    ],
    ids=["images", "bare", "list", "one", "base64", "image_url", "a path that is none"],
)
@pytest.mark.parametrize("large", [False, True])
def test_answers_in_other_shapes(imagecli, server, document, large):
    data = noise() if large else PICTURE
    text = json.dumps(document).replace(b64(PICTURE), b64(data))
    server.answer = lambda reply, _: reply.send(text.encode())
    ran = imagecli("gen", "cat", "--base-url", server.url)
    if "/a.png" in text:
        assert ran.code == 1
    else:
        assert ran.code == 0, ran.err
        assert Path("cat.png").read_bytes() == data


def noise():
    image = Image.effect_noise((100, 100), 90)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_a_picture_at_0_0_0_0_is_fetched_from_the_server_itself(imagecli, server):
    port = server.origin.rpartition(":")[2]
    server.answer = lambda reply, request: (
        reply.json({"data": [{"url": f"http://0.0.0.0:{port}/a.png"}]})
        if request.method == "POST"
        else reply.send(PICTURE, kind="image/png")
    )
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert server.requests[1].headers["host"] == f"127.0.0.1:{port}"


def test_a_gateways_500_for_a_lost_answer_is_not_asked_again(imagecli, server):
    """LiteLLM's proxy had the request sent: the picture may be paid for."""
    words = (
        "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.. Received Model Group=x"
    )
    server.answer = lambda reply, _: reply.json({"error": {"message": words, "code": "500"}}, 500)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (8, 1)


def test_a_picture_inside_an_error_is_not_shown(imagecli, server):
    server.answer = lambda reply, _: reply.json({"error": {"message": f"can't read {b64(noise())} there"}}, 400)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert "can't read … there" in ran.err


@pytest.mark.parametrize("status", [400, 503])
def test_without_a_model_a_server_that_wants_one_is_said_so(imagecli, server, status):
    server.answer = lambda reply, _: reply.json({"detail": "Model not available: None"}, status)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0")
    assert ran.code == 2
    assert "-m" in ran.err


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (503, {"message": "The model is not available yet, it is being loaded"}, 5),
        (500, {"message": "model output was None"}, 5),
        (400, {"message": "the model: none", "code": "moderation_blocked"}, 3),
        (400, {"message": "for this model a payment is required", "code": "billing_hard_limit_reached"}, 7),
    ],
)
def test_a_model_in_the_words_of_other_trouble_changes_nothing(imagecli, server, status, error, code):
    server.answer = lambda reply, _: reply.json({"error": error}, status)
    assert imagecli("gen", "cat", "--base-url", server.url, "--retries", "0").code == code


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, 5),
        ({"code": None, "type": "rate_limit_error"}, 5),
        ({"code": "server_is_overloaded", "type": "service_unavailable_error"}, 5),
        ({"code": "server_error", "type": "server_error"}, 5),
        ({"code": "invalid_value", "type": "invalid_request_error"}, 2),
    ],
)
def test_an_error_in_a_success_has_the_kind_of_its_code(imagecli, server, error, code, streamed):
    document = json.dumps({"type": "error", "error": {"message": "no", **error}}).encode()
    body = b"event: error\ndata: " + document + b"\n\n" if streamed else document
    server.answer = lambda reply, _: reply.send(body, kind="text/event-stream" if streamed else "application/json")
    assert imagecli("gen", "cat", "--base-url", server.url).code == code
    assert len(server.posts) == 1
