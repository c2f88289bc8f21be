"""What `imagecli recover` makes of a run's response is what the run would have made: files, exit code, ledger."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from imagecli.provenance.reading import read_said
from support.recovering import killed, runs_of
from support.serving import image_file, noise, response_with

SENT = [noise((64, 64)), noise((64, 64))]
EDIT = ["edit", "in.png", "a hat"]
RECT = ["--mask-rect", "10,8,20,16"]
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
    "output_tokens": 196,
    "total_tokens": 246,
}


@pytest.fixture
def config(home, monkeypatch):
    def write(text):
        path = home / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        monkeypatch.setenv("IMAGECLI_CONFIG", str(path))

    return write


def _photo(path="in.png", size=(60, 40)):
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    image.save(path)


def _files(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _rows(home, columns, table="requests"):
    with sqlite3.connect(home / "state" / "imagecli" / "ledger.db") as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()  # noqa: S608


@pytest.mark.parametrize(
    "args",
    [
        ["gen", "a cat", "--resize", "32x20"],
        ["gen", "a cat", "--also", "16x16", "--also", "8x8", "-n", "2"],
        ["gen", "a cat", "--resize", "32x20", "--also", "8x8", "--format", "webp", "--compression", "60"],
        [*EDIT, *RECT],
        [*EDIT, *RECT, "--mask-feather", "3", "--resize", "30x20"],
        [*EDIT, "--mask", "mask.png", "--keep", "--mask-invert"],
        [*EDIT, "-m", "dall-e-2", *RECT, "--no-keep"],
        [*EDIT, "--restore", "size"],
        [*EDIT, "--expand", "left=20", "--also", "20x10"],
        ["vary", "in.png", "-m", "dall-e-2", "--fit", "pad"],
    ],
    ids=" ".join,
)
def test_the_files_are_those_that_the_run_would_have_saved(server, imagecli, home, args):
    _photo()
    Image.open("in.png").convert("L").point(lambda grey: 255 if grey > 90 else 0).save("mask.png")
    body = response_with(*SENT[: 2 if "-n" in args else 1])
    server.respond = lambda reply, _: reply.send(body)
    made = imagecli(*args, "-o", "made/x.{ext}", "--base-url", server.url)
    assert made.code == 0, made.err
    killed(server, home, body, 2, *args, "-o", "lost/x.{ext}")
    assert _files("lost") == {}
    ran = imagecli("recover")
    assert ran.code == 0, ran.err
    assert _files("lost") == _files("made")


def test_the_route_that_was_taken_in_the_end_decides(server, imagecli, home):
    """An unknown server has no variations: it is sent the input in another shape."""
    _photo()
    args = ["vary", "in.png", "-m", "theirs", "--fit", "pad", "--restore", "size"]
    body = response_with(SENT[0])
    server.respond = lambda reply, request: (
        reply.send(body) if request.path.endswith("edits") else reply.json({"error": {"message": "no"}}, 404)
    )
    made = imagecli(*args, "-o", "made/x.png", "--base-url", server.url)
    assert made.code == 0, made.err
    answer = server.respond
    server.respond = lambda reply, request: (
        Path("lost").rename("gone") if request.path.endswith("edits") else None,
        answer(reply, request),
    )
    assert imagecli(*args, "-o", "lost/x.png", "--base-url", server.url).code == 1
    assert [request.path.rpartition("/")[2] for request in server.posts[-2:]] == ["variations", "edits"]
    assert imagecli("recover").code == 0
    assert _files("lost") == _files("made")


def test_an_output_of_recover_decides_the_format(server, imagecli, home):
    killed(server, home, response_with(SENT[0]), 2, "gen", "a cat", "--resize", "32x20", "-o", "cat.png")
    assert imagecli("recover", "-o", "new.webp").paths == ["new.webp"]
    with Image.open("new.webp") as image:
        assert (image.format, image.size) == ("WEBP", (32, 20))


def test_further_sizes_are_named_as_the_image_beside_them(server, imagecli, home):
    killed(server, home, response_with(SENT[0]), 2, "gen", "a cat", "--also", "8x8", "-o", "cat.png")
    Path("out").mkdir()
    Path("out/a-cat.8x8.png").write_bytes(b"mine")
    assert imagecli("recover", "-o", "out/").paths == ["out/a-cat-2.png", "out/a-cat-2.8x8.png"]


def test_what_was_saved_before_the_kill_is_found_again(server, imagecli, home):
    """Of two images with a further size each, one was saved, and of the other the size was not."""
    args = ["gen", "a cat", "--resize", "32x20", "--also", "8x8", "-n", "2"]
    killed(server, home, response_with(*SENT), 2, *args, "-o", "cat.png")
    server.respond = lambda reply, _: reply.send(response_with(*SENT))
    imagecli(*args, "-o", "cat.png", "--base-url", server.url)
    before = _files(".")
    Path("cat-2.8x8.png").unlink()
    assert imagecli("recover").paths == ["cat-1.png", "cat-1.8x8.png", "cat-2.png", "cat-2.8x8.png"]
    assert _files(".") == before


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(image_file((9, 9)))])
def test_without_its_input_an_image_is_saved_as_it_came(server, imagecli, home, change):
    _photo()
    killed(server, home, response_with(SENT[0]), 2, *EDIT, *RECT, "-o", "out.png")
    change(Path("in.png"))
    ran = imagecli("recover")
    assert (ran.code, ran.paths, Path("out.png").read_bytes()) == (0, ["out.png"], SENT[0])
    assert "is saved as the server sent it: " in ran.err
    assert str(Path("in.png").absolute()) in ran.err


def test_a_mask_that_was_ignored_is_as_bad_as_in_the_run(server, imagecli, home):
    _photo(size=(1024, 1024))
    same = Path("in.png").read_bytes()
    args = [*EDIT, "-m", "dall-e-2", "--mask-rect", "100,100,500,500", "--strict-mask"]
    killed(server, home, response_with(same), 2, *args, "-o", "out.png")
    ran = imagecli("recover")
    assert (ran.code, ran.paths) == (1, ["out.png"])
    assert "--strict-mask forbids" in ran.err


def test_what_the_config_says_today_changes_nothing(server, imagecli, home, config):
    killed(server, home, response_with(SENT[0]), 2, "gen", "a cat", "--resize", "32x20", "-o", "cat.png")
    config('[defaults]\nresize = "8x8"\nformat = "webp"\n')
    assert imagecli("recover").code == 0
    with Image.open("cat.png") as image:
        assert (image.format, image.size) == ("PNG", (32, 20))


def test_no_prompt_is_in_the_record(server, home):
    killed(server, home, response_with(SENT[0]), 2, "gen", "Zanzibar, 1964!", "--resize", "8x8", "--negative", "Kairo")
    written = b"".join(path.read_bytes() for path in (home / "state" / "imagecli" / "runs").glob("*.json"))
    assert b"resize" in written
    assert b"Zanzibar" not in written
    assert b"Kairo" not in written


@pytest.mark.parametrize(
    "options",
    [{"resize": 7}, {"resize": "99999x99999"}, {"keep": True, "mask_rect": ["?"]}, {"size": {}}, {"what": "ever"}, 5],
    ids=str,
)
def test_whatever_the_record_says_of_finishing(imagecli, home, options):
    runs = home / "state" / "imagecli" / "runs"
    runs.mkdir(parents=True)
    about = {"options": options, "files": [{}, 7], "also": ["x", "8x8"], "started": 1.0, "command": "edit"}
    (runs / "0123456789ab.json").write_text(json.dumps(about))
    (runs / "0123456789ab-1-1.part").write_bytes(response_with(SENT[0]))
    ran = imagecli("recover")
    assert (ran.code in {0, 1}, Path("image.png").read_bytes()) == (True, SENT[0]), ran.err


# The ledger


def test_the_row_of_a_killed_request_is_completed(server, imagecli, home):
    args = ["gen", "a cat", "-m", "gpt-image-2", "-n", "2", "--also", "8x8", "-o", "cat.png"]
    killed(server, home, response_with(*SENT, usage=USAGE), 2, *args)
    assert _rows(home, "state, images, cost_usd") == [("sent", None, None)]
    assert imagecli("recover").code == 0
    assert _rows(home, "state, exit_code, images, cost_usd, cost_source, tokens") == [
        ("done", 0, 2, 0.00613, "usage", 246)
    ]
    assert _rows(home, "n, path, further_size", "images") == [
        (n, str(Path(f"cat-{n}{size}.png").absolute()), bool(size)) for n in (1, 2) for size in (".8x8", "")
    ]
    assert imagecli("log").out.count("cat-") == 4


def test_one_of_two_is_partial_and_counts_with_its_estimate(server, imagecli, home, config):
    config("[models.m]\nprice = 0.05\n")
    killed(server, home, response_with(*SENT), 0.6, "gen", "a cat", "-m", "m", "-n", "2", "-o", "cat.png")
    assert imagecli("recover").paths == ["cat-1.png"]
    assert _rows(home, "state, exit_code, images, cost_usd, cost_source") == [("done", 6, 1, 0.1, "estimate")]


def test_a_price_of_the_config_counts(server, imagecli, home, config):
    config("[models.m]\nprice = 0.05\n")
    killed(server, home, response_with(*SENT), 2, "gen", "a cat", "-m", "m", "-n", "2", "-o", "cat.png")
    assert imagecli("recover").code == 0
    assert _rows(home, "cost_usd, cost_source") == [(0.1, "price")]


def test_a_failed_request_is_completed_and_what_the_server_said_of_its_cost_stays(server, imagecli, home):
    def respond(reply, _):
        Path("out").rename("gone")
        reply.send(response_with(SENT[0], usage=USAGE), x_litellm_response_cost="0.5")

    server.respond = respond
    Path("out").mkdir()
    ran = imagecli("gen", "a cat", "-m", "gpt-image-2", "-o", "out/cat.png", "--base-url", server.url)
    assert ran.code == 1
    assert _rows(home, "state, images, cost_usd") == [("failed", 0, 0.5)]
    Path("out").mkdir()
    assert imagecli("recover").paths == ["out/cat.png"]
    assert _rows(home, "state, exit_code, images, cost_usd, cost_source") == [("done", 0, 1, 0.5, "server")]


def test_of_equal_requests_each_gets_its_own_image(server, imagecli, home):
    """Of two requests the first has come, and is saved; the second is on its way."""
    runs = home / "state" / "imagecli" / "runs"
    server.respond = lambda reply, _: reply.send(response_with(SENT[0]))
    imagecli("gen", "a cat", "-m", "dall-e-3", "-n", "2", "-o", "cat.png", "--base-url", server.url)
    with sqlite3.connect(home / "state" / "imagecli" / "ledger.db") as connection:
        ((first,), (second,)) = connection.execute("SELECT run FROM requests ORDER BY id")
        connection.execute("UPDATE requests SET state = 'sent', images = NULL WHERE id = 2")
        connection.execute("DELETE FROM images WHERE request = 2")
    assert (first[12:], second[12:]) == ("-1", "-2")
    record = {"folder": str(Path.cwd()), "output": "cat.png", "numbers": [1, 2], "started": 1.0}
    (runs / f"{first[:12]}.json").write_text(json.dumps(record))
    (runs / f"{second}-1.part").write_bytes(response_with(SENT[1]))
    Path("cat-2.png").unlink()
    assert imagecli("recover").paths == ["cat-2.png"]
    assert _rows(home, "request, n", "images") == [(1, 1), (2, 2)]


def test_the_job_of_a_batch_that_was_killed(server, imagecli, home):
    Path("jobs.txt").write_text("a cat\n")
    killed(server, home, response_with(SENT[0]), 2, "batch", "run", "jobs.txt", "-o", "out", "--resize", "8x8")
    assert _rows(home, "state, images") == [("sent", None)]
    (path,) = imagecli("recover").paths
    with Image.open(path) as image:
        assert (Path(path).parent, image.size) == (Path("out"), (8, 8))
    assert _rows(home, "state, images") == [("done", 1)]


def test_without_a_ledger_none_is_made(server, imagecli, home, config):
    config('[defaults]\nledger = "off"\n')
    killed(server, home, response_with(SENT[0]), 2, "gen", "a cat", "--resize", "8x8", "-o", "cat.png")
    assert imagecli("recover").code == 0
    assert not (home / "state" / "imagecli" / "ledger.db").exists()


def test_a_ledger_that_cannot_be_used_is_a_warning(server, imagecli, home, monkeypatch, tmp_path):
    killed(server, home, response_with(SENT[0]), 2, "gen", "a cat", "-o", "cat.png")
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    monkeypatch.setenv("IMAGECLI_LEDGER", str(tmp_path / "broken.db"))
    ran = imagecli("recover")
    assert (ran.code, ran.paths) == (0, ["cat.png"])
    assert "broken.db can't be used, so this is not written down" in ran.err


def _said(path):
    making = read_said(str(path)).making
    return making and (making.prompt, making.n, making.seed, making.options.get("negative"), making.inputs)


@pytest.mark.parametrize("mode", ["on", "no-prompts", "off"])
def test_what_made_an_image_is_written_down_as_far_as_the_ledger_has_it(server, imagecli, home, config, mode):
    config(f'[defaults]\nledger = "{mode}"\n')
    _photo()
    args = ["edit", "in.png", "a hat", "--seed", "7", "--negative", "rain", "-n", "2", "--embed", "--sidecar"]
    body = response_with(*SENT)
    server.respond = lambda reply, _: reply.send(body)
    made = imagecli(*args, "-m", "m", "-o", "made/x.png", "--base-url", server.url)
    assert made.code == 0, made.err
    killed(server, home, body, 2, *args, "-m", "m", "-o", "lost/x.png")
    ran = imagecli("recover")
    assert ran.code == 0, ran.err
    assert sorted(_files("lost")) == sorted(_files("made"))
    for n in (1, 2):
        whole, lost = _said(f"made/x-{n}.png"), _said(f"lost/x-{n}.png")
        prompt, negative = ("a hat", "rain") if mode == "on" else (None, None)
        assert lost == (prompt, n, whole[2] if mode != "off" else None, negative, whole[4])
        document = json.loads(Path(f"lost/x-{n}.png.json").read_text())
        assert document["prompt"] == prompt
        with Image.open(f"lost/x-{n}.png") as image, Image.open(f"made/x-{n}.png") as other:
            assert image.tobytes() == other.tobytes()


def test_an_image_that_its_run_has_saved_is_not_saved_twice(server, imagecli, home):
    """With what made it in it, it differs from the one that comes out of the response in the time alone."""
    body = response_with(SENT[0])
    killed(server, home, body, 2, "gen", "a cat", "--embed", "-o", "cat.png")
    shutil.copytree(runs_of(home), "../copy")
    assert imagecli("recover").paths == ["cat.png"]
    first = Path("cat.png").read_bytes()
    assert read_said("cat.png").making.prompt == "a cat"
    shutil.copytree("../copy", runs_of(home), dirs_exist_ok=True)
    assert imagecli("recover").paths == ["cat.png"]
    assert [*_files(".")] == ["cat.png"]
    assert Path("cat.png").read_bytes() == first
