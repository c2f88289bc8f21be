"""File systems: room for files, names for files that are whole, and locks that end with their process."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import IO, TYPE_CHECKING, Self

from imagecli import system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import TypeVar

    _Done = TypeVar("_Done")

PART = (".imagecli-", ".part")
"""How the name of a file begins and ends that is not whole yet, where files can't be without a name."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The errors of a full disk, a used-up quota, and a limit on the size of files."""
_ZEROS = bytes(1 << 16)
_SAME_NAME = 0.8
"""How alike two names are that are meant to be the same."""
_MOST_NEIGHBOURS = 10_000
DAY_S = 24 * 3600.0
_NOT_HERE = frozenset({errno.EXDEV, errno.ENOENT, errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""Why a file without a name can't be given one: not here, or not without /proc."""


def path_hint(path: str, otherwise: str) -> str:
    """Return the hint for a file that is not there: one beside it with almost the same name, else `otherwise`."""
    import difflib
    from itertools import islice

    from imagecli.text import printable

    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or os.curdir) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NEIGHBOURS)]
    except (OSError, ValueError):
        return otherwise
    near = difflib.get_close_matches(name, names, 1, _SAME_NAME)
    return f"Did you mean {printable(os.path.join(folder, near[0]))}?" if near else otherwise


class NewFile:
    """A file that gets its name once it is whole; until then it has none, or one that marks it as not whole.

    Linux removes a file without a name whatever ends the process. A file with a name of its own is locked, so that
    `remove_parts` can tell what a killed process has left.
    """

    def __init__(self, folder: str, mode: int = 0o666) -> None:
        """Open it in `folder`; nothing of it remains unless it is given a name. The umask applies to its mode."""
        self._folder = folder
        self._mode = mode
        self._temporary: str | None = None
        try:
            descriptor = os.open(folder, system.unnamed() | os.O_RDWR | system.OPENING, mode)
        except OSError:  # not Linux, or a file system without such files
            descriptor = self._make_named()
        with contextlib.suppress(OSError):
            system.lock(descriptor)
        self.file: IO[bytes] = os.fdopen(descriptor, "w+b")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Close it, and remove it if it was given no name."""
        try:
            self.file.close()
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove what has a name of its own; from any thread."""
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def sync(self) -> None:
        """Write everything to the disk, which may find only now that there is no room."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def link(self, path: str) -> bool:
        """Give the file a name unless that is taken: False then."""
        if self._temporary is None:
            try:
                self._link_unnamed(path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                self._copy_to_named()
            else:
                return True
        return self._even_if_open(_link_named, path)

    def replace(self, path: str, mode: int | None = None) -> None:
        """Give the file a name, in the place of what has that name, and the mode where there is one."""
        if mode is not None:
            with contextlib.suppress(OSError):
                system.set_mode(self.file.fileno(), mode)
        if self._temporary is None:
            self._temporary = self._new_name()
            try:
                self._link_unnamed(self._temporary)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                self._copy_to_named()
        self._even_if_open(os.replace, path)
        self._temporary = None

    def _even_if_open(self, rename: Callable[[str, str], _Done], path: str) -> _Done:
        """Rename what has a name of its own; Windows, which renames nothing that is open, has it closed before."""
        try:
            return rename(self._temporary or "", path)
        except PermissionError:
            self.file.close()
            return rename(self._temporary or "", path)

    def _link_unnamed(self, path: str) -> None:
        descriptor = self.file.fileno()
        # With a descriptor of a folder, whichever, Python lets the kernel follow the link in /proc.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)

    def _new_name(self) -> str:
        return os.path.join(self._folder, os.urandom(8).hex().join(PART))

    def _make_named(self) -> int:
        self._temporary = self._new_name()
        return os.open(self._temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | system.OPENING, self._mode)

    def _copy_to_named(self) -> None:
        with os.fdopen(self._make_named(), "w+b") as named:
            self.file.seek(0)
            while piece := self.file.read(1 << 20):
                named.write(piece)
            named.flush()
            os.fsync(named.fileno())


def _link_named(temporary: str, path: str) -> bool:
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
        try:
            os.replace(temporary, path)
        except OSError:
            os.unlink(path)
            raise
    return True


def remove_parts(folder: str) -> None:
    """Remove what killed processes have left in `folder` of files that were not whole yet."""
    with contextlib.suppress(OSError, ValueError):  # the name of a folder that is none
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if name.startswith(PART[0]) and name.endswith(PART[1]) and not is_locked(path):
                with contextlib.suppress(OSError):
                    os.unlink(path)


def replace_privately(path: str | os.PathLike[str], content: bytes) -> None:
    """Put a file that only this user can read in the place of what has that name, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    with NewFile(os.path.dirname(path) or ".", 0o600) as new:
        new.file.write(content)
        new.sync()
        new.replace(os.fspath(path))


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it to an open file, which may take less at a time.

    Raises:
        OSError: it does not take all.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_zeros(descriptor: int, count: int) -> None:
    """Write zeros to an open file: a quota or a limit is known only to who has met it.

    Raises:
        OSError: they don't fit.
    """
    for done in range(0, count, len(_ZEROS)):
        write_all(descriptor, _ZEROS[: count - done])


def check_room(folder: str, sizes: Iterable[int]) -> None:
    """Write files of these sizes and remove them again.

    Raises:
        OSError: they don't fit, or nothing can be written there.
    """
    if not os.stat(folder).st_nlink:  # it was removed; a tmpfs makes files without a name there all the same
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    with contextlib.ExitStack() as files:
        for size in sizes:
            write_zeros(files.enter_context(NewFile(folder)).file.fileno(), size)


def as_size(count: int) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004 - of the next unit
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"


def is_locked(path: str) -> bool:
    """Return whether a process has locked a file; without locks, whether it has changed within a day."""
    try:
        descriptor = os.open(path, os.O_RDONLY | system.OPENING | system.NOFOLLOW | system.NONBLOCK)
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    try:
        return not system.lock(descriptor)
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime < DAY_S
    finally:
        os.close(descriptor)
