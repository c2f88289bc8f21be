"""Private files are whole, and the user's alone."""

import errno
import os

import pytest

from imagecli.disk import replace_privately


@pytest.fixture(params=["without a name", "with one"])
def path(request, monkeypatch, tmp_path):
    """Where files have no name until they are whole, and where systems have no such files."""
    if request.param == "with one":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "keys.toml"


def test_a_private_file_is_the_users_alone_whatever_was_there(path):
    replace_privately(path, b"old")
    path.chmod(0o644)
    replace_privately(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777, os.listdir(path.parent)) == (b"new", 0o600, ["keys.toml"])


def test_a_private_file_that_has_no_room_leaves_what_was_there(path, monkeypatch):
    path.write_bytes(b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_privately(path, b"new")
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"old", ["keys.toml"])
