"""The network: which way a request takes to its server."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imagecli.client.direct import Direct
from imagecli.client.http import TransportError
from imagecli.client.proxies import find_proxy

if TYPE_CHECKING:
    from imagecli.client.http import Request, Response
    from imagecli.client.network import Dialer
    from imagecli.client.proxied import Proxied


class Network:
    """Carries requests to servers, each directly or by the proxy that its URL has."""

    def __init__(self, dialer: Dialer) -> None:
        """Open nothing yet; connections come from `dialer`."""
        self._dialer = dialer
        self._direct = Direct(dialer.connect)

    def send(self, request: Request) -> Response:
        """Send a request whole, and return its response as soon as its headers are there.

        Raises:
            UsageProblem: the proxy, or the system's certificates, can't be used.
            TransportError: the exchange broke off.
        """
        if request.url.scheme not in {"http", "https"}:
            raise TransportError(f"Request URL has an unsupported protocol '{request.url.scheme}://'.")
        proxy = find_proxy(str(request.url))
        return self._direct.send(request) if proxy is None else self._proxied.send(request, proxy)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._direct.close()
        if "_proxied" in self.__dict__:
            self._proxied.close()

    @cached_property
    def _proxied(self) -> Proxied:
        from imagecli.client.proxied import Proxied

        return Proxied(self._dialer)
