"""SOCKS 5, as far as a client needs it: a proxy connects to a server (RFC 1928), after a login (RFC 1929)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from socksio import ProtocolError, SOCKSError
from socksio.socks5 import (
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5ReplyCode,
    SOCKS5UsernamePasswordRequest,
)

from imagecli.client.http import ProxyError, TransportError

if TYPE_CHECKING:
    from imagecli.client.network import Wire

_LONGEST = 255
"""Bytes of a name, a user or a password: each stands behind one byte that counts it."""
_LENGTHS = {1: 4, 4: 16}
"""Kind of address → its bytes."""
_NAME = 3


def open_socks(wire: Wire, host: str, port: int, login: tuple[str, str] | None) -> None:
    """Let the SOCKS proxy at the other end of `wire` connect to a server.

    Args:
        wire: the connection; afterwards it leads to the server.
        host: its name, which the proxy looks up then, or its address.
        port: its port.
        login: user and password; None: the proxy needs none.

    Raises:
        ProxyError: the proxy does not connect, or speaks no SOCKS 5.
        TransportError: the exchange broke off.
    """
    words = [host.encode(), *(text.encode() for text in login or ())]
    if any(len(word) > _LONGEST for word in words):
        raise ProxyError("a name, a user or a password is too long for SOCKS")
    try:
        _negotiate(wire, words, port)
    except (SOCKSError, ProtocolError, ValueError) as error:
        raise ProxyError("it does not speak SOCKS 5") from error


def _negotiate(wire: Wire, words: list[bytes], port: int) -> None:
    host, *login = words
    socks = SOCKS5Connection()
    methods = [SOCKS5AuthMethod.NO_AUTH_REQUIRED, *([SOCKS5AuthMethod.USERNAME_PASSWORD] if login else ())]
    chosen = _ask(wire, socks, SOCKS5AuthMethodsRequest(methods)).method
    if chosen not in methods:
        raise ProxyError("it takes no user and password" if login else "it wants to know who asks", because="login")
    if chosen != methods[0] and not _ask(wire, socks, SOCKS5UsernamePasswordRequest(*login)).success:
        raise ProxyError("it refuses this user and password", because="login")
    reply = _ask(wire, socks, SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (host, port)), is_last=True)
    if reply.reply_code != SOCKS5ReplyCode.SUCCEEDED:
        is_forbidden = reply.reply_code == SOCKS5ReplyCode.CONNECTION_NOT_ALLOWED_BY_RULESET
        raise ProxyError(
            reply.reply_code.name.lower().replace("_", " "),
            because="rules" if is_forbidden else None,
        )


def _ask(wire: Wire, socks: SOCKS5Connection, request: Any, *, is_last: bool = False) -> Any:  # noqa: ANN401 - socksio's
    """Send a request and return the reply; no byte behind it is read, as that is the server's."""
    socks.send(request)
    wire.write(socks.data_to_send())
    reply = _read(wire, 2)
    if is_last:
        reply += _read(wire, 2)
        kind = reply[3]
        if kind == _NAME:
            reply += _read(wire, 1)
        reply += _read(wire, (reply[-1] if kind == _NAME else _LENGTHS.get(kind, 0)) + 2)
    return socks.receive_data(reply)


def _read(wire: Wire, count: int) -> bytes:
    """Return exactly so many bytes.

    Raises:
        TransportError: it ends before that.
    """
    found = b""
    while len(found) < count:
        piece = wire.read(count - len(found))
        if not piece:
            raise TransportError("the proxy closed the connection")
        found += piece
    return found
