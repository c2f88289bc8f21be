"""The sandbox as an HTTP server on 127.0.0.1, for any client."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from imagecli.errors import UsageProblem
from imagecli.sandbox.api.app import UNREAD, create_app
from imagecli.sandbox.api.refusals import ResponseLost
from imagecli.sandbox.api.visitors import LocalOnly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HOST = "127.0.0.1"
_BACKLOG = 128
_IDLE_S = 60
_DRAIN_S = 1.0
_DRAIN_BYTES = 1 << 30


def serve(port: int, *, ready: Callable[[str], None]) -> None:
    """Serve until an exception ends it in this thread: KeyboardInterrupt, or what a signal's handler raises.

    Args:
        port: 1 to 65535 on 127.0.0.1; 0 for any free one.
        ready: called with the base URL (http://127.0.0.1:PORT/v1) once connections are accepted.

    Raises:
        UsageProblem: it can't listen on the port.
    """
    with _listen(port) as listening:
        server = ThreadedWSGIServer(_HOST, port, LocalOnly(create_app(), UNREAD), _Handler, fd=listening.fileno())
    # Another thread serves the requests, so that no `except` around one can swallow the exception that ends the server.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        ready(f"http://{_HOST}:{server.port}/v1")
        thread.join()
    finally:
        server.shutdown()
        thread.join()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=_BACKLOG)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise UsageProblem(
            f"can't listen on port {port} of {_HOST}: {reason}",
            hint="Choose another port with --port, or any free one with --port 0.",
        ) from error


class _Handler(WSGIRequestHandler):
    """Werkzeug's handler without its log, and with kept connections: Werkzeug's own closes each after one response."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    # Head and body are two writes; on a kept connection the second would wait until the first is acknowledged.
    disable_nagle_algorithm = True
    error_content_type = "application/json"
    error_message_format = (
        '{"error": {"message": "This is no HTTP request that the sandbox reads (%(code)d).",'
        ' "type": "invalid_request_error", "param": null, "code": null}}'
    )

    def run_wsgi(self) -> None:
        """Respond to one request, and close the connection if the app has not read the request to its end."""
        self.environ = environ = self.make_environ()
        streamed = False

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None, /
        ) -> Callable[[bytes], object]:
            del exc_info  # for errors after the response has begun; this app has none
            nonlocal streamed
            code, _, reason = status.partition(" ")
            self.send_response(int(code), reason)
            for name, value in headers:
                self.send_header(name, value)
            streamed = not any(name.lower() == "content-length" for name, _ in headers)
            return self.wfile.write

        try:
            parts = self.server.app(environ, start_response)
            if streamed:
                self._stream(parts)
                return
        except ResponseLost:
            self.close_connection = True
            return
        unread = UNREAD in environ
        if unread:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"".join(parts))
        if unread:
            self._drain()

    def _stream(self, parts: Iterable[bytes]) -> None:
        """Write a body of unknown length piece by piece: in chunks, or for HTTP/1.0 up to the end of the connection."""
        chunked = self.request_version != "HTTP/1.0"
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        self.end_headers()
        with closing(iter(parts)) as pieces:  # type: ignore[type-var] # Werkzeug's iterator has close()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def version_string(self) -> str:
        """Return the value of the header `Server`: the sandbox, without Werkzeug's version."""
        return "imagecli-sandbox"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - Werkzeug's name
        """Log nothing: the base URL is the only line on stdout, and stderr is for errors."""

    def _drain(self) -> None:
        """Read on for a while, so that a client that is still sending gets the refusal and not a connection reset."""
        self.connection.settimeout(_DRAIN_S)
        left = _DRAIN_BYTES
        with suppress(OSError):
            while left > 0 and (got := len(self.rfile.read1(1 << 20))):
                left -= got
