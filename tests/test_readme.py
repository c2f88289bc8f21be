"""The README: its help, tables and examples are what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from imagecli import __version__
from imagecli.config.table import SETTINGS
from imagecli.errors import ExitCode, ImagecliError

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")


def _block(mark, language):
    return re.search(rf"<!-- {mark} -->\n```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_help_and_the_magic_prompts_are_the_programs(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run([sys.executable, ROOT / "tools" / "readme.py", "--check"], check=False)
    assert done.returncode == 0, "run python tools/readme.py"


def test_the_table_of_exit_codes_is_complete():
    for error in ImagecliError.__subclasses__():
        assert re.search(rf"\| {int(error.exit_code)}.*\| `{error.kind}` \|", TEXT), error
    assert all(str(int(code)) in TEXT for code in ExitCode)


def test_every_setting_that_may_be_configured_is_in_the_table():
    assert [setting.flag for setting in SETTINGS.values() if setting.in_file and setting.flag not in TEXT] == []


def test_the_python_example_runs(capsys):
    exec(compile(_block("a Python example", "python"), "README.md", "exec"), {})  # noqa: S102 - what users will paste
    assert capsys.readouterr().out.splitlines()[1:] == [
        *("1 png True", "2 png True"),
        *("PartialImage png", "PartialImage png", "Image png"),
    ]


def test_the_table_of_dialects_is_complete():
    from imagecli import dialects

    assert re.findall(r"^\| `([a-z-]+)` \|(?:[^|]*\|){5}$", TEXT, re.MULTILINE) == sorted(
        dialects.names(), key=lambda name: (name != "openai", name)
    )


def test_the_run_command_makes_a_picture(imagecli):
    command = _block("the run command", "sh")
    assert "--profile sandbox" in command
    arguments = re.search(r'imagecli gen "(.*?)" (.*)', command)
    ran = imagecli("gen", arguments[1], *arguments[2].split())
    assert (ran.code, ran.out) == (0, "fox.png\n")


@pytest.mark.parametrize("command", ["gen", "edit", "vary", "prepare", "models"])
def test_the_examples_of_the_help_work_as_pasted(command, tmp_path, monkeypatch):
    """Those for the sandbox, or with it in the place of a server that costs money."""
    from PIL import Image

    picture = Image.linear_gradient("L").convert("RGB")
    for name in ("photo.jpg", "lounge.png"):
        picture.save(name)
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, (0, 0, 80, 80))
    mask.save("mask.png")
    Path("prompts.txt").write_text("one cat\ntwo cats\n")
    (tmp_path / "imagecli").write_text(f'#!/bin/sh\nexec {sys.executable} -m imagecli "$@"\n')
    (tmp_path / "curl").write_text("#!/bin/sh\ncat photo.jpg\n")
    for tool in ("imagecli", "curl"):
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IMAGECLI_PROFILE", "sandbox")
    examples = re.search(rf"Usage: imagecli {command} .*?Examples:\n(.*?)\n\n", TEXT, re.DOTALL)[1]
    lines = [line.strip().replace("--base-url http://127.0.0.1:8765/v1 ", "") for line in examples.splitlines()]
    assert len(lines) >= 2
    for line in lines:
        done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)


def test_the_changelog_has_this_version():
    assert f"\n## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
