"""Requests that go by a proxy, over HTTP or SOCKS, as httpcore2 speaks with them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore2 as httpcore
from httpcore2._backends.sync import SyncStream  # the backend makes it, and only where it has connected itself

from imagecli.client.direct import KEEP_IDLE_S
from imagecli.client.http import NotTakenError, ProxyError, Response, TimedOutError, TransportError
from imagecli.client.tls import tls_context
from imagecli.client.url import InvalidUrlError, parse_url
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterable, Iterator

    from imagecli.client.http import Request, Trace
    from imagecli.client.network import Dialer, Wire
    from imagecli.client.proxies import Proxy

_PROXY_PORT = {"http": 1080, "https": 443, "socks5": 1080, "socks5h": 1080}
"""curl's, where a proxy's URL names none."""


class Proxied:
    """Sends requests by their proxies. A connection is kept as `Direct` keeps one."""

    def __init__(self, dialer: Dialer) -> None:
        """Open nothing yet; connections come from `dialer`."""
        self._backend = _Backend(dialer)
        self._pools: dict[tuple[Proxy, bool, bool], httpcore.ConnectionPool] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, proxy: Proxy) -> Response:
        """Send a request whole by `proxy`, and return its response as soon as its headers are there.

        Raises:
            UsageProblem: the proxy, or the system's certificates, can't be used.
            TransportError: the exchange broke off.
        """
        url = request.url
        pool = self._pool(proxy, tls=url.scheme == "https", kept=request.method == "GET")
        with _translated():
            response = pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
                    headers=request.raw_headers,
                    content=request.body.pieces,
                    extensions={"trace": _Steps(request.trace)},
                )
            )
        return Response(response.status, response.headers, _Body(response))

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, proxy: Proxy, *, tls: bool, kept: bool) -> httpcore.ConnectionPool:
        """Return the connections of one kind; for http:// URLs the certificates are not loaded, which takes long."""
        with self._lock:
            if (proxy, tls, kept) not in self._pools:
                self._pools[proxy, tls, kept] = httpcore.ConnectionPool(
                    ssl_context=tls_context() if tls else None,
                    proxy=_usable(proxy),
                    max_connections=None,
                    max_keepalive_connections=None if kept else 0,
                    keepalive_expiry=KEEP_IDLE_S,
                    network_backend=self._backend,
                )
            return self._pools[proxy, tls, kept]


class _Steps:
    """Reads how far a request is from what httpcore2 documents for its extension "trace"."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._is_connect = False

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # A proxy's CONNECT comes before the request and is traced like it.
            self._is_connect = info["request"].method == b"CONNECT"
            if not self._is_connect:
                self._trace.begin()
        elif event.endswith("send_request_body.complete") and not self._is_connect:
            self._trace.complete()


class _Body:
    """The body of a response, as it comes."""

    def __init__(self, response: httpcore.Response) -> None:
        self._stream: Any = response.stream  # a pool's can be closed

    def __iter__(self) -> Iterator[bytes]:
        with _translated():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _Backend(httpcore.SyncBackend):
    """Opens connections as a dialer does."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the guard has the time
        local_address: str | None = None,  # noqa: ARG002 - none is ever asked for
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - neither
    ) -> httpcore.NetworkStream:
        return _Stream(self._dialer.connect(host, port))


class _Stream(httpcore.NetworkStream):
    """A connection as httpcore2 wants it; the time is kept below it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - it is only a wish
        return self._wire.read()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the guard has the time
        try:
            self._wire.write(buffer)
        except NotTakenError as error:  # after which a response is looked for
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._wire.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the guard has the time
    ) -> httpcore.NetworkStream:
        def wrap(sock: socket.socket) -> socket.socket:
            if self._wire.is_tls:
                return _InnerSocket(sock, ssl_context, server_hostname)  # type: ignore[return-value] # is used like one
            return ssl_context.wrap_socket(sock, server_hostname=server_hostname)

        self._wire.start_tls(wrap)
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the base class's signature
        return self._wire.is_readable if info == "is_readable" else None


class _InnerSocket:
    """TLS to a server inside of TLS to a proxy, with what a `Wire` needs of a socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str | None) -> None:
        self._timeout = sock.gettimeout()
        self._stream = SyncStream(sock).start_tls(context, host, self._timeout)
        self.close = sock.close
        self.fileno = sock.fileno

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        return self._stream.read(size, self._timeout)

    def send(self, data: bytes) -> int:
        self._stream.write(data, self._timeout)
        return len(data)


@contextmanager
def _translated() -> Iterator[None]:
    """Make a `TransportError` of what httpcore2 says."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise TimedOutError(str(error)) from error
    except httpcore.ProxyError as error:
        raise ProxyError(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise TransportError(str(error)) from error


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
