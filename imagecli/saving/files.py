"""Files as a place for images: their names are settled and checked before anything is paid; written atomically."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import tempfile
import threading
from typing import IO, TYPE_CHECKING

from imagecli import interrupts
from imagecli.disk import NewFile
from imagecli.errors import Failure
from imagecli.images.types import SIDECAR
from imagecli.saving.names import Name, asked_format, descriptor, extension_of, is_special
from imagecli.saving.receiving import copy, describe_file, receive
from imagecli.saving.reserving import Reservation
from imagecli.saving.sink import IN_MEMORY, NO_ROOM, failing, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from imagecli.images.types import Size
    from imagecli.provenance.making import Making
    from imagecli.result import GeneratedImage
    from imagecli.saving.names import Names
    from imagecli.saving.receiving import Sizes, Transform
    from imagecli.saving.room import Room


_AT_ONCE = contextlib.nullcontext()


class FileSink:
    """Files under names that were settled before anything was sent."""

    undelivered = False

    def __init__(
        self, names: Names, *, force: bool, skippable: bool = False, turn: AbstractContextManager[object] = _AT_ONCE
    ) -> None:
        """Take the names of the images.

        `skippable`: --skip-existing would leave out those that are there. `turn` is held while an image is written as
        it comes: many threads that do so at once would mostly wait for the interpreter.
        """
        self._turn = turn
        self._names = names
        self._force = force
        self._reservation = Reservation(names, force=force, skippable=skippable)
        self._unfinished: set[NewFile] = set()
        self._closed = False
        self._lock = threading.Lock()

    @property
    def takes_more(self) -> bool:
        """Whether images that were not asked for can be taken too: a device or a pipe is one place."""
        return not is_special(self._names.name(1).path(""))

    def reserved(
        self, numbers: Iterable[int], *, dry: bool, room: Room = NO_ROOM, warn: Callable[[str], None] = ignore
    ) -> AbstractContextManager[object]:
        """Make sure that the images of these numbers can be saved; missing folders are made unless `dry`.

        At the end, what is not whole is removed, and so are those of these folders that are empty.

        Raises:
            UsageProblem: a name is taken, or its folder can't be written or has no room.
        """
        with contextlib.ExitStack() as at_end:
            at_end.callback(self.close)
            with contextlib.nullcontext() if dry else interrupts.held():  # nothing is made for a dry run
                self._reservation.reserve(numbers, room, warn, dry=dry)
            return at_end.pop_all()

    def close(self) -> None:
        """Remove what is not whole, and let no file appear any more."""
        with self._lock:
            self._closed = True
            for new in tuple(self._unfinished):
                new.remove()
        self._reservation.remove_empty_folders()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write image `n` beside its name and rename it; a server may send more images than were asked for."""
        name = self._names.name(n)
        if is_special(name.path("")):
            return self._save_special(n, name.path(""), pieces, transform, warn)
        return self.save_sizes(*self.receive_as(name, self._names.following(), n, pieces, transform, warn), warn)

    def complete(
        self, image: GeneratedImage, make: Callable[[bytes], Sizes], warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Save the sizes that are missing beside an image that was there before; nothing of it is replaced."""
        beside = self._beside(image)
        there = {size: taken for size in self._names.also if (taken := beside.sized(size, cut=True).taken_by())}
        image = image._replace(also=tuple(describe_file(image.n, path) for path in there.values()))
        if len(there) == len(self._names.also):
            return image
        try:
            with failing(image.path or ""), open(image.path or "", "rb") as file:
                sizes = make(file.read())
        except Failure as failure:
            failure.message = f"the further sizes of {image.path} can't be made: {failure.message}"
            return image._replace(shortfall=failure)
        return self._save_each(image, [each for each in sizes if each[0] not in there], warn)

    def _beside(self, image: GeneratedImage) -> Name:
        """Return the name that those of an image's further sizes are made from."""
        return Name.of(image.path or "", self._names.name(image.n))

    def save_sizes(self, image: GeneratedImage, sizes: Sizes, warn: Callable[[str], None]) -> GeneratedImage:
        """Save the further sizes of an image that is saved; its `shortfall` says which are not there, and why."""
        if self._names.also and not sizes:
            missing = ", ".join("{}x{}".format(*size) for size in self._names.also)
            failure = Failure(f"image {image.n} is saved, but not at {missing}: {image.unfinished}")
            return image._replace(shortfall=failure)
        return self._save_each(image, sizes, warn)

    def _save_each(
        self, image: GeneratedImage, sizes: Iterable[tuple[Size, bytes]], warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Save further sizes of an image beside it; its `shortfall` says why one is not there.

        The image itself is paid for and saved: nothing that goes wrong here takes that back.
        """
        beside = self._beside(image)
        for size, data in sizes:
            name = beside.sized(size, cut=True)
            following = (name.numbered(number, cut=True) for number in itertools.count(2))
            try:
                made, _ = self.receive_as(name, following, image.n, [data], None, warn)
            except Failure as failure:
                image = image._replace(shortfall=failure)
            else:
                image = image._replace(also=(*image.also, made))
        return image

    def save_sidecar(self, image: GeneratedImage, making: Making, warn: Callable[[str], None]) -> GeneratedImage:
        """Write what made an image that is saved beside it; nothing that goes wrong here takes the image back."""
        if image.path is None or is_special(image.path):
            return image
        from imagecli.saving.sidecar import sidecar_of

        name, data = Name(image.path).sidecar(), sidecar_of(image, making)
        following = (Name(image.path).sidecar(number) for number in itertools.count(2))
        try:
            with failing(name.text), self._new_file(name) as new:
                new.file.write(data)
                new.sync()
                with self._still_open():
                    path = self._publish(new, name, following, image, warn)
        except Failure as failure:
            return image._replace(shortfall=failure)
        return image._replace(sidecar=path)

    def save_partial(
        self,
        n: int,
        number: int | None,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage | None:
        """Write it beside the image's name, under a name that marks it as partial."""
        name = self._names.name(n)
        if is_special(name.path("")):
            return None
        names = (name.partial(number, again) for again in itertools.count(1))
        free = next(each for each in names if self._force or each.taken_by() is None)
        image, _ = self.receive_as(free, names, n, pieces, transform, warn)
        return image._replace(partial=True)

    def make_folder(self, name: Name) -> None:
        """Make the folder that an image of this name lies in.

        Raises:
            UsageProblem: it can't be made or written.
        """
        self._reservation.make_folder(name)

    def save_as(  # noqa: PLR0913, PLR0917 - a name, and what `save` takes
        self,
        name: Name,
        following: Iterator[Name],
        n: int,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage:
        """Save an image under this name, or the first of the following that is free."""
        return self.receive_as(name, following, n, pieces, transform, warn)[0]

    def receive_as(  # noqa: PLR0913, PLR0917 - a name, and what `save` takes
        self,
        name: Name,
        following: Iterator[Name],
        n: int,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> tuple[GeneratedImage, Sizes]:
        """Save an image as `save_as` does, and return its further sizes too, which are still to be saved."""
        # An image that has to be fetched is fetched now, before there is a file that an interrupt would leave behind.
        pieces = iter(pieces)
        pieces = itertools.chain((next(pieces, b""),), pieces)
        with failing(name.path("png")), self._new_file(name) as new:
            with self._turn if transform is None else _AT_ONCE:
                image, sizes = receive(n, pieces, new.file, transform, warn)
            new.sync()
            with self._still_open():
                return image._replace(path=self._publish(new, name, following, image, warn)), sizes

    @contextlib.contextmanager
    def _new_file(self, name: Name) -> Iterator[NewFile]:
        with self._still_open():
            new = NewFile(self._reservation.folder(name))
            self._unfinished.add(new)
        try:
            with new:
                yield new
        finally:
            self._unfinished.discard(new)

    @contextlib.contextmanager
    def _still_open(self) -> Iterator[None]:
        """Let no file appear when the run has ended: its threads may go on for a moment."""
        with self._lock:
            if self._closed:
                raise Failure("the run has ended")
            yield

    def _publish(
        self, new: NewFile, name: Name, following: Iterator[Name], image: GeneratedImage, warn: Callable[[str], None]
    ) -> str:
        path = name.path(extension_of(image.format))
        asked = asked_format(path)
        if asked is not None and asked != image.format:
            warn(f"{path} contains {(image.format or '?').upper()} data, whatever its name says")
        if self._force and image.n <= self._names.count:
            mode = None
            with contextlib.suppress(OSError):  # the file behind the name stays as private as it was
                mode = stat.S_IMODE(os.stat(path).st_mode)
            new.replace(os.path.realpath(path), mode)
            return path
        taken = None
        while (there := name.taken_by()) is not None or not new.link(path):
            taken = taken or there or path
            name = next(following)
            path = name.path(extension_of(image.format))
        if taken is not None:
            what = "the image" if asked_format(path) or not path.endswith(SIDECAR) else "what made the image"
            warn(f"{taken} has appeared in the meantime, so {what} was saved as {path}")
        return path

    def _save_special(
        self, n: int, path: str, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write to a device or a pipe: there is nothing to rename, so the image is checked first."""
        with failing(path), tempfile.SpooledTemporaryFile(IN_MEMORY) as file, _open_special(path) as target:
            image, _ = receive(n, pieces, file, transform, warn)
            target.writelines(copy(file))
        return image._replace(path=path)


def _open_special(path: str) -> IO[bytes]:
    """Open a device or pipe for writing; a descriptor goes on where it is, as a shell's redirection does."""
    number = descriptor(path)
    return open(path if number is None else os.dup(number), "wb")
