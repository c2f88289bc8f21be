"""Requests that go straight to their servers, in HTTP/1.1 as h11 speaks it.

httpcore2 could do that too, but importing it takes a quarter of a short run.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import h11

from imagecli.client.http import NotTakenError, Response, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.client.http import Piece, Request
    from imagecli.client.network import Wire
    from imagecli.client.url import URL

    Dial = Callable[[str, int], Wire]
    """Given a host and a port, returns a connection; errors as `Dialer.connect`."""

KEEP_IDLE_S = 2.0
"""Servers close idle connections after about 5 s; a request on one that is being closed would be sent and lost."""
_MOST_HEADERS = 100 * 1024
"""Bytes of a response's headers."""
_HEAD_BYTES = 16 * 1024
"""Read at once while the headers come: the rest of a body of known length does not go through h11."""
_BUFFER_BYTES = 256 * 1024
_SWITCHING_PROTOCOLS = 101
_WITHOUT_BODY = frozenset({204, 304})
_PORTS = {"http": 80, "https": 443}


class Direct:
    """Sends requests straight to their servers. A connection is kept for 2 s, for another request that costs nothing.

    It is not kept for one that costs money: on a connection that the server is just closing the response would be lost.
    """

    def __init__(self, dial: Dial, *, forward: Mapping[str, str] | None = None) -> None:
        """Open nothing yet.

        Args:
            dial: connects to a host and port, possibly by a proxy.
            forward: headers for the HTTP proxy at which connections end, and which passes requests on; None: they lead
                to the server.
        """
        self._dial = dial
        self._forward = forward
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """Send a request whole, and return its response as soon as its headers are there.

        Raises:
            UsageProblem: the system's certificates can't be used.
            TransportError: the exchange broke off.
        """
        url, headers = request.url, request.raw_headers
        target = url.target
        if self._forward is not None:
            target = f"{url.scheme}://{url.netloc}{url.target}"
            headers += [(name.encode(), value.encode()) for name, value in self._forward.items()]
        with translated():
            head = h11.Request(method=request.method, target=target, headers=headers)
        free = request.method == "GET"
        connection = (self._kept(url) if free else None) or self._opened(url)
        return connection.exchange(head, request, self._keep if free else _Connection.close)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _opened(self, url: URL) -> _Connection:
        context = None
        if url.scheme == "https":
            from imagecli.client.tls import tls_context

            context = tls_context()  # before anything is connected: there may be no certificates
        wire = self._dial(url.host, url.port or _PORTS[url.scheme])
        if context is not None:
            wire.start_tls(context, url.host)
        return _Connection(wire, url)

    def _kept(self, url: URL) -> _Connection | None:
        """Return an idle connection to a server, if there is one that the server has not closed."""
        with self._lock:
            for connection in [each for each in self._idle if each.is_over]:
                self._idle.remove(connection)
                connection.close()
            found = next((each for each in self._idle if each.origin == url.origin), None)
            if found is not None:
                self._idle.remove(found)
            return found

    def _keep(self, connection: _Connection) -> None:
        """Keep a connection for another request, if it is fit for one."""
        if connection.renew():
            with self._lock:
                self._idle.append(connection)
        else:
            connection.close()


class _Connection:
    """A connection to one server, for one request after the other."""

    def __init__(self, wire: Wire, url: URL) -> None:
        self.origin = url.origin
        self._wire = wire
        self._http = h11.Connection(h11.CLIENT, _MOST_HEADERS)
        self._idle_since = 0.0

    def exchange(self, head: h11.Request, request: Request, release: Callable[[_Connection], None]) -> Response:
        """Send a request and return its response; `release` is called when that is closed."""
        try:
            with suppress(NotTakenError):  # it may have responded, and tell why
                self._send(head, request)
            response = self._response()
        except BaseException:
            self.close()
            raise
        # What is kept for another request has to be read by h11 to its end.
        length = None if request.method == "GET" else _length_of(response)
        pieces = self._pieces() if length is None else self._sized(length)
        return Response(response.status_code, response.headers.raw_items(), _Body(pieces, lambda: release(self)))

    def _pieces(self) -> Iterator[Piece]:
        """Yield a body whose length h11 knows, or finds out."""
        while isinstance(event := self._next(), h11.Data):
            yield event.data

    def _sized(self, length: int) -> Iterator[Piece]:
        """Yield a body of so many bytes, without the copies that h11 would make."""
        first = self._http.trailing_data[0][:length]
        left = length - len(first)
        yield first
        while left:
            self._wire.wait()
            with _lent_buffer() as view:
                while left and (count := self._wire.read_into(view[:left])) is not None:
                    if not count:
                        raise TransportError(
                            "peer closed connection without sending complete message body "
                            f"(received {length - left} bytes, expected {length})"
                        )
                    yield view[:count]
                    left -= count

    def _next(self) -> h11.Event | type[h11.PAUSED]:
        """Return what comes next of a response.

        Raises:
            TransportError: it broke off.
        """
        while True:
            with translated():
                event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value] # mypy does not narrow it
            in_head = self._http.their_state is h11.SEND_RESPONSE
            data = self._wire.read(_HEAD_BYTES) if in_head else self._wire.read()
            if not data and in_head:
                raise TransportError("Server disconnected without sending a response.")
            self._http.receive_data(data)

    def renew(self) -> bool:
        """Make ready for another request; return whether there may be one."""
        has_more = self._http.trailing_data[0]  # that would be taken for the next response
        if has_more or not self._http.our_state is self._http.their_state is h11.DONE:
            return False
        self._http.start_next_cycle()
        self._idle_since = time.monotonic()
        return True

    @property
    def is_over(self) -> bool:
        """Whether an idle connection can't be used any more: the server has closed it, or soon will."""
        return time.monotonic() > self._idle_since + KEEP_IDLE_S or self._wire.is_readable

    def close(self) -> None:
        self._wire.close()

    def _response(self) -> h11.Response | h11.InformationalResponse:
        """Return the response without its body; those that only tell that the request is worked on are passed over."""
        while True:
            event = self._next()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code == _SWITCHING_PROTOCOLS:
                return event

    def _send(self, head: h11.Request, request: Request) -> None:
        moved, out = request.trace.moved, 0

        def written(count: int) -> None:
            nonlocal out
            out += count
            if moved is not None:
                moved(out, request.body.size)

        request.trace.begin()
        self._write(head)
        for piece in request.body.pieces:
            self._write(h11.Data(data=piece), written)
        self._write(h11.EndOfMessage())
        request.trace.complete()

    def _write(self, event: h11.Event, written: Callable[[int], None] | None = None) -> None:
        with translated():
            data = self._http.send(event)
        if data:
            self._wire.write(data, written)


def _length_of(response: h11.Response | h11.InformationalResponse) -> int | None:
    """Return how long a body is; None where its headers don't say so."""
    headers = dict(response.headers)
    if response.status_code in _WITHOUT_BODY or b"transfer-encoding" in headers:
        return None
    said = headers.get(b"content-length")  # h11 has checked it
    return None if said is None else int(said)


_buffers: list[bytearray] = []
"""Those that are not in use."""


@contextmanager
def _lent_buffer() -> Iterator[memoryview]:
    """Lend a buffer to this thread: to allocate one for each piece of a body would cost more than to read it."""
    try:
        buffer = _buffers.pop()
    except IndexError:
        buffer = bytearray(_BUFFER_BYTES)
    try:
        yield memoryview(buffer)
    finally:
        _buffers.append(buffer)


class _Body:
    """The body of a response, as it comes."""

    def __init__(self, pieces: Iterator[Piece], release: Callable[[], None]) -> None:
        self._pieces = pieces
        self._release = release
        self._is_closed = False

    def __iter__(self) -> Iterator[Piece]:
        try:
            yield from self._pieces
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._release()


@contextmanager
def translated() -> Iterator[None]:
    """Make a `TransportError` of what is against the rules of HTTP."""
    try:
        yield
    except h11.ProtocolError as error:
        raise TransportError(str(error)) from error
