"""`imagecli recover`, and what a killed run leaves: no image that came whole is lost, and nothing else remains."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from support.recovering import arrived, killed, runs_of
from support.running import HANGS_S, start, wait_until
from support.serving import b64, image_file, noise, response_with

IMAGES = [noise((90, 90)) for _ in range(3)]


def _answers(home):
    return home / "state" / "imagecli" / "answers"


def _left(home):
    """Return every file that is left in the state folder, besides the ledger."""
    return [path for path in (home / "state").rglob("*") if path.is_file() and "ledger.db" not in path.name]


def _saved():
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in Path().rglob("*") if path.is_file()}


def _digests(images):
    return {hashlib.sha256(image).hexdigest() for image in images}


def test_no_whole_image_is_lost_whenever_a_run_is_killed(server, imagecli, home):
    """At a handful of moments: before, in and between the images of its response, and when all of it has come."""
    body = response_with(*IMAGES)
    moments = {0.0: 0, 0.2: 0, 0.5: 1, 0.8: 2, 1.0: 3, 0.9: 2}
    for number, (share, whole) in enumerate(moments.items()):
        before = _saved()
        killed(server, home, body, share, "gen", "a cat", "-n", "3", "-o", f"{number}/cat.png")
        ran = imagecli("recover")
        assert ran.code == 0, ran.err
        assert _saved() - before <= _digests(IMAGES)
        assert len(list(Path(str(number)).iterdir())) == whole, share
        assert _saved() >= _digests(IMAGES[:whole])
        assert _left(home) == []
    assert imagecli("recover").out == ""


def test_a_later_run_says_once_what_there_is(server, imagecli, home):
    killed(server, home, response_with(*IMAGES), 0.5, "gen", "a cat", "-n", "3", "-o", "cat.png")
    runs = [start("gen", "dog", "--base-url", server.url, "-o", f"dog{n}.png") for n in range(2)]
    said = "".join(process.communicate(timeout=HANGS_S)[1] for process in runs)
    assert said.count("interrupted run") == 1, said
    assert f"imagecli: warning: a response of an interrupted run is in {_answers(home)}: imagecli recover" in said
    again = imagecli("gen", "dog", "--base-url", server.url, "-o", "more.png", "--json")
    assert again.json["warnings"] == []


def test_a_running_process_is_left_alone(server, imagecli, home):
    release = threading.Event()

    def respond(reply, _):
        body = response_with(IMAGES[0])
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:9000])
        release.wait(HANGS_S)
        reply.raw(body[9000:])

    server.responses = [respond]
    with start("gen", "cat", "--base-url", server.url, "-o", "cat.png") as process:
        wait_until(lambda: arrived(home) > 0)
        assert "interrupted" not in imagecli("gen", "dog", "--base-url", server.url, "-o", "dog.png").err
        assert imagecli("recover").out == ""
        release.set()
        assert process.communicate(timeout=HANGS_S) == ("cat.png\n", "")


def _keep(home, body, name="answer-0123456789ab-1-1.json", **about):
    _answers(home).mkdir(parents=True, exist_ok=True)
    runs_of(home).mkdir(exist_ok=True)
    if about:
        (runs_of(home) / f"{name.split('-')[1]}.done").write_text(json.dumps(about))
    (_answers(home) / name).write_bytes(body)
    return _answers(home) / name


def test_images_get_the_names_that_their_run_had_planned(imagecli, home):
    Path("pics").mkdir()
    here = {"folder": str(Path.cwd()), "started": 1.0}
    _keep(home, response_with(*IMAGES[:2]), **here, output="pics/fox.png", numbers=[1, 2], slug="a-fox")
    _keep(home, response_with(IMAGES[2]), "answer-0123456789ac-1-1.json", **here, slug="a-dog", model="m")
    assert imagecli("recover").paths == ["pics/fox-1.png", "pics/fox-2.png", "a-dog.png"]
    assert _left(home) == []


def test_an_output_says_otherwise(imagecli, home):
    _keep(home, response_with(*IMAGES[:2]), slug="a-fox", started=1.0)
    ran = imagecli("recover", "-o", "new/{slug}-{n}.{ext}")
    assert (ran.code, ran.paths) == (0, ["new/a-fox-1.png", "new/a-fox-2.png"])


def test_nothing_is_replaced_without_force(imagecli, home):
    kept = _keep(home, response_with(IMAGES[0]), slug="a-fox", started=1.0)
    Path("taken.png").write_bytes(b"mine")
    ran = imagecli("recover", "-o", "taken.png")
    assert (ran.code, "Use --force to replace it, or another name." in ran.err) == (2, True)
    assert (kept.exists(), Path("taken.png").read_bytes()) == (True, b"mine")
    assert imagecli("recover", "-o", "taken.png", "--force").paths == ["taken.png"]
    assert Path("taken.png").read_bytes() == IMAGES[0]


def test_what_is_there_already_is_not_saved_twice(imagecli, home):
    """The run was killed, or its disk was full, between two images."""
    Path("fox-1.png").write_bytes(IMAGES[0])
    _keep(home, response_with(*IMAGES[:2]), folder=str(Path.cwd()), output="fox.png", numbers=[1, 2], started=1.0)
    assert imagecli("recover").paths == ["fox-1.png", "fox-2.png"]
    assert len(list(Path().iterdir())) == 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_of_a_response_that_is_cut_off_what_is_whole_is_saved(imagecli, pack):
    body = pack(response_with(IMAGES[0], IMAGES[1]))
    Path("kept.json").write_bytes(body[: len(body) * 3 // 4])
    ran = imagecli("recover", "kept.json", "-o", "fox.png")
    assert (ran.code, ran.paths) == (0, ["fox.png"]), ran.err
    assert Path("fox.png").read_bytes() == IMAGES[0]


def test_a_partial_image_is_called_one(imagecli):
    event = {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": b64(IMAGES[0])}
    Path("kept.json").write_text(f"event: {event['type']}\ndata: {json.dumps(event)}\n\nevent: image_gen")
    ran = imagecli("recover", "kept.json", "-o", "fox.png", "--json")
    [image] = ran.json["images"]
    assert (ran.code, image["path"], image["partial"]) == (0, "fox.partial.png", True)


def test_an_image_that_is_kept_as_an_address_is_fetched(imagecli, server, home):
    kept = _keep(home, b'{"data":[{"url":"/x.png"}]}', base_url=server.url, profile="gone", slug="a-fox", started=1.0)
    server.respond = lambda reply, _: reply.json({}, 404)
    ran = imagecli("recover", "--json")
    assert (ran.code, ran.json["failures"][0]["saved_response"]) == (1, str(kept))
    server.respond = lambda reply, _: reply.send(IMAGES[0], kind="image/png")
    assert imagecli("recover").paths == ["a-fox.png"]
    assert not kept.exists()


def test_what_contains_no_image(imagecli, home):
    """A response that somebody was told of stays; what a killed run has left of an error goes."""
    told = _keep(home, b'{"id":"task-1","status":"queued"}')
    left = _keep(home, b'{"error":{"message":"no"}}', "answer-0123456789ac-1-1.left.json")
    ran = imagecli("recover")
    assert (ran.code, ran.out) == (0, "")
    assert (told.exists(), left.exists()) == (True, False)
    assert str(told) in ran.err
    missing = imagecli("recover", "gone.json")
    assert (missing.code, "gone.json" in missing.err) == (2, True)


def _without_image(home):
    return _keep(home, b'{"output":{"task_id":"0ab3","task_status":"PENDING"}}', base_url="https://img.test/v1")


def test_that_a_response_has_no_image_is_said_once(imagecli, home):
    told = _without_image(home)
    assert str(told) in imagecli("recover").err
    assert imagecli("recover").err == ""
    assert told.exists()


def test_what_is_remembered_of_a_response_without_image_goes_with_its_age(imagecli, home):
    told = _without_image(home)
    imagecli("recover")
    for path in _answers(home).iterdir():
        os.utime(path, (1.0, 1.0))
    imagecli("recover")
    assert (told.exists(), _left(home)) == (False, [])


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b'{"output":{"task_id":"0ab3","task_status":"PENDING"}}', 8, "img.test accepted the request as task 0ab3"),
        (b'{"error":{"code":"moderation_blocked","message":"Not this."}}', 3, "Not this."),
        (b'{"data":[{"error":{"code":"moderation_blocked","message":"Not this."}}]}', 3, "Not this."),
        (b'{"error":{"code":"insufficient_quota","message":"You exceeded your quota."}}', 7, "exceeded your quota"),
        (b'{"created":1}', 1, "contains no images"),
        (b"<!DOCTYPE html><p>502", 1, "a web page"),
        (b"", 1, "is empty"),
        (response_with(image_file())[:40], 8, "cut off before its first image was whole"),
        (b"\x1b[31mNotes\n", 1, "not JSON; it begins: Notes"),
    ],
)
def test_a_file_without_an_image_is_an_error_by_its_cause(imagecli, home, body, code, said):
    about = {"base_url": "https://img.test/v1", "model": "m", "started": 1.0}
    kept = _keep(home, body, **about)
    ran = imagecli("recover", str(kept), "--json")
    error = ran.json["error"]
    assert (ran.code, error["saved_response"], kept.read_bytes()) == (code, str(kept), body)
    assert error["message"].startswith(f"no image was found in {kept}: ")
    assert said in error["message"]
    assert imagecli("recover", str(kept)).code == code  # as often as it is asked for


def test_a_file_without_an_image_beside_others(imagecli):
    Path("none.json").write_bytes(b'{"created":1}')
    Path("one.json").write_bytes(response_with(IMAGES[0]))
    ran = imagecli("recover", "none.json", "one.json", "-o", "fox.png", "--json")
    assert (ran.code, [each["path"] for each in ran.json["images"]]) == (6, ["fox.png"])
    assert "none.json" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        ("out/", ["out/a-fox.png", "out/a-fox-2.png", "out/a-dog.png", "out/a-fox-3.png"]),
        ("out/{slug}-{n}.{ext}", ["out/a-fox-1.png", "out/a-fox-2.png", "out/a-dog-1.png", "out/a-fox-3.png"]),
        ("out/{slug}.png", ["out/a-fox-1.png", "out/a-fox-2.png", "out/a-dog.png", "out/a-fox-3.png"]),
        ("out/{n}.png", [f"out/{n}.png" for n in range(1, 5)]),
        ("all.png", [f"all-{n}.png" for n in range(1, 5)]),
    ],
)
def test_images_that_share_a_name_are_numbered_as_those_of_one_run(imagecli, output, paths, home):
    Path("out").mkdir()
    kept = [
        _keep(home, response_with(*IMAGES[:2]), "answer-0123456789aa-1-1.json", slug="a-fox", started=1.0),
        _keep(home, response_with(noise((80, 90))), "answer-0123456789ab-1-1.json", slug="a-dog", started=2.0),
        _keep(home, response_with(IMAGES[2]), "answer-0123456789ac-3-1.json", slug="a-fox", started=3.0),
    ]
    assert imagecli("recover", *map(str, kept), "-o", output).paths == paths


def test_a_folder_is_filled_up_behind_what_is_there(imagecli, home):
    Path("out").mkdir()
    Path("out/a-fox.jpg").write_bytes(b"mine")
    _keep(home, response_with(*IMAGES[:2]), slug="a-fox", started=1.0)
    assert imagecli("recover", "-o", "out").paths == ["out/a-fox-2.png", "out/a-fox-3.png"]


def test_a_plain_image_that_was_downloaded(imagecli, home):
    _keep(home, image_file(kind="JPEG"), slug="a-fox", started=1.0)
    assert imagecli("recover").paths == ["a-fox.jpg"]


def test_a_download_that_a_kill_cut_off_is_removed(imagecli, server, home):
    """Its response is there, too, with the address."""
    server.respond = lambda reply, _: reply.send(IMAGES[0], kind="image/png")
    _keep(home, b'{"data":[{"url":"/x.png"}]}', "answer-0123456789ab-1-1.left.json", base_url=server.url, started=1.0)
    _keep(home, IMAGES[0][:-500], "answer-0123456789ab-1-2.left.json", base_url=server.url, started=1.0)
    ran = imagecli("recover")
    assert (ran.code, ran.paths) == (0, ["image.png"])
    assert "cut off" in ran.err
    assert not list(_answers(home).iterdir())


@pytest.mark.parametrize(
    "about",
    [
        {"parts": 5},
        {"parts": ["a\0b"], "folder": "a\0b", "output": "x\0.png"},
        {"started": 1e300, "output": "{date}.{ext}"},
        {"started": float("nan")},
        {"started": float("inf")},
        {"output": "\ud800.png"},
        {"slug": "../../evil"},
        {"slug": "a" * 5000},
        {"slug": None, "model": 7, "numbers": [True, "x"], "new": {}},
    ],
    ids=lambda about: next(iter(about)),
)
def test_whatever_the_record_of_a_run_says(imagecli, server, home, about):
    """Its image is saved in the working folder: a newer version may have written the record, or a disk spoilt it."""
    runs = runs_of(home)
    runs.mkdir(parents=True)
    (runs / "0123456789ab.json").write_text(json.dumps(about))
    (runs / "0123456789ab-1-1.part").write_bytes(response_with(IMAGES[0]))
    ran = imagecli("gen", "a cat", "--base-url", server.url, "-o", "now.png")
    assert ran.code == 0, ran.err
    ran = imagecli("recover")
    assert ran.code == 0, ran.err
    (path,) = ran.paths
    assert Path(path).parent == Path()
    assert not _left(home)


def test_files_of_another_user_are_left_alone(imagecli, home, monkeypatch):
    """As sudo leaves them."""
    kept = _keep(home, response_with(IMAGES[0]))
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    ran = imagecli("recover")
    assert (ran.code, ran.out) == (0, "")
    assert kept.exists()
