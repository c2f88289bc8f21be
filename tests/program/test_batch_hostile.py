"""A batch's folder that somebody else made: nothing is read, written or removed outside of it, and no key leaves."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from support.provider import Provider

FLAGS = ("-o", "out", "-m", "gpt-image-2", "-q", "low", "-s", "1024x1024")


@pytest.fixture
def fetched(imagecli):
    """Submit a job, and return what changes the files of its submission and fetches it then."""
    with Provider() as provider:
        Path("jobs.txt").write_text("a red fox", encoding="utf-8")
        assert imagecli("batch", "submit", "jobs.txt", *FLAGS, "--base-url", provider.url).code == 0
        provider.finish()

        def fetch(suffix, change):
            (path,) = Path("out/.imagecli").glob(f"submission-*{suffix}")
            document = json.loads(path.read_text(encoding="utf-8"))
            change(document)
            path.write_text(json.dumps(document) + "\n", encoding="utf-8")
            return imagecli("batch", "fetch", "out")

        yield fetch


@pytest.mark.parametrize(
    "output", ["../evil.png", "{tmp}/evil.png", "sub/../../evil.png", "away/evil.png", ".imagecli/x.png"]
)
def test_a_result_is_not_saved_outside_of_the_folder(fetched, tmp_path, output):
    Path("elsewhere").mkdir()
    os.symlink(Path("elsewhere").resolve(), "out/away")
    ran = fetched(".jobs.jsonl", lambda request: request["job"].update(output=output.replace("{tmp}", str(tmp_path))))
    assert ran.code != 0
    assert "would be saved outside of" in ran.err
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".png"]


@pytest.mark.parametrize(
    "change", [lambda request: request.pop("job"), lambda request: request.update(job={"values": 3})]
)
def test_what_is_no_request_is_a_message(fetched, change):
    ran = fetched(".jobs.jsonl", change)
    assert ran.code == 2
    assert "can't be read" in ran.err


def test_the_key_is_not_sent_where_a_folder_says(fetched, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef0123456789abcdef")
    server.respond = lambda reply, _: reply.send(b"no", 404)
    fetched(".json", lambda document: document.update(base_url=server.url))
    assert not [request for request in server.requests if "authorization" in request.headers]


def test_nothing_is_written_through_a_link(imagecli, server):
    Path("jobs.txt").write_text("a red fox", encoding="utf-8")
    Path("precious").write_text("precious", encoding="utf-8")
    run = ("batch", "run", "jobs.txt", "-o", "out", "--base-url", server.url)
    for name in ("lock", "journal.jsonl", "."):
        shutil.rmtree("out", ignore_errors=True)
        Path("out/.imagecli").mkdir(parents=True)
        if name == ".":
            Path("out/.imagecli").rmdir()
        os.symlink(Path("precious" if name != "." else ".").resolve(), os.path.join("out/.imagecli", name).rstrip("/."))
        ran = imagecli(*run)
        assert (ran.code, server.requests) == (2, []), name
        assert "is a link" in ran.err
        assert Path("precious").read_text(encoding="utf-8") == "precious"
        assert not Path("journal.jsonl").exists()


def test_a_pipe_among_the_journals_is_not_waited_for(imagecli, server):
    Path("jobs.txt").write_text("a red fox", encoding="utf-8")
    Path("out/.imagecli").mkdir(parents=True)
    os.mkfifo("out/.imagecli/journal-1-of-2.jsonl")
    ran = imagecli("batch", "run", "jobs.txt", "-o", "out", "--base-url", server.url)
    assert (ran.code, server.requests) == (2, [])
    assert "is not a file" in ran.err


def test_prune_removes_nothing_behind_a_link(imagecli, server):
    Path("jobs.txt").write_text("a red fox", encoding="utf-8")
    run = ("batch", "run", "jobs.txt", "-o", "out", "--base-url", server.url)
    assert imagecli(*run).code == 0
    (made,) = Path("out").glob("*.png")
    Path("mine").mkdir()
    shutil.copy(made, "mine/photo.png")
    os.symlink(Path("mine").resolve(), "out/sub")
    journal = Path("out/.imagecli/journal.jsonl")
    done = json.loads(journal.read_text(encoding="utf-8").splitlines()[-1])
    done |= {"job": "other", "images": [done["images"][0] | {"path": "sub/photo.png"}]}
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(done) + "\n")
    assert imagecli(*run, "--prune").code == 0
    assert Path("mine/photo.png").exists()


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_working_folder_that_was_removed_is_a_message(imagecli, tmp_path, monkeypatch, command):
    jobs = tmp_path / "jobs.txt"
    jobs.write_text("a red fox", encoding="utf-8")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = imagecli("batch", command, str(jobs), "-o", "out", "--base-url", "http://127.0.0.1:9/v1")
    monkeypatch.chdir(tmp_path)
    assert ran.code == 2
    assert "the working folder was removed" in ran.err
