"""What the fakes of servers share: how they answer and refuse, and images that show what was understood.

A fake is a `serving.Server` that answers by rules of its own: `requests` has what arrived, and a test may still put
other responses into `responses`. What it makes from words alone is plain, the n-th image in the n-th of COLOURS. What a
mask let it change is CHANGED; without a mask `edited` shows the first input inverted, and each further one as a square
of its own colour along the upper edge, from the left; `reworked` shows every input in a strip of its own.
"""

from __future__ import annotations

import base64
import io
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

from PIL import Image, ImageOps, UnidentifiedImageError
from werkzeug.wrappers import Response

from support.serving import Server, b64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from support.serving import Reply, Request

COLOURS = ((40, 90, 200), (160, 60, 20), (30, 130, 40), (120, 20, 130), (200, 170, 30), (90, 90, 90))
MADE = COLOURS[0]
CHANGED = (255, 0, 255)
SQUARE = 16
"""The side of the square that stands for a further input, in pixels."""


# Answers


class Refused(Exception):
    """A request that the server answers with an error."""

    def __init__(self, status: int, said: Any = "", kind: str = "application/json", **headers: str) -> None:
        """Take the body: a JSON document, or a text where `kind` is another type."""
        super().__init__(status, said)
        self.status = status
        self.said = said
        self.kind = kind
        self.headers = headers


class Fake(Server):
    """Answers by its routes: "METHOD /path" → the name of a method that takes the request.

    A route returns a JSON document, or a `Response` where the response is something else.
    """

    base = "/v1"
    routes: Mapping[str, str] = {}
    key: str | None = None
    request_id_header: ClassVar[str | None] = None

    def __init__(self, key: str | None = None) -> None:
        """Listen; `key` is the one that gets in, where the fake asks for one."""
        super().__init__()
        self.key = key or self.key
        self.respond = self._reply

    @property
    def url(self) -> str:
        """The base URL, as a user gives it."""
        return self.origin + self.base

    def handle(self, request: Request) -> Any:
        """Return the response to a request.

        Raises:
            Refused: the response is an error.
        """
        self.check(request)
        name = self.routes.get(f"{request.method} {place(request)[0]}")
        if name is None:
            raise self.missing(request)
        return getattr(self, name)(request)

    def check(self, request: Request) -> None:
        """Refuse what gets to no route at all."""

    def missing(self, request: Request) -> Refused:  # noqa: ARG002 - for others to override
        """Return the error for a route that does not exist."""
        return Refused(404, "Not Found")

    def refuse(self, refused: Refused) -> Response:
        """Return an error in the server's own envelope."""
        if refused.kind == "application/json":
            return document(refused.said, refused.status, **refused.headers)
        return Response(refused.said, refused.status, _named(refused.headers), content_type=refused.kind)

    def bearer(self, request: Request) -> str | None:
        """Return the key of the Authorization header, None where there is none."""
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        return key if kind == "Bearer" and key else None

    def has_key(self, request: Request) -> bool:
        """Return whether a request carries the key that is wanted."""
        return self.key is None or self.bearer(request) == self.key

    def _reply(self, reply: Reply, request: Request) -> None:
        try:
            response = self.handle(request)
        except Refused as refused:
            response = self.refuse(refused)
        if not isinstance(response, Response):
            response = document(response)
        headers = {name: value for name, value in response.headers if not name.lower().startswith("content-")}
        if self.request_id_header is not None:
            headers[self.request_id_header] = f"req-{len(self.requests)}"
        reply.send(response.get_data(), response.status_code, response.content_type or "", **headers)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def document(content: Any, status: int = 200, **headers: str) -> Response:
    """Return a JSON response; underscores in header names become hyphens."""
    return Response(json.dumps(content), status, _named(headers), content_type="application/json")


def stream(events: Iterable[tuple[str, Any]], *, before: str = "", after: str = "", newline: str = "\n") -> Response:
    """Return server-sent events: pairs of a name ("" for none) and a document."""
    lines = [
        f"{f'event: {name}{newline}' if name else ''}data: {json.dumps(content)}{newline * 2}"
        for name, content in events
    ]
    return Response("".join([before, *lines, after]), content_type="text/event-stream; charset=utf-8")


class Store(Server):
    """Where a service keeps finished images: another origin, which needs no key."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self.images: dict[str, bytes] = {}
        self.respond = self._give

    def put(self, data: bytes, ending: str) -> str:
        """Keep an image and return its address."""
        path = f"/made/{len(self.images)}.{ending}"
        self.images[path] = data
        return self.origin + path

    def _give(self, reply: Reply, request: Request) -> None:
        data = self.images.get(place(request)[0])
        # Together's CDN does this, and no harm comes of it elsewhere.
        if not request.headers.get("user-agent"):
            reply.send(b"error code: 1010", 403, "text/plain")
        elif data is None:
            reply.send(b"<Error><Code>BlobNotFound</Code></Error>", 404, "application/xml")
        else:
            reply.send(data, kind="application/octet-stream")


class Cloud(Fake):
    """A service with a store."""

    request_id_header = "x_request_id"

    def __init__(self) -> None:
        """Make the service and its store."""
        super().__init__()
        self.store = Store()

    def __enter__(self) -> Self:
        """Start responding."""
        self.store.__enter__()
        return super().__enter__()

    def __exit__(self, *what: object) -> None:
        """Stop."""
        super().__exit__(*what)
        self.store.__exit__(*what)


# Requests


def place(request: Request) -> tuple[str, dict[str, str]]:
    """Return a request's path and its query."""
    parts = urlsplit(request.path)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}


def media_type(request: Request) -> str:
    """Return the type of a request's body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_form(request: Request) -> bool:
    """Return whether a request's body is a multipart form."""
    return media_type(request) == "multipart/form-data"


def form_of(request: Request) -> dict[str, str]:
    """Return the text fields of a form, none for another body."""
    return request.form if is_form(request) else {}


def files_of(request: Request, name: str) -> list[bytes]:
    """Return the files of a form under a name; a part with an empty file name counts as none."""
    if not is_form(request):
        return []
    return [data for filename, _, data in request.files.get(name, []) if filename]


def from_data_url(url: str) -> bytes:
    """Return the image inside a data: URL with base64.

    Raises:
        ValueError: it is not one.
    """
    head, comma, text = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        raise ValueError("not a data: URL of an image")
    return base64.b64decode(text, validate=True)


def whole(text: str, otherwise: int | None = None) -> int | None:
    """Return the whole number in a form field, `otherwise` where there is none."""
    with suppress(ValueError):
        return int(text)
    return otherwise


# Images


def opened(data: bytes) -> Image.Image:
    """Return an image. Raises `Refused` (500) with Pillow's own words where it is none."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except UnidentifiedImageError as error:
        raise Refused(500, str(error)) from error
    return image


def plain(size: tuple[int, int], n: int = 0) -> Image.Image:
    """Return what is made from words alone."""
    return Image.new("RGB", size, COLOURS[n % len(COLOURS)])


def edited(inputs: Sequence[Image.Image], size: tuple[int, int], mask: Image.Image | None = None) -> Image.Image:
    """Return the first input at `size`, CHANGED where a grey mask is white, or inverted if there is none."""
    result = inputs[0].convert("RGB").resize(size)
    if mask is None:
        result = ImageOps.invert(result)
    else:
        grey = mask.convert("L").resize(size, Image.Resampling.NEAREST)
        result.paste(CHANGED, (0, 0), grey.point([0] * 128 + [255] * 128))
    for index, further in enumerate(inputs[1:]):
        colour = further.convert("RGB").resize((1, 1)).getpixel((0, 0))
        result.paste(colour, (index * SQUARE, 0, (index + 1) * SQUARE, SQUARE))
    return result


def reworked(inputs: Sequence[bytes], size: tuple[int, int], mask: bytes | None = None) -> Image.Image:
    """Return the inputs side by side, each in a strip of its own; CHANGED where the mask is transparent."""
    result = Image.new("RGB", size)
    width = size[0] // len(inputs)
    for number, data in enumerate(inputs):
        result.paste(Image.open(io.BytesIO(data)).convert("RGB").resize((width, size[1])), (number * width, 0))
    if mask is not None:
        opening = Image.open(io.BytesIO(mask)).convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha == 0))
        result.paste(CHANGED, (0, 0), opening.resize(size))
    return result


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the file of an image in Pillow's format `kind`."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def as_base64(image: Image.Image, kind: str, **options: Any) -> str:
    """Return the file of an image as base64."""
    return b64(encoded(image, kind, **options))


# What tests of dialects need


def use_profile(home: Path, url: str, dialect: str, *lines: str) -> None:
    """Write a config file whose profile `here`, the one that is used, is the server at `url`; `lines` follow in it."""
    file = home / "config" / "imagecli" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    head = ['profile = "here"', "[profiles.here]", f'base_url = "{url}"', f'dialect = "{dialect}"']
    file.write_text("\n".join([*head, *lines]))
    file.chmod(0o600)


def profile_at(folder: Path, **keys: object) -> dict[str, str]:
    """Write a config file whose active profile, `cloud`, has these keys; return the environment that names it."""
    path = folder / "config.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items() if value is not None]
    path.write_text("\n".join(['profile = "cloud"', "[profiles.cloud]", *lines, ""]))
    path.chmod(0o600)
    return {"IMAGECLI_CONFIG": str(path)}


def pixels(path: str) -> Image.Image:
    """Return the image in a file, in RGB."""
    with Image.open(path) as image:
        return image.convert("RGB")


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 6) -> bool:
    """Return whether two colours are the same but for what JPEG and scaling do."""
    return all(abs(a - b) <= by for a, b in zip(one[:3], other, strict=True))


GREY = (90, 90, 90)
INVERTED = (165, 165, 165)
ORANGE = (250, 120, 0)


def photo(name: str = "photo.png", size: tuple[int, int] = (256, 192), colour: tuple[int, ...] = GREY) -> str:
    """Write a plain image and return its name."""
    Image.new("RGB", size, colour).save(name)
    return name


def mask_file(kind: str, size: tuple[int, int] = (256, 192)) -> str:
    """Write a mask that opens the left upper 64x64: "alpha" by a hole in a dark image, "grey" by white on black."""
    if kind == "alpha":
        mask = Image.new("RGBA", size, (*GREY, 255))
        mask.paste((0, 0, 0, 0), (0, 0, 64, 64))
    else:
        mask = Image.new("L", size)
        mask.paste(255, (0, 0, 64, 64))
    mask.save("mask.png")
    return "mask.png"


def opened_at(path: str, colour: tuple[int, ...] = CHANGED) -> list[bool]:
    """Return of two spots inside what `mask_file` opens and of two outside whether they have the colour of a change."""
    return [near(pixels(path).getpixel(spot), colour) for spot in ((5, 5), (44, 44), (84, 20), (200, 150))]


ONLY_THERE = [True, True, False, False]
"""What `opened_at` returns where the mask was understood."""
