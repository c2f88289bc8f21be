"""Writing images: whole or not at all, through links and into devices, and never over what appeared meanwhile."""

from __future__ import annotations

import io
import os
import stat
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from support.serving import image_file, noise, response_with

OLD = b"not to be touched"


def test_force_over_a_link_to_another_file_system_and_the_old_mode(imagecli, server):
    target = Path("/dev/shm") / f"imagecli-test-{os.getpid()}.png"  # noqa: S108 - another file system
    if not target.parent.is_dir():
        pytest.skip("there is no second file system")
    target.write_bytes(b"old")
    target.chmod(0o600)
    try:
        Path("link.png").symlink_to(target)
        ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "link.png", "--force")
        assert ran.code == 0, ran.err
        assert target.stat().st_mode & 0o777 == 0o600
        assert Image.open(io.BytesIO(target.read_bytes())).size == (64, 48)
    finally:
        target.unlink()


def test_a_folder_made_for_a_run_that_fails_is_removed(imagecli, server):
    server.respond = lambda reply, _: reply.json({"error": {"message": "no", "code": "invalid_value"}}, 400)
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "new/deep/cat.png").code == 2
    assert list(Path().iterdir()) == []


def test_a_name_that_appears_in_between_is_not_overwritten(imagecli, server):
    def respond(reply, _):
        Path("cat.png").write_bytes(OLD)
        reply.send(response_with(image_file()))

    server.respond = respond
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png")
    assert (ran.code, ran.paths) == (0, ["cat-2.png"])
    assert "cat-2.png" in ran.err
    assert Path("cat.png").read_bytes() == OLD


def test_a_device_is_written_into_and_stays(imagecli, server):
    ran = imagecli("gen", "cat", "--base-url", server.url, "-o", "/dev/null")
    assert (ran.code, ran.paths) == (0, ["/dev/null"])
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_force_follows_a_link_and_keeps_it(imagecli, server):
    Path("real.png").write_bytes(OLD)
    Path("link.png").symlink_to("real.png")
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "link.png", "--force").code == 0
    assert Path("link.png").is_symlink()
    assert Path("real.png").read_bytes() != OLD


def test_nothing_half_written_is_left_behind(imagecli, server):
    server.respond = lambda reply, _: reply.send(response_with(image_file()[:-20]))
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png").code == 1
    assert list(Path().iterdir()) == []


def test_a_full_disk_keeps_the_paid_response_and_names_it(program, server, home):
    """The file system takes 100 kB a file; the image is larger, the state folder is not limited."""
    data = noise((256, 256))
    server.respond = lambda reply, _: reply.send(response_with(data))
    Path("small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", "small"], check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        ran = program("gen", "cat", "--base-url", server.url, "-o", "small/cat.png", "--json")
        error = ran.json["error"]
        assert (ran.code, error["kind"]) == (1, "failure")
        kept = Path(error["saved_response"])
        assert kept.is_relative_to(home / "state")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_bytes() == response_with(data)
        assert list(Path("small").iterdir()) == []
    finally:
        subprocess.run(["umount", "small"], check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("gen", "cat", "-n", "2", "-o", "{n}/cat.png"),  # 2 is a file
        ("gen", "cat", "-o", "new/deep/cat.png"),  # the server refuses it
        ("edit", "in.png", "--mask-rect", "0,0,100%,100%", "--mask-preview", "new/mask.png"),  # it opens everything
        ("edit", "in.png", "cat", "--mask-rect", "0,0,100%,100%", "-o", "new/cat.png"),
        ("prepare", "2", "-o", "new/cat.png"),  # not an image
    ],
)
def test_a_refused_run_leaves_no_folder_behind(imagecli, server, arguments):
    Path("2").write_bytes(OLD)
    Path("in.png").write_bytes(image_file())
    server.respond = lambda reply, _: reply.json({"error": {"message": "no"}}, 400)
    address = ("--base-url", server.url) if arguments[0] != "prepare" else ()
    assert imagecli(*arguments, *address).code == 2
    assert not [path for path in Path().iterdir() if path.name in {"new", "1"}]
