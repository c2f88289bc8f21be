"""Sockets that keep a deadline, the shared TLS context, and which address a connection really reached."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

import httpcore2 as httpcore
from httpcore2._backends.sync import SyncStream  # the backend makes it, and only where it has connected itself

from imagecli.client.connecting import connect
from imagecli.errors import UsageProblem
from imagecli.hosts import is_loopback, is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_READ_BYTES = 64 * 1024
_WRITE_BYTES = 16 * 1024
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables of a file of root certificates, the first of them that is set counts; the second may name a folder."""


class PrivateAddressError(httpcore.ConnectError):
    """A public server's URL led to an address inside this machine's own network."""


class ReadableTransportError(httpcore.ConnectError):
    """A request with a secret would have gone over plain http to another machine, whose address is the message."""


class Guard(threading.local):
    """What the socket operations of this thread keep to: a deadline, and that `public_host` is not a private address.

    A time-out of the HTTP library bounds a single read, so a server that drips a byte a second would never trip it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a deadline; `clock` gives seconds."""
        self._clock = clock
        self.until: float | None = None
        self.public_host: str | None = None
        self.connect_within: float | None = None
        """Seconds in which a connection must be there, where that is less than the time that is left."""
        self.secret_host: str | None = None
        """The host for which a secret goes along over plain http: to it alone, and on this machine. None: none does."""
        self._written_at: float | None = None

    def start(self, seconds: float) -> None:
        """Let the attempt that begins now take `seconds` in all."""
        self.until = self._clock() + seconds
        self._written_at = None

    def writing(self) -> None:
        """Note that the next piece of a request goes out now."""
        self._written_at = self._clock()

    @property
    def waited(self) -> float:
        """Seconds since the last piece of a request began to go out; 0 where nothing went through a socket."""
        return 0.0 if self._written_at is None else self._clock() - self._written_at

    def has_time(self, seconds: float) -> bool:
        """Return whether so many seconds are left."""
        return self.until is None or self._clock() + seconds < self.until

    def left_to_connect(self) -> float | None:
        """Return the seconds that are left for connecting, or raise ConnectTimeout."""
        times = (self.left(httpcore.ConnectTimeout), self.connect_within)
        return min((seconds for seconds in times if seconds is not None), default=None)

    def check(self, peer: Peer) -> None:
        """Raise `ReadableTransportError` where a secret would be written that others can read on the way.

        What counts is the address that the socket is connected to: a name may lead anywhere.
        """
        if self.secret_host is not None and not (peer.host == self.secret_host and is_loopback(peer.address)):
            raise ReadableTransportError(peer.address)

    def left(self, error: type[Exception]) -> float | None:
        """Return the seconds that are left, or raise `error`."""
        if self.until is None:
            return None
        left = self.until - self._clock()
        if left <= 0:
            raise error("timed out")
        return left


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    """As it was asked for: the server's, or a proxy's."""
    address: str


class _GuardedStream(httpcore.NetworkStream):
    """A connection on which every operation gets the time that is left, not a time of its own."""

    def __init__(self, stream: httpcore.NetworkStream, guard: Guard, peer: Peer) -> None:
        self._stream = stream
        self._guard = guard
        self._peer = peer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the guard has the time
        return self._stream.read(max(max_bytes, _READ_BYTES), self._guard.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the guard has the time
        self._guard.check(self._peer)
        view = memoryview(buffer)
        for start in range(0, len(view), _WRITE_BYTES):
            if start and self._responded_early():
                raise httpcore.WriteError("the server responded before it had the whole request")
            piece = view[start : start + _WRITE_BYTES]
            self._guard.writing()
            self._stream.write(piece, self._guard.left(httpcore.WriteTimeout))  # type: ignore[arg-type] # a buffer is as good

    def _responded_early(self) -> bool:
        """Wait until more can be written; return whether a response came instead, of a server that takes no more.

        Under TLS bytes may come that are not a response; there, servers close the connection instead.
        """
        sock = self._stream.get_extra_info("socket")
        if isinstance(sock, ssl.SSLSocket):
            return False
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLOUT)
        left = self._guard.left(httpcore.WriteTimeout)
        ready = dict(poll.poll(None if left is None else left * 1000)).get(sock.fileno(), 0)
        return bool(ready & select.POLLIN) and not ready & select.POLLOUT

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the guard has the time
    ) -> httpcore.NetworkStream:
        left = self._guard.left(httpcore.ConnectTimeout)
        return _GuardedStream(self._stream.start_tls(ssl_context, server_hostname, left), self._guard, self._peer)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the base class's signature
        return self._stream.get_extra_info(info)


class Backend(httpcore.SyncBackend):
    """Opens connections under a guard, and remembers which hosts turned out to be private."""

    def __init__(self, guard: Guard, private_hosts: set[str]) -> None:
        """Keep to `guard`, and add to `private_hosts`."""
        self._guard = guard
        self._private_hosts = private_hosts
        self._streams: WeakSet[httpcore.NetworkStream] = WeakSet()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the guard has the time
        local_address: str | None = None,  # noqa: ARG002 - none is ever asked for
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within the time that is left."""
        try:
            sock = connect(host, port, self._guard.left_to_connect)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        stream = SyncStream(sock)
        try:
            for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
                sock.setsockopt(*option)
            address = stream.get_extra_info("server_addr")[0]
        except OSError as error:  # torn down at once
            stream.close()
            raise httpcore.ConnectError(str(error)) from error
        if is_private(address):
            self._private_hosts.add(host)
            if self._guard.public_host == host:
                stream.close()
                raise PrivateAddressError(host)
        self._streams.add(stream)
        return _GuardedStream(stream, self._guard, Peer(host, address))

    def shut(self) -> None:
        """End every operation on every connection, in whichever thread it waits."""
        for stream in list(self._streams):
            with suppress(OSError):
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


@cache
def tls_context() -> ssl.SSLContext:
    """Return a context with the roots of SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE, or else the system's.

    Raises:
        UsageProblem: they can't be read, or the system has none, so no server could be trusted.
    """
    variable = next((name for name in _BUNDLES if os.environ.get(name)), None)
    folder = os.path.expanduser(os.environ.get("SSL_CERT_DIR", ""))
    if variable is None and not folder:
        return _system_context()
    bundle = os.path.expanduser(os.environ[variable]) if variable else ""
    if os.path.isdir(bundle):
        bundle, folder = "", bundle
    try:
        return ssl.create_default_context(cafile=bundle or None, capath=folder or None)
    except OSError as error:
        raise UsageProblem(
            f"the certificates in {variable or 'SSL_CERT_DIR'} can't be read: {error.strerror or error}",
            hint=f"{variable or 'SSL_CERT_DIR'} takes {'a file' if variable else 'a folder'} of root certificates.",
        ) from error


def _system_context() -> ssl.SSLContext:
    try:
        context = httpcore.default_ssl_context()
    except OSError as error:
        raise UsageProblem(f"the system's certificates can't be read: {error}", hint="Set SSL_CERT_FILE.") from error
    if not context.cert_store_stats()["x509_ca"] and not _has_certificate_folder():
        raise UsageProblem(
            "this system has no root certificates, so no https server can be trusted",
            hint="Install the package ca-certificates, or set SSL_CERT_FILE to a file of root certificates.",
        )
    return context


def _has_certificate_folder() -> bool:
    """Return whether OpenSSL will find roots one by one in a folder: the store does not count those."""
    for path in (ssl.get_default_verify_paths().openssl_capath or "").split(os.pathsep):
        with suppress(OSError):
            if os.listdir(path):
                return True
    return False
