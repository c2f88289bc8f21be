"""Standard output that is closed, full or a terminal: files, exit code and what was paid for stay."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from support.running import HANGS_S, command, environment, start
from support.serving import b64, noise, response_with


def _shell(line):
    """Run a command line in bash, in which `imagecli` is the program."""
    function = f'imagecli() {{ {shlex.join(command())} "$@"; }}'
    return subprocess.run(
        ["bash", "-c", f"{function}; {line}"],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        check=False,
        timeout=HANGS_S,
    )


@pytest.mark.parametrize("command", ["gen --help | true", "--help | true", "config get -h | true"])
def test_help_into_a_closed_pipe_does_no_harm(command):
    done = _shell(f"imagecli {command}; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("command", ["--version", "--help", "gen --help", "config", "config path"])
def test_text_for_a_full_disk_is_exit_1(command):
    done = _shell(f"imagecli {command} > /dev/full")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("imagecli: error: standard output could not be written: No space left on device\n")


@pytest.mark.parametrize("flag", ["", " --json"])
def test_a_full_stdout_does_not_hide_an_early_usage_error(flag):
    done = _shell(f"imagecli gen cat --sise 4{flag} > /dev/full")
    assert done.returncode == 2
    assert "Did you mean --size?" in done.stderr


@pytest.mark.parametrize("output", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_other_names_of_stdout_are_stdout(server, output):
    """A file behind it is written into, from where the shell has it, and the path does not follow the image."""
    line = f"imagecli gen cat --base-url {server.url} -o"
    done = _shell(f"{line} {output} > one.png && {line} {output} >> one.png && {line} - > other.png")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert Path("one.png").read_bytes() == Path("other.png").read_bytes() * 2


def test_an_open_descriptor_is_written_into(server):
    done = _shell(f"imagecli gen cat --base-url {server.url} -o /dev/fd/3 3> one.png")
    assert (done.returncode, done.stdout) == (0, "/dev/fd/3\n"), done.stderr
    assert Path("one.png").read_bytes().startswith(b"\x89PNG")
    sent = len(server.requests)
    for more in ("-o /dev/fd/3", "-o /dev/fd/0", "-n 2 -o /dev/null"):
        done = _shell(f"imagecli gen cat --base-url {server.url} {more} < /dev/null")
        assert done.returncode == 2, done.stderr
    assert len(server.requests) == sent


def test_a_full_stdout_does_not_hide_the_runs_own_error(server):
    server.respond = lambda reply, _: reply.reset()
    with (
        open("/dev/full", "w", encoding="utf-8") as full,
        start("gen", "cat", "--base-url", server.url, "--json", stdout=full) as process,
    ):
        _, err = process.communicate(timeout=HANGS_S)
    assert process.returncode == 8
    assert "billed" in err


@pytest.mark.parametrize("reader", ["true", "head -c 4", "no-such-program-anywhere"])
def test_an_image_whose_reader_is_gone_is_kept(server, reader):
    """A stdout that is closed early does not change the exit code, and an image that was paid for is not lost."""
    large = noise((600, 600))
    server.respond = lambda reply, _: reply.send(response_with(large))
    done = _shell(f"imagecli gen cat --base-url {server.url} -o - | {reader}; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.endswith("0\n")
    kept = Path(done.stderr.split("the response is kept in ")[1].split()[0])
    assert json.loads(kept.read_bytes())["data"][0]["b64_json"] == b64(large)


def test_raw_bytes_do_not_go_to_a_terminal(server):
    import pty

    master, terminal = pty.openpty()
    with start("gen", "cat", "--base-url", server.url, "-o", "-", stdout=terminal) as process:
        _, err = process.communicate(timeout=HANGS_S)
    os.close(terminal)
    os.close(master)
    assert (process.returncode, server.requests) == (2, [])
    assert "terminal" in err


@pytest.mark.parametrize("closed", ["| head -0", ">&-", "| head -1 >/dev/null"])
def test_a_closed_stdout_changes_neither_files_nor_code(server, closed):
    done = _shell(
        f"set -o pipefail; imagecli gen cat --base-url {server.url} -n 3 -o cat.png {closed}; echo code $? >&2"
    )
    assert done.stderr.splitlines()[-1] == "code 0", done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert len(list(Path().glob("cat-*.png"))) == 3
