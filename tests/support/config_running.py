"""Running `imagecli config` in tests: in this process, or as one of its own with a keyring that is a JSON file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imagecli.__main__ import main
from support.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

FAKE_KEYRING = ROOT / "tests" / "support" / "fake_keyring"
SECRET = "sk-S3cr3t/+="  # noqa: S105 - made up


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a config command without a keyring and returns exit code, stdout and stderr.

    Whatever the command prints, it does not print the key, and each line on stderr begins with our name.
    """
    monkeypatch.setitem(sys.modules, "keyring", None)

    def run(*args: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(["config", *args])
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert all(line.startswith("imagecli: ") for line in err.splitlines())
        return code, out, err

    return run


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which `import keyring` gives the fake one, its entries in ./keyring.json."""
    path = f"{FAKE_KEYRING}{os.pathsep}{ROOT}"
    return {**os.environ, "PYTHONPATH": path, "FAKE_KEYRING": str(Path("keyring.json").resolve()), **more}


def run_with_keyring(*args: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a config command as a process with the fake keyring, which must not show the key."""
    done = subprocess.run(
        [sys.executable, "-m", "imagecli", "config", *args],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**more),
        check=False,
    )
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a config file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def row(out: str, name: str) -> str:
    """Return what the line of this name contains."""
    (found,) = [line.removeprefix(name).strip() for line in out.splitlines() if line.startswith(f"{name}  ")]
    return " ".join(found.split())
