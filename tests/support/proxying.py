"""Proxies on loopback that lead every connection to one server, whatever host it is for: CONNECT and SOCKS 5."""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence


@contextmanager
def proxy(
    origin: str, kind: str, tls: ssl.SSLContext | None = None, replies: Sequence[int] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy in front of `origin`; gives its host and port, and what it was asked for: logins, then hosts.

    Args:
        origin: scheme, host and port of the server that is behind it.
        kind: "connect", or "socks" (with a login).
        tls: what it speaks TLS with, to its clients; None: it does not.
        replies: what a SOCKS proxy replies to the first connections (RFC 1928, section 6), then 0, for success; -1: it
            refuses the login, -2: it takes none, -3: it wants none, and then succeeds.
    """
    host, _, port = origin.rpartition("/")[2].partition(":")
    codes = iter(replies)
    greet: Callable[[socket.socket, list[str]], None] = {
        "connect": _connect,
        "socks": lambda near, asked: _socks(near, asked, next(codes, 0)),
    }[kind]
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
                try:
                    greet(near, asked)
                except OSError:
                    near.close()
                    raise
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


def _socks(near: socket.socket, asked: list[str], code: int) -> None:
    """RFC 1928, and RFC 1929 for the login; every byte of a reply comes by itself."""

    def reply(*octets: int) -> None:
        for octet in octets:
            near.sendall(bytes((octet,)))

    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    greeting = near.recv(2)
    if not greeting:
        raise ConnectionError
    methods = near.recv(greeting[1])
    method = 255 if code == -2 else 0 if code == -3 or 2 not in methods else 2
    reply(5, method)
    if method == 2:
        login = near.recv(513)
        user = login[2 : 2 + login[1]]
        asked.append(f"{user.decode()}:{login[3 + login[1] :].decode()}")
        reply(1, code == -1)
    if code in {-1, -2}:
        raise ConnectionError
    request = near.recv(262)
    kind, place = request[3], request[4:-2]
    asked.append(place[1:].decode() if kind == 3 else str(ipaddress.ip_address(place)))
    if code % 2:
        reply(5, max(code, 0), 0, 3, 4, *b"here", 0, 80)
    else:
        reply(5, code, 0, 1, *bytes(6))
    if code > 0:
        raise ConnectionError


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
