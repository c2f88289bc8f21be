"""Proxies on loopback that lead every connection to one server, whatever host it is for: CONNECT and SOCKS 5."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


@contextmanager
def proxy(origin: str, kind: str, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy in front of `origin`; gives its host and port, and what it was asked for: logins, then hosts.

    Args:
        origin: scheme, host and port of the server that is behind it.
        kind: "connect", or "socks" (with a login).
        tls: what it speaks TLS with, to its clients; None: it does not.
    """
    host, _, port = origin.rpartition("/")[2].partition(":")
    greet: Callable[[socket.socket, list[str]], None] = {"connect": _connect, "socks": _socks}[kind]
    asked: list[str] = []
    open_sockets: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                if tls is not None:
                    near = tls.wrap_socket(near, server_side=True)
                open_sockets.append(near)
                greet(near, asked)
                far = socket.create_connection((host, int(port)))
                open_sockets.append(far)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=ends, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
    for each in open_sockets:
        each.close()


def _connect(near: socket.socket, asked: list[str]) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += near.recv(4096)
    asked.extend(line.decode() for line in head.split(b"\r\n") if line.lower().startswith((b"proxy-auth", b"connect")))
    near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def _socks(near: socket.socket, asked: list[str]) -> None:
    """RFC 1928, and RFC 1929 for the login."""
    methods = near.recv(2)[1]
    near.recv(methods)
    near.sendall(b"\x05\x02")
    login = near.recv(513)
    user = login[2 : 2 + login[1]]
    near.sendall(b"\x01\x00")
    request = near.recv(262)
    asked.extend((f"{user.decode()}:{login[3 + login[1] :].decode()}", request[5:-2].decode()))
    near.sendall(b"\x05\x00\x00\x01" + bytes(6))


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
