"""What must not be shown of a client's settings: its key, the keys in its headers, and the passwords of proxies."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imagecli.errors import ImagecliError
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile

_SHORTEST = 6
_FROM_SERVERS = ("message", "hint", "code", "param", "type", "request_id")
"""What of an error may be a server's words."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def secrets_of(profile: Profile, key: Key | None, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return all secrets of a client; `environ`, by default this process's environment, names the proxies."""
    environ = os.environ if environ is None else environ
    found = [*([key.reveal()] if key else []), *_in_headers(profile), *_in_proxies(environ)]
    return tuple(dict.fromkeys(found))


@contextmanager
def redacting(secrets: tuple[str, ...]) -> Iterator[None]:
    """Take the secrets out of an error: servers repeat them in the oddest places."""
    try:
        yield
    except ImagecliError as error:
        for name in _FROM_SERVERS:
            text = getattr(error, name)
            setattr(error, name, None if text is None else sanitize(text, secrets))
        raise


def _in_headers(profile: Profile) -> Iterator[str]:
    """Yield the keys in headers. Of "Bearer KEY" and "session=KEY; path=/" servers repeat the key alone."""
    for _, value in profile.secret_headers:
        for word in (value, value.rpartition(" ")[2], *(part.partition("=")[2] for part in re.split(r";\s*", value))):
            if len(word) >= _SHORTEST:
                yield word


def _in_proxies(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the passwords of proxies, as they are written and as they are sent: `user:password`."""
    for variable, url in environ.items():
        if variable.lower() not in _PROXIES or "@" not in url:
            continue
        try:
            proxy = urlsplit(url if "://" in url else f"http://{url}")
        except ValueError:
            continue
        login = proxy.netloc.rpartition("@")[0]
        password = login.partition(":")[2]
        for secret in (login, password):
            yield from (each for each in {secret, unquote(secret)} if each)
