"""Connections: proxies, odd hosts, deadlines, early responses, and none used again for what costs money."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from support.serving import Server, image_file, noise, response_with

KEY = "sk-echoed-0123456789"
IMAGE = image_file()


def test_a_proxys_connect_is_not_the_request(imagecli, server):
    server.respond = lambda reply, _: reply.close()
    ran = imagecli("gen", "cat", "--base-url", "https://images.example.com/v1", env={"HTTPS_PROXY": server.origin})
    assert ran.code == 5, ran.err
    assert [request.method for request in server.requests] == ["CONNECT"] * 3


@pytest.mark.parametrize("url", ["http://a..b/v1", "http://256.1.1.1/v1", f"http://{'x' * 70}.de/v1"])
def test_an_odd_host_is_an_error_and_no_traceback(imagecli, url):
    assert imagecli("gen", "cat", "--base-url", url, "--retries", "0").code in {2, 5}


def test_a_key_for_loopback_does_not_go_to_a_proxy(imagecli, server):
    env = {"http_proxy": "http://127.0.0.1:9", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    assert imagecli("gen", "cat", env=env).code == 0
    assert server.posts[0].path == "/v1/images/generations"


def test_a_connection_is_not_used_again_for_what_costs_money(imagecli, server):
    """The response to the next request would be lost if the server closed a kept connection at that moment."""

    def respond(reply, _):
        reply.send(response_with(IMAGE), Connection="keep-alive")
        time.sleep(0.005)
        reply.close()

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "6", "-j", "1")
    assert (ran.code, len(ran.paths)) == (0, 6)


def test_surplus_bytes_are_not_taken_for_the_next_response(imagecli, server):
    server.respond = lambda reply, _: (
        reply.send(response_with(IMAGE)),
        reply.json({"error": {"message": "no", "code": "invalid_api_key"}}, 401),
    )
    assert imagecli("gen", "cat", "--base-url", server.url, "-m", "dall-e-3", "-n", "3", "-j", "1").code == 0


def test_an_early_response_to_a_large_upload_is_read(imagecli):
    """The server sends 413 and neither reads on nor closes."""
    import socket
    import threading

    Path("noise.png").write_bytes(noise((1800, 1800)))
    held = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(2000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                held.append(connection)

        threading.Thread(target=refuse, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        ran = imagecli("edit", "noise.png", "x", "--base-url", url)
    for connection in held:
        connection.close()
    assert (ran.code, len(held)) == (2, 1), ran.err


def test_a_redirect_of_the_request_is_not_followed(imagecli, server):
    with Server() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            server.respond = lambda reply, _, status=status: reply.send(
                b"", status, Location=f"{elsewhere.origin}/v1/x"
            )
            ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
            assert (ran.code, ran.json["error"]["http_status"]) == (1, status)
            assert elsewhere.origin in ran.json["error"]["message"]
        assert elsewhere.requests == []


@pytest.mark.parametrize("where", ["headers", "body", "download"])
def test_a_drip_of_bytes_ends_at_the_timeout(imagecli, server, clock, where):
    """A byte each 0.2 s by the client's clock: none of the reads takes long, all of them together do."""

    def drip(reply, data):
        for byte in data * 100:
            clock.advance(0.2)
            reply.raw(bytes([byte]))

    def respond(reply, request):
        if where == "download" and request.method == "POST":
            reply.json({"data": [{"url": "/slow.png"}]})
        elif where == "headers":
            drip(reply, b"HTTP/1.1 200 OK\r\nx: yyyyyyyyyyyyyyyy")
        else:
            reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            drip(reply, b'{"data": ')

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "--timeout", "20", "--retries", "0", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == ((1, "failure") if where == "download" else (8, "unknown_outcome"))
    assert len(server.posts) == 1


def test_a_server_that_is_not_there_is_exit_5(imagecli):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = imagecli("gen", "cat", "--base-url", f"http://127.0.0.1:{port}/v1", "--retries", "1")
    assert ran.code == 5
    assert f"127.0.0.1:{port}" in ran.err
