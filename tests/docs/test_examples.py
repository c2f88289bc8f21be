"""What the documents show is what the program does: each command runs, and prints what stands below it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from support.pages import BASH, PAGES, examples, files, run, typed

RUN = [page for page in PAGES if page not in {"CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md"}]
"""The pages for users; test_contributing.py has those for contributors."""
PHOTOS = ("photo.jpg", "room.jpg", "cat.jpg", "vase.png", "coffee.png", "chelsea.png", "rocket.jpg")
MASKS = ("floor.png", "sky.png")
PAGE = "README.md"


@pytest.fixture
def work(plain, server, monkeypatch):
    """What the pages take for granted: photos, masks, prompts, the sandbox for a server."""
    photo = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    photo.paste("#2a3c66", (300, 0, 640, 240))
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).rectangle((0, 0, 80, 80), 255)
    for names, image in ((PHOTOS, photo), (MASKS, mask)):
        for name in names:
            image.save(name)
    Path("prompts.txt").write_text("a fox\nan owl")
    Path("jobs.jsonl").write_text('{"id": "fox", "prompt": "a fox"}\n')
    monkeypatch.setenv("IMAGECLI_PROFILE", "sandbox")
    monkeypatch.setenv("OFFICE_KEY", "sk-of-the-office")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://team.openai.azure.com")


@pytest.mark.parametrize("page", RUN)
@pytest.mark.usefixtures("work")
def test_each_command_does_what_the_page_shows(page, server):
    for name, text in files(page).items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    for language, text in examples(page):
        here = re.sub(r"http://127\.0\.0\.1:\d+/v1", server.url, text)
        if language == "toml":
            check_config(here)
        if language == "sh":
            done = run(*BASH, "-c", here)
            assert done.returncode == 0, (here, done.stderr)
        for command, shown in typed(here) if language == "console" and "^C" not in here else ():
            done = run(*BASH, "-c", f"{{ {command.replace('; echo $?', ' && : || echo $?')}; }} 2>&1")
            assert _lines(done.stdout) == _lines(shown), command


def check_config(text):
    """A config file that is shown is one."""
    Path("shown.toml").write_text(text)
    Path("shown.toml").chmod(0o600)
    for profile in tomllib.loads(text).get("profiles", {"sandbox": {}}):
        done = run("imagecli", "config", "show", "-P", profile, IMAGECLI_CONFIG=str(Path("shown.toml").absolute()))
        assert (done.returncode, done.stderr) == (0, ""), text


def _lines(text):
    """Return what is printed, in no order, as jobs end in none, and however long it took."""
    return sorted(re.sub(r"\bin [\d.]+ s\b", "in 0 s", line) for line in text.splitlines())
