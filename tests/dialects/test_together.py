"""Together: one route, numbers for a size, addresses for images; against a fake written from its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from imagecli import dialects
from support.fakes.base import COLOURS, from_data_url, near, profile_at
from support.fakes.together import KEY, Together

SCHNELL, KONTEXT, PRO = (f"black-forest-labs/FLUX.{name}" for name in ("1-schnell", "1-kontext-pro", "2-pro"))
GREEN, RED = (10, 200, 10), (200, 10, 10)


@pytest.fixture
def together():
    with Together() as running:
        yield running


@pytest.fixture
def work(together, tmp_path):
    """Return the environment of a profile at the fake."""
    return profile_at(tmp_path, base_url=together.url, dialect="together", api_key=KEY)


@pytest.fixture
def photo():
    """A green image in the working folder, and its name."""
    Image.new("RGB", (640, 480), GREEN).save("photo.png")
    return "photo.png"


def test_fields_of_an_image(imagecli, together, work):
    flags = ["-m", SCHNELL, "-s", "512x256", "-n", "2", "--param", "steps=4", "--param", "seed=7", "-o", "fox.png"]
    ran = imagecli("gen", "a fox", *flags, "--json", env=work)
    assert ran.code == 0
    (request,) = together.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "response_format": "base64",
        "prompt": "a fox",
        "model": SCHNELL,
        "n": 2,
        "width": 512,
        "height": 256,
        "output_format": "png",
        "steps": 4,
        "seed": 7,
    }
    # The response has neither `created` nor `usage`.
    assert (ran.json["usage"], ran.json["cost_usd"], ran.json["warnings"]) == (None, None, [])
    for number in (1, 2):
        with Image.open(f"fox-{number}.png") as image:
            assert (image.format, image.size, image.getpixel((9, 9))) == ("PNG", (512, 256), COLOURS[number - 1])


def test_more_than_four_are_several_requests(imagecli, together, work):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "-s", "64x64", "-n", "9", "-o", "fox.jpg", env=work)
    assert (ran.code, len(ran.paths)) == (0, 9)
    assert sorted(request.json["n"] for request in together.requests) == [1, 4, 4]


@pytest.mark.parametrize(
    ("size", "fields", "made"),
    [
        ("landscape", {"width": 1536, "height": 1024}, (1536, 1024)),
        ("auto", {}, (1024, 1024)),
        ("16:9", {"aspect_ratio": "16:9"}, (1368, 768)),
    ],
)
def test_a_size_becomes_numbers_or_a_shape(imagecli, together, work, size, fields, made):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "-s", size, "-o", "fox.jpg", env=work)
    assert (ran.code, ran.err) == (0, "")
    rest = {"response_format": "base64", "prompt": "a fox", "model": SCHNELL, "output_format": "jpeg"}
    assert together.requests[0].json == rest | fields
    with Image.open("fox.jpg") as image:
        assert image.size == made


def test_a_size_off_the_grid_is_for_the_server_to_judge(imagecli, together, work):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "-s", "1001x600", "-o", "no.jpg", "--json", env=work)
    assert (ran.code, len(together.requests)) == (2, 1)
    assert "multiples of 8" in ran.json["warnings"][0]
    assert "multiple of 8" in ran.json["error"]["message"]


@pytest.mark.parametrize(("flags", "said"), [(["-s", "huge"], "16:9"), (["--format", "webp"], "png and jpeg")])
def test_what_is_certain_to_fail_is_not_sent(imagecli, together, work, flags, said):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, *flags, "-o", "./", env=work)
    assert (ran.code, said in ran.err, together.requests) == (2, True, [])


def test_what_together_does_not_read_is_warned_about(imagecli, together, work):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "-q", "high", "-o", "./", "--json", env=work)
    assert (ran.code, together.requests[0].json["quality"]) == (0, "high")
    assert ran.json["warnings"][0].startswith("Together does not read --quality")


def test_an_edit_by_a_model_that_takes_one_image(imagecli, together, work, photo):
    ran = imagecli("edit", photo, "a door", "-m", KONTEXT, "-o", "door.png", "--json", env=work)
    assert (ran.code, ran.json["route"]) == (0, "images/generations")
    document = together.requests[0].json
    assert from_data_url(document["image_url"]) == Path(photo).read_bytes()
    assert "reference_images" not in document
    with Image.open("door.png") as made:
        assert made.getpixel((9, 9)) == GREEN


def test_an_edit_of_several_images(imagecli, together, work, photo):
    Image.new("RGB", (300, 300), RED).save("second.jpg")
    ran = imagecli("edit", photo, "both", "-i", "second.jpg", "-m", PRO, "-s", "1024x512", "-o", "both.jpg", env=work)
    assert ran.code == 0
    document = together.requests[0].json
    assert [url[:15] for url in document["reference_images"]] == ["data:image/png;", "data:image/jpeg"]
    assert "image_url" not in document
    with Image.open("both.jpg") as made:
        assert near(made.getpixel((9, 9)), GREEN)
        assert near(made.getpixel((1000, 9)), RED)


def test_several_images_are_not_sent_to_a_model_that_takes_one(imagecli, together, work, photo):
    ran = imagecli("edit", photo, "both", "-i", photo, "-m", KONTEXT, "-o", "no.png", env=work)
    assert (ran.code, together.requests) == (2, [])
    assert "takes 1 input image, not 2" in ran.err


@pytest.mark.parametrize("flags", [["--mask-rect", "0,0,50%,100%"], ["--markup", "marks.png"]])
def test_a_mask_is_refused_before_anything_is_sent(imagecli, together, work, photo, flags):
    Image.new("RGBA", (640, 480)).save("marks.png")
    ran = imagecli("edit", photo, "a door", *flags, "-m", KONTEXT, "-o", "no.jpg", env=work)
    assert (ran.code, together.requests) == (2, [])
    assert "Together takes no mask" in ran.err or "Together takes no --markup" in ran.err


def test_vary_is_an_edit(imagecli, together, work, photo):
    ran = imagecli("vary", photo, "-m", PRO, "-o", "other.jpg", "--json", env=work)
    assert (ran.code, ran.json["route"], len(together.requests)) == (0, "images/generations", 1)
    assert "variation" in together.requests[0].json["prompt"]
    with Image.open("other.jpg") as made:
        assert near(made.getpixel((9, 9)), GREEN)


def test_an_address_leads_on_to_a_store_that_gets_no_key(imagecli, together, work):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "--response-format", "url", "-o", "fox.jpg", env=work)
    assert (ran.code, together.requests[0].json["response_format"]) == (0, "url")
    (fetched,) = together.store.requests
    assert "authorization" not in fetched.headers


def test_base64_is_what_b64_json_means_here(imagecli, together, work):
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "--response-format", "b64_json", "-o", "fox.jpg", env=work)
    assert (ran.code, together.requests[0].json["response_format"]) == (0, "base64")


def test_a_bare_list_of_models_is_read(imagecli, work):
    ran = imagecli("config", "check", "--json", env=work)
    assert (ran.code, SCHNELL in ran.json["models"]) == (0, True)


@pytest.mark.parametrize(
    ("prompt", "model", "code", "kind", "status"),
    [
        ("someone unclothed", SCHNELL, 3, "content_policy", 422),
        ("a fox", "nobody/none", 2, "usage", 404),
        ("a fox", None, 2, "usage", 400),
    ],
)
def test_what_the_server_refuses(imagecli, together, work, prompt, model, code, kind, status):
    flags = [] if model is None else ["-m", model]
    ran = imagecli("gen", prompt, *flags, "-o", "no.jpg", "--json", env=work)
    error = ran.json["error"]
    assert (ran.code, error["kind"], error["http_status"]) == (code, kind, status)
    assert len(together.requests) == 1
    if model == "nobody/none":
        assert "base URL" not in error["hint"]


def test_an_account_without_credit(imagecli, together, work):
    together.credit = False
    assert imagecli("gen", "a fox", "-m", SCHNELL, "-o", "no.jpg", env=work).code == 7


def test_a_wrong_key(imagecli, together, tmp_path):
    env = profile_at(tmp_path, base_url=together.url, dialect="together", api_key="wrong-0123456789")
    ran = imagecli("gen", "a fox", "-m", SCHNELL, "-o", "no.jpg", env=env)
    assert (ran.code, "wrong-0123456789" in ran.err) == (4, False)


def test_the_hosts_speak_it():
    assert [dialects.guess(f"https://{host}/v1") for host in ("api.together.xyz", "api.together.ai")] == [
        "together"
    ] * 2
    assert dialects.guess("https://together.example.com/v1") is None
