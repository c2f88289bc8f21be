"""POST /content_provenance_checks, as the official package asks and reads it."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from imagecli.sandbox.api.app import create_app
from support.credentials import carrying
from support.sandboxed import error_of, png
from support.serving import image_file


def ask(api, data, name="file", **fields):
    files = {name: ("a.png", data, "image/png")}
    return api.post("/content_provenance_checks", files=files, data=fields)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_images_have_a_result_for_each_signal(api, kind):
    said = ask(api, image_file(kind=kind)).json()
    assert said["object"] == "content_provenance_check"
    assert said["created_at"] > 1_700_000_000
    nothing = {"outcome": "not_detected", "model": None, "generated_at": None}
    assert said["results"] == [
        {"type": "c2pa", "validation_state": "not_present", "issuer": None, **nothing},
        {"type": "synthid", **nothing},
    ]


def test_a_manifest_is_there_and_nobody_is_trusted(api):
    assert ask(api, carrying(png())).json()["results"][0]["validation_state"] == "invalid"


@pytest.mark.parametrize(
    ("data", "name", "fields", "code", "param"),
    [
        (png(), "file", {"a": "b"}, "unknown_parameter", "a"),
        (png(), "image", {}, "unknown_parameter", "image"),
        (b"hello", "file", {}, "invalid_image_file", "file"),
        (png()[:-20], "file", {}, "invalid_image_file", "file"),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
            "file",
            {},
            "invalid_image_file",
            "file",
        ),
    ],
)
def test_what_can_not_be_checked_is_refused(api, data, name, fields, code, param):
    assert error_of(ask(api, data, name, **fields)) == (400, code, param)


def test_only_post(api):
    assert api.get("/content_provenance_checks").status_code == 405


def test_the_official_package_reads_it():
    openai = pytest.importorskip("openai")
    http = openai.DefaultHttpxClient(transport=httpx.WSGITransport(app=create_app()))
    client = openai.OpenAI(base_url="http://sandbox.test/v1", api_key="x", http_client=http)
    if not hasattr(client, "content_provenance_checks"):
        pytest.skip("this version of the package does not know it")
    said = client.content_provenance_checks.create(file=("a.png", png(), "image/png"))
    assert [(each.type, each.outcome) for each in said.results] == [
        ("c2pa", "not_detected"),
        ("synthid", "not_detected"),
    ]
