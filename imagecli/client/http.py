"""HTTP as this client needs it: a request, sent whole, and a response, read as it comes.

Redirects, cookies and encodings are for those who know if they are wanted, or for nobody. What carries a request is a
`Transport`: `direct.py` to a server, `proxied.py` by a proxy, `in_process.py` to the sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imagecli.client.encode import Body
    from imagecli.client.url import URL

    Piece = bytes | bytearray | memoryview

_LONGEST_NUMBER = 20


class TransportError(Exception):
    """A connection did not come about, or broke off; the text is the reason."""


class TimedOutError(TransportError):
    """It took too long."""


class NotTakenError(TransportError):
    """The server takes no more of a request; it may have responded to what it has."""


class ProxyError(TransportError):
    """A proxy did not connect to the server."""

    def __init__(
        self, reason: str, *, because: Literal["login", "rules"] | None = None, status: int | None = None
    ) -> None:
        """Take the reason.

        Args:
            reason: what the proxy says.
            because: it does not know who asks, or does not lead there; None: it did not succeed.
            status: of HTTP; None for SOCKS.
        """
        super().__init__(reason)
        self.because = because
        self.status = status


class Trace(Protocol):
    """Told how far a request is."""

    @property
    def moved(self) -> Callable[[int, int | None], None] | None:
        """Given how many bytes of the body are out, and how many it has; None: nobody counts them."""

    def begin(self) -> None:
        """Note that the first byte goes out now."""

    def complete(self) -> None:
        """Note that the last byte is out."""


class Request(NamedTuple):
    """A request to a server."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: Body
    trace: Trace

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers, with those that are HTTP's own.

        Raises:
            UnicodeError: one is not ASCII.
        """
        own = {"Host": self.url.netloc, "Connection": "keep-alive"}
        merged = merge_headers(own, self.headers)
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in merged.items()]


class Response:
    """A response, whose body is still to be read."""

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: _Stream) -> None:
        """Take what has come, and where the rest will come from."""
        self.status_code = status
        self.headers = _read_headers(headers)
        """By their names in lower case."""
        self._body = body

    def iter_raw(self) -> Iterator[Piece]:
        """Yield the body as it comes, encoded as it was sent; each piece is valid until the next one is asked for.

        Raises:
            TransportError: it breaks off.
        """
        return iter(self._body)

    @property
    def length(self) -> int | None:
        """Bytes of the body as it comes; None where the server does not say."""
        said = self.headers.get("content-length", "")
        return int(said) if said.isdecimal() and len(said) < _LONGEST_NUMBER else None

    def close(self) -> None:
        """Close the connection, or keep it for another request if the body was read to its end."""
        self._body.close()


class Transport(Protocol):
    """Carries requests to servers, from any thread."""

    def send(self, request: Request) -> Response:
        """Send a request whole, and return its response as soon as its headers are there; redirects are not followed.

        Raises:
            TransportError: the exchange broke off; `request.trace` was told how far it got.
        """

    def close(self) -> None:
        """Close all connections that are not in use."""


class _Stream(Protocol):
    """The body of a response."""

    def __iter__(self) -> Iterator[Piece]: ...

    def close(self) -> None: ...


def merge_headers(*groups: Mapping[str, str]) -> dict[str, str]:
    """Return all headers of some groups; of those that differ in case only, the last one, in the place of the first."""
    found = {name.lower(): (name, value) for group in groups for name, value in group.items()}
    return dict(found.values())


def _read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in lower case; the values of one that came several times stand in one list."""
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii", "replace").lower(), _decoded(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
