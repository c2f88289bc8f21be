"""The examples of the help, as docs/commands.md shows it, work as pasted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import PAGES
from support.places import ROOT


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
    examples = re.search(rf"Usage: imagecli {command} .*?Examples:\n(.*?)\n\n", PAGES["docs/commands.md"], re.DOTALL)[1]
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
