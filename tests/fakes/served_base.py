"""What the fakes of vLLM-Omni, Xinference and LiteLLM's proxy share: routes, refusals, and pictures that tell a tale.

A fake is a `serving.Server` with routes: `requests` has what arrived, and a test may still put other answers into
`answers`. What it makes from words is plain MADE (the n-th picture a shade darker); what it was let change is CHANGED;
each further input shows as a square of its own colour along the lower edge, from the left.
"""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image, UnidentifiedImageError
from serving import Reply, Request, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MADE = (40, 90, 200)
CHANGED = (250, 0, 250)
SQUARE = 8
"""The side of the square that stands for a further input, in pixels."""


class Refused(Exception):
    """A request that the server answers with an error."""

    def __init__(self, status: int, said: Any = "") -> None:
        """Take the status and what is said; how that is put is the server's own affair."""
        super().__init__(status, said)
        self.status = status
        self.said = said


class Served(Server):
    """Answers by its routes: "METHOD /path" → the name of a method that takes the reply and the request."""

    routes: ClassVar[Mapping[str, str]] = {}

    def __init__(self, key: str | None = None) -> None:
        """Listen; only requests with `key` get in, if there is one."""
        super().__init__()
        self.key = key
        self.answer = self._route

    def has_key(self, request: Request) -> bool:
        """Tell whether a request carries the key that is wanted."""
        return self.key is None or request.headers.get("authorization") == f"Bearer {self.key}"

    def refuse(self, reply: Reply, refused: Refused) -> None:
        """Answer with an error in the server's own envelope."""
        raise NotImplementedError

    def check(self, request: Request) -> None:
        """Refuse what gets to no route at all."""

    def missing(self, request: Request) -> Refused:  # noqa: ARG002 - for others to override
        """Return what is said of a route that does not exist."""
        return Refused(404, "Not Found")

    def _route(self, reply: Reply, request: Request) -> None:
        path = request.path.partition("?")[0]
        try:
            self.check(request)
            name = self.routes.get(f"{request.method} {path}")
            if name is None:
                raise self.missing(request)
            getattr(self, name)(reply, request)
        except Refused as refused:
            self.refuse(reply, refused)


def is_form(request: Request) -> bool:
    """Tell whether a request's body is a multipart form."""
    return request.headers.get("content-type", "").startswith("multipart/form-data")


def form_of(request: Request) -> dict[str, str]:
    """Return the text fields of a form, none for another body."""
    return request.form if is_form(request) else {}


def files_of(request: Request, name: str) -> list[bytes]:
    """Return the files of a form under a name; a part without a file name's words counts as none."""
    if not is_form(request):
        return []
    return [data for filename, _, data in request.files.get(name, []) if filename]


def opened(data: bytes) -> Image.Image:
    """Return a picture. Raises `Refused` (500) with Pillow's own words where it is none."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except UnidentifiedImageError as error:
        raise Refused(500, str(error)) from error
    return image


def made(size: tuple[int, int], count: int) -> list[Image.Image]:
    """Return what is made from words: one plain picture for each that was asked for."""
    red, green, blue = MADE
    return [Image.new("RGB", size, (red, green, blue - 20 * n)) for n in range(count)]


def edited(
    inputs: Sequence[Image.Image], size: tuple[int, int], mask: Image.Image | None, others: Sequence[Image.Image] = ()
) -> Image.Image:
    """Return the first input at `size`, CHANGED where a grey mask is white (everywhere without one).

    `others` are the inputs that the model has looked at besides.
    """
    base = inputs[0].convert("RGB").resize(size)
    paint = Image.new("RGB", size, CHANGED)
    if mask is None:
        base = paint
    else:
        base.paste(
            paint, mask=mask.convert("L").resize(size, Image.Resampling.NEAREST).point(lambda grey: grey > 127 and 255)
        )
    for place, other in enumerate(others):
        colour = other.convert("RGB").resize((1, 1)).getpixel((0, 0))
        base.paste(colour, (place * SQUARE, size[1] - SQUARE, (place + 1) * SQUARE, size[1]))
    return base


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the file of a picture in Pillow's format `kind`."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def whole(text: str, otherwise: int | None = None) -> int | None:
    """Return the whole number that a form field says, `otherwise` where it says none."""
    with suppress(ValueError):
        return int(text)
    return otherwise


def from_data_url(text: str) -> bytes:
    """Return the bytes of a base64 `data:` URL."""
    return base64.b64decode(text.partition(",")[2])


# What tests of these servers need


def use_profile(home: Path, url: str, dialect: str, *lines: str) -> None:
    """Write a config file whose profile `here`, the one that is used, is the server at `url`; `lines` follow in it."""
    file = home / "config" / "imagecli" / "config.toml"
    file.parent.mkdir(parents=True, mode=0o700)
    head = ['profile = "here"', "[profiles.here]", f'base_url = "{url}"', f'dialect = "{dialect}"']
    file.write_text("\n".join([*head, *lines]))
    file.chmod(0o600)


def colour_at(path: str, spot: tuple[int, int]) -> tuple[int, ...]:
    """Return the colour of a pixel, in RGB."""
    with Image.open(path) as image:
        return image.convert("RGB").getpixel(spot)


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two colours are the same but for what JPEG does to them."""
    return all(abs(a - b) < 12 for a, b in zip(one, other, strict=True))


GREY = (90, 90, 90)
ORANGE = (250, 120, 0)


def photo(name: str = "photo.png", size: tuple[int, int] = (256, 192), colour: tuple[int, ...] = GREY) -> str:
    """Write a plain picture and return its name."""
    Image.new("RGB", size, colour).save(name)
    return name


def mask_file(kind: str, size: tuple[int, int] = (256, 192)) -> str:
    """Write a mask that opens the left upper 64x64: "alpha" by a hole in a dark picture, "grey" by white on black."""
    if kind == "alpha":
        mask = Image.new("RGBA", size, (*GREY, 255))
        mask.paste((0, 0, 0, 0), (0, 0, 64, 64))
    else:
        mask = Image.new("L", size)
        mask.paste(255, (0, 0, 64, 64))
    mask.save("mask.png")
    return "mask.png"


def opened_at(path: str) -> list[bool]:
    """Tell of two spots inside what `mask_file` opens and two outside whether they were changed."""
    return [near(colour_at(path, spot), CHANGED) for spot in ((5, 5), (44, 44), (84, 20), (200, 150))]


ONLY_THERE = [True, True, False, False]
"""What `opened_at` returns where the mask was understood."""
