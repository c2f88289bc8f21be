"""Streams: partial images on the way to the finished one, in every form seen, and what is left when they break off."""

from __future__ import annotations

import gzip
import io
import json
import os
import time
from pathlib import Path

import pytest
from PIL import Image
from serving import b64, images, picture

PARTIALS = [picture(colour=(60, 60, 60)), picture(colour=(120, 120, 120))]
FINAL = picture(colour=(200, 40, 40))


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
    """Answer with events, chunk after chunk; `cut` tears the connection down behind them."""

    def answer(reply, request):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        data = b"".join(events)
        for start in range(0, len(data), piece or len(data) or 1):
            part = data[start : start + (piece or len(data))]
            reply.raw(b"%x\r\n%s\r\n" % (len(part), part))
        if cut:
            time.sleep(0.05)
            reply.reset()
        else:
            reply.raw(b"0\r\n\r\n")

    return answer


def colour(path):
    with Image.open(path) as image:
        return image.convert("RGB").getpixel((5, 5))


def test_a_stream_is_asked_for_and_its_finished_picture_saved(imagecli, server):
    server.answer = stream(*WHOLE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json")
    assert ran.code == 0, ran.err
    assert server.posts[0].json == {"prompt": "cat", "stream": True, "partial_images": 2, "output_format": "png"}
    assert server.posts[0].headers["accept"] == "application/json"
    assert colour("cat.png") == (200, 40, 40)
    assert ran.json["usage"] == USAGE
    assert "partial" not in ran.json["images"][0]
    assert [path.name for path in Path().iterdir()] == ["cat.png"]


def test_edits_stream_in_a_form(imagecli, server):
    server.answer = stream(partial(0, kind="image_edit"), completed(kind="image_edit"))
    Path("in.png").write_bytes(picture())
    ran = imagecli("edit", "in.png", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert (server.posts[0].form["stream"], server.posts[0].form["partial_images"]) == ("true", "1")
    assert colour("cat.png") == (200, 40, 40)


def test_each_of_several_images_has_a_stream_of_its_own(imagecli, server):
    server.answer = stream(*WHOLE)
    ran = imagecli("gen", "cat", "-n", "3", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert [post.json["n"] for post in server.posts] == [1, 1, 1]
    assert ran.paths == ["cat-1.png", "cat-2.png", "cat-3.png"]


def test_partial_images_are_saved_on_request_beside_the_picture(imagecli, server):
    server.answer = stream(*WHOLE)
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png", "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.json["images"][0]["partials"] == ["cat.partial-1.png", "cat.partial-2.png"]
    assert colour("cat.partial-1.png") == (60, 60, 60)
    assert colour("cat.partial-2.png") == (120, 120, 120)


def test_saved_partial_images_are_not_among_the_paths(imagecli, server):
    server.answer = stream(*WHOLE)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png")
    assert ran.paths == ["cat.png"]
    assert Path("cat.partial-2.png").exists()


def test_nothing_is_overwritten_by_a_partial_image(imagecli, server):
    server.answer = stream(*WHOLE)
    Path("cat.partial-1.png").write_bytes(b"mine")
    ran = imagecli(
        "gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png", "--json"
    )
    assert ran.code == 0
    assert Path("cat.partial-1.png").read_bytes() == b"mine"
    assert ran.json["images"][0]["partials"][0] == "cat.partial-1.2.png"


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "cut off"])
def test_without_the_finished_picture_the_last_partial_one_is_kept(imagecli, server, cut):
    server.answer = stream(partial(0), partial(1), cut=cut)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json")
    assert ran.code == 6
    assert not Path("cat.png").exists()
    assert colour("cat.partial.png") == (120, 120, 120)
    [image] = ran.json["images"]
    assert (image["path"], image["partial"]) == ("cat.partial.png", True)
    [failure] = ran.json["failures"]
    assert (failure["n"], failure["kind"], failure["exit_code"]) == (1, "partial", 6)
    assert "cat.partial.png" in ran.json["error"]["message"]
    assert ("billed" in ran.json["error"]["message"]) is cut
    assert len(server.posts) == 1


def test_a_stream_may_come_packed(imagecli, server):
    stream = io.BytesIO()
    Image.effect_noise((120, 120), 90).save(stream, "PNG")  # too long a string to be read with the rest
    trouble = event("error", error={"message": "GPU on fire", "type": "server_error"})
    body = gzip.compress(partial(0, stream.getvalue()) + trouble)
    server.answer = lambda reply, _: reply.send(body, kind="text/event-stream", Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 6, ran.err
    assert Path("cat.partial.png").read_bytes() == stream.getvalue()
    server.answer = lambda reply, _: reply.send(body[:-9], kind="text/event-stream", Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "dog.png", "--json")
    assert ran.code == 1
    answers = Path(ran.json["error"]["saved_response"]).parent
    assert len(list(answers.iterdir())) == 1


def test_a_partial_image_alone_is_named_on_stdout_too(imagecli, server):
    server.answer = stream(partial(0))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"])
    assert "finished" in ran.err


def test_a_partial_image_never_goes_to_stdout(imagecli, server):
    server.answer = stream(partial(0))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "-")
    assert (ran.code, ran.raw) == (1, b"")
    kept = ran.err.split("kept in ")[1].split()[0].rstrip(".,")
    assert b"partial_image" in Path(kept).read_bytes()


def test_a_stream_that_is_cut_behind_its_finished_picture_is_whole(imagecli, server):
    server.answer = stream(*WHOLE, cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_a_stream_that_is_cut_before_any_picture_is_a_lost_answer(imagecli, server):
    server.answer = stream(b": working\n\n", b"event: image_generation.partial_image\n", cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 8
    assert len(server.posts) == 1


def test_an_error_in_a_stream_decides(imagecli, server):
    refusal = {"message": "Your request was rejected by the safety system.", "code": "moderation_blocked"}
    server.answer = stream(partial(0), event("error", error=refusal))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "moderation_blocked")
    assert list(Path().iterdir()) == []


def test_server_trouble_in_a_stream_leaves_the_partial_image(imagecli, server):
    server.answer = stream(partial(0), event("error", error={"message": "GPU on fire", "type": "server_error"}))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert ran.code == 6
    assert "GPU on fire" in ran.err
    assert colour("cat.partial.png") == (60, 60, 60)


def test_a_server_that_ignores_the_wish_answers_json(imagecli, server):
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
        server.answer = stream(*events, piece=piece)
        ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png", "--force")
        assert ran.code == 0, ran.err
        assert colour("cat.png") == (200, 40, 40)


def test_xinferences_events(imagecli, server):
    Path("in.png").write_bytes(picture())
    server.answer = stream(
        b'event: start\r\ndata: {"type": "image_edit_started", "prompt": "cat"}\r\n\r\n',
        b'event: processing\r\ndata: {"type": "starting_generation"}\r\n\r\n',
        b"event: complete\r\ndata: %s\r\n\r\n" % images(FINAL),
    )
    ran = imagecli("edit", "in.png", "cat", "--base-url", server.url, "--param", "stream=true", "-o", "cat.png")
    assert ran.code == 0, ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_vllm_omnis_events(imagecli, server):
    Path("in.png").write_bytes(picture())
    chunk = {"object": "image.edit.chunk", "created": 1, "model": "glm"}
    server.answer = stream(
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
        (["--partials", "2", "--param", "stream=false"], "both set it"),
        (["--partials", "2", "-m", "dall-e-3"], "takes no partials"),
        (["--partials", "2", "-m", "gpt-image-2.6-flare", "--format", "svg"], "can't be had of a svg"),
        (["--partials", "2", "--param", "partial_images=1"], "can't set partial_images"),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_sent(imagecli, server, args, words):
    ran = imagecli("gen", "cat", "--base-url", server.url, *args)
    assert ran.code == 2
    assert words in ran.err
    assert server.requests == []


def test_a_stream_may_be_retried_only_when_told(imagecli, server):
    server.answers = [stream(partial(0), cut=True), stream(*WHOLE)]
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 2)


def test_python_yields_partial_images_and_then_the_finished_one(server):
    from imagecli import ImageClient

    server.answer = stream(*WHOLE)
    client = ImageClient(base_url=server.url)
    came = list(client.generate_stream("cat", partials=2))
    assert [getattr(one, "number", "finished") for one in came] == [1, 2, "finished"]
    assert [one.data for one in came] == [*PARTIALS, FINAL]
    assert [one.format for one in came] == ["png"] * 3
    came = list(client.edit_stream(picture(), "cat"))
    assert len(came) == 3
    assert server.posts[-1].form["partial_images"] == "2"


def test_python_hears_what_is_missing(server):
    from imagecli import ImageClient
    from imagecli.errors import ContentPolicyRefusal, PartialResult

    client = ImageClient(base_url=server.url)
    server.answer = stream(partial(0))
    came = client.generate_stream("cat")
    assert next(came).data == PARTIALS[0]
    with pytest.raises(PartialResult) as caught:
        next(came)
    assert [one.data for one in caught.value.partials] == [PARTIALS[0]]
    server.answer = stream(event("error", error={"message": "no", "code": "moderation_blocked"}))
    with pytest.raises(ContentPolicyRefusal):
        list(client.generate_stream("cat"))
    with pytest.raises(TypeError, match="no option mask_rect"):
        client.generate("cat", mask_rect=["1,1,2,2"])


def test_what_is_whole_is_not_paid_for_again(imagecli, server):
    server.answer = stream(*WHOLE, cut=True)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 1), ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_the_last_of_several_lost_streams_leaves_its_partial_image(imagecli, server):
    server.answer = stream(partial(0), cut=True)
    args = ("--partials", "1", "--retry-unknown", "--retries", "1", "-o", "cat.png")
    ran = imagecli("gen", "cat", "--base-url", server.url, *args)
    assert (ran.code, len(server.posts)) == (6, 2), ran.err
    assert colour("cat.partial.png") == (60, 60, 60)


@pytest.mark.parametrize("last", [{"b64_json": None}, {"b64_json": ""}, {}], ids=["null", "empty", "none"])
def test_a_finished_event_without_a_picture_leaves_the_partial_image(imagecli, server, last):
    server.answer = stream(partial(0), event("image_generation.completed", **last))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"]), ran.err


def test_a_finished_event_with_an_index_is_finished(imagecli, server):
    server.answer = stream(partial(0), completed(partial_image_index=None))
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
    server.answer = stream(partial(0), last)
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert ran.code == code, ran.err
    assert code != 6 or "GPU on fire" in ran.err


def test_a_packed_stream_leaves_its_partial_image_and_nothing_else(imagecli, server):
    noise = os.urandom(64 * 48 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (64, 48), noise).save(file, "PNG")
    events = partial(0, file.getvalue()) + event("error", error={"message": "GPU on fire", "type": "server_error"})
    server.answer = lambda reply, _request: reply.send(gzip.compress(events), Content_Encoding="gzip")
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, ran.paths) == (6, ["cat.partial.png"]), ran.err
    assert Path("cat.partial.png").read_bytes() == file.getvalue()


def test_what_is_called_finished_is_the_picture(imagecli, server):
    server.answer = stream(event("preview", b64_json=b64(PARTIALS[0])), event("log", data=["loading"]), completed())
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
    server.answer = stream(event("error", error=error))
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (code, 1), ran.err


def test_nothing_is_waited_for_behind_the_end(imagecli, server):
    def answer(reply, _request):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(WHOLE) + b"data: [DONE]\n\n")
        time.sleep(8)

    server.answer = answer
    begun = time.monotonic()
    ran = imagecli("gen", "cat", "--base-url", server.url, "--partials", "2", "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat.png"]), ran.err
    assert time.monotonic() - begun < 7


def test_a_document_that_is_whole_before_the_connection_breaks_is_an_answer(imagecli, server):
    def answer(reply, _request):
        body = images(FINAL)
        reply.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(body), body))
        reply.close()

    server.answer = answer
    ran = imagecli("gen", "cat", "--base-url", server.url, "--retry-unknown", "-o", "cat.png")
    assert (ran.code, len(server.posts)) == (0, 1), ran.err
    assert colour("cat.png") == (200, 40, 40)


def test_saved_partial_images_of_a_picture_that_failed_are_named(imagecli, server):
    blocked = event("error", error={"message": "no", "code": "moderation_blocked"})
    server.answer = stream(partial(0), blocked)
    args = ("gen", "cat", "--base-url", server.url, "--partials", "2", "--save-partials", "-o", "cat.png")
    ran = imagecli(*args, "--json")
    assert (ran.code, ran.json["failures"][0]["partials"]) == (3, ["cat.partial-1.png"])


def test_a_second_run_takes_the_next_free_name_without_a_word(imagecli, server):
    server.answer = stream(partial(0))
    args = ("gen", "cat", "--base-url", server.url, "--partials", "1", "-o", "cat.png")
    first, second = imagecli(*args), imagecli(*args)
    assert (first.paths, second.paths) == (["cat.partial.png"], ["cat.partial.2.png"])
    assert "appeared" not in second.err
