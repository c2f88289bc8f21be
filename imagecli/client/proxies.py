"""The proxy that a URL is reached by, read from the environment as curl reads it, and the connections that go by it.

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
import threading
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import httpcore2 as httpcore

from imagecli.client.http import Response
from imagecli.client.network import tls_context
from imagecli.client.url import InvalidUrlError, parse_url
from imagecli.errors import UsageProblem
from imagecli.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.client.http import Request
    from imagecli.client.network import Backend

# Servers close idle connections after about 5 s; a request on one that is being closed would be sent and lost.
_KEEP_IDLE_S = 2.0
_DEFAULT_PORT = {"http": 80, "https": 443}
_PROXY_PORT = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}
"""curl's, where a proxy's URL names none."""


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


class Network:
    """Carries requests to servers, each directly or by the proxy that its URL has. Idle connections are kept for 2 s.

    A connection is not kept for a request that costs money: on one that the server is just closing the response would
    be lost.
    """

    def __init__(self, backend: Backend) -> None:
        """Open nothing yet; connections come from `backend`."""
        self._backend = backend
        self._pools: dict[tuple[Proxy | None, bool, bool], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """Send a request whole, and return its response as soon as its headers are there.

        Raises:
            UsageProblem: the proxy, or the system's certificates, can't be used.
            TRANSPORT_ERRORS: the exchange broke off.
        """
        url = request.url
        pool = self._pool(find_proxy(str(url)), tls=url.scheme == "https", kept=request.method == "GET")
        response = pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
                headers=request.raw_headers,
                content=request.body.pieces,
                extensions={"trace": request.trace},
            )
        )
        return Response(response.status, response.headers, response.stream)  # type: ignore[arg-type] # it can be closed

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, proxy: Proxy | None, *, tls: bool, kept: bool) -> httpcore.ConnectionPool:
        """Return the connections of one kind.

        Without `tls` (for http:// URLs) the system's certificates are not loaded: that would take a tenth of a run.
        """
        with self._lock:
            if (proxy, tls, kept) not in self._pools:
                self._pools[proxy, tls, kept] = httpcore.ConnectionPool(
                    ssl_context=tls_context() if tls else None,
                    proxy=None if proxy is None else _usable(proxy),
                    max_connections=None,
                    max_keepalive_connections=None if kept else 0,
                    keepalive_expiry=_KEEP_IDLE_S,
                    network_backend=self._backend,
                )
            return self._pools[proxy, tls, kept]


def _usable(proxy: Proxy) -> httpcore.Proxy:
    """Return a proxy as the HTTP library takes it. No error repeats its URL, which may contain a password.

    Raises:
        UsageProblem: it can't be used.
    """
    problem = f"the proxy in {proxy.variable} can't be used"
    hint = f"Write {proxy.variable} as http://HOST:PORT, or unset it."
    try:
        url = parse_url(proxy.url)
    except InvalidUrlError:
        raise UsageProblem(f"{problem}: it is not a URL", hint=hint) from None
    if url.scheme not in _PROXY_PORT:
        if url.scheme.startswith("socks"):
            hint = f"If it speaks SOCKS 5 too, write {proxy.variable} as socks5h://HOST:PORT."
        raise UsageProblem(f"{problem}: {url.scheme}:// is not supported", hint=hint)
    if not url.host:
        raise UsageProblem(f"{problem}: it names no host", hint=hint)
    if url.scheme.startswith("socks"):
        from importlib.util import find_spec

        if find_spec("socksio") is None:
            raise UsageProblem(
                f"{problem}: SOCKS needs this package's extra socks",
                hint="Install it: pip install 'imagecli[socks]', or pipx inject imagecli socksio.",
            )
    context = tls_context() if url.scheme == "https" else None
    place = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port or _PROXY_PORT[url.scheme], target="/")
    login = url.login and (url.login[0].encode(), url.login[1].encode())
    return httpcore.Proxy(place, auth=login, ssl_context=context)
