"""A page as lines: wrapped at words at any width, and never cut."""

from __future__ import annotations

import pytest

from imagecli.help.layout import lines_of
from imagecli.help.page import Page, Row, Section, every_command, page_of

PAGE = Page(
    "gen",
    "Make images from text.",
    "imagecli gen PROMPT [FLAGS]",
    ('imagecli gen "a fox, a very long way to the north" -o fox.png',),
    ("A paragraph that is longer than a line.",),
    (
        Section("Arguments", (Row("PROMPT", "What to show."),)),
        Section(
            "What to make",
            (
                Row("--size", "WxH or auto [the server's own choice].", "-s", "SIZE"),
                Row("--a-flag-that-is-longer-than-most", "As -s, but see --size.", "", "VALUE"),
            ),
        ),
    ),
)


def shown(page, columns):
    return ["".join(span.text for span in line).rstrip() for line in lines_of(page, columns)]


def test_a_wide_page_has_its_texts_in_a_column():
    assert shown(PAGE, 80) == [
        "Make images from text.",
        "",
        "Usage: imagecli gen PROMPT [FLAGS]",
        "",
        "Examples:",
        '  imagecli gen "a fox, a very long way to the north" -o fox.png',
        "",
        "A paragraph that is longer than a line.",
        "",
        "Arguments:",
        "  PROMPT                        What to show.",
        "",
        "What to make:",
        "  -s, --size SIZE               WxH or auto [the server's own choice].",
        "      --a-flag-that-is-longer-than-most VALUE",
        "                                As -s, but see --size.",
    ]


def test_a_narrow_page_has_its_texts_below_their_flags():
    assert shown(PAGE, 20) == [
        "Make images from",
        "text.",
        "",
        "Usage: imagecli gen",
        "       PROMPT",
        "       [FLAGS]",
        "",
        "Examples:",
        '  imagecli gen "a fox, a very long way to the north" -o fox.png',
        "",
        "A paragraph that is",
        "longer than a line.",
        "",
        "Arguments:",
        "PROMPT",
        "  What to show.",
        "",
        "What to make:",
        "-s, --size SIZE",
        "  WxH or auto [the",
        "  server's own",
        "  choice].",
        "--a-flag-that-is-longer-than-most VALUE",
        "  As -s, but see",
        "  --size.",
    ]


@pytest.mark.parametrize("columns", [1, 20, 50, 80, 100, 120])
@pytest.mark.parametrize("command", ["", "edit", "batch run", "serve"])
def test_no_word_is_lost_or_cut_and_only_what_is_pasted_is_wider(command, columns):
    page = page_of(command)
    lines = shown(page, columns)
    texts = [page.summary, *page.text, *(row.text for section in page.sections for row in section.rows)]
    words = " ".join(lines).split()
    assert all(word in words for text in texts for word in text.split())
    for line in lines:
        whole = line.strip() in page.examples or line.startswith("-") or len(line.split()) == 1
        assert whole or len(line) <= min(max(columns, 20), 100)


def test_flags_values_and_defaults_have_roles():
    line = next(line for line in lines_of(PAGE, 80) if any(span.text == "--size" for span in line))
    roles = {span.text: span.role for span in line}
    assert roles["-s"] == roles["--size"] == "name"
    assert roles["SIZE"] == "value"
    assert roles["WxH"] == "text"
    assert roles["[the"] == roles["choice]."] == "note"


def test_every_page_can_be_laid_out():
    for command in every_command():
        assert shown(page_of(command), 80)
