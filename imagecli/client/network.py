"""Sockets that keep a deadline, and which address a connection really reached."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from imagecli import system
from imagecli.client.connecting import connect, look_up
from imagecli.client.http import NotTakenError, TimedOutError, TransportError
from imagecli.hosts import is_loopback, is_private

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from imagecli.client.inner_tls import InnerTls

_READ_BYTES = 128 * 1024
_WRITE_BYTES = 16 * 1024


class PrivateAddressError(TransportError):
    """A public server's URL led to an address inside this machine's own network."""


class ReadableTransportError(TransportError):
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
        """Return the seconds that are left for connecting, or raise TimedOutError."""
        times = (self.left(), self.connect_within)
        return min((seconds for seconds in times if seconds is not None), default=None)

    def check(self, peer: Peer) -> None:
        """Raise `ReadableTransportError` where a secret would be written that others can read on the way.

        What counts is the address that the socket is connected to: a name may lead anywhere.
        """
        if self.secret_host is not None and not (peer.host == self.secret_host and is_loopback(peer.address)):
            raise ReadableTransportError(peer.address)

    def left(self) -> float | None:
        """Return the seconds that are left, or raise TimedOutError."""
        if self.until is None:
            return None
        left = self.until - self._clock()
        if left <= 0:
            raise TimedOutError("timed out")
        return left


class Peer(NamedTuple):
    """The other end of a connection."""

    host: str
    """As it was asked for: the server's, or a proxy's."""
    address: str


class Wire:
    """A connection on which every operation gets the time that is left, not a time of its own."""

    def __init__(self, sock: socket.socket, guard: Guard, peer: Peer) -> None:
        """Read and write `sock`, which is connected to `peer`."""
        self._sock: socket.socket | InnerTls = sock
        self._outer = sock
        """What is shut down: TLS inside of TLS has no socket of its own."""
        self._guard = guard
        self._peer = peer
        self.is_tls = False

    def read(self, most: int = _READ_BYTES) -> bytes:
        """Return what has come, `most` bytes at the most, as soon as there is something; nothing: it was closed.

        Raises:
            TransportError: it broke off.
        """
        with _translated(TransportError):
            self._sock.settimeout(self._guard.left())
            return self._sock.recv(most)

    def wait(self) -> None:
        """Wait until there is something to read, or the other end has closed it; TLS may have read it before.

        Raises:
            TransportError: nothing came in time.
        """
        if not self.is_tls and not self._poll(system.READ, self._guard.left()):
            raise TimedOutError("timed out")

    def read_into(self, view: memoryview) -> int | None:
        """Read what has come into `view`, and return its bytes; 0: it was closed; None: nothing has come.

        Raises:
            TransportError: it broke off.
        """
        left = self._guard.left()
        with _translated(TransportError):
            if not self.is_tls and hasattr(os, "readv"):
                # As the socket has a time-out, it does not block; its own `recv_into` would always wait first.
                with suppress(BlockingIOError):
                    count: int = os.readv(self._outer.fileno(), [view])
                    return count
                return None
            self._sock.settimeout(left)
            return self._sock.recv_into(view)

    def write(self, data: bytes, written: Callable[[int], None] | None = None) -> None:
        """Write all of `data`; `written` is told of each piece how many bytes it has.

        Raises:
            NotTakenError: the other end takes no more; it may have responded.
            TransportError: it broke off, or others could read the secret in it.
        """
        self._guard.check(self._peer)
        view = memoryview(data)
        for start in range(0, len(view), _WRITE_BYTES):
            if start and self._responded_early():
                raise NotTakenError("the server responded before it had the whole request")
            piece = view[start : start + _WRITE_BYTES]
            self._guard.writing()
            with _translated(NotTakenError):
                while piece:
                    self._sock.settimeout(self._guard.left())
                    sent = self._sock.send(piece)
                    piece = piece[sent:]
                    if written is not None:
                        written(sent)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS with `host` from here on; inside of TLS, where this is a connection by a proxy that speaks it.

        Raises:
            TransportError: the other end is not trusted, or it broke off.
        """
        try:
            with _translated(TransportError):
                self._sock.settimeout(self._guard.left())
                if self.is_tls:
                    from imagecli.client.inner_tls import InnerTls

                    self._sock = InnerTls(self._outer, context, host, self._guard.left)
                else:
                    self._sock = self._outer = context.wrap_socket(self._outer, server_hostname=host)
        except BaseException:
            self.close()
            raise
        self.is_tls = True

    @property
    def is_readable(self) -> bool:
        """Whether a read would return at once: something has come, or the other end has closed it."""
        return bool(self._poll(system.READ, 0))

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def shut(self) -> None:
        """End every operation on it, in whichever thread it waits."""
        with suppress(OSError):
            # Not as a TLS socket does it: a thread would read on, and take what is encrypted for the response.
            socket.socket.shutdown(self._outer, socket.SHUT_RDWR)

    def _responded_early(self) -> bool:
        """Wait until more can be written; return whether a response came instead, of a server that takes no more.

        Under TLS bytes may come that are not a response; there, servers close the connection instead.
        """
        if self.is_tls:
            return False
        ready = self._poll(system.READ | system.WRITE, self._guard.left())
        return bool(ready & system.READ) and not ready & system.WRITE

    def _poll(self, events: int, seconds: float | None) -> int:
        """Return which of `events` there are, when there are some or the time is over."""
        return system.poll(self._sock, events, seconds)


class Dialer:
    """Opens connections under a guard, and remembers which hosts turned out to be private."""

    def __init__(self, guard: Guard, private_hosts: set[str]) -> None:
        """Keep to `guard`, and add to `private_hosts`."""
        self._guard = guard
        self._private_hosts = private_hosts
        self._wires: WeakSet[Wire] = WeakSet()

    def connect(self, host: str, port: int) -> Wire:
        """Return a connection, made within the time that is left.

        Raises:
            PrivateAddressError: it led to a private address, and must not.
            TransportError: it did not come about.
        """
        with _translated(TransportError):
            sock = connect(host, port, self._guard.left_to_connect)
        try:
            with _translated(TransportError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                address = sock.getpeername()[0]
            self._check(host, address)
        except TransportError:
            sock.close()
            raise
        wire = Wire(sock, self._guard, Peer(host, address))
        self._wires.add(wire)
        return wire

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, looked up within the time that is left, for a proxy that is told them.

        Raises:
            PrivateAddressError: one is private, and must not be.
            TransportError: there are none.
        """
        try:
            found = look_up(host, port, self._guard.left_to_connect)
        except OSError as error:
            reason = str(error)
            raise TransportError(
                f"its name is not known here ({reason}); with socks5h:// the proxy looks it up"
            ) from error
        addresses = [place[4][0].partition("%")[0] for place in found]
        for address in addresses:
            self._check(host, address)
        return list(dict.fromkeys(addresses))

    def _check(self, host: str, address: str) -> None:
        """Remember a host that is inside a private network, and refuse one that must not be."""
        if is_private(address):
            self._private_hosts.add(host)
            if self._guard.public_host == host:
                raise PrivateAddressError(host)

    def shut(self) -> None:
        """End every operation on every connection, in whichever thread it waits."""
        for wire in list(self._wires):
            wire.shut()


@contextmanager
def _translated(kind: type[TransportError]) -> Iterator[None]:
    """Make an error of the system's one of `kind`, or a `TimedOutError`."""
    try:
        yield
    except TimeoutError as error:
        raise TimedOutError(str(error)) from error
    except OSError as error:
        raise kind(str(error)) from error
