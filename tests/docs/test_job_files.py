"""The job files in docs/job-files.md are read as they stand there."""

from __future__ import annotations

import re
import shlex

import pytest
from PIL import Image

from imagecli.batch.cells import OWN
from imagecli.batch.jobs import read_jobs
from imagecli.options import Typed
from support.places import ROOT

TEXT = (ROOT / "docs" / "job-files.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(jsonl|csv|txt)(.*)\n((?:.*\n)*?)```$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("form", "options", "text"), EXAMPLES)
@pytest.mark.usefixtures("home")
def test_each_example_is_a_job_file(tmp_path, monkeypatch, form, options, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (60, 40)).save("photos/hall.jpg")
    (tmp_path / f"jobs.{form}").write_text(text)
    prompt = shlex.split(options)[1] if options else None
    jobs = read_jobs(f"jobs.{form}", None, Typed({"profile": "sandbox"}), folder="out", prompt=prompt)
    assert len(jobs) == sum(not line.startswith("#") for line in text.splitlines()) - (form == "csv")
    assert all(jobs.plan(job, "out")[0].requests for job in jobs)


def test_all_keys_that_are_no_flags_are_explained():
    assert len(EXAMPLES) == 4
    assert {key for key in OWN if f"`{key}`" not in TEXT} == set()
