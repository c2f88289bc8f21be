"""Keys in the system's keyring, where the `keyring` extra is installed.

An entry stands under the service "imagecli" and the profile's name, and holds the key and the origin that it was set
for (`KEY https://images.example.com`), so that a profile whose base URL was changed does not take the key along. An
entry without an origin, put there by other means, is the profile's as it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from imagecli.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from imagecli.config.keys import Key
    from imagecli.config.profiles import Keyring

_SERVICE = "imagecli"


def ask_keyring(source: Keyring, warn: Callable[[str], None]) -> str | None:
    """Return the profile's key, or None where the keyring has none for this place or can't be asked."""
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        entry: str | None = keyring.get_password(_SERVICE, source.user)
    except Exception as error:  # noqa: BLE001 - backends raise whatever their system's library raises
        if type(error).__name__ != "NoKeyringError":  # the extra is installed, the machine has no keyring
            warn(f"the keyring can't be asked for the key of profile {shown(source.user)} ({type(error).__name__})")
        return None
    if entry is None:
        return None
    key, _, place = entry.strip().rpartition(" ")
    if "://" not in place:
        return entry.strip() or None  # put there by other means: for the profile as it is
    if place == source.place:
        return key
    warn(
        f"the key of profile {shown(source.user)} in the keyring is not sent to {source.place}: "
        f"it was set for {shown(place)}"
    )
    return None


def store_in_keyring(source: Keyring, key: Key) -> bool:
    """Put the key into the keyring. False: there is no keyring here, or it does not keep what it is given."""
    keyring = _keyring()
    if keyring is None:
        return False
    entry = f"{key.reveal()} {source.place}"
    try:
        keyring.set_password(_SERVICE, source.user, entry)
        kept: str | None = keyring.get_password(_SERVICE, source.user)
    except Exception:  # noqa: BLE001 - backends raise whatever their system's library raises
        return False
    return kept == entry


def remove_from_keyring(user: str) -> bool:
    """Remove the profile's key from the keyring. False: there was none, or the keyring can't be asked."""
    keyring = _keyring()
    if keyring is None:
        return False
    try:
        if keyring.get_password(_SERVICE, user) is None:
            return False
        keyring.delete_password(_SERVICE, user)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True


def _keyring() -> ModuleType | None:
    try:
        return import_module("keyring")  # an extra, and 7 starts of Python
    except ImportError:
        return None
