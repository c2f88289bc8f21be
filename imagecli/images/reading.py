"""Inputs: opens the images that a user hands in, and refuses what isn't one with a message that names it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import math
import os
import stat
import weakref
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, UnidentifiedImageError

from imagecli.errors import Failure, UsageProblem
from imagecli.images.canvas import factors, resample, resample_strips, scaled
from imagecli.images.colour import Flat, flatten, note_on, own_profile, to_srgb, without_opaque_alpha
from imagecli.images.declared import profile_of_heif, profile_of_png
from imagecli.images.depth import with_key
from imagecli.images.icc import space_of
from imagecli.images.limits import shrink_of, too_many_pixels
from imagecli.images.pillow import open_with_pillow, pillow_errors, silence_libtiff
from imagecli.images.png_chunks import exif_in, repaired
from imagecli.images.png_strips import fingerprint, layout_of, strips
from imagecli.images.sniffing import KIND_NAMES, ImageCheck, has_boxes, sniff
from imagecli.images.tiff_pages import count_pages, is_camera_raw
from imagecli.text import printable

if TYPE_CHECKING:
    from typing import BinaryIO

    from PIL.ImageFile import ImageFile

    from imagecli.images.types import Box, Size

MAX_FILE_BYTES = 1 << 30
"""The largest file, in bytes."""
_HEAD = 4096
_PIECE = 1 << 20
_LARGE = 1 << 22
"""Pixels from which on an image is scaled in strips where it can be."""

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
_SIZED_BY_HEADER = ("png", "jpeg", "webp")
"""Formats whose displayed size is known from the header, so that decoding can wait until a size is asked for."""
_ANIMATED = ("png", "gif", "webp", "avif", "tiff", "fli", "heif")
"""Formats whose frames are shown in turn; in the others they are sizes, layers or previews."""
_EOI = b"\xff\xd9"
_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]
"""JPEG's restart markers, which follow one another in turn."""

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


class InputImage:
    """An image that a user handed in: its bytes, its header, and its pixels, decoded on first use."""

    def __init__(
        self,
        source: bytes | BinaryIO,
        name: str,
        image: ImageFile,
        *,
        left_out: tuple[str, ...] = (),
        max_pixels: int | None = None,
    ) -> None:
        """Take over what the header declares; `image` is open but not yet decoded. Raises Pillow's own errors.

        An open file is read when its bytes are needed, and closed when this object goes. Raises `UsageProblem` where
        there are more pixels than `max_pixels`, or else than can be decoded.
        """
        self._source = source
        if not isinstance(source, bytes):
            weakref.finalize(self, source.close)
        self.name = name
        self.left_out = left_out
        """What of the file was broken, isn't pixels, and is not in `data`."""
        self.shrink = shrink_of(image, printable(name), max_pixels)
        """The sides are decoded at this fraction at most: 1, or up to 8 for a JPEG that is too large otherwise."""
        kind = (image.format or "").lower()
        # A JPEG with more after it (a gain map, a second view) is a JPEG to all other software.
        self.format = "jpeg" if kind == "mpo" else kind
        """Judged by the bytes: "png", "jpeg", "webp", "tiff" and so on, Pillow's names in lower case."""
        self.animated = self.format in _ANIMATED and _has_frames(image)
        if self.animated and self.format == "tiff":
            self.animated = count_pages(self.data) > 1
        # A PNG is opened again to be decoded, as its chunks are looked at in between.
        self._opened: ImageFile | None = None if self.format == "png" else image
        self._decoded: Image.Image | None = None
        # Pillow itself turns TIFF, and the plugin HEIF.
        self.orientation = 1 if self.format in ("tiff", "heif") else self._orientation(image)
        """The EXIF orientation that `decode` undoes, 1 to 8."""
        self.mode = image.mode
        """Pillow's name of the file's mode."""
        self.layout = layout_of(self.stream()) if self.format == "png" else None
        """What a PNG's header says; None for other formats."""
        self.bits = self.layout.header[8] if self.layout else 8
        """Bits per channel of a PNG; Pillow drops the lower half of 16."""
        self.profile = self._profile(image)
        """An ICC profile of its values, the file's own or one that says the same; None: sRGB, or unknown."""
        self.size = self._upright(image.size)
        """Width and height as displayed, upright."""
        if self.format not in _SIZED_BY_HEADER:
            self.size = self.decode().size
            self.mode = self.decode().mode

    @property
    def data(self) -> bytes:
        """All bytes of the file, read anew each time. Raises `UsageProblem` where it can no longer be read."""
        with pillow_errors(self.name):
            # With its length, as without one Python would join two halves of it.
            return self._source if isinstance(self._source, bytes) else self.stream().read(self.length)

    @property
    def length(self) -> int:
        """The size of the file in bytes."""
        return len(self._source) if isinstance(self._source, bytes) else os.fstat(self._source.fileno()).st_size

    def stream(self) -> BinaryIO:
        """Return the file from its beginning."""
        file = io.BytesIO(self._source) if isinstance(self._source, bytes) else self._source
        file.seek(0)
        return file

    def decode(self, at_least: Size | None = None) -> Image.Image:
        """Return the pixels, upright, in the file's own mode; not to be changed in place.

        A JPEG may be decoded at a half, a quarter or an eighth, which costs a fraction, but never below `at_least`
        (width, height), unless it is too large otherwise. Decoded once. Raises `UsageProblem` where the file is
        damaged or truncated, or too large to be decoded as a whole.
        """
        if self.shrink > 1:
            if not at_least:
                width, height = self.size
                raise too_many_pixels(self.shown, f"{width}x{height} = {width * height:,}")
            at_least = self._no_larger_than_decodable(at_least)
        if self._decoded is None or not self._suffices(self._decoded.size, at_least):
            with pillow_errors(self.name):
                image = self._load(at_least and self._upright(at_least))
                turn = _TURN.get(self.orientation)
                self._decoded = image if turn is None else image.transpose(turn)
        return self._decoded

    def forget(self) -> None:
        """Give the memory of the pixels back; they are decoded anew when they are needed."""
        self._opened = self._decoded = None

    def flat(self, at_least: Size | None = None) -> Flat:
        """Return the pixels, upright, in RGB or RGBA; `at_least` and errors as for `decode`."""
        image = self.decode(at_least)
        with pillow_errors(self.name):
            return flatten(image, self.profile)

    def scaled(self, size: Size, box: Box) -> Flat:
        """Return a box of the upright image at a size, in RGB or RGBA; errors as for `decode`.

        No more of it is in memory than its format allows.
        """
        if self._decoded is None and self._comes_in_strips(size, box):
            with pillow_errors(self.name):
                return self._scaled_by_strips(size, box)
        parts = zip(self.size, size, (box[2] - box[0], box[3] - box[1]), strict=True)
        width, height = (math.ceil(side * wanted / part) for side, wanted, part in parts)
        flat = self.flat((width, height))
        return Flat(resample(flat.image, size, scaled(box, self.size, flat.image.size)), flat.profile)

    def _comes_in_strips(self, size: Size, box: Box) -> bool:
        """Return whether it can be made smaller strip by strip, and is large enough to do so."""
        smaller = size[0] * size[1] * 2 < (box[2] - box[0]) * (box[3] - box[1])
        large = self.size[0] * self.size[1] > _LARGE
        return bool(smaller and large and self.orientation == 1 and self.layout and self.layout.comes_in_strips)

    def _scaled_by_strips(self, size: Size, box: Box) -> Flat:
        key = open_with_pillow(self.stream(), _FORMATS).info.get("transparency")

        def flattened(strip: Image.Image) -> Image.Image:
            if key is not None:
                strip.info["transparency"] = key
            return strip.convert("RGBA" if strip.has_transparency_data else "RGB")

        pieces = (flattened(strip) for strip in strips(self.stream(), factors(size, box)[1]))
        image = resample_strips(pieces, self.size, size, box)
        return Flat(without_opaque_alpha(image), own_profile(self.profile, self.mode))

    def srgb(self) -> Image.Image:
        """Return the pixels, upright, in RGB or RGBA and in sRGB; errors as for `decode`."""
        flat = self.flat()
        with pillow_errors(self.name):
            return to_srgb(flat.image, flat.profile)

    @property
    def colour_note(self) -> str | None:
        """What becomes of its colours, in words; None: they are sRGB, or taken for it."""
        return note_on(self.profile, self.mode)

    @property
    def shown(self) -> str:
        """The name, safe to show."""
        return printable(self.name)

    @property
    def is_plain(self) -> bool:
        """Whether it is upright, of 8 bits per channel and not animated, so that its pixels are shown as stored."""
        return self.orientation == 1 and self.bits <= _BYTE and not self.animated

    def is_whole(self) -> bool:
        """Return whether the file is well formed from its first byte to its last, which decoders don't insist on.

        Raises `UsageProblem` where its pixels are damaged or truncated.
        """
        check = ImageCheck()
        file = self.stream()
        while piece := file.read(_PIECE):
            check.feed(piece)
        try:
            return check.finish().format == self.format and self.fingerprint is not None
        except Failure:
            return False

    @functools.cached_property
    def fingerprint(self) -> object:
        """What shows whether two files of a format have the same pixels, None where a PNG's are not whole.

        All of the file is read for it, but a JPEG is decoded at the smallest scale. Raises `UsageProblem` where it is
        damaged or truncated.
        """
        if self.format != "png":
            image = self.decode((1, 1))
            return image.mode, image.size, hashlib.blake2b(image.tobytes()).digest()
        try:
            return fingerprint(self.stream())
        except (ValueError, zlib.error):
            return None

    def _load(self, at_least: Size | None) -> Image.Image:
        """Decode the file as it is stored; `at_least` as for `decode`. Raises Pillow's own errors."""
        image = self._opened or open_with_pillow(self.stream(), _FORMATS)
        self._opened = None
        if self.format == "tiff":
            silence_libtiff()
        if self.format != "jpeg":
            image.load()
            if self.format == "xbm":
                return ImageChops.invert(image)  # in XBM ink is 1, which Pillow shows white
            return self._with_exact_key(image) if self.bits > _BYTE and image.mode == "RGB" else image
        try:
            return _scaled(image, at_least)
        except OSError:
            return self._load_without_end(at_least)

    def _with_exact_key(self, image: ImageFile) -> Image.Image:
        """Return a PNG of 16 bits with its transparent colour, if it has one: Pillow compares the upper 8 bits only."""
        key = image.info.get("transparency")
        if not isinstance(key, tuple):
            return image
        lower = open_with_pillow(self.stream(), _FORMATS)
        # Little-endian, the upper bytes are the lower ones of the file.
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
        lower.load()
        return with_key(image, lower, key)

    def _load_without_end(self, at_least: Size | None) -> Image.Image:
        """Decode a JPEG that lacks its end marker and nothing else: what then follows can't change a pixel."""
        data = self.data + b"\0" if self.data.endswith(b"\xff") else self.data
        one, other = (
            _scaled(open_with_pillow(io.BytesIO(data + end), _FORMATS), at_least)
            for end in (_EOI, _more_of_a_scan(data) + _EOI)
        )
        if one.tobytes() != other.tobytes():
            raise OSError("its pixels end too early")
        return one

    def _orientation(self, image: ImageFile) -> int:
        """Return the EXIF orientation; 1 where it is missing or broken."""
        try:
            if self.format == "png":
                exif = Image.Exif()
                exif.load(exif_in(self.stream()))
            else:
                exif = image.getexif()
            orientation = exif.get(_ORIENTATION, 1)
        except Exception:  # noqa: BLE001 - Pillow raises nearly anything on broken EXIF; the pixels may be fine
            return 1
        return orientation if orientation in _TURN else 1

    def _profile(self, image: ImageFile) -> bytes | None:
        grey = space_of(image.mode) == "GRAY"
        if self.format == "png":
            return profile_of_png(self.stream(), grey=grey)
        profile: bytes | None = image.info.get("icc_profile")
        if not profile and self.format in ("avif", "heif"):
            return profile_of_heif(self.data, grey=grey)
        return profile

    def _no_larger_than_decodable(self, size: Size) -> Size:
        width, height = (min(side, most // self.shrink) for side, most in zip(size, self.size, strict=True))
        return width, height

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
            if stat.S_ISREG(kind) and sniff(head) in ("jpeg", "png"):
                # Decoded small or in strips, so its bytes need not be in memory either.
                opened = _open(file, head, path, max_pixels)
                stack.pop_all()
                return opened
            # At once it would make room for as much as it may return.
            most = MAX_FILE_BYTES + 1 if stat.S_ISFIFO(kind) else min(status.st_size, MAX_FILE_BYTES) + 1
            data = head + file.read(most)
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
    if kind == "tiff" and isinstance(source, bytes) and is_camera_raw(source):
        kind = "raw"
    if kind == "png" and head[12:16] == b"CgBI":
        kind = "apple"
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
            image = open_with_pillow(io.BytesIO(source) if isinstance(source, bytes) else source, formats)
        except UnidentifiedImageError:
            needs_plugin = kind == "heic" and "HEIF" not in formats and isinstance(source, bytes) and has_boxes(source)
            raise _needs_plugin(safe) if needs_plugin else _unknown(safe, kind) from None
        return InputImage(source, name, image, left_out=left_out, max_pixels=max_pixels)


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
        hint = "Save it as a PNG, or as a TIFF of 8 or 16 bits per channel."
    return UsageProblem(f"{safe} {what}", hint=hint)


def _has_frames(image: ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - in whatever way a second frame is broken, it doesn't count
        return False


def _more_of_a_scan(jpeg: bytes) -> bytes:
    """Return what may follow a scan that is complete, but makes other pixels than the end marker where it isn't.

    Bits that are codes of every table, between the restart markers that come next.
    """
    last = max(range(7, -1, -1), key=lambda number: jpeg.rfind(_RESTARTS[number]))
    return b"".join(b"\xb6\xdb\x6d" * 30 + _RESTARTS[(last + at) % 8] for at in range(1, 9))


def _scaled(jpeg: ImageFile, at_least: Size | None) -> Image.Image:
    """Decode a JPEG at the smallest scale that suffices."""
    if at_least:
        jpeg.draft(None, at_least)
    jpeg.load()
    return jpeg


def _heif_is_installed() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
