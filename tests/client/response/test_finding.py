"""Images under every key that servers use, beside whatever else they send; and nothing else taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.serving import b64, error_document, image_file, noise

SMALL, LARGE = image_file(), noise()
OTHER = noise((120, 120))
"""A larger image that is not the result: a thumbnail, an input."""
I, O = "{image}", b64(OTHER)  # noqa: E741 - they stand for images in the shapes below
U = "{origin}/made/1"


@pytest.fixture
def respond(server):
    """Let the server respond with a document, in which I and U stand for an image, and give the image at U."""

    def respond(document, image=SMALL):
        text = json.dumps(document).replace(I, b64(image)).replace("{origin}", server.origin).encode()
        server.respond = lambda reply, request: (
            reply.send(text) if request.method == "POST" else reply.send(image, kind="image/png")
        )

    return respond


@pytest.mark.parametrize("image", [SMALL, LARGE], ids=["short", "long"])
@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"image": I}]},
        {"result": {"image": I}},
        {"data": {"data": [{"b64_json": I}]}},
        {"data": [{"url": [U]}]},
        {
            "data": {
                "param": json.dumps({"image_url": "https://x.invalid/in.png"}),
                "resultJson": json.dumps({"urls": [U]}),
            }
        },
        {"result": json.dumps({"images": [I]})},
        {"artifacts": [{"base64": I, "finishReason": "SUCCESS"}]},
        {"predictions": [{"bytesBase64Encoded": I, "mimeType": "image/png"}]},
        {"candidates": [{"content": {"parts": [{"text": "Here."}, {"inlineData": {"data": I}}]}}]},
        {
            "candidates": [
                {"content": {"parts": [{"thought": True, "inlineData": {"data": O}}, {"inline_data": {"data": I}}]}}
            ]
        },
        {"choices": [{"message": {"content": "", "images": [{"image_url": {"url": "data:image/png;base64," + I}}]}}]},
        {"output": [{"type": "reasoning", "summary": []}, {"type": "image_generation_call", "result": I}]},
        {"id": "1", "data": {"image_base64": [I]}, "base_resp": {"status_code": 0}},
        {"b64": I},
        {"created": 1, "something new": {"never seen": I}},
        {
            "id": "x",
            "status": "succeeded",
            "urls": {"get": "{origin}/task"},
            "output": [U],
            "input": {"image": U + "0"},
        },
        {"id": "x", "status": "Ready", "result": {"sample": U}},
        {
            "code": 200,
            "data": {"id": "t", "status": "completed", "result": {"images": [{"url": [U], "expires_at": 1}]}},
        },
        {"output": {"choices": [{"message": {"content": [{"image": U}]}}]}},
        {
            "code": 0,
            "data": {"task_id": "1", "task_status": "succeed", "task_result": {"images": [{"index": 0, "url": U}]}},
        },
        {"images": ["/made/1.png"]},
        {"made": U + ".png?signature=1"},
        {"data": [{"b64_json": "image/png;base64," + I}]},
        {"choices": [{"message": {"role": "assistant", "content": "Here:\n\n![a cat](" + U + ")\n\nEnjoy!"}}]},
        {"choices": [{"message": {"content": "![a](" + U + ") [Download](" + U + ".png)"}}]},
        {"choices": [{"message": {"content": "Sure! ![image](data:image/png;base64," + I + ")"}}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "<img src='" + U + "'>"}]}]},
        {"answer": "It is at " + U + ".png?sig=1."},
        I,
    ],
    ids=lambda document: json.dumps(document)[:40] if not isinstance(document, bytes) else None,
)
def test_an_image_is_found_whatever_its_key(imagecli, server, respond, document, image):
    respond(document, image)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")
    assert Path("cat.png").read_bytes() == image
    assert all(request.path.startswith("/made/1") for request in server.requests if request.method == "GET")


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"b64_json": I, "thumbnail": O, "input_image": O}]},
        {"input": {"image": O}, "image": O, "data": [{"b64_json": I}]},
        {"data": [{"image": O, "url": U}]},
        {"data": [{"original": O, "edited": I}]},
        {"request": {"image": "data:image/png;base64," + O}, "output": {"picture": I}},
        {"image": O, "output_image": I},
        {"before": O, "after": I},
        {"data": [{"url": U, "thumbnail_url": "{origin}/thumb.png", "preview": O}], "next_url": "{origin}/list"},
    ],
)
def test_other_images_beside_it_are_not_taken_for_it(imagecli, server, respond, document):
    respond(document)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.err) == (0, "")
    assert Path("cat.png").read_bytes() == SMALL


def test_strings_of_any_size_beside_an_image_do_no_harm(imagecli, server, respond):
    respond({"echo": "x" * 5_000_000, "data": [{"b64_json": I, "latents": "QUJD" * 2_000_000, "revised_prompt": "猫"}]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["images"][0]["revised_prompt"] == "猫"


def test_all_images_of_one_object_are_found(imagecli, server, respond):
    respond({"result": {"image1": I, "image2": I, "seed": 3}})
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat-1.png", "cat-2.png"]), ran.err


@pytest.mark.parametrize("escaped", [False, True])
def test_an_svg_as_text_is_an_image(imagecli, server, escaped):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5">' + "<g/>" * 2000 + "</svg>"
    text = json.dumps({"svg": svg})
    server.respond = lambda reply, _: reply.send((text.replace("<", r"\u003c") if escaped else text).encode())
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.svg"]), ran.err
    assert Path("cat.svg").read_text() == svg


@pytest.mark.parametrize("body", [b64(LARGE), "data:image/png;base64," + b64(LARGE), "\n" + b64(LARGE) + "\n"])
def test_base64_alone_is_an_image(imagecli, server, body):
    server.respond = lambda reply, _: reply.send(body.encode(), kind="text/plain")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png").code == 0
    assert Path("cat.png").read_bytes() == LARGE


@pytest.mark.parametrize(
    "document",
    [
        {"status": "ok", "help_url": "{origin}/made/1", "docs": U},
        {"links": {"self": U, "next": U}, "webhook_url": U, "callback": U},
        {"thumbnail": I, "preview_url": U, "input": I},
        {"usage": {"image": 3}, "message": "see {origin}/made/1 for more"},
    ],
)
def test_what_is_no_result_is_not_fetched(imagecli, server, respond, document):
    respond(document)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, list(Path().iterdir())) == (1, [])
    assert [request.method for request in server.requests] == ["POST"]


# Errors in the places of images

REFUSED = {"error": {"code": "OutputImageSensitiveContentDetected", "message": "The image may contain …"}}


def test_an_items_own_error_is_its_images_failure(imagecli, server, respond):
    respond({"data": [{"b64_json": I}, REFUSED, {"b64_json": I}]})
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "-o", "cat.png", "--json")
    assert ran.code == 6
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png", "cat-3.png"]
    [failure] = ran.json["failures"]
    assert (failure["n"], failure["kind"], failure["exit_code"]) == (2, "content_policy", 3)
    assert failure["code"] == "OutputImageSensitiveContentDetected"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (REFUSED, 3),
        ({"error": {"code": "InternalServiceError", "message": "GPU on fire"}}, 1),
        ({"code": "moderation_blocked", "message": "no", "url": None}, 3),
        ({"is_image_safe": False, "url": None, "prompt": "a cat", "seed": 1}, 3),
        ({"b64_json": None, "error": error_document("quota", code="insufficient_quota")["error"]}, 7),
    ],
)
def test_an_error_in_the_place_of_the_only_image_decides(imagecli, server, respond, entry, code):
    respond({"created": 1, "data": [entry]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, ran.json["error"]["exit_code"], len(server.posts)) == (code, code, 1)


def test_what_a_response_reports_besides_its_images_is_why_others_are_missing(imagecli, server, respond):
    respond({"data": [{"b64_json": I}], "error": {"code": "content_policy_violation", "message": "not that one"}})
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, [failure["kind"] for failure in ran.json["failures"]]) == (6, ["content_policy"])


@pytest.mark.parametrize(
    "entries",
    [
        [None, {"b64_json": I}],
        [REFUSED, {"b64_json": I}],
        [{"b64_json": I}, REFUSED],
        [{"b64_json": "bm8gaW1hZ2UgYXQgYWxs"}, {"b64_json": I}],
        [{"url": "/gone"}, {"b64_json": I}],
    ],
    ids=["null", "error before", "error after", "not an image", "not there"],
)
def test_the_only_image_that_was_asked_for_is_there(imagecli, server, respond, entries):
    respond({"data": entries})
    post = server.respond
    server.respond = lambda reply, request: post(reply, request) if request.method == "POST" else reply.send(b"", 410)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert (ran.code, ran.json["failures"]) == (0, [])
    assert [image["path"] for image in ran.json["images"]] == ["cat.png"]
    assert ran.json["warnings"]


@pytest.mark.parametrize("odd", [{"odd": {"place": U}}, {"thumbnail": U}, {"preview": I}])
def test_a_response_that_holds_an_image_is_kept_whatever_error_it_reports(imagecli, server, respond, odd):
    respond({"error": {"message": "Blocked.", "code": "moderation_blocked"}} | odd)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert ran.code == 3
    assert next(iter(odd)) in Path(ran.json["error"]["saved_response"]).read_text()


@pytest.mark.parametrize("key", ["b64_json", "picture"])
def test_an_image_of_a_kind_that_no_model_makes_is_kept_and_named(imagecli, server, respond, key):
    respond({"data": [{key: b64(image_file(kind="TIFF"))}]})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    error = ran.json["error"]
    assert (ran.code, "a TIFF image" in error["message"], "--format png" in error["hint"]) == (1, True, True)
    assert Path(error["saved_response"]).exists()


def test_an_answer_in_words_alone_has_no_image(imagecli, server, respond):
    respond({"choices": [{"message": {"content": f"I can't. See {U} and [the docs]({U})."}}]})
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, [request.method for request in server.requests]) == (1, ["POST"])
    assert "I can't." in ran.err


def test_an_address_that_explains_an_error_is_not_an_image(imagecli, server, respond):
    respond({"error": {"message": "Pay.", "code": "insufficient_quota"}, "upgrade": U, "url": U, "link": {"href": U}})
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.requests)) == (7, 1)


def test_svg_usage_is_reported_beside_usage(imagecli, server, respond):
    respond({"data": [{"b64_json": I}], "usage": {"total_tokens": 3}, "svg_usage": {"total_tokens": 7, "model": "x"}})
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.json["usage"], ran.json["svg_usage"]) == ({"total_tokens": 3}, {"total_tokens": 7})
