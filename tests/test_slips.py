"""Command lines that can only be slips: exit 2, the hint says what was probably meant, and nothing is sent."""

from __future__ import annotations

import pytest

from support.sandboxed import png

A_FOX = ("gen", "a fox")


@pytest.fixture(autouse=True)
def files():
    for name in ("a.png", "b.png", "cat"):
        with open(name, "wb") as file:
            file.write(png())
    with open("prompt.txt", "w", encoding="utf-8") as file:
        file.write("a fox in the snow\n")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (("gen", "a fox", "\N{EN DASH}o", "x.png"), "not with a dash: write -o"),
        (("gen", "a fox", "\N{EM DASH}seed", "4"), "write --seed"),
        (("edit", "make it blue"), "Name one before the prompt"),
        # Words that ask about the program.
        (("gen", "help"), "imagecli gen --help"),
        (("gen", " HELP "), "imagecli gen --help"),
        (("gen", "version"), "--help"),
        (("edit", "a.png", "help"), "imagecli edit --help"),
        (("edit", "help"), "imagecli edit --help"),
        (("vary", "help"), "imagecli vary --help"),
        (("help", "nonsense"), "There are gen, edit,"),
        (("help", "gne"), "Did you mean gen?"),
        (("help", "batch", "rnu"), "Did you mean run? See imagecli batch --help."),
        (("help", "gen", "run"), "See imagecli gen --help."),
        (("models", "help"), "imagecli models --help"),
        (("models", "gpt-image-2", "help"), "imagecli models --help"),
        (("recover", "help"), "imagecli recover --help"),
        (("recover", "version"), "imagecli --version"),
        (("config", "check", "help"), "imagecli config check --help"),
        (("config", "set-key", "help"), "imagecli config set-key --help"),
        (("config", "get", "help"), "imagecli config get --help"),
        (("cache", "info", "help"), "imagecli cache info --help"),
        (("config", "set-key", "home", "0123456789abcdef0123456789abcdef"), "A key is never an argument"),
        (("config", "set-key", "home", "lab"), "A key is never an argument"),
        (("config", "check", "home", "0123456789abcdef0123456789abcdef"), "A key is never an argument"),
        (("config", "add", "home", "--base-url", "https://a.test", "4d3Gh0kLqW7zXc9vBn2mT5yR8u"), "A key is never"),
        (("config", "add", "home", "--base-url", "https://a.test", "https://b.test"), "Write --base-url before"),
        (("version",), "imagecli --version"),
        (("config", "help"), "imagecli config --help"),
        # Commands and flags: the nearest one, the likeliest first.
        (("gne", "a fox"), "Did you mean gen?"),
        (("hlep",), "Did you mean help?"),
        (("run", "jobs.jsonl"), "Did you mean batch run?"),
        (("set-key",), "Did you mean config set-key?"),
        (("path",), "Did you mean config path or cache path?"),
        (("generate", "a fox"), "Did you mean gen?"),
        (("config", "shwo"), "Did you mean show? See imagecli config --help."),
        (("nothing-like-it",), "There are gen, edit, vary,"),
        (("a fox in the snow",), "imagecli gen 'a fox in the snow'"),
        (("a.png", "a hat"), "imagecli edit a.png PROMPT"),
        ((*A_FOX, "--seeds", "4"), "Did you mean --seed? See imagecli gen --help."),
        ((*A_FOX, "--sise", "4"), "Did you mean --size?"),
        ((*A_FOX, "--dry_run"), "Did you mean --dry-run?"),
        ((*A_FOX, "--neg", "x"), "Did you mean --negative?"),
        ((*A_FOX, "--Size", "x"), "Did you mean --size?"),
        (("-V",), "Did you mean --version?"),
        ((*A_FOX, "-Q", "high"), "Did you mean -q?"),
        ((*A_FOX, "-p", "sandbox"), "Did you mean -P?"),
        (("gen", "--hlep"), "Did you mean --help?"),
        (("GEN", "a fox"), "Did you mean gen?"),
        (("gen", "-10 °C in a village"), "goes after --"),
        (("config", "set", "defaults.seed", "-1"), "goes after --"),
        ((*A_FOX, "--m", "x"), "Did you mean -m?"),
        ((*A_FOX, "--mask", "a.png"), "a flag of imagecli edit"),
        ((*A_FOX, "--api-key=sk-1234567890"), "imagecli config set-key"),
        (("gen", "--prompt", "a fox"), "PROMPT is an argument"),
        (("--dry-run", *A_FOX), "Flags follow their command"),
        ((*A_FOX, "-size", "64x64"), "Did you mean --size?"),
        ((*A_FOX, "-quiet"), "Did you mean --quiet?"),
        ((*A_FOX, "-o=x.png"), "Write -o x.png."),
        ((*A_FOX, "-o", "--json"), "write --output=--json if that is meant"),
        # Words without quotes, files in the wrong place.
        (("gen", "a", "fox"), "imagecli gen 'a fox'"),
        (("gen", "a.png", "a hat"), "imagecli edit a.png 'a hat'"),
        (("gen", "a.png"), "imagecli edit a.png PROMPT"),
        (("gen", "prompt.txt"), "-f prompt.txt"),
        (("edit", "a.png", "a", "red", "hat"), "imagecli edit a.png 'a red hat'"),
        (("edit", "a.png", "b.png"), "imagecli edit a.png -i b.png PROMPT"),
        (("edit", "a.png", "b.png", "a hat"), "imagecli edit a.png -i b.png 'a hat'"),
        (("edit", "a hat", "a.png"), "imagecli edit a.png 'a hat'"),
        (("vary", "a.png", "b.png"), 'for each in a.png b.png; do imagecli vary "$each"; done'),
        (("gen", "--", "help", "--dry-run"), "write --dry-run before it"),
        (("gen", "a fox", "fox.png"), "-o fox.png"),
        (("gen", "fox.png"), "-o fox.png"),
        (("edit", "a.png", "missing.jpg"), "Check the path of a further input"),
        (("vary", "a.png", "more", "colours"), "imagecli edit a.png 'more colours'"),
        (("-P", "sandbox", *A_FOX), "Flags follow their command"),
        # The page of the command itself.
        (("config", "set", "defaults.size"), "See imagecli config set --help."),
        (("config", "set", "defaults.size", "a", "b"), "See imagecli config set --help."),
        ((*A_FOX, "--size"), "See imagecli gen --help."),
        # Nothing where something belongs.
        (("gen", ""), "Say what the image should show."),
        (("edit", "", "a hat"), "Name a file"),
        (("vary", ""), "Name a file"),
        (("prepare", ""), "Name a file"),
    ],
)
def test_a_slip_is_exit_2_with_what_was_meant(imagecli, server, line, hint):
    ran = imagecli(*line, env={"IMAGECLI_BASE_URL": server.url})
    assert ran.code == 2, ran.out
    assert hint in ran.err
    assert not server.requests


def test_the_program_and_config_without_arguments_show_their_help(imagecli):
    for line in ((), ("config",)):
        ran = imagecli(*line)
        assert (ran.code, ran.err) == (0, "")
        assert "Commands:" in ran.out


def test_two_dashes_or_a_longer_text_say_that_it_is_meant(imagecli):
    with open("help.txt", "w", encoding="utf-8") as file:
        file.write("help")
    for line, prompt in (
        (("gen", "--", "help"), "help"),
        (("gen", "-f", "help.txt"), "help"),
        (("gen", "help is on its way"), "help is on its way"),
        (("gen", "cat"), "cat"),  # a file has that name, but so has the animal
        (("gen", "a.png in a frame"), "a.png in a frame"),
        (("edit", "--", "a.png", "b.png"), "b.png"),
    ):
        ran = imagecli(line[0], "--dry-run", "-P", "sandbox", *line[1:])
        assert ran.code == 0, ran.err
        assert f"prompt: {prompt}\n" in ran.out


def test_a_flags_value_may_look_like_a_flag_where_that_is_said(imagecli):
    ran = imagecli(*A_FOX, "-P", "sandbox", "--output=--json")
    assert ran.paths == ["--json"]


def test_a_key_among_the_words_is_not_repeated(imagecli):
    ran = imagecli("config", "set-key", "openai", "sk-1234567890")
    assert ran.code == 2
    assert "sk-" not in ran.err
    for flag in ("--api-key=sk-1234567890", "--sk-1234567890"):
        ran = imagecli(*A_FOX, flag)
        assert (ran.code, "sk-1" in ran.err) == (2, False)


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--count", "1_0"), ("--seed", "1_0"), ("--timeout", "1_0"), ("-n", "\u0663"), ("--seed", "1e3")],
)
def test_numbers_that_only_python_reads_are_refused(imagecli, flag, value):
    ran = imagecli(*A_FOX, flag, value, "--base-url", "http://127.0.0.1:9/v1", "--dry-run")
    assert ran.code == 2
    assert "number" in ran.err


def test_a_refused_number_is_spelt_out(imagecli):
    assert "not 1000001\n" in imagecli(*A_FOX, "--timeout", "1000001").err
