"""Names, collisions and folders: settled before anything is sent, and nothing is overwritten unasked."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving import images, picture

OLD = b"not to be touched"


def test_one_image_keeps_its_name_several_are_numbered(imagecli, server):
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "a/b/cat.png").paths == ["a/b/cat.png"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "x.png", "-n", "2").paths == ["x-1.png", "x-2.png"]
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "bare", "-n", "2").paths == ["bare-1", "bare-2"]
    assert stat.S_IMODE(os.stat("x-1.png").st_mode) == 0o666 & ~_umask()


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
    assert Path("cat.png").read_bytes() == picture(colour=(0, 90, 120))


def test_skip_existing_sends_for_what_is_missing_and_prints_all(imagecli, server):
    Path("cat-2.png").write_bytes(picture((10, 10)))
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


def test_a_folder_made_for_a_run_that_fails_is_removed(imagecli, server):
    server.answer = lambda reply, _: reply.json({"error": {"message": "no", "code": "invalid_value"}}, 400)
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "new/deep/cat.png").code == 2
    assert list(Path().iterdir()) == []


def test_a_name_that_appears_in_between_is_not_overwritten(imagecli, server):
    def answer(reply, _):
        Path("cat.png").write_bytes(OLD)
        reply.send(images(picture()))

    server.answer = answer
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
    server.answer = lambda reply, _: reply.send(images(picture()[:-20]))
    assert imagecli("gen", "cat", "--base-url", server.url, "-o", "cat.png").code == 1
    assert list(Path().iterdir()) == []


def test_a_full_disk_keeps_the_paid_answer_and_names_it(server, home):
    """The file system takes 100 kB a file; the picture is larger, the state folder is not limited."""
    data = _noise()
    server.answer = lambda reply, _: reply.send(images(data))
    Path("small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", "small"], check=False).returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "imagecli", "gen", "cat", "--base-url", server.url, "-o", "small/cat.png", "--json"],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            check=False,
        )
        import json

        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["kind"]) == (1, "failure")
        kept = Path(error["saved_response"])
        assert kept.is_relative_to(home / "state")
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_bytes() == images(data)
        assert list(Path("small").iterdir()) == []
    finally:
        subprocess.run(["umount", "small"], check=True)


def _noise() -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.frombytes("RGB", (256, 256), os.urandom(256 * 256 * 3)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("command", ["| head -0", ">&-", "| head -1 >/dev/null"])
def test_a_closed_stdout_changes_neither_files_nor_code(server, command):
    program = f"{sys.executable} -m imagecli gen cat --base-url {server.url} -n 3 -o cat.png"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} {command}; echo code $? >&2"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "code 0", done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert len(list(Path().glob("cat-*.png"))) == 3


@pytest.mark.parametrize(("number", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_an_interrupt_saves_what_had_arrived_and_names_what_was_in_flight(server, number, code):
    def answer(reply, request):
        if len(server.requests) > 1:
            time.sleep(20)
        reply.send(images(picture()))

    server.answer = answer
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "imagecli",
            "gen",
            "cat",
            "--base-url",
            server.url,
            "-m",
            "dall-e-3",
            "-n",
            "3",
            "-j",
            "1",
            "-o",
            "cat.png",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    ) as process:
        while len(server.requests) < 2:
            time.sleep(0.05)
        begun = time.monotonic()
        subprocess.run(["kill", f"-{number}", str(process.pid)], check=True)
        out, err = process.communicate(timeout=10)
    assert time.monotonic() - begun < 5
    assert (process.returncode, out) == (code, "cat-1.png\n")
    assert "billed" in err
    assert "Traceback" not in err
    assert Path("cat-1.png").is_file()
