"""`imagecli show`: what the file says, what the ledger says, contact sheets."""

from __future__ import annotations

import json
import os

import pytest
from PIL import Image

from imagecli.images.png_chunks import chunk_of
from support.history import made, tagged
from support.pseudo_terminal import run as run_in_terminal

A1111 = """a fox, (snow:1.2)
at dawn
Negative prompt: blur
Steps: 20, Sampler: Euler a, Seed: 123, Size: 512x768, Model: sd_xl"""
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 5, "positive": ["8", 0], "negative": ["7", 0], "latent_image": ["5", 0]},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 640, "height": 480}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a fox"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "blur"}},
    "8": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["6", 0], "guidance": 3}},
}


def test_what_the_ledger_knows_of_a_file_wherever_it_lies_now(imagecli, tmp_path):
    sha256 = made("fox.png", prompt="a fox \x1b[31min the snow", cost_usd=None)
    moved = tmp_path / "moved.png"
    with open("fox.png", "rb") as file:
        moved.write_bytes(file.read())
    ran = imagecli("show", str(moved))
    for fact in ("PNG, 64x48", sha256, "imagecli gen, now @1", "gpt-image-2 at api.openai.com", "$0.040 (usage)"):
        assert fact in ran.out
    assert "a fox in the snow" in ran.out
    assert imagecli("show", "@1", "--prompt").out == "a fox \x1b[31min the snow\n"
    assert imagecli("show", "@1", "--json").json["files"][0]["ledger"]["number"] == 1


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_parameters_in_a_file(kind, imagecli):
    if kind == "png":
        tagged("a.png", parameters=A1111)
    else:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode("utf-16-be")
        Image.new("RGB", (8, 8)).save(f"a.{kind}", exif=exif)
    found = imagecli("show", f"a.{kind}", "--json").json["files"][0]
    assert found["prompt"] == "a fox, (snow:1.2)\nat dawn"
    assert found["embedded"] == {
        "program": "automatic1111",
        "prompt": "a fox, (snow:1.2)\nat dawn",
        "negative": "blur",
        "seed": 123,
        "size": "512x768",
        "model": "sd_xl",
    }


def test_a_graph_of_comfyui(imagecli):
    tagged("a.png", prompt=json.dumps(COMFY), workflow="{}")
    assert imagecli("show", "a.png", "--json").json["files"][0]["embedded"] == {
        "program": "comfyui",
        "prompt": "a fox",
        "negative": "blur",
        "seed": 5,
        "size": "640x480",
        "model": "sd.safetensors",
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"1": {"inputs": {"positive": ["1", 0], "negative": 3}}}', "[" * 9999]
)
def test_what_no_program_writes_is_passed_over(text, imagecli):
    tagged("a.png", prompt=text, parameters=" ")
    ran = imagecli("show", "a.png", "--json")
    assert ran.code == 0
    assert ran.json["files"][0]["prompt"] is None


def test_a_c2pa_manifest(imagecli):
    Image.new("RGB", (8, 8)).save("a.png")
    with open("a.png", "rb") as file:
        data = file.read()
    with open("b.png", "wb") as file:
        file.write(data[:33] + chunk_of(b"caBX", b"jumb") + data[33:])
    Image.new("RGB", (8, 8)).save("a.jpg")
    with open("a.jpg", "rb") as file:
        data = file.read()
    body = b"JP\0\1\0\0\0\1" + b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0"
    with open("b.jpg", "wb") as file:
        file.write(data[:2] + b"\xff\xeb" + (len(body) + 2).to_bytes(2, "big") + body + data[2:])
    Image.new("RGB", (8, 8)).save("a.gif")
    ran = imagecli("show", "a.png", "b.png", "a.jpg", "b.jpg", "a.gif", "--json")
    assert [each["c2pa"] for each in ran.json["files"]] == [False, True, False, True, False]


def test_all_files_are_told_and_the_worst_decides(imagecli):
    made("a.png")
    with open("text.png", "w") as file:
        file.write("hello")
    with open("b.svg", "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="8"></svg>')
    ran = imagecli("show", "gone.png", "a.png", "text.png", "b.svg", "@7")
    assert ran.code == 2
    assert "a.png: PNG" in ran.out
    assert "b.svg: SVG, 9x8" in ran.out
    for reason in ("gone.png does not exist", "text.png is text", "there is no image @7"):
        assert reason in ran.err
    ran = imagecli("show", "gone.png", "a.png", "--json")
    assert [each["error"] is None for each in ran.json["files"]] == [False, True]
    assert ran.json["error"]["exit_code"] == ran.code == 2


def test_a_contact_sheet_has_each_image_in_its_cell(imagecli):
    Image.new("RGB", (100, 50), "red").save("red.png")
    Image.new("RGBA", (20, 40), (0, 0, 255, 255)).save("blue.png")
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save("clear.png")
    ran = imagecli("show", "red.png", "blue.png", "clear.png", "--grid", "sheet.png")
    assert (ran.code, ran.out) == (0, "sheet.png\n")
    with Image.open("sheet.png") as sheet:
        assert sheet.size == (16 + 2 * 272, 16 + 2 * 292)
        assert [
            tuple(value > 127 for value in sheet.getpixel(at))
            for at in ((144, 144), (416, 144), (144, 436), (416, 436))
        ] == [(True, False, False), (False, False, True), (True, True, True), (True, True, True)]
        label = sheet.crop((16, 272, 272, 294)).convert("L")
        assert label.getextrema()[0] < 100  # there is writing
    assert imagecli("show", "red.png", "--grid", "sheet.png").code == 2
    assert imagecli("show", "red.png", "--grid", "sheet.png", "--force").code == 0
    for name, kind in {"sheet.svg": "svg", "sheet.TIFF": "tiff"}.items():
        ran = imagecli("show", "red.png", "--grid", name)
        assert (ran.code, f"a contact sheet can't be {kind}" in ran.err) == (2, True)


def test_a_contact_sheet_shows_each_as_it_is_seen(imagecli):
    """16 bits as 8, turned by EXIF, CMYK as colours, and white with a frame."""
    Image.new("I;16", (300, 200), 40_000).save("deep.png")
    turned = Image.new("RGB", (300, 100), "navy")
    (exif := turned.getexif())[0x112] = 6
    turned.save("turned.jpg", exif=exif)
    Image.new("CMYK", (300, 300), (0, 255, 255, 0)).save("ink.jpg")
    Image.new("RGB", (300, 300), "white").save("white.png")
    assert imagecli("show", "deep.png", "turned.jpg", "ink.jpg", "white.png", "--grid", "sheet.png").code == 0
    with Image.open("sheet.png") as sheet:
        seen = [sheet.getpixel(at) for at in ((144, 144), (416, 20), (340, 144), (144, 438), (287, 438))]
        white, frame = sheet.getpixel((416, 438)), sheet.getpixel((287, 438))
    assert (seen[0], seen[2], white, frame) == ((156, 156, 156), (255, 255, 255), (255, 255, 255), (228, 228, 228))
    assert seen[1][2] > 100 > seen[1][0]
    assert seen[3][0] > 200
    assert seen[3][1] < 50


DETECTED = {
    "object": "content_provenance_check",
    "created_at": 1_778_000_000,
    "results": [
        {
            "type": "c2pa",
            "outcome": "detected",
            "validation_state": "trusted",
            "issuer": "OpenAI OpCo, LLC",
            "model": "gpt-image",
            "generated_at": "2026-07-27T18:34:12Z",
        },
        {"type": "synthid", "outcome": "not_detected", "model": None, "generated_at": None},
        {"type": "later\x1b[31m", "outcome": "detected", "payload": {"a": 1}},
        "no object",
    ],
}


def test_check_sends_the_image_and_says_what_the_server_found(imagecli, server):
    server.respond = lambda reply, _: reply.json(DETECTED)
    Image.new("RGB", (8, 8)).save("private.png")
    ran = imagecli("show", "private.png", "--check", "--base-url", server.url)
    assert ran.code == 0
    assert "detected (trusted), by OpenAI OpCo, LLC, model gpt-image, made 2026-07-27T18:34:12Z" in ran.out
    assert "  server: SynthID  not detected\n" in ran.out
    assert "  server: later    detected\n" in ran.out
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/content_provenance_checks")
    with open("private.png", "rb") as file:
        assert request.files == {"file": [("image.png", "image/png", file.read())]}
    assert request.form == {}
    said = imagecli("show", "private.png", "--check", "--base-url", server.url, "--json").json["files"][0]["signals"]
    assert said[0] == DETECTED["results"][0]
    assert [each["type"] for each in said] == ["c2pa", "synthid", "later"]


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_checks_is_asked_once_and_says_so(status, imagecli, server):
    server.respond = lambda reply, _: reply.json({"error": {"message": "no"}}, status)
    Image.new("RGB", (8, 8)).save("a.png")
    ran = imagecli("show", "a.png", "a.png", "--check", "--base-url", server.url, "--json")
    assert (ran.code, len(server.requests)) == (2, 1)
    assert ran.json["error"]["http_status"] == status
    assert "the server does not check where images come from" in ran.json["error"]["message"]
    assert [each["sha256"] is not None for each in ran.json["files"]] == [True, True], (
        "what is known is told all the same"
    )


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [({"results": 3}, 1, "has no results"), ({"results": [{}]}, 0, ""), ([], 1, "not with a JSON document")],
)
def test_an_answer_that_makes_no_sense(document, code, words, imagecli, server):
    server.respond = lambda reply, _: reply.json(document)
    Image.new("RGB", (8, 8)).save("a.png")
    ran = imagecli("show", "a.png", "--check", "--base-url", server.url)
    assert (ran.code, words in ran.err) == (code, True)


def test_check_asks_nothing_that_is_certain_to_fail(imagecli, server):
    with open("b.svg", "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="8"></svg>')
    ran = imagecli("show", "b.svg", "--check", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])
    assert "SVG images can't be checked" in ran.err
    ran = imagecli("show", "b.svg", "--base-url", server.url)
    assert (ran.code, "only --check asks a server" in ran.err) == (2, True)


def test_check_in_the_sandbox(imagecli):
    imagecli("gen", "a fox", "-P", "sandbox", "-o", "a.png")
    ran = imagecli("show", "a.png", "--check", "-P", "sandbox")
    assert "server: C2PA     not detected (not present)" in ran.out


def test_a_terminal_gets_no_control_characters_of_a_file_and_a_pipe_all(imagecli):
    evil = "a fox \x1b]0;mine\x07\x1b[31m\nin the snow"
    tagged("a.png", parameters=f"{evil}\nSteps: 20, Seed: 7")
    code = "from imagecli.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    session = run_in_terminal(code, ["show", "a.png", "--prompt"], streams="stdin stdout stderr")
    assert session.text.splitlines() == ["a fox ", "in the snow"]
    assert imagecli("show", "a.png", "--prompt").out == f"{evil}\n"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (".", ". is a folder, not an image"),
        ("-", "show takes files, and - is standard input"),
        ("/dev/zero", "/dev/zero is not a file"),
        ("pipe", "pipe is not a file"),
        ("note.txt", "note.txt is text, not an image"),
        ("", "the name of an image is empty"),
    ],
)
def test_what_is_no_image_file(file, reason, imagecli):
    os.mkfifo("pipe")
    with open("note.txt", "w") as note:
        note.write("hello")
    ran = imagecli("show", file, stdin=b"\x89PNG")
    assert (ran.code, reason in ran.err) == (2, True)
