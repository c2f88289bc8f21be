"""The sandbox's responses and the program's requests, held against OpenAI's published description of the Images API."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from support.described import VERSIONS, Description, deviations
from support.places import ROOT, SPECS
from support.sandboxed import hole, png, saved

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason="OpenAI's description is not beside this checkout")

KNOWN = deviations(tomllib.loads((ROOT / "tests" / "support" / "spec_deviations.toml").read_text("utf-8")))
NEW = "gpt-image-2.6-flare"


@pytest.fixture(scope="module")
def descriptions():
    return [Description(version) for version in VERSIONS]


def hold(findings, side):
    """Compare what was found with the list of what is known, for requests or for responses and events."""
    known = [deviation for deviation in KNOWN if deviation.on[0].startswith("request") is (side == "request")]
    unlisted = sorted(found for found in findings if not any(deviation.covers(found) for deviation in known))
    assert not unlisted, "\n".join(["not as described, and not in spec_deviations.toml:", *map(str, unlisted)])
    stale = [(deviation.rule, missed) for deviation in known if (missed := deviation.missed(findings))]
    assert not stale, "\n".join(["in spec_deviations.toml, and as described:", *map(str, stale)])


def reference(data):
    return {"image_url": "data:image/png;base64," + base64.b64encode(data).decode()}


def marks(size=(128, 96)):
    image = Image.new("RGBA", size)
    image.paste((255, 0, 0, 255), (10, 10, 60, 60))
    return saved(image)


# What the sandbox sends


GENERATIONS = [
    {"model": "gpt-image-2", "n": 2, "size": "1024x1024", "quality": "high"},
    {"model": "gpt-image-2", "size": "1536x864", "output_format": "webp", "background": "transparent"},
    {"model": "gpt-image-2.5-flare", "quality": "xhigh", "size": "1024x1024", "safety_identifier": "u"},
    {"model": NEW, "quality": "max", "output_format": "gif", "frame_count": 2, "complexity": "low"},
    {"model": NEW, "output_format": "svg", "svg": {"model": "author"}},
    {"model": "dall-e-3", "style": "natural", "quality": "hd"},
    {"model": "dall-e-2", "response_format": "b64_json", "size": "256x256"},
    {"model": "gpt-image-2", "prompt": "sandbox:moderation"},
    {"model": "gpt-image-2", "prompt": "sandbox:auth"},
    {"model": "gpt-image-2", "prompt": "sandbox:unverified"},
    {"model": "gpt-image-2", "prompt": "sandbox:quota"},
    {"model": "gpt-image-2", "prompt": "sandbox:server-error"},
    {"model": "gpt-image-2", "prompt": "sandbox:overloaded"},
    {"model": "none"},
    {"model": "gpt-image-2", "size": "1x1"},
]
EDITS = [
    ({"model": "gpt-image-2", "size": "1024x1024"}, {"image": png(), "mask": hole()}),
    ({"model": NEW, "quality": "max"}, {"image": png((128, 96)), "markup": marks()}),
    ({"model": "gpt-image-2.5-flare", "quality": "xhigh"}, {"image": png((128, 96))}),
    ({"model": NEW, "output_format": "gif", "frame_count": "2"}, {"image": png((128, 96))}),
    ({"model": NEW, "output_format": "svg", "safety_identifier": "u"}, {"image": png((128, 96))}),
    ({"model": "dall-e-2", "size": "256x256"}, {"image": png((256, 256)), "mask": hole((256, 256))}),
    ({"model": "gpt-image-2", "prompt": ""}, {"image": png()}),
]
STREAMS = [
    {"size": "1024x1024", "quality": "low", "partial_images": 1},
    {"size": "1024x640", "quality": "xhigh", "partial_images": 1},
    {"size": "1024x1024", "quality": "max", "partial_images": 1, "safety_identifier": "u"},
]


def exchanges(api):
    """Yield every kind of response that the sandbox gives."""
    for fields in GENERATIONS:
        yield api.post("/images/generations", json={"prompt": "a red fox"} | fields)
    for fields, files in EDITS:
        yield api.post("/images/edits", data={"prompt": "a red fox"} | fields, files=files)
    yield api.post("/images/edits", json={"prompt": "x", "model": "gpt-image-2", "images": [reference(png())]})
    yield api.post("/images/variations", data={"size": "256x256"}, files={"image": png()})
    yield api.post("/images/variations", data={"size": "1x1"}, files={"image": png()})
    for path in ("/models", f"/models/{NEW}", "/models/none", "/batches", "/batches/none", "/files"):
        yield api.get(path)
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    yield api.post("/files", data={"purpose": "vision"} | life, files={"file": png()})
    yield api.post("/files", data={"purpose": "none"}, files={"file": png()})
    yield from batch(api, b'{"custom_id": "1", "method": "POST", "url": "/v1/images/generations", "body": {}}')
    yield from batch(api, b"none")
    name = api.get("/files").json()["data"][0]["id"]
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", ""), ("DELETE", "")):
        yield api.request(method, f"/files/{name}{path}")
    yield api.get("/files")


def batch(api, lines):
    file = api.post("/files", data={"purpose": "batch"}, files={"file": ("jobs.jsonl", lines)}).json()["id"]
    asked = {"input_file_id": file, "endpoint": "/v1/images/generations", "completion_window": "24h"}
    made = [api.post("/batches", json=asked | {"metadata": {"a": "b"}}) for _ in range(2)]
    first, second = (f"/batches/{response.json()['id']}" for response in made)
    yield from made
    yield api.post(f"{first}/cancel")
    yield api.get(first)
    for _ in range(3):
        yield api.get(second)
    yield api.post(f"{second}/cancel")
    yield api.get("/batches")
    yield api.post("/batches", json={})


def events(api):
    """Yield every kind of event."""
    for fields in STREAMS:
        asked = {"prompt": "x", "model": NEW, "stream": True} | fields
        edit = asked | {"images": [reference(png((128, 96)))]}
        for path, body in (("/images/generations", asked), ("/images/edits", edit)):
            for line in api.post(path, json=body).text.splitlines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))


def test_what_the_sandbox_responses(api, descriptions):
    findings = set()
    for response in exchanges(api):
        kind = response.headers["content-type"]
        document = response.json() if kind == "application/json" else None
        request = response.request
        for description in descriptions:
            findings |= description.of_response(request.method, request.url.path, response.status_code, kind, document)
    for event in events(api):
        for description in descriptions:
            findings |= description.of_event(event)
    hold(findings, "response")


# What the program sends


SVG = 'svg={"model": "author", "reasoning": {"effort": "low"}}'
CALLS = [
    ("gen", "a red fox"),
    ("gen", "a red fox", "-m", "gpt-image-2", "-n", "2", "-s", "1536x864", "-q", "high", "--background", "opaque"),
    ("gen", "a red fox", "-m", NEW, "-s", "square", "-q", "xhigh", "--format", "webp", "--compression", "70"),
    ("gen", "a red fox", "-q", "max", "--moderation", "low", "-s", "auto", "--background", "transparent"),
    ("gen", "a red fox", "-m", NEW, "--format", "gif", "--frames", "4", "--frame-ms", "100"),
    ("gen", "a red fox", "-m", "gpt-image-2", "--partials", "2"),
    ("gen", "a red fox", "-m", NEW, "--format", "svg", "--param", SVG, "--param", "user=me"),
    ("gen", "a red fox", "-m", NEW, "--complexity", "low", "--safety-identifier", "me"),
    ("gen", "a red fox", "-m", "dall-e-3", "-q", "hd", "--style", "natural", "-s", "landscape", "--verbatim"),
    ("gen", "a red fox", "-m", "dall-e-2", "-n", "3", "--response-format", "b64_json", "-s", "256x256"),
    ("edit", "a.png", "a pool"),
    ("edit", "a.png", "a pool", "-i", "b.png", "--mask", "mask.png", "-m", "gpt-image-1.5", "--input-fidelity", "high"),
    ("edit", "a.png", "a pool", "-m", "dall-e-2", "--mask", "mask.png", "-s", "512x512", "-n", "2"),
    ("edit", "a.png", "a pool", "-q", "xhigh", "-s", "1536x864", "--format", "jpeg", "--compression", "50"),
    ("edit", "a.png", "a pool", "-q", "max", "--background", "transparent", "--mask-rect", "10,10,40,40"),
    ("edit", "a.png", "a pool", "-m", NEW, "--format", "gif", "--frames", "4", "--frame-ms", "100"),
    ("edit", "a.png", "a pool", "--partials", "3", "--mask", "mask.png"),
    ("edit", "a.png", "a pool", "-m", NEW, "--markup", "marks.png"),
    ("edit", "a.png", "a pool", "-m", NEW, "--format", "svg", "--safety-identifier", "me", "-n", "1"),
    ("edit", "a.png", "a pool", "-m", NEW, "--format", "svg", "--param", SVG),
    ("edit", "a.png", "a pool", "-m", NEW, "--complexity", "high", "--moderation", "low"),
    ("vary", "a.png"),
    ("vary", "a.png", "-m", "dall-e-2", "-n", "2", "-s", "512x512", "--response-format", "b64_json"),
]


def test_what_the_program_sends(imagecli, server, descriptions):
    Image.radial_gradient("L").convert("RGB").save("a.png")
    Path("b.png").write_bytes(png())
    Path("marks.png").write_bytes(marks((256, 256)))
    Path("mask.png").write_bytes(hole((256, 256)))
    for number, call in enumerate(CALLS):
        ran = imagecli(*call, "-o", f"{number}/", env={"OPENAI_BASE_URL": server.url})
        assert ran.code == 0, (call, ran.err)
    assert len(server.posts) >= len(CALLS)
    hold({found for request in server.posts for each in descriptions for found in each.of_request(request)}, "request")
