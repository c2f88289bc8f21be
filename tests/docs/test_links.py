"""Every link of the documents leads somewhere: to a file, and to a heading as GitHub and MkDocs name it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from support.pages import PAGES
from support.places import ROOT

_FENCED = re.compile(r"^ *```.*?^ *```$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def _prose(page):
    return _FENCED.sub("", PAGES[page])


def _headings(page):
    return [
        re.sub(r"[`*]|\[(.*?)\]\(.*?\)", r"\1", text) for text in re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    ]


def _on_github(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _on_the_site(heading):
    """As Python-Markdown's slugify."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def _links(page):
    return _LINK.findall(_CODE.sub("", _prose(page)))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page):
    for link in _links(page):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            slugs = [(_on_github(each), _on_the_site(each)) for each in _headings(str(_inside(target)))]
            assert (anchor, anchor) in slugs, link


def _inside(target):
    return target.resolve().relative_to(ROOT)


@pytest.mark.parametrize("page", PAGES)
def test_no_two_headings_of_a_page_have_one_name(page):
    if page != "CHANGELOG.md":  # each version has an "Added"
        assert len(set(_headings(page))) == len(_headings(page))


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_no_link_leads_out_of_the_site(page):
    """Of files outside docs/ the site has those that tools/site.py takes along."""
    for link in _links(page):
        outside = PurePosixPath(link.partition("#")[0]).parts[:1] == ("..",)
        assert not outside or link.partition("#")[0].removeprefix("../") in PAGES, link


def test_every_picture_is_shown():
    shown = {PurePosixPath(link).name for page in PAGES for link in _links(page)}
    assert {path.name for path in (ROOT / "docs").rglob("*") if path.suffix in {".webp", ".png", ".svg"}} <= shown


def test_the_readme_leads_to_every_page():
    linked = {link.partition("#")[0] for link in _links("README.md")}
    assert {page for page in PAGES if page != "README.md"} <= linked
