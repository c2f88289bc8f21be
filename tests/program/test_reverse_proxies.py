"""Through real proxies, nginx and haproxy: what they answer when the server behind them is gone, or dies at work.

Their page is the same in both cases; what tells them apart is the time, which is the client's clock here.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from support.serving import b64, error_document, image_file

pytestmark = pytest.mark.gateway

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 50m;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {origin}; }} }}
}}
"""
HAPROXY = """
defaults
  mode http
  retries 0
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen images
  bind 127.0.0.1:{port}
  server origin {origin}
"""


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(params=["nginx", "haproxy"])
def base(request, server, tmp_path):
    """The base URL of a proxy in front of `server`."""
    name = request.param
    program = shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if program is None:
        pytest.skip(f"{name} is not installed (.ci/run installs it)")
    folder, port = tmp_path / name, _free_port()
    folder.mkdir()
    config = folder / "config"
    origin = server.origin if name == "nginx" else server.origin.removeprefix("http://")
    config.write_text((NGINX if name == "nginx" else HAPROXY).format(folder=folder, port=port, origin=origin))
    command = ["-p", str(folder), "-c", str(config)] if name == "nginx" else ["-db", "-f", str(config)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port, process, log):
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.01)
        else:
            return


def test_an_image_comes_through(imagecli, server, base):
    Path("in.png").write_bytes(image_file())
    ran = imagecli("edit", "in.png", "a fox", "--base-url", base, "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"]), ran.err
    assert server.posts[0].files["image"][0][2] == image_file()


def test_a_server_that_dies_at_work_is_not_asked_again(imagecli, server, clock, base):
    """It may have been paid: with --retry-unknown alone the request is sent once more."""
    server.respond = lambda reply, _: (clock.advance(3), reply.reset())
    ran = imagecli("gen", "a fox", "--base-url", base, "--json")
    assert (ran.code, ran.json["error"]["http_status"], len(server.posts)) == (8, 502, 1)
    assert "--retry-unknown" in ran.json["error"]["hint"]
    assert imagecli("gen", "a fox", "--base-url", base, "--retry-unknown").code == 8
    assert len(server.posts) == 4


def test_a_server_that_fails_at_once_has_not_begun(imagecli, server, base):
    server.respond = lambda reply, _: reply.reset()
    ran = imagecli("gen", "a fox", "--base-url", base)
    assert (ran.code, len(server.posts)) == (5, 3)


def test_a_server_that_is_not_there_has_not_begun(imagecli, server, waits, base):
    server.__exit__()
    ran = imagecli("gen", "a fox", "--base-url", base)
    assert (ran.code, len(waits), server.posts) == (5, 2, [])


def test_the_servers_own_word_that_it_failed_counts_however_late(imagecli, server, clock, base):
    server.respond = lambda reply, _: (clock.advance(30), reply.json(error_document("out of memory"), 500))
    assert imagecli("gen", "a fox", "--base-url", base).code == 5
    assert len(server.posts) == 3


def test_a_stream_that_breaks_off_is_a_lost_response(imagecli, server, base):
    event = b'data: {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "%s"}\n\n'
    data = event % b64(image_file()).encode()

    def respond(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        reply.raw(b"%x\r\n%s\r\n" % (len(data), data))
        reply.close()

    server.respond = respond
    ran = imagecli("gen", "a fox", "--partials", "1", "--base-url", base, "-o", "fox.png")
    assert (ran.code, ran.paths, len(server.posts)) == (8, ["fox.partial.png"], 1), ran.err
    with Image.open("fox.partial.png") as image:
        assert image.size == (64, 48)
