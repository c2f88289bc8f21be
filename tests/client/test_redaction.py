"""The key is shown nowhere, whatever a server does with it."""

from __future__ import annotations

import json

import pytest

from support.serving import b64, error_document, image_file

KEY = "sk-echoed-0123456789"
IMAGE = image_file()


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"url": f"file:///{KEY}"}]},
        {"data": [{"url": f"http://[{KEY}/x"}]},
        {"data": [{"b64_json": b64(IMAGE), "revised_prompt": KEY}], "usage": {KEY: 1, "a": KEY}},
        "x" * 110 + KEY,
        "x" * 490 + KEY,
        "<html>" + "x" * 290 + KEY,
        ["x" * 490 + KEY],
    ],
)
def test_the_key_is_shown_nowhere(imagecli, server, document):
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    for status in (200, 400):
        server.respond = lambda reply, _, status=status: reply.send(body, status, Content_Type=KEY)
        ran = imagecli(
            "gen", "cat", "--json", "-v", "--retries", "0", env={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
        )
        assert KEY[:9] not in ran.out + ran.err


def test_no_error_shows_the_key(imagecli, server):
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    for status, body in (
        (401, error_document(f"Incorrect API key provided: {KEY}")),
        (400, {"error": KEY, "message": f"x {KEY}"}),
        (500, {"detail": [{"loc": [KEY], "msg": KEY}]}),
        (200, {"error": {"message": KEY, "code": KEY}}),
        (302, {}),
    ):
        server.respond = lambda reply, _, status=status, body=body: reply.json(
            body, status, Location=f"http://x/{KEY}", X_Request_Id=KEY
        )
        for flags in ((), ("--json",), ("-v",)):
            ran = imagecli("gen", "cat", "--retries", "0", *flags, env=env)
            assert ran.code != 0
            assert KEY not in ran.out + ran.err
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.posts)
