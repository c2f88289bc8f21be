"""HTTP with one server: its connections, and the headers that authenticate a request."""

from __future__ import annotations

import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from imagecli import dialects
from imagecli._version import __version__
from imagecli.client.encode import Body
from imagecli.client.http import Request, TransportError, merge_headers
from imagecli.client.network import Dialer, Guard
from imagecli.client.url import URL, InvalidUrlError, parse_url
from imagecli.errors import UsageProblem
from imagecli.hosts import is_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.client.http import Response, Transport
    from imagecli.client.retry import RequestTrace
    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"imagecli/{__version__}",
}
_NO_BODY = Body()
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Session:
    """Connections under one profile and key, for any number of threads."""

    def __init__(
        self,
        profile: Profile,
        key: Key | None,
        transport: Transport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet: connections come with the first request; `clock` keeps the deadlines.

        `transport` takes the place of the network, for the sandbox.

        Raises:
            UsageProblem: the profile's base URL is not valid.
        """
        self._profile = profile
        self._key = key
        self._is_sandbox = transport is not None
        self._private_hosts: set[str] = set()
        self.guard = Guard(clock)
        self._dialer = Dialer(self.guard, self._private_hosts)
        self._transport = transport or self._network()
        try:
            self.base = parse_url(profile.base_url)
        except InvalidUrlError as error:
            raise UsageProblem(f"the base URL can't be used: {error}", hint="Check its host and port.") from error
        self.dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)

    @property
    def host(self) -> str:
        """The server's name in messages."""
        return "the sandbox" if self._is_sandbox else self.base.netloc

    @property
    def is_public(self) -> bool:
        """Whether the server is, as far as is known, outside this machine and its private networks."""
        return not (is_private(self.base.host) or self.base.host in self._private_hosts)

    @contextmanager
    def open(  # noqa: PLR0913 - what an HTTP request has
        self,
        method: str,
        url: str,
        trace: RequestTrace,
        body: Body = _NO_BODY,
        *,
        accept: str | None = None,
        with_key: bool = True,
        more_headers: Mapping[str, str] = _NO_HEADERS,
    ) -> Iterator[Response]:
        """Send one HTTP request and yield its response, unread.

        Args:
            method: of HTTP.
            url: where it goes; the key goes along to the API's own origin only, and not there unless `with_key`.
            trace: follows it.
            body: what is sent.
            accept: what it may be answered with; None: JSON.
            with_key: whether the headers that authenticate go along.
            more_headers: those of this request.

        Raises:
            TransportError: it broke off; `trace` has how far it got.
        """
        try:
            place = parse_url(url)
            credentials = self._credentials(place) if with_key else {}
            more = {"Accept": accept} if accept else {}
            headers = merge_headers(_HEADERS, body.headers, credentials, more, more_headers, _basic(place))
            self.guard.secret_host = self._plain_host(place) if credentials else None
            response = self._transport.send(Request(method, place, headers, body, trace))
        except (UnicodeError, InvalidUrlError) as error:  # of the host, or of a header
            raise TransportError(str(error)) from error
        try:
            yield response
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections, also those on which other threads wait."""
        self._dialer.shut()
        self._transport.close()

    def has_key_for(self, url: str) -> bool:
        """Return whether a request to `url` carries headers that authenticate."""
        return bool(self._credentials(parse_url(url)))

    def _credentials(self, url: URL) -> dict[str, str]:
        """Return the headers that authenticate, and the profile's own: for the API's own origin and for no other."""
        if url.origin != self.base.origin:
            return {}
        headers = dict(self.dialect.headers)
        if self._key:
            headers |= self.dialect.credentials(self._key.reveal(), self._key.origin.name)
        if self._profile.organization:
            headers["OpenAI-Organization"] = self._profile.organization
        if self._profile.project:
            headers["OpenAI-Project"] = self._profile.project
        return merge_headers(headers, dict(self._profile.headers))

    def _plain_host(self, url: URL) -> str | None:
        """Return the host to which a secret goes over plain http, unless the profile trusts the network."""
        secret = self._key is not None or self._profile.secret_headers
        if url.scheme != "http" or not secret or self._profile.allow_http:
            return None
        return url.host

    def _network(self) -> Transport:
        from imagecli.client.transport import Network

        return Network(self._dialer)


def _basic(url: URL) -> dict[str, str]:
    """Return the header for the user and the password in a URL; empty: it has none."""
    if url.login is None:
        return {}
    from base64 import b64encode

    return {"Authorization": f"Basic {b64encode(':'.join(url.login).encode()).decode()}"}
