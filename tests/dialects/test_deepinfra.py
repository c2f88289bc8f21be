"""DeepInfra, against a fake of it: repeated `image`, JPEG whatever was asked for, one image a request."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.fakes.base import CHANGED, MADE
from support.fakes.deepinfra import DeepInfra
from support.serving import image_file

FLUX, QWEN = "black-forest-labs/FLUX-1-schnell", "Qwen/Qwen-Image-Edit"
RED, BLUE = (200, 20, 20), (20, 20, 200)


@pytest.fixture
def profile(home, monkeypatch):
    """Write a profile that leads to a fake."""

    def write(fake):
        file = home / "config" / "imagecli" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f'profile = "infra"\n[profiles.infra]\nbase_url = "{fake.url}"\ndialect = "deepinfra"\n'
            'api_key_env = "DEEPINFRA_API_KEY"\n'
        )
        file.chmod(0o600)
        monkeypatch.setenv("DEEPINFRA_API_KEY", fake.key)

    return write


@pytest.fixture
def infra(profile):
    """DeepInfra without variations, and a profile that leads there."""
    with DeepInfra() as fake:
        profile(fake)
        yield fake


def _near(found, wanted):
    """Return whether a colour is the wanted one, but for what JPEG does to it."""
    return all(abs(one - other) < 12 for one, other in zip(found, wanted, strict=True))


def _pixel(path, x, y=0.5):
    with Image.open(path) as image:
        return image.convert("RGB").getpixel((int(image.width * x), int(image.height * y)))


def test_gen_names_the_image_by_its_bytes(imagecli, infra):
    ran = imagecli("gen", "a fox", "-m", FLUX, "-s", "512x768", "-v")
    assert ran.code == 0, ran.err
    assert ran.paths == ["a-fox.jpg"]
    assert infra.posts[0].path == "/v1/openai/images/generations"
    assert infra.posts[0].json == {"prompt": "a fox", "model": FLUX, "size": "512x768"}
    with Image.open("a-fox.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (512, 768))
    assert _near(_pixel("a-fox.jpg", 0.5), MADE)


def test_a_name_that_was_given_is_kept_with_a_warning(imagecli, infra):
    ran = imagecli("gen", "a fox", "-m", FLUX, "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"])
    assert "output_format" not in infra.posts[0].json
    assert "jpeg" in ran.err.lower()


def test_several_images_are_several_requests(imagecli, infra):
    ran = imagecli("gen", "a fox", "-m", FLUX, "-n", "3")
    assert (ran.code, len(ran.paths)) == (0, 3)
    assert [request.json["n"] for request in infra.posts] == [1, 1, 1]


def test_edit_with_one_and_with_several_inputs(imagecli, infra):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    Path("b.png").write_bytes(image_file((64, 64), BLUE))
    ran = imagecli("edit", "a.png", "redder", "-m", QWEN, "-o", "one.jpg")
    assert ran.code == 0, ran.err
    ran = imagecli("edit", "a.png", "both", "-i", "b.png", "-m", QWEN, "-o", "two.jpg")
    assert ran.code == 0, ran.err
    assert [list(request.files) for request in infra.posts] == [["image"], ["image"]]
    assert [name for name, _, _ in infra.posts[1].files["image"]] == ["a.png", "b.png"]
    assert _near(_pixel("two.jpg", 0.25), RED)
    assert _near(_pixel("two.jpg", 0.75), BLUE)


def test_a_masks_transparency_opens_the_image(imagecli, infra):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (32, 0, 64, 64))
    mask.save("mask.png")
    ran = imagecli("edit", "a.png", "x", "--mask", "mask.png", "-m", QWEN, "-o", "out.jpg")
    assert ran.code == 0, ran.err
    assert _near(_pixel("out.jpg", 0.25), RED)
    assert _near(_pixel("out.jpg", 0.75), CHANGED)


def test_vary_takes_variations_where_they_are_and_edits_where_they_are_not(imagecli, infra, profile):
    Path("a.png").write_bytes(image_file((64, 64), RED))
    ran = imagecli("vary", "a.png", "-m", QWEN, "--json")
    assert (ran.code, ran.json["route"]) == (0, "images/edits"), ran.out
    assert [request.path.rpartition("/")[2] for request in infra.posts] == ["variations", "edits"]
    with DeepInfra(variations=True) as other:
        profile(other)
        ran = imagecli("vary", "a.png", "-m", QWEN, "--json")
        assert (ran.code, ran.json["route"]) == (0, "images/variations"), ran.out
        assert len(other.posts) == 1


def test_errors_in_both_envelopes_are_read(imagecli, infra, monkeypatch):
    ran = imagecli("gen", "x", "-m", "nobody/nothing")
    assert ran.code == 2
    assert "The model `nobody/nothing` does not exist" in ran.err
    assert "Name a model that this server has" in ran.err
    ran = imagecli("gen", "x", "-m", FLUX, "-s", "1000x1000", "--json")
    assert (ran.code, ran.json["error"]["http_status"]) == (2, 400)
    assert "multiples of 32" in ran.json["error"]["message"]
    monkeypatch.setenv("DEEPINFRA_API_KEY", "wrong-key-0123456789")
    ran = imagecli("gen", "x", "-m", FLUX)
    assert ran.code == 4
    assert "User is not authenticated" in ran.err


def test_a_busy_model_is_asked_again(imagecli, infra):
    infra.busy = 1
    assert imagecli("gen", "x", "-m", FLUX).code == 0
    assert len(infra.posts) == 2
    infra.busy = 1
    ran = imagecli("gen", "x", "-m", FLUX, "--retries", "0")
    assert (ran.code, "Model busy" in ran.err) == (5, True)


def test_what_the_documentation_shows_with_curl(imagecli, infra):
    """`curl -F image=@image.png -F n=1 -F size=1024x1024 -F model=Qwen/Qwen-Image-Edit`, and a prompt."""
    Path("image.png").write_bytes(image_file((64, 64), RED))
    ran = imagecli("edit", "image.png", "x", "-n", "1", "-s", "1024x1024", "-m", QWEN)
    assert ran.code == 0, ran.err
    assert infra.posts[0].form == {"prompt": "x", "model": QWEN, "n": "1", "size": "1024x1024"}


def test_the_hosts_name_is_enough(imagecli):
    for name in ("a.png", "b.png"):
        Path(name).write_bytes(image_file())
    ran = imagecli(
        *("edit", "a.png", "x", "-i", "b.png", "-m", QWEN, "--base-url", "https://api.deepinfra.com/v1/openai"),
        *("--dry-run", "--json"),
    )
    assert [file["field"] for file in ran.json["requests"][0]["files"]] == ["image", "image"]
