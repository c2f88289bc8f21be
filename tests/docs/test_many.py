"""docs/many.md: what it shows runs as it stands there, against a sandbox that counts what it would have billed."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from support.pages import BASH, fences, run, typed
from support.running import HANGS_S

PAGE = "docs/many.md"
JOBS = "".join(f'{{"id": "{name}", "prompt": "a {name}"}}\n' for name in ("fox", "owl", "hare", "jay", "wren"))
pytestmark = pytest.mark.usefixtures("shell")


def _images(folder):
    return sorted(path.name for path in Path(folder).rglob("*.png"))


@pytest.mark.usefixtures("plain")
def test_a_stopped_run_prints_what_the_page_shows_and_goes_on(server):
    (console,) = (text for text in fences(PAGE, "console") if "^C" in text)
    (first, shown), (second, rest) = typed(console)
    sandbox, third, go = server.respond, threading.Event(), threading.Event()

    def respond(reply, request):
        if len(server.posts) == 3:
            third.set()
            go.wait(HANGS_S)
        sandbox(reply, request)

    server.respond = respond
    process = subprocess.Popen(
        [*BASH, "-c", f"exec {first}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert third.wait(HANGS_S)
    lines = [process.stdout.readline(), process.stdout.readline()]
    process.send_signal(signal.SIGINT)
    lines.append(process.stdout.readline())
    go.set()
    lines += process.communicate()[0].splitlines(keepends=True)
    done = run(*BASH, "-c", f"{second} 2>&1")
    assert process.returncode == 130

    def in_no_order(text):
        """Jobs begin in no order; which one is left is not the page's."""
        return re.sub(r"\w+\.png", "BIRD.png", text)

    assert in_no_order("".join(lines)) == in_no_order(shown.replace("^C", ""))
    assert in_no_order(done.stdout) == in_no_order(rest)
    prompts = {request.json["prompt"] for request in server.posts}
    assert len(server.posts) == len(prompts) == len(_images("stopped")) == 4


def test_the_providers_engine_makes_all_of_it_once(server):
    Path("jobs.jsonl").write_text(JOBS + '{"id": "odd", "prompt": "sandbox:rate-limit-once"}\n')
    for _ in range(2):
        done = run("bash", "engine.sh")
        assert done.returncode == 0, done.stderr
        assert len(_images("out")) == 6
        assert [request.path for request in server.posts].count("/v1/batches") == 1
