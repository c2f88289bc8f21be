"""TLS inside of TLS: to a server, by a proxy that is itself spoken to in TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    T = TypeVar("T")

_READ_BYTES = 64 * 1024


class InnerTls:
    """The inner connection, with what a `Wire` needs of a socket."""

    def __init__(
        self, outer: socket.socket, context: ssl.SSLContext, host: str, left: Callable[[], float | None]
    ) -> None:
        """Shake hands with the server.

        Args:
            outer: the connection to the proxy.
            context: whose certificates are trusted.
            host: the server's name.
            left: gives the seconds that are left, None for any number; raises an error of the caller's when none are.

        Raises:
            OSError: the server is not trusted, or the connection broke off.
        """
        self._outer = outer
        self._left = left
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.close = outer.close
        self.fileno = outer.fileno
        self._carry_out(self._tls.do_handshake)

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: one read here may take many of the outer connection's, and each gets the time that is left."""

    def recv(self, size: int) -> bytes:
        """Return what has come; nothing: the server has closed the connection."""
        try:
            return self._carry_out(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # as a socket of ssl has it: the end is not always announced
            return b""

    def recv_into(self, view: memoryview) -> int:
        """Read what has come into `view`, and return its bytes; 0: the server has closed the connection."""
        data = self.recv(len(view))
        view[: len(data)] = data
        return len(data)

    def send(self, data: bytes | memoryview) -> int:
        """Send all of it, and return how much that is."""
        return self._carry_out(lambda: self._tls.write(data))

    def _carry_out(self, step: Callable[[], T]) -> T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._outer.settimeout(self._left())
                if data := self._outer.recv(_READ_BYTES):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        data = memoryview(self._outgoing.read())
        while data:
            self._outer.settimeout(self._left())
            data = data[self._outer.send(data) :]
