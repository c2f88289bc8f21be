"""Disks without room: what can't fit is refused unpaid, and what was paid for ends up whole somewhere, and is named."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from imagecli import disk
from support.running import command, environment
from support.serving import image_file, noise, response_with

DATA = noise((256, 256))
"""A PNG of 200 kB."""
_UNKNOWN = os.O_CREAT | os.O_EXCL
"""A flag of open() with which no folder can be opened, as O_TMPFILE where no file is without a name."""


@contextmanager
def _mounted(path, options):
    path.mkdir(parents=True, exist_ok=True)
    there = path.absolute()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", there], check=True)


@pytest.fixture
def small():
    """A folder with room for 64 kB."""
    with _mounted(Path("small"), "size=64k") as path:
        yield path


def _fill(folder):
    with suppress(OSError), (folder / "fill").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.fixture
def paid(server):
    """The server, which sends an image of 200 kB for each that is asked for."""
    server.respond = lambda reply, request: reply.send(response_with(*[DATA] * request.json.get("n", 1)))
    return server


def test_a_full_disk_is_refused_before_anything_is_sent(imagecli, paid, small):
    _fill(small)
    for args in ((), ("--dry-run",), ("-n", "3")):
        ran = imagecli("gen", "cat", "--base-url", paid.url, "-o", "small/cat.png", *args)
        assert (ran.code, paid.requests) == (2, [])
        assert "no room for" in ran.err


def test_files_that_a_folder_can_not_hold_are_refused(imagecli, paid):
    """It has room, but for one file only: each needs an inode."""
    with _mounted(Path("few"), "size=1m,nr_inodes=2"):
        assert imagecli("gen", "cat", "-n", "2", "--base-url", paid.url, "-o", "few/").code == 2
        assert paid.requests == []
        assert imagecli("gen", "cat", "--base-url", paid.url, "-o", "few/").code == 0


def test_what_may_fit_is_tried_and_said(imagecli, server, small):
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "small/cat.png", "--json")
    assert (ran.code, len(ran.json["warnings"])) == (0, 1)
    assert "only 65 kB are free in small" in ran.json["warnings"][0]


def test_a_disk_that_fills_up_between_two_images(imagecli, paid, home):
    with _mounted(Path("small"), "size=300k"):
        ran = imagecli("gen", "cat", "-n", "2", "--base-url", paid.url, "-o", "small/cat.png", "--json")
        error = ran.json["error"]
        assert (ran.code, [image["n"] for image in ran.json["images"]]) == (6, [1])
        assert "imagecli recover" in error["hint"]
        assert Path(error["saved_response"]).read_bytes() == response_with(DATA, DATA)
        assert os.listdir("small") == ["cat-1.png"]
        subprocess.run(["mount", "-o", "remount,size=1m", "small"], check=True)
        assert imagecli("recover").paths == ["small/cat-1.png", "small/cat-2.png"]
    assert [path for path in (home / "state").rglob("*") if path.is_file() and "ledger.db" not in path.name] == []


@pytest.mark.parametrize("full", [("state",), ("state", "tmp"), ("state", "tmp", "home")])
def test_a_response_is_kept_whole_where_there_is_room(imagecli, paid, home, monkeypatch, tmp_path, full, small):
    """In the state folder, then the temporary one, then the home folder, then the working folder."""
    monkeypatch.setattr("imagecli.client.response.files.spare_folders", lambda: (str(tmp_path / "home"), "."))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with (
        _mounted(tmp_path / "state", f"size={64 if 'state' in full else 999}k"),
        _mounted(tmp_path / "tmp", f"size={64 if 'tmp' in full else 999}k"),
        _mounted(tmp_path / "home", f"size={64 if 'home' in full else 999}k"),
    ):
        ran = imagecli("gen", "cat", "--base-url", paid.url, "-o", "small/cat.png", "--json")
        kept = Path(ran.json["error"]["saved_response"])
        assert (ran.code, kept.read_bytes()) == (1, response_with(DATA))
        assert kept.stat().st_mode & 0o777 == 0o600
        files = [path for path in tmp_path.rglob("*") if path.is_file() and "ledger.db" not in path.name]
        assert [path for path in files if path.stat().st_size > 9000] == [kept.absolute()], "nothing that is cut off"
        assert imagecli("recover", "-o", "there.png").paths == ["there.png"]
        assert Path("there.png").read_bytes() == DATA


def test_where_nothing_has_room_nothing_is_said_to_be_kept(imagecli, paid, monkeypatch, tmp_path, small):
    monkeypatch.setattr("imagecli.client.response.files.spare_folders", lambda: (str(small),))
    monkeypatch.setenv("TMPDIR", str(small.absolute()))
    monkeypatch.setenv("XDG_STATE_HOME", str(small.absolute()))
    monkeypatch.setenv("IMAGECLI_LEDGER", str(tmp_path / "ledger.db"))
    ran = imagecli("gen", "cat", "--base-url", paid.url, "-o", "small/cat.png", "--json")
    error = ran.json["error"]
    assert (ran.code, error["saved_response"]) == (1, None)
    assert "no folder has room" in error["message"]
    assert [path for path in small.rglob("*") if path.is_file() and path.stat().st_size > 999] == []


def test_standard_output_needs_no_disk(program, paid, small):
    _fill(small)
    ran = program(
        *("gen", "cat", "--base-url", paid.url, "-o", "-"),
        env=dict.fromkeys(("TMPDIR", "XDG_STATE_HOME"), str(small.absolute())),
    )
    assert (ran.code, ran.raw) == (0, DATA)
    assert "has room for a response" in ran.err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_into_a_disk_that_is_too_small(paid, small, unbuffered):
    line = command("gen", "cat", "--base-url", paid.url, "-o", "-")
    with (small / "cat.png").open("wb") as out:
        done = subprocess.run(
            line, stdout=out, stderr=subprocess.PIPE, env=environment(PYTHONUNBUFFERED=unbuffered), check=False
        )
    kept = Path(done.stderr.decode().split("the response is kept in ")[1].split()[0])
    assert (done.returncode, kept.read_bytes()) == (1, response_with(DATA))
    _fill(small)
    before = len(paid.requests)
    with (small / "cat.png").open("ab") as out:
        done = subprocess.run(line, stdout=out, stderr=subprocess.PIPE, env=environment(), check=False)
    assert (done.returncode, len(paid.requests)) == (2, before)


@pytest.mark.parametrize(("most", "code"), [(2000, 2), (100_000, 1)])
def test_a_limit_on_the_size_of_files(paid, most, code):
    """`ulimit -f`: as a full disk, wherever one writes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    line = command("gen", "cat", "--base-url", paid.url, "-o", "cat.png", "-s", "512x512")
    done = subprocess.run(line, stderr=subprocess.PIPE, env=environment(), preexec_fn=limit, check=False)
    assert (done.returncode, len(paid.requests)) == (code, code % 2)
    assert b"Traceback" not in done.stderr
    assert not Path("cat.png").exists()


def test_a_working_folder_that_was_removed_in_memory(imagecli, paid):
    """A tmpfs still makes files without a name there, but gives them none."""
    with _mounted(Path("memory"), "size=1m"):
        Path("memory/gone").mkdir()
        os.chdir("memory/gone")
        Path("../gone").resolve().rmdir()
        ran = imagecli("gen", "cat", "--base-url", paid.url)
        os.chdir("/")
    assert (ran.code, paid.requests) == (2, [])


def test_a_run_without_any_folder_for_responses(program, server):
    """A container with a read-only file system, where only standard output takes anything."""
    with _mounted(Path("ro"), "size=1m"):
        subprocess.run(["mount", "-o", "remount,ro", "ro"], check=True)
        everywhere = dict.fromkeys(("TMPDIR", "XDG_STATE_HOME", "HOME"), str(Path("ro").absolute()))
        ran = program("gen", "cat", "--base-url", server.url, "-o", "-", env=everywhere)
    assert (ran.code, ran.raw) == (0, image_file(colour=(0, 90, 120)))


@pytest.mark.parametrize("unnamed", [True, False])
@pytest.mark.parametrize(
    ("failing", "force"), [("fsync", ()), ("link", ()), ("replace", ("--force",))], ids=("fsync", "link", "replace")
)
def test_an_error_at_the_end_of_writing_keeps_the_response(imagecli, paid, monkeypatch, failing, force, unnamed):
    """Network folders and quotas report only then that there is no room."""

    def fail(*_, **__):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    if failing == "link" and not unnamed:
        pytest.skip("a file system that makes no links is no error")
    with monkeypatch.context() as patched:
        if not unnamed:
            patched.setattr(os, "O_TMPFILE", _UNKNOWN, raising=False)
        patched.setattr(disk.os, failing, fail)
        ran = imagecli("gen", "cat", "--base-url", paid.url, "-o", "cat.png", "--json", *force)
    error = ran.json["error"]
    assert (ran.code, "quota" in error["message"]) == (1, True)
    assert list(Path().iterdir()) == []
    if failing != "fsync":  # which fails for the response, too
        assert Path(error["saved_response"]).read_bytes() == response_with(DATA)


def test_a_file_system_that_only_knows_files_with_names(imagecli, server, monkeypatch):
    monkeypatch.setattr(os, "O_TMPFILE", _UNKNOWN, raising=False)
    for force in ((), ("--force",)):
        assert imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png", *force).paths == ["cat.png"]
        assert [path.name for path in Path().iterdir()] == ["cat.png"]
