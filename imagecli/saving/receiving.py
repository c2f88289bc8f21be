"""An image goes into a file: checked while it is written, then finished."""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, cast

from imagecli.errors import Failure
from imagecli.images.image_check import ImageCheck, ImageFacts
from imagecli.result import GeneratedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagecli.images.finish import Finished
    from imagecli.images.types import Size
    from imagecli.provenance.making import Making

    Sizes = tuple[tuple[Size, bytes], ...]
    """An image in further sizes, each as a file."""

_SIGNED = "the server's image carried content credentials (C2PA), which "
_COPY = 1 << 20


class Transform(NamedTuple):
    """What is done to an image before it is saved. If it fails, the image is saved as it came, with a warning."""

    finish: Callable[[bytes, IO[bytes]], Finished] | None = None
    """Undoes the padding, resizes and so on: writes the image into the file, unless it stays as it came."""
    making: Making | None = None
    """What made it, to be written into it."""
    force: bool = False
    """Whether that is done to an image with content credentials too."""


def receive(
    n: int, pieces: Iterable[bytes], file: IO[bytes], transform: Transform | None, warn: Callable[[str], None]
) -> tuple[GeneratedImage, Sizes]:
    """Write an image into `file`, checking that it is one and whole, and apply `transform`.

    Returns:
        The image, and its further sizes.

    Raises:
        Failure: it is not an image, or a broken one.
    """
    image, sizes = _finished(n, pieces, file, transform, warn)
    if transform is None or transform.making is None:
        return image, sizes
    image = _embedded(image, file, transform, warn)
    return image, tuple((size, _with_making(n, data, transform)) for size, data in sizes)


def _finished(
    n: int, pieces: Iterable[bytes], file: IO[bytes], transform: Transform | None, warn: Callable[[str], None]
) -> tuple[GeneratedImage, Sizes]:
    image = write(n, pieces, file)
    if image.width and image.height:
        image = image._replace(delivered=(image.width, image.height))
    if ImageFacts(image.format or "", image.width, image.height).too_large:
        pixels = f"{image.width}x{image.height} pixels, far more than models make"
        warn(f"image {n} has {pixels}: it is saved as it came")
        return image._replace(unfinished=f"it has {pixels}"), ()
    if transform is None or transform.finish is None:
        return image, ()
    before, made = b"", _Checked(file)
    try:
        file.seek(0)
        before = file.read()
        finished = transform.finish(before, made)  # type: ignore[arg-type]  # it only writes
    except (Failure, MemoryError) as error:
        if made.error:  # the file's own
            raise made.error from error
        reason = error.message if isinstance(error, Failure) else "there is not enough memory to finish it"
        warn(f"image {n} is saved as the server sent it: {reason}")
        if made.size:
            write(n, (before,), file)
        return image._replace(unfinished=reason), ()
    if made.size:
        image = made.image(n)._replace(delivered=image.delivered)
    if (made.size or finished.also) and _is_signed(before):
        what = "it loses as it is encoded anew here" if made.size else "its further sizes, encoded here, don't have"
        warn(_SIGNED + what)
    found = {name: getattr(finished, name) for name in ("measured", "outside_changed", "ignores_mask")}
    return image._replace(**found), finished.also


def _is_signed(data: bytes) -> bool:
    """Return whether an image has content credentials, here or elsewhere."""
    if b"c2pa" not in data and b"provenance" not in data:
        return False
    from imagecli.provenance.reading import has_credentials

    return has_credentials(io.BytesIO(data))


def _embedded(
    image: GeneratedImage, file: IO[bytes], transform: Transform, warn: Callable[[str], None]
) -> GeneratedImage:
    """Write what made an image into its file, and return what is known of it now."""
    from imagecli.provenance.splicing import NotEmbedded, embed

    making = transform.making
    assert making is not None  # noqa: S101 - the caller knows
    try:
        size = (image.width, image.height) if image.width and image.height else None
        signed = embed(cast("BinaryIO", file), making._replace(size=size), force=transform.force)
    except NotEmbedded as reason:
        warn(f"the request is not written into the image: {reason}")
        return image._replace(embedded=False)
    if signed:
        warn(_SIGNED + "are not valid any more, as the request was written into it (--embed=force)")
    checked = _Checked(None)
    for piece in copy(file):
        checked.write(piece)
    made = checked.image(image.n, file=file)
    return image._replace(bytes=made.bytes, sha256=made.sha256, embedded=True)


def _with_making(n: int, data: bytes, transform: Transform) -> bytes:
    """Return an image that was encoded here, with what made it."""
    file = io.BytesIO(data)
    _embedded(describe(n, data), file, transform, lambda _: None)
    return file.getvalue()


def write(n: int, pieces: Iterable[bytes], file: IO[bytes]) -> GeneratedImage:
    """Write an image into `file`, from its beginning, and return what is known of it.

    Raises:
        Failure: it is not an image, or a broken one.
    """
    checked = _Checked(file)
    for piece in pieces:
        checked.write(piece)
    return checked.image(n)


class _Checked:
    """A file that is written from its beginning, and checked meanwhile."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._check, self._digest = ImageCheck(), hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None
        """Why the file could not be written, which an encoder does not tell from errors of its own."""

    def write(self, piece: bytes) -> int:
        """Write the next piece; with the first, what the file held before is cut off."""
        self._check.feed(piece)
        self._digest.update(piece)
        try:
            if self._file and not self.size:
                self._file.seek(0)
                self._file.truncate()
            self.size += len(piece)
            if self._file:
                self._file.write(piece)
        except OSError as error:
            self.error = error
            raise
        return len(piece)

    def image(self, n: int, *, file: IO[bytes] | None = None, whole: bool = True) -> GeneratedImage:
        """Return what is known of it; `file` holds it, where it is not the file that it was written into.

        Raises:
            Failure: it is not an image, or a broken one; not where it need not be `whole`.
        """
        image = GeneratedImage(n, None, None, None, None, self.size, self._digest.hexdigest())
        try:
            holding = file or self._file
            facts = self._check.finish_file(holding) if holding else self._check.finish()
        except Failure:
            if whole:
                raise
            return image
        return image._replace(format=facts.format, width=facts.width, height=facts.height)


def describe(n: int, data: bytes) -> GeneratedImage:
    """Return what is known of an image in memory."""
    checked = _Checked(None)
    checked.write(data)
    return checked.image(n, whole=False)


def describe_file(n: int, path: str) -> GeneratedImage:
    """Return what is known of an image that exists; one that can't be read exists all the same."""
    checked = _Checked(None)
    with contextlib.suppress(OSError), open(path, "rb") as file:
        for piece in copy(file):
            checked.write(piece)
        return checked.image(n, file=file, whole=False)._replace(path=path)
    return checked.image(n, whole=False)._replace(path=path)


def copy(file: IO[bytes]) -> Iterable[bytes]:
    """Yield what a file holds, from its beginning."""
    file.seek(0)
    while piece := file.read(_COPY):
        yield piece
