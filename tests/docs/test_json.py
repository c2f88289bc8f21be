"""docs/json.md names every field that real documents have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imagecli.flags import FLAGS
from imagecli.flags.row import GROUPED
from support.history import made, tagged
from support.places import ROOT
from support.provider import Provider
from support.sandboxed import png

TEXT = (ROOT / "docs" / "json.md").read_text("utf-8")
DOCUMENTED = {
    field for row in re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE) for field in re.findall(r"`(.*?)`", row)
}
OPEN = {
    "usage",
    "requests[].fields",
    "models[].fields",
    "models[].prices.tokens",
    "models[].prices.batch_tokens",
    "settings",
    "request.usage",
    "request.options",
    "files[].ledger",
    "files[].error",
    "value",
    "batches[].errors",
    "summary.batches[].errors",
}
"""Objects whose names are the server's, or settings'."""
MASK = ("a.png", "--mask-rect", "1,1,20,20")


def _fields(value, place=""):
    """Yield the place of each field, as the page spells it."""
    if isinstance(value, dict) and place not in OPEN:
        for name, inner in value.items():
            inside = f"{place}.{name}" if place else name
            yield inside
            yield from _fields(inner, inside)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _fields(inner, f"{place}[]")


LINES = [
    ("gen", "fox", "-s", "1024x1024", "--also", "16x16", "--grid", "sheet.png"),
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
    ("batch", "run", "jobs.txt", "-o", "out", "--grid", "sheet.png"),
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
def test_every_field_of_a_document_is_on_the_page(imagecli, line, provider):
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
    documents = [json.loads(each) for each in ran.out.splitlines()] if line[0] == "batch" else [ran.json]
    fields = {field for document in documents for field in _fields(document)}
    assert len(fields) > 5
    assert fields - DOCUMENTED == set()


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


def test_the_page_names_no_field_twice():
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
    fields = [field for row in rows for field in re.findall(r"`(.*?)`", row) if "[]" in field or "." in field]
    assert len(fields) == len(set(fields))


def test_every_command_with_json_is_run():
    words = {" ".join(line[: 2 if line[0] in GROUPED else 1]) for line in LINES}
    assert {command for flag in FLAGS if flag.name == "json" for command in flag.commands} <= words
