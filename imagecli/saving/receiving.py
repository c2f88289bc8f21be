"""An image goes into a file: checked while it is written, then finished."""

from __future__ import annotations

import contextlib
import hashlib
from typing import IO, TYPE_CHECKING

from imagecli.errors import Failure
from imagecli.images.sniffing import ImageCheck, ImageFacts
from imagecli.result import GeneratedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagecli.images.finish import Finished
    from imagecli.images.types import Size

    Sizes = tuple[tuple[Size, bytes], ...]
    """An image in further sizes, each as a file."""
    Transform = Callable[[bytes, IO[bytes]], Finished]
    """What is done to an image before it is saved (undoing the padding, resizing): it writes the image into the file,
    unless it stays as it came. If that fails, the image is saved as it came, with a warning."""

_COPY = 1 << 20


def receive(
    n: int, pieces: Iterable[bytes], file: IO[bytes], transform: Transform | None, warn: Callable[[str], None]
) -> tuple[GeneratedImage, Sizes]:
    """Write an image into `file`, checking that it is one and whole, and apply `transform`.

    Returns:
        The image, and its further sizes.

    Raises:
        Failure: it is not an image, or a broken one.
    """
    image = write(n, pieces, file)
    if image.width and image.height:
        image = image._replace(delivered=(image.width, image.height))
    if ImageFacts(image.format or "", image.width, image.height).too_large:
        pixels = f"{image.width}x{image.height} pixels, far more than models make"
        warn(f"image {n} has {pixels}: it is saved as it came")
        return image._replace(unfinished=f"it has {pixels}"), ()
    if transform is None:
        return image, ()
    before, made = b"", _Checked(file)
    try:
        file.seek(0)
        before = file.read()
        finished = transform(before, made)  # type: ignore[arg-type]  # it only writes
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
    found = {name: getattr(finished, name) for name in ("measured", "outside_changed", "ignores_mask")}
    return image._replace(**found), finished.also


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
