"""What the fakes of cloud services share: refusals, a store of finished pictures, and pictures that tell what was done.

A fake is a `serving.Server` that answers by rules of its own: `requests` has what arrived, and a test may still put
other answers into `answers`.
"""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from serving import Server, b64

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from serving import Reply, Request

COLOURS = ((20, 90, 120), (160, 60, 20), (30, 130, 40), (120, 20, 130), (200, 170, 30), (90, 90, 90))
"""The first picture of an answer is filled with the first of these, the second with the second, and so on."""
CHANGED = (255, 0, 255)
"""What an edit paints where the mask is open."""


class Refused(Exception):
    """A request that the service answers with an error."""

    def __init__(self, status: int, document: Any, kind: str = "application/json", **headers: str) -> None:
        """Take the answer: a JSON document, or a text where `kind` says so."""
        super().__init__(status)
        self.status = status
        self.body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.kind = kind
        self.headers = headers


class Events(list):
    """Server-sent events: pairs of a name and a document."""

    @property
    def body(self) -> bytes:
        """The stream as it is sent."""
        return "".join(f"event: {name}\ndata: {json.dumps(document)}\n\n" for name, document in self).encode()


class Store(Server):
    """Where a service keeps finished pictures: another origin, which needs no key."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self.pictures: dict[str, bytes] = {}
        self.answer = self._give

    def put(self, data: bytes, ending: str) -> str:
        """Keep a picture and return its address."""
        path = f"/made/{len(self.pictures)}.{ending}"
        self.pictures[path] = data
        return self.origin + path

    def _give(self, reply: Reply, request: Request) -> None:
        data = self.pictures.get(place(request)[0])
        # Together's CDN does this, and no harm comes of it elsewhere.
        if not request.headers.get("user-agent"):
            reply.send(b"error code: 1010", 403, "text/plain")
        elif data is None:
            reply.send(b"<Error><Code>BlobNotFound</Code></Error>", 404, "application/xml")
        else:
            reply.send(data, kind="application/octet-stream")


class Cloud(Server):
    """A service: `handle()` has its rules."""

    request_id_header = "x_request_id"

    def __init__(self) -> None:
        """Make the service and its store."""
        super().__init__()
        self.store = Store()
        self.answer = self._reply

    def __enter__(self) -> Self:
        """Begin to answer."""
        self.store.__enter__()
        return super().__enter__()

    def __exit__(self, *what: object) -> None:
        """Stop."""
        super().__exit__(*what)
        self.store.__exit__(*what)

    def handle(self, request: Request) -> Any:
        """Return the document (or the `Events`) that answers a request.

        Raises:
            Refused: the answer is an error.
        """
        raise NotImplementedError

    def _reply(self, reply: Reply, request: Request) -> None:
        headers = {self.request_id_header: f"req-{len(self.requests)}"}
        try:
            answer = self.handle(request)
        except Refused as refused:
            reply.send(refused.body, refused.status, refused.kind, **headers, **refused.headers)
            return
        if isinstance(answer, Events):
            reply.send(answer.body, kind="text/event-stream", **headers)
        else:
            reply.json(answer, **headers)


def place(request: Request) -> tuple[str, dict[str, str]]:
    """Return a request's path and its query."""
    parts = urlsplit(request.path)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}


def media_type(request: Request) -> str:
    """Return the type of a request's body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def painted(size: tuple[int, int], number: int) -> Image.Image:
    """Return a picture of the colour that stands for its number in the answer."""
    return Image.new("RGB", size, COLOURS[number % len(COLOURS)])


def reworked(inputs: Sequence[bytes], size: tuple[int, int], mask: bytes | None = None) -> Image.Image:
    """Return the inputs side by side, each in a strip of its own; where the mask is open, `CHANGED`."""
    result = Image.new("RGB", size)
    width = size[0] // len(inputs)
    for number, data in enumerate(inputs):
        result.paste(Image.open(io.BytesIO(data)).convert("RGB").resize((width, size[1])), (number * width, 0))
    if mask is not None:
        opened = Image.open(io.BytesIO(mask)).convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha == 0))
        result.paste(CHANGED, (0, 0), opened.resize(size))
    return result


def encoded(image: Image.Image, kind: str) -> bytes:
    """Return the bytes of a picture."""
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def as_base64(image: Image.Image, kind: str) -> str:
    """Return the bytes of a picture as base64."""
    return b64(encoded(image, kind))


def from_data_url(url: str) -> bytes:
    """Return the picture inside a data: URL with base64.

    Raises:
        ValueError: it is none.
    """
    head, comma, text = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise ValueError("no data: URL of a picture")
    return base64.b64decode(text, validate=True)


def profile_at(folder: Path, **keys: object) -> dict[str, str]:
    """Write a config file whose active profile, `cloud`, has these keys; return the environment that names it."""
    path = folder / "config.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items() if value is not None]
    path.write_text("\n".join(['profile = "cloud"', "[profiles.cloud]", *lines, ""]))
    path.chmod(0o600)
    return {"IMAGECLI_CONFIG": str(path)}


def near(pixel: tuple[int, ...], colour: tuple[int, ...], by: int = 6) -> bool:
    """Tell whether a pixel has a colour, as well as a JPEG keeps it."""
    return all(abs(one - other) <= by for one, other in zip(pixel[:3], colour, strict=True))
