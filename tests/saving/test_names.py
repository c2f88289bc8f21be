"""Names, collisions and folders: settled before anything is sent, and nothing is overwritten unasked."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from imagecli.saving.files import FileSink
from imagecli.saving.names import names_for
from support.serving import image_file, response_with

IMAGE = image_file()

OLD = b"not to be touched"


def test_one_image_keeps_its_name_several_are_numbered(imagecli, server):
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a/b/cat.png").paths == ["a/b/cat.png"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "x.png", "-n", "2").paths == ["x-1.png", "x-2.png"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "bare").paths == ["bare"]
    assert stat.S_IMODE(os.stat("x-1.png").st_mode) == 0o666 & ~_umask()


def test_several_images_of_a_name_without_extension_get_one(imagecli, server):
    """A folder was meant, or an extension was forgotten: both are said."""
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "out", "-n", "2")
    assert ran.paths == ["out-1.png", "out-2.png"]
    assert "for a folder, write out/" in ran.err
    sent = len(server.requests)
    again = imagecli("gen", "cat", "--base-url", server.url, "-o", "out", "-n", "2", "--skip-existing")
    assert (again.paths, len(server.requests)) == (ran.paths, sent)


@pytest.mark.parametrize("output", ["x.bmp", "x.TIFF", "{slug}.avif", "a/x.heic"])
def test_a_format_that_no_server_makes_is_refused(imagecli, server, output):
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", output)
    assert ran.code == 2
    assert ".png and convert it" in ran.err
    assert not server.requests


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def test_default_names_pass_over_what_is_there(imagecli, server):
    Path("cat.jpg").write_bytes(OLD)
    assert imagecli("gen", "Cat!", "--base-url", server.url, "-n", "2").paths == ["cat-2.png", "cat-3.png"]
    assert imagecli("gen", "cat", "--base-url", server.url).paths == ["cat-4.png"]
    assert Path("cat.jpg").read_bytes() == OLD


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A Red  Fox, in the SNOW!", "a-red-fox-in-the-snow.png"),
        ("../../etc/passwd", "etc-passwd.png"),
        ("Ein Kätzchen: schön", "ein-kätzchen-schön.png"),
        ("白い猫", "白い猫.png"),
        ("!!!", "image.png"),
        ("word " * 60, f"{'-'.join(['word'] * 12)}.png"),
    ],
)
def test_the_slug_is_fit_for_a_file_name(imagecli, server, prompt, name):
    assert imagecli("gen", prompt, "--base-url", server.url).paths == [name]


def test_template_fields(imagecli, server):
    ran = imagecli(
        *("gen", "a cat", "--base-url", server.url, "-m", "team/flux", "-n", "2"),
        *("-o", "{{x}}/{slug}_{n}_{model}_{date}_{time}_{hash}.{ext}"),
    )
    assert ran.code == 0, ran.err
    form = r"\{x\}/a-cat_(\d)_team-flux_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_([0-9a-f]{8})\.png"
    found = [re.fullmatch(form, path) for path in ran.paths]
    assert [match and match[1] for match in found] == ["1", "2"]
    assert Path(ran.paths[0]).is_file()


def test_a_template_without_n_is_numbered(imagecli, server):
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", "-o", "{slug}.{ext}")
    assert ran.paths == ["cat-1.png", "cat-2.png"]


@pytest.mark.parametrize(
    ("name", "there"), [("cat.png", "cat.png"), ("{slug}.{ext}", "cat.webp"), ("sub/../cat.png", "cat.png")]
)
def test_an_output_that_exists_is_refused_before_anything_is_sent(imagecli, server, name, there):
    Path("sub").mkdir()
    Path(there).write_bytes(OLD)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", name)
    assert ran.code == 2
    assert "--force" in ran.err
    assert server.requests == []
    assert Path(there).read_bytes() == OLD


def test_force_replaces(imagecli, server):
    Path("cat.png").write_bytes(OLD)
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "--force").code == 0
    assert Path("cat.png").read_bytes() == image_file(colour=(0, 90, 120))


def test_skip_existing_sends_for_what_is_missing_and_prints_all(imagecli, server):
    Path("cat-2.png").write_bytes(image_file((10, 10)))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "-n", "3", "--skip-existing", "--json")
    assert server.requests[0].json["n"] == 2
    assert [(image["n"], image["path"]) for image in ran.json["images"]] == [
        (1, "cat-1.png"),
        (2, "cat-2.png"),
        (3, "cat-3.png"),
    ]
    assert ran.json["images"][1]["width"] == 10
    again = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", "-n", "3", "--skip-existing")
    assert again.paths == ["cat-1.png", "cat-2.png", "cat-3.png"]
    assert len(server.requests) == 1


def test_skip_existing_in_a_folder_knows_any_extension(imagecli, server):
    Path("out").mkdir()
    Path("out/cat.jpg").write_bytes(OLD)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "out/", "--skip-existing")
    assert (ran.code, ran.paths) == (0, ["out/cat.jpg"])
    assert server.requests == []


@pytest.mark.parametrize("place", ["file.txt/cat.png", "/proc/nowhere/cat.png", "x" * 300 + ".png", "there/"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_sent(imagecli, server, place):
    Path("file.txt").write_bytes(OLD)
    Path("there").write_bytes(OLD)
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", place)
    assert ran.code == 2, ran.err
    assert server.requests == []


def test_skip_existing_needs_no_key_where_nothing_is_sent(imagecli):
    Path("cat.png").write_bytes(IMAGE)
    ran = imagecli("gen", "fox", "-o", "cat.png", "--skip-existing")
    assert (ran.code, ran.paths) == (0, ["cat.png"])


def test_skip_existing_and_a_dry_run_show_what_would_be_sent(imagecli, server):
    Path("c-2.png").write_bytes(IMAGE)
    ran = imagecli(
        *("gen", "cat", "--base-url", server.url, "-n", "3", "-o", "c.png", "--skip-existing", "--dry-run", "--json")
    )
    assert ran.json["images"] == []
    assert ran.json["requests"][0]["fields"]["n"] == 2


def test_a_folder_does_not_count_as_an_existing_image(imagecli, server):
    Path("z-1.png").mkdir()
    ran = imagecli("gen", "cat", "--base-url", server.url, "-n", "2", "-o", "z.png", "--skip-existing")
    assert (ran.code, server.requests) == (2, [])


def test_skip_existing_falls_back_to_edits_too(imagecli, server):
    Path("a.png").write_bytes(IMAGE)
    Path("look-1.png").write_bytes(IMAGE)
    server.responses = [lambda reply, _: reply.json({"detail": "Not Found"}, 404)]
    ran = imagecli("vary", "a.png", "-n", "2", "-o", "look.png", "--skip-existing", "--base-url", server.url)
    assert (ran.code, ran.paths) == (0, ["look-1.png", "look-2.png"])


def test_missing_folders_are_made_on_a_path_with_dots_too(imagecli, server):
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "x/../y.png").code == 0
    assert Path("y.png").is_file()


def test_a_folder_asks_for_no_format(imagecli, server):
    Path("out.jpg").mkdir()
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "out.jpg").paths == ["out.jpg/cat.png"]
    assert server.posts[0].json == {"prompt": "cat"}


def test_a_default_name_that_another_run_takes_before_anything_is_sent():
    names = names_for(None, "cat", None)
    Path("cat.png").write_bytes(OLD)
    sink = FileSink(names, force=False)
    with sink.reserved([1], dry=False):
        assert sink.save(1, [image_file()], None, [].append).path == "cat-2.png"
    assert Path("cat.png").read_bytes() == OLD


LONGEST = "a" * 251 + ".png"


def test_the_longest_name_is_cut_where_an_image_needs_another(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file(), image_file()))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", LONGEST)
    assert (ran.code, ran.out.split()) == (0, [LONGEST, "a" * 249 + "-2.png"]), ran.err


def test_the_longest_name_is_cut_where_it_is_taken_meanwhile(imagecli, server):
    server.respond = lambda reply, _: (Path(LONGEST).touch(), reply.send(response_with(image_file())))
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", LONGEST)
    assert (ran.code, ran.out) == (0, "a" * 249 + "-2.png\n"), ran.err


def test_a_partial_image_of_the_longest_name_is_kept():
    name = names_for("\u00e4" * 126 + ".{ext}", "x", None).name(1)
    assert name.partial(3).path("png") == "\u00e4" * 120 + ".partial-3.png"
    assert len(name.partial(3, 2).path("webp").encode()) <= 255
    assert name.sized((9, 9)).path("png") == "\u00e4" * 126 + ".9x9.png", "refused before anything is sent"
