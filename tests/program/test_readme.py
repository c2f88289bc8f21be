"""README.md: short, and its commands work."""

from __future__ import annotations

import re

from imagecli import __version__
from support.pages import PAGES, marked


def test_it_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 250


def test_the_run_command_makes_an_image(imagecli):
    command = marked("README.md", "the run command")
    assert "--profile sandbox" in command
    arguments = re.search(r'imagecli gen "(.*?)" (.*)', command)
    ran = imagecli("gen", arguments[1], *arguments[2].split())
    assert (ran.code, ran.out) == (0, "fox.png\n")


def test_the_changelog_has_this_version():
    assert f"\n## [{__version__}] - " in PAGES["CHANGELOG.md"]
