"""The official package as a client of `imagecli serve`: every call about images, and every error."""

from __future__ import annotations

import asyncio
import base64
import json
from io import BytesIO
from typing import get_args

import openai
import pytest
from openai.types import ImageEditStreamEvent, ImageGenStreamEvent, ImagesResponse
from PIL import Image

from support.sandboxed import hole, png, served

NEW = "gpt-image-2.6-flare"
_VARIATION = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
"""The package says so of variations; it makes them all the same."""


@pytest.fixture(scope="module")
def base_url():
    with served() as url:
        yield url


@pytest.fixture(scope="module")
def client(base_url):
    with openai.OpenAI(api_key="any", base_url=base_url, max_retries=0) as made:
        yield made


@pytest.fixture
def image():
    return ("in.png", png((128, 96)), "image/png")


@pytest.fixture
def mask():
    return ("mask.png", hole((128, 96)), "image/png")


def opened(item):
    """Return the image of a response's item, or of an event."""
    image = Image.open(BytesIO(base64.b64decode(item.b64_json, validate=True)))
    image.load()
    return image


def strictly(model):
    """Return what a model of the package says, having checked that it holds nothing that its types don't have."""
    kind = type(model)
    return kind.model_validate(json.loads(model.to_json()), strict=True, extra="forbid")


# Images


def test_an_image(client):
    response = client.images.generate(
        prompt="a red fox",
        model="gpt-image-2.5-sunburst",
        n=2,
        size="1024x640",
        quality="xhigh",
        background="transparent",
        output_format="webp",
        output_compression=60,
        moderation="low",
        safety_identifier="user-1",
    )
    assert [opened(item).size for item in response.data] == [(1024, 640)] * 2
    assert (response.size, response.quality, response.background) == ("1024x640", "xhigh", "transparent")
    assert (response.output_format, response.safety_identifier) == ("webp", "user-1")
    assert response.usage.output_tokens_details.image_tokens == response.usage.output_tokens
    strictly(response)


def test_a_moving_image(client):
    response = client.images.generate(
        prompt="a red fox", model=NEW, output_format="gif", frame_count=3, frame_duration_ms=120, complexity="low"
    )
    assert (opened(response.data[0]).format, opened(response.data[0]).n_frames) == ("GIF", 3)
    strictly(response)


def test_a_drawing(client):
    svg = {"model": "gpt-author", "reasoning": {"effort": "low"}}
    response = client.images.generate(prompt="a red fox", model=NEW, output_format="svg", svg=svg)
    assert (response.svg_usage.model, response.output_format) == ("gpt-author", "svg")
    strictly(response)


def test_an_edit_of_everything(client, image, mask):
    response = client.images.edit(
        image=[image, ("b.webp", png((64, 64)), "image/webp")],
        mask=mask,
        prompt="a red fox",
        model="gpt-image-1.5",
        input_fidelity="high",
        n=2,
        quality="high",
    )
    assert [opened(item).size for item in response.data] == [(128, 96)] * 2
    assert response.usage.input_tokens_details.image_tokens > 0
    strictly(response)


def test_an_edit_with_markup(client, image):
    marks = Image.new("RGBA", (128, 96))
    marks.paste((255, 0, 0, 255), (10, 10, 60, 60))
    data = BytesIO()
    marks.save(data, "PNG")
    response = client.images.edit(
        image=image, markup=("marks.png", data.getvalue(), "image/png"), prompt="x", model=NEW
    )
    result = opened(response.data[0]).convert("RGB")
    assert result.getpixel((100, 80)) == (0, 128, 128)
    assert result.crop((10, 10, 60, 60)).getcolors(1) is None


def test_an_edit_that_is_drawn(client, image):
    svg = {"model": "gpt-author", "reasoning": {"effort": "low"}}
    response = client.images.edit(image=image, prompt="x", model=NEW, output_format="svg", svg=svg)
    assert response.svg_usage.model == "gpt-author"


@_VARIATION
def test_variations(client):
    square = ("in.png", png((256, 256)), "image/png")
    response = client.images.create_variation(
        image=square, model="dall-e-2", n=2, response_format="b64_json", size="256x256"
    )
    assert [opened(item).size for item in response.data] == [(256, 256)] * 2
    strictly(response)


def _json_edit(image, mask):
    def reference(data):
        return {"image_url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}

    return {
        "model": "gpt-image-2",
        "prompt": "a red fox",
        "images": [reference(image[1])],
        "mask": reference(mask[1]),
        "moderation": "low",
    }


def test_a_json_edit(client, image, mask):
    response = client.post("/images/edits", body=_json_edit(image, mask), cast_to=ImagesResponse)
    assert opened(response.data[0]).size == (128, 96)
    strictly(response)


# Streams


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_streamed_image(client, count):
    with client.images.generate(
        prompt="a red fox", model="gpt-image-2", size="1024x640", partial_images=count, stream=True
    ) as stream:
        *partials, last = (strictly(event) for event in stream)
    assert [event.partial_image_index for event in partials] == list(range(count))
    assert {type(event) for event in (*partials, last)} <= set(get_args(get_args(ImageGenStreamEvent)[0]))
    assert last.type == "image_generation.completed"
    assert {opened(event).size for event in (*partials, last)} == {(1024, 640)}
    assert last.usage.total_tokens > 0


def test_a_streamed_edit(client, image, mask):
    stream = client.images.edit(
        image=image, mask=mask, prompt="a red fox", model="gpt-image-2", partial_images=2, stream=True
    )
    *partials, last = (strictly(event) for event in stream)
    assert [event.type for event in partials] == ["image_edit.partial_image"] * 2
    assert last.type == "image_edit.completed"
    assert opened(last).convert("RGB").getpixel((100, 80)) == (0, 128, 128)


def test_a_streamed_json_edit(client, image, mask):
    stream = client.post(
        "/images/edits",
        body=_json_edit(image, mask) | {"stream": True, "partial_images": 1},
        cast_to=ImagesResponse,
        stream=True,
        stream_cls=openai.Stream[ImageEditStreamEvent],
    )
    assert [event.type for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


def test_the_asynchronous_client(base_url):
    async def kinds():
        async with openai.AsyncOpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
            stream = await client.images.generate(prompt="a", model="gpt-image-2", partial_images=1, stream=True)
            return [event.type async for event in stream]

    assert asyncio.run(kinds()) == ["image_generation.partial_image", "image_generation.completed"]


# Files and batches


def test_files(client):
    file = client.files.create(
        file=("in.png", png(), "image/png"),
        purpose="vision",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )
    strictly(file)
    assert (file.filename, file.purpose, file.bytes) == ("in.png", "vision", len(png()))
    assert file.expires_at - file.created_at == 7200
    assert client.files.retrieve(file.id) == client.files.wait_for_processing(file.id) == file
    assert client.files.content(file.id).content == png()
    more = [client.files.create(file=b"x", purpose="user_data").id for _ in range(3)]
    listed = [each.id for each in client.files.list(limit=2, order="asc")]
    assert [each for each in listed if each in (file.id, *more)] == [file.id, *more], "page after page"
    assert file.id in [each.id for each in client.files.list(purpose="vision")]
    response = client.post(
        "/images/edits",
        body={"model": "gpt-image-2", "prompt": "x", "images": [{"file_id": file.id}]},
        cast_to=ImagesResponse,
    )
    assert opened(response.data[0]).size == (64, 64)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def _batch(client, *prompts, **more):
    lines = [
        {"custom_id": f"u{n}", "method": "POST", "url": "/v1/images/generations", "body": {"prompt": prompt}}
        for n, prompt in enumerate(prompts)
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("jobs.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h", **more
    )


def _ended(client, batch):
    """Poll a batch until it has ended; each poll takes it a step further."""
    while (polled := strictly(client.batches.retrieve(batch.id))).status in {"validating", "in_progress", "finalizing"}:
        pass
    return polled


def test_a_batch(client):
    life = {"anchor": "created_at", "seconds": 3600}
    batch = _batch(client, "a fox", "sandbox:moderation", metadata={"run": "7"}, output_expires_after=life)
    assert batch.status == "validating"
    done = _ended(client, batch)
    assert (done.status, done.metadata) == ("completed", {"run": "7"})
    assert (done.request_counts.completed, done.request_counts.failed) == (1, 1)
    (line,) = client.files.content(done.output_file_id).text.splitlines()
    response = ImagesResponse.model_validate(json.loads(line)["response"]["body"], strict=True, extra="forbid")
    assert opened(response.data[0]).size == (1024, 1024)
    (line,) = client.files.content(done.error_file_id).text.splitlines()
    assert json.loads(line)["response"]["body"]["error"]["code"] == "moderation_blocked"
    assert client.files.retrieve(done.output_file_id).purpose == "batch_output"
    assert batch.id in [each.id for each in client.batches.list(limit=1)], "page after page"


def test_a_batch_that_is_cancelled(client):
    batch = _batch(client, "a fox")
    assert strictly(client.batches.cancel(batch.id)).status == "cancelling"
    assert strictly(client.batches.retrieve(batch.id)).status == "cancelled"
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_a_batch_of_nonsense(client):
    file = client.files.create(file=("jobs.jsonl", b"{"), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/images/generations", completion_window="24h")
    done = _ended(client, batch)
    assert (done.status, done.errors.data[0].line) == ("failed", 1)


def test_models(client):
    assert NEW in [strictly(model).id for model in client.models.list()]
    assert client.models.retrieve(NEW).object == "model"


# Errors


@pytest.mark.parametrize(
    ("prompt", "kind", "status", "code", "type_"),
    [
        ("moderation", openai.BadRequestError, 400, "moderation_blocked", "image_generation_user_error"),
        ("bad-request", openai.BadRequestError, 400, "invalid_value", "invalid_request_error"),
        ("billing", openai.BadRequestError, 400, "billing_hard_limit_reached", "invalid_request_error"),
        ("auth", openai.AuthenticationError, 401, "invalid_api_key", "invalid_request_error"),
        ("unverified", openai.PermissionDeniedError, 403, None, "invalid_request_error"),
        ("quota", openai.RateLimitError, 429, "insufficient_quota", "insufficient_quota"),
        ("rate-limit", openai.RateLimitError, 429, "rate_limit_exceeded", "rate_limit_error"),
        ("server-error", openai.InternalServerError, 500, None, "server_error"),
        ("overloaded", openai.InternalServerError, 503, "server_is_overloaded", "service_unavailable_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_server_refuses(client, prompt, kind, status, code, type_, stream):
    with pytest.raises(kind) as caught:
        client.images.generate(prompt=f"sandbox:{prompt}", model="gpt-image-2", stream=stream)
    error = caught.value
    assert (error.status_code, error.code, error.type) == (status, code, type_)
    assert error.body["message"]
    assert error.request_id.startswith("req_")


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": "gpt-image-2", "size": "1x1"}, "invalid_value", "size"),
        ({"model": "gpt-image-2", "quality": "max"}, "invalid_value", "quality"),
        ({"model": "gpt-image-2", "style": "vivid"}, "unknown_parameter", "style"),
        ({"model": "gpt-image-2", "response_format": "url"}, "unknown_parameter", "response_format"),
        ({"model": "gpt-image-2", "extra_body": {"n": "2"}}, "invalid_type", "n"),
        ({"model": "dall-e-3", "stream": True}, "unknown_parameter", "stream"),
        ({"model": NEW, "output_format": "gif", "stream": True}, "invalid_value", "stream"),
        ({"model": NEW, "prompt": "sandbox:unknown-parameter", "n": 2}, "unknown_parameter", "n"),
    ],
)  # fmt: skip
def test_calls_that_have_to_be_fixed(client, fields, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{"prompt": "a red fox"} | fields)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_what_does_not_exist(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(prompt="a red fox", model="gpt-image-9")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    for call in (client.files.retrieve, client.files.content, client.files.delete, client.batches.retrieve):
        with pytest.raises(openai.NotFoundError):
            call("none")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="none", endpoint="/v1/images/edits", completion_window="24h")


def test_an_upload_that_the_package_names_badly_is_judged_by_its_bytes(client):
    with pytest.raises(openai.BadRequestError, match="unsupported mimetype"):
        client.images.edit(image=b"no image", prompt="x", model="gpt-image-2")


def test_a_response_that_never_comes(client):
    with pytest.raises(openai.APIConnectionError) as caught:
        client.images.generate(prompt="sandbox:drop", model="gpt-image-2")
    assert not isinstance(caught.value, openai.APITimeoutError)


def test_a_response_that_comes_too_late(client):
    with pytest.raises(openai.APITimeoutError):
        client.images.generate(prompt="sandbox:slow", model="gpt-image-2", timeout=0.5)


def _kinds(client, prompt, seen):
    for event in client.images.generate(prompt=prompt, model="gpt-image-2", partial_images=2, stream=True):
        seen.append(event.type)


def test_a_stream_that_breaks_off(client):
    seen = []
    with pytest.raises(openai.APIConnectionError):
        _kinds(client, "sandbox:stream-drop", seen)
    assert seen == ["image_generation.partial_image"] * 2


def test_an_error_within_a_stream(client):
    seen = []
    with pytest.raises(openai.APIError) as caught:
        _kinds(client, "sandbox:stream-error", seen)
    assert seen == ["image_generation.partial_image"]
    assert (type(caught.value), caught.value.code) == (openai.APIError, "image_generation_failed")


@pytest.mark.parametrize(("prompt", "count"), [("sandbox:stream-end", 2), ("sandbox:no-stream", 0)])
def test_streams_in_which_the_package_misses_nothing(client, prompt, count):
    """It ends without an error where no finished image came, and where a whole document did; this program must not."""
    seen = []
    _kinds(client, prompt, seen)
    assert seen == ["image_generation.partial_image"] * count


def test_the_package_tries_again(base_url):
    with openai.OpenAI(api_key="any", base_url=base_url, max_retries=2) as client:
        response = client.images.generate(prompt="sandbox:rate-limit-once official", model="gpt-image-2")
        assert len(response.data) == 1
