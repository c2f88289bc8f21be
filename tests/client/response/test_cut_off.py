"""Documents that were cut off: the images that came whole are saved, and the others are a lost response."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from imagecli.client.response.cut import completed
from support.serving import b64, image_file, noise

SMALL, LARGE = image_file(), noise()


@pytest.fixture
def respond(server):
    """Let the server send the beginning of a body and break off; it gives images at other addresses."""

    def respond(body, **headers):
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 1000}\r\n{''.join(lines)}\r\n".encode()

        def respond(reply, request):
            if request.method == "GET":
                reply.send(SMALL)
                return
            reply.raw(head + body)
            reply.close()

        server.respond = respond

    return respond


@pytest.mark.parametrize("retried", [[], ["--retry-unknown"]])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("entries", "rest"),
    [
        ([{"url": "/a.png"}], '{"url": "/b.p'),
        ([{"b64_json": b64(SMALL)}], '{"b64_json": "' + b64(SMALL)[:50]),
        ([{"b64_json": b64(LARGE)}], '{"b64_json": "' + b64(LARGE)[:9000]),
        ([{"b64_json": b64(SMALL), "revised_prompt": "a, [b] {c"}], ""),
    ],
    ids=["address", "short", "long", "between"],
)
def test_what_came_whole_is_saved_and_never_paid_for_again(imagecli, server, respond, entries, rest, packed, retried):
    body = (json.dumps({"created": 1, "data": entries})[:-2] + ", " + rest).encode()
    respond(*([gzip.compress(body)[:-8]] if packed else [body]), **({"content_encoding": "gzip"} if packed else {}))
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--json", *retried)
    assert (ran.code, len(server.posts)) == (8, 1), ran.err
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png"]
    assert Path("cat-1.png").read_bytes() in (SMALL, LARGE)
    assert [(failure["n"], failure["kind"]) for failure in ran.json["failures"]] == [(2, "unknown_outcome")]


def test_the_only_image_that_was_asked_for_is_enough(imagecli, server, respond):
    respond(json.dumps({"data": [{"b64_json": b64(SMALL)}], "usage": {"total_tokens": 1}})[:-9].encode())
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [{"b64_json": "' + b64(LARGE).encode()[:-90],
        b'{"data": [{"url": "http',
        b'{"da',
        SMALL[:-20],
        b64(LARGE).encode()[:-90],
        b"<html>",
        b"",
    ],
)
def test_a_response_without_a_whole_image_is_lost(imagecli, server, respond, body):
    respond(body)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, len(server.posts)) == (8, 1)
    assert list(Path().iterdir()) == []
    if body:
        assert Path(ran.json["error"]["saved_response"]).read_bytes() == body


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [{"b64_json": "' + b64(LARGE).encode()[:-90],
        b'{"data": [',
        b'{"created": 1, "data": nul',
        b'{"status": "processing"}\n{"image": "' + b64(LARGE).encode()[:9000],
    ],
    ids=["in an image", "between", "in a word", "lines"],
)
def test_a_document_that_is_cut_off_behind_an_orderly_end_is_lost(imagecli, server, body, packed):
    """A proxy that speaks HTTP/1.0 with its server, or counts what it got, ends the response as if it were all."""
    sent = gzip.compress(body)[:-8] if packed else body
    server.respond = lambda reply, _: reply.send(sent)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, ran.json["error"]["kind"], len(server.posts)) == (8, "unknown_outcome", 1)
    assert Path(ran.json["error"]["saved_response"]).stat().st_size >= len(sent)
    first = b'{"data": [{"b64_json": "' + b64(SMALL).encode() + b'"}, {"b64_json": "AAAA'
    server.respond = lambda reply, _: reply.send(first)
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--retry-unknown")
    assert (ran.code, ran.paths, len(server.posts)) == (8, ["cat-1.png"], 2)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": [1, 2', {"a": [1]}),
        ('{"a": {"b": "x,]}", "c": ', {"a": {"b": "x,]}"}}),
        ('[{"a": 1}, {"b', [{"a": 1}, {}]),
        ('{"a": [', {"a": []}),
        ('{"a": "\\"", ', {"a": '"'}),
        ("[tru", []),
    ],
)
def test_a_document_is_closed_behind_its_last_whole_value(text, whole):
    assert json.loads(completed(text)) == whole
