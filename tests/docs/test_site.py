"""The documents are a site: all of them are in it, and it is built without a warning."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest
import yaml

from support.pages import PAGES
from support.places import ROOT

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def _pages(nav):
    for entry in nav:
        for inside in entry.values() if isinstance(entry, dict) else (entry,):
            yield from _pages(inside) if isinstance(inside, list) else (inside,)


def test_every_document_is_in_the_nav_of_mkdocs_yml():
    """Those of the top folder are there in lower case, or under another name (tools/site/hooks.py)."""
    otherwise = {"README.md": "index.md", "SECURITY.md": "reporting.md"}
    beside = {page: otherwise.get(page, page.lower()) for page in PAGES if "/" not in page}
    assert set(_pages(CONFIG["nav"])) == {beside.get(page, page.removeprefix("docs/")) for page in PAGES}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, and what was said while it was built."""
    if not importlib.util.find_spec("material"):
        pytest.skip("mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return folder, done


def test_it_is_built_without_a_warning(site):
    _, done = site
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_of_markdown_is_left_over(site):
    """Fences, lists and tables are where Python-Markdown sees them, which is stricter than GitHub."""
    folder, _ = site
    for path in folder.rglob("*.html"):
        text = re.sub(r"<(pre|code|script|style)\b.*?</\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert re.findall(r"```|^\s*(?:<p>)?(?:- |\d+\. |\|).*$|\]\(", text, re.MULTILINE) == [], path.name


def test_what_it_shows_is_in_it(site):
    folder, _ = site
    for path in folder.rglob("*.html"):
        for link in re.findall(r'(?:src|href)="([^"#?]+)', path.read_text("utf-8")):
            if not re.match(r"https?:|mailto:|data:|/", link):
                assert (path.parent / link).exists(), (path.name, link)
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', path.read_text("utf-8"))
