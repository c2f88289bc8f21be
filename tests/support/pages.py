"""The documents, and what they say in fences: examples to run, files, and what a terminal shows."""

from __future__ import annotations

import os
import re
import subprocess

from support.places import ROOT
from support.running import HANGS_S

BASH = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")
"""As GitHub starts it for a step."""
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
}
"""Every document by its path."""
_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^>]*) -->\n)?^ *```(?P<language>\w+)(?: title=(?P<quote>[\"'])(?P<title>.*?)(?P=quote))?\n"
    r"(?P<body>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


def examples(page: str) -> list[tuple[str, str]]:
    """Return the language and the text of each fence, but of those that are marked as not to be run."""
    return [
        (fence["language"], fence["body"])
        for fence in _FENCE.finditer(PAGES[page])
        if not (fence["mark"] or "").startswith(("not run:", "the test command", "the run command"))
    ]


def fences(page: str, language: str) -> list[str]:
    """Return those of one language."""
    return [text for each, text in examples(page) if each == language]


def files(page: str) -> dict[str, str]:
    """Return the files that a page shows, by the titles of their fences."""
    return {fence["title"]: fence["body"] for fence in _FENCE.finditer(PAGES[page]) if fence["title"]}


def marked(page: str, mark: str) -> str:
    """Return the fenced text behind <!-- mark -->."""
    return next(fence["body"] for fence in _FENCE.finditer(PAGES[page]) if fence["mark"] == mark)


def typed(console: str) -> list[tuple[str, str]]:
    """Return the commands of what a terminal shows, each with what it prints."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", console, re.MULTILINE)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program with more in its environment."""
    return subprocess.run(
        words,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
