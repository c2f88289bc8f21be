"""Tables on stdout."""

from __future__ import annotations

from imagecli.terminal.log_table import LogLine, log_table, sum_table
from imagecli.terminal.sheet import Sheet, aligned

ROWS = [("name", "a fox"), ("sources", "one, two, three, four, five, six, seven, eight"), ("", "猫"), ("last", "")]


def test_off_a_terminal_lines_are_whole_and_plain():
    assert aligned(ROWS).splitlines() == [
        "name     a fox",
        "sources  one, two, three, four, five, six, seven, eight",
        "         猫",
        "last",
    ]


def test_in_a_terminal_the_last_cell_is_wrapped_below_itself():
    assert aligned(ROWS, Sheet(30)).splitlines() == [
        "name     a fox",
        "sources  one, two, three,",
        "         four, five, six,",
        "         seven, eight",
        "         猫",
        "last",
    ]


def test_labels_stand_back_where_there_is_colour():
    assert aligned(ROWS[:1], Sheet(30, coloured=True)) == "\x1b[2mname\x1b[0m  a fox"


def test_the_log_has_a_head_and_shows_states_in_colour():
    lines = [
        LogLine("@1", "11-29 10:00", "$0.040", "m", "64x48", "fox.png", "a fox"),
        LogLine("-", "11-29 10:00", "-", "m", "64x48", "(failed: 3)", "no"),
    ]
    head, first, second = log_table(lines, Sheet(80)).splitlines()
    assert head.split() == ["WHEN", "COST", "MODEL", "SIZE", "PATH", "PROMPT"]
    assert head.index("PATH") == first.index("fox.png") == second.index("(failed")
    assert "\x1b[31m(failed: 3)" in log_table(lines, Sheet(80, coloured=True))
    assert log_table(lines, Sheet()).splitlines() == ["\t".join(line) for line in lines]


def test_sums_have_their_total_in_bold():
    rows = [("m", 1, "0.1"), ("total", 1_234, "0.1")]
    assert sum_table(("model", "images", "USD"), rows, Sheet(80)).splitlines() == [
        "model  images  USD",
        "m           1  0.1",
        "total   1,234  0.1",
    ]
    assert sum_table(("model", "images", "USD"), rows, Sheet(80, coloured=True)).count("\x1b[1m") == 2
