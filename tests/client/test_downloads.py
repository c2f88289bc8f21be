"""Images that a response names by address: fetched at once, and from nowhere that they should not lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.serving import image_file

IMAGE = image_file()


def test_a_long_address_is_fetched(imagecli, server):
    def respond(reply, request):
        if request.method == "POST":
            reply.json({"data": [{"url": f"{server.origin}/a.png?sig={'s' * 5000}"}]})
        else:
            reply.send(IMAGE)

    server.respond = respond
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0


def test_an_odd_host_in_a_response_is_a_failure(imagecli, server):
    server.respond = lambda reply, _: reply.json({"data": [{"url": "http://a..b/x.png"}]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    assert ran.code == 1
    assert ran.json["error"]["saved_response"]


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1"])
def test_every_spelling_of_a_private_address_is_refused(imagecli, server, host):
    server.respond = lambda reply, _: reply.json({"data": [{"url": f"http://{host}:1/x.png"}]})
    ran = imagecli("gen", "cat", "--base-url", "http://api.example.com/v1", env={"http_proxy": server.origin})
    assert ran.code == 1
    assert "private" in ran.err
    assert len(server.requests) == 1


def test_an_image_that_cannot_be_fetched_keeps_its_address(imagecli, server):
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/gone.png"}]}) if request.method == "POST" else reply.send(b"no", 404)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 1
    assert "/gone.png" in Path(ran.json["error"]["saved_response"]).read_text()
    assert len(server.posts) == 1


def test_a_download_that_fails_is_tried_again_and_the_request_is_not(imagecli, server):
    def post(reply, _):
        reply.json({"data": [{"url": "/a.png"}]})

    server.responses = [post, lambda reply, _: reply.send(b"", 503), lambda reply, _: reply.reset()]
    server.respond = lambda reply, _: reply.send(IMAGE, kind="image/png")
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]


def test_a_download_follows_five_redirects_and_no_more(imagecli, server):
    def respond(reply, request):
        left = int(request.path.rsplit("/", 1)[-1]) if request.method == "GET" else None
        if left is None:
            reply.json({"data": [{"url": f"/hop/{hops}"}]})
        elif left:
            reply.send(b"", 302, Location=f"/hop/{left - 1}")
        else:
            reply.send(IMAGE)

    server.respond = respond
    hops = 5
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    hops = 6
    assert imagecli("gen", "cat", "--base-url", server.url).code == 1


def test_a_public_apis_url_that_leads_inside_is_refused(imagecli, server):
    """The server stands as the proxy of a public API, whose response names a loopback address."""
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": f"{server.origin}/inside.png"}]})
        if request.method == "POST"
        else reply.send(IMAGE)
    )
    ran = imagecli("gen", "cat", "--base-url", "http://api.example.com/v1", env={"http_proxy": server.origin})
    assert ran.code == 1
    assert "private" in ran.err
    assert [request.method for request in server.requests] == ["POST"]


def test_an_image_at_0_0_0_0_is_fetched_from_the_server_itself(imagecli, server):
    port = server.origin.rpartition(":")[2]
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": f"http://0.0.0.0:{port}/a.png"}]})
        if request.method == "POST"
        else reply.send(IMAGE, kind="image/png")
    )
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0
    assert server.requests[1].headers["host"] == f"127.0.0.1:{port}"


KEY = {"OPENAI_API_KEY": "sk-0123456789abcdef"}


@pytest.mark.parametrize("status", [404, 403, 423, 425, 520, 521, 522, 202])
def test_a_content_network_that_lags_is_waited_for(imagecli, server, waits, status):
    gone = [status, status]
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/a.png"}]})
        if request.method == "POST"
        else reply.send(b"", gone.pop())
        if gone
        else reply.send(IMAGE)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "-o", "cat.png")
    assert (ran.code, ran.err) == (0, "")
    assert (waits, len(server.posts)) == ([0.5, 1.0], 1)


@pytest.mark.parametrize("instead", [b"", b"<html>one moment</html>", b'{"status": "processing"}'])
def test_what_comes_before_the_image_is_there_is_waited_out(imagecli, server, waits, instead):
    before = [instead, instead]
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/a.png"}]})
        if request.method == "POST"
        else reply.send(before.pop() if before else IMAGE)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "-o", "cat.png")
    assert (ran.code, ran.err, waits) == (0, "", [0.5, 1.0])
    before += [instead] * 9
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0")
    assert ran.code == 1
    assert f"the image at {server.origin}/a.png can't be downloaded: " in ran.err
    assert " came instead" in ran.err


def test_an_image_that_never_comes_is_given_up_after_some_seconds(imagecli, server, waits):
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/a.png?signature=1"}]})
        if request.method == "POST"
        else reply.send(b"", 404, retry_after="2")
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, waits) == (1, [2.0] * 4)
    assert f"{server.origin}/a.png?signature=1" in ran.json["error"]["message"]
    assert "404" in ran.json["error"]["message"]


def test_an_image_is_asked_for_in_the_formats_that_can_be_saved(imagecli, server):
    """A network that negotiates would send AVIF to whoever takes any image."""

    def respond(reply, request):
        if request.method == "POST":
            reply.json({"data": [{"url": "/a"}]})
        elif "application/json" in request.headers["accept"] or "image/png" not in request.headers["accept"]:
            reply.send(b"", 406)
        else:
            reply.send(IMAGE)

    server.respond = respond
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_signed_url_at_the_apis_own_origin_is_fetched_without_the_key(imagecli, server, status):
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "/store/a.png?X-Signature=1"}]})
        if request.method == "POST"
        else reply.send(b"only one auth mechanism", status)
        if "authorization" in request.headers
        else reply.send(IMAGE)
    )
    ran = imagecli("gen", "cat", env=KEY | {"OPENAI_BASE_URL": server.url})
    assert (ran.code, ran.err) == (0, "")
    assert ["authorization" in request.headers for request in server.requests] == [True, True, False]


@pytest.mark.parametrize(
    "address",
    [
        "http://inner-host.internal:8188/v/a.png?x=1",
        "http://backend:9/v/a.png?x=1",
        "http://127.0.0.2:9/v/a.png?x=1",
        "{own}:9/v/a.png?x=1",
    ],
    ids=["name", "one word", "loopback", "port"],
)
def test_a_servers_inner_address_is_tried_at_the_servers_own(imagecli, server, address):
    own = server.origin.rpartition(":")[0]
    named = address.replace("{own}", own)
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": named}]})
        if request.method == "POST"
        else reply.send(IMAGE)
        if request.path == "/v/a.png?x=1"
        else reply.send(b"", 404)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert server.requests[-1].headers["host"] == server.origin.partition("//")[2]


def test_an_inner_address_that_is_nowhere_is_named(imagecli, server):
    server.respond = lambda reply, request: (
        reply.json({"data": [{"url": "http://backend:9/a.png"}]}) if request.method == "POST" else reply.send(b"", 410)
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    assert ran.code == 1
    assert "http://backend:9/a.png" in ran.json["error"]["message"]


def test_a_foreign_address_is_not_tried_elsewhere(imagecli, server):
    server.respond = lambda reply, _: reply.json({"data": [{"url": "http://images.example.invalid/a.png"}]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0")
    assert ran.code == 1
    assert [request.method for request in server.requests] == ["POST"]
