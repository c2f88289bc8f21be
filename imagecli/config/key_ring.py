"""Keys in the system's keyring, where the `keyring` extra is installed.

An entry has the service "imagecli" and the profile's name as its user. It holds the key and the web origin that the key
was set for (`KEY https://images.example.com`), so that the key isn't sent elsewhere once the base URL has changed. An
entry without a web origin, made with another program, is used for any base URL of the profile.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from imagecli.text import named, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from imagecli.config.profiles import Keyring

_SERVICE = "imagecli"


def ask_keyring(source: Keyring, warn: Callable[[str], None]) -> str | None:
    """Return the profile's key, or None where the keyring has none for this web origin or can't be read."""
    keyring = _import_keyring()
    if keyring is None:
        return None
    try:
        entry: str | None = keyring.get_password(_SERVICE, source.user)
    except Exception as error:  # noqa: BLE001 - backends raise whatever their system's library raises
        if type(error).__name__ != "NoKeyringError":  # the extra is installed, but the system has no keyring
            warn(f"the key of profile {named(source.user)} can't be read from the keyring ({type(error).__name__})")
        return None
    if entry is None:
        return None
    key, _, web_origin = entry.strip().rpartition(" ")
    if "://" not in web_origin:
        return entry.strip() or None
    if web_origin == source.web_origin:
        return key
    warn(
        f"the key of profile {named(source.user)} in the keyring is not sent to {source.web_origin}: "
        f"it was set for {printable(web_origin)}"
    )
    return None


def store_in_keyring(source: Keyring, key: str) -> bool:
    """Store the key in the keyring; return False where there is no keyring, or where it doesn't keep the key."""
    keyring = _import_keyring()
    if keyring is None:
        return False
    entry = f"{key} {source.web_origin}"
    try:
        keyring.set_password(_SERVICE, source.user, entry)
        stored: str | None = keyring.get_password(_SERVICE, source.user)
    except Exception:  # noqa: BLE001 - backends raise whatever their system's library raises
        return False
    return stored == entry


def remove_from_keyring(user: str) -> bool:
    """Remove the profile's key from the keyring; return False where it had none or can't be used."""
    keyring = _import_keyring()
    if keyring is None:
        return False
    try:
        if keyring.get_password(_SERVICE, user) is None:
            return False
        keyring.delete_password(_SERVICE, user)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True


def _import_keyring() -> ModuleType | None:
    try:
        return import_module("keyring")  # an extra; its import takes seven times as long as starting Python
    except ImportError:
        return None
