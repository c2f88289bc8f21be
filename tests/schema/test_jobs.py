"""`imagecli schema job` takes the lines that the program takes, and refuses those that it refuses."""

from __future__ import annotations

import json
import re

import pytest

from imagecli.batch.cells import KEYS
from imagecli.batch.jobs import read_jobs
from imagecli.errors import UsageProblem
from imagecli.options import Typed
from support.places import ROOT
from support.sandboxed import png
from support.schemas import schema, validator

PAGE = (ROOT / "docs" / "job-files.md").read_text("utf-8")
RIGHT = [
    *(
        json.loads(line)
        for example in re.findall(r"```jsonl\n(.*?)```", PAGE, re.DOTALL)
        for line in example.splitlines()
    ),
    {"prompt": "a fox", "size": None, "quality": "high", "id": 12},
    {"prompt": "a fox", "count": "10", "format": "jpg", "compression": 80},
    {"prompt": "a fox", "also": ["16x16", "32x32"], "param": {"steps": 4}},
    {"prompt": "a fox", "also": "16x16", "param": "steps=4"},
    {"image": ["a.png", "b.png"], "prompt": "both", "mask-rect": "0,0,50%,50%", "keep": True},
    {"op": "edit", "image": "a.png", "prompt": "b", "mask_rect": ["0,0,8,8"], "keep": "yes"},
    {"op": "gen", "prompt": "a fox", "mask_rect": None},
]
WRONG = [
    {"promt": "a fox"},
    {"prompt": 7},
    {"prompt": "a fox", "count": 11},
    {"prompt": "a fox", "count": 1.5},
    {"prompt": "a fox", "format": "bmp"},
    {"prompt": "a fox", "profile": "sandbox"},
    {"prompt": "a fox", "api_key": "x"},
    {"op": "paint", "prompt": "a fox"},
    {"image": {"path": "a.png"}, "prompt": "a fox"},
    {"op": "gen", "prompt": "a fox", "mask_rect": "0,0,8,8"},
    {"op": "vary", "image": "a.png", "model": "dall-e-2", "mask_rect": "0,0,8,8"},
    {"prompt": "a fox", "also": [16]},
]


def _takes(job):
    """Whether the program takes a line."""
    with open("jobs.jsonl", "w") as file:
        file.write(json.dumps(job) + "\n")
    try:
        read_jobs("jobs.jsonl", None, Typed({"profile": "sandbox"}), folder="out", prompt=None)
    except UsageProblem:
        return False
    return True


@pytest.fixture(autouse=True)
def inputs(home):
    """Take the images that the lines name."""
    for name in ("a.png", "b.png", "photos/hall.jpg"):
        path = home.parent / "work" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png())


@pytest.mark.parametrize("job", RIGHT, ids=json.dumps)
def test_what_the_program_takes_is_valid(job):
    assert _takes(job)
    validator("job").validate(job)


@pytest.mark.parametrize("job", WRONG, ids=json.dumps)
def test_what_the_program_refuses_is_not(job):
    assert not _takes(job)
    assert not validator("job").is_valid(job)


def test_it_has_every_key_with_its_help():
    properties = schema("job")["properties"]
    assert {name.replace("-", "_") for name in properties} == {*KEYS}
    assert [name for name, each in properties.items() if not each.get("description")] == []
