"""What some systems lack, with what does instead: macOS has no fdatasync, Windows no user numbers, flock or poll.

Everything else of the package asks here instead of `os`, `fcntl`, `select` and `signal`, so that no part of it fails
for a missing name. What can't be had is gone without: then a folder is not locked, or a file's owner not checked.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OPENING: int = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""For each os.open: programs that are started don't get the file, and its bytes are what they are."""
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_LOCKED_BYTE = 1 << 30
"""Where Windows locks a file: others can't read what is locked, so it is a byte behind all content."""
_LONGEST_NAME = 255
READ, WRITE, _BROKEN = 1, 4, 8
"""What `poll` waits for, as poll(2) numbers it."""


def unnamed() -> int:
    """Return the flag of os.open for a file without a name; without it, opening a folder just fails."""
    return int(getattr(os, "O_TMPFILE", 0))


def user() -> int | None:
    """Return this user's number; None where files have no owners by number, and modes don't say who may read them."""
    get = getattr(os, "geteuid", None)
    return None if get is None else int(get())


def read_at(descriptor: int, count: int, start: int) -> bytes:
    """Return up to `count` bytes of a file from `start` on; its own place stays.

    Raises:
        OSError: it can't be read.
    """
    if hasattr(os, "pread"):
        data: bytes = os.pread(descriptor, count, start)
        return data
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, count)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


def write_at(descriptor: int, data: bytes, start: int) -> None:
    """Write into a file from `start` on; its own place stays.

    Raises:
        OSError: it can't be written.
    """
    if hasattr(os, "pwrite"):
        os.pwrite(descriptor, data, start)
        return
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, start, os.SEEK_SET)
        os.write(descriptor, data)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)


def sync_data(descriptor: int) -> None:
    """Write a file's content to the disk.

    Raises:
        OSError: it does not take it.
    """
    getattr(os, "fdatasync", os.fsync)(descriptor)


def set_mode(descriptor: int, mode: int) -> None:
    """Change the mode of an open file, where modes of open files can be changed.

    Raises:
        OSError: it is another user's.
    """
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)


def free_bytes(place: str | int) -> int | None:
    """Return how many bytes fit into the file system of a folder or an open file; None where it does not say."""
    try:
        if not hasattr(os, "statvfs"):
            import shutil

            return None if isinstance(place, int) else shutil.disk_usage(place).free
        found = os.statvfs(place)
    except OSError:
        return None
    return int(found.f_bavail * found.f_frsize) if found.f_blocks else None


def longest_name(folder: str) -> int:
    """Return how many bytes a file's name in a folder may have.

    Raises:
        OSError: it is not there.
    """
    return int(os.pathconf(folder, "PC_NAME_MAX")) if hasattr(os, "pathconf") else _LONGEST_NAME


def is_writable(descriptor: int) -> bool:
    """Return whether a descriptor is open for writing; where that can't be asked, whether it is open."""
    try:
        import fcntl
    except ImportError:
        try:
            os.fstat(descriptor)
        except (OSError, OverflowError):
            return False
        return True
    query: Any = fcntl
    try:
        return bool(query.fcntl(descriptor, query.F_GETFL) & (os.O_WRONLY | os.O_RDWR))
    except (OSError, OverflowError):
        return False


def set_blocking(descriptor: int) -> None:
    """Let reads of a descriptor wait."""
    if hasattr(os, "set_blocking"):
        os.set_blocking(descriptor, True)


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file for as long as this process has it open; return False if another one has locked it.

    `shared`: any number may have it so, and none by itself.

    Raises:
        OSError: there are no such locks here.
    """
    try:
        import fcntl
    except ImportError:
        return _lock_byte(descriptor, shared=shared)
    flock: Any = fcntl
    try:
        flock.flock(descriptor, (flock.LOCK_SH if shared else flock.LOCK_EX) | flock.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_byte(descriptor: int, *, shared: bool) -> bool:
    """Lock as Windows does.

    Raises:
        OSError: there are no such locks here.
    """
    try:
        import msvcrt
    except ImportError:
        msvcrt = None  # type: ignore[assignment] # neither, as in a browser
    windows: Any = msvcrt
    if windows is None or shared:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    except PermissionError:
        return False
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    return True


def poll(sock: Any, events: int, seconds: float | None) -> int:  # noqa: ANN401 - a socket, or what wraps one
    """Wait until a socket can do one of `events` (READ, WRITE), or is broken; return those, 0 once the time is over.

    Raises:
        OSError: it is closed.
    """
    import select

    if not hasattr(select, "poll"):
        wanted = [sock] if events & READ else [], [sock] if events & WRITE else []
        readable, writable, broken = select.select(*wanted, [sock], seconds)
        return (READ if readable else 0) | (WRITE if writable else 0) | (_BROKEN if broken else 0)
    asked: Any = select.poll()
    asked.register(sock, events)
    found = dict(asked.poll(None if seconds is None else seconds * 1000))
    return int(found.get(sock.fileno(), 0))


def in_foreground(descriptor: int) -> bool:
    """Return whether this process may draw on a terminal; not after `&` or `bg`, where there is such a thing.

    Raises:
        OSError: it is not our controlling terminal.
    """
    if not hasattr(os, "tcgetpgrp"):
        return True
    names: Any = os
    return bool(names.tcgetpgrp(descriptor) == names.getpgrp())


def on_going_on(call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called when this process goes on after Ctrl-Z; return what ends that."""
    import signal

    number = getattr(signal, "SIGCONT", None)
    if number is None:
        return lambda: None
    before = signal.signal(number, lambda *_: call())

    def undo() -> None:
        signal.signal(number, before)

    return undo


def is_process(number: int) -> bool:
    """Return whether a process of that number may be there; it is, where asking could end it.

    Windows takes signal 0 for Ctrl-C.
    """
    if os.name == "nt":
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    return True


def booted_at(ticks: int) -> float | None:
    """Return the time, in seconds since 1970, so many ticks after this machine was started; None: it is not known."""
    try:
        names: Any = time
        per_second: Any = os
        return float(time.time() - names.clock_gettime(names.CLOCK_BOOTTIME) + ticks / per_second.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError):
        return None
