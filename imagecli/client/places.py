"""Where a URL in a response may be found that the server wrote from its own point of view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.hosts import is_private

if TYPE_CHECKING:
    from imagecli.client.url import URL

_INNER_SUFFIXES = (".local", ".internal", ".lan", ".localdomain", ".svc", ".home.arpa")


def places(url: URL, base: URL) -> list[URL]:
    """Return a URL, and where it names the API's server as only that knows it, the same path at the API's own address.

    A server in a container, or behind a proxy, takes its inner host or port for its address.
    """
    found = [url]
    if is_inner(url, base):
        found.append(url._replace(scheme=base.scheme, host=base.host, port=base.port))
        if base.scheme == url.scheme == "http":
            found.append(url._replace(host=base.host))
    return list(dict.fromkeys(found))


def is_inner(url: URL, base: URL) -> bool:
    """Return whether a URL seems to name the API's own server as only that server, or its network, knows it."""
    if url.origin == base.origin:
        return False
    host = url.host.rstrip(".")
    return url.host == base.host or "." not in host.strip("[]") or is_private(host) or host.endswith(_INNER_SUFFIXES)
