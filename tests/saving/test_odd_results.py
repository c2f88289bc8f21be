"""Results that are odd: saved as they came, byte for byte, and decoded only where models make such images."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from support.serving import b64, image_file, response_with


def chunk(kind, body, length=None):
    """Return a chunk, which may lie about its length."""
    size = len(body) if length is None else length
    return struct.pack(">I", size) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(chunks):
    """Return a PNG with these bytes before its pixels."""
    data = image_file()
    at = data.index(b"IDAT") - 4
    return data[:at] + chunks + data[at:]


def large(width, height):
    """Return a PNG of many pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width // 8 + 1) * height), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


ODD = {
    "checksum": png_with(chunk(b"iCCP", b"x\0\0broken")[:-4] + b"\0\0\0\0"),
    "short": png_with(chunk(b"pHYs", b"\0\0\0\1")),
    "huge": png_with(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 2_000_000))),
    "length": png_with(chunk(b"tEXt", b"abc", 5_000_000)),
    "stray bytes": png_with(b"\0\0\0\0stray"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_pixels_cannot_spoil_a_result(imagecli, server, name):
    server.respond = lambda reply, _: reply.send(response_with(ODD[name]))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["warnings"]) == (0, []), ran.err
    assert Path("cat.png").read_bytes() == ODD[name]
    assert (ran.json["images"][0]["width"], ran.json["images"][0]["height"]) == (64, 48)


@pytest.mark.parametrize("name", ODD)
def test_such_a_result_is_restored_as_any_other(imagecli, server, name):
    Path("in.png").write_bytes(image_file((96, 72)))
    server.respond = lambda reply, _: reply.send(response_with(ODD[name]))
    ran = imagecli("edit", "in.png", "x", "--restore", "size", "--base-url", server.url, "-o", "out.png", "--json")
    assert (ran.code, ran.json["images"][0]["width"]) == (0, 96), ran.err


@pytest.mark.parametrize("spoilt", ["pixels", "header"])
def test_broken_pixels_are_no_result(imagecli, server, spoilt):
    data = bytearray(image_file())
    data[data.index(b"IDAT" if spoilt == "pixels" else b"IHDR") + 6] ^= 1
    server.respond = lambda reply, _: reply.json({"data": [{"b64_json": b64(bytes(data))}]})
    assert imagecli("gen", "cat", "--base-url", server.url).code == 1


@pytest.mark.parametrize("flags", [[], ["--restore", "size"], ["--mask-rect", "1,1,20,20", "--keep"]])
def test_a_result_of_more_pixels_than_models_make_is_saved_and_not_decoded(imagecli, server, monkeypatch, flags):
    monkeypatch.setattr("imagecli.images.finish.open_input", lambda *_: pytest.fail("it is decoded"))
    data = large(8001, 8001)
    Path("in.png").write_bytes(image_file())
    server.respond = lambda reply, _: reply.send(response_with(data))
    ran = imagecli("edit", "in.png", "cat", *flags, "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["images"][0]["width"]) == (0, 8001), ran.err
    assert Path("cat.png").read_bytes() == data
    assert any("8001x8001" in warning for warning in ran.json["warnings"])


def test_a_large_result_that_models_make_is_restored(imagecli, server):
    Path("in.png").write_bytes(image_file())
    server.respond = lambda reply, _: reply.send(response_with(large(2048, 1536)))
    ran = imagecli("edit", "in.png", "cat", "--restore", "size", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["images"][0]["width"], ran.json["warnings"]) == (0, 64, [])


def avif(size=(64, 48)):
    """Return an AVIF; servers send one where a proxy negotiates."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, "AVIF")
    return out.getvalue()


def test_an_avif_is_saved_as_one(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(avif()))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    image = ran.json["images"][0]
    assert (ran.code, image["path"], image["format"]) == (0, "cat.avif", "avif"), ran.err
    assert (image["width"], image["height"]) == (64, 48)
    assert Path("cat.avif").read_bytes() == avif()
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.out == "cat-2.avif\n", "the name is taken, whatever its extension"


def test_an_avif_is_finished_as_any_other(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(avif()))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--resize", "32x32", "-o", "cat.png", "--json")
    image = ran.json["images"][0]
    assert (ran.code, image["format"], image["width"], image["height"]) == (0, "png", 32, 32), ran.err


@pytest.mark.parametrize("end", [-9, 150, 60])
def test_an_avif_that_is_cut_off_is_not_saved(imagecli, server, end):
    server.respond = lambda reply, _: reply.send(response_with(avif()[:end]))
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 1
    assert "a truncated image: the AVIF data ends too early" in ran.err
    assert not list(Path().glob("cat*"))
