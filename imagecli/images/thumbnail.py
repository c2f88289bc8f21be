"""Images made small to be looked at: on a contact sheet, in a terminal."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.reading import open_input, read_input

if TYPE_CHECKING:
    from PIL import Image

    from imagecli.images.input_image import InputImage
    from imagecli.images.types import Size

    Source = str | bytes | InputImage
    """A path, the bytes of a file, or an image that has been read already."""

SECONDS = 10.0
"""How long making one may take: a progressive JPEG of 200 kB can keep its decoder busy for half a minute."""
MAX_BYTES = 256_000_000
"""Of a file; what a person looks at is smaller."""


def thumbnail(source: Source, most: Size, seconds: float | None = None) -> Image.Image:
    """Return the first frame of an image as it is seen: upright, in RGB or RGBA, in sRGB, scaled down into a box.

    Args:
        source: the image.
        most: width and height in pixels that it may have; a smaller image is not made larger.
        seconds: how long that may take; None: `SECONDS`.

    Raises:
        UsageProblem: it can't be read, is not an image that can be decoded, or has too many pixels.
        TimeoutError: decoding it takes too long.
    """
    results: list[Image.Image | BaseException] = []

    def make() -> None:
        try:
            results.append(_made(source, most))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            results.append(error)

    # In a thread, as a decoder can't be interrupted, only abandoned.
    thread = threading.Thread(target=make, name="thumbnail", daemon=True)
    try:
        thread.start()
        thread.join(SECONDS if seconds is None else seconds)
    except RuntimeError:  # the system allows no more threads
        make()
    if not results:
        raise TimeoutError("decoding the image takes too long")
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def _made(source: Source, most: Size) -> Image.Image:
    if isinstance(source, str):
        if os.path.exists(source) and not os.path.isfile(source):  # a pipe could be read only once, a device for ever
            raise UsageProblem(f"{source} is not a regular file", hint="Name an image file.")
        if os.path.isfile(source) and os.path.getsize(source) > MAX_BYTES:
            raise UsageProblem(f"the file is larger than {MAX_BYTES:,} bytes", hint="Make the image smaller first.")
        image = read_input(source)
    else:
        image = open_input(source, "the image") if isinstance(source, bytes) else source
    width, height = image.size
    scale = min(1.0, most[0] / width, most[1] / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image.srgb_at(size, (0, 0, width, height))
