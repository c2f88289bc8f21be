"""What the fakes of servers that people host themselves have in common: the listening, the record, the paint.

A fake paints so that a test can see what the server understood: what it makes from words alone is BLUE, the n-th
picture a shade darker; what it was allowed to change is PAINT; without a mask the first input comes back inverted;
each further input shows as a square of its own colour along the upper edge, from the left.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from PIL import Image, ImageOps
from serving import Request as Arrived
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

BLUE = (40, 90, 200)
PAINT = (230, 30, 200)
SQUARE = 16
"""The side of the square that stands for a further input, in pixels."""


class Fake(ABC):
    """A server on a loopback port, for as long as the `with` block lasts; `requests` is what arrived, in order."""

    def __init__(self) -> None:
        """Listen on a port of the system's choice."""
        self.requests: list[Arrived] = []
        self._server = make_server(
            "127.0.0.1", 0, Request.application(self._receive), threaded=True, request_handler=_Quiet
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}/v1"

    @property
    def posts(self) -> list[Arrived]:
        """The POST requests."""
        return [request for request in self.requests if request.method == "POST"]

    def __enter__(self) -> Self:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    @abstractmethod
    def answer(self, request: Arrived) -> Response:
        """Answer as the server would."""

    def _receive(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.full_path.removesuffix("?")
        arrived = Arrived(request.method, path, headers, request.get_data())
        self.requests.append(arrived)
        return self.answer(arrived)


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: a test's output is its own."""


def use_profile(home: Path, url: str, dialect: str, *lines: str) -> None:
    """Write a config file whose profile `here`, the one that is used, is the server at `url`."""
    folder = home / "config" / "imagecli"
    folder.mkdir(parents=True, mode=0o700)
    head = f'profile = "here"\n[profiles.here]\nbase_url = "{url}"\ndialect = "{dialect}"\n'
    (folder / "config.toml").write_text(head + "\n".join(lines))
    (folder / "config.toml").chmod(0o600)


def pixels(path: str) -> Image.Image:
    """Return the picture in a file, in RGB."""
    return Image.open(io.BytesIO(Path(path).read_bytes())).convert("RGB")


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two colours are the same but for what JPEG and scaling do."""
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


def reply(document: Any, status: int = 200, **headers: str) -> Response:
    """Return a JSON answer; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(document), status, named, content_type="application/json")


def plain(size: tuple[int, int], n: int = 0) -> Image.Image:
    """Return what is made from words alone."""
    return Image.new("RGB", size, (BLUE[0], BLUE[1], BLUE[2] - 20 * n))


def edited(inputs: Sequence[Image.Image], size: tuple[int, int], opened: Image.Image | None = None) -> Image.Image:
    """Return the first input at `size`, painted where `opened` (mode L) is white, or inverted if that is None."""
    result = inputs[0].convert("RGB").resize(size)
    if opened is None:
        result = ImageOps.invert(result)
    else:
        result.paste(PAINT, (0, 0), opened.resize(size, Image.Resampling.NEAREST).point([0] * 128 + [255] * 128))
    for index, further in enumerate(inputs[1:]):
        colour = further.convert("RGB").resize((1, 1)).getpixel((0, 0))
        result.paste(colour, (index * SQUARE, 0, (index + 1) * SQUARE, SQUARE))
    return result


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the file of a picture in Pillow's format `kind`."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def b64(data: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(data).decode()
