"""What a dialect reads: its table of rules, and what becomes of a flag that it does not name."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from imagecli import dialects
from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import EDITS, GENERATIONS, Draft
from imagecli.dialects.rules import ANY, EVERYTHING, Rule, any_of, judge, makes, no_value
from imagecli.flags import FIELDS
from imagecli.images.types import Uploads

READS_EVERY_FLAG = {"openai", "azure", "deepinfra", "litellm"}
WITH_A_LIST = sorted(set(dialects.names()) - READS_EVERY_FLAG)


@pytest.fixture
def sharpness(monkeypatch):
    """A flag that was added to the table of flags, and to no dialect."""
    monkeypatch.setitem(FIELDS, "sharpness", "sharpness")
    return "sharpness"


@pytest.fixture(scope="module")
def example():
    """The dialect that the docstring of the base class shows, as it stands there."""
    text = textwrap.dedent(OpenAI.__doc__.partition("\n")[2])
    source = textwrap.dedent(text[text.index("    from typing import") :])
    names = {}
    exec(compile(source, "example.py", "exec"), names)  # noqa: S102 - the project's own docstring
    return names["Example"]("https://images.example.com/v1")


@pytest.mark.parametrize("name", WITH_A_LIST)
@pytest.mark.parametrize("command", ["gen", "edit", "vary"])
def test_a_new_flag_is_not_read_until_the_dialect_names_it(sharpness, name, command):
    verdict, reason = dialects.load(name).judge(command, sharpness, 1)
    assert verdict == "unlisted"
    assert "sharpness" in reason
    assert "{" not in reason


def test_a_new_flag_is_read_by_openai(sharpness):
    assert dialects.load("openai").judge("gen", sharpness, 1) == ("listed", "")


def test_a_server_that_reads_everything_reads_each_flag():
    assert EVERYTHING.keys() == FIELDS.keys()
    for name in READS_EVERY_FLAG:
        reads = dialects.load(name).reads
        assert reads is None or reads.keys() == FIELDS.keys()


@pytest.mark.parametrize("name", dialects.names())
def test_a_dialect_names_only_flags_that_exist(name):
    dialect = dialects.load(name)
    assert dialect.name == name
    assert (dialect.reads or {}).keys() <= FIELDS.keys()
    assert dialect.fields.keys() <= FIELDS.keys()


@pytest.mark.parametrize("name", dialects.names())
@pytest.mark.parametrize("value", ["{0}", "{title}", "}{", "1x{x}", ""])
def test_a_reason_repeats_a_value_as_it_is(name, value):
    dialect = dialects.load(name)
    for flag in ("size", "quality", "background"):
        verdict, reason = dialect.judge("gen", flag, value)
        assert (verdict == "listed") == (reason == "")
        if "not " in reason and "does not" not in reason:
            assert reason.endswith(value)


def test_the_default_dialect_loads_no_rules():
    """Start-up is most of a short run."""
    code = """
import sys
from imagecli import dialects
assert dialects.load("openai").judge("gen", "size", "1x1") == ("listed", "")
print(*sorted(name for name in sys.modules if name.startswith("imagecli.dialects.")))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["imagecli.dialects.openai", "imagecli.dialects.request"]


def test_the_first_rule_that_refuses_decides():
    rules = (Rule(str.isalpha, "fails", "{title} spells {value}"), Rule(any_of("a", "b"), "unlisted", "a or b"))
    assert judge(rules, "gen", "1", "Acme") == ("fails", "Acme spells 1")
    assert judge(rules, "gen", "c", "Acme") == ("unlisted", "a or b")
    assert judge(rules, "gen", "b", "Acme") == ("listed", "")


def test_a_rule_holds_for_its_commands():
    rule = Rule(no_value, "unlisted", "for edits only", ("gen",))
    assert judge(rule, "gen", "x", "") == ("unlisted", "for edits only")
    assert judge(rule, "edit", "x", "") == ("listed", "")
    assert judge(ANY, "vary", "x", "") == ("listed", "")


def test_a_reason_may_be_a_function_of_the_value():
    rule = Rule(no_value, "unlisted", lambda value: f"{value}: {{title}}")
    assert judge(rule, "gen", "x", "Acme") == ("unlisted", "x: {title}")


@pytest.mark.parametrize(
    ("formats", "words"),
    [(("png",), "png"), (("png", "jpeg"), "png and jpeg"), (("png", "jpeg", "webp"), "png, jpeg and webp")],
)
def test_formats_are_listed_as_a_sentence_lists_them(formats, words):
    rule = makes(*formats, otherwise="fails")
    assert judge(rule, "gen", "gif", "Acme") == ("fails", f"Acme makes {words}, not gif")
    assert judge(rule, "gen", "png", "Acme") == ("listed", "")


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("size", "1024x768", ("listed", "")),
        ("size", "auto", ("fails", "Example Images takes a size as WIDTHxHEIGHT, not auto")),
        ("quality", "final", ("listed", "")),
        ("quality", "high", ("unlisted", "Example Images takes draft or final, not high")),
        ("format", "webp", ("fails", "Example Images makes png and jpeg, not webp")),
        ("response_format", "url", ("listed", "")),
        ("input_fidelity", "high", ("unlisted", "Example Images does not read --input-fidelity")),
    ],
)
def test_the_example_judges_as_it_states(example, flag, value, expected):
    assert example.judge("gen", flag, value) == expected


@pytest.mark.parametrize("route", [GENERATIONS, EDITS])
def test_the_example_builds_requests(example, route):
    draft = Draft("a cat", "paint-1", {"size": "64x64"}, frozenset({"size"}), {}, count_asked=False)
    request = example.build(draft, route, 1, Uploads())
    assert request.path == route
    assert request.fields == {
        "response_format": "b64_json",
        "prompt": "a cat",
        "model": "paint-1",
        "size": "64x64",
    }


def test_the_example_keeps_to_its_list_of_attributes(example):
    """The attributes that the docstring lists exist, and the example overrides no other."""
    listed = [line.split()[0] for line in OpenAI.__doc__.split("matter first:\n\n")[1].split("\n\n")[0].splitlines()]
    assert len(listed) == 10
    assert all(hasattr(OpenAI, name) for name in listed)
    assert {name for name in vars(type(example)) if not name.startswith("_")} <= set(listed)
