"""docs/schema/ and the tables of docs/json.md are what the program says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator

from imagecli.schema import NAMES
from support.places import ROOT
from support.schemas import schema


def test_the_files_and_the_page_are_what_the_program_says():
    done = subprocess.run([sys.executable, ROOT / "tools" / "schema.py", "--check"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", NAMES)
def test_the_program_prints_the_same(imagecli, name):
    assert json.loads(imagecli("schema", name).out) == schema(name)
    Draft202012Validator.check_schema(schema(name))
