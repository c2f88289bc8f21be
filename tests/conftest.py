"""What every test has: a home of its own, no key and no network but loopback; the program as a process; a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from serving import Server

from imagecli.sandbox.api.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PHOTOS = ROOT.parent / "shared" / "photos"
_DROPPED = ("OPENAI_", "IMAGECLI_", "AZURE_OPENAI_", "XDG_", "SSL_CERT_", "LC_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


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


@dataclass(frozen=True)
class Ran:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        """The JSON document on stdout."""
        return json.loads(self.out)

    @property
    def paths(self) -> list[str]:
        """The paths on stdout."""
        return self.out.splitlines()


@pytest.fixture
def imagecli() -> Callable[..., Ran]:
    """Run the program as a process of its own."""

    def run(*args: str, stdin: bytes | None = None, env: dict[str, str] | None = None, timeout: float = 60) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "imagecli", *args],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            timeout=timeout,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.stdout
        )

    return run


@pytest.fixture
def server() -> Iterator[Server]:
    """A scripted image server on loopback that remembers what it was sent."""
    with Server() as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """What the sandbox of `api` would have waited, in seconds."""
    return []


@pytest.fixture
def api(waits: list[float]) -> Iterator[httpx.Client]:
    """A client of a sandbox in this process."""
    transport = httpx.WSGITransport(app=create_app(pause=waits.append))
    with httpx.Client(transport=transport, base_url="http://sandbox.test/v1") as client:
        yield client


@pytest.fixture
def photos() -> Path:
    """The folder of real photographs."""
    if not PHOTOS.is_dir():
        pytest.skip("the real photographs are not beside this checkout")
    return PHOTOS
