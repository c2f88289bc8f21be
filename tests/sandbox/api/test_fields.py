"""The sandbox takes every current field: JSON edits, markup, animations, SVG and their usage."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageDraw

from support.sandboxed import edit, error_of, generate, hole, image_of, png, saved

NEW = "gpt-image-2.6-flare"


def reference(data, kind="image/png"):
    return {"image_url": f"data:{kind};base64,{base64.b64encode(data).decode()}"}


def json_edit(api, **fields):
    return api.post(
        "/images/edits", json={"model": "gpt-image-2", "prompt": "x", "images": [reference(png())]} | fields
    )


# JSON edits


def test_a_json_edit(api):
    response = json_edit(api, mask=reference(hole()), moderation="low", n=2)
    assert image_of(api, response, 1).size == (64, 64)
    assert image_of(api, response).convert("RGB").getpixel((60, 60)) == (0, 128, 128)


def test_a_json_edit_of_uploaded_files(api):
    image, mask = (
        api.post("/files", data={"purpose": "vision"}, files={"file": ("a.png", data, "image/png")}).json()["id"]
        for data in (png(), hole())
    )
    response = json_edit(api, images=[{"file_id": image}, reference(png((8, 8)))], mask={"file_id": mask})
    assert image_of(api, response).convert("RGB").getpixel((60, 60)) == (0, 128, 128)
    api.delete(f"/files/{image}")
    assert error_of(json_edit(api, images=[{"file_id": image}])) == (400, "invalid_value", "images[0].file_id")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"images": None}, (400, "missing_required_parameter", "images")),
        ({"images": []}, (400, "invalid_type", "images")),
        ({"images": {}}, (400, "invalid_type", "images")),
        ({"images": ["file-1"]}, (400, "invalid_type", "images[0]")),
        ({"images": [{}]}, (400, "invalid_value", "images[0]")),
        ({"images": [{"image_url": "data:,", "file_id": "file-1"}]}, (400, "invalid_value", "images[0]")),
        ({"images": [{"image_url": 3}]}, (400, "invalid_type", "images[0].image_url")),
        ({"images": [{"url": "x"}]}, (400, "unknown_parameter", "images[0].url")),
        ({"images": [{"image_url": "https://example.com/a.png"}]}, (400, "invalid_value", "images[0]")),
        ({"images": [{"image_url": "data:image/png;base64,*"}]}, (400, "invalid_value", "images[0]")),
        ({"images": [{"image_url": "data:image/png;base64," + 20_971_520 * "A"}]}, (400, "invalid_value", "images[0]")),
        ({"images": [{"file_id": "file-none"}]}, (400, "invalid_value", "images[0].file_id")),
        ({"images": [reference(b"text")]}, (400, "invalid_image_file", "image")),
        ({"images": [reference(png((8, 8)))] * 17}, (400, "invalid_value", "image")),
        ({"mask": "x"}, (400, "invalid_type", "mask")),
        ({"mask": {"file_id": "file-none"}}, (400, "invalid_value", "mask.file_id")),
        ({"mask": reference(hole((8, 8)))}, (400, "invalid_image_file", "mask")),
        ({"model": "dall-e-2"}, (400, "invalid_value", "model")),
        ({"moderation": "none"}, (400, "invalid_value", "moderation")),
    ],
)  # fmt: skip
def test_json_edits_are_checked(api, fields, refused):
    assert error_of(json_edit(api, **fields)) == refused


# Markup


def marked(size=(256, 192), box=(40, 40, 120, 90)):
    marks = Image.new("RGBA", size)
    ImageDraw.Draw(marks).rectangle(box, outline=(255, 0, 0, 255), width=6)
    return marks


def test_markup_is_painted_over_and_nothing_else(api):
    source, marks = Image.radial_gradient("L").resize((256, 192)).convert("RGB"), marked()
    files = {"image": saved(source), "markup": saved(marks)}
    result = image_of(api, edit(api, files, model="gpt-image-2.5-flare"))
    changed = ImageChops.difference(result.convert("RGB"), source).convert("L").point([0] + [255] * 255)
    outside = ImageChops.invert(marks.getchannel("A"))
    assert result.size == source.size
    assert changed.getbbox() is not None
    assert ImageChops.darker(changed, outside).getbbox() is None


def test_markup_is_for_the_upright_image(api):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(Image.new("RGB", (96, 64), "teal"), "JPEG", exif=exif)
    for size, status in (((64, 96), 200), ((96, 64), 400)):
        files = {"image": turned, "markup": saved(marked(size, (8, 8, 40, 40)))}
        assert edit(api, files, model=NEW).status_code == status


@pytest.mark.parametrize(
    ("files", "model", "refused"),
    [
        ({"markup": saved(marked((64, 64)))}, "gpt-image-2", (400, "unknown_parameter", "markup")),
        ({"markup": saved(marked((64, 64)))}, "dall-e-2", (400, "unknown_parameter", "markup")),
        ({"markup": saved(marked((64, 65)))}, NEW, (400, "invalid_image_file", "markup")),
        ({"markup": png((64, 64))}, NEW, (400, "invalid_image_file", "markup")),
        ({"markup": png((64, 64), (1, 2, 3, 9), "RGBA")}, NEW, (400, "invalid_image_file", "markup")),
        ({"markup": saved(marked((64, 64)), "WEBP")}, NEW, (400, "invalid_image_file", "markup")),
        ({"markup": saved(marked((64, 64))), "mask": hole()}, NEW, (400, "invalid_value", "markup")),
    ],
)
def test_markup_is_checked(api, files, model, refused):
    assert error_of(edit(api, {"image": png()} | files, model=model)) == refused


# Animations and SVG


def frames_of(image):
    """Return how long each frame of a GIF is shown, in milliseconds."""
    durations = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        durations.append(image.info["duration"])
    return durations


@pytest.mark.parametrize("count", [2, 3, 6, 8, 13, 16])
def test_a_gif_has_as_many_frames_as_asked(api, count):
    response = generate(api, model=NEW, output_format="gif", frame_count=count, frame_duration_ms=87)
    image = image_of(api, response)
    assert frames_of(image) == [90] * count
    assert response.json()["size"] == "{}x{}".format(*image.size)
    assert count * image.width * image.height <= 8_294_400
    edited = edit(api, {"image": png((96, 96))}, model=NEW, output_format="gif", frame_count=str(count))
    assert frames_of(image_of(api, edited)) == [200] * count


def test_a_gif_of_its_own_accord(api):
    image = image_of(api, generate(api, model=NEW, output_format="gif"))
    assert (frames_of(image), image.size) == ([200] * 9, (960, 960))


def test_the_longest_frame(api):
    fields = {"frame_count": 2, "frame_duration_ms": 10_000_000}
    assert frames_of(image_of(api, generate(api, model=NEW, output_format="gif", **fields))) == [655_350] * 2


def test_a_gif_takes_no_mask(api):
    response = edit(api, {"image": png(), "mask": hole()}, model=NEW, output_format="gif")
    assert error_of(response) == (400, "invalid_value", "mask")


def test_complexity_shows(api):
    simple, rich = (image_of(api, generate(api, model=NEW, complexity=name)) for name in ("low", "high"))
    assert simple.tobytes() != rich.tobytes()


def test_the_author_of_an_svg_is_paid_apart(api):
    svg = {"model": "gpt-author", "reasoning": {"effort": "high"}}
    document = generate(api, model=NEW, output_format="svg", svg=svg).json()
    assert document["svg_usage"]["model"] == "gpt-author"
    assert document["svg_usage"]["total_tokens"] == sum(
        document["svg_usage"][f"{way}_tokens"] for way in ("input", "output")
    )
    assert "svg_usage" not in generate(api, model=NEW).json()


def test_the_author_of_an_svg_in_a_form(api):
    form = {"model": NEW, "output_format": "svg", "svg[model]": "gpt-author", "svg[reasoning][effort]": "low"}
    assert edit(api, {"image": png()}, **form).json()["svg_usage"]["model"] == "gpt-author"
    form["svg[reasoning][effort]"] = "odd"
    assert error_of(edit(api, {"image": png()}, **form)) == (400, "invalid_value", "svg.reasoning.effort")


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        ({"svg": "x"}, (400, "invalid_type", "svg")),
        ({"svg": "x", "svg[model]": "y"}, (400, "invalid_type", "svg")),
        ({"n[x]": "2"}, (400, "invalid_type", "n")),
        ({"svg[odd]": "y", "svg[model]": "y"}, (400, "unknown_parameter", "svg.odd")),
        ({"svg[model]": "y", "svg[reasoning]": "y"}, (400, "invalid_type", "svg.reasoning")),
    ],
)
def test_nested_fields_of_a_form_are_checked(api, form, refused):
    assert error_of(edit(api, {"image": png()}, model=NEW, output_format="svg", **form)) == refused


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"safety_identifier": "a", "user": "b"}, "a"),
        ({"user": "b"}, "b"),
        ({"safety_identifier": "", "user": "b"}, "b"),
        ({"safety_identifier": ""}, None),
        ({}, None),
    ],
)
def test_the_end_user_is_repeated(api, fields, told):
    assert generate(api, **fields).json().get("safety_identifier") == told


def test_a_dalle_model_does_not_take_a_safety_identifier(api):
    assert error_of(generate(api, model="dall-e-3", safety_identifier="a"))[1] == "unknown_parameter"
    assert "safety_identifier" not in generate(api, model="dall-e-3", user="b").json()


def test_an_svg_is_an_image_that_is_drawn_or_wrapped(api):
    drawn = base64.b64decode(generate(api, model=NEW, output_format="svg").json()["data"][0]["b64_json"])
    wrapped = edit(api, {"image": png((96, 96))}, model=NEW, output_format="svg").json()["data"][0]["b64_json"]
    assert b"<path" in drawn
    inside = base64.b64decode(wrapped).partition(b"base64,")[2].partition(b'"')[0]
    assert Image.open(BytesIO(base64.b64decode(inside))).size == (96, 96)
