"""The man pages: what the program says, in words that man and mandoc take without a warning."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from imagecli.help.page import every_command, page_of
from support.places import ROOT

MAN = ROOT / "man"


def run(*command, **env):
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def rendered(path):
    """A page as mandoc shows it, one blank between words."""
    text = run("mandoc", "-Tascii", str(path)).stdout
    return " ".join(re.sub(r".\x08", "", text).split())


def test_the_pages_are_what_the_program_says():
    done = run(sys.executable, str(ROOT / "tools" / "man.py"), "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_page_that_is_outdated_missing_or_too_many_is_named_and_mended(tmp_path):
    for name in ("imagecli", "tools", "man"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    tool = (sys.executable, str(tmp_path / "tools" / "man.py"))
    (tmp_path / "man" / "imagecli-log.1").unlink()
    (tmp_path / "man" / "imagecli-gone.1").write_text("")
    flags = tmp_path / "imagecli" / "flags" / "others.py"
    flags.write_text(flags.read_text("utf-8").replace("The port on 127.0.0.1", "Which port"), "utf-8")

    check = run(*tool, "--check")
    assert check.returncode == 1
    assert "imagecli-gone.1, imagecli-log.1, imagecli-serve.1" in check.stderr
    assert run(*tool).returncode == run(*tool, "--check").returncode == 0
    assert "Which port" in (tmp_path / "man" / "imagecli-serve.1").read_text("utf-8")


def test_the_wheel_puts_them_and_the_completions_where_shells_and_man_look():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    places = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert places == {
        "completions/imagecli.bash": "share/bash-completion/completions/imagecli.bash",
        "completions/_imagecli": "share/zsh/site-functions/_imagecli",
        "completions/imagecli.fish": "share/fish/vendor_completions.d/imagecli.fish",
        "man": "share/man/man1",
    }
    assert all((ROOT / place).exists() for place in places)


@needs("mandoc")
def test_mandoc_finds_nothing_wrong():
    done = run("mandoc", "-Tlint", "-W", "warning", *map(str, sorted(MAN.glob("*.1"))))
    assert (done.returncode, done.stdout) == (0, "")


@needs("groff")
def test_groff_finds_nothing_wrong():
    for path in sorted(MAN.glob("*.1")):
        done = run("groff", "-man", "-ww", "-Tutf8", "-z", str(path))
        assert (done.returncode, done.stderr) == (0, ""), path


@needs("man")
def test_man_finds_a_page_by_its_name(tmp_path):
    (tmp_path / "man1").symlink_to(MAN)
    done = run("man", "-P", "cat", "imagecli-batch-run", MANPATH=str(tmp_path), MANWIDTH="80")
    if "has been minimized" in done.stdout:
        pytest.skip("man of this container shows no pages")
    assert "imagecli batch run JOBS -o DIR [FLAGS]" in done.stdout


@needs("mandoc")
@pytest.mark.parametrize("command", ["", "gen", "edit", "batch run", "config set-key"])
def test_a_page_shows_all_that_help_shows(command):
    page = page_of(command)
    text = rendered(MAN / f"imagecli{' ' * bool(command)}{command}.1".replace(" ", "-"))
    plain = [text.replace("`", "").replace("…", "...").rstrip(".") for text in (*page.text, *page.examples)]
    for row in (row for section in page.sections for row in section.rows):
        plain += [f"{row.name} {row.value}".strip(), row.text.replace("…", "...")]
        plain += row.elsewhere
    plain.append(page.usage.replace("…", "..."))
    for each in plain:
        assert " ".join(each.split()) in text


def test_every_page_is_named_by_another():
    named = {
        name for path in MAN.glob("*.1") for name in re.findall(r"^\.BR (\S+) ", path.read_text("utf-8"), re.MULTILINE)
    }
    assert {name.replace("\\-", "-") for name in named} == {
        "-".join(("imagecli", *command.split())) for command in every_command()
    }
