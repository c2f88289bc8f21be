"""`imagecli log`: lines for people and pipes, documents, sums; and what a ledger may be like."""

from __future__ import annotations

import json
import os
import sqlite3
import time

import pytest

from imagecli.ledger.store import ledger_path
from imagecli.terminal.log_table import log_line, log_table
from imagecli.terminal.sheet import Sheet
from imagecli.terminal.wrapping import cells
from support.history import DONE, NOON, REQUEST, add, made

FAILED = {"state": "failed", "exit_code": 3, "cost_usd": 0.0}


def test_a_pipe_gets_a_line_an_image_whole_with_tabs(imagecli):
    made("fox.png", prompt="a fox \x1b[31min\tthe\nsnow " + "x" * 100)
    add(done=FAILED, prompt="no")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(NOON))
    ran = imagecli("log")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["-", when, "$0", "gpt-image-2", "64x48", "(failed: 3)", "no"],
        ["@1", when, "$0.040", "gpt-image-2", "64x48", os.path.abspath("fox.png"), f"a fox in the snow {'x' * 100}"],
    ]


def test_of_several_images_each_has_its_share_of_the_cost():
    request = REQUEST | DONE | {"images": 4, "cost_source": "estimate"}
    assert log_line(request, None, None, brief=True).cost == "~$0.010"


@pytest.mark.parametrize("columns", [20, 60, 80, 132])
def test_a_terminal_s_lines_fit_into_it(columns):
    request = REQUEST | DONE | {"model": "gpt-image-2.5-flare", "prompt": "狐狸在雪地里 " * 30, "images": 1}
    image = {"path": "/srv/pictures/of/the/whole/team/" + "狐" * 30 + ".png", "width": 1024, "height": 1536}
    lines = log_table([log_line(request, image, 12, brief=True)] * 2, Sheet(columns)).splitlines()
    assert {cells(line) <= columns for line in lines} == {True}
    assert "…" in lines[1]
    if columns >= 60:
        assert "狐.png" in lines[1]
        assert "1024x1536" in lines[1]


@pytest.mark.parametrize("more", [(), ("--sum", "day")])
@pytest.mark.parametrize(("flag", "typed", "meant"), [("-m", "gpt-imge-2", "gpt-image-2"), ("-P", "opnai", "openai")])
def test_a_filter_that_is_misspelt_names_what_the_ledger_has(imagecli, more, flag, typed, meant):
    made("fox.png")
    ran = imagecli("log", flag, typed, *more)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith(f"there is nothing of that kind in the ledger; did you mean {meant}?\n")
    assert "did you mean" not in imagecli("log", flag, meant, "--state", "failed", *more).err


def test_documents_and_filters(imagecli):
    made("a.png", at=time.time() - 3 * 86_400, profile="office")
    made("b.png", b"not the same", model="m", at=time.time())
    lines = [json.loads(line) for line in imagecli("log", "--json").out.splitlines()]
    assert [(each["number"], os.path.basename(each["image"]["path"])) for each in lines] == [(1, "b.png"), (2, "a.png")]
    assert lines[1]["request"]["options"] == {"size": "1024x1024", "model": "gpt-image-2"}
    for flags, numbers in {
        ("--since", "2d"): [1],
        ("--since", "1w"): [1, 2],
        ("--since", "2026-01-01"): [1, 2],
        ("--model", "m"): [1],
        ("--profile", "office"): [2],
        ("--state", "failed"): [],
        ("-n", "1"): [1],
    }.items():
        found = imagecli("log", "--json", *flags).out.splitlines()
        assert [json.loads(line)["number"] for line in found] == numbers, flags


def test_neither_the_environment_nor_a_broken_config_file_plays_a_part(imagecli, home):
    made("a.png")
    (home / "config.toml").write_text("[[[")
    ran = imagecli("log", env={"IMAGECLI_PROFILE": "other", "IMAGECLI_CONFIG": str(home / "config.toml")})
    assert ran.out.startswith("@1\t")


def test_sums(imagecli):
    made("a.png", model="m")
    add(done=FAILED)
    add(done=DONE | {"cost_usd": None})
    ran = imagecli("log", "--sum", "model")
    assert ran.out == "m\t1\t1\t0\t0\t7\t0.040\ngpt-image-2\t2\t0\t1\t0\t7\t0.000\n"
    assert "the cost of 1 request is not known" in ran.err
    assert imagecli("log", "--sum", "month", "--json").json["of"] == "2026-01"
    assert len(imagecli("log", "--sum", "model", "-n", "1").paths) == 1


def test_without_a_ledger_it_says_so_and_makes_none(imagecli):
    for more in ((), ("--json",), ("--sum", "day")):
        ran = imagecli("log", *more)
        assert (ran.code, ran.out) == (0, "")
        assert "there is nothing in the ledger yet" in ran.err
    assert not os.path.exists(ledger_path(os.environ))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--since", "soon"), "--since 'soon' is neither a span of time nor a date"),
        (("--state", "lost"), "--state must be one of done, failed, unknown, sent, not 'lost'"),
        (("--sum", "week"), "--sum must be one of day, month, model, profile, not 'week'"),
        (("-n", "0"), "--count must be a whole number from 1"),
    ],
)
def test_a_value_that_it_does_not_take_is_exit_2(line, message, imagecli):
    ran = imagecli("log", *line)
    assert ran.code == 2
    assert message in ran.err


def _broken(path):
    with open(path, "r+b") as file:
        file.write(b"\0" * 3000)


def _newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9")


@pytest.mark.parametrize(("spoil", "reason"), [(_broken, "it is not a database"), (_newer, "it is of version 9")])
def test_a_ledger_that_can_t_be_read_is_one_clear_error(spoil, reason, imagecli):
    made("a.png")
    spoil(ledger_path(os.environ))
    for line in (("log",), ("edit", "@1", "a hat"), ("show", "@1"), ("gen", "--like", "a.png")):
        ran = imagecli(*line)
        assert ran.code == 2
        assert "the ledger " in ran.err
        assert reason in ran.err
    ran = imagecli("show", "a.png", "a.png")
    assert (ran.code, ran.out.count("a.png: PNG"), ran.out.count("can't be read")) == (0, 2, 2)
    assert (ran.err.count("warning: "), ran.err.count(reason)) == (1, 1)


@pytest.mark.parametrize("value", ["x", 5, float("inf"), -1e300, "[1]", '{"size": 5}', '[{"path": 5}]', b"\xff\0"])
@pytest.mark.parametrize("column", ["at", "model", "cost_usd", "tokens", "images", "options", "inputs", "exit_code"])
def test_a_value_that_another_program_wrote_is_not_trusted(imagecli, column, value):
    made("fox.png", prompt="a fox")
    with sqlite3.connect(ledger_path(os.environ)) as ledger:
        ledger.execute(f"UPDATE requests SET {column} = ?", (value,))  # noqa: S608 - of this test
    ledger.close()
    assert "a fox" in imagecli("log").out
    for words in (("log", "--json"), ("log", "--sum", "day"), ("log", "--sum", "model"), ("show", "@1")):
        assert imagecli(*words).code == 0
