"""Pillow, quiet: its errors as ours, its warnings silenced, and what its libraries print kept off stderr."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from PIL import Image

from imagecli.errors import ImagecliError, UsageProblem
from imagecli.images.limits import too_many_pixels
from imagecli.text import printable

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Iterator
    from typing import BinaryIO

    from PIL.ImageFile import ImageFile

# What Pillow decodes by itself, common formats first. Left out: EPS (runs Ghostscript), IPTC (opens whatever it
# holds, EPS too), FPX and MIC (need olefile), and those that Pillow only recognises: BUFR, GRIB, HDF5, MPEG, WMF.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "ICO", "PPM", "PSD", "DDS", "QOI", "SGI", "PCX"),
    *("ICNS", "CUR", "DIB", "DCX", "FITS", "FLI", "BLP", "FTEX", "GBR", "IM", "MSP", "PCD", "PIXAR", "SPIDER", "SUN"),
    *("XBM", "XPM", "XVTHUMB", "IMT", "MCIDAS", "TGA"),
)

_GREYS = {"L;2": (3, 85), "L;4": (15, 17), "L": (255, 1)}
"""By Pillow's name of how a PNG's grey is stored: its highest value, and what makes a value of Pillow's of it."""

# Without any handler, what Pillow logs about a broken TIFF would go to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_with_pillow(file: BinaryIO, formats: tuple[str, ...]) -> ImageFile:
    """Open an image of one of some formats, however large, without its XMP. Raises Pillow's own errors.

    Pillow would turn an image by its XMP where EXIF has no orientation; nothing else does so. Nor does it see what is
    transparent in a grey PNG of two or four bits, as it compares the pixels of eight.
    """
    try:
        image = Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        # Only a JPEG may exceed Pillow's limit: ours are checked next, and it needn't be decoded at its full size.
        if "JPEG" not in formats or file.seek(0) or file.read(2) != b"\xff\xd8":
            raise
        from PIL.JpegImagePlugin import JpegImageFile

        file.seek(0)
        image = JpegImageFile(file)
    for key in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(key, None)
    transparent = image.info.get("transparency")
    if image.format == "PNG" and isinstance(transparent, int) and image.tile[0].args in _GREYS:
        most, scale = _GREYS[image.tile[0].args]
        image.info["transparency"] = (transparent & most) * scale
    return image


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
        raise too_many_pixels(safe, f"{int(count[0]):,}" if count else "too many") from error
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


_WITH_ALPHA = {"LX": "LA", "RGBX": "RGBA", "RGBX;16L": "RGBA", "RGBX;16B": "RGBA"}
"""Modes by how Pillow reads pixels whose last channel it would drop."""


def take_extra_for_alpha(tiff: ImageFile) -> bool:
    """Let a channel that an open TIFF has no meaning for be its alpha, as libvips and ImageMagick do; return whether.

    Pillow drops it, and with it the transparency of what programs wrote that don't say what it is (TIFF 6.0,
    ExtraSamples 0).
    """
    args = [tile.args for tile in tiff.tile if isinstance(tile.args, tuple)]
    modes = {_WITH_ALPHA.get(raw) for raw, *_ in args}
    mode = modes.pop() if len(modes) == 1 and len(args) == len(tiff.tile) else None
    if mode is None:
        return False
    tiff.tile = [
        tile._replace(args=(raw.replace("X", "A"), *rest)) for tile, (raw, *rest) in zip(tiff.tile, args, strict=True)
    ]
    tiff._mode = mode  # noqa: SLF001 - there is no other way to say it
    return True


def can_decompress(compression: int) -> bool:
    """Return whether libtiff was built with a compression, by its number in TIFF; true where it can't be asked."""
    try:
        return bool(_libtiff().TIFFIsCODECConfigured(compression))
    except (OSError, AttributeError):
        return True


def without_decoder(image: ImageFile) -> Image.Image:
    """Return an image that was decoded without what Pillow decoded it with, which would stay in memory beside it."""
    return image._new(image.im)  # noqa: SLF001 - every method of Pillow's that returns an image ends like this


def decode_webp(webp: ImageFile) -> Image.Image:
    """Decode the first frame of an open WebP. Raises Pillow's own errors.

    The decoder holds two canvases. Pillow keeps it, and copies the pixels: four times the memory of the image.
    """
    try:
        pixels, *_ = webp._get_next()  # type: ignore[attr-defined]  # noqa: SLF001 - or else as usual
        mode = webp.rawmode  # type: ignore[attr-defined]
        del webp._decoder  # type: ignore[attr-defined]  # noqa: SLF001
    except AttributeError:
        webp.load()
        return webp
    image = Image.frombuffer(mode, webp.size, pixels, "raw", mode, 0, 1)
    if mode != webp.mode:
        image = image.convert(webp.mode)
    image.info = webp.info
    return image


def give_memory_back() -> None:
    """Have the C library return what is free of its heap to the system: to be called before a large image is decoded.

    glibc keeps up to 64 MB, and what lies below something that is still used, which then counts in addition to the
    image. Elsewhere, or where it can't be told, nothing is done.
    """
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@functools.cache
def silence_libtiff() -> None:
    """Keep libtiff from printing to the process's stderr what Pillow raises anyway.

    Pillow doesn't touch libtiff's handlers and has no way to set them; they are functions of the library that its own
    module is linked with. Where that can't be reached, broken TIFFs stay noisy.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        library = _libtiff()
        for set_handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def _libtiff() -> ctypes.CDLL:
    """Return the module of Pillow's that libtiff is linked with. Raises `OSError` where it can't be reached."""
    import ctypes

    return ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]  # not in its __all__
