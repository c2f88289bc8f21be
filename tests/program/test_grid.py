"""`--grid`: a contact sheet of what a run has made, checked before anything is sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from imagecli.images import contact_sheet
from support.serving import error_document, image_file, response_with

SANDBOX = ("-P", "sandbox", "-s", "1024x1024")


@pytest.fixture
def batch(imagecli, server):
    """Run `batch run` on prompts against the server, into out/, with a contact sheet."""
    server.respond = lambda reply, _: reply.send(response_with(image_file()))

    def run(prompts, *more):
        Path("jobs.txt").write_text(prompts)
        return imagecli(
            *("batch", "run", "jobs.txt", "-o", "out", "-m", "m", "--base-url", server.url, "--grid", "sheet.png"),
            *more,
        )

    return run


def size_of(path):
    with Image.open(path) as sheet:
        return sheet.size


@pytest.mark.parametrize(("command", "count"), [("gen", 3), ("edit", 2), ("vary", 1)])
def test_a_sheet_of_all_images(command, count, imagecli):
    Image.new("RGB", (256, 256), "red").save("in.png")
    words = {"gen": ("a fox",), "edit": ("in.png", "a fox"), "vary": ("in.png",)}[command]
    ran = imagecli(command, *words, *SANDBOX, "-n", str(count), "-o", "out.png", "--grid", "sheet.png", "--json")
    assert ran.code == 0
    assert len(ran.json["images"]) == count
    grid = ran.json["grid"]
    assert (grid["path"], grid["format"], grid["bytes"]) == ("sheet.png", "png", os.path.getsize("sheet.png"))
    columns, rows = {1: (1, 1), 2: (2, 1), 3: (2, 2)}[count]
    height = 292 if command == "vary" else 312  # with a line for the prompt
    assert (grid["width"], grid["height"]) == size_of("sheet.png") == (16 + 272 * columns, 16 + height * rows)


def test_stdout_has_the_images_alone(imagecli):
    ran = imagecli("gen", "a fox", *SANDBOX, "--grid", "made/here/sheet.webp", "-v")
    assert ran.out == "a-fox.png\n"
    assert "the contact sheet is made/here/sheet.webp" in ran.err
    with Image.open("made/here/sheet.webp") as sheet:
        assert sheet.format == "WEBP"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--grid", "there.png"], "there.png already exists"),
        (["--grid", "sheet.gif"], "a contact sheet can't be gif"),
        (["--grid", "sheet.tiff"], "a contact sheet can't be tiff"),
        (["--grid", "-"], "stdout has the images' paths"),
        (["--grid", "sheet.png", "-o", "-"], "--grid needs images in files"),
        (["--grid", "./a.png", "-o", "a.png"], "--grid and -o name the same file"),
        (["--grid", "there.png/sheet.png"], "there.png is not a folder"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_what_cannot_be_is_known_before_anything_is_sent(more, reason, dry, imagecli, server):
    Path("there.png").touch()
    ran = imagecli("gen", "a fox", "--base-url", server.url, *more, *(["--dry-run"] if dry and "-" not in more else []))
    assert (ran.code, reason in ran.err, server.requests) == (2, True, [])
    assert os.listdir() == ["there.png"]


def test_a_dry_run_draws_nothing(imagecli):
    assert imagecli("gen", "a fox", *SANDBOX, "--grid", "new/sheet.png", "--dry-run").code == 0
    assert os.listdir() == []


def test_force_replaces_it_and_skipped_images_are_on_it(imagecli):
    first = imagecli("gen", "a fox", *SANDBOX, "-o", "a.png", "--grid", "sheet.png")
    again = imagecli("gen", "a fox", *SANDBOX, "-n", "2", "-o", "a.png", "--grid", "sheet.png", "--force")
    assert (first.code, again.code) == (0, 0)
    assert size_of("sheet.png") == (560, 328)
    kept = imagecli("gen", "a fox", *SANDBOX, "-n", "2", "-o", "a.png", "--skip-existing", "--grid", "other.png")
    assert (kept.out, size_of("other.png")) == ("a-1.png\na-2.png\n", (560, 328))


def test_a_sheet_that_cannot_be_written_takes_no_image_back(imagecli):
    ran = imagecli("gen", "a fox", *SANDBOX, "--grid", "/dev/full", "--json")
    assert (ran.code, ran.json["error"]["kind"], [each["path"] for each in ran.json["images"]]) == (
        *(1, "failure"),
        ["a-fox.png"],
    )
    assert "the contact sheet is not saved: /dev/full can't be written" in ran.err


def test_no_image_no_sheet(imagecli, server):
    server.respond = lambda reply, _: reply.send(json.dumps(error_document("no")).encode(), status=400)
    ran = imagecli("gen", "a fox", "--base-url", server.url, "--grid", "new/sheet.png", "--json")
    assert (ran.code, "grid" in ran.json, os.listdir()) == (2, False, [])


# Batches


def test_a_batch_has_its_jobs_in_order_on_several_pages(batch, monkeypatch):
    monkeypatch.setattr(contact_sheet, "PAGE", 2)
    ran = batch("a\nb\nc\nd\ne\n", "--json", "-j", "3")
    grid = json.loads(ran.out.splitlines()[-1])["summary"]["grid"]
    assert [page["path"] for page in (grid, *grid["also"])] == ["sheet.png", "sheet-2.png", "sheet-3.png"]
    assert [size_of(f"sheet{page}.png") for page in ("", "-2", "-3")] == [(560, 328), (560, 328), (288, 328)]


def test_the_same_command_again_draws_its_own_sheet_anew_with_all_images(batch, server):
    assert batch("a\nb\n").code == 0
    assert batch("a\nb\nc\n").code == 0
    assert (len(server.requests), size_of("sheet.png")) == (3, (560, 640))
    Path("sheet.png").write_bytes(b"mine")
    for more in ([], ["--dry-run"]):
        ran = batch("a\nb\nc\nd\n", *more)
        assert (ran.code, "sheet.png already exists" in ran.err) == (2, True)
    assert len(server.requests) == 3
    assert batch("a\nb\nc\nd\n", "--force").code == 0
    assert size_of("sheet.png") == (560, 640)


def test_further_sizes_are_not_on_it(batch):
    assert batch("a\nb\n", "--also", "8x8", "--also", "16x16").code == 0
    assert batch("a\nb\n", "--also", "8x8", "--also", "16x16").code == 0
    assert size_of("sheet.png") == (560, 328)


def test_what_makes_no_sheet_refuses_it(batch, imagecli):
    assert "--check makes nothing" in batch("a\n", "--check").err
    assert "no place for a contact sheet" in batch("a\n", "--grid", "-").err
    Path("jobs.jsonl").write_text('{"prompt": "a", "grid": "x.png"}\n')
    ran = imagecli("batch", "run", "jobs.jsonl", "-o", "out", *SANDBOX)
    assert (ran.code, "grid" in ran.err) == (2, True)
