"""Streams: partial images before the finished one, in every form seen, and what is left when a stream breaks off."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from support.running import wait_until
from support.serving import b64, image_file, response_with

PARTIALS = [image_file(colour=(60, 60, 60)), image_file(colour=(120, 120, 120))]
FINAL = image_file(colour=(200, 40, 40))


def event(name, *, newline="\n", **document):
    """Return one server-sent event, as OpenAI sends it."""
    kind = {"type": name} if name else {}
    lines = [f"event: {name}"] if name else []
    return newline.join([*lines, f"data: {json.dumps(kind | document)}", "", ""]).encode()


def partial(index, data=None, kind="image_generation", **more):
    return event(
        f"{kind}.partial_image", b64_json=b64(data or PARTIALS[index]), partial_image_index=index, created_at=1, **more
    )


def completed(data=FINAL, kind="image_generation", **more):
    return event(f"{kind}.completed", b64_json=b64(data), created_at=1, **more)


USAGE = {"total_tokens": 9, "input_tokens": 4, "output_tokens": 5}
WHOLE = [partial(0), partial(1), completed(usage=USAGE)]


def stream(*events, cut=False, piece=None, **headers):
    """Respond with events, chunk after chunk; `cut` ends the connection after them, without a last chunk.

    If it names a file, the connection is reset once that is there: what the client has not read by then is lost.
    """

    def respond(reply, request):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        data = b"".join(events)
        for start in range(0, len(data), piece or len(data) or 1):
            part = data[start : start + (piece or len(data))]
            reply.raw(b"%x\r\n%s\r\n" % (len(part), part))
        if not cut:
            reply.raw(b"0\r\n\r\n")
        elif cut is True:
            reply.close()
        else:
            wait_until(Path(cut).exists)
            reply.reset()

    return respond


def colour(path):
    with Image.open(path) as image:
        return image.convert("RGB").getpixel((5, 5))


def test_a_stream_is_asked_for_and_its_finished_image_saved(imagecli, server):
    server.respond = stream(*WHOLE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json")
    assert ran.code == 0, ran.err
    assert server.posts[0].json == {"prompt": "cat", "stream": True, "partial_images": 2}
    assert server.posts[0].headers["accept"] == "application/json"
    assert colour("cat.png") == (200, 40, 40)
    assert ran.json["usage"] == USAGE
    assert "partial" not in ran.json["images"][0]
    assert [path.name for path in Path().iterdir()] == ["cat.png"]


def test_edits_stream_in_a_form(imagecli, server):
    server.respond = stream(partial(0, kind="image_edit"), completed(kind="image_edit"))
    Path("in.png").write_bytes(image_file())
    ran = imagecli("edit", "in.png", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert (server.posts[0].form["stream"], server.posts[0].form["partial_images"]) == ("true", "1")
    assert colour("cat.png") == (200, 40, 40)


def test_each_of_several_images_has_a_stream_of_its_own(imagecli, server):
    server.respond = stream(*WHOLE)
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert [post.json["n"] for post in server.posts] == [1, 1, 1]
    assert ran.paths == ["cat-1.png", "cat-2.png", "cat-3.png"]


def test_partial_images_are_saved_on_request_beside_the_image(imagecli, server):
    server.respond = stream(*WHOLE)
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png", "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.json["images"][0]["partials"] == ["cat.partial-1.png", "cat.partial-2.png"]
    assert colour("cat.partial-1.png") == (60, 60, 60)
    assert colour("cat.partial-2.png") == (120, 120, 120)


def test_saved_partial_images_are_not_among_the_paths(imagecli, server):
    server.respond = stream(*WHOLE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png")
    assert ran.paths == ["cat.png"]
    assert Path("cat.partial-2.png").exists()


def test_nothing_is_overwritten_by_a_partial_image(imagecli, server):
    server.respond = stream(*WHOLE)
    Path("cat.partial-1.png").write_bytes(b"mine")
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png", "--json"
    )
    assert ran.code == 0
    assert Path("cat.partial-1.png").read_bytes() == b"mine"
    assert ran.json["images"][0]["partials"][0] == "cat.partial-1.2.png"


@pytest.mark.parametrize("cut", [False, True, "cat.partial-2.png"], ids=["ended", "cut off", "reset"])
def test_without_the_finished_image_the_last_partial_one_is_kept(imagecli, server, cut):
    server.respond = stream(partial(0), partial(1), cut=cut)
    saved = ["--save-partials"] if cut == "cat.partial-2.png" else []
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json", *saved)
    code, kind = (8, "unknown_outcome") if cut else (6, "partial")
    assert ran.code == code
    assert not Path("cat.png").exists()
    assert colour("cat.partial.png") == (120, 120, 120)
    [image] = ran.json["images"]
    assert (image["path"], image["partial"]) == ("cat.partial.png", True)
    [failure] = ran.json["failures"]
    assert (failure["n"], failure["kind"], failure["exit_code"]) == (1, kind, code)
    assert "cat.partial.png" in ran.json["error"]["message"]
    assert ("billed" in ran.json["error"]["message"]) is bool(cut)
    assert len(server.posts) == 1


def test_a_stream_may_be_compressed(imagecli, server):
    stream = io.BytesIO()
    Image.effect_noise((120, 120), 90).save(stream, "PNG")  # too long a string to be read with the rest
    failed = event("error", error={"message": "GPU on fire", "type": "server_error"})
    body = gzip.compress(partial(0, stream.getvalue()) + failed)
    server.respond = lambda reply, _: reply.send(body, kind="text/event-stream", Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 6, ran.err
    assert Path("cat.partial.png").read_bytes() == stream.getvalue()
    server.respond = lambda reply, _: reply.send(body[:-9], kind="text/event-stream", Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "dog.png", "--json")
    assert (ran.code, ran.json["error"]["type"]) == (6, "server_error"), "what it says before it is cut off counts"
    assert Path("dog.partial.png").read_bytes() == stream.getvalue()


def test_a_partial_image_alone_is_named_on_stdout_too(imagecli, server):
    server.respond = stream(partial(0))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"])
    assert "finished" in ran.err


def test_a_partial_image_never_goes_to_stdout(imagecli, server):
    server.respond = stream(partial(0))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "-")
    assert (ran.code, ran.raw) == (1, b"")
    kept = ran.err.split("kept in ")[1].split()[0].rstrip(".,")
    assert b"partial_image" in Path(kept).read_bytes()


@pytest.mark.parametrize("end", [completed()[:60], b"event: image_generation.completed\n", b"data: "])
def test_a_stream_that_ends_in_the_middle_of_an_event_has_broken_off(imagecli, server, end):
    """As nginx ends what a server breaks off that speaks HTTP/1.0 with it: in an orderly way."""
    server.respond = stream(partial(0), end)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert (ran.code, ran.paths, len(server.posts)) == (8, ["cat.partial.png"], 1), ran.err
    assert "billed" in ran.err


def test_so_has_one_without_a_partial_image(imagecli, server):
    server.respond = stream(completed()[:60])
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "-o", "cat.png")
    assert (ran.code, ran.paths, len(server.posts)) == (8, [], 1), ran.err
    assert "kept in" in ran.err


def test_a_stream_that_is_cut_after_its_finished_image_is_whole(imagecli, server):
    server.respond = stream(*WHOLE, cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_a_stream_that_is_cut_before_any_image_is_a_lost_response(imagecli, server):
    server.respond = stream(b": working\n\n", b"event: image_generation.partial_image\n", cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 8
    assert len(server.posts) == 1


def test_an_error_in_a_stream_decides(imagecli, server):
    refusal = {"message": "Your request was rejected by the safety system.", "code": "moderation_blocked"}
    server.respond = stream(partial(0), event("error", error=refusal))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "moderation_blocked")
    assert list(Path().iterdir()) == []


def test_a_server_error_in_a_stream_leaves_the_partial_image(imagecli, server):
    server.respond = stream(partial(0), event("error", error={"message": "GPU on fire", "type": "server_error"}))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 6
    assert "GPU on fire" in ran.err
    assert colour("cat.partial.png") == (60, 60, 60)


def test_a_server_that_ignores_the_wish_responses_json(imagecli, server):
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"])
    assert server.posts[0].json["stream"] is True


@pytest.mark.parametrize(
    "events",
    [
        [partial(1), partial(0), partial(1), completed()],
        [event("image_generation.completed", newline="\r\n", b64_json=b64(FINAL))],
        [event("image_generation.completed", newline="\r", b64_json=b64(FINAL))],
        [event("", type="image_generation.completed", b64_json=b64(FINAL)), b"data: [DONE]\n\n"],
        [completed()[:-1]],
        [b"\xef\xbb\xbf", completed()],
        [b": ping\n\nid: 7\n\nretry: 10\n\n", completed()],
        [b"event: note\ndata: no json\n\n", completed()],
        [b'data: {"type": "image_generation.completed",\ndata: "b64_json": "%s"}\n\n' % b64(FINAL).encode()],
        [b'data:{"b64_json": "%s"}\n\n' % b64(FINAL).encode()],
        [b': it says "hello\n\n', completed()],
    ],
    ids=[
        "out of order",
        "CRLF",
        "CR",
        "data only",
        "no last line",
        "BOM",
        "comments",
        "text",
        "two lines",
        "bare",
        "quote",
    ],
)
def test_every_legal_way_to_write_events_is_read(imagecli, server, events):
    for piece in (None, 7, 1000):
        server.respond = stream(*events, piece=piece)
        ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--force")
        assert ran.code == 0, ran.err
        assert colour("cat.png") == (200, 40, 40)


def test_a_stream_of_very_many_events_is_read_no_further(imagecli, server, monkeypatch):
    """A million of `data: {}` would take longer to read than any --timeout; what came before is used."""
    monkeypatch.setattr("imagecli.client.response.events._MOST_EVENTS", 50)
    server.respond = stream(*[b"data: {}\n\n"] * 49, completed())
    assert imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "-o", "cat.png").code == 0
    server.respond = stream(*[b"data: {}\n\n"] * 50, completed())
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "-o", "dog.png", "--json")
    assert ran.code == 1
    assert b"completed" in Path(ran.json["error"]["saved_response"]).read_bytes()
    server.respond = stream(completed(), *[b"data: {}\n\n"] * 60)
    assert imagecli("gen", "cat", "--base-url", server.url, "--partials", "0", "-o", "fox.png").code == 0


def test_xinferences_events(imagecli, server):
    Path("in.png").write_bytes(image_file())
    server.respond = stream(
        b'event: start\r\ndata: {"type": "image_edit_started", "prompt": "cat"}\r\n\r\n',
        b'event: processing\r\ndata: {"type": "starting_generation"}\r\n\r\n',
        b"event: complete\r\ndata: %s\r\n\r\n" % response_with(FINAL),
    )
    ran = imagecli("edit", "in.png", "cat", "--base-url", server.url, "--param", "stream=true", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_vllm_omnis_events(imagecli, server):
    Path("in.png").write_bytes(image_file())
    chunk = {"object": "image.edit.chunk", "created": 1, "model": "glm"}
    server.respond = stream(
        event("", **chunk | {"type": "ar_delta", "delta": "thinking", "index": 0}),
        event("", **chunk | {"type": "image", "data": [{"b64_json": b64(FINAL)}], "size": "64x48"}),
        b"data: [DONE]\n\n",
    )
    ran = imagecli("edit", "in.png", "cat", "--base-url", server.url, "--param", "stream=true", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert colour("cat.png") == (200, 40, 40)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--save-partials"], "--save-partials needs --partials"),
        (["--partials", "4"], "--partials must be"),
        (["--partials", "2", "--save-partials", "-o", "-"], "no place for partial images"),
        (["--partials", "2", "--param", "stream=false"], "set the same field"),
        (["--partials", "2", "--param", "partial_images=1"], "can't set partial_images"),
    ],
)
def test_contradictions_are_refused_before_anything_is_sent(imagecli, server, args, words):
    ran = imagecli("gen", "cat", "--base-url", server.url, *args)
    assert ran.code == 2
    assert words in ran.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "words"),
    [("dall-e-3", "takes no --partials"), ("gpt-image-2.6-flare", "can't be used with svg")],
)
def test_what_a_model_can_not_stream_is_refused_at_its_own_hosts(imagecli, model, words):
    args = ("--format", "svg") if words.endswith("svg") else ()
    ran = imagecli("gen", "cat", "-P", "sandbox", "-m", model, "--partials", "2", *args)
    assert (ran.code, words in ran.err) == (2, True)


def test_a_stream_is_retried_only_if_asked(imagecli, server):
    server.responses = [stream(partial(0), cut=True), stream(*WHOLE)]
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 2)


def test_python_yields_partial_images_and_then_the_finished_one(server):
    from imagecli import ImageClient

    server.respond = stream(*WHOLE)
    client = ImageClient(base_url=server.url)
    came = list(client.generate_stream("cat", partials=2))
    assert [getattr(one, "number", "finished") for one in came] == [1, 2, "finished"]
    assert [one.data for one in came] == [*PARTIALS, FINAL]
    assert [one.format for one in came] == ["png"] * 3
    came = list(client.edit_stream(image_file(), "cat"))
    assert len(came) == 3
    assert server.posts[-1].form["partial_images"] == "2"


def test_python_raises_for_what_is_missing(server):
    from imagecli import ImageClient
    from imagecli.errors import ContentPolicyRefusal, PartialResult

    client = ImageClient(base_url=server.url)
    server.respond = stream(partial(0))
    came = client.generate_stream("cat")
    assert next(came).data == PARTIALS[0]
    with pytest.raises(PartialResult) as caught:
        next(came)
    assert [one.data for one in caught.value.partials] == [PARTIALS[0]]
    server.respond = stream(event("error", error={"message": "no", "code": "moderation_blocked"}))
    with pytest.raises(ContentPolicyRefusal):
        list(client.generate_stream("cat"))
    with pytest.raises(TypeError, match="no option mask_rect"):
        client.generate("cat", mask_rect=["1,1,2,2"])


def test_what_is_whole_is_not_paid_for_again(imagecli, server):
    server.respond = stream(*WHOLE, cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 1), ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_the_last_of_several_lost_streams_leaves_its_partial_image(imagecli, server):
    server.respond = stream(partial(0), cut=True)
    args = ("--partials", "1", "--retry-unknown", "--retries", "1", "-o", "cat.png")
    ran = imagecli("gen", "cat", "--base-url", server.url, *args)
    assert (ran.code, len(server.posts)) == (8, 2), ran.err
    assert colour("cat.partial.png") == (60, 60, 60)


@pytest.mark.parametrize("last", [{"b64_json": None}, {"b64_json": ""}, {}], ids=["null", "empty", "none"])
def test_a_finished_event_without_an_image_leaves_the_partial_image(imagecli, server, last):
    server.respond = stream(partial(0), event("image_generation.completed", **last))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"]), ran.err


def test_a_finished_event_with_an_index_is_finished(imagecli, server):
    server.respond = stream(partial(0), completed(partial_image_index=None))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (event("error", code="moderation_blocked", message="Blocked by the safety system."), 3),
        (event("error", code="insufficient_quota", message="You exceeded your quota: GPU on fire."), 6),
        (b"event: error\ndata: GPU on fire\n\n", 6),
        (b'event: error\ndata: "GPU on fire"\n\n', 6),
        (b'event: error\ndata: {"detail": "GPU on fire"}\n\n', 6),
    ],
    ids=["moderation", "quota", "text", "string", "detail"],
)
def test_errors_of_a_stream_in_other_forms(imagecli, server, last, code):
    server.respond = stream(partial(0), last)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert ran.code == code, ran.err
    assert code != 6 or "GPU on fire" in ran.err


def test_a_compressed_stream_leaves_its_partial_image_and_nothing_else(imagecli, server):
    noise = os.urandom(64 * 48 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (64, 48), noise).save(file, "PNG")
    events = partial(0, file.getvalue()) + event("error", error={"message": "GPU on fire", "type": "server_error"})
    server.respond = lambda reply, _request: reply.send(gzip.compress(events), Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"]), ran.err
    assert Path("cat.partial.png").read_bytes() == file.getvalue()


def test_what_is_called_finished_is_the_image(imagecli, server):
    server.respond = stream(event("preview", b64_json=b64(PARTIALS[0])), event("log", data=["loading"]), completed())
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err
    assert colour("cat.png") == (200, 40, 40)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}, 5),
        ({"message": "The server had an error.", "type": "server_error", "code": None}, 5),
        ({"message": "Invalid size.", "type": "invalid_request_error", "code": "invalid_value", "param": "size"}, 2),
        ({"message": "Wrong.", "type": "invalid_request_error", "code": "invalid_api_key"}, 4),
    ],
)
def test_an_error_in_a_stream_is_sorted_by_its_code(imagecli, server, error, code):
    server.respond = stream(event("error", error=error))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (code, 1), ran.err


def test_nothing_is_waited_for_after_the_end(imagecli, server):
    def respond(reply, _request):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(WHOLE) + b"data: [DONE]\n\n")
        reply.hang()

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err


def test_a_document_that_is_whole_before_the_connection_breaks_is_a_response(imagecli, server):
    def respond(reply, _request):
        body = response_with(FINAL)
        reply.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))
        reply.close()

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 1), ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_saved_partial_images_of_an_image_that_failed_are_named(imagecli, server):
    blocked = event("error", error={"message": "no", "code": "moderation_blocked"})
    server.respond = stream(partial(0), blocked)
    args = ("gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png")
    ran = imagecli(*args, "--json")
    assert (ran.code, ran.json["failures"][0]["partials"]) == (3, ["cat.partial-1.png"])


def test_a_second_run_takes_the_next_free_name_without_a_warning(imagecli, server):
    server.respond = stream(partial(0))
    args = ("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    first, second = imagecli(*args), imagecli(*args)
    assert (first.paths, second.paths) == (["cat.partial.png"], ["cat.partial.2.png"])
    assert "appeared" not in second.err


def _events(*documents, end="data: [DONE]\n\n"):
    return ("".join(f"event: {d.get('type', 'x')}\ndata: {json.dumps(d)}\n\n" for d in documents) + end).encode()


PARTIAL = {"type": "image_generation.partial_image", "b64_json": b64(image_file((8, 8))), "partial_image_index": 0}


COMPLETED = {"type": "image_generation.completed", "b64_json": b64(FINAL), "usage": {"total_tokens": 9}}


@pytest.mark.parametrize(
    "body",
    [
        _events(PARTIAL, COMPLETED),
        _events(COMPLETED, end=""),
        _events(PARTIAL, {"type": "complete", "data": [{"b64_json": b64(FINAL)}], "usage": {"total_tokens": 9}}),
        b": ping\n\n" + _events(COMPLETED).replace(b"\n", b"\r\n"),
    ],
)
def test_events_where_a_document_was_expected_give_their_finished_image(imagecli, server, body):
    server.respond = lambda reply, _: reply.send(body, kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--param", "stream=true", "--json")
    assert ran.code == 0, ran.err
    assert Path("cat.png").read_bytes() == FINAL
    assert ran.json["usage"] == {"total_tokens": 9}


def test_a_stream_without_an_end_has_no_image(imagecli, server):
    server.respond = lambda reply, _: reply.send(_events(PARTIAL), kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url)
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"])
    Path("cat.partial.png").unlink()
    server.respond = lambda reply, _: reply.send(_events({"type": "ping"}), kind="text/event-stream")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--json")
    assert (ran.code, list(Path().iterdir())) == (1, [])
    assert "ping" in Path(ran.json["error"]["saved_response"]).read_text()
    error = {"type": "error", "error": {"message": "no", "code": "moderation_blocked"}}
    server.respond = lambda reply, _: reply.send(_events(PARTIAL, error), kind="text/event-stream")
    assert imagecli("gen", "cat", "--base-url", server.url).code == 3
