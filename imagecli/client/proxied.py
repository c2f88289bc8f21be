"""Requests that go by a proxy: an HTTP one passes them on, or opens a tunnel for https:// URLs; or SOCKS 5."""

from __future__ import annotations

import base64
import threading
from functools import partial
from typing import TYPE_CHECKING, Literal

import h11

from imagecli.client.direct import Direct, translated
from imagecli.client.http import ProxyError, TransportError
from imagecli.client.url import InvalidUrlError, parse_url
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.client.http import Request, Response
    from imagecli.client.network import Dialer, Wire
    from imagecli.client.proxies import Proxy
    from imagecli.client.url import URL

_PROXY_PORT = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}
"""curl's, where a proxy's URL names none."""
_SUCCESS = range(200, 300)
_BECAUSE: dict[int, Literal["login", "rules"]] = {403: "rules", 407: "login"}


class Proxied:
    """Sends requests by their proxies. A connection is kept as `Direct` keeps one."""

    def __init__(self, dialer: Dialer) -> None:
        """Open nothing yet; connections come from `dialer`."""
        self._dialer = dialer
        self._ways: dict[tuple[Proxy, str], Direct] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, proxy: Proxy) -> Response:
        """Send a request whole by `proxy`, and return its response as soon as its headers are there.

        Raises:
            UsageProblem: the proxy, or the system's certificates, can't be used.
            TransportError: the exchange broke off.
        """
        way = proxy, request.url.scheme
        with self._lock:
            if way not in self._ways:
                self._ways[way] = self._way(_usable(proxy), request.url.scheme)
        return self._ways[way].send(request)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for way in self._ways.values():
            way.close()

    def _way(self, proxy: URL, scheme: str) -> Direct:
        """Return what sends requests of a scheme by a proxy."""
        if proxy.scheme.startswith("socks"):
            return Direct(partial(self._by_socks, proxy))
        headers = {}
        if proxy.login is not None:
            headers["Proxy-Authorization"] = f"Basic {base64.b64encode(':'.join(proxy.login).encode()).decode()}"
        if scheme == "https":
            return Direct(partial(self._by_tunnel, proxy, headers))
        return Direct(lambda _host, _port: self._to(proxy), forward=headers)

    def _to(self, proxy: URL) -> Wire:
        """Return a connection to a proxy itself."""
        context = None
        if proxy.scheme == "https":
            from imagecli.client.tls import tls_context

            context = tls_context()
        wire = self._dialer.connect(proxy.host, proxy.port or _PROXY_PORT[proxy.scheme])
        if context is not None:
            wire.start_tls(context, proxy.host)
        return wire

    def _by_tunnel(self, proxy: URL, headers: Mapping[str, str], host: str, port: int) -> Wire:
        """Return a connection to a server that an HTTP proxy has made."""
        wire = self._to(proxy)
        try:
            _open_tunnel(wire, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", headers)
        except BaseException:
            wire.close()
            raise
        return wire

    def _by_socks(self, proxy: URL, host: str, port: int) -> Wire:
        """Return a connection to a server that a SOCKS proxy has made; with socks5h:// that looks the name up, too."""
        from imagecli.client.socks import open_socks

        places = [host] if proxy.scheme == "socks5h" else self._dialer.addresses(host, port)
        refused: ProxyError | None = None
        for place in places:
            wire = self._to(proxy)
            try:
                open_socks(wire, place, port, proxy.login)
            except ProxyError as error:
                wire.close()
                refused = error
            except BaseException:
                wire.close()
                raise
            else:
                return wire
        raise refused or TransportError("its name has no address")


def _open_tunnel(wire: Wire, place: str, headers: Mapping[str, str]) -> None:
    """Let an HTTP proxy connect to host and port (RFC 9110, 9.3.6).

    Raises:
        ProxyError: it does not.
        TransportError: the exchange broke off.
    """
    http = h11.Connection(h11.CLIENT)
    with translated():
        head = http.send(h11.Request(method="CONNECT", target=place, headers=[("Host", place), *headers.items()]))
        wire.write((head or b"") + (http.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := http.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                data = wire.read()
                if not data:
                    raise TransportError("the proxy closed the connection")
                http.receive_data(data)
    if event.status_code not in _SUCCESS:
        reason = f"{event.status_code} {event.reason.decode('ascii', 'replace')}"
        raise ProxyError(reason, because=_BECAUSE.get(event.status_code), status=event.status_code)


def _usable(proxy: Proxy) -> URL:
    """Return the URL of a proxy. No error repeats it, as it may contain a password.

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
    return url
