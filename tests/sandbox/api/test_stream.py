"""The sandbox streams: events as they come, images that get sharper, and every way in which a stream goes wrong."""

from __future__ import annotations

import base64
import json
import socket
from io import BytesIO

import httpx2 as httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from imagecli.sandbox.api.refusals import ResponseLost
from imagecli.sandbox.api.stream import PAUSE_S
from support.sandboxed import error_of, generate, hole, png, port_of, running

NEW = "gpt-image-2.6-flare"


def events_of(lines):
    """Read server-sent events: pairs of an `event` and its data, whose types must agree."""
    found = []
    for block in "\n".join(lines).strip().split("\n\n"):
        head, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert head == f"event: {event['type']}"
        found.append(event)
    return found


def streamed(api, path="/images/generations", **how):
    """Return the events of a response."""
    with api.stream("POST", path, **how) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-request-id"].startswith("req_")
        return events_of(response.iter_lines())


def painted(event):
    image = Image.open(BytesIO(base64.b64decode(event["b64_json"], validate=True)))
    image.load()
    return image


def ask(**fields):
    return {"json": {"prompt": "a red fox", "stream": True} | fields}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_stream(api, waits, count):
    fields = {"model": "gpt-image-2", "size": "1024x640", "quality": "high", "partial_images": count}
    *partials, last = streamed(api, **ask(**fields, safety_identifier="user-1"))
    facts = {"size": "1024x640", "quality": "high", "background": "opaque", "output_format": "png"}
    assert [event["partial_image_index"] for event in partials] == list(range(count))
    for event in partials:
        assert event["type"] == "image_generation.partial_image"
        assert event.keys() == {"type", "b64_json", "partial_image_index", "created_at", *facts}
    assert last.keys() == {"type", "b64_json", "created_at", "usage", "safety_identifier", *facts}
    assert (last["type"], last["safety_identifier"]) == ("image_generation.completed", "user-1")
    assert all(event.items() >= facts.items() for event in (*partials, last))
    assert last["usage"]["total_tokens"] == last["usage"]["input_tokens"] + last["usage"]["output_tokens"]
    assert waits == [PAUSE_S] * count
    del fields["partial_images"]
    assert painted(last).tobytes() == painted(generate(api, **fields).json()["data"][0]).tobytes()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_partial_images_get_sharper(api, kind):
    *partials, last = streamed(api, **ask(output_format=kind, partial_images=3))
    final = painted(last)
    assert {painted(event).format for event in partials} == {final.format} == {kind.upper()}
    off = [
        sum(ImageStat.Stat(ImageChops.difference(painted(event).convert("RGB"), final.convert("RGB"))).mean)
        for event in partials
    ]
    assert off[0] > off[1] > off[2] > 0


def test_partials_are_billed(api):
    bills = [streamed(api, **ask(partial_images=count))[-1]["usage"]["output_tokens"] for count in (0, 1, 3)]
    assert [bill - bills[0] for bill in bills] == [0, 100, 300]


def test_events_come_one_by_one(api, waits):
    """The first is there before anything has been waited for."""
    with api.stream("POST", "/images/generations", **ask(partial_images=2)) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: image_generation.partial_image"
        assert waits == []
        assert len(list(lines)) > 4
        assert waits == [PAUSE_S] * 2


def test_several_images_come_one_after_the_other(api):
    kinds = [
        (event["type"][17:], event.get("partial_image_index")) for event in streamed(api, **ask(n=2, partial_images=1))
    ]
    assert kinds == [("partial_image", 0), ("completed", None)] * 2


def test_an_edit_with_a_mask(api):
    form = {"prompt": "a red fox", "model": "gpt-image-2", "stream": "true", "partial_images": "2"}
    files = {"image": png((128, 96)), "mask": hole((128, 96))}
    *partials, last = streamed(api, "/images/edits", data=form, files=files)
    assert [event["type"] for event in partials] == ["image_edit.partial_image"] * 2
    assert last["type"] == "image_edit.completed"
    assert painted(last).size == (128, 96)
    assert painted(last).convert("RGB").getpixel((100, 90)) == (0, 128, 128)
    assert last["usage"]["input_tokens_details"]["image_tokens"] > 0


def test_a_transparent_image(api):
    partial, last = streamed(api, **ask(background="transparent", partial_images=1))
    assert partial["background"] == last["background"] == "transparent"
    assert painted(partial).getchannel("A").getextrema() == (0, 255)


def test_a_refusal_is_not_a_stream(api):
    assert error_of(api.post("/images/generations", **ask(prompt="sandbox:moderation")))[0] == 400


# What goes wrong


def test_a_stream_that_breaks_off(api):
    lines = []
    asked = ask(prompt="sandbox:stream-drop", partial_images=2)
    with pytest.raises(ResponseLost), api.stream("POST", "/images/generations", **asked) as response:
        lines.extend(response.iter_lines())
    assert [event["type"] for event in events_of(lines)] == ["image_generation.partial_image"] * 2


def test_a_stream_that_ends_early(api):
    events = streamed(api, **ask(prompt="sandbox:stream-end", partial_images=2))
    assert [event["type"] for event in events] == ["image_generation.partial_image"] * 2


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_error_within_a_stream(api, count):
    *partials, last = streamed(api, **ask(prompt="sandbox:stream-error", partial_images=count))
    assert len(partials) == min(count, 1)
    assert last["type"] == "error"
    assert last["error"].keys() == {"message", "type", "param", "code"}


def test_no_stream(api):
    response = api.post("/images/generations", **ask(prompt="sandbox:no-stream", partial_images=2))
    assert response.headers["content-type"] == "application/json"
    assert len(response.json()["data"]) == 1


@pytest.mark.parametrize("name", ["stream-drop", "stream-end", "stream-error", "no-stream"])
def test_without_a_stream_those_prompts_are_prompts(api, name):
    assert len(generate(api, prompt=f"sandbox:{name}").json()["data"]) == 1


def test_other_magic_within_a_stream(api):
    def last(name, **more):
        return streamed(api, **ask(prompt=f"sandbox:{name}", **more))[-1]

    with pytest.raises(ValueError, match="base64"):
        painted(last("bad-base64"))
    assert base64.b64decode(last("not-an-image")["b64_json"]).startswith(b"<!doctype")
    assert last("dead-url")["url"].endswith(".gone")
    assert last("revised")["revised_prompt"]
    assert painted(last("wrong-format")).format == "JPEG"
    assert [event["type"] for event in streamed(api, **ask(prompt="sandbox:fewer", n=2))] == [
        "image_generation.completed"
    ]
    with api.stream("POST", "/images/generations", **ask(prompt="sandbox:empty")) as response:
        assert response.read() == b""
    with api.stream("POST", "/images/generations", **ask(prompt="sandbox:truncated-json")) as response:
        assert not response.read().endswith(b"\n\n")


def test_an_unknown_parameter(api):
    def refused(**fields):
        return error_of(generate(api, prompt="sandbox:unknown-parameter", **fields))

    assert refused(quality="low", n=2) == (400, "unknown_parameter", "quality")
    assert refused(n=2, quality="low", model=NEW) == (400, "unknown_parameter", "n")
    assert generate(api, prompt="sandbox:unknown-parameter", model=NEW).status_code == 200
    form = {"prompt": "sandbox:unknown-parameter", "size": "1024x1024"}
    response = api.post("/images/edits", data=form, files={"image": png()})
    assert error_of(response) == (400, "unknown_parameter", "size")


# Through a socket


@pytest.fixture(scope="module")
def base_url():
    with running() as process:
        yield process.base_url


def sent(base_url, prompt, version="1.1"):
    """Return head and body of a streamed response, as they come over the wire until the server closes."""
    content = json.dumps({"prompt": prompt, "stream": True, "partial_images": 1, "size": "1024x640"}).encode()
    head = f"POST /v1/images/generations HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port_of(base_url)), timeout=60) as connection:
        connection.sendall(f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)
        head, _, data = connection.makefile("rb").read().partition(b"\r\n\r\n")
    return head.decode().lower(), data


def test_chunks_and_their_end(base_url):
    head, data = sent(base_url, "a cat")
    assert "transfer-encoding: chunked" in head
    assert "content-length" not in head
    size, _, rest = data.partition(b"\r\n")
    assert rest[: int(size, 16)].startswith(b"event: image_generation.partial_image\ndata: {")
    assert rest[: int(size, 16)].endswith(b"}\n\n"), "one event is one chunk: none waits for the next"
    assert data.endswith(b"\r\n0\r\n\r\n")


def test_a_broken_stream_has_no_last_chunk(base_url):
    _, data = sent(base_url, "sandbox:stream-drop")
    assert b"partial_image" in data
    assert not data.endswith(b"0\r\n\r\n")
    with httpx.Client(base_url=base_url) as client, pytest.raises(httpx.RemoteProtocolError):
        client.post("/images/generations", **ask(prompt="sandbox:stream-drop", partial_images=1))


def test_a_client_of_http_1_0_gets_no_chunks(base_url):
    head, data = sent(base_url, "a cat", version="1.0")
    assert "chunked" not in head
    assert [event["type"][17:] for event in events_of(data.decode().split("\n"))] == ["partial_image", "completed"]


def test_the_connection_is_kept_after_a_stream(base_url):
    with httpx.Client(base_url=base_url) as client:
        for _ in range(2):
            assert len(streamed(client, **ask(size="1024x640", partial_images=1))) == 2
        assert client.get("/models").status_code == 200


def test_a_client_that_goes_away_is_forgotten():
    with running() as process:
        with httpx.Client(base_url=process.base_url) as client:
            with client.stream("POST", "/images/generations", **ask(n=3)) as response:
                next(response.iter_raw())
            assert client.get("/models").status_code == 200
        process.kill()
        assert process.communicate() == ("", ""), "and not spoken of"
