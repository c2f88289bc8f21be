"""`edit` and `vary`: what is uploaded, under which field and name, and what is refused before anything is sent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from support.serving import image_file, response_with

IMAGE = image_file()


def _photo(size=(400, 300), mode="RGB", kind="PNG", **save):
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).ellipse((20, 20, 120, 120), fill=(220, 30, 30))
    stream = io.BytesIO()
    image.convert(mode).save(stream, kind, **save)
    return stream.getvalue()


def _mask(size, box, mode="RGBA"):
    """A mask that opens `box`: by transparency, or by white."""
    if mode == "RGBA":
        image = Image.new("RGBA", size, (0, 0, 0, 255))
        image.paste((0, 0, 0, 0), box)
    else:
        image = Image.new("L", size, 0)
        image.paste(255, box)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _file(server, field="image", index=0, request=0):
    name, kind, data = server.posts[request].files[field][index]
    return name, kind, Image.open(io.BytesIO(data)), data


def test_an_edit_with_a_mask_sends_square_pngs_of_one_size(imagecli, server):
    Path("room.jpg").write_bytes(_photo(kind="JPEG"))
    Path("mask.png").write_bytes(_mask((400, 300), (0, 0, 200, 300)))
    ran = imagecli(
        *("edit", "room.jpg", "a pool", "--mask", "mask.png", "-m", "dall-e-2", "--base-url", server.url),
        *("-n", "1", "-s", "1024x1024", "--restore", "none"),
    )
    assert ran.code == 0, ran.err
    assert server.posts[0].path == "/v1/images/edits"
    assert server.posts[0].form == {"prompt": "a pool", "model": "dall-e-2", "n": "1", "size": "1024x1024"}
    name, kind, image, _ = _file(server)
    mask_name, mask_kind, mask, _ = _file(server, "mask")
    assert (name, kind, mask_name, mask_kind) == ("room.png", "image/png", "mask.png", "image/png")
    assert image.size == mask.size == (400, 400)
    alpha = mask.getchannel("A")
    assert (alpha.getpixel((100, 200)), alpha.getpixel((300, 200))) == (0, 255)
    assert (alpha.getpixel((100, 10)), alpha.getpixel((100, 390))) == (255, 255), "padding is closed"


@pytest.mark.parametrize("mode", ["RGBA", "L"])
def test_a_mask_opens_by_transparency_or_by_white(imagecli, server, mode):
    Path("room.png").write_bytes(_photo((256, 256)))
    Path("mask.png").write_bytes(_mask((128, 128), (0, 0, 64, 128), mode))
    assert imagecli("edit", "room.png", "x", "--mask", "mask.png", "-m", "dall-e-2", "--base-url", server.url).code == 0
    alpha = _file(server, "mask")[2].getchannel("A")
    assert alpha.size == (256, 256)
    assert (alpha.getpixel((60, 100)), alpha.getpixel((200, 100))) == (0, 255)


@pytest.mark.parametrize("model", ["dall-e-2", "gpt-image-2", "whatever"])
def test_a_file_that_fits_goes_byte_for_byte(imagecli, server, model):
    data = _photo((256, 256))
    Path("Küche 1.png").write_bytes(data)
    Path("m.png").write_bytes(_mask((256, 256), (0, 0, 64, 128)))
    assert imagecli("edit", "Küche 1.png", "x", "--mask", "m.png", "-m", model, "--base-url", server.url).code == 0
    name, kind, _, sent = _file(server)
    assert sent == data
    assert kind == "image/png"
    assert name.isascii()
    assert name.endswith(".png")
    # An unknown model may be served by something that goes by grey: the mask is drawn for both.
    assert (_file(server, "mask")[3] == Path("m.png").read_bytes()) is (model != "whatever")


@pytest.mark.parametrize(
    ("kind", "extension", "media"),
    [("JPEG", "jpg", "image/jpeg"), ("WEBP", "webp", "image/webp"), ("PNG", "png", "image/png")],
)
def test_gpt_models_get_the_file_as_it_is_named_by_its_bytes(imagecli, server, kind, extension, media):
    data = _photo(kind=kind)
    Path("lying.gif").write_bytes(data)
    assert imagecli("edit", "lying.gif", "x", "-m", "gpt-image-2", "--base-url", server.url).code == 0
    name, sent_kind, _, sent = _file(server)
    assert (name, sent_kind, sent) == (f"lying.{extension}", media, data)


def test_several_inputs_go_as_an_array_with_the_firsts_mask(imagecli, server):
    Path("a.png").write_bytes(_photo((300, 200)))
    Path("b.jpg").write_bytes(_photo((50, 60), kind="JPEG"))
    Path("m.png").write_bytes(_mask((300, 200), (0, 0, 64, 128)))
    ran = imagecli(
        *(
            "edit",
            "a.png",
            "x",
            "-i",
            "b.jpg",
            "-i",
            "a.png",
            "--mask",
            "m.png",
            "-m",
            "gpt-image-1.5",
            "--base-url",
            server.url,
        ),
        *("--quality", "high", "--input-fidelity", "high", "--param", 'svg={"model": "y"}', "--param", "flag=true"),
    )
    assert ran.code == 0, ran.err
    names = [part[0] for part in server.posts[0].parts]
    assert names == [
        "prompt",
        "model",
        "quality",
        "input_fidelity",
        "svg[model]",
        "flag",
        "image[]",
        "image[]",
        "image[]",
        "mask",
    ]
    assert server.posts[0].form["flag"] == "true"
    assert server.posts[0].form["svg[model]"] == "y"
    assert len(server.posts[0].files["image[]"]) == 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_worked_on_as_it_is_seen(imagecli, server, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.new("RGB", (200, 100), (255, 255, 255))
    upright.paste((255, 0, 0), (0, 0, 20, 20))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    turned = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    turned.save("t.jpg", exif=exif, quality=95)
    Path("m.png").write_bytes(_mask((200, 100), (0, 0, 20, 20)))
    assert imagecli("edit", "t.jpg", "x", "--mask", "m.png", "-m", "gpt-image-2", "--base-url", server.url).code == 0
    _, kind, image, sent = _file(server)
    assert image.size == (200, 100)
    assert image.getpixel((5, 5))[1] < 90 < image.getpixel((100, 50))[1]
    assert (sent == Path("t.jpg").read_bytes()) == (orientation == 1)
    assert kind == ("image/jpeg" if orientation == 1 else "image/png")
    assert image.getexif().get(0x0112, 1) == 1


def test_a_variation_is_one_square_png(imagecli, server):
    Path("in").mkdir()
    Path("in/cat.jpg").write_bytes(_photo(kind="JPEG"))
    ran = imagecli(
        "vary", "in/cat.jpg", "-m", "dall-e-2", "-n", "10", "-s", "256x256", "--base-url", server.url, "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.json["route"] == "images/variations"
    assert server.posts[0].path == "/v1/images/variations"
    assert server.posts[0].form == {"model": "dall-e-2", "n": "10", "size": "256x256"}
    name, kind, image, data = _file(server)
    assert (name, kind, image.size, image.format) == ("cat.png", "image/png", (256, 256), "PNG")
    assert len(data) < 4_000_000
    assert [one["path"] for one in ran.json["images"]][:2] == ["cat.png", "cat-2.png"]


@pytest.mark.parametrize("size", [1024, 1500, 2000])
def test_noise_with_alpha_stays_under_four_million_bytes(imagecli, server, size):
    import os

    Image.frombytes("RGBA", (size, size), os.urandom(size * size * 4)).save("noise.png")
    assert imagecli("vary", "noise.png", "-m", "dall-e-2", "--base-url", server.url).code == 0
    _, _, image, data = _file(server)
    assert len(data) < 4_000_000
    assert image.size == (1024, 1024)


def test_variations_are_asked_for_what_they_know_and_for_what_was_typed(imagecli, server):
    Path("cat.png").write_bytes(_photo((64, 64)))
    env = {"IMAGECLI_QUALITY": "high"}
    assert imagecli("vary", "cat.png", "-o", "look.png", "--base-url", server.url, env=env).code == 0
    assert server.posts[0].form == {}
    assert imagecli("vary", "cat.png", "-q", "low", "-s", "256x256", "--base-url", server.url).code == 0
    assert server.posts[1].form == {"size": "256x256", "quality": "low"}


def test_vary_with_a_gpt_model_is_an_edit_with_our_prompt(imagecli, server):
    Path("cat.jpg").write_bytes(_photo(kind="JPEG"))
    ran = imagecli("vary", "cat.jpg", "-m", "gpt-image-2", "--base-url", server.url, "--json")
    assert ran.json["route"] == "images/edits"
    assert server.posts[0].path == "/v1/images/edits"
    assert "variation" in server.posts[0].form["prompt"]
    assert _file(server)[3] == Path("cat.jpg").read_bytes()


@pytest.mark.parametrize("status", [404, 405, 501])
def test_vary_edits_where_the_server_has_no_variations(imagecli, server, status):
    Path("cat.jpg").write_bytes(_photo(kind="JPEG"))
    server.responses = [lambda reply, _: reply.json({"detail": "Not Found"}, status)]
    ran = imagecli("vary", "cat.jpg", "--base-url", server.url, "--json", "-v")
    assert (ran.code, ran.json["route"]) == (0, "images/edits")
    assert [request.path for request in server.posts] == ["/v1/images/variations", "/v1/images/edits"]
    assert server.posts[0].files["image"][0][:2] == ("cat.png", "image/png")
    assert server.posts[1].files["image"][0][2] == Path("cat.jpg").read_bytes()
    assert "no variations" in ran.err


def test_vary_does_not_edit_where_the_model_is_what_is_missing(imagecli, server):
    Path("cat.png").write_bytes(_photo())
    error = {"error": {"message": "The model does not exist", "code": "model_not_found"}}
    server.respond = lambda reply, _: reply.json(error, 404)
    assert imagecli("vary", "cat.png", "-m", "x", "--base-url", server.url).code == 2
    assert len(server.posts) == 1


def test_padding_is_undone_on_the_result(imagecli, server):
    Path("wide.png").write_bytes(_photo((400, 200)))
    Path("m.png").write_bytes(_mask((400, 200), (0, 0, 64, 128)))

    def respond(reply, request):
        data = request.files["image"][0][2]
        stream = io.BytesIO()
        Image.open(io.BytesIO(data)).resize((1024, 1024)).save(stream, "PNG")
        reply.send(response_with(stream.getvalue()))

    server.respond = respond
    call = ("edit", "wide.png", "x", "--mask", "m.png", "-m", "dall-e-2", "--base-url", server.url, "--json")
    for flags, size in (((), (1024, 512)), (("--restore", "size"), (400, 200)), (("--restore", "none"), (1024, 1024))):
        ran = imagecli(*call, *flags, "-o", f"{size[1]}.png")
        image = ran.json["images"][0]
        assert (
            (image["width"], image["height"]) == size == Image.open(io.BytesIO(Path(image["path"]).read_bytes())).size
        )


def test_an_image_piped_in_has_a_real_name_and_type(imagecli, server):
    data = _photo()
    ran = imagecli("edit", "-", "a hat", "-m", "gpt-image-2", "--base-url", server.url, stdin=data)
    assert ran.code == 0, ran.err
    assert server.posts[0].files["image"] == [("image.png", "image/png", data)]
    ran = imagecli("vary", "-", "-m", "dall-e-2", "--base-url", server.url, stdin=data)
    assert ran.paths == ["image.png"]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("gone.png", None, "gone.png"),
        ("empty.png", b"", "empty"),
        ("cut.png", _photo()[:-100], "cut.png"),
        ("cut.jpg", _photo(kind="JPEG")[:-400], "cut.jpg"),
        ("page.png", b"<html><body>hi</body></html>", "HTML"),
        ("text.png", b"just some words", "text.png"),
        ("draw.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ("bomb.png", None, "pixels"),
    ],
)
@pytest.mark.parametrize("model", ["dall-e-2", "gpt-image-2"])
def test_what_is_not_an_image_is_refused_before_anything_is_sent(imagecli, server, name, data, words, model):
    if data is not None:
        Path(name).write_bytes(data)
    elif name == "bomb.png":
        head = bytearray(image_file((2, 2)))
        import struct
        import zlib

        head[16:24] = struct.pack(">II", 60000, 60000)
        head[29:33] = struct.pack(">I", zlib.crc32(bytes(head[12:29])))
        Path(name).write_bytes(head)
    ran = imagecli("vary", name, "-m", model, "--base-url", server.url)
    assert ran.code == 2
    assert words in ran.err
    assert server.requests == []


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (_mask((400, 200), (0, 0, 9, 9)), "400x200"),
        (_mask((400, 300), (0, 0, 0, 0)), "nothing"),
        (_mask((400, 300), (0, 0, 0, 0), "L"), "nothing"),
        (_mask((400, 300), (0, 0, 400, 300)), "every"),
        (_mask((400, 300), (0, 0, 400, 300), "L"), "every"),
        (b"not an image", "mask.png"),
    ],
)
@pytest.mark.parametrize("model", ["dall-e-2", "gpt-image-2"])
def test_a_wrong_mask_is_refused_before_anything_is_sent(imagecli, server, mask, words, model):
    Path("room.png").write_bytes(_photo())
    Path("mask.png").write_bytes(mask)
    ran = imagecli("edit", "room.png", "x", "--mask", "mask.png", "-m", model, "--base-url", server.url, "--json")
    assert ran.code == 2
    assert words in ran.json["error"]["message"]
    assert server.requests == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["edit", "room.png", "x", "-m", "dall-e-2"], "mask"),
        (["edit", "room.png", "x", "-m", "dall-e-3"], "edit"),
        (["vary", "room.png", "-m", "dall-e-3"], "vary"),
        (["edit", "room.png", "x", "-i", "room.png", "-m", "dall-e-2", "--mask", "room.png"], "1 input"),
        (["edit", "room.png"], "PROMPT"),
        (["edit"], "IMAGE"),
        (["vary"], "IMAGE"),
        (["edit", "-", "-"], "standard input"),
        (["edit", "room.png", "x", "--fit", "squeeze"], "squeeze"),
        (["edit", "room.png", "x", *(["-i", "room.png"] * 16), "-m", "gpt-image-2"], "17"),
    ],
)
def test_commands_that_cannot_work_are_refused(imagecli, args, words):
    Path("room.png").write_bytes(_photo())
    ran = imagecli(*args, "-P", "sandbox")
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_dall_e_2_takes_an_image_with_transparency_instead_of_a_mask(imagecli, server):
    image = Image.new("RGBA", (64, 64), (9, 9, 9, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 32))
    image.save("holes.png")
    assert imagecli("edit", "holes.png", "x", "-m", "dall-e-2", "--base-url", server.url).code == 0
    assert list(server.posts[0].files) == ["image"]


def test_a_dry_run_shows_the_files_that_would_be_sent(imagecli, server):
    Path("cat.jpg").write_bytes(_photo(kind="JPEG"))
    ran = imagecli("vary", "cat.jpg", "-m", "dall-e-2", "--base-url", server.url, "--dry-run", "--json")
    file = json.loads(ran.out)["requests"][0]["files"][0]
    assert (file["field"], file["filename"], file["type"], file["width"], file["height"]) == (
        "image",
        "cat.png",
        "image/png",
        300,
        300,
    )
    assert file["bytes"] > 0
    assert len(file["sha256"]) == 64
    assert server.requests == []


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg"])
def test_real_photographs_become_square_pngs(imagecli, server, photos, name):
    ran = imagecli("vary", str(photos / name), "-m", "dall-e-2", "--base-url", server.url)
    assert ran.code == 0, ran.err
    _, _, image, data = _file(server)
    assert image.size[0] == image.size[1] == min(Image.open(io.BytesIO((photos / name).read_bytes())).size)
    assert len(data) < 4_000_000


def test_vary_notes_that_it_edits(imagecli, server):
    Path("a.png").write_bytes(IMAGE)
    ran = imagecli("vary", "a.png", "-m", "gpt-image-2", "-v", "--base-url", server.url)
    assert "edit" in ran.err


def test_an_address_in_place_of_an_image_leads_to_a_hint_about_fetching_it(imagecli):
    ran = imagecli("edit", "https://example.com/cat.jpg", "x", "-P", "sandbox")
    assert (ran.code, "curl" in ran.err) == (2, True)
    assert "quotes" in imagecli("gen", "a", "red", "fox").err
