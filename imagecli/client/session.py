"""HTTP with one server: its connections, and the headers that authenticate a request."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2 as httpx

from imagecli import dialects
from imagecli._version import __version__
from imagecli.client.encode import body_of
from imagecli.client.network import Backend, Guard, is_private
from imagecli.client.proxies import open_client
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.client.retry import RequestTrace
    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.dialects.request import ImageRequest

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"imagecli/{__version__}",
}


class Session:
    """Connections under one profile and key, for any number of threads."""

    def __init__(
        self,
        profile: Profile,
        key: Key | None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet: connections come with the first request; `clock` keeps the deadlines.

        Raises:
            UsageProblem: the profile's base URL is not valid.
        """
        self._profile = profile
        self._key = key
        self._transport = transport
        self._private_hosts: set[str] = set()
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}
        self._lock = threading.Lock()
        self.guard = Guard(clock)
        self._backend = Backend(self.guard, self._private_hosts)
        try:
            self.base = httpx.URL(profile.base_url)
        except httpx.InvalidURL as error:
            raise UsageProblem(f"the base URL can't be used: {error}", hint="Check its host and port.") from error
        self.dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)

    @property
    def host(self) -> str:
        """The server's name in messages."""
        return "the sandbox" if self._transport is not None else self.base.netloc.decode("ascii", "replace")

    @property
    def is_public(self) -> bool:
        """Whether the server is, as far as is known, outside this machine and its private networks."""
        host = self.base.raw_host.decode("ascii", "replace")
        return not (is_private(host) or host in self._private_hosts)

    @contextmanager
    def open(  # noqa: PLR0913 - what an HTTP request has
        self,
        method: str,
        url: str,
        trace: RequestTrace,
        request: ImageRequest | None = None,
        *,
        accept: str | None = None,
        with_key: bool = True,
    ) -> Iterator[httpx.Response]:
        """Send one HTTP request and yield its response, unread.

        Args:
            method: of HTTP.
            url: where it goes; the key goes along to the API's own origin only, and not there unless `with_key`.
            trace: follows it.
            request: what its body asks for.
            accept: what it may be answered with; None: JSON.
            with_key: whether the headers that authenticate go along.

        Raises:
            httpx.TransportError: it broke off; `trace` has how far it got.
        """
        client = self._client(url, kept=method == "GET")
        body = body_of(request) if request else {}
        try:
            built = client.build_request(method, url, headers=_HEADERS, extensions={"trace": trace}, **body)
            credentials = self._credentials(built.url) if with_key else {}
            built.headers.update(credentials)
            built.headers.update({"Accept": accept} if accept else {})
            self.guard.secret_host = self._plain_host(built.url) if credentials else None
            response = client.send(built, stream=True)
        except (UnicodeError, httpx.InvalidURL) as error:  # of the host
            raise httpx.ConnectError(str(error)) from error
        try:
            yield response
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections, also those on which other threads wait."""
        self._backend.shut()
        for client in self._clients.values():
            client.close()

    def has_key_for(self, url: str) -> bool:
        """Return whether a request to `url` carries headers that authenticate."""
        return bool(self._credentials(httpx.URL(url)))

    def _credentials(self, url: httpx.URL) -> dict[str, str]:
        """Return the headers that authenticate, and the profile's own: for the API's own origin and for no other."""
        if _origin(url) != _origin(self.base):
            return {}
        headers = dict(self.dialect.headers)
        if self._key:
            headers |= self.dialect.credentials(self._key.reveal(), self._key.origin.name)
        if self._profile.organization:
            headers["OpenAI-Organization"] = self._profile.organization
        if self._profile.project:
            headers["OpenAI-Project"] = self._profile.project
        more = httpx.Headers(self._profile.headers)
        return {name: value for name, value in headers.items() if name not in more} | dict(more)

    def _plain_host(self, url: httpx.URL) -> str | None:
        """Return the host to which a secret goes over plain http, unless the profile trusts the network."""
        secret = self._key is not None or self._profile.secret_headers
        if url.scheme != "http" or not secret or self._profile.allow_http:
            return None
        return url.raw_host.decode("ascii", "replace")

    def _client(self, url: str, *, kept: bool) -> httpx.Client:
        tls = url.startswith("https:")
        with self._lock:
            if (tls, kept) not in self._clients:
                self._clients[tls, kept] = (
                    httpx.Client(transport=self._transport, timeout=None)
                    if self._transport is not None
                    else open_client(self._backend, tls=tls, kept=kept)
                )
            return self._clients[tls, kept]


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
