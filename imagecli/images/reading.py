"""Inputs: opens the images that a user hands in, and refuses what isn't one with a message that names it."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import re
import stat
import threading
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from imagecli.errors import Failure, ImagecliError, UsageProblem
from imagecli.images.colour import Flat, flatten
from imagecli.images.png_chunks import repaired
from imagecli.images.sniffing import KIND_NAMES, ImageCheck, sniff
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from PIL.ImageFile import ImageFile

    from imagecli.images.types import Size

MAX_PIXELS = 178_956_970
"""Pixels that an input may declare: twice Pillow's warning threshold; 0.7 GB once decoded."""
_MAX_PIXELS_GREEDY = MAX_PIXELS // 2
"""The same for decoders that use 15 to 18 bytes per pixel, where others use 4 to 8."""
_GREEDY = ("jpeg2000", "webp")
_MAX_PIXELS_SLOW = MAX_PIXELS // 4
"""The same for Pillow's decoders in Python (QOI, RLE in BMP, text in PPM …): 0.2 to 3 s per million pixels."""
MAX_FILE_BYTES = 1 << 30
"""The largest file, in bytes."""
_HEAD = 4096

# What Pillow decodes by itself, common formats first. Left out: EPS (runs Ghostscript), IPTC (opens whatever it
# holds, EPS too), FPX and MIC (need olefile), and those that Pillow only recognises: BUFR, GRIB, HDF5, MPEG, WMF.
_FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "ICO", "PPM", "PSD", "DDS", "QOI", "SGI", "PCX"),
    *("ICNS", "CUR", "DIB", "DCX", "FITS", "FLI", "BLP", "FTEX", "GBR", "IM", "MSP", "PCD", "PIXAR", "SPIDER", "SUN"),
    *("XBM", "XPM", "XVTHUMB", "IMT", "MCIDAS", "TGA"),
)
_REFUSED = {
    "svg": ("SVG input is not supported", "Rasterise it first, for instance with rsvg-convert."),
    "postscript": ("PostScript input is not supported", "Rasterise it first."),
    "pdf": ("PDF input is not supported", "Rasterise the page first, for instance with pdftoppm."),
    "html": ("it is HTML, not an image", "Check what was downloaded there."),
    "json": ("it is JSON, not an image", "Check what was saved there."),
}
_SIZED_BY_HEADER = ("png", "jpeg", "webp")
"""Formats whose displayed size is known from the header, so that decoding can wait until a size is asked for."""
_ANIMATED = ("png", "gif", "webp", "avif", "tiff", "fli", "heif")
"""Formats whose frames are shown in turn; in the others they are sizes, layers or previews."""
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_EXIF = (b"Raw profile type exif", b"XML:com.adobe.xmp")

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_BYTE = 8
_SIDEWAYS = 5
"""The EXIF orientations from this one on swap width and height."""


# Without any handler, what Pillow logs about a broken TIFF would go to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class InputImage:
    """An image that a user handed in: its bytes, its header, and its pixels, decoded on first use."""

    def __init__(self, source: bytes | BinaryIO, name: str, image: ImageFile, left_out: tuple[str, ...] = ()) -> None:
        """Take over what the header declares; `image` is open but not yet decoded. Raises Pillow's own errors.

        An open file is read when its bytes are needed, and closed when this object goes.
        """
        self._data = source if isinstance(source, bytes) else None
        self._file = None if isinstance(source, bytes) else source
        if self._file:
            weakref.finalize(self, self._file.close)
        self.name = name
        self.left_out = left_out
        """What of the file was broken, isn't pixels, and is not in `data`."""
        kind = (image.format or "").lower()
        # A JPEG with more after it (a gain map, a second view) is a JPEG to all other software.
        self.format = "jpeg" if kind == "mpo" else kind
        """Judged by the bytes: "png", "jpeg", "webp", "tiff" and so on, Pillow's names in lower case."""
        self.animated = self.format in _ANIMATED and _has_frames(image)
        self._opened: ImageFile | None = image
        self._decoded: Image.Image | None = None
        # Pillow itself turns TIFF, and the plugin HEIF.
        self.orientation = 1 if self.format in ("tiff", "heif") else self._orientation(image)
        """The EXIF orientation that `decode` undoes, 1 to 8."""
        self.mode = image.mode
        """Pillow's name of the file's mode."""
        self.bits = self.data[24] if self.format == "png" else 8
        """Bits per channel of a PNG; Pillow drops the lower half of 16."""
        self.size = self._upright(image.size)
        """Width and height as displayed, upright."""
        if self.format not in _SIZED_BY_HEADER:
            self.size = self.decode().size
            self.mode = self.decode().mode

    @property
    def data(self) -> bytes:
        """All bytes of the file. Raises `UsageProblem` where it can no longer be read."""
        if self._data is None:
            with pillow_errors(self.name):
                file = self._file or io.BytesIO()
                file.seek(0)
                self._data = file.read()
        return self._data

    @property
    def length(self) -> int:
        """The size of the file in bytes."""
        return os.fstat(self._file.fileno()).st_size if self._file else len(self.data)

    def decode(self, at_least: Size | None = None) -> Image.Image:
        """Return the pixels, upright, in the file's own mode; not to be changed in place.

        A JPEG may be decoded at a half, a quarter or an eighth, which costs a fraction, but never below `at_least`
        (width, height). Decoded once. Raises `UsageProblem` where the file is damaged or truncated.
        """
        if self._decoded is None or not self._suffices(self._decoded.size, at_least):
            with pillow_errors(self.name):
                image = self._opened or Image.open(self._file or io.BytesIO(self.data), formats=_FORMATS)
                self._opened = None
                if self.format == "tiff":
                    _silence_libtiff()
                if at_least and self.format == "jpeg":
                    image.draft(None, self._upright(at_least))
                image.load()
                turn = _TURN.get(self.orientation)
                self._decoded = image if turn is None else image.transpose(turn)
        return self._decoded

    def flat(self, at_least: Size | None = None) -> Flat:
        """Return the pixels, upright, in RGB or RGBA; `at_least` and errors as for `decode`."""
        image = self.decode(at_least)
        with pillow_errors(self.name):
            return flatten(image, bits=self.bits)

    @property
    def shown(self) -> str:
        """The name, safe to show."""
        return printable(self.name)

    @property
    def is_plain(self) -> bool:
        """Whether it is upright, of 8 bits per channel and not animated, so that its pixels are shown as stored."""
        return self.orientation == 1 and self.bits <= _BYTE and not self.animated

    def is_whole(self) -> bool:
        """Return whether the file is well formed from its first byte to its last, which decoders don't insist on."""
        check = ImageCheck()
        check.feed(self.data)
        try:
            return check.finish().format == self.format
        except Failure:
            return False

    def _orientation(self, image: ImageFile) -> int:
        """Return the EXIF orientation; 1 where it is missing or broken."""
        if self.format == "png":
            if not _has_exif(self.data):
                return 1
            # It may follow the pixels; Pillow would decode them below, where errors in them would be swallowed.
            image.load()
        try:
            orientation = image.getexif().get(_ORIENTATION, 1)
        except Exception:  # noqa: BLE001 - Pillow raises nearly anything on broken EXIF; the pixels may be fine
            return 1
        return orientation if orientation in _TURN else 1

    def _suffices(self, size: Size, at_least: Size | None) -> bool:
        width, height = at_least or self.size
        return size == self.size or (size[0] >= width and size[1] >= height)

    def _upright(self, size: Size) -> Size:
        """Swap the sides where the orientation does."""
        return (size[1], size[0]) if self.orientation >= _SIDEWAYS else size


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
            if stat.S_ISREG(kind) and sniff(head) == "jpeg":
                # Most of a large JPEG's pixels are never decoded, so its bytes need not be in memory either.
                opened = _open(file, head, path, max_pixels)
                stack.pop_all()
                return opened
            data = head + file.read(MAX_FILE_BYTES + 1 - len(head))
    except FileNotFoundError:
        raise UsageProblem(f"{name} does not exist", hint="Check the path.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageProblem(f"{name} can't be read: {reason}", hint="Check the path and its permissions.") from error
    return open_input(data, path, max_pixels)


def open_input(data: bytes, name: str, max_pixels: int | None = None) -> InputImage:
    """Open an image from the bytes of a whole file; `name` is for messages and the upload's file name.

    `max_pixels` replaces the limits above, for a caller who knows what to expect. Raises `UsageProblem` for what isn't
    an image, is damaged, or declares more pixels than the limit.
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
    if kind in _REFUSED:
        what, hint = _REFUSED[kind]
        raise UsageProblem(f"{safe} can't be used: {what}", hint=hint)
    left_out: tuple[str, ...] = ()
    if kind == "png" and (repair := repaired(io.BytesIO(source) if isinstance(source, bytes) else source)):
        source, left_out = repair
    formats = (*_FORMATS, "HEIF") if kind == "heic" and _heif_is_installed() else _FORMATS
    with pillow_errors(name):
        if max_pixels and max_pixels > (Image.MAX_IMAGE_PIXELS or max_pixels):
            Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's limit applies before ours
        try:
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats)
        except UnidentifiedImageError:
            raise _unknown(safe, kind) from None
        _check_pixels(image, safe, max_pixels)
        return InputImage(source, name, image, left_out)


def _too_large(safe: str) -> UsageProblem:
    return UsageProblem(f"{safe} is larger than 1 GB", hint="Make the image smaller first.")


def _unknown(safe: str, kind: str | None) -> UsageProblem:
    if kind == "heic":
        return UsageProblem(
            f"{safe} is a HEIC image, which needs a plugin",
            hint="Run pip install 'imagecli[heif]', or save it as JPEG or PNG.",
        )
    if kind == "text":
        return UsageProblem(f"{safe} is text, not an image", hint="Name an image file.")
    what = f"begins like {KIND_NAMES[kind]} but can't be read" if kind else "isn't an image that can be read"
    return UsageProblem(f"{safe} {what}", hint="Name a whole PNG, JPEG, WebP, GIF, TIFF, BMP or AVIF file.")


@contextlib.contextmanager
def pillow_errors(name: str) -> Iterator[None]:
    """Translate what Pillow raises on a broken file into a `UsageProblem`, and silence its warnings."""
    safe = printable(name)
    try:
        with _QUIET:
            yield
    except ImagecliError:
        raise
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        raise _too_many_pixels(safe, f"{int(count[0]):,}" if count else "too many") from error
    except MemoryError as error:
        raise UsageProblem(
            f"{safe} needs more memory than is available", hint="Make the image smaller first."
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on broken files
        reason = " ".join(printable(str(error)).split()) or type(error).__name__
        raise UsageProblem(
            f"{safe} is damaged or truncated: {reason}", hint="Save or download the image again."
        ) from error


class _Quiet:
    """Silences Pillow's warnings while any thread is inside.

    `warnings.catch_warnings` alone would leave them silenced for good where two threads overlap.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._saved:
                self._saved.__exit__(None, None, None)


_QUIET = _Quiet()


def _check_pixels(image: ImageFile, safe: str, max_pixels: int | None) -> None:
    """Enforce the limits even where Pillow's own has been lifted."""
    limit = max_pixels or _limit(image)
    if image.width * image.height > limit:
        raise _too_many_pixels(safe, f"{image.width}x{image.height} = {image.width * image.height:,}", limit)


def _limit(image: ImageFile) -> int:
    if (image.format or "").lower() in _GREEDY:
        return _MAX_PIXELS_GREEDY
    return _MAX_PIXELS_SLOW if any(tile.codec_name in Image.DECODERS for tile in image.tile) else MAX_PIXELS


def _too_many_pixels(safe: str, size: str, limit: int = MAX_PIXELS) -> UsageProblem:
    return UsageProblem(
        f"{safe} declares {size} pixels; the limit is {limit:,}",
        hint="Make the image smaller first, or raise the limit with --max-pixels N.",
    )


def _has_frames(image: ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - in whatever way a second frame is broken, it doesn't count
        return False


def _has_exif(png: bytes) -> bool:
    """Return whether some chunk of a PNG holds EXIF or XMP; chunk by chunk, as the whole file may be large."""
    position = 8
    while position + 8 <= len(png):
        kind = png[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(png[position : position + 4], "big")
        if kind == b"eXIf" or (kind in _PNG_TEXTS and any(mark in png[position:end] for mark in _PNG_EXIF)):
            return True
        position = end
    return False


@functools.cache
def _silence_libtiff() -> None:
    """Keep libtiff from printing to the process's stderr what Pillow raises anyway.

    Pillow doesn't touch libtiff's handlers and has no way to set them; they are functions of the library that its own
    module is linked with. Where that can't be reached, broken TIFFs stay noisy.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]  # not in its __all__
        for set_handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def _heif_is_installed() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
