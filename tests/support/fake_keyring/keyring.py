"""Stands in for the keyring package: the functions of it that are used, keeping their entries in a JSON file.

FAKE_KEYRING names the file. FAKE_KEYRING_ERROR makes it fail: "none" (a machine without a keyring), "locked", or
"forgets" (a backend that takes everything and keeps nothing).
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class NoKeyringError(Exception):
    """As the real package calls it."""


def get_password(service: str, username: str) -> str | None:
    """Return what is kept for the user, or None."""
    return _entries().get(f"{service}:{username}")


def set_password(service: str, username: str, password: str) -> None:
    """Keep it."""
    entries = _entries()
    if os.environ.get("FAKE_KEYRING_ERROR") != "forgets":
        _place().write_text(json.dumps(entries | {f"{service}:{username}": password}))


def delete_password(service: str, username: str) -> None:
    """Forget it."""
    entries = _entries()
    del entries[f"{service}:{username}"]
    _place().write_text(json.dumps(entries))


def _place() -> Path:
    return Path(os.environ["FAKE_KEYRING"])


def _entries() -> dict[str, str]:
    match os.environ.get("FAKE_KEYRING_ERROR"):
        case "none":
            raise NoKeyringError
        case "locked":
            raise RuntimeError("locked, and here is what was in it: sk-S3cr3t/+=")
    return json.loads(_place().read_text()) if _place().exists() else {}
