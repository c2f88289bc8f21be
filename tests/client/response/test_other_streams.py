"""Streams of other servers: what is a finished image there, what a preview, what a failure, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from support.serving import b64, image_file, noise

PREVIEW, ONE, TWO = image_file(colour=(60, 60, 60)), image_file(colour=(200, 40, 40)), image_file(colour=(40, 200, 40))
POLICY = {"code": "OutputImageSensitiveContentDetected", "message": "The image may be sensitive."}
BROKEN = {"code": "InternalServiceError", "message": "GPU on fire"}
USAGE = {"generated_images": 2, "output_tokens": 9, "total_tokens": 9}


def ark(name, **fields):
    """Return an event of Volcengine Ark's, or MiniMax's."""
    return {"type": f"image_generation.{name}", "model": "seedream", "created": 1, **fields}


def openai(name, **fields):
    return {"type": f"image_generation.{name}", **fields}


def chunked(name, **fields):
    return {"object": f"image.generation.{name}", "created": 1, **fields}


@pytest.fixture
def stream(server):
    """Let the server respond with these events, and give the images at /one and /two; `cut`: it breaks off there."""

    def respond(*documents, cut=False, named=True):
        lines = [
            (f"event: {one.get('type') or one.get('object')}\n" if named else "") + f"data: {json.dumps(one)}\n\n"
            for one in documents
        ]
        body = "".join(lines).encode()

        def respond(reply, request):
            if request.method == "GET":
                reply.send({"/one": ONE, "/two": TWO}[request.path])
                return
            reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            reply.raw(b"%x\r\n%s\r\n" % (len(body), body) + (b"" if cut else b"0\r\n\r\n"))
            if cut:
                reply.close()

        server.respond = respond

    return respond


def colours(paths):
    found = []
    for path in paths:
        with Image.open(path) as image:
            found.append(image.convert("RGB").getpixel((5, 5)))
    return found


RED, GREEN = (200, 40, 40), (40, 200, 40)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("one", "two"),
    [({"url": "/one"}, {"url": "/two"}), ({"b64_json": b64(ONE)}, {"b64_json": b64(TWO)})],
    ids=["address", "base64"],
)
def test_a_part_that_succeeded_is_a_finished_image(imagecli, server, stream, one, two, named):
    stream(
        ark("partial_succeeded", image_index=1, size="64x48", **two),
        ark("partial_succeeded", image_index=0, size="64x48", **one),
        ark("completed", usage=USAGE),
        named=named,
    )
    ran = imagecli(
        "gen", "cat", "-n", "2", "--base-url", server.url, "--param", "stream=true", "-o", "cat.png", "--json"
    )
    assert (ran.code, ran.json["usage"], ran.json["warnings"]) == (0, USAGE, [])
    assert colours(image["path"] for image in ran.json["images"]) == [RED, GREEN]


@pytest.mark.parametrize(("error", "kind"), [(POLICY, "content_policy"), (BROKEN, "failure")])
def test_a_part_that_failed_is_that_images_failure(imagecli, server, stream, error, kind):
    stream(
        ark("partial_failed", image_index=0, error=error),
        ark("partial_succeeded", image_index=1, url="/two"),
        ark("completed", usage=USAGE),
    )
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--json")
    assert ran.code == 6
    assert [(failure["n"], failure["kind"]) for failure in ran.json["failures"]] == [(1, kind)]
    assert colours(["cat-2.png"]) == [GREEN]


def test_a_stream_whose_parts_have_all_failed_is_their_failure(imagecli, server, stream):
    stream(ark("partial_failed", image_index=0, error=POLICY), ark("completed", usage={"total_tokens": 0}))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, ran.json["error"]["code"], len(server.posts)) == (3, POLICY["code"], 1)


def test_what_came_before_a_stream_broke_off_is_saved(imagecli, server, stream):
    stream(ark("partial_succeeded", image_index=0, url="/one"), cut=True)
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "--retry-unknown", "-o", "cat.png", "--json")
    assert (ran.code, len(server.posts)) == (8, 1)
    assert [image["path"] for image in ran.json["images"]] == ["cat-1.png"]
    assert [(failure["n"], failure["kind"]) for failure in ran.json["failures"]] == [(2, "unknown_outcome")]


def test_what_came_before_an_error_is_saved(imagecli, server, stream):
    stream(ark("partial_succeeded", image_index=0, url="/one"), {"type": "error", "error": POLICY})
    ran = imagecli("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--json")
    assert ran.code == 6
    assert [failure["kind"] for failure in ran.json["failures"]] == ["content_policy"]
    assert colours(["cat-1.png"]) == [RED]


def test_a_chunk_is_a_preview_and_a_result_the_image(imagecli, server, stream):
    stream(
        chunked("chunk", progress_text="1/1", data=[]),
        chunked("chunk", index=0, b64_json=b64(PREVIEW)),
        chunked("result", index=0, data=[{"b64_json": b64(ONE), "revised_prompt": "a cat"}], usage={"total_tokens": 9}),
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "--param", "stream=true", "-o", "cat.png", "--json")
    assert (ran.code, ran.json["usage"], ran.json["warnings"]) == (0, {"total_tokens": 9}, [])
    assert ran.json["images"][0]["revised_prompt"] == "a cat"
    assert colours(["cat.png"]) == [RED]


@pytest.mark.parametrize("data", [ONE, noise()], ids=["short", "long"])
def test_an_image_that_the_end_of_a_stream_repeats_is_one(imagecli, server, stream, data):
    stream(
        chunked("result", index=0, b64_json=b64(data)),
        chunked("completed", data=[{"b64_json": b64(data)}]),
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")


def test_the_responses_apis_events(imagecli, server, stream):
    stream(
        {
            "type": "response.image_generation_call.partial_image",
            "partial_image_index": 0,
            "partial_image_b64": b64(PREVIEW),
        },
        {"type": "response.output_item.done", "item": {"type": "image_generation_call", "result": b64(ONE)}},
        {"type": "response.completed", "response": {"output": [{"type": "image_generation_call", "result": b64(ONE)}]}},
    )
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")
    assert colours(["cat.png"]) == [RED]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize(
    "preview",
    [
        chunked("chunk", b64_json=b64(PREVIEW)),
        {"type": "preview", "image": b64(PREVIEW)},
        {"b64_json": b64(PREVIEW), "is_final": False},
    ],
)
def test_a_preview_is_never_saved_as_the_image(imagecli, server, stream, preview, cut):
    stream(preview, cut=cut)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--json")
    assert ran.code == (8 if cut else 6)
    assert [path.name for path in Path().iterdir()] == ["cat.partial.png"]
    assert ran.json["images"][0]["partial"] is True


def test_a_message_in_place_of_an_image_is_shown(imagecli, server, stream):
    stream({"object": "image.generation.message", "message": "I can't draw that.", "data": []})
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert ran.code == 1
    assert "I can't draw that." in ran.err


@pytest.mark.parametrize(
    "documents",
    [
        [openai("completed", link={"place": "https://x.invalid/paid.png?thumb=1"}), {"type": "error", "error": POLICY}],
        [{"type": "other", "thumbnail": "https://x.invalid/paid.png"}, {"type": "error", "error": POLICY}],
    ],
)
def test_a_stream_that_holds_an_address_is_kept_whatever_it_reports(imagecli, server, stream, documents):
    stream(*documents)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retries", "0", "--json")
    assert ran.code != 0
    assert "paid.png" in Path(ran.json["error"]["saved_response"]).read_text()


def test_partial_images_without_end_are_not_all_saved(imagecli, server, stream):
    partials = [openai("partial_image", partial_image_index=n, b64_json=b64(PREVIEW)) for n in range(200)]
    stream(*partials, openai("completed", b64_json=b64(ONE)))
    ran = imagecli(
        *("gen", "cat", "--base-url", server.url, "--partials", "3", "--save-partials", "-o", "cat.png", "--json")
    )
    assert ran.code == 0, ran.err
    assert len(ran.json["images"][0]["partials"]) == len(list(Path().glob("cat.partial*"))) == 16
    assert ["16 partial images" in warning for warning in ran.json["warnings"]] == [True]


def chat(**delta):
    """Return a piece of a chat's answer."""
    return {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]}


@pytest.mark.parametrize(
    "pieces",
    [
        [
            {"role": "assistant", "content": ""},
            {"images": [{"image_url": {"url": "data:image/png;base64," + b64(ONE)}}]},
        ],
        [{"content": "Here: ![a c"}, {"content": "at](ORIGIN/o"}, {"content": "ne) Enjoy!"}],
        [{"content": "Here: ![a cat](data:image/png;base64," + b64(ONE) + ")"}, {"content": " Enjoy!"}],
    ],
    ids=["images", "address", "data URL"],
)
def test_the_image_of_a_chats_answer_is_found_in_its_pieces(imagecli, server, stream, pieces):
    stream(*json.loads(json.dumps([chat(**piece) for piece in pieces]).replace("ORIGIN", server.origin)), named=False)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")
    assert colours(ran.paths) == [RED]


@pytest.mark.parametrize(
    ("pieces", "reason", "code", "words"),
    [
        ([{"content": "I cannot make "}, {"content": "that image."}], "stop", 1, "I cannot make that image."),
        ([{}], "content_filter", 3, "content policy"),
    ],
)
def test_a_chat_without_an_image_says_why(imagecli, server, stream, pieces, reason, code, words):
    last = {"choices": [{"delta": {}, "finish_reason": reason}]}
    stream(*(chat(**piece) for piece in pieces), last, named=False)
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, len(server.posts), words in ran.err) == (code, 1, True), ran.err


@pytest.mark.parametrize(
    "lines",
    [
        [{"status": "processing", "progress": 10}, {"status": "done", "image": b64(ONE)}],
        [{"type": "partial", "b64_json": b64(PREVIEW)}, {"type": "completed", "b64_json": b64(ONE)}],
        [{"completed": 1, "total": 4, "done": False}, {"image": b64(ONE), "done": True}],
    ],
    ids=["states", "types", "flags"],
)
def test_documents_that_follow_one_another_are_read_as_events(imagecli, server, lines):
    body = "\n".join(map(json.dumps, lines)).encode()
    server.respond = lambda reply, _: reply.send(body + b"\n", kind="application/x-ndjson")
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths, ran.err) == (0, ["cat.png"], "")
    assert colours(ran.paths) == [RED]
    server.respond = lambda reply, _: reply.send(json.dumps(lines[-1]).encode() + b"\n\0\0 }", kind="text/plain")
    assert imagecli("gen", "dog", "--base-url", server.url).paths == ["dog.png"], "what follows it is not read"
    server.respond = lambda reply, _: reply.send(b'{"status": "processing"}\n{"error": "insufficient balance"}\n')
    assert imagecli("gen", "cow", "--base-url", server.url).code == 7


def test_a_list_is_an_event_too(imagecli, server):
    server.respond = lambda reply, request: reply.send(
        ONE
        if request.method == "GET"
        else f'event: complete\ndata: [{{"path": "/tmp/x.png", "url": "{server.origin}/one"}}, 12]\n\n'.encode()
    )
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


@pytest.mark.parametrize(
    ("before", "last"),
    [
        ({"progress": 0.5}, {"progress": 1.0}),
        ({"progress": 50}, {"progress": 100}),
        ({"percentage": 0}, {}),
        ({"step": 3, "steps": 20}, {"step": 19, "steps": 20}),
    ],
)
def test_what_is_under_way_is_a_preview(imagecli, server, stream, before, last):
    stream({"image": b64(PREVIEW), **before}, {"image": b64(ONE), **last}, named=False)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "c.png")
    assert (ran.code, ran.paths, ran.err) == (0, ["c.png"], "")
    assert colours(["c.png"]) == [RED]
