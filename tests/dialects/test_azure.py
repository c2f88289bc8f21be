"""Azure OpenAI: deployments and v1, keys and tokens, filters; against a fake written from its documentation."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from PIL import Image

from imagecli import dialects
from support.fakes.azure import FILTERS, KEY, TOKEN, Azure
from support.fakes.base import CHANGED, COLOURS, profile_at

DATED = "2025-04-01-preview"
GREEN, RED = (10, 200, 10), (200, 10, 10)


@pytest.fixture
def azure():
    with Azure() as running:
        yield running


@pytest.fixture
def work(azure, tmp_path):
    """Return the environment of a profile at the fake's endpoint, of the classic kind."""
    return profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version=DATED, api_key=KEY)


@pytest.fixture
def photo():
    """A green image in the working folder, and its name."""
    Image.new("RGB", (640, 480), GREEN).save("photo.png")
    return "photo.png"


CLASSIC = f"/openai/deployments/pictures/images/generations?api-version={DATED}"
V1 = "/openai/v1/images/generations"


@pytest.mark.parametrize(
    ("below", "version", "path", "models"),
    [
        ("", DATED, CLASSIC, f"/openai/models?api-version={DATED}"),
        ("/openai", DATED, CLASSIC, f"/openai/models?api-version={DATED}"),
        ("/openai/deployments/pictures", DATED, CLASSIC, f"/openai/models?api-version={DATED}"),
        ("", None, V1, "/openai/v1/models"),
        ("/openai", None, V1, "/openai/v1/models"),
        ("/openai/v1", None, V1, "/openai/v1/models"),
        ("", "preview", f"{V1}?api-version=preview", "/openai/v1/models?api-version=preview"),
        ("/openai/v1", "v1", f"{V1}?api-version=v1", "/openai/v1/models?api-version=v1"),
        # OPENAI_API_VERSION may be there for other programs.
        ("/openai/v1/", DATED, V1, "/openai/v1/models"),
    ],
)
def test_each_way_to_write_the_address(imagecli, azure, tmp_path, below, version, path, models):
    env = profile_at(tmp_path, base_url=azure.url + below, dialect="azure", api_version=version, api_key=KEY)
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "fox.png", env=env)
    assert (ran.code, ran.paths, ran.err) == (0, ["fox.png"], "")
    (request,) = azure.requests
    assert request.path == path
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers
    checked = imagecli("config", "check", env=env)
    assert (checked.code, azure.requests[-1].path) == (0, models)


def test_fields_of_an_image(imagecli, azure, work):
    flags = ["-m", "pictures", "-s", "landscape", "-q", "low", "--format", "jpeg", "-n", "3", "-o", "fox.jpg"]
    ran = imagecli("gen", "a fox", *flags, env=work)
    assert ran.code == 0
    assert azure.requests[0].json == {
        "prompt": "a fox",
        "model": "pictures",
        "n": 3,
        "size": "1536x1024",
        "quality": "low",
        "output_format": "jpeg",
    }
    for number, path in enumerate(ran.paths):
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", (1536, 1024))
            assert image.getpixel((9, 9)) == pytest.approx(COLOURS[number], abs=6)


def test_a_deployment_may_have_any_name(imagecli, azure, work):
    azure.deployments["my own/painter ä"] = "gpt-image-2"
    ran = imagecli("gen", "a fox", "-m", "my own/painter ä", "-o", "./", "--dry-run", "--json", env=work)
    path = "/openai/deployments/my%20own%2Fpainter%20%C3%A4/images/generations"
    assert path in ran.json["requests"][0]["url"]


def test_an_edit_with_a_mask(imagecli, azure, work, photo):
    mask = Image.new("RGBA", (640, 480), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 320, 480))
    mask.save("mask.png")
    ran = imagecli("edit", photo, "a door", "--mask", "mask.png", "-m", "pictures", "-o", "door.png", env=work)
    assert ran.code == 0
    (request,) = azure.requests
    assert request.path == f"/openai/deployments/pictures/images/edits?api-version={DATED}"
    assert [name for name, *_ in request.parts] == ["prompt", "model", "output_format", "image", "mask"]
    with Image.open("door.png") as image:
        assert image.getpixel((100, 500)) == CHANGED
        assert image.getpixel((900, 500)) == GREEN


def test_an_edit_of_several_images(imagecli, azure, work, photo):
    Image.new("RGB", (300, 300), RED).save("second.webp", lossless=True)
    ran = imagecli(
        "edit", photo, "both", "-i", "second.webp", "-m", "wide", "-s", "1024x640", "-o", "out.png", env=work
    )
    assert ran.code == 0
    # Microsoft documents PNG and JPEG as inputs.
    assert [(kind, data[:4]) for _, kind, data in azure.requests[0].files["image[]"]] == [
        ("image/png", b"\x89PNG"),
        ("image/png", b"\x89PNG"),
    ]
    with Image.open("out.png") as image:
        assert (image.size, image.getpixel((9, 9)), image.getpixel((1000, 9))) == ((1024, 640), GREEN, RED)


def test_vary_is_an_edit(imagecli, azure, work, photo):
    ran = imagecli("vary", photo, "-m", "pictures", "-o", "other.png", "--json", env=work)
    assert (ran.code, ran.json["route"]) == (0, "openai/deployments/pictures/images/edits")
    assert len(azure.requests) == 1
    assert "variation" in azure.requests[0].form["prompt"]


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_token_goes_as_bearer(imagecli, azure, tmp_path, way):
    key = {"api_key": TOKEN} if way == "file" else {}
    env = profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version=DATED, **key)
    if way == "variable":
        # The official package prefers it, too.
        env |= {"AZURE_OPENAI_AD_TOKEN": TOKEN, "AZURE_OPENAI_API_KEY": "not this"}
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "fox.png", env=env)
    assert ran.code == 0
    assert azure.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in azure.requests[0].headers


def test_the_variables_of_the_official_package_are_enough(imagecli, azure, tmp_path):
    env = profile_at(tmp_path, dialect="azure")
    env |= {"AZURE_OPENAI_ENDPOINT": azure.url, "AZURE_OPENAI_API_KEY": KEY, "OPENAI_API_VERSION": DATED}
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "fox.png", env=env)
    assert (ran.code, azure.requests[0].path) == (0, CLASSIC)
    # Without the endpoint it is unknown where to send it.
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "cat.png", env=env | {"AZURE_OPENAI_ENDPOINT": ""})
    assert ran.code == 2
    assert "AZURE_OPENAI_ENDPOINT" in ran.err


def test_what_is_sent_is_what_the_official_package_sends(imagecli, azure, work, photo):
    with openai.AzureOpenAI(azure_endpoint=azure.url, api_key=KEY, api_version=DATED, max_retries=0) as official:
        official.images.generate(model="pictures", prompt="a fox", size="1024x1024", n=2)
        official.images.edit(model="pictures", prompt="a fox", image=("photo.png", Path(photo).read_bytes()))
    imagecli("gen", "a fox", "-m", "pictures", "-s", "1024x1024", "-n", "2", "-o", "fox.jpg", env=work)
    imagecli("edit", photo, "a fox", "-m", "pictures", "-o", "./", env=work)
    generated, edited, ours, our_edit = azure.requests
    assert (ours.path, our_edit.path) == (generated.path, edited.path)
    assert ours.json == {**generated.json, "output_format": "jpeg"}
    assert our_edit.form == edited.form
    assert our_edit.files.keys() == edited.files.keys()
    assert {one.headers["api-key"] for one in azure.requests} == {KEY}


def test_nothing_is_sent_without_a_deployment_or_its_version(imagecli, azure, tmp_path):
    env = profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version=DATED, api_key=KEY)
    ran = imagecli("gen", "a fox", "-o", "fox.png", env=env)
    assert (ran.code, "deployment" in ran.err, "-m" in ran.err) == (2, True, True)
    env = profile_at(tmp_path, base_url=f"{azure.url}/openai/deployments/pictures", dialect="azure", api_key=KEY)
    ran = imagecli("gen", "a fox", "-o", "fox.png", env=env)
    assert (ran.code, "OPENAI_API_VERSION" in ran.err) == (2, True)
    assert azure.requests == []


def test_a_format_that_is_not_documented_is_warned_about_and_sent(imagecli, azure, work):
    ran = imagecli("gen", "a fox", "-m", "pictures", "--format", "webp", "-o", "./", "--json", env=work)
    assert azure.requests[0].json["output_format"] == "webp"
    assert ran.json["warnings"] == ["Azure OpenAI makes png and jpeg, not webp, as far as is known; sending it anyway"]
    assert (ran.code, ran.json["error"]["param"]) == (2, "output_format")


def test_a_name_does_not_ask_for_such_a_format(imagecli, azure, work):
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "fox.webp", env=work)
    assert ran.code == 0
    assert "output_format" not in azure.requests[0].json


@pytest.mark.parametrize("words", FILTERS)
def test_what_the_filters_refuse(imagecli, azure, work, words):
    ran = imagecli("gen", f"this is {words}", "-m", "pictures", "-o", "no.png", "--json", env=work)
    error = ran.json["error"]
    assert (ran.code, error["kind"], error["request_id"]) == (3, "content_policy", "req-1")
    assert len(azure.requests) == 1  # never tried again
    if words in {"a massacre", "a murder"}:
        assert "violence" in error["message"]
        assert "hate" not in error["message"]


def test_a_deployment_that_does_not_exist(imagecli, azure, work):
    ran = imagecli("gen", "a fox", "-m", "gone", "-o", "no.png", "--json", env=work)
    error = ran.json["error"]
    assert (ran.code, error["code"], error["http_status"]) == (2, "DeploymentNotFound", 404)
    assert "model" in error["hint"]
    assert "base URL" not in error["hint"]


def test_a_version_that_is_too_old_for_edits(imagecli, azure, tmp_path, photo):
    env = profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version="2024-10-21", api_key=KEY)
    ran = imagecli("edit", photo, "a fox", "-m", "pictures", "-o", "no.png", "--json", env=env)
    assert (ran.code, ran.json["error"]["http_status"]) == (2, 404)
    assert "Resource not found" in ran.json["error"]["message"]


def test_a_wrong_key(imagecli, azure, tmp_path):
    env = profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version=DATED, api_key="wrong-0123456789")
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "no.png", env=env)
    assert (ran.code, "wrong-0123456789" in ran.err) == (4, False)


def test_no_key(imagecli, azure, tmp_path):
    env = profile_at(tmp_path, base_url=azure.url, dialect="azure", api_version=DATED)
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "no.png", "--json", env=env)
    assert ran.code == 4
    assert ran.json["error"]["hint"] == (
        "No key was sent. Set AZURE_OPENAI_API_KEY or run `imagecli config set-key cloud`."
    )


def test_rates_are_waited_for(imagecli, azure, work):
    azure.limited = 1
    ran = imagecli("gen", "a fox", "-m", "pictures", "-o", "fox.png", env=work)
    assert (ran.code, len(azure.requests)) == (0, 2)


def test_an_image_in_the_blob_store_is_fetched_without_the_key(imagecli, azure, work):
    ran = imagecli("gen", "a fox", "-m", "old painter", "-o", "./", "--json", env=work)
    assert ran.code == 0
    assert ran.json["images"][0]["revised_prompt"] == "A vivid picture of a fox"
    (fetched,) = azure.store.requests
    assert not {"api-key", "authorization"} & fetched.headers.keys()
    with Image.open(ran.json["images"][0]["path"]) as image:
        assert image.getpixel((9, 9)) == COLOURS[0]


def test_a_field_that_the_deployments_model_does_not_know_is_dropped(imagecli, azure, work):
    # Its name does not show that it is dall-e-3; the name of the file asks for PNG.
    ran = imagecli("gen", "a fox", "-m", "old painter", "-o", "fox.png", "--json", env=work)
    assert ran.code == 0
    assert ["output_format" in request.json for request in azure.requests] == [True, False]
    assert "output_format" in ran.json["warnings"][0]


@pytest.mark.parametrize(
    ("url", "guess"),
    [
        ("https://mine.openai.azure.com", "azure"),
        ("https://MINE.openai.azure.com./openai/v1", "azure"),
        ("https://mine.services.ai.azure.com/api/projects/p/openai", "azure"),
        ("https://mine.cognitiveservices.azure.com/", "azure"),
        ("https://openai.azure.com.example.com", None),
        ("https://notopenai.azure.com", None),
    ],
)
def test_hosts_that_speak_it(url, guess):
    assert dialects.guess(url) == guess
