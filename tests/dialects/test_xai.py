"""xAI: JSON edits, shapes instead of sizes, moderation inside a success; against a fake written from its documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from imagecli import dialects
from support.fakes.base import COLOURS, from_data_url, near, profile_at
from support.fakes.xai import KEY, XAI

GREEN, RED = (10, 200, 10), (200, 10, 10)


@pytest.fixture
def xai():
    with XAI() as running:
        yield running


@pytest.fixture
def work(xai, tmp_path):
    """Return the environment of a profile at the fake."""
    return profile_at(tmp_path, base_url=xai.url, dialect="xai", api_key=KEY)


@pytest.fixture
def photo():
    """A green image in the working folder, and its name."""
    Image.new("RGB", (640, 480), GREEN).save("photo.png")
    return "photo.png"


def test_fields_of_an_image_and_what_it_costs(imagecli, xai, work):
    flags = ["-m", "grok-imagine-image", "-s", "1920x1080", "-q", "high", "-n", "2", "--format", "jpeg", "-o", "./"]
    flags += ["--safety-identifier", "u-1"]
    ran = imagecli("gen", "a fox", *flags, "--json", env=work)
    assert ran.code == 0
    (request,) = xai.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "response_format": "b64_json",
        "prompt": "a fox",
        "model": "grok-imagine-image",
        "n": 2,
        "aspect_ratio": "16:9",
        "resolution": "2k",
        "quality": "high",
        "output_format": "jpeg",
        "user": "u-1",
    }
    assert ran.json["warnings"] == ["the server sent 2560x1440, not the 1920x1080 that was asked for"]
    assert [image["width"] for image in ran.json["images"]] == [2560, 2560]
    assert ran.json["cost_usd"] == 0.04
    for number, made in enumerate(ran.json["images"]):
        with Image.open(made["path"]) as image:
            assert near(image.getpixel((9, 9)), COLOURS[number])


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        ("1024x1024", {"aspect_ratio": "1:1"}),
        ("landscape", {"aspect_ratio": "3:2"}),
        ("portrait", {"aspect_ratio": "2:3"}),
        ("1360x768", {"aspect_ratio": "16:9"}),
        ("2048x2048", {"aspect_ratio": "1:1", "resolution": "2k"}),
        ("19.5:9", {"aspect_ratio": "19.5:9"}),
        ("auto", {"aspect_ratio": "auto"}),
        ("2k", {"resolution": "2k"}),
    ],
)
def test_a_size_becomes_a_shape(imagecli, xai, work, size, fields):
    ran = imagecli("gen", "a fox", "-s", size, "-o", "./", "--json", env=work)
    assert (ran.code, [one for one in ran.json["warnings"] if "the server sent" not in one]) == (0, [])
    assert xai.requests[0].json == {"response_format": "b64_json", "prompt": "a fox"} | fields


def test_a_size_of_another_shape_is_warned_about(imagecli, xai, work):
    ran = imagecli("gen", "a fox", "-s", "1000x300", "-o", "./", "--json", env=work)
    assert xai.requests[0].json["aspect_ratio"] == "20:9"
    assert "1000x300 becomes 20:9" in ran.json["warnings"][0]


@pytest.mark.parametrize("flags", [["-s", "huge"], ["-s", "5:4"], ["-q", "hd"]])
def test_what_is_certain_to_fail_is_not_sent(imagecli, xai, work, flags):
    ran = imagecli("gen", "a fox", *flags, "-o", "no.jpg", env=work)
    assert (ran.code, "xAI takes" in ran.err) == (2, True)
    assert xai.requests == []


def test_what_xai_does_not_read_is_warned_about(imagecli, xai, work):
    ran = imagecli("gen", "a fox", "--background", "opaque", "--format", "png", "-o", "./", "--json", env=work)
    assert (ran.code, ran.json["images"][0]["format"]) == (0, "jpeg")
    assert [warning.partition(",")[0] for warning in ran.json["warnings"]] == [
        "xAI makes jpeg",
        "xAI does not read --background",
        "the image is JPEG",
    ]


def test_a_name_does_not_ask_for_a_format(imagecli, xai, work):
    ran = imagecli("gen", "a fox", "-o", "fox.png", "--json", env=work)
    assert "output_format" not in xai.requests[0].json
    assert ran.json["warnings"] == ["fox.png contains JPEG data, whatever its name says"]


def test_an_edit_of_one_image(imagecli, xai, work, photo):
    ran = imagecli("edit", photo, "a door", "-o", "door.jpg", "--json", env=work)
    assert (ran.code, ran.json["route"], ran.json["cost_usd"]) == (0, "images/edits", 0.022)
    document = xai.requests[0].json
    image = document.pop("image")
    assert document == {"response_format": "b64_json", "prompt": "a door"}
    assert (image.keys(), image["type"]) == ({"url", "type"}, "image_url")
    assert from_data_url(image["url"]) == Path(photo).read_bytes()
    with Image.open("door.jpg") as made:
        assert near(made.getpixel((9, 9)), GREEN)


def test_an_edit_of_several_images(imagecli, xai, work, photo):
    Image.new("RGB", (300, 300), RED).save("second.jpg")
    ran = imagecli("edit", photo, "both", "-i", "second.jpg", "-s", "3:2", "-o", "both.jpg", env=work)
    assert ran.code == 0
    document = xai.requests[0].json
    assert [entry["url"][:15] for entry in document["images"]] == ["data:image/png;", "data:image/jpeg"]
    assert "image" not in document
    with Image.open("both.jpg") as made:
        assert made.size == (1248, 832)
        assert near(made.getpixel((9, 9)), GREEN)
        assert near(made.getpixel((1200, 9)), RED)


@pytest.mark.parametrize("flags", [["--mask-rect", "0,0,50%,100%"], ["--markup", "marks.png"]])
def test_a_mask_is_refused_before_anything_is_sent(imagecli, xai, work, photo, flags):
    Image.new("RGBA", (640, 480)).save("marks.png")
    ran = imagecli("edit", photo, "a door", *flags, "-o", "no.jpg", env=work)
    assert (ran.code, xai.requests) == (2, [])
    assert "xAI takes no mask" in ran.err or "xAI takes no --markup" in ran.err


def test_with_keep_a_mask_does_without_the_server(imagecli, xai, work, photo):
    Image.new("RGB", (640, 480), RED).save("second.png")
    ran = imagecli(
        *("edit", "second.png", "a door", "-i", photo, "--mask-rect", "50%,0,50%,100%", "--keep", "-o", "door.png"),
        env=work,
    )
    assert (ran.code, "mask" in xai.requests[0].json) == (0, False)
    with Image.open("door.png") as made:
        assert near(made.getpixel((10, 10)), RED)
        assert near(made.getpixel((made.width - 10, 10)), GREEN)


def test_vary_is_an_edit(imagecli, xai, work, photo):
    ran = imagecli("vary", photo, "-o", "other.jpg", "--json", env=work)
    assert (ran.code, ran.json["route"], len(xai.requests)) == (0, "images/edits", 1)
    assert "variation" in xai.requests[0].json["prompt"]


@pytest.mark.parametrize(
    ("prompt", "cost"), [("a moderated fox", 0.04), ("a blocked fox", 0), ("a rejected fox", None)]
)
def test_moderation_in_each_of_its_forms(imagecli, xai, work, prompt, cost):
    ran = imagecli("gen", prompt, "-n", "2", "-o", "no.jpg", "--json", env=work)
    assert (ran.code, ran.json["error"]["kind"], ran.json["images"]) == (3, "content_policy", [])
    assert (ran.json["cost_usd"], len(xai.requests)) == (cost, 1)


def test_an_image_that_did_not_pass_is_missing(imagecli, work):
    ran = imagecli("gen", "a partly improper fox", "-n", "3", "-o", "fox.jpg", "--json", env=work)
    assert (ran.code, [image["path"] for image in ran.json["images"]]) == (6, ["fox-1.jpg"])
    assert [failure["kind"] for failure in ran.json["failures"]] == ["content_policy"] * 2


def test_an_address_is_fetched_without_the_key(imagecli, xai, work):
    ran = imagecli("gen", "a fox", "--response-format", "url", "-o", "fox.jpg", env=work)
    assert (ran.code, xai.requests[0].json["response_format"]) == (0, "url")
    (fetched,) = xai.store.requests
    assert "authorization" not in fetched.headers


def test_base64_with_a_prefix_is_read(imagecli, xai, work):
    xai.data_urls = True
    assert imagecli("gen", "a fox", "-o", "fox.jpg", env=work).code == 0
    with Image.open("fox.jpg") as image:
        assert near(image.getpixel((9, 9)), COLOURS[0])


def test_a_team_without_data_retention_gets_its_images(imagecli, xai, work):
    xai.zero_data_retention = True
    assert imagecli("gen", "a fox", "-o", "fox.jpg", env=work).code == 0


@pytest.mark.parametrize("key", ["wrong-0123456789", None])
def test_a_wrong_key_is_400_and_a_missing_one_401(imagecli, xai, tmp_path, key):
    env = profile_at(tmp_path, base_url=xai.url, dialect="xai", api_key=key)
    ran = imagecli("gen", "a fox", "-o", "no.jpg", "--json", env=env)
    assert (ran.code, ran.json["error"]["http_status"]) == (4, 400 if key else 401)
    assert "set-key" in ran.json["error"]["hint"]


def test_an_unknown_model(imagecli, work):
    ran = imagecli("gen", "a fox", "-m", "grok-0", "-o", "no.jpg", "--json", env=work)
    assert (ran.code, ran.json["error"]["http_status"]) == (2, 404)
    assert "model" in ran.json["error"]["hint"]


def test_the_host_speaks_it():
    assert dialects.guess("https://api.x.ai/v1") == "xai"
    assert dialects.guess("https://x.ai/v1") is None


# Batches


@pytest.fixture
def jobs(photo):
    """A job file with two edits and three images, one of them refused."""
    lines = [
        {"id": "e1", "op": "edit", "image": photo, "prompt": "night"},
        {"id": "g1", "prompt": "a fox"},
        {"id": "bad", "prompt": "rejected"},
        {"id": "e2", "op": "edit", "image": photo, "prompt": "day"},
        {"id": "g2", "prompt": "a bird"},
    ]
    Path("jobs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return ("jobs.jsonl", "-o", "out", "-m", "grok-imagine-image")


def test_a_batch_has_counters_and_pages(imagecli, xai, work, jobs):
    """What is there is saved while the rest is at work; each request is in one batch, whatever its endpoint."""
    submitted = imagecli("batch", "submit", *jobs, env=work)
    assert (submitted.code, submitted.out) == (0, "batch_0\n")
    upload = next(request for request in xai.requests if request.path == "/v1/files")
    assert upload.form == {}, "files have no purpose"
    lines = [json.loads(line) for line in upload.files["file"][0][2].splitlines()]
    assert [line["url"].rpartition("/")[2] for line in lines].count("edits") == 2
    assert all(line["body"]["response_format"] == "b64_json" for line in lines)
    assert lines[0]["body"]["image"]["url"].startswith("data:image/")
    seen = [imagecli("batch", "status", "--json", env=work).json["batches"][0]["status"] for _ in range(2)]
    assert seen == ["in_progress", "in_progress"]
    first = imagecli("batch", "fetch", "out", "--json", env=work)
    assert (first.code, json.loads(first.out.splitlines()[-1])["summary"]["waiting"]) == (6, 1)
    ran = imagecli("batch", "fetch", "out", "--json", env=work)
    summary = json.loads(ran.out.splitlines()[-1])["summary"]
    assert (ran.code, summary["done"], summary["done_before"], summary["failed"]) == (6, 4, 3, 1)
    assert sorted(path.name for path in Path("out").glob("*.*") if path.is_file()) == [
        "e1.jpg",
        "e2.jpg",
        "g1.jpg",
        "g2.jpg",
    ]
    assert json.loads(ran.out.splitlines()[0])["cost_usd"] == 0.01, "half of 0.02"


def test_a_cancelled_batch(imagecli, xai, work, jobs):
    imagecli("batch", "submit", *jobs, env=work)
    for _ in range(2):
        imagecli("batch", "status", env=work)
    assert imagecli("batch", "cancel", "batch_0", env=work).out == "batch_0\tcancelled\n"
    ran = imagecli("batch", "fetch", "out", "--json", env=work)
    summary = json.loads(ran.out.splitlines()[-1])["summary"]
    assert (ran.code, summary["done"], summary["failed"]) == (6, 2, 3)
    assert imagecli("batch", "submit", *jobs, env=work).out == "batch_1\n"
    assert len(xai.batches["batch_1"].lines) == 3


def test_a_batch_whose_creation_was_not_heard_of_is_found_by_its_name(imagecli, xai, work, jobs):
    xai.responses = [
        xai.respond,
        lambda reply, request: (xai.handle(request), reply.reset()),
    ]
    assert imagecli("batch", "submit", *jobs, env=work).out == "batch_0\n"
    assert len(xai.batches) == 1
