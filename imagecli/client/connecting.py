"""Connecting to a host within the time that is left, the look-up of its name included."""

from __future__ import annotations

import queue
import selectors
import socket
import threading
from contextlib import suppress
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
    """As `socket.getaddrinfo` returns it."""

_NEXT_AFTER_S = 0.25
"""Seconds for one address before the next is tried beside it (RFC 8305, section 5)."""


def connect(host: str, port: int, left: Callable[[], float | None]) -> socket.socket:
    """Return a connected socket, to whichever of the host's addresses is the first to respond.

    Args:
        host: a name, or an address.
        port: its port.
        left: gives the seconds that are left, None for any number; raises an error of the caller's when none are.

    Raises:
        TimeoutError: there was no response in that time.
        OSError: there is no such name, or each address refuses.
    """
    waiting = look_up(host, port, left)
    refused: OSError | None = None
    with selectors.DefaultSelector() as begun:
        try:
            while waiting or begun.get_map():
                if waiting:
                    refused = _begin(waiting.pop(0), begun) or refused
                if not begun.get_map():
                    continue
                ready = begun.select(_shorter(left(), _NEXT_AFTER_S if waiting else None))
                if not ready and not waiting:
                    raise TimeoutError("timed out")
                for key, _ in ready:
                    sock: socket.socket = key.fileobj  # type: ignore[assignment] # what was registered
                    begun.unregister(sock)
                    if not (number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                        return sock
                    sock.close()
                    refused = OSError(number, _reason(number))
        finally:
            for key in list(begun.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr] # a socket
    raise refused or OSError("the name has no address")


def look_up(host: str, port: int, left: Callable[[], float | None]) -> list[Address]:
    """Return the addresses of a host, in the order in which they are tried; arguments and errors as for `connect`.

    The system's look-up has a time-out of its own, of many seconds, so it runs in a thread that is not waited for.
    """
    # For a name as text Python would load its tables of all scripts; httpx has encoded it already.
    name = host.encode()
    with suppress(socket.gaierror):  # an address is looked up nowhere
        return list(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    found: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            found.put(error)

    try:
        threading.Thread(target=look_up, daemon=True).start()
    except RuntimeError:  # the system allows no more threads
        look_up()
    try:
        addresses = found.get(timeout=left())
    except queue.Empty:
        raise TimeoutError("its name was not looked up in time") from None
    if isinstance(addresses, Exception):
        raise addresses
    return _alternating(addresses)


def _alternating(addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses in their order, but with IPv6 and IPv4 by turns."""
    first: list[Address] = []
    second: list[Address] = []
    for address in addresses:
        (first if not first or address[0] == first[0][0] else second).append(address)
    return [address for address in chain.from_iterable(zip_longest(first, second)) if address is not None]


def _begin(address: Address, begun: selectors.BaseSelector) -> OSError | None:
    """Begin to connect; return the error of an address that can't be reached at all."""
    family, kind, protocol, _, place = address
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:  # a system without IPv6
        return error
    sock.settimeout(0)
    try:
        with suppress(BlockingIOError):
            sock.connect(place)
        begun.register(sock, selectors.EVENT_WRITE)
    except OSError as error:
        sock.close()
        return error
    return None


def _shorter(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def _reason(number: int) -> str:
    import os

    return os.strerror(number)
