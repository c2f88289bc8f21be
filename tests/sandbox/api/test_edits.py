"""The sandbox edits and varies uploaded images: what it takes, and what it leaves alone to the bit."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageDraw

from support.places import PHOTOS
from support.sandboxed import edit, error_of, hole, image_of, png, saved

UNKNOWN_TYPE = "application/octet-stream"


@pytest.mark.parametrize(
    ("files", "fields", "refused"),
    [
        ({}, {"model": "dall-e-2"}, (400, "unsupported_content_type", None)),
        ({"mask": hole()}, {"model": "dall-e-2"}, (400, "missing_required_parameter", "image")),
        ({"image": png()}, {"model": "dall-e-2"}, (400, "invalid_image_file", "image")),
        ({"image": png((64, 32)), "mask": hole((64, 32))}, {"model": "dall-e-2"}, (400, "invalid_image_file", "image")),
        ({"image[]": png(), "mask": hole()}, {"model": "dall-e-2"}, (400, "invalid_type", "image")),
        ({"image": png(), "mask": png()}, {"model": "dall-e-2"}, (400, "invalid_image_file", "mask")),
        ({"image": png(), "mask": hole((32, 32))}, {"model": "dall-e-2"}, (400, "invalid_image_file", "mask")),
        ({"image": png(), "mask": b"GIF89a"}, {"model": "dall-e-2"}, (400, "invalid_image_file", "mask")),
        ({"image": png()[:60], "mask": hole()}, {"model": "dall-e-2"}, (400, "invalid_image_file", "image")),
        ({"image": b"", "mask": hole()}, {"model": "dall-e-2"}, (400, "invalid_image_file", "image")),
        (
            {"image": saved(Image.new("RGB", (64, 64)), "JPEG"), "mask": hole()},
            {"model": "dall-e-2"},
            (400, "invalid_image_file", "image"),
        ),
        (
            {"image": png() + bytes(4_000_000), "mask": hole()},
            {"model": "dall-e-2"},
            (400, "invalid_image_file", "image"),
        ),
        ({"image": png()}, {"model": "dall-e-3"}, (400, "invalid_value", "model")),
        ({"image": b"hello"}, {"model": "gpt-image-2"}, (400, "invalid_image_file", "image")),
        ({"image": png(), "extra": b"x"}, {"model": "gpt-image-2"}, (400, "unknown_parameter", "extra")),
        ({"image": png()}, {"model": "gpt-image-2", "n": "two"}, (400, "invalid_type", "n")),
        ({"image": png()}, {"model": "gpt-image-2", "n": "11"}, (400, "invalid_value", "n")),
        (
            {"image": png()},
            {"model": "gpt-image-2", "input_fidelity": "high"},
            (400, "unknown_parameter", "input_fidelity"),
        ),
        (
            {"image": png()},
            {"model": "gpt-image-1-mini", "input_fidelity": "high"},
            (400, "invalid_value", "input_fidelity"),
        ),
        ({"image": png()}, {"model": "nope"}, (404, "model_not_found", "model")),
        ({"prompt": b"a file"}, {"model": "gpt-image-2"}, (400, "invalid_type", "prompt")),
    ],
)  # fmt: skip
def test_edits_are_checked(api, files, fields, refused):
    assert error_of(edit(api, files, **fields)) == refused


def test_seventeen_images_are_one_too_many(api):
    files = [("image[]", png((8, 8)))] * 16
    assert edit(api, files, model="gpt-image-2").status_code == 200
    assert error_of(edit(api, [*files, files[0]], model="gpt-image-2")) == (400, "invalid_value", "image")


def test_an_image_that_is_text(api):
    response = edit(api, {"mask": hole()}, model="gpt-image-2", image="not a file")
    assert error_of(response) == (400, "invalid_type", "image")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=abc"])
def test_broken_multipart(api, content_type):
    response = api.post("/images/edits", content=b"--abc\r\n\r\nx", headers={"content-type": content_type})
    assert error_of(response) == (400, None, None)


@pytest.mark.parametrize(
    ("files", "fields", "refused"),
    [
        ({"image": png((64, 32))}, {}, (400, "invalid_image_file", "image")),
        ({"image": png()}, {"model": "gpt-image-2"}, (400, "invalid_value", "model")),
        ({"image": png()}, {"prompt": "x"}, (400, "unknown_parameter", "prompt")),
        ({"image": png()}, {"size": "1024x1792"}, (400, "invalid_value", "size")),
        ([("image", png()), ("image", png())], {}, (400, "invalid_type", "image")),
    ],
)
def test_variations_are_checked(api, files, fields, refused):
    assert error_of(api.post("/images/variations", data=fields, files=files)) == refused


def test_a_variations_json_is_unsupported(api):
    assert error_of(api.post("/images/variations", json={}))[1] == "unsupported_content_type"


def test_variations(api):
    files = {"image": png((256, 256))}
    response = api.post("/images/variations", data={"n": "3", "size": "256x256"}, files=files)
    assert [image_of(api, response, i).size for i in range(3)] == [(256, 256)] * 3
    assert len({item["url"] for item in response.json()["data"]}) == 3


@pytest.mark.parametrize(("route", "field"), [("variations", "image"), ("edits", "image"), ("edits", "mask")])
def test_a_file_of_no_declared_type_is_refused(api, route, field):
    """The guide's bytes, as the official package sends them: a file named `upload`, application/octet-stream."""
    files = {"image": ("a.png", png((256, 256)), "image/png"), field: ("upload", hole((256, 256)), UNKNOWN_TYPE)}
    response = api.post(f"/images/{route}", data={"prompt": "x"} if route == "edits" else {}, files=files)
    assert error_of(response) == (400, "invalid_image_file", field)
    assert f"unsupported mimetype ('{UNKNOWN_TYPE}')" in response.json()["error"]["message"]


def colourful(size=(128, 128), mode="RGB"):
    red, green = Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size)
    return Image.merge("RGB", (red, green, ImageChops.invert(red))).convert(mode)


@pytest.mark.parametrize("model", ["dall-e-2", "gpt-image-2", "gpt-image-1"])
def test_an_edit_changes_only_what_the_mask_opens(api, model):
    source = colourful((256, 256))
    mask = Image.new("RGBA", source.size, (9, 9, 9, 255))
    ImageDraw.Draw(mask).ellipse((60, 40, 200, 190), fill=(0, 0, 0, 0))
    ImageDraw.Draw(mask).rectangle((0, 230, 255, 255), fill=(0, 0, 0, 1))
    result = image_of(api, edit(api, {"image": saved(source), "mask": saved(mask)}, model=model))
    assert result.size == source.size
    kept = mask.getchannel("A").point([0] + [255] * 255)
    changed = ImageChops.difference(result.convert("RGB"), source).convert("L").point([0] + [255] * 255)
    assert ImageChops.darker(changed, kept).getbbox() is None
    assert changed.getbbox() is not None


def test_the_images_own_transparency_opens_it(api):
    source = colourful(mode="RGBA")
    source.paste((1, 2, 3, 0), (0, 0, 64, 128))
    source.paste((9, 8, 7, 100), (64, 0, 70, 128))
    result = image_of(api, edit(api, {"image": saved(source)}, model="gpt-image-2")).convert("RGBA")
    assert result.crop((64, 0, 128, 128)).tobytes() == source.crop((64, 0, 128, 128)).tobytes()
    assert result.crop((0, 0, 64, 128)).getchannel("A").getextrema() == (255, 255)


def test_an_edit_of_another_size_is_resized(api):
    files = {"image": png((256, 256), "teal"), "mask": hole((256, 256), (0, 0, 100, 100))}
    result = image_of(api, edit(api, files, model="dall-e-2", size="512x512")).convert("RGB")
    assert result.size == (512, 512)
    assert result.getpixel((400, 400)) == (0, 128, 128)


def test_only_the_first_image_is_masked(api):
    files = [("image[]", saved(colourful())), ("image[]", png((10, 90), "red")), ("mask", hole((128, 128)))]
    result = image_of(api, edit(api, files, model="gpt-image-2"))
    assert result.size == (128, 128)
    assert result.convert("RGB").crop((0, 0, 128, 16)).tobytes() == colourful().crop((0, 0, 128, 16)).tobytes()


def test_gpt_edit_without_a_mask_is_recognisable(api):
    source = colourful()
    result = image_of(api, edit(api, {"image": saved(source, "WEBP", lossless=True)}, model="gpt-image-2"))
    grey = ImageChops.difference(result.convert("L"), source.convert("L"))
    assert result.tobytes() != source.tobytes()
    assert sum(grey.resize((8, 8)).tobytes()) / 64 < 60


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_modes_of_png(api, mode):
    source = colourful().convert("L").convert("I;16") if mode == "I;16" else colourful(mode="RGBA").convert(mode)
    files = {"image": saved(source), "mask": hole((128, 128))}
    assert image_of(api, edit(api, files, model="gpt-image-2")).size == (128, 128)


def test_an_image_turned_by_exif_is_worked_on_upright(api):
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {"image": saved(colourful((96, 64)), "JPEG", exif=exif), "mask": hole((64, 96), (0, 0, 9, 9))}
    assert image_of(api, edit(api, files, model="gpt-image-2")).size == (64, 96)


@pytest.mark.parametrize(
    ("files", "fields", "urls"),
    [
        ({"image": png(), "mask": hole()}, {}, True),
        ({"image": png(mode="RGBA", color=(0, 0, 0, 0))}, {}, True),
        ({"image": png()}, {}, False),
        ({"image": png((64, 32)), "mask": hole((64, 32))}, {}, False),
        ({"image[]": png(), "mask": hole()}, {}, False),
        ({"image": png(), "mask": hole()}, {"output_format": "jpeg"}, False),
    ],
)
def test_an_edit_without_a_model_goes_where_its_uploads_belong(api, files, fields, urls):
    assert ("url" in edit(api, files, **fields).json()["data"][0]) is urls


def test_transparent_edit(api):
    response = edit(api, {"image": png((128, 128))}, model="gpt-image-2", background="transparent")
    assert response.json()["background"] == "transparent"
    assert image_of(api, response).getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("kind", ["jpeg", "webp", "gif", "svg"])
def test_edits_in_other_formats(api, kind):
    response = edit(api, {"image": png((128, 96))}, model="gpt-image-2.6-flare", output_format=kind)
    data = base64.b64decode(response.json()["data"][0]["b64_json"])
    if kind == "svg":
        assert b"data:image/png;base64," in data
    else:
        assert Image.open(BytesIO(data)).format == kind.upper()


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photographs of shared/photos beside the project")
def test_a_photograph(api):
    data = (PHOTOS / "astronaut.png").read_bytes()
    result = image_of(
        api, edit(api, {"image": data, "mask": hole((512, 512), (0, 0, 200, 200))}, model="dall-e-2", size="512x512")
    )
    source = Image.open(BytesIO(data))
    assert result.crop((200, 0, 512, 512)).tobytes() == source.crop((200, 0, 512, 512)).tobytes()
