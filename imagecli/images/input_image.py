"""An input: the bytes of a file, what its header declares, and its pixels."""

from __future__ import annotations

import functools
import hashlib
import io
import math
import os
import weakref
import zlib
from typing import TYPE_CHECKING

from PIL import Image, ImageChops

from imagecli.errors import Failure, UsageProblem
from imagecli.images.canvas import factors, resample, resample_strips, scaled
from imagecli.images.colour import Flat, flatten, note_on, own_profile, to_rgb, to_srgb, without_opaque_alpha
from imagecli.images.declared import profile_of_heif, profile_of_png
from imagecli.images.depth import with_key
from imagecli.images.icc import space_of
from imagecli.images.image_check import ImageCheck
from imagecli.images.jpeg import decode_endless_jpeg, decode_jpeg
from imagecli.images.limits import shrink_of, too_many_pixels
from imagecli.images.pillow import (
    FORMATS,
    can_decompress,
    decode_webp,
    give_memory_back,
    open_with_pillow,
    pillow_errors,
    silence_libtiff,
    take_extra_for_alpha,
    without_decoder,
)
from imagecli.images.plane import Plane, plane_of_heif
from imagecli.images.png_chunks import exif_in
from imagecli.images.png_strips import fingerprint, layout_of, strips
from imagecli.images.tiff_pages import count_pages
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from PIL.ImageFile import ImageFile

    from imagecli.images.types import Box, Size

_PIECE = 1 << 20
_LARGE = 1 << 22
"""Pixels from which on an image is scaled in strips where it can be, and memory is looked after."""
_SIZED_BY_HEADER = ("png", "jpeg", "webp")
"""Formats whose displayed size is known from the header, so that decoding can wait until a size is asked for."""
_ANIMATED = ("png", "gif", "webp", "avif", "tiff", "fli", "heif")
"""Formats whose frames are shown in turn; in the others they are sizes, layers or previews."""
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OPAQUE = ("jpeg", "webp", "avif", "heif")
"""Formats where the mode says whether there is transparency, and in which every value stands for itself."""
_MIRRORED, _UPSIDE_DOWN = (2, 3, 6, 7), (3, 4, 7, 8)
"""The EXIF orientations whose stored side runs from right to left, or from the bottom up, as displayed."""
_ORIENTATION = 0x0112
_COMPRESSION, _UNCOMPRESSED = 0x0103, 1
"""TIFF's tag, and its value where there is none."""
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
        self.path: str | None = None
        """Where it can be read again, absolute; None: it was piped in, or was in memory."""
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
        self._plane: Plane | None = None
        self._packs = False
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
            with pillow_errors(self.name):
                self._plane = plane_of_heif(self.data) if self.format == "heif" else None
            self._packs = self._plane is not None
            shown = self._plane or self.decode()
            self.size, self.mode = shown.size, shown.mode

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

    @property
    def sha256(self) -> str:
        """The digest of `data`, in hex, read as `data` is, but not all of it at once."""
        with pillow_errors(self.name):
            return hashlib.file_digest(self.stream(), "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto

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
        self._decoded = self._pixels(at_least)
        return self._decoded

    def _pixels(self, at_least: Size | None) -> Image.Image:
        """Return the same as `decode`, but keep nothing."""
        if self.shrink > 1:
            if not at_least:
                width, height = self.size
                raise too_many_pixels(self.shown, f"{width}x{height} = {width * height:,}")
            at_least = self._no_larger_than_decodable(at_least)
        if self._decoded is not None and self._suffices(self._decoded.size, at_least):
            return self._decoded
        with pillow_errors(self.name):
            image = self._load(at_least and self._upright(at_least))
            turn = _TURN.get(self.orientation)
            return image if turn is None else image.transpose(turn)

    @property
    def has_file(self) -> bool:
        """Whether its pixels can be decoded anew."""
        return self._source != b""

    def forget(self) -> None:
        """Give the memory of the pixels back; they are decoded anew when they are needed."""
        self._opened = self._decoded = self._plane = None

    def flat(self, at_least: Size | None = None) -> Flat:
        """Return the pixels, upright, in RGB or RGBA; `at_least` and errors as for `decode`."""
        image = self.decode(at_least)
        with pillow_errors(self.name):
            return flatten(image, self.profile)

    def srgb_at(self, size: Size, box: Box) -> Image.Image:
        """Return a box of the upright image at a size, in RGB or RGBA and in sRGB; errors as for `decode`.

        No more of it is in memory than its format allows.
        """
        flat = self._scaled(size, box)
        with pillow_errors(self.name):
            return to_srgb(flat.image, flat.profile, in_place=flat.image is not self._decoded)

    @property
    def comes_opaque(self) -> bool:
        """Whether none of its pixels can be transparent, and each can be converted by itself."""
        return self.shrink == 1 and self.mode in ("L", "RGB", "CMYK") and self.format in _OPAQUE

    @property
    def comes_in_strips(self) -> bool:
        """Whether it is large, and its pixels are never in memory as an image: a PNG's not at all, a HEIC's packed."""
        large = self.size[0] * self.size[1] > _LARGE
        return large and bool(self.layout or self._packs) and self.orientation == 1 and self._decoded is None

    @property
    def is_packed(self) -> bool:
        """Whether its pixels are in memory, but not as an image, which would take more room beside them."""
        return self._packs and self._decoded is None

    def srgb_strips(self, box: Box, rows: int) -> Iterator[Image.Image]:
        """Yield a box of the upright image in RGB or RGBA and in sRGB, so many rows at a time; errors as for `decode`.

        If it `comes_opaque`, only the pixels as they are stored are in memory as a whole. Of a PNG that
        `comes_in_strips` not even these are; its strips are as high as they come, and RGBA if any pixel might be
        transparent.
        """
        for strip in self.flat_strips(box, rows):
            with pillow_errors(self.name):
                image = to_srgb(strip.image, strip.profile, in_place=True)
            yield image

    def flat_strips(self, box: Box, rows: int) -> Iterator[Flat]:
        """Yield the same in its own colours; the images may be changed."""
        return self._as_they_come(box) if self.layout and self.comes_in_strips else self._of_whole(box, rows)

    def _as_they_come(self, box: Box) -> Iterator[Flat]:
        left, top, right, bottom = box
        above = 0
        with pillow_errors(self.name):
            for strip in self._strips(1):
                begin, end = max(top, above), min(bottom, above + strip.height)
                if begin < end:
                    part = strip.crop((left, begin - above, right, end - above))
                    yield Flat(part, own_profile(self.profile, self.mode))
                above += strip.height

    def _of_whole(self, box: Box, rows: int) -> Iterator[Flat]:
        with pillow_errors(self.name):
            as_stored = self._decoded is None and self.comes_opaque
            whole = (self._packed() or self._load(None)) if as_stored else self._pixels(None)
            profile = self.profile
            if not isinstance(whole, Plane) and not self.comes_opaque:
                whole, profile = flatten(whole, profile)
        orientation = self.orientation if as_stored else 1
        turn = _TURN.get(orientation)
        left, top, right, bottom = box
        for above in range(top, bottom, rows):
            strip = left, above, right, min(bottom, above + rows)
            with pillow_errors(self.name):
                image = whole.crop(_as_stored(strip, self.size, orientation))
                flat = flatten(image if turn is None else image.transpose(turn), profile)
            yield flat

    def _scaled(self, size: Size, box: Box) -> Flat:
        if self._is_scaled_in_strips(size, box):
            with pillow_errors(self.name):
                return self._scaled_by_strips(size, box)
        parts = zip(self.size, size, (box[2] - box[0], box[3] - box[1]), strict=True)
        width, height = (math.ceil(side * wanted / part) for side, wanted, part in parts)
        image = self._pixels((width, height))
        with pillow_errors(self.name):
            flat = flatten(image, self.profile)
        del image  # or it would be in memory beside what is made of it
        return Flat(resample(flat.image, size, scaled(box, self.size, flat.image.size)), flat.profile)

    def _is_scaled_in_strips(self, size: Size, box: Box) -> bool:
        """Return whether it is made smaller strip by strip."""
        smaller = size[0] * size[1] * 2 < (box[2] - box[0]) * (box[3] - box[1])
        return smaller and self.comes_in_strips

    def _strips(self, multiple: int) -> Iterator[Image.Image]:
        """Yield what `comes_in_strips`, in RGB, or in RGBA where some pixel may not be opaque."""
        if plane := self._packed():
            yield from plane.strips(multiple)
            return
        key = open_with_pillow(self.stream(), FORMATS).info.get("transparency")
        for strip in strips(self.stream(), multiple, key):
            yield to_rgb(strip).image

    def _scaled_by_strips(self, size: Size, box: Box) -> Flat:
        image = resample_strips(self._strips(factors(size, box)[1]), self.size, size, box)
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

    def _packed(self) -> Plane | None:
        """Return what comes packed, decoded anew where it was forgotten. Raises the plugin's errors."""
        if self._packs and self._plane is None:
            self._plane = plane_of_heif(self.data)
        return self._plane

    def _load(self, at_least: Size | None) -> Image.Image:
        """Decode the file as it is stored; `at_least` as for `decode`. Raises Pillow's own errors."""
        if plane := self._packed():
            self._plane = None
            return plane.image()
        image = self._opened or open_with_pillow(self.stream(), ("HEIF",) if self.format == "heif" else FORMATS)
        self._opened = None
        if image.width * image.height > _LARGE:
            give_memory_back()
        if self.format == "jpeg":
            if decode_jpeg(image, at_least):
                return image
            del image  # as large as what comes instead
            return decode_endless_jpeg(self.data, at_least)
        return self._loaded(image)

    def _loaded(self, image: ImageFile) -> Image.Image:
        """Decode an open file, but not a JPEG."""
        if self.format == "tiff":
            silence_libtiff()
            self._check_compression(image)
            if take_extra_for_alpha(image):
                return _opaque_where_empty(image)
        if self.format == "webp":
            return decode_webp(image)
        image.load()
        if self.format in ("avif", "heif"):
            return without_decoder(image)
        if self.format == "xbm":
            return ImageChops.invert(image)  # in XBM ink is 1, which Pillow shows white
        return self._with_exact_key(image) if self.bits > _BYTE and image.mode == "RGB" else image

    def _check_compression(self, tiff: ImageFile) -> None:
        compression = getattr(tiff, "tag_v2", {}).get(_COMPRESSION, _UNCOMPRESSED)
        if not can_decompress(compression):
            name = tiff.info.get("compression", compression)
            raise UsageProblem(
                f"{self.shown} can't be used: a TIFF with the compression {name} can't be read",
                hint="Save it as a PNG, or as a TIFF that is compressed with LZW or not at all.",
            )

    def _with_exact_key(self, image: ImageFile) -> Image.Image:
        """Return a PNG of 16 bits with its transparent colour, if it has one: Pillow compares the upper 8 bits only."""
        key = image.info.get("transparency")
        if not isinstance(key, tuple):
            return image
        lower = open_with_pillow(self.stream(), FORMATS)
        # Little-endian, the upper bytes are the lower ones of the file.
        lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
        lower.load()
        return with_key(image, lower, key)

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


def _opaque_where_empty(image: ImageFile) -> Image.Image:
    """Return an image whose alpha is perhaps none: opaque where it is 0 everywhere."""
    image.load()
    if image.getchannel("A").getextrema()[1] == 0:
        image.putalpha(255)
    return image


def _as_stored(box: Box, size: Size, orientation: int) -> Box:
    """Return where a box of an upright image of this size lies on the image as it is stored."""
    left, top, right, bottom = box
    if orientation in _MIRRORED:
        left, right = size[0] - right, size[0] - left
    if orientation in _UPSIDE_DOWN:
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if orientation >= _SIDEWAYS else (left, top, right, bottom)


def _has_frames(image: ImageFile) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - in whatever way a second frame is broken, it doesn't count
        return False
