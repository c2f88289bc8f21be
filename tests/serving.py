"""A scripted HTTP server on loopback: it remembers every request, and answers or misbehaves as it is told."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from PIL import Image
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

if TYPE_CHECKING:
    import ssl


def picture(
    size: tuple[int, int] = (64, 48), colour: Any = (200, 40, 40), kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """Return the bytes of a plain picture."""
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, kind)
    return stream.getvalue()


def b64(data: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(data).decode()


def images(*pictures: bytes, **more: Any) -> bytes:
    """Return an answer with these pictures inside."""
    return json.dumps({"created": 1, "data": [{"b64_json": b64(one)} for one in pictures], **more}).encode()


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)

    @property
    def parts(self) -> list[tuple[str, str | None, str | None, bytes]]:
        """The multipart body's parts, read by an independent parser: name, file name, type, content; in their order."""
        boundary = self.headers["content-type"].split("boundary=")[1].encode()
        decoder = MultipartDecoder(boundary)
        decoder.receive_data(self.body)
        decoder.receive_data(None)
        found: list[tuple[str, str | None, str | None, bytes]] = []
        while not isinstance(event := decoder.next_event(), Epilogue):
            if isinstance(event, File):
                found.append((event.name, event.filename, event.headers.get("content-type"), b""))
            elif isinstance(event, Field):
                found.append((event.name, None, None, b""))
            elif isinstance(event, Data):
                found[-1] = (*found[-1][:3], found[-1][3] + event.data)
        return found

    @property
    def form(self) -> dict[str, str]:
        """The text fields of a multipart body."""
        return {name: content.decode() for name, filename, _, content in self.parts if filename is None}

    @property
    def files(self) -> dict[str, list[tuple[str, str, bytes]]]:
        """The files of a multipart body: field → (file name, type, content)."""
        found: dict[str, list[tuple[str, str, bytes]]] = {}
        for name, filename, kind, content in self.parts:
            if filename is not None:
                found.setdefault(name, []).append((filename, kind or "", content))
        return found


Answer = Callable[["Reply", Request], None]


class Reply:
    """What an answer does with the connection."""

    def __init__(self, connection: socket.socket) -> None:
        """Answer on `connection`."""
        self.socket = connection
        self.closed = False

    def send(self, body: bytes = b"", status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Send a well-formed answer; underscores in header names become hyphens."""
        lines = [f"HTTP/1.1 {status} Status", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def json(self, document: Any, status: int = 200, **headers: str) -> None:
        """Send a JSON document."""
        self.send(json.dumps(document).encode(), status, **headers)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        with suppress(OSError):
            self.socket.sendall(data)

    def close(self) -> None:
        """Close the connection in an orderly way."""
        self.closed = True

    def reset(self) -> None:
        """Tear the connection down."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.closed = True


class Server:
    """Answers every request with `answer`, or with the next of `answers` while there are any."""

    def __init__(self) -> None:
        """Listen on a port of the system's choice."""
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.answer: Answer = lambda reply, request: reply.send(self._pictures(request))
        self.delay = 0.0
        self.tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._stop = False

    @staticmethod
    def _pictures(request: Request) -> bytes:
        count = 1
        with suppress(ValueError):
            count = json.loads(request.body).get("n", 1)
        if "multipart" in request.headers.get("content-type", ""):
            count = int(request.form.get("n", 1))
        return images(*[picture(colour=(20 * n, 90, 120)) for n in range(count)])

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    @property
    def posts(self) -> list[Request]:
        """The POST requests."""
        return [request for request in self.requests if request.method == "POST"]

    def __enter__(self) -> Self:
        """Begin to answer."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop = True
        # Wakes the thread that waits in accept(): a closed listener alone goes on and takes one more connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._stop:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while (request := self._read(stream)) is not None:
                with self._lock:
                    self.requests.append(request)
                    answer = self.answers.pop(0) if self.answers else self.answer
                time.sleep(self.delay)
                reply = Reply(connection)
                answer(reply, request)
                if reply.closed:
                    return

    @staticmethod
    def _read(stream: Any) -> Request | None:
        line = stream.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers: dict[str, str] = {}
        while (header := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        if headers.get("transfer-encoding") == "chunked":
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        return Request(line[0], line[1], headers, body)
