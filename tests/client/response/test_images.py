"""Responses that are odd, broken or hostile: what can be saved is, what was paid for is kept, the message is clear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.serving import b64, image_file, noise, response_with

IMAGE = image_file()


def _data(**entry):
    return json.dumps({"data": [entry]}).encode()


@pytest.mark.parametrize(
    "body",
    [
        _data(b64_json=b64(IMAGE), url=None, revised_prompt=None, provider_specific_fields=None),
        _data(b64_json=None, url="data:image/png;base64," + b64(IMAGE)),
        _data(b64_json="data:image/png;base64," + b64(IMAGE)),
        _data(b64_json="\n".join(b64(IMAGE)[i : i + 76] for i in range(0, 400, 76))),
        _data(b64_json=b64(IMAGE).rstrip("=")),
        _data(b64_json=b64(IMAGE).replace("+", "-").replace("/", "_")),
        _data(b64_json=b64(IMAGE)).replace(b"/", b"\\/"),
        _data(b64_json=b64(IMAGE)).replace(b"/", b"\\u002f"),
        b"\n  " + _data(b64_json=b64(IMAGE)).replace(b'": ', b'"  :\t'),
        IMAGE,
    ],
    ids=["nulls", "data-url", "prefix", "lines", "no-padding", "urlsafe", "slashes", "escapes", "blanks", "raw"],
)
def test_every_way_to_send_an_image_gives_the_same_bytes(imagecli, server, body):
    assert len(b64(IMAGE)) < 456
    server.respond = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == IMAGE


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!DOCTYPE html><html><title>Hi</title></html>", "text/html", "web page"),
        (b"", "application/json", "is empty"),
        (b"hello there", "text/plain", "hello there"),
        (b'{"data": oops', "application/json", "not valid JSON"),
        (b'{"data": []}', "application/json", "no images"),
        (b'{"created": 1}', "application/json", "no images"),
        (b"[1, 2]", "application/json", "no images"),
        (b'{"data": [null]}', "application/json", "no images"),
        (b'{"data": [{"b64_json": null, "url": ""}]}', "application/json", "no images"),
        (_data(b64_json="!!!! no base64 at all !!!!"), "application/json", "base64"),
        (_data(b64_json=b64(b"<html>sorry</html>")), "application/json", "HTML"),
        (_data(b64_json=b64(IMAGE[:-30])), "application/json", "truncated"),
        (_data(b64_json=b64(image_file(kind="JPEG")[:-30])), "application/json", "truncated"),
        (_data(b64_json=b64(b"hello")), "application/json", "image was expected"),
        (_data(url="file:///etc/passwd"), "application/json", "/etc/passwd"),
        (_data(url="ftp://example.com/a.png"), "application/json", "ftp"),
        (_data(url="http://["), "application/json", "URL is not valid"),
        (b"[" * 100_000, "application/json", "JSON"),
        (b"\x80\x81\xfe\xff", "application/octet-stream", "JSON"),
    ],
)
def test_an_unreadable_response_is_exit_1_with_nothing_written(imagecli, server, body, kind, words):
    server.respond = lambda reply, _: reply.send(body, kind=kind, x_request_id="req_9")
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


def test_fewer_images_than_asked_for_is_partial(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(IMAGE, IMAGE))
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (6, "partial")
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png", "cat-2.png"]
    assert [(failure["n"], failure["kind"]) for failure in ran.json["failures"]] == [(3, "failure")]
    again = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png", "--skip-existing")
    assert server.requests[1].json["n"] == 1
    assert again.code == 0


def test_empty_entries_are_skipped_with_a_warning(imagecli, server):
    body = json.dumps({"data": [{"b64_json": b64(IMAGE)}, None, {"b64_json": b64(IMAGE)}]}).encode()
    server.respond = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat-1.png", "cat-2.png"])
    assert "sent an empty entry among its images" in ran.err
    server.respond = lambda reply, _: reply.json({"data": [None, {"b64_json": b64(IMAGE)}]})
    assert imagecli("gen", "fox", "--base-url", server.url).paths == ["fox.png"]


@pytest.mark.parametrize(
    "document",
    [
        {"images": [b64(IMAGE)]},
        {"data": [b64(IMAGE)]},
        [{"b64_json": b64(IMAGE)}],
        {"data": {"b64_json": b64(IMAGE)}},
        {"data": [{"base64": b64(IMAGE)}]},
        {"output": [{"image_url": {"url": f"data:image/png;base64,{b64(IMAGE)}"}}]},
        {"images": ["/a.png"]},
    ],
    ids=["images", "bare", "list", "one", "base64", "image_url", "a path that is none"],
)
@pytest.mark.parametrize("large", [False, True])
def test_responses_in_other_shapes(imagecli, server, document, large):
    data = noise() if large else IMAGE
    text = json.dumps(document).replace(b64(IMAGE), b64(data))
    server.respond = lambda reply, _: reply.send(text.encode())
    ran = imagecli("gen", "cat", "--base-url", server.url)
    if "/a.png" in text:
        assert ran.code == 1
    else:
        assert ran.code == 0, ran.err
        assert Path("cat.png").read_bytes() == data


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"error": {"message": "x" * 5000}}, 1),
        ({"data": [{"b64_json": b64(IMAGE)}], "usage": {"note": "x" * 5000, "total_tokens": 3}}, 0),
        ({"data": [{"b64_json": b64(IMAGE), "revised_prompt": "猫" * 700}]}, 0),
        ({"data": [{"b64_json": "\\q" + "A" * 6000}]}, 1),
    ],
)
def test_long_strings_beside_the_images_do_no_harm(imagecli, server, document, code):
    body = json.dumps(document).replace("\\\\q", "\\q").encode()
    server.respond = lambda reply, _: reply.send(body)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == code, ran.err
    if "猫" in str(document):
        assert ran.json["images"][0]["revised_prompt"] == "猫" * 700
    if "usage" in document:
        assert ran.json["usage"] == {"total_tokens": 3}


def test_a_large_percent_encoded_data_url_is_whole(imagecli, server):
    text = "<svg xmlns='http://www.w3.org/2000/svg'>" + "<!-- <é> -->" * 100_000 + "</svg>"
    from urllib.parse import quote

    server.respond = lambda reply, _: reply.json({"data": [{"url": f"data:image/svg+xml,{quote(text)}"}]})
    assert imagecli("gen", "cat", "--base-url", server.url).paths == ["cat.svg"]
    assert Path("cat.svg").read_text("utf-8") == text


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("shift", range(13))
def test_a_large_plain_data_url_is_whole(imagecli, server, ascii_only, shift):
    """Quotes, and characters that JSON escapes as pairs, wherever a piece of the response ends."""
    text = f'<svg xmlns="http://www.w3.org/2000/svg" id="{"x" * shift}">' + '<g id="🦊">é\n</g>' * 12_000 + "</svg>"
    document = {"data": [{"url": f"data:image/svg+xml;utf8,{text}"}]}
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    server.respond = lambda reply, _: reply.send(body)
    assert imagecli("gen", "cat", "--base-url", server.url).paths == ["cat.svg"]
    assert Path("cat.svg").read_bytes().decode("utf-8") == text


def test_a_web_page_is_reported_with_its_status(imagecli, server):
    server.respond = lambda reply, _: reply.send(b"<html>hello</html>", kind="text/html")
    assert imagecli("gen", "cat", "--base-url", server.url, "--json").json["error"]["http_status"] == 200


def test_an_error_beside_the_images_is_a_warning(imagecli, server):
    server.respond = lambda reply, _: reply.json({"data": [{"b64_json": b64(IMAGE)}], "error": {"message": "hm"}})
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.png"])
    assert "error" in ran.err


def test_a_percent_encoded_base64_data_url(imagecli, server):
    from urllib.parse import quote

    server.respond = lambda reply, _: reply.json(
        {"data": [{"url": "data:image/png;base64," + quote(b64(IMAGE), safe="")}]}
    )
    assert imagecli("gen", "cat", "--base-url", server.url).code == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"b64_json":"' + b"\\\\" * 4_000_000 + b'"}]}',
        b'{"data":[' + b"null," * 100_000 + b"null]}",
        b'{"data":[{"b64_json":"' + b'\\"' * 1_000_000 + b'"}]}',
        b'{"data":[{"b64_json":"AA==' + b"A" * 10_000_000 + b'"}]}',
        json.dumps({"data": [{"b64_json": "x"}], "usage": None})
        .replace("null", '{"a":' * 600 + "1" + "}" * 600)
        .encode(),
    ],
    ids=["backslashes", "nulls", "quotes", "padding", "deep"],
)
def test_hostile_responses_cost_neither_time_nor_a_traceback(program, server, body):
    """As a process, which can be killed while a regular expression runs."""
    server.respond = lambda reply, _: reply.send(body)
    assert program("gen", "cat", "--base-url", server.url, "--json").code == 1
