"""The README: its help, tables, messages and examples are the program's."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imagecli import __version__
from imagecli.errors import ExitCode, ImagecliError
from imagecli.flags import FLAGS
from support.places import ROOT

TEXT = (ROOT / "README.md").read_text("utf-8")


def _block(mark, language):
    return re.search(rf"<!-- {mark} -->\n```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_help_the_flags_and_the_magic_prompts_are_the_programs():
    done = subprocess.run([sys.executable, ROOT / "tools" / "readme.py", "--check"], check=False)
    assert done.returncode == 0, "run python tools/readme.py"


def test_the_table_of_exit_codes_is_complete():
    for error in ImagecliError.__subclasses__():
        assert re.search(rf"\| {int(error.exit_code)}.*\| `{error.kind}` \|", TEXT), error
    assert all(str(int(code)) in TEXT for code in ExitCode)


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.built_in is not None], ids=lambda flag: flag.name)
def test_a_built_in_value_is_in_the_help_and_so_in_the_table(flag):
    default = {False: "off"}.get(flag.built_in, f"{flag.built_in:g}" if flag.type is float else str(flag.built_in))
    assert f" [{default}]" in flag.help


def test_every_flag_that_the_text_names_exists():
    spellings = {spelling for flag in FLAGS for names in flag.spellings for spelling in names.split("/")}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", TEXT)) <= spellings | {
        "--help",
        "--version",
        "--value",
    }  # the last is pipx's


def test_every_message_that_it_explains_is_one_of_the_programs():
    section = TEXT[TEXT.index("## Troubleshooting") : TEXT.index("## Help")]
    messages = re.findall(r"^\| `(.*?)`", section, re.MULTILINE)
    assert len(messages) > 5
    texts = [text for path in (ROOT / "imagecli").rglob("*.py") for text in _texts(path)]
    for message in messages:
        for part in re.split(r"…|\bopenai\b|\bsize\b", message):  # filled in as the program runs
            assert any(part.strip() in text for text in texts), message


def _texts(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_the_python_example_runs(capsys):
    exec(compile(_block("a Python example", "python"), "README.md", "exec"), {})  # noqa: S102 - what users will paste
    assert capsys.readouterr().out.splitlines()[1:] == [
        *("1 png True", "2 png True"),
        *("PartialImage png", "PartialImage png", "Image png"),
    ]


def test_the_table_of_dialects_is_complete():
    from imagecli import dialects

    assert re.findall(r"^\| `([a-z0-9-]+)` \|(?:[^|]*\|){5}$", TEXT, re.MULTILINE) == sorted(
        dialects.names(), key=lambda name: (name != "openai", name)
    )


def test_the_run_command_makes_an_image(imagecli):
    command = _block("the run command", "sh")
    assert "--profile sandbox" in command
    arguments = re.search(r'imagecli gen "(.*?)" (.*)', command)
    ran = imagecli("gen", arguments[1], *arguments[2].split())
    assert (ran.code, ran.out) == (0, "fox.png\n")


@pytest.mark.parametrize("command", ["gen", "edit", "vary", "prepare", "models"])
@pytest.mark.usefixtures("tools")
def test_the_examples_of_the_help_work_as_pasted(command):
    """Those for the sandbox, or with it in the place of a server that costs money."""
    from PIL import Image

    image = Image.linear_gradient("L").convert("RGB")
    for name in ("photo.jpg", "lounge.png"):
        image.save(name)
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (0, 0, 80, 80))
    mask.save("mask.png")
    Path("list.txt").write_text("one cat\ntwo cats")
    examples = re.search(rf"Usage: imagecli {command} .*?Examples:\n(.*?)\n\n", TEXT, re.DOTALL)[1]
    lines = [line.strip().replace("--base-url http://127.0.0.1:8765/v1 ", "") for line in examples.splitlines()]
    assert len(lines) >= 2
    for line in lines:
        done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
    assert command != "gen" or len(list(Path("out").iterdir())) == 2  # the last line of a file may have no newline


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """The program by its name, on the sandbox, and a curl that has a photo."""
    (tmp_path / "imagecli").write_text(f'#!/bin/sh\nexec {sys.executable} -m imagecli "$@"\n')
    (tmp_path / "curl").write_text("#!/bin/sh\ncat photo.jpg\n")
    for tool in ("imagecli", "curl"):
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IMAGECLI_PROFILE", "sandbox")


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("prompt", "code", "said"), [("a fox", 0, ""), ("sandbox:moderation", 3, "change the prompt\n")]
)
def test_the_ci_step_decides_by_the_exit_code_under_bash_e(prompt, code, said):
    step = re.search(r"# CI, where a step runs under bash -e.*?\n(.*?)```", TEXT, re.DOTALL)[1]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
        env={**os.environ, "PROMPT": prompt},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, said)


@pytest.mark.usefixtures("tools")
def test_only_missing_images_are_asked_for_again():
    line = re.search(r"# the missing ones.*?\n(.*?)\n", TEXT)[1].replace("-n 4", "-n 2")
    done = subprocess.run(
        ["bash", "-c", line.replace("a paper boat", "sandbox:fewer")], check=False, capture_output=True
    )
    assert done.stdout.split() == [b"boat-1.png"] * 2  # the second run found it, and asked for the other
    done = subprocess.run(
        ["bash", "-c", line.replace("a paper boat", "sandbox:drop")], check=False, capture_output=True
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"error") == 1  # what may have been billed is not asked for again


def test_the_changelog_has_this_version():
    assert f"\n## [{__version__}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")
