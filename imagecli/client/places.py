"""Where a URL in a response may be found that the server wrote from its own point of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.client.network import is_private

if TYPE_CHECKING:
    import httpx2 as httpx

_INNER_SUFFIXES = (".local", ".internal", ".lan", ".localdomain", ".svc", ".home.arpa")


def places(url: httpx.URL, base: httpx.URL) -> list[httpx.URL]:
    """Return a URL, and where it names the API's server as only that knows it, the same path at the API's own address.

    A server in a container, or behind a proxy, takes its inner host or port for its address.
    """
    found = [url]
    if is_inner(url, base):
        found.append(url.copy_with(scheme=base.scheme, host=base.host, port=base.port))
        if base.scheme == url.scheme == "http":
            found.append(url.copy_with(host=base.host))
    return list(dict.fromkeys(found))


def is_inner(url: httpx.URL, base: httpx.URL) -> bool:
    """Return whether a URL seems to name the API's own server as only that server, or its network, knows it."""
    if (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port):
        return False
    host = url.raw_host.decode("ascii", "replace").rstrip(".").lower()
    return url.host == base.host or "." not in host.strip("[]") or is_private(host) or host.endswith(_INNER_SUFFIXES)
