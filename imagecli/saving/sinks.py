"""Where images go: files (names checked before anything is paid, written atomically), standard output, memory."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import tempfile
import threading
from typing import IO, TYPE_CHECKING, Protocol

from imagecli import interrupts
from imagecli.disk import NO_SPACE, NewFile, as_size, check_room, free_bytes
from imagecli.errors import Failure, UsageProblem
from imagecli.saving.names import Name, asked_format, descriptor, extension_of, is_special
from imagecli.saving.receiving import copy, describe, describe_file, receive
from imagecli.saving.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from imagecli.images.types import Size
    from imagecli.result import GeneratedImage
    from imagecli.saving.names import Names
    from imagecli.saving.receiving import Sizes, Transform

_IN_MEMORY = 1 << 26
"""Bytes of an image that goes to no file of its own, kept in memory, so that no full disk can stop it."""
NO_ROOM = Room()
_AT_ONCE = contextlib.nullcontext()


def ignore(_warning: str) -> None:
    """Warn of nothing."""


class Sink(Protocol):
    """A place for images."""

    undelivered: bool
    """Whether an image went to a reader that was gone."""

    @property
    def takes_more(self) -> bool:
        """Whether images that were not asked for can be taken too."""

    def reserved(
        self, numbers: Iterable[int], *, dry: bool, room: Room = NO_ROOM, warn: Callable[[str], None] = ignore
    ) -> AbstractContextManager[object]:
        """Make sure that the images of these numbers can be saved; nothing is written if `dry`.

        What was made for images that did not come is undone at the end. Where each may take more `room` than there
        is, `warn` is told.

        Raises:
            UsageProblem: they can't.
        """

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Take image `n`, whole and checked, or raise Failure and leave nothing behind.

        Where the image is there, but not in all its sizes, its `shortfall` says why.
        """

    def complete(
        self, image: GeneratedImage, make: Callable[[bytes], Sizes], warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Add to an image that was there before the sizes that are missing beside it."""

    def save_partial(
        self,
        n: int,
        number: int | None,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage | None:
        """Take partial image `number` of image `n`; None: the last one, which is all that came of it.

        Returns None where the sink takes finished images only.
        """


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
        self._skippable = skippable
        self._made: list[str] = []
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
                self._reserve(numbers, room, warn, dry=dry)
            return at_end.pop_all()

    def close(self) -> None:
        """Remove what is not whole, and let no file appear any more."""
        with self._lock:
            self._closed = True
            for new in tuple(self._unfinished):
                new.remove()
        for path in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(path)

    def _reserve(self, numbers: Iterable[int], room: Room, warn: Callable[[str], None], *, dry: bool) -> None:
        names = [name for n in numbers for name in self._names.files(n)]
        own = set(self._names)
        for name in names:
            taken = None if self._names.passes_over else name.taken_by()  # another run may have been faster
            if taken is not None and os.path.isdir(taken):
                raise UsageProblem(f"{taken} is a folder", hint="Give -o the name of a file, or end it in /.")
            if taken is not None and not self._force and not is_special(taken):
                # A further size is kept only beside its image.
                keep = " --skip-existing to keep it," if self._skippable and name in own else ""
                raise UsageProblem(f"{taken} already exists", hint=f"Use --force to replace it,{keep} or another name.")
        lengths: dict[str, list[int]] = {}
        for name in names:
            _check_descriptor(name.path(""))
            if not is_special(name.path("")):
                lengths.setdefault(self._folder(name), []).append(_length(name))
        for folder, its in lengths.items():
            there = self._check_folder(folder, max(its), dry=dry)
            self._check_room(there, len(its), room, warn, dry=dry)

    def _check_room(self, folder: str, count: int, room: Room, warn: Callable[[str], None], *, dry: bool) -> None:
        try:
            free = free_bytes(folder)
            if dry:
                too_small = free is not None and free < count * room.least
            else:
                check_room(folder, [room.least] * count)
                too_small = False
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise _unwritable(folder, error) from error
            too_small = True
        images = "the image" if count == 1 else f"{count} images"
        if too_small:
            raise UsageProblem(
                f"{folder} has no room for {images}",
                hint="Nothing was sent. Make room there, or choose another place with -o.",
            )
        if free is not None and free < count * room.likely:
            warn(
                f"only {as_size(free)} are free in {folder}, and {images} may take {as_size(count * room.likely)}: "
                "what doesn't fit is kept elsewhere"
            )

    def _folder(self, name: Name) -> str:
        """Return the folder that the file lies in: for --force over a link, that of the file behind it."""
        path = name.path("")
        return os.path.dirname(os.path.realpath(path)) if self._force and os.path.islink(path) else name.folder

    def _check_folder(self, folder: str, longest: int, *, dry: bool) -> str:
        """Make the folder unless `dry`, and return it, or what there is of it."""
        try:
            there = folder
            while not os.path.isdir(there):
                if os.path.lexists(there):
                    raise UsageProblem(
                        f"{there} is not a folder", hint="Give -o a name in a folder that can be written to."
                    )
                there = os.path.dirname(there) or "."
            if longest > os.pathconf(there, "PC_NAME_MAX"):
                raise UsageProblem("the output's name is too long for its folder", hint="Give -o a shorter name.")
            if dry:
                if os.stat(there).st_nlink == 0:  # the working folder, which has been removed
                    raise FileNotFoundError(2, "No such file or directory")
                if not os.access(there, os.W_OK | os.X_OK):
                    raise PermissionError(13, "Permission denied")
                return there
            missing = []
            while folder not in ("", ".") and not os.path.isdir(folder):
                missing.append(folder)
                folder = os.path.dirname(folder) or "."
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
                    self._made.append(path)
        except (OSError, UnicodeEncodeError) as error:
            raise _unwritable(folder, error) from error
        return missing[0] if missing else there

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
            with _failing(image.path or ""), open(image.path or "", "rb") as file:
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
        self._check_folder(self._folder(name), _length(name), dry=False)

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
        with _failing(name.path("png")), self._new_file(name) as new:
            with self._turn if transform is None else _AT_ONCE:
                image, sizes = receive(n, pieces, new.file, transform, warn)
            new.sync()
            with self._still_open():
                return image._replace(path=self._publish(new, name, following, image, warn)), sizes

    @contextlib.contextmanager
    def _new_file(self, name: Name) -> Iterator[NewFile]:
        with self._still_open():
            new = NewFile(self._folder(name))
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
        taken = name.taken_by()
        while name.taken_by() is not None or not new.link(path):
            taken = taken or path
            name = next(following)
            path = name.path(extension_of(image.format))
        if taken is not None:
            warn(f"{taken} has appeared in the meantime, so the image was saved as {path}")
        return path

    def _save_special(
        self, n: int, path: str, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write to a device or a pipe: there is nothing to rename, so the image is checked first."""
        with _failing(path), tempfile.SpooledTemporaryFile(_IN_MEMORY) as file, _open_special(path) as target:
            image, _ = receive(n, pieces, file, transform, warn)
            target.writelines(copy(file))
        return image._replace(path=path)


class Stdout(Protocol):
    """Standard output, as the terminal room has it."""

    stdout_is_terminal: bool

    @property
    def stdout_is_closed(self) -> bool:
        """Whether its reader is gone."""

    def out_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""

    def stdout_free_bytes(self) -> int | None:
        """Return how many bytes the disk has left where standard output is a file, else None."""


class _New:
    """A place where no image was before."""

    def complete(
        self,
        image: GeneratedImage,
        make: Callable[[bytes], Sizes],  # noqa: ARG002 - a Sink's
        warn: Callable[[str], None],  # noqa: ARG002
    ) -> GeneratedImage:
        """Add nothing: no image was there before."""
        return image


class StdoutSink(_New):
    """Raw bytes on standard output, once the image is known to be whole."""

    takes_more = False
    undelivered = False

    def __init__(self, stdout: Stdout) -> None:
        """Write to standard output."""
        self._stdout = stdout

    def reserved(
        self,
        numbers: Iterable[int],  # noqa: ARG002 - a Sink's
        *,
        dry: bool,  # noqa: ARG002
        room: Room = NO_ROOM,
        warn: Callable[[str], None] = ignore,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """Look at the disk where standard output is a file.

        Raises:
            UsageProblem: it has no room.
        """
        free = self._stdout.stdout_free_bytes()
        if free is not None and free < room.least:
            raise UsageProblem(
                "standard output is a file on a disk that has no room for the image",
                hint="Nothing was sent. Make room there, or choose another place with -o.",
            )
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write the image."""
        with _failing("the temporary folder"), tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            image, _ = receive(n, pieces, file, transform, warn)
            for piece in copy(file):
                self._stdout.out_bytes(piece)
        self.undelivered = self._stdout.stdout_is_closed
        return image

    def save_partial(
        self,
        n: int,  # noqa: ARG002 - as the others'
        number: int | None,  # noqa: ARG002
        pieces: Iterable[bytes],  # noqa: ARG002
        transform: Transform | None,  # noqa: ARG002
        warn: Callable[[str], None],  # noqa: ARG002
    ) -> GeneratedImage | None:
        """Write nothing: a reader would take it for the image."""
        return None


class MemorySink(_New):
    """Bytes for callers from Python."""

    takes_more = True
    undelivered = False

    def __init__(self) -> None:
        """Start empty."""
        self.data: dict[int, bytes] = {}
        self.sizes: dict[int, tuple[bytes, ...]] = {}
        """Image → its files in further sizes."""

    def reserved(
        self,
        numbers: Iterable[int],  # noqa: ARG002 - a Sink's
        *,
        dry: bool,  # noqa: ARG002
        room: Room = NO_ROOM,  # noqa: ARG002
        warn: Callable[[str], None] = ignore,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """Do nothing: there is room."""
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Keep the image's bytes under its number."""
        with tempfile.SpooledTemporaryFile(max_size=1 << 28) as file:
            image, sizes = receive(n, pieces, file, transform, warn)
            file.seek(0)
            self.data[n] = file.read()
        self.sizes[n] = tuple(data for _, data in sizes)
        return image._replace(also=tuple(describe(n, data) for data in self.sizes[n]))

    def save_partial(
        self,
        n: int,
        number: int | None,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage | None:
        """Keep the last one in the image's place; the others were shown as they came."""
        return self.save(n, pieces, transform, warn)._replace(partial=True) if number is None else None


def open_sink(names: Names | None, stdout: Stdout, *, force: bool, skippable: bool = False) -> Sink:
    """Return where the images go: files of these names, or standard output where there are none.

    `skippable` is as for `FileSink`.

    Raises:
        UsageProblem: standard output can't take an image's bytes.
    """
    if names is not None:
        return FileSink(names, force=force, skippable=skippable)
    if stdout.stdout_is_closed:
        raise UsageProblem("stdout is closed, so -o - has nowhere to write to", hint="Give -o a file.")
    if stdout.stdout_is_terminal:
        raise UsageProblem(
            "stdout is a terminal, which can't show an image's bytes",
            hint="Pipe it into a program or a file, or give -o a name; --preview draws it.",
        )
    return StdoutSink(stdout)


def _check_descriptor(path: str) -> None:
    """Refuse an open descriptor that isn't open, or not for writing.

    Raises:
        UsageProblem: it is that.
    """
    number = descriptor(path)
    if number is None:
        return
    import fcntl

    try:
        writable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except (OSError, OverflowError):
        writable = False
    if not writable:
        raise UsageProblem(f"{path} is not open for writing", hint="Give -o a file, or open it in the shell: 3> FILE.")


def _open_special(path: str) -> IO[bytes]:
    """Open a device or pipe for writing; a descriptor goes on where it is, as a shell's redirection does."""
    number = descriptor(path)
    return open(path if number is None else os.dup(number), "wb")


def _length(name: Name) -> int:
    """Return how many bytes the file's name has on disk.

    Raises:
        UsageProblem: this locale can't encode it.
    """
    try:
        return len(os.fsencode(os.path.basename(name.path("webp"))))
    except UnicodeEncodeError as error:
        raise UsageProblem("this locale can't encode the output's name", hint="Give -o a name in ASCII.") from error


@contextlib.contextmanager
def _failing(path: str) -> Iterator[None]:
    """Turn an error of the file system into a Failure: the image is paid for by now."""
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{path} can't be written: {error.strerror or error}",
            hint="Make room there, or choose another place with -o; imagecli recover then saves what was paid for.",
        ) from error


def _unwritable(folder: str, error: OSError | UnicodeEncodeError) -> UsageProblem:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return UsageProblem(
        f"the folder {folder} can't be written to: {reason}", hint="Give -o a name in a folder that can be written to."
    )
