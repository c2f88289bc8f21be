"""Running the program: in this process, which takes a hundredth of a second, or as a process of its own."""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from imagecli.__main__ import main
from support.places import ROOT
from support.schemas import check_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
_READ_AT_START = ("PYTHON", "LANG", "LC_", "TZ", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_")
"""Variables that Python or a cache of ours reads once per process."""
HANGS_S = 60.0


@dataclass(frozen=True)
class Ran:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        """The JSON document on stdout, which is as the published schema says."""
        document = json.loads(self.out)
        check_output(document)
        return document

    @property
    def json_lines(self) -> list[Any]:
        """The JSON documents on stdout, one a line; each as the published schema says."""
        documents = [json.loads(line) for line in self.out.splitlines()]
        for each in documents:
            check_output(each)
        return documents

    @property
    def paths(self) -> list[str]:
        """The paths on stdout."""
        return self.out.splitlines()


class Clock:
    """A clock that stands still but for what a test, or a server's thread, moves it on."""

    def __init__(self) -> None:
        """Begin at an hour."""
        self.now = 3600.0
        """Seconds."""

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that finds this checkout, with `more`."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def command(*args: str) -> list[str]:
    """Return the command line that starts the program as a process."""
    return [sys.executable, "-m", "imagecli", *args]


def start(*args: str, **options: Any) -> subprocess.Popen[str]:
    """Start the program as a process, its output on pipes of text unless `options` for Popen differ."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    return subprocess.Popen(command(*args), **pipes | options)


def run_process(
    *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, timeout: float = HANGS_S
) -> Ran:
    """Run the program as a process of its own; `env` is added to the environment."""
    done = subprocess.run(
        command(*args),
        input=stdin or b"",
        capture_output=True,
        env=environment(**env or {}),
        timeout=timeout,
        check=False,
    )
    return _ran(done.returncode, done.stdout, done.stderr)


def run_here(
    *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, timeout: float = HANGS_S
) -> Ran:
    """Run the program in this process, on streams as a process has them; `env` is added to the environment."""
    variables = env or {}
    assert not [name for name in variables if name.startswith(_READ_AT_START)], "these take a process of its own"
    streams = (io.BytesIO(stdin or b""), io.BytesIO(), io.BytesIO())
    with mock.patch.dict(os.environ, variables), _on(*streams), _undone(), limited(timeout):
        code = main(list(args))
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    return _ran(code, streams[1].getvalue(), streams[2].getvalue())


def _ran(code: int, out: bytes, err: bytes) -> Ran:
    assert b"Traceback" not in err, err.decode()
    return Ran(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), out)


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again whether `condition` holds, and fail where it never does."""
    until = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < until, "it never comes"
        time.sleep(0.01)


@contextmanager
def _on(stdin: io.BytesIO, stdout: io.BytesIO, stderr: io.BytesIO) -> Iterator[None]:
    """Put text streams over these in the place of the process's, with what Python gives them under C.UTF-8."""
    texts = (
        io.TextIOWrapper(stdin, "utf-8", "surrogateescape"),
        io.TextIOWrapper(stdout, "utf-8", "surrogateescape"),
        io.TextIOWrapper(stderr, "utf-8", "backslashreplace", line_buffering=True),
    )
    named = {name: text for text, name in zip(texts, ("stdin", "stdout", "stderr"), strict=True)}
    # The originals too: the width of help is that of the terminal at sys.__stdout__.
    with mock.patch.multiple(sys, **named, **{f"__{name}__": text for name, text in named.items()}):
        yield
    for text in texts:
        text.detach()


@contextmanager
def _undone() -> Iterator[None]:
    """Take back what `main` does to a process that is its own: signal handlers, frozen and disabled collection."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        gc.unfreeze()
        gc.enable()


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Fail after so many seconds: a guard against what hangs."""

    def fail(_number: int, _frame: object) -> None:
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
