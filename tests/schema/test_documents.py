"""What --json prints is as `imagecli schema` says, by an independent validator, on real runs.

So is every other document that a test reads by `Ran.json` (tests/support/running.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from imagecli.flags import FLAGS
from imagecli.flags.row import GROUPED, MAKING
from imagecli.sandbox.api.magic_prompts import MAGIC_PROMPTS
from support.history import made, tagged
from support.provider import Provider
from support.sandboxed import png
from support.schemas import check_output, schema, validator

MASK = ("a.png", "--mask-rect", "1,1,20,20")


LINES = [
    ("gen", "fox", "-s", "1024x1024", "--also", "16x16", "--embed", "--sidecar"),
    ("gen", "fox", "--format", "svg", "-m", "gpt-image-2.6-flare"),
    ("gen", "fox", "-n", "2", "--grid", "grid.png"),
    ("gen", "fox", "-s", "1024x1024", "--max-cost", "0.00001"),
    ("gen", "fox", "-o", "-"),
    ("gen", "fox", "-o", "made.png", "--skip-existing"),
    ("gen", "sandbox:fewer", "-n", "2"),
    ("gen", "sandbox:stream-end", "--partials", "2", "--save-partials"),
    ("gen", "fox", "--partials", "2", "--save-partials"),
    ("gen", "sandbox:moderation"),
    ("gen", "fox", "--cache-only"),
    ("gen", "fox", "--cache-only", "--dry-run"),
    ("gen", "fox", "--sise", "4"),
    ("edit", *MASK, "a hat", "--dry-run"),
    ("gen", "fox", "--dry-run"),
    ("edit", *MASK, "a hat", "-s", "1024x1024"),
    ("edit", *MASK, "--mask-preview", "preview.png"),
    ("vary", "a.png", "-m", "dall-e-2", "-s", "256x256"),
    ("batch", "run", "jobs.txt", "-o", "out"),
    ("batch", "run", "jobs.txt", "-o", "out", "--dry-run"),
    ("batch", "run", "jobs.txt", "-o", "out", "--check"),
    ("batch", "submit", "jobs.txt", "-o", "out"),
    ("batch", "submit", "jobs.txt", "-o", "out", "--dry-run"),
    ("batch", "status"),
    ("batch", "fetch", "out"),
    ("batch", "cancel", "batch_1"),
    ("prepare", "a.png"),
    ("recover",),
    ("log",),
    ("log", "--sum", "model"),
    ("show", "made.png", "parameters.png", "nothing.png", "--grid", "sheet.png"),
    ("show", "made.png", "--check"),
    ("models",),
    ("models", "gpt-image-2"),
    ("nothing",),
    *(("config", *words.split()) for words in ("path", "show", "check", "get defaults", "unset defaults.size")),
    *(("config", *words.split()) for words in ("set profile sandbox", "add new --base-url http://127.0.0.1:9/v1")),
    ("config", "set-key", "openai"),
    ("cache", "path"),
    ("cache", "info"),
    ("cache", "prune", "--older", "30d"),
]
"""One for each kind of document."""


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_document_is_as_the_schema_says(imagecli, line, provider):
    with open("a.png", "wb") as file:
        file.write(png())
    Path("jobs.txt").write_text("a fox\n")
    made("made.png")
    tagged("parameters.png", parameters="a fox\nSteps: 20, Seed: 7")
    imagecli("config", "set", "defaults.size", "square")
    if "--cache-only" in line:
        imagecli("gen", "fox", "--cache", "--profile", "sandbox")
    env = {"IMAGECLI_PROFILE": "sandbox"}
    if line[0] == "batch" and line[1] != "run":
        env = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-1"}
        name = _submitted(imagecli, provider, line[1], env)
        line = tuple(each.replace("batch_1", name) for each in line)
    ran = imagecli(*line, "--json", stdin=b"sk-1234567890\n", env=env)
    documents = ran.json_lines if line[0] in {"batch", "log"} else [ran.json]
    assert len(documents) == (2 if {"run", "fetch"} & {*line} else 1)


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def _submitted(imagecli, provider, what, env):
    """Return the ID of a batch that is ready for a command."""
    if what == "submit":
        return ""
    name = imagecli("batch", "submit", "jobs.txt", "-o", "out", env=env).out.strip()
    if what == "fetch":
        provider.finish()
    return name


@pytest.mark.parametrize("prompt", [f"sandbox:{name}" for name in MAGIC_PROMPTS])
def test_whatever_the_server_does_a_document_is_as_the_schema_says(imagecli, prompt):
    """Each kind of error, partial and empty results, and streams that end too early."""
    ran = imagecli("gen", prompt, "-n", "2", "-P", "sandbox", "--retries", "0", "--timeout", "2", "--json")
    assert (ran.json["error"] is None) == (ran.code == 0)
    assert ran.json["error"] is None or ran.json["error"]["exit_code"] == ran.code


def test_every_command_with_json_is_run_and_described():
    words = {" ".join(line[: 2 if line[0] in GROUPED else 1]) for line in LINES}
    having = {command for flag in FLAGS if flag.name == "json" for command in flag.commands}
    assert having <= words
    described = {
        command
        for each in schema("result")["$defs"].values()
        for command in each["properties"].get("command", {}).get("enum", ())
    }
    assert having - {*MAKING, "prepare", "recover"} == described


BROKEN = {
    "a field is missing": lambda document: document.pop("warnings"),
    "a text is a number": lambda document: document["images"][0].update(path=1),
    "a kind of error is unknown": lambda document: document["error"].update(kind="sad"),
    "a sha256 is none": lambda document: document["images"][0].update(sha256="abc"),
    "a flag is false": lambda document: document["images"][0].update(cached=False),
    "the schema is another": lambda document: document.update(schema=2),
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_wrong_document_is_refused(imagecli, spoil):
    document = imagecli("gen", "sandbox:fewer", "-n", "2", "-P", "sandbox", "--json").json
    assert validator("result").is_valid(document)
    spoil(document)
    assert not validator("result").is_valid(document)


def test_a_field_of_a_later_version_passes_a_reader_and_fails_here(imagecli):
    document = imagecli("gen", "fox", "-P", "sandbox", "--json").json
    document["images"][0]["mood"] = "sly"
    assert validator("result").is_valid(document)
    with pytest.raises(AssertionError, match="mood"):
        check_output(document)


def test_the_schema_is_that_of_results_unless_told(imagecli):
    assert imagecli("schema").out == imagecli("schema", "result").out
    ran = imagecli("schema", "confg")
    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean config?" in ran.err


def test_no_other_command_imports_it(program):
    ran = program("gen", "fox", "-P", "sandbox", "--json", env={"PYTHONVERBOSE": "1"})
    assert ran.code == 0
    assert "imagecli.schema" not in ran.err
