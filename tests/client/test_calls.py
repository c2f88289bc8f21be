"""What a server is asked besides images: documents, uploads, and files of any size."""

from __future__ import annotations

import json

import pytest

from imagecli.client.client import Client
from imagecli.client.encode import FileToSend
from imagecli.client.retry import Limits
from imagecli.config.settings import load
from imagecli.errors import Failure, UnknownOutcome, UsageProblem

LIMITS = Limits(timeout=5, retries=2, retry_unknown=False)


@pytest.fixture
def calls(server):
    client = Client(load({"base_url": server.url}).profile, None, LIMITS, sleep=lambda _: None)
    yield client.calls
    client.close()


def test_a_file_is_read_as_it_goes_out(server, calls):
    pieces = [bytes([n]) * 70_000 for n in range(5)]
    server.responses = [lambda reply, _: reply.json({"id": "file-1"})]
    file = FileToSend('a "b".jsonl', "application/jsonl", 350_000, lambda: iter(pieces))
    assert calls.upload(f"{server.url}/files", {"purpose": "batch"}, file) == {"id": "file-1"}
    (request,) = server.requests
    assert request.form == {"purpose": "batch"}
    assert request.files["file"] == [('a "b".jsonl', "application/jsonl", b"".join(pieces))]


def test_an_upload_is_sent_again_whole(server, calls):
    server.responses = [lambda reply, _: reply.reset(), lambda reply, _: reply.json({"id": "file-1"})]
    calls.upload(f"{server.url}/files", {}, FileToSend("a", "text/plain", 3, lambda: (b"abc",)))
    assert [request.files["file"][0][2] for request in server.requests] == [b"abc"] * 2


def test_what_is_paid_for_is_not_sent_again(server, calls):
    server.respond = lambda reply, _: reply.reset()
    with pytest.raises(UnknownOutcome):
        calls.post(f"{server.url}/batches", {"a": 1}, paid=True)
    assert len(server.requests) == 1
    server.respond = lambda reply, _: reply.send(b"<html>", 504, "text/html")
    with pytest.raises(UnknownOutcome):
        calls.post(f"{server.url}/batches", {"a": 1}, paid=True)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"<html>", Failure),
        (json.dumps({"error": {"message": "no such batch", "code": "invalid_value"}}).encode(), UsageProblem),
    ],
)
def test_a_success_that_is_none(server, calls, answer, kind):
    server.respond = lambda reply, _: reply.send(answer)
    with pytest.raises(kind):
        calls.get(f"{server.url}/batches/x")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_is_read_on_where_the_connection_broke(server, calls, ranges):
    content = bytes(range(256)) * 1000

    def give(reply, request):
        start = int(request.headers.get("range", "bytes=0-")[6:-1]) if ranges else 0
        head = f"HTTP/1.1 {206 if start else 200} X\r\nContent-Length: {len(content) - start}\r\n"
        head += f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}\r\n" if start else ""
        until = len(content) if len(server.requests) > 3 else start + 60_000 * len(server.requests)
        reply.raw(head.encode() + b"\r\n" + content[start:until])
        reply.close()

    server.respond = give
    assert b"".join(calls.content(f"{server.url}/files/f/content")) == content
    assert b"".join(calls.content(f"{server.url}/files/f/content", 1000)) == content[1000:]


def test_another_part_than_was_asked_for(server, calls):
    server.respond = lambda reply, _: reply.send(b"x", 206, content_range="bytes 500-500/501")
    with pytest.raises(Failure, match="another part"):
        list(calls.content(f"{server.url}/files/f/content", 10))


def test_a_redirect_to_the_file(server, calls):
    server.responses = [
        lambda reply, _: reply.send(b"", 302, location="/elsewhere"),
        lambda reply, _: reply.send(b"content"),
    ]
    assert b"".join(calls.content(f"{server.url}/files/f/content")) == b"content"
    assert [request.path for request in server.requests] == ["/v1/files/f/content", "/elsewhere"]
