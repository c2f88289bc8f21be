"""Responses in all the forms that HTTP/1.1 has for them, and connections that are used again for what costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.serving import image_file, response_with

IMAGE = image_file()
BODY = response_with(IMAGE)
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LONG = BODY + b" " * 700_000


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY),
        OK + b"Connection: close\r\n\r\n" + BODY,
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
        WHOLE + b"HTTP/1.1 500 Oops\r\n\r\n",
        OK + b"Content-Length: %d\r\n\r\n%b" % (len(LONG), LONG),
        OK + b"X-Folded: a\r\n b\r\nX-Request-Id: r\xe9\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    ],
    ids=["100", "103", "chunked", "until it closes", "HTTP/1.0", "surplus", "long", "odd headers"],
)
def test_forms_of_a_response(imagecli, server, response):
    server.respond = lambda reply, _: (reply.raw(response), reply.close())
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, Path(ran.paths[0]).read_bytes()) == (0, IMAGE), ran.err


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + BODY,
        OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        WHOLE[:-9],
    ],
    ids=["nothing", "garbage", "101", "two lengths", "endless headers", "cut off"],
)
def test_what_is_no_whole_response_is_lost(imagecli, server, response):
    server.respond = lambda reply, _: (reply.raw(response), reply.close())
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts)) == (8, 1), ran.err


@pytest.mark.parametrize("surplus", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"], ids=["plain", "surplus"])
def test_downloads_share_a_connection_unless_it_has_surplus_bytes(imagecli, server, surplus):
    """They would be taken for the next image."""
    connections = set()

    def respond(reply, request):
        if request.method == "POST":
            reply.json({"data": [{"url": f"/{number}.png"} for number in range(3)]})
            return
        connections.add(reply.socket)
        reply.raw(OK + b"Content-Length: %d\r\n\r\n%b" % (len(IMAGE), IMAGE) + surplus)

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "3")
    assert ([Path(path).read_bytes() for path in ran.paths], ran.code) == ([IMAGE] * 3, 0), ran.err
    assert len(connections) == (3 if surplus else 1)
