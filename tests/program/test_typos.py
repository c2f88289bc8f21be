"""A value that is misspelt: the nearest right one is named, wherever it stands and whichever server it is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagecli.flags import FLAGS
from imagecli.models import catalog
from imagecli.text import closest_match, misspelt
from support.sandboxed import png

DRY = ("--profile", "sandbox", "--dry-run")
CHOICES = [
    (command, flag, choice)
    for flag in FLAGS
    if flag.choices and flag.flag and flag.type is str
    for command in flag.commands[:1]
    for choice in flag.choices
    if len(choice) > 2
]


def swapped(word):
    """The word with its last two different letters that stand side by side in each other's place."""
    at = next(at for at in range(len(word) - 1, 0, -1) if word[at] != word[at - 1])
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


@pytest.fixture(autouse=True)
def files():
    Path("a.png").write_bytes(png())
    Path("jobs.jsonl").write_text('{"prompt": "a fox", "id": "fox-1"}\n')
    Path("prompt.txt").write_text("a fox")


@pytest.mark.parametrize(("command", "flag", "choice"), CHOICES, ids=lambda each: getattr(each, "flag", None))
def test_every_choice_of_every_flag_is_named_where_it_is_misspelt(imagecli, command, flag, choice):
    ran = imagecli(
        *command.split(), flag.flag, swapped(choice), *(("jobs.jsonl", "-o", "out") if "batch" in command else ())
    )
    assert ran.code == 2
    assert f"not '{swapped(choice)}'; did you mean {choice}?" in ran.err


@pytest.mark.parametrize("name", ["quality", "background", "moderation", "style", "input_fidelity", "complexity"])
@pytest.mark.parametrize("server", [DRY, ("--base-url", "http://127.0.0.1:9/v1", "-m", "m", "--dry-run")])
def test_a_word_that_only_the_server_decides_on_is_sent_with_the_nearest_known_one(imagecli, name, server):
    taken = catalog.find(catalog.DEFAULT).values.get(name)
    for word in catalog.words(name):
        if len(word) < 3 or (server is DRY and word not in (taken or ())):
            continue
        ran = imagecli("gen", "a fox", f"--{name.replace('_', '-')}", swapped(word), *server)
        assert ran.code == 0
        assert f"(did you mean {word}?)" in ran.err
        assert swapped(word) in ran.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        # What is certain to fail is refused, with the same words.
        (("gen", "x", *DRY, "-m", "dall-e-3", "--style", "vivd"), "(did you mean vivid?)"),
        (("gen", "x", *DRY, "-s", "landscap"), "(did you mean landscape?)"),
        (("gen", "x", *DRY, "-s", "1024*1024"), "(did you mean 1024x1024?)"),
        (("gen", "x", *DRY, "--resize", "64 x 64"), "(did you mean 64x64?)"),
        (("gen", "x", *DRY, "--format", "PNG"), "did you mean png?"),
        # Parts of a value.
        (("edit", "a.png", "x", *DRY, "--expand", "lft=20"), "did you mean left?"),
        (("edit", "a.png", "x", *DRY, "--mask-color", "magneta:20"), "did you mean magenta?"),
        (("gen", "x", *DRY, "-o", "{slg}.png"), "did you mean slug?"),
        # Files.
        (("edit", "a.pgn", "x", *DRY), "Did you mean a.png?"),
        (("vary", "./aa.png", *DRY), "Did you mean ./a.png?"),
        (("show", "a.pgn"), "Did you mean a.png?"),
        (("gen", "-f", "promt.txt", *DRY), "Did you mean prompt.txt?"),
        (("batch", "run", "job.jsonl", "-o", "out", *DRY), "Did you mean jobs.jsonl?"),
        (("edit", "nothing-like-it.png", "x", *DRY), "Check the path."),
        (("edit", "no/such/folder/a.png", "x", *DRY), "Check the path."),
        # Names of profiles, models and dialects.
        (("gen", "x", "-P", "sandbx", "--dry-run"), "Did you mean sandbox?"),
        (("models", "-P", "sandbx"), "Did you mean sandbox?"),
        (("models", "gpt-imge-2", "-P", "sandbox"), "Did you mean gpt-image-2?"),
        (("config", "check", "sandbx"), "Did you mean sandbox?"),
        (("config", "set", "profile", "sandbx"), "Did you mean sandbox?"),
        (("config", "add", "x", "--base-url", "http://127.0.0.1", "--dialect", "opnai"), "Did you mean openai?"),
        # Keys of the config file.
        (("config", "get", "profiles.sandbx.base_url"), "Did you mean profiles.sandbox.base_url?"),
        (("config", "unset", "profiles.sandbx"), "Did you mean profiles.sandbox?"),
        (("config", "get", "default.quality"), "Did you mean defaults.quality?"),
        (("config", "set", "defaults.qualty", "high"), "Did you mean defaults.quality?"),
        (("config", "set", "defaults.format", "pgn"), "did you mean png?"),
        (("config", "set", "defaults.preview", "ture"), "did you mean true?"),
        # Batches.
        (("batch", "run", "jobs.jsonl", "-o", "out", *DRY, "--only", "fxo-1"), "did you mean fox-1?"),
        (("batch", "run", "jobs.jsnol", "-o", "out", *DRY), "did you mean jsonl?"),
    ],
)
def test_what_is_refused_names_the_nearest(imagecli, line, said):
    ran = imagecli(*line)
    assert ran.code in {1, 2}
    assert ran.out == ""
    assert said in ran.err


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"promt": "x"}, "promt is not a key; did you mean prompt?"),
        ({"prompt": "x", "op": "edti"}, "not 'edti'; did you mean edit?"),
        ({"prompt": "x", "format": "pgn"}, "not 'pgn'; did you mean png?"),
        ({"prompt": "x", "quality": "hihg"}, "(did you mean high?)"),
        ({"prompt": "x", "size": "landscap"}, "(did you mean landscape?)"),
    ],
)
def test_a_job_is_told_the_same(imagecli, row, said):
    Path("jobs.jsonl").write_text(json.dumps(row))
    assert said in imagecli("batch", "run", "jobs.jsonl", "-o", "out", *DRY).err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("gen", "x", *DRY, "-m", "gpt-image-2.5-flar"), "did you mean gpt-image-2.5-flare?"),
        (("gen", "x", *DRY, "-m", "dalle-3"), "did you mean dall-e-3?"),
        (("prepare", "a.png", "--for", "dale-e-2", "-o", "b.png"), "did you mean dall-e-2?"),
        (("gen", "x", *DRY, "--param", "qualtiy=high"), "did you mean --quality?"),
        (("config", "set", "profiles.sandbx.base_url", "http://127.0.0.1/v1"), "did you mean profiles.sandbox?"),
    ],
)
def test_what_may_be_meant_is_done_with_a_warning(imagecli, line, said):
    ran = imagecli(*line)
    assert ran.code == 0
    assert said in ran.err


@pytest.mark.parametrize("name", ["gpt-image-3", "gpt-image-2.5-flare-2026-11-01", "chatgpt-image-2", "flux", "m"])
def test_a_new_model_is_none_that_is_misspelt(imagecli, name):
    assert imagecli("gen", "x", *DRY, "-m", name).err == ""


@pytest.mark.parametrize(
    ("variable", "known"),
    [
        ("IMAGECLI_QUALTY", "IMAGECLI_QUALITY"),
        ("IMAGECLI_CONFG", "IMAGECLI_CONFIG"),
        ("IMAGECLI_SIEZ", "IMAGECLI_SIZE"),
    ],
)
def test_a_variable_that_is_misspelt_is_said_to_be_ignored(imagecli, variable, known):
    ran = imagecli("gen", "x", *DRY, env={variable: "x", "IMAGECLI_WORKSPACE": "y"})
    assert ran.code == 0
    assert ran.err == f"imagecli: warning: {variable} is no setting, and ignored; did you mean {known}?\n"


def test_a_value_that_a_server_names_itself_is_not_near_to_another(imagecli):
    together = ("--base-url", "https://api.together.xyz/v1", "-m", "m", "--dry-run")
    for words in (("-s", "square_hd"), ("-s", "1:1"), ("-q", "ultra")):
        assert "did you mean" not in imagecli("gen", "x", *together, *words).err


def test_near_is_near_in_any_case_and_new_is_new():
    assert closest_match("HGIH", ["low", "High"]) == "High"
    assert closest_match("xyz", ["low", "high"]) is None
    assert misspelt("office2", ["office"]) is None
    assert misspelt("offce", ["office"]) == "office"
