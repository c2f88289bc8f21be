"""Where images go: files (names checked before anything is paid, written atomically), standard output, memory."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
import tempfile
from typing import IO, TYPE_CHECKING, Protocol

from imagecli.errors import Failure, UsageProblem
from imagecli.images.sniffing import ImageCheck, ImageFacts
from imagecli.result import GeneratedImage
from imagecli.saving.names import asked_format, descriptor, extension_of, is_special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from imagecli.saving.names import Name, Names

    Transform = Callable[[bytes], bytes]
    """What is done to an image before it is saved (undoing the padding); if that fails, it is saved as it
    came, with a warning."""

_COPY = 1 << 20


class Sink(Protocol):
    """A place for images."""

    takes_more: bool
    """Whether images that were not asked for can be taken too."""
    undelivered: bool
    """Whether an image went to a reader that was gone."""

    def reserved(self, numbers: Iterable[int], *, dry: bool) -> AbstractContextManager[None]:
        """Make sure that the images of these numbers can be saved; nothing is written if `dry`.

        What was made for images that did not come is undone at the end.

        Raises:
            UsageProblem: they can't.
        """

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Take image `n`, whole and checked, or raise Failure and leave nothing behind."""

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

    def __init__(self, names: Names, *, force: bool) -> None:
        """Take the names of the images."""
        self.takes_more = not is_special(names.name(1).path(""))
        self._names = names
        self._force = force
        self._made: list[str] = []

    @contextlib.contextmanager
    def reserved(self, numbers: Iterable[int], *, dry: bool) -> Iterator[None]:
        """Make sure that the images of these numbers can be saved; missing folders are made unless `dry`.

        Of these folders, those that are empty at the end are removed again.

        Raises:
            UsageProblem: a name is taken, or its folder can't be written.
        """
        try:
            self._reserve(numbers, dry=dry)
            yield
        finally:
            for path in reversed(self._made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def _reserve(self, numbers: Iterable[int], *, dry: bool) -> None:
        names = [self._names.name(n) for n in numbers]
        for name in names:
            taken = name.taken_by()
            if taken is not None and os.path.isdir(taken):
                raise UsageProblem(f"{taken} is a folder", hint="Give -o the name of a file, or end it in /.")
            if taken is not None and not self._force and not is_special(taken):
                raise UsageProblem(
                    f"{taken} already exists",
                    hint="Use --force to replace it, --skip-existing to keep it, or another name.",
                )
        longest: dict[str, int] = {}
        for name in names:
            _check_descriptor(name.path(""))
            if not is_special(name.path("")):
                folder = self._folder(name)
                longest[folder] = max(longest.get(folder, 0), _length(name))
        for folder, length in longest.items():
            self._check_folder(folder, length, dry=dry)

    def _folder(self, name: Name) -> str:
        """Return the folder that the file lies in: for --force over a link, that of the file behind it."""
        path = name.path("")
        return os.path.dirname(os.path.realpath(path)) if self._force and os.path.islink(path) else name.folder

    def _check_folder(self, folder: str, longest: int, *, dry: bool) -> None:
        try:
            there = folder
            while not os.path.isdir(there):
                if os.path.lexists(there):
                    raise UsageProblem(
                        f"{there} is not a folder", hint="Give -o a name in a folder that can be written."
                    )
                there = os.path.dirname(there) or "."
            if longest > os.pathconf(there, "PC_NAME_MAX"):
                raise UsageProblem("the output's name is too long for its folder", hint="Give -o a shorter name.")
            if dry:
                if not os.access(there, os.W_OK | os.X_OK):
                    raise PermissionError(13, "Permission denied")
                return
            missing = []
            while folder not in ("", ".") and not os.path.isdir(folder):
                missing.append(folder)
                folder = os.path.dirname(folder) or "."
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
                    self._made.append(path)
            probe, name = tempfile.mkstemp(prefix=".imagecli-", suffix=".part", dir=missing[0] if missing else there)
            os.close(probe)
            os.unlink(name)
        except (OSError, UnicodeEncodeError) as error:
            raise UsageProblem(
                f"the folder {folder} can't be written: {getattr(error, 'strerror', None) or error}",
                hint="Give -o a name in a folder that can be written.",
            ) from error

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write image `n` beside its name and rename it; a server may send more images than were asked for."""
        name = self._names.name(n)
        if is_special(name.path("")):
            return self._save_special(n, name.path(""), pieces, transform, warn)
        return self._save_as(name, self._names.following(), n, pieces, transform, warn)

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
        image = self._save_as(free, names, n, pieces, transform, warn)
        return image._replace(partial=True)

    def _save_as(  # noqa: PLR0913, PLR0917 - a name, and what `save` takes
        self,
        name: Name,
        following: Iterator[Name],
        n: int,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage:
        temporary = os.path.join(self._folder(name), f".imagecli-{os.urandom(8).hex()}.part")
        # An image that has to be fetched is fetched now, before there is a file that an interrupt would leave behind.
        pieces = iter(pieces)
        pieces = itertools.chain((next(pieces, b""),), pieces)
        try:
            with _failing(name.path("png")), open(temporary, "x+b") as file:
                image = receive(n, pieces, file, transform, warn)
                file.flush()
                os.fsync(file.fileno())
            path = self._publish(temporary, name, following, image, warn)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return image._replace(path=path)

    def _publish(
        self, temporary: str, name: Name, following: Iterator[Name], image: GeneratedImage, warn: Callable[[str], None]
    ) -> str:
        path = name.path(extension_of(image.format))
        asked = asked_format(path)
        if asked is not None and asked != image.format:
            warn(f"{path} contains {(image.format or '?').upper()} data, whatever its name says")
        with _failing(path):
            if self._force and image.n <= self._names.count:
                with contextlib.suppress(OSError):  # the file behind the name stays as private as it was
                    os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
                os.replace(temporary, os.path.realpath(path))
                return path
            taken = name.taken_by()
            while name.taken_by() is not None or not _link(temporary, path):
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
        with _failing(path), tempfile.TemporaryFile() as file, _open_special(path) as target:
            image = receive(n, pieces, file, transform, warn)
            target.writelines(_copy(file))
        return image._replace(path=path)


class Stdout(Protocol):
    """Standard output, as the terminal room has it."""

    stdout_is_terminal: bool

    @property
    def stdout_is_closed(self) -> bool:
        """Whether its reader is gone."""

    def out_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""


class StdoutSink:
    """Raw bytes on standard output, once the image is known to be whole."""

    takes_more = False
    undelivered = False

    def __init__(self, stdout: Stdout) -> None:
        """Write to standard output."""
        self._stdout = stdout

    def reserved(self, numbers: Iterable[int], *, dry: bool) -> AbstractContextManager[None]:  # noqa: ARG002 - a Sink's
        """Do nothing: standard output was checked when the sink was opened."""
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write the image."""
        with _failing("the temporary folder"), tempfile.TemporaryFile() as file:
            image = receive(n, pieces, file, transform, warn)
            for piece in _copy(file):
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


class MemorySink:
    """Bytes for callers from Python."""

    takes_more = True
    undelivered = False

    def __init__(self) -> None:
        """Start empty."""
        self.data: dict[int, bytes] = {}

    def reserved(self, numbers: Iterable[int], *, dry: bool) -> AbstractContextManager[None]:  # noqa: ARG002 - a Sink's
        """Do nothing: there is room."""
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Keep the image's bytes under its number."""
        with tempfile.SpooledTemporaryFile(max_size=1 << 28) as file:
            image = receive(n, pieces, file, transform, warn)
            file.seek(0)
            self.data[n] = file.read()
        return image

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


def open_sink(names: Names | None, stdout: Stdout, *, force: bool) -> Sink:
    """Return where the images go: files of these names, or standard output where there are none.

    Raises:
        UsageProblem: standard output can't take an image's bytes.
    """
    if names is not None:
        return FileSink(names, force=force)
    if stdout.stdout_is_closed:
        raise UsageProblem("stdout is closed, so -o - has nowhere to write to", hint="Give -o a file.")
    if stdout.stdout_is_terminal:
        raise UsageProblem(
            "stdout is a terminal, which can't show an image's bytes",
            hint="Pipe it into a program or a file, or give -o a name; --preview draws it.",
        )
    return StdoutSink(stdout)


def receive(
    n: int, pieces: Iterable[bytes], file: IO[bytes], transform: Transform | None, warn: Callable[[str], None]
) -> GeneratedImage:
    """Write an image into `file`, checking that it is one and whole, and apply `transform`.

    Raises:
        Failure: it is not an image, or a broken one.
    """
    facts, size, digest = _write(pieces, file)
    if transform is not None:
        file.seek(0)
        before = file.read()
        try:
            after = transform(before)
        except Failure as error:
            warn(f"image {n} is saved as the server sent it: {error.message}")
        else:
            if after is not before:
                file.seek(0)
                file.truncate()
                facts, size, digest = _write((after,), file)
    return GeneratedImage(n, None, facts.format, facts.width, facts.height, size, digest)


def _write(pieces: Iterable[bytes], file: IO[bytes]) -> tuple[ImageFacts, int, str]:
    check, digest, size = ImageCheck(), hashlib.sha256(), 0
    for piece in pieces:
        check.feed(piece)
        digest.update(piece)
        size += len(piece)
        file.write(piece)
    return check.finish(), size, digest.hexdigest()


def describe(n: int, path: str) -> GeneratedImage:
    """Return what is known of an image that exists; one that can't be read exists all the same."""
    check, digest, size = ImageCheck(), hashlib.sha256(), 0
    facts: ImageFacts | None = None
    with contextlib.suppress(OSError, Failure), open(path, "rb") as file:
        for piece in _copy(file):
            check.feed(piece)
            digest.update(piece)
            size += len(piece)
        facts = check.finish()
    image = GeneratedImage(n, path, None, None, None, size, digest.hexdigest())
    return image._replace(format=facts.format, width=facts.width, height=facts.height) if facts else image


def _copy(file: IO[bytes]) -> Iterable[bytes]:
    file.seek(0)
    while piece := file.read(_COPY):
        yield piece


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


def _link(temporary: str, path: str) -> bool:
    """Give the file its name unless the name is taken: False then."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:
        # No hard links here (FAT, some network folders): claim the name, then rename over the claim.
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        os.replace(temporary, path)
    return True


@contextlib.contextmanager
def _failing(path: str) -> Iterator[None]:
    """Turn an error of the file system into a Failure: the image is paid for by now."""
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{path} can't be written: {error.strerror or error}",
            hint="The response is kept; make room or choose another place with -o.",
        ) from error
