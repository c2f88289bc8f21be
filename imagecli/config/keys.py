"""Keys: found in the profile's sources, checked, never shown.

The sources are, in this order, the environment, the profile's command, the keyring and the config file. profiles.py
decides which of them may serve the base URL of this run; this module reads them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imagecli.config.profiles import Command, Keyring, Stored, Variable
from imagecli.config.urls import NO_QUOTES, QUOTES, is_readable, web_origin
from imagecli.errors import AuthProblem
from imagecli.options import Origin
from imagecli.text import named, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.config.profiles import Profile


class Key:
    """A key that no text form shows: only `reveal()` returns it."""

    __slots__ = ("_text", "origin")

    def __init__(self, text: str, origin: Origin) -> None:
        """Take the key and where it came from."""
        self._text = text
        self.origin = origin

    def reveal(self) -> str:
        """Return the key. For the request's header only."""
        return self._text

    def __str__(self) -> str:
        """Return that it is set, and where it came from."""
        return f"set (from {self.origin})"

    __repr__ = __str__


def find_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Key | None:
    """Return the key to send to the profile's base URL, or None where none is sent.

    Args:
        profile: from settings.load().
        environ: the environment; None is this process's.
        warn: gets each warning (a keyring that can't be read, a variable that is not set).

    Raises:
        AuthProblem: the key can't be sent in a header, its command failed, or it would go over plain http to another
            machine. Never contains the key.

    """
    environ = os.environ if environ is None else environ
    warn = warn or _ignore
    for name, _ in profile.secret_headers:
        check_transport(profile, Origin("config", f"header {name}"))
    for source in profile.key_sources:
        text: str | None
        if isinstance(source, Command):
            from imagecli.config.key_command import run_key_command

            check_transport(profile, source.origin)
            text = run_key_command(source, environ)
        else:
            text = _read(source, environ, warn)
        if text is not None:
            check_transport(profile, source.origin)
            return make_key(text, source.origin)
    for source in profile.key_sources:
        if isinstance(source, Variable) and source.named_by:
            warn(f"{named(source.name)}, which {source.named_by.name} names, is not set: no key is sent")
    return None


def require_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Key | None:
    """Return `find_key()`, and require a key at OpenAI's own host.

    Raises:
        AuthProblem: as `find_key()`, or no key is set for OpenAI's host.

    """
    key = find_key(profile, environ, warn=warn)
    if key is not None or not profile.at_openai:
        return key
    if profile.key_withheld:
        raise AuthProblem(
            profile.key_withheld,
            hint="Set a base URL together with its key: OPENAI_BASE_URL with OPENAI_API_KEY, or both in a profile.",
        )
    raise AuthProblem(
        f"no key is set for profile {named(profile.name)}",
        hint=f"{profile.key_advice}; `--profile sandbox` needs no key.",
    )


def locate_key(
    profile: Profile, environ: Mapping[str, str] | None = None, *, warn: Callable[[str], None] | None = None
) -> Origin | None:
    """Return where `find_key()` would take the key from, or None where it has none; runs no command."""
    environ = os.environ if environ is None else environ
    for source in profile.key_sources:
        if isinstance(source, Command) or _read(source, environ, warn or _ignore) is not None:
            return source.origin
    return None


def key_ahead(profile: Profile, environ: Mapping[str, str] | None = None) -> Origin | None:
    """Return the source of a key that takes precedence over the keyring and the file, or None where none does."""
    ahead = tuple(source for source in profile.key_sources if isinstance(source, Variable | Command))
    return locate_key(profile._replace(key_sources=ahead), environ)


def make_key(text: str, origin: Origin) -> Key:
    """Return the key without surrounding white space.

    Raises:
        AuthProblem: it is empty, or can't be sent in a header. Never contains the key.

    """
    key = text.strip()
    hint = "Copy the whole key again, on a line by itself."
    if not key:
        problem = "is empty"
    elif key[0] in QUOTES or key[-1] in QUOTES:
        problem = "is in quotes"
        hint = NO_QUOTES
    elif any(char.isspace() for char in key):
        problem = "contains white space"
    elif not key.isascii():
        problem = "contains non-ASCII characters"
    elif not key.isprintable():
        problem = "contains control characters"
    else:
        return Key(key, origin)
    raise AuthProblem(f"the key from {printable(origin)} {problem}", hint=hint)


def _read(source: Variable | Keyring | Stored, environ: Mapping[str, str], warn: Callable[[str], None]) -> str | None:
    if isinstance(source, Variable):
        return environ.get(source.name, "").strip() or None
    if isinstance(source, Stored):
        return source.text
    from imagecli.config.key_ring import ask_keyring

    return ask_keyring(source, warn)


def check_transport(profile: Profile, origin: Origin) -> None:
    """Check that a key may go to the profile's base URL.

    Raises:
        AuthProblem: it would go over plain http to another machine.

    """
    if profile.allow_http or not is_readable(profile.base_url):
        return
    raise AuthProblem(
        f"the key from {printable(origin)} is not sent to {web_origin(profile.base_url)}: "
        "plain http can be read in transit",
        hint="Use https, or set `allow_http = true` in the profile if you trust the network.",
    )


def _ignore(_warning: str) -> None:
    """Drop a warning, for callers that want none."""
