"""Keys: found where the profile says, checked, never shown.

In this order: the environment, the profile's command, the keyring, the config file. Which of these may serve the base
URL of this run was settled in profiles.py; here they are asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imagecli.config.profiles import Command, Keyring, Stored, Variable
from imagecli.config.urls import is_private_transport, web_origin
from imagecli.config.values import Origin
from imagecli.errors import AuthProblem
from imagecli.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.config.profiles import Profile


@dataclass(frozen=True, slots=True)
class Key:
    """A key that never shows itself: only `reveal()` returns it."""

    _text: str = field(repr=False)
    origin: Origin

    def reveal(self) -> str:
        """Return the key, for the request's header alone."""
        return self._text

    def __str__(self) -> str:
        """Say that there is one, and where it came from."""
        return f"set (from {self.origin})"


def find_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Key | None:
    """Return the key to send to the profile's base URL, or None where none is to be sent.

    Args:
        profile: from settings.load().
        environ: the environment; None is this process's.
        warn: told what the user should hear (a keyring that can't be asked, a variable that is not set).

    Raises:
        AuthProblem: the key can't be sent as a header, its command failed, or it would go over plain http to another
            machine. Never holds the key.

    """
    environ = os.environ if environ is None else environ
    warn = warn or _say_nothing
    for name, _ in profile.secret_headers:
        check_transport(profile, Origin("config", f"header {name}"))
    for source in profile.key_sources:
        text: str | None
        if isinstance(source, Command):
            from imagecli.config.key_command import first_line_of

            check_transport(profile, source.origin)
            text = first_line_of(source, environ)
        else:
            text = _look_up(source, environ, warn)
        if text is not None:
            check_transport(profile, source.origin)
            return make_key(text, source.origin)
    for source in profile.key_sources:
        if isinstance(source, Variable) and source.named_by:
            warn(f"{shown(source.name)}, which {source.named_by.name} names, is not set: no key is sent")
    return None


def require_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Key | None:
    """Return `find_key()`, but insist on a key at OpenAI's own host.

    Raises:
        AuthProblem: as `find_key()`, or there is none at OpenAI's host.

    """
    key = find_key(profile, environ, warn=warn)
    if key is not None or not profile.at_openai:
        return key
    if profile.key_withheld:
        raise AuthProblem(
            profile.key_withheld,
            hint="Set a base URL and its key together: OPENAI_BASE_URL with OPENAI_API_KEY, or in a profile.",
        )
    raise AuthProblem(
        f"no key is set for profile {shown(profile.name)}",
        hint=f"{profile.key_advice}; `--profile sandbox` tries things out without a key.",
    )


def locate_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Origin | None:
    """Return where `find_key()` would take the key from, without running a command; None where there is none."""
    environ = os.environ if environ is None else environ
    for source in profile.key_sources:
        if isinstance(source, Command) or _look_up(source, environ, warn or _say_nothing) is not None:
            return source.origin
    return None


def key_ahead(profile: Profile, environ: Mapping[str, str] | None = None) -> Origin | None:
    """Return where a key comes from before the keyring and the file are asked, or None where it does not."""
    ahead = tuple(source for source in profile.key_sources if isinstance(source, Variable | Command))
    return locate_key(replace(profile, key_sources=ahead), environ)


def make_key(text: str, origin: Origin) -> Key:
    """Return the key without white space around it.

    Raises:
        AuthProblem: it is empty, or could not stand in a header. Never holds the key.

    """
    key = text.strip()
    if not key:
        problem = "is empty"
    elif any(char.isspace() for char in key):
        problem = "has white space inside"
    elif not key.isascii():
        problem = "holds characters other than ASCII"
    elif not key.isprintable():
        problem = "holds control characters"
    else:
        return Key(key, origin)
    raise AuthProblem(f"the key from {shown(origin)} {problem}", hint="Copy it again, whole and alone on its line.")


def _look_up(
    source: Variable | Keyring | Stored, environ: Mapping[str, str], warn: Callable[[str], None]
) -> str | None:
    match source:
        case Variable(name):
            return environ.get(name, "").strip() or None
        case Stored(text):
            return text
        case Keyring():
            from imagecli.config.key_ring import ask_keyring

            return ask_keyring(source, warn)


def check_transport(profile: Profile, origin: Origin) -> None:
    """Make sure that a key may go to the profile's base URL.

    Raises:
        AuthProblem: it would go over plain http to another machine.

    """
    if profile.allow_http or is_private_transport(profile.base_url):
        return
    place = web_origin(profile.base_url)
    raise AuthProblem(
        f"the key from {shown(origin)} is not sent to {place}: plain http can be read on the way",
        hint="Use https, or say `allow_http = true` in the profile where the network is trusted.",
    )


def _say_nothing(_message: str) -> None:
    """Take the place of a caller who does not want to hear."""
