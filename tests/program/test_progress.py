"""What the whole program shows in a terminal while it waits: each server waits until the test has seen it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import struct
import sys
import termios
import threading
from pathlib import Path

import pexpect
import pytest

from imagecli.commands.watching import TerminalObserver
from support.provider import CREATE, Provider
from support.pseudo_terminal import screen
from support.recovering import runs_of
from support.running import HANGS_S
from support.serving import error_document, image_file, noise, response_with


class Terminal:
    """The program in a terminal."""

    def __init__(self, *arguments, env=None, window=(30, 100)):
        """Start it."""
        self.log = io.StringIO()
        environ = {**os.environ, **(env or {})}
        self.child = pexpect.spawn(
            *(sys.executable, ["-m", "imagecli", *map(os.fspath, arguments)]),
            env=environ,
            encoding="utf-8",
            timeout=HANGS_S,
            dimensions=window,
        )
        self.child.logfile_read = self.log

    def expect(self, *patterns):
        """Wait until the rows show these, in this order."""
        for pattern in patterns:
            self.child.expect(pattern)

    @property
    def screen(self):
        """What is on the screen."""
        return screen(self.log.getvalue().replace("\r\n", "\n"))

    def end(self):
        """Wait for the end; return the exit code and what is left on the screen."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus, self.screen


@pytest.fixture
def gate(server):
    """Let the server answer once the gate is set."""
    opened = threading.Event()
    respond = server.respond

    def wait(reply, request):
        assert opened.wait(HANGS_S)
        respond(reply, request)

    server.respond = wait
    return opened


def test_a_run_of_four_with_one_that_fails(server):
    """Four requests at once: one fails when all were seen to wait, the others come when the failure was seen."""
    seen, failed = threading.Event(), threading.Event()
    answers = [response_with(image_file())] * 3 + [None]

    def respond(reply, _):
        assert seen.wait(HANGS_S)
        answer = answers.pop()
        if answer is None:
            reply.json(error_document("not that", code="moderation_blocked"), 400)
        else:
            assert failed.wait(HANGS_S)
            reply.send(answer)

    server.respond = respond
    terminal = Terminal("gen", "a fox", "-n", "4", "-m", "dall-e-3", "--base-url", server.url)
    terminal.expect(*(f"image {n} .*waiting" for n in (1, 2, 3, 4)), "total.*0 of 4")
    seen.set()
    terminal.expect("failed.*content policy: not that", "1 failed")
    failed.set()
    code, left = terminal.end()
    assert code == 6
    assert all(re.fullmatch(r"a-fox(-\d)?\.png", line) for line in left[:3])
    assert left[3].startswith("3 images, 64x48 png, ")
    assert left[4].startswith("error: ")
    assert not any("image 1" in line or "total" in line for line in left)


def test_a_stream_counts_its_partial_images(server):
    steps = [threading.Event() for _ in range(2)]

    def respond(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        kinds = ("partial_image", "partial_image", "completed")
        for kind, step in zip(kinds, [None, *steps], strict=True):
            assert step is None or step.wait(HANGS_S)
            image = response_with(image_file())[24:-4].decode().partition('"b64_json": "')[2]
            reply.raw(f'data: {{"type": "image_generation.{kind}", "b64_json": "{image}"}}\n\n'.encode())
        reply.close()

    server.respond = respond
    words = ("gen", "a fox", "-m", "gpt-image-2", "--partials", "2", "-o", "fox.png", "--base-url", server.url)
    terminal = Terminal(*words)
    for number, step in enumerate(steps, 1):
        terminal.expect(f"partial {number} of 2")
        step.set()
    code, left = terminal.end()
    assert (code, left[0]) == (0, "fox.png")


def test_an_upload_is_waited_for_and_its_response_comes_with_a_size(server):
    """The server reads the whole form before it is asked; the terminal sees how much of the response has come."""
    body, halfway = response_with(noise((700, 700))), threading.Event()

    def respond(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        reply.raw(b"Content-Length: %d\r\n\r\n" % len(body) + body[:1_000_000])
        assert halfway.wait(HANGS_S)
        reply.raw(body[1_000_000:])

    server.respond = respond
    Path("in.png").write_bytes(image_file())
    terminal = Terminal("edit", "in.png", "a fox", "-m", "m", "-o", "out.png", "--base-url", server.url)
    terminal.expect("receiving.*1.0 of 2.0 MB")
    halfway.set()
    assert terminal.end()[0] == 0


@pytest.mark.parametrize("words", [("config", "check"), ("models",)])
def test_a_list_that_is_long_in_coming(words, server, gate):
    terminal = Terminal(*words, "--base-url", server.url, env={"IMAGECLI_TIMEOUT": "60"})
    terminal.expect(f"asking .*{re.escape(server.url)}")
    server.respond = lambda reply, _: reply.json({"data": [{"id": "m"}]})
    gate.set()
    assert terminal.end()[0] in {0, 1}
    assert not any("asking" in line for line in terminal.screen)


def test_recover_shows_what_it_downloads(server, home):
    answers = home / "state" / "imagecli" / "answers"
    answers.mkdir(parents=True)
    runs_of(home).mkdir()
    (runs_of(home) / "0123456789ab.done").write_text(json.dumps({"base_url": server.url, "started": 1.0}))
    (answers / "answer-0123456789ab-1-1.json").write_text(json.dumps({"data": [{"url": f"{server.origin}/x.png"}]}))
    body, halfway = noise((700, 700)), threading.Event()

    def respond(reply, _):
        reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(body))
        reply.raw(body[:700_000])
        assert halfway.wait(HANGS_S)
        reply.raw(body[700_000:])

    server.respond = respond
    terminal = Terminal("recover", "-o", "x.png")
    terminal.expect("fetching.* of 1.5 MB")
    halfway.set()
    assert terminal.end() == (0, ["x.png", "700x700 png, 1.5 MB"])


def test_submitting_a_batch_shows_what_is_waited_for():
    created = threading.Event()
    with Provider() as provider:
        pass_on = provider.respond

        def respond(reply, request):
            if f"{request.method} {request.path}" == CREATE:
                assert created.wait(HANGS_S)
            pass_on(reply, request)

        provider.respond = respond
        Path("jobs.txt").write_text("a fox\na bird\n")
        terminal = Terminal("batch", "submit", "jobs.txt", "-o", "out", "--base-url", provider.url, "-m", "gpt-image-2")
        terminal.expect("creating")
        created.set()
        code, left = terminal.end()
    assert code == 0
    assert not any("creating" in line for line in left)


@pytest.mark.parametrize("flags", [["--json"], ["-v"]])
def test_flags_that_say_how_it_is_told_leave_the_progress(flags, server, gate):
    terminal = Terminal("gen", "a fox", "-m", "m", "-o", "fox.png", "--base-url", server.url, *flags)
    terminal.expect("waiting")
    gate.set()
    code, left = terminal.end()
    assert code == 0
    assert not any("waiting" in line for line in left)


def test_quiet_has_none(server, gate):
    terminal = Terminal("gen", "a fox", "-m", "m", "-o", "fox.png", "--base-url", server.url, "--quiet")
    server.wait_for(bool)
    gate.set()
    assert terminal.end() == (0, ["fox.png"])
    assert terminal.log.getvalue() == "fox.png\r\n"


def test_a_window_of_twenty_columns(server, gate):
    terminal = Terminal("gen", "a fox", "-n", "2", "-m", "dall-e-3", "--base-url", server.url, window=(24, 20))
    terminal.expect("2 waiting")
    fcntl.ioctl(terminal.child.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
    terminal.expect("image 2 .*waiting")
    gate.set()
    code, left = terminal.end()
    assert (code, left[:2]) == (0, ["a-fox.png", "a-fox-2.png"])
    assert left[2].startswith("2 images, 64x48 png, ")


@pytest.fixture
def told(monkeypatch):
    """What a run reports, without a terminal."""
    found = []

    class Observer(TerminalObserver):
        def state(self, index, numbers, state, seconds):
            found.append((tuple(numbers), state))
            super().state(index, numbers, state, seconds)

        def moved(self, numbers, done, total):
            found.append((tuple(numbers), done, total))

    monkeypatch.setattr("imagecli.commands.make.TerminalObserver", Observer)
    return found


def test_bytes_are_those_of_the_bodies(imagecli, server, told):
    """Up to the last one of the request, and up to the last one of the response; as the headers say them."""
    image, body = noise((300, 300)), response_with(noise((400, 300)))
    Path("in.png").write_bytes(image)
    server.respond = lambda reply, _: reply.send(body)
    assert imagecli("edit", "in.png", "a fox", "-m", "m", "-o", "x.png", "--base-url", server.url).code == 0
    names = [each[1] for each in told if len(each) == 2]
    assert names == ["connecting", "uploading", "waiting", "receiving", "saving", "done"]
    at = [told.index(((1,), name)) for name in ("uploading", "waiting", "receiving", "saving")]
    uploaded, received = ([each[1:] for each in told[a + 1 : b]] for a, b in (at[:2], at[2:]))
    sent = len(server.posts[0].body)
    for moved, total in ((uploaded, sent), (received, len(body))):
        assert [each[0] for each in moved] == sorted(each[0] for each in moved)
        assert len(moved) > 3
        assert moved[-1] == (total, total)
        assert all(each[1] == total for each in moved)


def test_images_of_one_response_are_saved_one_by_one(imagecli, server, told):
    imagecli("gen", "a fox", "-n", "2", "-m", "m", "-o", "x.png", "--base-url", server.url)
    assert [each for each in told if each[1] in {"waiting", "saving", "done"}] == [
        ((1, 2), "waiting"),
        ((1,), "saving"),
        ((2,), "saving"),
        ((1, 2), "done"),
    ]
