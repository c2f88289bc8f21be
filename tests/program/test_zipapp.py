"""The program packed into one file, as `python -m zipapp` makes it: nothing is read from beside the modules."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipapp

import pytest

from support.places import ROOT


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zipapp")
    shutil.copytree(ROOT / "imagecli", folder / "source" / "imagecli", ignore=shutil.ignore_patterns("__pycache__"))
    zipapp.create_archive(folder / "source", folder / "imagecli.pyz", main="imagecli.__main__:run")
    return folder / "imagecli.pyz"


@pytest.mark.parametrize(
    ("args", "printed"),
    [
        (("gen", "a cat", "-P", "sandbox", "-o", "cat.png"), "cat.png\n"),
        (("gen", "a cat", "-m", "gpt-image-2", "--dry-run", "-s", "1024x1024"), "size: 1024x1024"),
        (("models", "-P", "sandbox", "gpt-image-2"), "in: text"),
        (("serve", "--help"), "sandbox"),
    ],
)
def test_it_runs(packed, tmp_path, args, printed):
    done = subprocess.run(
        [sys.executable, packed, *args], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert printed in done.stdout
