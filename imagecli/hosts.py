"""Hosts as they are spelt in URLs: which are this machine, and which are inside a private network.

A name may lead anywhere, so only an address and `localhost` (RFC 6761, section 6.3) say it by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


def is_loopback(host: str) -> bool:
    """Return whether a host, by its spelling, is this machine."""
    return _is_localhost(host) or ((address := address_of(host)) is not None and address.is_loopback)


def is_private(host: str) -> bool:
    """Return whether a host, by its spelling, is this machine or inside a private network."""
    return _is_localhost(host) or ((address := address_of(host)) is not None and not address.is_global)


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, in any spelling that a resolver accepts; None for a name."""
    import ipaddress
    import socket

    name = host.strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        try:  # 127.1, 0x7f.1 and 2130706433 are addresses to every resolver
            address = ipaddress.ip_address(socket.inet_aton(name))
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_localhost(host: str) -> bool:
    name = host.rstrip(".").lower()
    return name == "localhost" or name.endswith(".localhost")
