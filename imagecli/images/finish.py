"""What is done to each image that comes, before it is saved: measured, given its shape back, cut, scaled, written."""

from __future__ import annotations

import contextlib
import io
import threading
from typing import IO, TYPE_CHECKING, NamedTuple

from imagecli.errors import Failure, UsageProblem
from imagecli.images.canvas import centred, full, resample, size_of
from imagecli.images.encode import WRITTEN, WRITTEN_IN_STRIPS, plain, write, write_strips
from imagecli.images.image_check import MAX_RESULT_PIXELS
from imagecli.images.measure import change
from imagecli.images.pillow import pillow_errors
from imagecli.images.reading import open_input
from imagecli.images.restore import Pixels, patch_of, patched, patched_strips, restored
from imagecli.images.sniffing import KIND_NAMES, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.images.measure import Sent
    from imagecli.images.reading import InputImage
    from imagecli.images.restore import Patch, Region
    from imagecli.images.types import Geometry, Restore, Size

    Warn = Callable[[str], None]

_READ = ("png", "jpeg", "webp", "gif", "avif", "heic")
_HEAD = 4096


class Fitted(NamedTuple):
    """The input that a result was made from, and what of it the result gets back."""

    original: InputImage
    geometry: Geometry
    """Where it lay on what was sent."""
    restore: Restore
    region: Region | None
    """Where it may change: everything else is put back. None: only the shape is restored."""


class Finished(NamedTuple):
    """What came of it besides the image itself."""

    also: tuple[tuple[Size, bytes], ...] = ()
    """The further sizes, as files."""
    measured: bool = False
    """Whether a mask went along."""
    outside_changed: float | None = None
    """The share of the pixels outside the mask that changed, 0 to 1; None where that can't be known."""
    ignores_mask: bool = False
    """Whether the mask seems to have had no effect."""


class Finish:
    """What is done to each image of a run. It may be called from any thread: one image at a time fills the memory."""

    def __init__(  # noqa: PLR0913 - each has a default
        self,
        *,
        fitted: Fitted | None = None,
        sent: Sent | None = None,
        resize: Size | None = None,
        also: tuple[Size, ...] = (),
        kind: str | None = None,
        quality: int | None = None,
    ) -> None:
        """Take what was asked for.

        Args:
            fitted: the input that the result is made from.
            sent: what a mask went along with; None: it is not measured.
            resize: the size of the result.
            also: the further sizes.
            kind: the format that is asked for; None: PNG, for what is written here.
            quality: of a JPEG or WebP that is written here, 0 to 100.
        """
        self.also = also
        self._fitted = fitted
        self._sent = sent
        self._resize = resize
        self._kind = kind
        self._quality = quality
        self._lock = threading.Lock()

    @property
    def written_as(self) -> str:
        """The format of what is written here; never a lossy one because the server's is."""
        return self._kind if self._kind in WRITTEN else "png"

    @property
    def size(self) -> Size | None:
        """The size that every image has in the end; None: that depends on what comes."""
        if self._resize:
            return self._resize
        fitted = self._fitted
        return fitted.original.size if fitted and (fitted.region or fitted.restore == "size") else None

    def apply(self, data: bytes, file: IO[bytes], warn: Warn, *, partial: bool = False) -> Finished:
        """Finish an image, and write it into `file`; nothing is written where it is to be saved as it came.

        Args:
            data: the image as it came.
            file: anything that has a method `write`.
            warn: is told what a user should know.
            partial: whether it is a partial image, which is not measured, and has no further sizes.

        Raises:
            Failure: it can't be done, though the image may be good as it is.
        """
        try:
            with self._lock, self._reading(data) as result:
                found = Finished() if partial else self._measured(result, warn)
                return self._written(result, file, warn, found, partial=partial) if self._changes_pixels else found
        except Failure:
            if self._changes_pixels:
                raise
            return Finished(measured=self._sent is not None)

    def sizes_of(self, data: bytes) -> tuple[tuple[Size, bytes], ...]:
        """Return the further sizes of an image that is there already.

        Raises:
            Failure: it can't be read.
        """
        with self._lock, self._reading(data) as result:
            return self._sizes(_pixels(result))

    @property
    def _changes_pixels(self) -> bool:
        return bool(self._resize or self.also or self._reshapes)

    @property
    def _reshapes(self) -> bool:
        return self._fitted is not None and (self._fitted.region is not None or self._fitted.restore != "none")

    def _measured(self, result: InputImage, warn: Warn) -> Finished:
        if self._sent is None:
            return Finished()
        found = change(result, self._sent)
        if found is None:
            return Finished(measured=True)
        if found.ignores_mask:
            warn(
                "the server seems to have ignored the mask: of the pixels inside it "
                f"{found.inside:.1%} changed, and of those outside {found.outside:.1%}"
            )
        return Finished((), measured=True, outside_changed=found.outside, ignores_mask=found.ignores_mask)

    @contextlib.contextmanager
    def _reading(self, data: bytes) -> Iterator[InputImage]:
        """Lend an image that was opened; what goes wrong with it is a Failure."""
        kind = sniff(data[:_HEAD])
        if kind not in _READ:
            raise Failure(f"{KIND_NAMES.get(kind or '', 'this kind of file')} can't be {self._what}")
        try:
            result = open_input(data, "the result", MAX_RESULT_PIXELS)
            if result.animated:
                raise Failure(f"an animation can't be {self._what}")
            with pillow_errors(result.name):
                yield result
        except UsageProblem as problem:
            raise Failure(f"it can't be {self._what}: {problem.message}") from problem

    @property
    def _what(self) -> str:
        return "resized" if self._resize or self.also else "restored"

    def _written(self, result: InputImage, file: IO[bytes], warn: Warn, found: Finished, *, partial: bool) -> Finished:
        fitted = self._fitted
        if fitted and fitted.region and fitted.original.is_packed and self._takes_strips:
            strips = patched_strips(fitted.original, fitted.region, _patch(result, fitted, fitted.region, warn))
            with self._writing():
                write_strips(strips, self.written_as, file, self._quality)
            return found
        with self._reshaped(result, warn) as reshaped:
            whole = reshaped or _pixels(result)
            also = () if partial else self._sizes(whole)
            made = reshaped
            if self._resize and whole.image.size != self._resize:
                made = _fitted_to(whole, self._resize)
                if min(self._resize[0] / whole.image.width, self._resize[1] / whole.image.height) > 1:
                    warn("the image was enlarged from {}x{} to {}x{}".format(*whole.image.size, *self._resize))
            elif made is None and (self._resize or self._reshapes) and self._kind not in (None, result.format):
                made = whole
            if made is not None:
                self._write(made, file)
        return found._replace(also=also)

    @property
    def _takes_strips(self) -> bool:
        """Whether what is written needs to be in memory in strips only."""
        return self.written_as in WRITTEN_IN_STRIPS and not (self._resize or self.also)

    @contextlib.contextmanager
    def _reshaped(self, result: InputImage, warn: Warn) -> Iterator[Pixels | None]:
        """Lend the result with the fit undone; None where there is nothing to undo."""
        fitted = self._fitted
        if fitted is None or not self._reshapes:
            yield None
        elif fitted.region is not None:
            patch = _patch(result, fitted, fitted.region, warn)
            with patched(fitted.original, fitted.region, patch) as pixels:
                yield pixels
        else:
            yield restored(result, fitted.geometry, "size" if fitted.restore == "size" else "aspect", fitted.original)

    def _sizes(self, whole: Pixels) -> tuple[tuple[Size, bytes], ...]:
        made = []
        for size in self.also:
            out = io.BytesIO()
            self._write(_fitted_to(whole, size), out)
            made.append((size, out.getvalue()))
        return tuple(made)

    def _write(self, pixels: Pixels, file: IO[bytes]) -> None:
        with self._writing():
            write(pixels.image, self.written_as, file, pixels.profile, self._quality)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what goes wrong with the format into a Failure."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise Failure(f"it can't be written as {self.written_as}: {error}") from error


def _patch(result: InputImage, fitted: Fitted, region: Region, warn: Warn) -> Patch:
    """Return what belongs in the region; the result's pixels are no longer in memory then."""
    patch = patch_of(result, fitted.geometry, region, fitted.original, warn)
    result.forget()
    return patch


def _pixels(result: InputImage) -> Pixels:
    return Pixels(*result.flat())


def _fitted_to(pixels: Pixels, size: Size) -> Pixels:
    """Return an image at a size: cut to its shape in the middle, then scaled."""
    image = plain(pixels.image)
    box = centred(image.size, size)
    return pixels._replace(image=resample(image, size, box if size_of(box) != image.size else full(image.size)))
