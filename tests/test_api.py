"""`ImageClient`: the same workflow from Python, with bytes in and bytes out, and nothing written."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from imagecli import ImageClient
from imagecli.errors import AuthProblem, ContentPolicyRefusal, UsageProblem
from support.serving import image_file, response_with


def test_generate_returns_bytes_and_writes_nothing_but_the_ledger(server, home):
    data = image_file()
    server.respond = lambda reply, _: reply.send(response_with(data, usage={"total_tokens": 5}), x_request_id="req_3")
    made = ImageClient(base_url=server.url, api_key="sk-mine").generate("a cat", size="64x48", params={"seed": 7})
    assert made.images[0].data == data
    assert (made.images[0].format, made.images[0].width, made.images[0].height) == ("png", 64, 48)
    assert (made.usage, made.request_ids, made.route) == ({"total_tokens": 5}, ("req_3",), "images/generations")
    assert made.warnings == ()
    assert server.requests[0].json == {"prompt": "a cat", "size": "64x48", "seed": 7}
    assert server.requests[0].headers["authorization"] == "Bearer sk-mine"
    assert {path.name.partition("-")[0] for path in home.rglob("*") if path.is_file()} == {"ledger.db"}
    assert list(Path().iterdir()) == []


def test_bytes_in_memory_are_sent_with_a_real_name_and_type(server):
    stream = io.BytesIO()
    Image.open(io.BytesIO(image_file((600, 400)))).resize((256, 256)).save(stream, "PNG")
    ImageClient(base_url=server.url).vary(stream.getvalue(), model="dall-e-2", count=1, size="1024x1024")
    assert server.requests[0].path == "/v1/images/variations"
    assert server.requests[0].files["image"] == [("image.png", "image/png", stream.getvalue())]


def test_edit_takes_paths_bytes_and_a_mask(server):
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 10, 10))
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    Path("a.png").write_bytes(image_file())
    made = ImageClient(base_url=server.url).edit([Path("a.png"), image_file()], "x", mask=stream.getvalue(), count=2)
    assert len(made.images) == 2
    assert [part[0] for part in server.requests[0].parts] == ["prompt", "n", "image[]", "image[]", "mask"]


def test_errors_are_raised_by_cause(server):
    server.respond = lambda reply, _: reply.json(
        {"error": {"message": "no", "code": "moderation_blocked"}}, 400, x_request_id="r"
    )
    with pytest.raises(ContentPolicyRefusal, match="no") as caught:
        ImageClient(base_url=server.url).generate("a cat")
    assert (caught.value.http_status, caught.value.code, caught.value.request_id) == (400, "moderation_blocked", "r")


def test_what_is_missing_is_reported_beside_what_came(server):
    server.respond = lambda reply, _: reply.send(response_with(image_file()))
    made = ImageClient(base_url=server.url).generate("a cat", count=2)
    assert len(made.images) == 1
    assert list(made.failures) == [2]


def test_wrong_calls_are_refused_before_anything_is_sent(server):
    client = ImageClient(base_url=server.url)
    sandbox = ImageClient(profile="sandbox")
    for wrong in (
        lambda: client.generate(""),
        lambda: sandbox.generate("x", model="dall-e-3", size="1x1"),
        lambda: client.vary(b""),
        lambda: client.generate("x", count=11),
        lambda: client.generate("x", params={"n": 2}),
    ):
        with pytest.raises(UsageProblem):
            wrong()
    with pytest.raises(TypeError, match="sise"):
        client.generate("x", sise="1024x1024")
    assert server.requests == []


def test_a_key_never_goes_over_plain_http_to_another_machine():
    with pytest.raises(AuthProblem, match="http"):
        ImageClient(base_url="http://192.0.2.1/v1", api_key="sk-mine").generate("x")


def test_the_sandbox_needs_no_key_and_no_network():
    made = ImageClient(profile="sandbox").generate("a red fox", model="dall-e-3", size="1792x1024")
    assert Image.open(io.BytesIO(made.images[0].data)).size == (1792, 1024)
    assert made.images[0].revised_prompt


def test_a_dialect_can_be_named_without_a_profile(server):
    client = ImageClient(base_url=server.url, dialect="xai")
    client.edit(image_file(), "a hat", size="16:9")
    sent = server.requests[0].json
    assert sent["image"]["url"].startswith("data:image/png;base64,")
    assert sent["aspect_ratio"] == "16:9"
    with pytest.raises(UsageProblem, match="unknown dialect klingon"):
        ImageClient(base_url=server.url, dialect="klingon")


def test_open_files_are_images_too(server):
    server.respond = lambda reply, _: reply.send(response_with(image_file()))
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 10, 10))
    mask.save("mask.png")
    Path("one.png").write_bytes(image_file())
    client = ImageClient(base_url=server.url)
    with Path("one.png").open("rb") as one, Path("mask.png").open("rb") as over:
        client.edit(one, "a hat", mask=over)
        client.edit([io.BytesIO(image_file()), "one.png"], "a hat")
    assert [data for _, _, data in server.requests[0].files["image"]] == [image_file()]
    assert len(server.requests[0].files["mask"]) == 1
    assert len(server.requests[1].files["image[]"]) == 2


class _Picture:
    """As Pillow's images are: it can be saved, and is no bytes."""

    def save(self, *_):
        raise AssertionError


def _closed():
    file = io.BytesIO(b"")
    file.close()
    return file


@pytest.mark.parametrize(
    "call",
    [
        *({"params": value} for value in ({1: 2}, {"": 1}, "a=1", [("a", 1)], {"a": b"1"}, {"a": set()})),
        *(
            {"image": value}
            for value in (None, 3, _Picture(), {"a": b""}, io.StringIO("abc"), "", "https://a.test/a.png")
        ),
        *({"image": [value]} for value in (None, _Picture(), [b""])),
        *({"mask": value} for value in (_Picture(), 3, [b""])),
        *({"max_pixels": value} for value in ("a", -1, True, 1.5)),
        {"image": _closed()},
        {"prompt": None},
        {"prompt": b"a hat"},
    ],
    ids=lambda call: "-".join(f"{name}-{type(value).__name__}" for name, value in call.items()),
)
def test_a_value_of_the_wrong_kind_is_a_usage_problem(server, call):
    made = {"image": image_file(), "prompt": "a hat"} | call
    with pytest.raises(UsageProblem):
        ImageClient(base_url=server.url).edit(**made)
    assert not server.requests


def test_a_misspelt_option_names_the_right_one():
    with pytest.raises(TypeError, match=r"there is no option sise; did you mean size\?"):
        ImageClient(profile="sandbox").generate("a hat", sise="64x64")


@pytest.mark.parametrize("key", [3, b"sk-1234567890", ["sk-1234567890"]])
def test_a_key_that_is_not_text_is_refused_and_not_shown(key):
    with pytest.raises(UsageProblem) as caught:
        ImageClient(api_key=key)
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
def test_every_kind_of_bytes_is_an_image(server, kind):
    assert ImageClient(base_url=server.url).edit(kind(image_file()), "a hat").images
