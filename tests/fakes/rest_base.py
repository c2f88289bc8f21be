"""What the fakes of hosted servers share: routes below a base path, and pictures that tell what they were made from."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from PIL import Image
from serving import Server, picture

if TYPE_CHECKING:
    from serving import Reply, Request

GENERATED = (30, 110, 60)
"""The colour of what was made from words alone."""


class Fake(Server):
    """A server whose routes are methods: (method, path below the base) → what answers. `requests` has what arrived."""

    base = "/v1"
    key = "right-key-0123456789"

    def __init__(self) -> None:
        """Answer by the routes."""
        super().__init__()
        self.answer = self._route

    @property
    def url(self) -> str:
        """The base URL, as a user gives it."""
        return self.origin + self.base

    def _route(self, reply: Reply, request: Request) -> None:
        path = request.path.partition("?")[0]
        inside = path.removeprefix(f"{self.base}/") if path.startswith(f"{self.base}/") else None
        handler = {} if inside is None else self.routes()
        found = handler.get((request.method, inside or ""))
        if found is None:
            self.not_found(reply, request)
        else:
            found(reply, request)

    def routes(self) -> dict[tuple[str, str], Any]:
        """Return the routes of this server."""
        raise NotImplementedError

    def not_found(self, reply: Reply, request: Request) -> None:
        """Answer where there is no route."""
        raise NotImplementedError

    def bearer(self, request: Request) -> str | None:
        """Return the key of the Authorization header, None where there is none."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return key if kind == "Bearer" and key else None


def colour_of(data: bytes) -> tuple[int, ...]:
    """Return the colour in the middle of a picture.

    Raises:
        OSError: it is none.
    """
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
        found = image.getpixel((image.width // 2, image.height // 2))
        assert isinstance(found, tuple)
        return found


def made(size: tuple[int, int], inputs: list[bytes], kind: str = "PNG") -> bytes:
    """Return a picture of one colour, or with a stripe in the colour of each input, in their order."""
    if not inputs:
        return picture(size, GENERATED, kind)
    image = Image.new("RGB", size)
    for number, data in enumerate(inputs):
        left, right = (size[0] * edge // len(inputs) for edge in (number, number + 1))
        image.paste(colour_of(data), (left, 0, right, size[1]))
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def b64(data: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(data).decode()
