"""URLs as they go to a server: checked, and every character that HTTP can't carry encoded, once."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote

_MAX_LENGTH = 1 << 16
_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986, appendix B; it matches any text without line breaks.
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?")
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[^][]*\]|[^][:@]*)(?::([0-9]*))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
# url.spec.whatwg.org, percent-encoded bytes. What is encoded already, and a lone %, stay as they are.
_UNSAFE_IN_QUERY = re.compile(r"""[^!-~]|["#<>]""")
_UNSAFE_IN_PATH = re.compile(r"""[^!-~]|["#<>?`{}]""")
_UNSAFE_IN_HOST = re.compile(r"""[^!-~]|[#/<>?@^]""")


class InvalidUrlError(ValueError):
    """A text is not a URL."""


class URL(NamedTuple):
    """A URL without its fragment, which is never sent. All parts are ASCII."""

    scheme: str
    """In lower case; empty where there is none."""
    userinfo: str
    host: str
    """In lower case; a name in other scripts as IDNA encodes it; an IPv6 address without brackets."""
    port: int | None
    """None: the scheme's own."""
    target: str
    """Path and query; it begins with a slash."""

    @property
    def netloc(self) -> str:
        """Host and port, as the header Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """What a key belongs to: scheme, host, port."""
        return self.scheme, self.host, self.port

    @property
    def login(self) -> tuple[str, str] | None:
        """The user and the password in it; None: there are none."""
        user, _, password = self.userinfo.partition(":")
        return (unquote(user), unquote(password)) if user or password else None

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.scheme}://{self.userinfo}{'@' * bool(self.userinfo)}{self.netloc}{self.target}"


def parse_url(text: str) -> URL:
    """Return the URL that a text is; without a scheme or a host where it has none.

    Raises:
        InvalidUrlError: it is too long, has control characters, or no valid host or port.
    """
    found = _PARTS.fullmatch(text)
    if len(text) > _MAX_LENGTH or found is None or _CONTROL.search(text):
        raise InvalidUrlError("it is too long, or has control characters")
    scheme, authority, path, query = found.groups()
    scheme = (scheme or "").lower()
    parts = _AUTHORITY.fullmatch(authority or "")
    if parts is None:
        raise InvalidUrlError(f"invalid host or port: {(authority or '').rpartition('@')[2]!r}")
    userinfo, host, digits = parts.groups()
    port = int(digits[:6]) if digits else None
    try:
        target = _encoded(_without_dots(path), _UNSAFE_IN_PATH) or "/"
        if query is not None:
            target += "?" + _encoded(query, _UNSAFE_IN_QUERY)
        userinfo = _encoded(userinfo or "", _UNSAFE_IN_PATH)
        return URL(scheme, userinfo, _host(host), None if port == _DEFAULT_PORTS.get(scheme) else port, target)
    except UnicodeError as error:  # half a surrogate pair
        raise InvalidUrlError("it is not text") from error


def _host(host: str) -> str:
    try:
        if host.startswith("["):
            ipaddress.IPv6Address(host[1:-1])
            return host[1:-1].lower()
        if _IPV4.fullmatch(host):
            ipaddress.IPv4Address(host)
    except ValueError:
        version = 6 if host.startswith("[") else 4
        raise InvalidUrlError(f"Invalid IPv{version} address: {host!r}") from None
    if host.isascii():
        return _encoded(host.lower(), _UNSAFE_IN_HOST)
    import idna  # its tables take longer to load than all the rest of this module

    try:
        return idna.encode(host.lower()).decode("ascii")
    except idna.IDNAError:
        raise InvalidUrlError(f"Invalid IDNA hostname: {host!r}") from None


def _encoded(text: str, unsafe: re.Pattern[str]) -> str:
    return unsafe.sub(lambda char: "".join(f"%{byte:02X}" for byte in char[0].encode()), text)


def _without_dots(path: str) -> str:
    """Return a path without segments that are "." or ".."."""
    segments = path.split("/")
    if "." not in segments and ".." not in segments:
        return path
    kept: list[str] = []
    for segment in segments:
        if segment == ".." and kept not in ([], [""]):
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    return "/".join(kept)
