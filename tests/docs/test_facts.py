"""The documents say what is so: exit codes, dialects, messages, flags."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from imagecli import dialects
from imagecli.errors import ExitCode, ImagecliError
from imagecli.flags import FLAGS
from support.pages import PAGES
from support.places import ROOT

ELSEWHERE = {
    *("--python", "--resolution", "--tests"),  # uv, .ci/package.py
    "--schemafile",
    *("--value", "--force", "--upgrade"),  # pipx, uv, pip
    *("--array", "--job-name", "--time", "--requeue", "--signal"),  # Slurm
    *("--steps", "--strict"),  # the flag that CONTRIBUTING.md adds, and MkDocs'
}


def test_the_table_of_exit_codes_is_complete():
    for error in ImagecliError.__subclasses__():
        assert re.search(rf"\| {int(error.exit_code)}.*\| `{error.kind}` \|", PAGES["docs/json.md"]), error


@pytest.mark.parametrize("page", ["README.md", "docs/json.md"])
def test_every_exit_code_is_in_the_table(page):
    section = PAGES[page].partition("## Exit codes")[2].partition("\n## ")[0]
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", section, re.MULTILINE) for code in row.split(",")}
    assert codes == {int(code) for code in ExitCode}


def test_every_extra_is_explained():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    explained = re.findall(r"^\| `(\w+)` \|", PAGES["docs/install.md"], re.MULTILINE)
    assert set(explained) == set(extras) - {"test", "docs", "dev"}


def test_the_table_of_dialects_is_complete():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|(?:[^|]*\|){5}$", PAGES["docs/servers.md"], re.MULTILINE)
    assert rows == sorted(dialects.names(), key=lambda name: (name != "openai", name))


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_every_flag_that_a_page_names_exists(page):
    spellings = {spelling for flag in FLAGS for names in flag.spellings for spelling in names.split("/")}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", PAGES[page]))
    assert named - spellings - {"--help", "--version"} <= ELSEWHERE


def test_every_message_that_is_explained_is_one_of_the_programs():
    messages = re.findall(r"^\| `(.*?)`", PAGES["docs/troubleshooting.md"], re.MULTILINE)
    assert len(messages) > 5
    texts = [text for path in (ROOT / "imagecli").rglob("*.py") for text in _texts(path)]
    for message in messages:
        for part in re.split(r"…|\bopenai\b|\bsize\b", message):  # filled in as the program runs
            assert any(part.strip() in text for text in texts), message


def _texts(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
