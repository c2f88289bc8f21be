"""A server in this process, whose failures look like those of one at the other end of a socket.

httpx2 calls the app: it is imported for the sandbox alone.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2 as httpx

from imagecli.client.http import Response, TimedOutError, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication

    from imagecli.client.http import Request


class InProcess:
    """Hands requests to a WSGI app: the trace is told that each was sent whole, so that its response can be lost."""

    def __init__(self, app: WSGIApplication) -> None:
        """Call `app`."""
        self._transport = httpx.WSGITransport(app=app)

    def send(self, request: Request) -> Response:
        """Hand over one request and return the app's response, its body unread.

        Raises:
            TransportError: the app raised an OSError.
        """
        content = b"".join(request.body.pieces)
        handed = httpx.Request(request.method, str(request.url), headers=request.raw_headers, content=content)
        request.trace.complete()
        with _as_transport_error():
            response = self._transport.handle_request(handed)
        return Response(response.status_code, response.headers.raw, _Body(response))

    def close(self) -> None:
        """Close the app, which needs nothing for that."""
        self._transport.close()


class _Body:
    """A body that an app is still making."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_transport_error():
            yield from self._response.stream  # type: ignore[misc] # a WSGI app's is of the synchronous kind

    def close(self) -> None:
        self._response.close()


@contextmanager
def _as_transport_error() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise TimedOutError(str(error)) from error
    except OSError as error:
        raise TransportError(str(error)) from error
