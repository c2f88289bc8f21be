"""Inputs: opens the images that a user hands in, and refuses what isn't one with a message that names it."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from imagecli.errors import Failure, UsageProblem
from imagecli.images.image_check import ImageCheck
from imagecli.images.input_image import InputImage
from imagecli.images.pillow import FORMATS, open_with_pillow, pillow_errors
from imagecli.images.png_chunks import repaired
from imagecli.images.sniffing import KIND_NAMES, sniff
from imagecli.images.tiff_pages import is_camera_raw
from imagecli.text import printable

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["InputImage", "open_input", "read_input"]
MAX_FILE_BYTES = 1 << 30
"""The largest file, in bytes."""
_HEAD = 4096
_REFUSED = {
    "svg": ("SVG input is not supported", "Rasterise it first, for instance with rsvg-convert."),
    "postscript": ("PostScript input is not supported", "Rasterise it first."),
    "pdf": ("PDF input is not supported", "Rasterise the page first, for instance with pdftoppm."),
    "html": ("it is HTML, not an image", "Check what was downloaded there."),
    "json": ("it is JSON, not an image", "Check what was saved there."),
    "apple": (
        "it is a PNG in a form that only Apple's devices read",
        "Restore it with pngcrush from Xcode, or save it anew.",
    ),
    "jxl": ("JPEG XL input is not supported", "Convert it first, for instance with djxl."),
    "raw": (
        "it is a camera RAW file, or begins with a preview as one does",
        "Develop it first with a RAW converter, for instance darktable-cli, RawTherapee or the camera's own software.",
    ),
}


def read_input(path: str, max_pixels: int | None = None) -> InputImage:
    """Read and open a regular file or a named pipe; `max_pixels` as for `open_input`.

    Raises `UsageProblem`, with the path, where the file is missing, can't be read, or isn't an image.
    """
    name = printable(path)
    try:
        status = Path(path).stat()
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            raise UsageProblem(f"{name} is a folder, not an image", hint="Name a file in it.")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise UsageProblem(f"{name} is not a file", hint="Name an image file, or - for standard input.")
        if status.st_size > MAX_FILE_BYTES:
            raise _too_large(name)
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(Path(path).open("rb"))
            head = file.read(_HEAD)
            if stat.S_ISREG(kind) and sniff(head) in ("jpeg", "png"):
                # Decoded small or in strips, so its bytes need not be in memory either.
                opened = _open(file, head, path, max_pixels)
                stack.pop_all()
                opened.path = _lasting(path)
                return opened
            # At once it would make room for as much as it may return.
            most = MAX_FILE_BYTES + 1 if stat.S_ISFIFO(kind) else min(status.st_size, MAX_FILE_BYTES) + 1
            data = head + file.read(most)
    except FileNotFoundError:
        from imagecli.disk import path_hint

        raise UsageProblem(f"{name} does not exist", hint=path_hint(path, "Check the path.")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageProblem(f"{name} can't be read: {reason}", hint="Check the path and its permissions.") from error
    opened = open_input(data, path, max_pixels)
    opened.path = _lasting(path) if stat.S_ISREG(kind) else None
    return opened


def _lasting(path: str) -> str | None:
    """Return the absolute path of a file; None where another process would find another one under it."""
    path = os.path.abspath(path)
    return None if path.startswith(("/dev/fd/", "/dev/stdin", "/proc/")) else path


def open_input(data: bytes, name: str, max_pixels: int | None = None) -> InputImage:
    """Open an image from the bytes of a whole file; `name` is for messages and the upload's file name.

    `max_pixels` replaces the limits of `limits.py`, for a caller who knows what to expect. Raises `UsageProblem` for
    what isn't an image, is damaged, or declares more pixels than the limit.
    """
    safe = printable(name)
    if not data:
        raise UsageProblem(f"{safe} is empty", hint="Name a file that contains an image.")
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(safe)
    return _open(data, data[:_HEAD], name, max_pixels)


def _open(source: bytes | BinaryIO, head: bytes, name: str, max_pixels: int | None) -> InputImage:
    safe = printable(name)
    kind = sniff(head)
    if kind == "tiff" and isinstance(source, bytes) and is_camera_raw(source):
        kind = "raw"
    if kind == "png" and head[12:16] == b"CgBI":
        kind = "apple"
    if kind in _REFUSED:
        what, hint = _REFUSED[kind]
        raise UsageProblem(f"{safe} can't be used: {what}", hint=hint)
    left_out: tuple[str, ...] = ()
    if kind == "png" and (repair := repaired(io.BytesIO(source) if isinstance(source, bytes) else source)):
        if not isinstance(source, bytes):
            source.close()
        source, left_out = repair
    formats = (*FORMATS, "HEIF") if kind == "heic" and _heif_is_installed() else FORMATS
    with pillow_errors(name):
        if max_pixels and max_pixels > (Image.MAX_IMAGE_PIXELS or max_pixels):
            Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's limit applies before ours
        try:
            image = open_with_pillow(io.BytesIO(source) if isinstance(source, bytes) else source, formats)
        except UnidentifiedImageError:
            needs_plugin = kind == "heic" and "HEIF" not in formats and isinstance(source, bytes) and _is_whole(source)
            raise _needs_plugin(safe) if needs_plugin else _unknown(safe, kind) from None
        return InputImage(source, name, image, left_out=left_out, max_pixels=max_pixels)


def _is_whole(data: bytes) -> bool:
    check = ImageCheck()
    check.feed(data)
    try:
        check.finish()
    except Failure:
        return False
    return True


def _too_large(safe: str) -> UsageProblem:
    return UsageProblem(f"{safe} is larger than 1 GB", hint="Make the image smaller first.")


def _needs_plugin(safe: str) -> UsageProblem:
    return UsageProblem(
        f"{safe} is a HEIC image, which needs a plugin",
        hint="Run pipx inject imagecli pillow-heif (or pip install 'imagecli[heif]'), or save it as JPEG or PNG.",
    )


def _unknown(safe: str, kind: str | None) -> UsageProblem:
    if kind == "text":
        return UsageProblem(f"{safe} is text, not an image", hint="Name an image file.")
    what = f"begins like {KIND_NAMES[kind]} but can't be read" if kind else "isn't an image that can be read"
    hint = "Name a whole PNG, JPEG, WebP, GIF, TIFF, BMP or AVIF file."
    if kind == "tiff":
        hint = "Save it as a PNG, or as a TIFF of 8 or 16 bits per channel, compressed with LZW or not at all."
    return UsageProblem(f"{safe} {what}", hint=hint)


def _heif_is_installed() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
