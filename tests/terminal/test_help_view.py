"""Help on stdout: what a terminal shows, what goes into a pipe, and where neither can take it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support import pseudo_terminal
from support.pseudo_terminal import environment
from support.running import run_process

HELP = "from imagecli.__main__ import main; sys.exit(main(sys.argv[1:]))"


def shown(*words, env=None, columns=80):
    """What `imagecli` writes to a terminal."""
    session = pseudo_terminal.run(HELP, words, env=env, window=(200, columns, 0, 0), streams="stdin stdout stderr")
    assert session.code == 0
    return session.text.replace("\r\n", "\n")


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("words", [(), ("gen",), ("batch",), ("batch", "run"), ("help",), ("config", "set-key")])
def test_help_and_the_command_help_and_h_show_the_same(imagecli, words):
    page = imagecli(*words, "--help")
    assert (page.code, page.err) == (0, "")
    assert imagecli("help", *words).out == imagecli(*words, "-h").out == page.out
    assert page.out.splitlines()[2].startswith(" ".join(("Usage: imagecli", *words)))


def test_a_terminal_shows_the_lines_of_a_pipe_in_colour(imagecli):
    text = shown("edit", "--help")
    assert plain(text) == imagecli("edit", "--help").out
    assert "\x1b[1;32mWhat\x1b[0m" in text
    assert "\x1b[1;36m--mask\x1b[0m \x1b[36mFILE\x1b[0m" in text
    assert shown("help", "edit") == text


def test_no_color_leaves_no_colour(imagecli):
    text = shown("gen", "-h", env={"NO_COLOR": "1"})
    assert plain(text) == imagecli("gen", "-h").out
    assert not re.search(r"\x1b\[[\d;]*3\d", text)


def test_a_dumb_terminal_gets_plain_text(imagecli):
    assert shown("gen", "-h", env={"TERM": "dumb"}) == imagecli("gen", "-h").out


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_it_is_as_wide_as_the_window(columns):
    lines = plain(shown("log", "-h", columns=columns)).splitlines()
    assert max(map(len, lines[:3])) <= columns
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("columns", ["1", "0", "x", "-5", "99999999999999999999"])
def test_a_mad_width_is_no_matter(imagecli, columns):
    ran = imagecli("gen", "-h", env={"COLUMNS": columns})
    assert ran.code == 0
    assert "Replace" in ran.out


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "latin-1"}])
def test_without_unicode_it_is_ascii(env):
    ran = run_process("help", "show", env=env)
    assert (ran.code, ran.err) == (0, "")
    assert ran.raw.isascii()
    assert "@1, @2 ..." in ran.out
    assert b"?" not in ran.raw
    assert shown("help", "show", env=env).isascii()


def test_all_that_helps_say_has_a_spelling_in_ascii():
    from imagecli.help.page import every_command, page_of
    from imagecli.terminal.help_view import ascii_text

    for command in every_command():
        text = str(page_of(command))
        assert ascii_text(text).count("?") == text.count("?"), command


@pytest.mark.parametrize("line", ["--help", "help gen", "gen --help", ""])
def test_a_pipe_costs_no_rich(line):
    code = f"import sys\nfrom imagecli.__main__ import main\nmain({line.split()!r})\nsys.exit('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"Make")


@pytest.mark.parametrize("tail", ["| head -1", ">&-", "| true"])
def test_nobody_has_to_read_it(tail):
    line = f"set -o pipefail; {sys.executable} -m imagecli help edit {tail}"
    done = subprocess.run(["bash", "-c", line], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
