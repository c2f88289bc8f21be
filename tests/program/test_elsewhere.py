"""The program on a Python that lacks what Windows' or macOS' lacks: it does the same, or says what it can't do.

That is no proof that it works there, but that nothing of it needs what is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.places import ROOT
from support.sandboxed import png, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes from Linux what others lack")
SUPPORT = ROOT / "tests" / "support" / "elsewhere"


@pytest.fixture(params=["windows", "macos"])
def elsewhere(request, program, home):
    """Run the program as on another system; a key in the config file is nobody else's there."""
    (home / "config" / "imagecli").mkdir(parents=True)
    config = home / "config" / "imagecli" / "config.toml"
    config.write_text('[profiles.lab]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "sk-of-the-lab"\n')
    config.chmod(0o644 if request.param == "windows" else 0o600)

    def run(*args, stdin=b"", **env):
        path = f"{SUPPORT}:{ROOT}"
        return program(*args, stdin=stdin, env={"PYTHONPATH": path, "LIKE": request.param, **env})

    run.system = request.param
    return run


def test_it_takes_away_what_it_says(elsewhere):
    """Else nothing here would be shown."""
    code = "import os, imagecli.disk; print(hasattr(os, 'fdatasync') or hasattr(os, 'O_TMPFILE'))"
    env = {**os.environ, "PYTHONPATH": f"{SUPPORT}:{ROOT}", "LIKE": elsewhere.system}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_images_are_made_edited_and_known(elsewhere):
    with open("room.png", "wb") as file:
        file.write(png((96, 64)))
    with running() as server:
        for line in (
            ("gen", "a fox", "-o", "fox.png", "-s", "1024x1024"),
            ("gen", "a fox", "-n", "2", "-o", "two/", "--partials", "1", "--save-partials"),
            ("edit", "room.png", "a hat", "--mask-rect", "0,0,30,30", "-o", "hat.jpg", "--fit", "pad"),
            ("vary", "room.png", "-m", "dall-e-2", "-o", "looks.png", "--force"),
            ("gen", "a fox", "-o", "fox.png", "--force", "--cache"),
        ):
            ran = elsewhere(*line, "--base-url", server.base_url)
            assert (ran.code, ran.out != "") == (0, True), ran.err
    known = [json.loads(line) for line in elsewhere("log", "--json").out.splitlines()]
    assert len(known) == 6
    assert {each["request"]["state"] for each in known} == {"done"}
    assert elsewhere("show", "@1", "--prompt").out == "a fox\n"
    assert json.loads(elsewhere("cache", "info", "--json").out)["entries"] == 1
    assert elsewhere("prepare", "room.png", "-o", "-").code == 0


def test_a_batch_is_run_and_goes_on(elsewhere):
    with open("jobs.jsonl", "w") as file:
        file.write('{"id": "fox", "prompt": "a fox"}\n{"id": "owl", "prompt": "sandbox:moderation"}\n')
    first = elsewhere("batch", "run", "jobs.jsonl", "-o", "out", "-P", "sandbox", "--json")
    assert json.loads(first.out.splitlines()[-1])["summary"]["done"] == 1, first.err
    again = elsewhere("batch", "run", "jobs.jsonl", "-o", "out", "-P", "sandbox", "--only", "fox", "--json")
    assert json.loads(again.out.splitlines()[-1])["summary"]["done_before"] == 1, again.err
    assert elsewhere("batch", "run", "jobs.jsonl", "-o", "out", "--check", "-P", "sandbox").code == 6


def test_settings_and_keys_are_kept(elsewhere):
    assert elsewhere("config", "set", "defaults.size", "square").code == 0
    assert elsewhere("config", "get", "defaults.size").out == "square\n"
    shown = elsewhere("config", "show", "-P", "lab", "--json")
    assert json.loads(shown.out)["api_key"], shown.err
    assert elsewhere("config", "set-key", "lab", stdin=b"sk-another-1234\n").code == 0


def test_what_failed_is_recovered(elsewhere):
    ran = elsewhere("gen", "sandbox:not-an-image", "-P", "sandbox", "--retries", "0", "--json")
    assert os.path.exists(json.loads(ran.out)["error"]["saved_response"])
    assert json.loads(ran.out)["warnings"] == []
    assert "saved_response" in elsewhere("recover", "--json").out


def test_a_preview_is_none_in_a_word(elsewhere):
    ran = elsewhere("gen", "a fox", "-P", "sandbox", "--preview")
    assert (ran.code, "Traceback" in ran.err) == (0, False)
