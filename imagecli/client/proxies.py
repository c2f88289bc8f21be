"""The proxy that a URL is reached by, read from the environment as curl reads it.

    http_proxy                  for http:// URLs; in lower case only, as a web server may take HTTP_PROXY from a request
    https_proxy, HTTPS_PROXY    for https:// URLs
    all_proxy, ALL_PROXY        where the scheme's own is not set
    no_proxy, NO_PROXY          hosts that are reached directly: names with all below them, addresses, networks, *

An empty variable counts as unset. Beyond curl, an entry of no_proxy may have a port, and this machine is never reached
by a proxy: a key that may go there over plain http would go to the proxy.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from imagecli.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORT = {"http": 80, "https": 443}


class Proxy(NamedTuple):
    """A proxy and the variable that names it."""

    variable: str
    text: str
    """Its URL, with or without a scheme; it may contain a password."""

    def __repr__(self) -> str:
        """Return where it is set: the URL may contain a password."""
        return f"Proxy({self.variable!r})"

    @property
    def url(self) -> str:
        """Its URL, with a scheme."""
        return self.text if "://" in self.text else f"http://{self.text}"


def find_proxy(url: str, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """Return the proxy for a URL; None: it is reached directly."""
    environ = os.environ if environ is None else environ
    place = urlsplit(url)
    host = (place.hostname or "").rstrip(".")
    if not host or is_loopback(host):
        return None
    own = ("http_proxy",) if place.scheme == "http" else (f"{place.scheme}_proxy", f"{place.scheme.upper()}_PROXY")
    found = _first(environ, *own, "all_proxy", "ALL_PROXY")
    if found is None:
        return None
    excepted = _first(environ, "no_proxy", "NO_PROXY")
    port = place.port or _DEFAULT_PORT.get(place.scheme, 0)
    if excepted and any(_is_meant(entry, host, port) for entry in excepted.text.replace(",", " ").split()):
        return None
    return found


def _first(environ: Mapping[str, str], *variables: str) -> Proxy | None:
    return next((Proxy(name, text) for name in variables if (text := environ.get(name, "").strip())), None)


def _is_meant(entry: str, host: str, port: int) -> bool:
    """Whether an entry of no_proxy means this host: `*`, a name and all below it, an address, a network."""
    if entry == "*":
        return True
    name, own_port = _split_port(entry.lower())
    if own_port is not None and own_port != port:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        name = name.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        return address in ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return the host of an entry, and its port where it has one; an IPv6 address has more colons than one."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.endswith("]")):
        return host, int(port)
    return entry, None
