"""A command's page: what it says, and that its examples work as they are pasted."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from imagecli import flags
from imagecli.flags.arguments import ARGUMENTS
from imagecli.flags.row import GROUPS
from imagecli.help.page import below, every_command, page_of
from support.places import ROOT

COMMANDS = list(every_command())
OF_A_LINE = 63
"""What a summary may have to stand on a line of 80 columns in the list of the commands."""
NEED = {
    "imagecli serve": "a port, until Ctrl-C",
    "imagecli serve --port 0": "the same",
    'imagecli gen "a red fox" --base-url http://127.0.0.1:8765/v1 -o fox.png': "the server of the example before it",
    "imagecli batch status batch_6a51f0c2": "a batch of that id",
    "imagecli batch fetch batch_6a51f0c2": "the same",
    "imagecli batch cancel batch_6a51f0c2": "the same",
    "imagecli batch fetch out/": "a batch that was submitted",
    "imagecli show @1 --prompt": "an image in the ledger, in which those of the sandbox are not",
    "imagecli config set-key": "a terminal",
    "imagecli batch submit prompts.txt -o out/ -m gpt-image-2 -q low": "a provider",
    "imagecli batch submit jobs.jsonl -o out/ --max-cost 20": "the same",
    "imagecli batch submit jobs.jsonl -o out/ --dry-run": "the same",
    'du -sh "$(imagecli cache path)"': "a cache",
    "imagecli config check --json": "a key",
    "man imagecli-edit": "man",
}
"""The examples that need more than the files of a test, and what."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_has_two_to_four_examples_and_each_flag_and_argument_once(command):
    page = page_of(command)
    assert 2 <= len(page.examples) <= 4
    assert page.summary.endswith((".", "?"))
    assert not command or len(page.summary) <= OF_A_LINE
    assert max(map(len, page.examples)) <= 78
    rows = [row for section in page.sections for row in section.rows]
    assert max(Counter(row.name for row in rows).values()) == 1
    if not below(command):
        shown = {row.name.replace("[no-]", "") for row in rows}
        arguments = {each.metavar for each in ARGUMENTS if command in each.commands}
        assert shown == {flag.flag for flag in flags.flags_of(command)} | arguments | {"--help"}
        titles = [section.title for section in page.sections if section.title != "Arguments"]
        assert titles == ([group for group in GROUPS if group in titles] or ["Flags"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_command_below(command, imagecli):
    shown = imagecli(*command.split(), "--help").out
    for each in below(command):
        assert f"\n  {each.removeprefix(command).strip()} " in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_work_as_pasted(command, imagecli, monkeypatch, files):
    """With the sandbox in the place of a server that costs money; in this process where no shell is needed."""
    monkeypatch.setenv("IMAGECLI_PROFILE", "sandbox")
    for example in page_of(command).examples:
        if example in NEED:
            continue
        words = shlex.split(example)
        if words[0] == "imagecli" and not {"|", "||", "&&", "<", ">"} & set(words) and "*" not in example:
            ran = imagecli(*words[1:])
            assert ran.code == 0, (example, ran.err)
        else:
            done = subprocess.run(["bash", "-c", example], env=files, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (example, done.stderr)


def test_the_examples_that_need_more_are_of_some_page():
    assert NEED.keys() <= {example for command in COMMANDS for example in page_of(command).examples}


@pytest.fixture
def files(tmp_path):
    """What the examples name; returns an environment in which the program is found by its name."""
    image = Image.linear_gradient("L").convert("RGB")
    Path("looks").mkdir()
    for name in ("photo.jpg", "cat.png", "looks/one.png"):
        image.save(name)
    Path("prompt.txt").write_text("a paper boat")
    Path("prompts.txt").write_text("one cat\ntwo cats\n")
    Path("animals.csv").write_text("colour,animal\nred,fox\n")
    Path("jobs.jsonl").write_text('{"prompt": "a fox"}\n')
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in {"imagecli": f'exec {sys.executable} -m imagecli "$@"', "jq": "cat"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "EDITOR": "true", "MY_KEY": "k"}
