"""What each test has: a home of its own, no key, no network but loopback; the program, here or as a process."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, settings

from imagecli.client.client import Client
from imagecli.sandbox.api.app import create_app
from support.places import PHOTOS
from support.running import Clock, run_here, run_process
from support.sandboxed import SandboxClient
from support.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.running import Ran

_DROPPED = ("OPENAI_", "IMAGECLI_", "AZURE_OPENAI_", "XDG_", "SSL_CERT_", "LC_", "REQUESTS_CA_", "CURL_CA_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

# The same examples in each run, and none of them by the clock.
settings.register_profile(
    "steady", deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
# A shell's background job starts with Ctrl-C ignored, and so would each process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a working folder of the test's own."""
    for name in list(os.environ):
        if name.startswith(_DROPPED) or name.upper() in (*_PROXIES, "NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    for name, place in {
        "HOME": "",
        "XDG_CONFIG_HOME": "config",
        "XDG_STATE_HOME": "state",
        "XDG_CACHE_HOME": "cache",
    }.items():
        monkeypatch.setenv(name, str(folder / place))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setitem(sys.modules, "keyring", None)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def imagecli(waits: list[float], clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Run the program in this process; what it would wait, in seconds, is added to `waits`."""
    clients: list[Client] = []

    def opened(*args: Any, **more: Any) -> Client:
        clients.append(Client(*args, **more))
        return clients[-1]

    monkeypatch.setattr("imagecli.client.open.Client", opened)
    monkeypatch.setattr("imagecli.client.open.sleep", waits.append)
    monkeypatch.setattr("imagecli.client.open.clock", clock)
    yield run_here
    for client in clients:  # as the end of a process does
        client.close()


@pytest.fixture
def program() -> Callable[..., Ran]:
    """Run the program as a process of its own: for streams, signals, and what only a start shows."""
    return run_process


@pytest.fixture
def server() -> Iterator[Server]:
    """A scripted image server on loopback that remembers what it was sent."""
    with Server() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """The clock that the client keeps its deadlines by; it stands still."""
    return Clock()


@pytest.fixture
def waits() -> list[float]:
    """What the program, or the sandbox of `api`, would have waited, in seconds."""
    return []


@pytest.fixture
def api(waits: list[float]) -> Iterator[httpx.Client]:
    """A client of a sandbox in this process."""
    transport = httpx.WSGITransport(app=create_app(pause=waits.append))
    with SandboxClient(transport=transport, base_url="http://sandbox.test/v1") as client:
        yield client


@pytest.fixture
def photos() -> Path:
    """The folder of real photographs."""
    if not PHOTOS.is_dir():
        pytest.skip("the real photographs are not beside this checkout")
    return PHOTOS
