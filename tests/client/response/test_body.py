"""A response's body: compressed, large or hostile, it is decompressed within bounds and kept as it came."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from support.running import environment
from support.serving import image_file, response_with

IMAGE = image_file()


def test_gzip_of_several_members_and_encodings_that_were_not_asked_for(imagecli, server):
    whole = response_with(IMAGE)
    server.respond = lambda reply, _: reply.send(
        gzip.compress(whole[:50]) + gzip.compress(whole[50:]), Content_Encoding="gzip"
    )
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a.png").code == 0
    server.respond = lambda reply, _: reply.send(zlib.compress(whole), Content_Encoding="deflate")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "d.png").code == 0
    server.respond = lambda reply, _: reply.send(b"packed", Content_Encoding="br")
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "b.png", "--json")
    assert (ran.code, "compressed as br" in ran.json["error"]["message"]) == (1, True)
    assert Path(ran.json["error"]["saved_response"]).read_bytes() == b"packed"


@pytest.mark.parametrize(
    "body",
    [
        response_with(IMAGE),
        gzip.compress(response_with(IMAGE)) + bytes(10),
        b"\xef\xbb\xbf" + response_with(IMAGE),
        response_with(IMAGE, note=int("9" * 300)).replace(b"9" * 300, b"9" * 5000),
    ],
    ids=["plain", "padded", "bom", "digits"],
)
def test_odd_wrappings_of_a_good_response_do_no_harm(imagecli, server, body):
    server.respond = lambda reply, _: reply.send(body, Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


def test_what_does_not_decompress_is_kept_as_it_came(imagecli, server):
    packed = gzip.compress(response_with(IMAGE))[:-4] + b"\0\0\0\0"
    server.respond = lambda reply, _: reply.send(packed, Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 1
    assert Path(ran.json["error"]["saved_response"]).read_bytes() == packed


def test_a_compressed_response_is_decompressed_and_a_bomb_does_no_harm(imagecli, server):
    server.respond = lambda reply, _: reply.send(gzip.compress(response_with(IMAGE)), Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a.png").code == 0
    bomb = gzip.compress(gzip.compress(bytes(1 << 20), 1) * 1024, 1)
    server.respond = lambda reply, _: reply.send(bomb, Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "b.png").code == 1
    server.respond = lambda reply, _: reply.send(gzip.compress(response_with(IMAGE))[:-40], Content_Encoding="gzip")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "c.png").code == 8


def test_a_large_response_takes_little_memory(server):
    """Three 20 MB images in one response, and a third of that in memory."""
    large = _large(20_000_000)
    server.respond = lambda reply, _: reply.send(response_with(large, large, large))
    program = (
        "import sys; from imagecli.__main__ import main; code = main(sys.argv[1:]);"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr); sys.exit(code)"
    )
    arguments = ["gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert Path("cat-3.png").read_bytes() == large
    assert int(done.stderr.split()[-1]) < 64_000, "kilobytes at the peak"


def _large(size):
    """Return a PNG whose pixels don't matter: a private chunk makes it large."""
    import struct
    import zlib

    body = b"prVt" + bytes(size)
    return IMAGE[:33] + struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body)) + IMAGE[33:]
