"""A server in this process, whose failures look like those of one at the other end of a socket."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2 as httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


class InProcess(httpx.WSGITransport):
    """Hands requests to a WSGI app: the trace reports each as sent whole, so that its response can be lost."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Hand over one request and return the app's response, its body unread.

        Raises:
            httpx.TransportError: the app raised an OSError.
        """
        if "trace" in request.extensions:
            request.extensions["trace"]("in_process.send_request_body.complete", {"request": request})
        with _as_transport_error():
            response = super().handle_request(request)
        return httpx.Response(response.status_code, headers=response.headers, stream=_Body(response))


class _Body(httpx.SyncByteStream):
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
        raise httpx.ReadTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
