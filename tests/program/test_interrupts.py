"""Ctrl-C and signals: what has arrived is saved, and what may have been billed is named."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagecli import interrupts
from imagecli.errors import Signalled
from support.running import HANGS_S, Clock, environment, start, wait_until
from support.serving import b64, image_file, noise, response_with

IMAGE = image_file()


def _downloading(requests):
    return bool(requests) and requests[-1].method == "GET"


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupt_in_a_download_ends_at_once_and_names_the_response(server, again):
    """What had arrived is saved, and the response kept; a second interrupt changes nothing of that."""
    server.respond = lambda reply, request: (
        reply.hang()
        if request.method == "GET"
        else reply.json({"data": [{"b64_json": b64(IMAGE)}, {"url": "/slow.png"}]})
    )
    with start("gen", "cat", "-n", "2", "--base-url", server.url, "-o", "cat.png", "--json") as process:
        server.wait_for(_downloading)
        process.send_signal(signal.SIGINT)
        if again:
            assert any("error:" in line for line in iter(process.stderr.readline, ""))
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=HANGS_S)
    assert process.returncode in ({130, 143} if again else {130})
    document = json.loads(out)
    assert [image["path"] for image in document["images"]] == ["cat-1.png"]
    assert "/slow.png" in Path(document["failures"][0]["saved_response"]).read_text()
    assert "no request was waiting for its response" not in err


def test_an_interrupt_leaves_nothing_half_written_in_the_output_folder(server):
    server.respond = lambda reply, request: (
        reply.hang() if request.method == "GET" else reply.json({"data": [{"url": "/slow.png"}]})
    )
    with start("gen", "cat", "--base-url", server.url, "-o", "out/") as process:
        server.wait_for(_downloading)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=HANGS_S)
    assert list(Path().rglob("*.part")) == []


def test_an_interrupt_between_two_tries_reports_that_the_first_may_have_been_billed(server):
    server.respond = lambda reply, _: reply.json({"error": "too slow"}, 504, Retry_After="60")
    with start("gen", "cat", "--base-url", server.url, "--retry-unknown", "-v", "--json") as process:
        assert any("retrying after HTTP 504" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=HANGS_S)
    [failure] = json.loads(out)["failures"]
    assert (failure["kind"], "billed" in failure["message"]) == ("unknown_outcome", True)


def test_an_interrupt_in_the_wait_after_a_429_does_not_report_it_as_unsent(server):
    server.respond = lambda reply, _: reply.json({"error": "too many"}, 429, Retry_After="60")
    with start("gen", "cat", "--base-url", server.url, "-v", "--json") as process:
        assert any("retrying after HTTP 429" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=HANGS_S)
    assert process.returncode == 130
    [failure] = json.loads(out)["failures"]
    assert failure["message"] == "interrupted while waiting to send it again"


def test_an_interrupt_after_the_end_takes_nothing_back(imagecli, server, monkeypatch):
    """It may come while a slow terminal still draws; what was reported of the money stands."""
    from imagecli.terminal.progress import Progress

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "__exit__", interrupted)
    server.responses = [lambda reply, _: reply.json({"error": "too slow"}, 504)]
    ran = imagecli("gen", "cat", "-n", "2", "-m", "gpt-image-2", "--base-url", server.url, "--json")
    [failure, _] = ran.json["failures"]
    assert (ran.code, failure["kind"]) == (8, "unknown_outcome")


_UNDER_NOHUP = pytest.mark.skipif(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, reason="nohup lets none through")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), pytest.param(signal.SIGHUP, 129, marks=_UNDER_NOHUP)],
)
def test_an_interrupt_saves_what_had_arrived_and_names_what_was_in_flight(server, number, code):
    server.responses = [lambda reply, _: reply.send(response_with(IMAGE))]
    server.respond = lambda reply, _: reply.hang()
    one_by_one = ("-m", "dall-e-3", "-n", "3", "-j", "1")
    with start("gen", "cat", "--base-url", server.url, *one_by_one, "-o", "cat.png") as process:
        server.wait_for(lambda requests: len(requests) == 2)
        process.send_signal(number)
        out, err = process.communicate(timeout=HANGS_S)
    assert (process.returncode, out) == (code, "cat-1.png\n")
    assert "billed" in err
    assert "Traceback" not in err
    assert Path("cat-1.png").is_file()


def test_an_interrupt_that_comes_when_everything_is_saved_changes_nothing(server):
    """The paths are being printed, into a pipe that is full and that nobody reads."""
    folder = Path(*["a" * 200] * 18)
    server.respond = lambda reply, _: reply.send(response_with(*[IMAGE] * 10))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    args = ("-n", "10", "-o", f"{folder}/cat.png", "--base-url", server.url)
    with start("gen", "cat", *args, stdout=writer) as process, open(reader, "rb") as out:
        os.close(writer)
        wait_until(lambda: len(list(folder.glob("*.png"))) == 10)
        process.send_signal(signal.SIGINT)
        printed = out.read().decode().split()
        err = process.communicate(timeout=HANGS_S)[1]
    assert (process.returncode, err) == (0, "")
    assert len(list(folder.iterdir())) == 10
    assert printed[0] == f"{folder}/cat-1.png"


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_leave_nothing_half_written(server, home, first):
    """Also where files can't be without a name; the response that was being saved is found again."""
    big = noise((1200, 1200))
    server.respond = lambda reply, _: reply.send(response_with(*[big] * 4))
    code = "import os; os.O_TMPFILE = os.O_CREAT | os.O_EXCL\nfrom imagecli.__main__ import run; run()"
    line = [sys.executable, "-c", code, "gen", "cat", "-n", "4", "--base-url", server.url, "-o", "out/cat.png"]
    with subprocess.Popen(line, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: any(Path("out").glob("*")))
        process.send_signal(first)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=HANGS_S)[1]
    assert process.returncode in {0, 130, 143}, err
    assert "Traceback" not in err
    there = list(Path("out").glob("*"))
    assert [path for path in there if path.suffix != ".png"] == []
    assert all(path.read_bytes() == big for path in there)
    state = [path for path in (home / "state").rglob("*.part") if path.is_file()]
    assert state == []


def test_the_second_signal_is_not_another_interrupt(monkeypatch):
    """Whenever it comes: before the first is dealt with, or while it is."""
    clock = Clock()
    monkeypatch.setattr("imagecli.interrupts.time.monotonic", clock)
    with _handlers_kept():
        interrupts.catch()
        with pytest.raises(Signalled):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pressed()
        clock.advance(2)
        with pytest.raises(KeyboardInterrupt):  # nobody has dealt with the first: it was swallowed somewhere
            signal.raise_signal(signal.SIGINT)
        interrupts.handle()
        clock.advance(2)
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _handlers_kept():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
