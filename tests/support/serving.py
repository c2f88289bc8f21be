"""A scripted HTTP server on loopback: it remembers every request, and responds or misbehaves as a test wants it."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from PIL import Image
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder

if TYPE_CHECKING:
    import ssl


def image_file(
    size: tuple[int, int] = (64, 48), colour: Any = (200, 40, 40), kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """Return the bytes of a plain image."""
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, kind)
    return stream.getvalue()


def b64(data: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(data).decode()


def response_with(*files: bytes, **more: Any) -> bytes:
    """Return a response with these images inside."""
    return json.dumps({"created": 1, "data": [{"b64_json": b64(one)} for one in files], **more}).encode()


_COUNTER = itertools.count()


def noise(size: tuple[int, int] = (100, 100)) -> bytes:
    """Return the bytes of a PNG that does not compress: three bytes a pixel. The n-th is the same in each process."""
    stream = io.BytesIO()
    Image.frombytes("RGB", size, hashlib.shake_128(b"%d" % next(_COUNTER)).digest(size[0] * size[1] * 3)).save(
        stream, "PNG", compress_level=0
    )
    return stream.getvalue()


def error_document(message: str = "no", **fields: Any) -> dict[str, Any]:
    """Return an error in OpenAI's envelope."""
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


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


Handler = Callable[["Reply", Request], None]


class Reply:
    """What a response does with the connection."""

    def __init__(self, connection: socket.socket, ended: threading.Event) -> None:
        """Handler on `connection`; `ended` is set when the server stops."""
        self.socket = connection
        self.closed = False
        self._ended = ended

    def send(self, body: bytes = b"", status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Send a well-formed response; underscores in header names become hyphens."""
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

    def hang(self) -> None:
        """Send nothing more for as long as the server runs: what waits for it hangs."""
        self._ended.wait()
        self.closed = True

    def close(self) -> None:
        """Close the connection in an orderly way."""
        self.closed = True

    def reset(self) -> None:
        """Tear the connection down."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.closed = True


class Server:
    """Responds to every request with `respond`, or with the next of `responses` while there are any."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Listen on a port of the system's choice."""
        self.host = host
        self.requests: list[Request] = []
        self.responses: list[Handler] = []
        self.respond: Handler = lambda reply, request: reply.send(self._made(request))
        self.tls: ssl.SSLContext | None = None
        self._arrival = threading.Condition()
        self._listener = socket.create_server((host, 0), backlog=64)
        self._ended = threading.Event()

    @staticmethod
    def _made(request: Request) -> bytes:
        count = 1
        with suppress(ValueError):
            count = json.loads(request.body).get("n", 1)
        if "multipart" in request.headers.get("content-type", ""):
            count = int(request.form.get("n", 1))
        return response_with(*[image_file(colour=(20 * n, 90, 120)) for n in range(count)])

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.host}:{self.port}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    @property
    def posts(self) -> list[Request]:
        """The POST requests."""
        return [request for request in self.requests if request.method == "POST"]

    def wait_for(self, arrived: Callable[[list[Request]], bool]) -> None:
        """Wait until the requests that have arrived are as `arrived` wants them."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: arrived(self.requests), timeout=60), self.requests

    def __enter__(self) -> Self:
        """Start responding."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._ended.set()
        # Wakes the thread that waits in accept(): a closed listener alone goes on and takes one more connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
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
                with self._arrival:
                    self.requests.append(request)
                    respond = self.responses.pop(0) if self.responses else self.respond
                    self._arrival.notify_all()
                reply = Reply(connection, self._ended)
                respond(reply, request)
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
