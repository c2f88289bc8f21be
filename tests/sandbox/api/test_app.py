"""The offline Images API in process: the wire's shapes, the rules of each model, magic prompts."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from io import BytesIO

import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imagecli.errors import ExitCode
from imagecli.models import catalog
from imagecli.sandbox.api.app import create_app
from imagecli.sandbox.api.magic_prompts import MAGIC_PROMPTS, SLOW_S, find_magic
from imagecli.sandbox.api.refusals import ResponseLost
from imagecli.sandbox.api.responses import VERBATIM_PREFIX
from imagecli.sandbox.api.store import LIFETIME_S, ResponseFile, Store
from support.places import ROOT
from support.sandboxed import edit, error_of, generate, hole, image_of, png

_NEW = "gpt-image-2.6-flare"


# The wire's shapes


def test_gpt_image_response(api):
    response = generate(api, model="gpt-image-2", n=2, size="1536x864", quality="high")
    document = response.json()
    assert (document["background"], document["output_format"], document["quality"], document["size"]) == (
        "opaque",
        "png",
        "high",
        "1536x864",
    )
    assert [set(item) for item in document["data"]] == [{"b64_json"}] * 2
    usage = document["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert sum(usage["input_tokens_details"].values()) == usage["input_tokens"]
    assert sum(usage["output_tokens_details"].values()) == usage["output_tokens"]
    assert isinstance(document["created"], int)
    assert response.headers["openai-processing-ms"].isdigit()
    assert image_of(api, response).size == (1536, 864)
    assert image_of(api, response).tobytes() != image_of(api, response, 1).tobytes()


def test_dalle_answers_with_urls_on_the_host_that_was_asked(api):
    document = generate(api, model="dall-e-2", n=2, size="256x256").json()
    assert set(document) == {"created", "data"}
    assert [set(item) for item in document["data"]] == [{"url"}] * 2
    file = api.get(document["data"][0]["url"])
    assert document["data"][0]["url"].startswith("http://sandbox.test/v1/")
    assert file.headers["content-type"] == "image/png"
    assert Image.open(BytesIO(file.content)).size == (256, 256)


def test_dalle_answers_with_base64_on_demand(api):
    response = generate(api, model="dall-e-2", size="512x512", response_format="b64_json")
    assert set(response.json()["data"][0]) == {"b64_json"}
    assert image_of(api, response).size == (512, 512)


def test_revised_prompt_is_dalle_3s_alone(api):
    three, two = (generate(api, model=name).json()["data"][0] for name in ("dall-e-3", "dall-e-2"))
    assert three["revised_prompt"].endswith("a red fox")
    assert three["revised_prompt"] != "a red fox"
    assert "revised_prompt" not in two


def test_verbatim_words_keep_the_prompt(api):
    response = generate(api, model="dall-e-3", prompt=f"{VERBATIM_PREFIX} a white siamese cat")
    assert response.json()["data"][0]["revised_prompt"] == "a white siamese cat"


def test_models(api):
    listed = api.get("/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == list(catalog.names())
    assert api.get("/models/dall-e-3").json()["shutdown_date"] == "2026-05-12"
    assert api.get("/models/gpt-image-2.6-flare").json()["shutdown_date"] is None
    assert error_of(api.get("/models/nope")) == (404, "model_not_found", "model")


def test_request_ids_differ(api):
    assert len({api.get("/models").headers["x-request-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("fields", "urls"),
    [
        ({}, False),
        ({"response_format": "url"}, True),
        ({"size": "512x512"}, True),
        ({"size": "1792x1024"}, True),
        ({"style": "vivid"}, True),
        ({"output_format": "webp"}, False),
        ({"model": None, "n": None, "size": None}, False),
    ],
)
def test_a_missing_model_is_read_from_the_fields(api, fields, urls):
    assert ("url" in generate(api, **fields).json()["data"][0]) is urls


@pytest.mark.parametrize(
    ("prompt", "size"),
    [("a wide valley", (1536, 1024)), ("a portrait of a cook", (1024, 1536)), ("a cat", (1024, 1024))],
)
def test_auto_size_follows_the_words(api, prompt, size):
    assert image_of(api, generate(api, prompt=prompt, model="gpt-image-2", size="auto")).size == size


@pytest.mark.parametrize(("kind", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP"), ("gif", "GIF")])
def test_output_formats(api, kind, name):
    response = generate(api, model="gpt-image-2.6-flare", output_format=kind, size="1024x640")
    assert response.json()["output_format"] == kind
    assert image_of(api, response).format == name


def test_svg(api):
    document = generate(api, model="gpt-image-2.6-flare", output_format="svg").json()
    assert base64.b64decode(document["data"][0]["b64_json"]).startswith(b"<svg ")


def test_transparent_background(api):
    response = generate(api, background="transparent", output_format="webp")
    assert response.json()["background"] == "transparent"
    assert image_of(api, response).getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize("value", [1, "1", 1.5, True, [1], {"a": 1}])
@pytest.mark.parametrize("name", ["seed", "negative_prompt", "steps"])
def test_a_field_that_no_model_has_is_unknown_whatever_its_type(api, name, value):
    for model in ({}, {"model": "dall-e-2"}, {"model": "gpt-image-2"}):
        assert error_of(generate(api, **model, **{name: value})) == (400, "unknown_parameter", name)


@pytest.mark.parametrize("value", [1, "1", True, [1], {"a": 1}])
@pytest.mark.parametrize(("model", "name"), [("dall-e-2", "stream"), ("gpt-image-1", "style"), ("gpt-image-2", "svg")])
def test_so_is_one_that_other_models_have(api, model, name, value):
    assert error_of(generate(api, model=model, **{name: value})) == (400, "unknown_parameter", name)


def test_any_key_and_none(api):
    assert api.get("/models", headers={"Authorization": "Bearer whatever"}).status_code == 200
    assert api.get("/models").status_code == 200


# What is refused


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"model": "nope"}, (404, "model_not_found", "model")),
        ({"model": 3}, (400, "invalid_type", "model")),
        ({"prompt": ""}, (400, "invalid_value", "prompt")),
        ({"prompt": "  \n"}, (400, "invalid_value", "prompt")),
        ({"prompt": None}, (400, "missing_required_parameter", "prompt")),
        ({"prompt": ["a"]}, (400, "invalid_type", "prompt")),
        ({"prompt": "x" * 1001, "model": "dall-e-2"}, (400, "invalid_value", "prompt")),
        ({"prompt": "x" * 4001, "model": "dall-e-3"}, (400, "invalid_value", "prompt")),
        ({"prompt": "x" * 32001}, (400, "invalid_value", "prompt")),
        ({"n": 0}, (400, "invalid_value", "n")),
        ({"n": 11}, (400, "invalid_value", "n")),
        ({"n": "2"}, (400, "invalid_type", "n")),
        ({"n": 1.0}, (400, "invalid_type", "n")),
        ({"n": True}, (400, "invalid_type", "n")),
        ({"n": 2, "model": "dall-e-3"}, (400, "invalid_value", "n")),
        ({"n": 2, "model": "gpt-image-2.6-flare", "output_format": "svg"}, (400, "invalid_value", "n")),
        ({"size": "1792x1024", "model": "dall-e-2"}, (400, "invalid_value", "size")),
        ({"size": "256x256", "model": "dall-e-3"}, (400, "invalid_value", "size")),
        ({"size": "auto", "model": "dall-e-3"}, (400, "invalid_value", "size")),
        ({"size": "1024x1040", "model": "gpt-image-1"}, (400, "invalid_value", "size")),
        ({"size": "1000x1000", "model": "gpt-image-2"}, (400, "invalid_value", "size")),
        ({"size": "3856x1024", "model": "gpt-image-2"}, (400, "invalid_value", "size")),
        ({"size": "512x512", "model": "gpt-image-2"}, (400, "invalid_value", "size")),
        ({"size": "huge", "model": "gpt-image-2"}, (400, "invalid_value", "size")),
        ({"size": 1024, "model": "gpt-image-2"}, (400, "invalid_type", "size")),
        ({"quality": "hd", "model": "dall-e-2"}, (400, "invalid_value", "quality")),
        ({"quality": "high", "model": "dall-e-3"}, (400, "invalid_value", "quality")),
        ({"quality": "max", "model": "gpt-image-2"}, (400, "invalid_value", "quality")),
        ({"style": "vivid", "model": "gpt-image-2"}, (400, "unknown_parameter", "style")),
        ({"style": "odd", "model": "dall-e-3"}, (400, "invalid_value", "style")),
        ({"response_format": "url", "model": "gpt-image-2"}, (400, "unknown_parameter", "response_format")),
        ({"response_format": "png", "model": "dall-e-2"}, (400, "invalid_value", "response_format")),
        ({"output_format": "png", "model": "dall-e-2"}, (400, "unknown_parameter", "output_format")),
        ({"output_format": "gif", "model": "gpt-image-2"}, (400, "invalid_value", "output_format")),
        ({"output_compression": 101, "output_format": "webp"}, (400, "invalid_value", "output_compression")),
        ({"output_compression": 50}, (400, "invalid_value", "output_compression")),
        ({"background": "transparent", "output_format": "jpeg"}, (400, "invalid_value", "background")),
        ({"moderation": "none"}, (400, "invalid_value", "moderation")),
        ({"input_fidelity": "high"}, (400, "unknown_parameter", "input_fidelity")),
        ({"frame_count": 4, "model": "gpt-image-2"}, (400, "unknown_parameter", "frame_count")),
        ({"frame_count": 4, "model": "gpt-image-2.6-flare"}, (400, "invalid_value", "frame_count")),
        ({"stream": True, "model": "dall-e-3"}, (400, "unknown_parameter", "stream")),
        ({"stream": "true"}, (400, "invalid_type", "stream")),
        ({"stream": True, "model": _NEW, "output_format": "gif"}, (400, "invalid_value", "stream")),
        ({"stream": True, "model": _NEW, "output_format": "svg"}, (400, "invalid_value", "stream")),
        ({"partial_images": 1, "model": _NEW, "output_format": "gif"}, (400, "invalid_value", "partial_images")),
        ({"partial_images": 4}, (400, "invalid_value", "partial_images")),
        ({"complexity": "odd", "model": _NEW}, (400, "invalid_value", "complexity")),
        ({"complexity": "low", "model": "gpt-image-2"}, (400, "unknown_parameter", "complexity")),
        ({"frame_count": 17, "model": _NEW, "output_format": "gif"}, (400, "invalid_value", "frame_count")),
        ({"frame_duration_ms": 0, "model": _NEW, "output_format": "gif"}, (400, "invalid_value", "frame_duration_ms")),
        ({"size": "1024x1024", "model": _NEW, "output_format": "gif"}, (400, "invalid_value", "size")),
        ({"svg": {"model": "x"}, "model": _NEW}, (400, "invalid_value", "svg")),
        ({"svg": {}, "model": _NEW, "output_format": "svg"}, (400, "missing_required_parameter", "svg.model")),
        ({"svg": {"model": "x", "a": 1}, "model": _NEW, "output_format": "svg"}, (400, "unknown_parameter", "svg.a")),
        (
            {"svg": {"model": "x", "reasoning": {"effort": "odd"}}, "model": _NEW, "output_format": "svg"},
            (400, "invalid_value", "svg.reasoning.effort"),
        ),
        ({"markup": "x"}, (400, "unknown_parameter", "markup")),
        ({"negative_prompt": "dogs"}, (400, "unknown_parameter", "negative_prompt")),
    ],
)
def test_generations_are_checked(api, fields, refused):
    assert error_of(generate(api, **fields)) == refused


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "dall-e-2", "quality": "standard", "n": 10, "size": "256x256", "user": "u"},
        {"model": "dall-e-3", "quality": "hd", "style": "natural", "size": "1024x1792"},
        {"model": "gpt-image-2-2026-04-21", "size": "1024x640"},
        {"model": "gpt-image-2.5-flare", "quality": "max", "moderation": "low", "output_compression": 100},
        {"model": "gpt-image-1", "output_format": "jpeg", "output_compression": 0, "stream": False},
    ],
)
def test_what_a_model_takes_passes(api, fields):
    assert len(generate(api, **fields).json()["data"]) == fields.get("n", 1)


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b'{"prompt": ', "application/json", None),
        (b"[" * 100_000, "application/json", None),
        (b'"prompt"', "application/json", None),
        (b"\xff\xfe", "application/json", None),
        (b"", "application/json", None),
        (b"prompt=x", "application/x-www-form-urlencoded", "unsupported_content_type"),
        (b"{}", "", "unsupported_content_type"),
    ],
)
def test_bodies_that_can_not_be_read(api, content, kind, code):
    response = api.post("/images/generations", content=content, headers={"content-type": kind})
    assert error_of(response) == (400, code, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/images/generations", 405),
        ("POST", "/models", 405),
        ("DELETE", "/models/dall-e-2", 405),
        ("GET", "/nothing", 404),
        ("POST", "/images/generations/", 404),
        ("GET", "/images/files/img-none.png", 404),
        ("GET", "http://sandbox.test/", 404),
    ],
)
def test_wrong_paths_and_methods(api, method, path, status):
    response = api.request(method, path)
    assert error_of(response)[0] == status
    assert ("allow" in response.headers) is (status == 405)


def test_an_edit_without_a_body_is_unsupported(api):
    assert error_of(api.post("/images/edits"))[1] == "unsupported_content_type"


# Magic prompts


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("moderation", 400, "moderation_blocked"),
        ("bad-request", 400, "invalid_value"),
        ("auth", 401, "invalid_api_key"),
        ("unverified", 403, None),
        ("billing", 400, "billing_hard_limit_reached"),
        ("quota", 429, "insufficient_quota"),
        ("rate-limit", 429, "rate_limit_exceeded"),
        ("server-error", 500, None),
        ("overloaded", 503, "server_is_overloaded"),
    ],
)
def test_magic_errors(api, name, status, code):
    assert error_of(generate(api, prompt=f"a cat, sandbox:{name}, please"))[:2] == (status, code)


def test_dalle_words_its_refusals_differently(api):
    response = generate(api, model="dall-e-3", prompt="sandbox:moderation")
    assert error_of(response) == (400, "content_policy_violation", None)


def test_magic_in_an_edit(api):
    assert error_of(edit(api, {"image": png()}, prompt="sandbox:quota"))[0] == 429


def test_rate_limit_once(api):
    first, second, other = (generate(api, prompt=f"sandbox:rate-limit-once {word}") for word in ("cat", "cat", "dog"))
    assert [first.status_code, second.status_code, other.status_code] == [429, 200, 429]
    assert first.headers["retry-after-ms"] == "100"


def test_magic_responses(api):
    def ask(name, **fields):
        return generate(api, prompt=f"sandbox:{name}", **fields)

    assert ask("html").headers["content-type"].startswith("text/html")
    assert "<title>" in ask("html").text
    with pytest.raises(json.JSONDecodeError):
        ask("truncated-json").json()
    assert set(ask("error-in-200").json()) == {"error"}
    assert ask("empty").json()["data"] == []
    assert len(ask("fewer", n=3).json()["data"]) == 2
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(ask("bad-base64").json()["data"][0]["b64_json"], validate=True)
    assert b"<!doctype html>" in base64.b64decode(ask("not-an-image").json()["data"][0]["b64_json"])
    page = api.get(ask("not-an-image", model="dall-e-2").json()["data"][0]["url"])
    assert page.headers["content-type"].startswith("text/html")
    for model in ("dall-e-2", "gpt-image-2"):
        assert api.get(ask("dead-url", model=model).json()["data"][0]["url"]).status_code == 404
    wrong = ask("wrong-format")
    assert wrong.json()["output_format"] == "png"
    assert image_of(api, wrong).format == "JPEG"
    assert ask("revised").json()["data"][0]["revised_prompt"]


def test_drop_is_a_lost_response(api):
    with pytest.raises(ConnectionResetError) as lost:
        generate(api, prompt="sandbox:drop")
    assert lost.type is ResponseLost


def test_slow_waits(api, waits):
    assert generate(api, prompt="sandbox:slow").status_code == 200
    assert waits == [SLOW_S]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("sandbox:rate-limit-once", "rate-limit-once"),
        ("SANDBOX:Drop.", "drop"),
        ("sandbox:nothing sandbox:auth", "auth"),
        ("sandbox:rate-limiter", None),
        ("a sandbox: drop", None),
    ],
)
def test_how_magic_is_spelt(prompt, name):
    assert find_magic(prompt) == name


def test_the_table_of_magic_is_whole():
    assert all(magic.effect and isinstance(magic.exit_code, ExitCode) for magic in MAGIC_PROMPTS.values())
    assert {magic.exit_code for magic in MAGIC_PROMPTS.values()} >= set(ExitCode) - {
        ExitCode.INTERRUPTED,
        ExitCode.TERMINATED,
        ExitCode.HANGUP,
    }


def test_the_help_of_serve_names_all_magic():
    from imagecli.commands.serve import run

    names = run.__doc__.partition("The names:")[2].replace("\b", "").strip().rstrip(".").split(",")
    assert [name.strip() for name in names] == list(MAGIC_PROMPTS)


def test_refusing_takes_no_pillow():
    """It is what people try first, so it starts as quickly as it can: images are for those who get one."""
    program = """
import io, sys
from imagecli.sandbox.api.app import create_app
environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/images/generations", "CONTENT_TYPE": "application/json",
           "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}"), "wsgi.url_scheme": "http", "SERVER_NAME": "x",
           "SERVER_PORT": "80"}
create_app()(environ, lambda status, headers: print(status))
print("PIL" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["400 BAD REQUEST", "False", ""]


# What is remembered


def test_files_live_an_hour():
    now = [0.0]
    store = Store(clock=lambda: now[0])
    name = store.add(ResponseFile(b"an image", "image/png"))
    now[0] = LIFETIME_S - 1
    assert store.get(name).data == b"an image"
    now[0] = LIFETIME_S
    assert store.get(name) is None


def test_the_store_is_bounded(monkeypatch):
    monkeypatch.setattr("imagecli.sandbox.api.store._MAX_BYTES", 20_000)
    store = Store()
    names = [store.add(ResponseFile(b"%d" % i, "image/png")) for i in range(600)]
    assert store.get(names[0]) is None
    assert store.get(names[-1]) is not None
    large = [store.add(ResponseFile(bytes([i]) * 4_500, "image/png")) for i in range(5)]
    assert [store.get(name) is not None for name in large] == [False, True, True, True, True]


def test_many_threads(api):
    responses, small = [], {"model": "dall-e-2", "size": "256x256"}
    threads = [
        threading.Thread(target=lambda n=n: responses.append(generate(api, **small, prompt=f"a red fox, {n}")))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [response.status_code for response in responses] == [200] * 12
    assert len({response.headers["x-request-id"] for response in responses}) == 12


# Anything at all


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["prompt", "model", "n", "size", "quality", "output_format", "background", "seed", "svg", "images", "mask"]
) | st.text(max_size=6)  # fmt: skip


@settings(max_examples=60)
@given(fields=st.dictionaries(_NAMES, _JSON, max_size=5), route=st.sampled_from(["generations", "edits", "variations"]))
def test_no_json_is_too_odd(fields, route):
    with httpx.Client(transport=httpx.WSGITransport(app=create_app())) as client:
        response = client.post(
            f"http://sandbox.test/v1/images/{route}",
            content=json.dumps(fields),
            headers={"content-type": "application/json"},
        )
    assert response.status_code in {200, 400, 404}


@settings(max_examples=60)
@given(data=st.data())
def test_no_form_is_too_odd(data):
    """Bytes of a real form, with some of them changed."""
    built = httpx.Request(
        "POST",
        "http://sandbox.test/v1/images/edits",
        data={"prompt": "x", "model": "gpt-image-2"},
        files={"image": ("a.png", png((8, 8)), "image/png"), "mask": hole((8, 8), (0, 0, 4, 4))},
    )
    content = bytearray(built.read())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with httpx.Client(transport=httpx.WSGITransport(app=create_app())) as client:
        kind = {"content-type": built.headers["content-type"]}
        response = client.post(built.url, content=bytes(content), headers=kind)
    assert response.status_code in {200, 400, 404}
