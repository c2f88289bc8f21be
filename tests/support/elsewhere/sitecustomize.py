"""Takes from this Python what another system's lacks, which LIKE names, before anything of the program is imported.

What is gone is what CPython's documentation calls "Availability: Unix", or "not macOS". Like Windows, an open file can
be neither renamed nor removed, and a folder can't be opened. What the standard library itself needs here stays.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time

import platformdirs  # noqa: F401 - what it imports is for this system, which it knows by another name

_MODULES = ("fcntl", "termios", "tty", "pty", "pwd", "grp", "resource", "syslog", "curses", "readline")
_OF_OS = (
    *("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_TMPFILE", "O_DIRECTORY", "O_ACCMODE", "O_NOCTTY", "O_SYNC"),
    *("pread", "pwrite", "preadv", "pwritev", "readv", "writev", "fdatasync", "posix_fadvise", "posix_fallocate"),
    *("fchmod", "fchown", "chown", "statvfs", "fstatvfs", "pathconf", "fpathconf", "sysconf", "set_blocking", "mkfifo"),
    *("getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgrp", "tcgetpgrp", "setsid", "ttyname", "uname"),
    *("killpg", "fork", "forkpty", "openpty", "nice", "sched_getaffinity", "getloadavg", "sendfile", "sync"),
)
_SIGNALS = ("SIGHUP", "SIGCONT", "SIGTSTP", "SIGWINCH", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGQUIT")


def _take(place: object, names: tuple[str, ...]) -> None:
    for name in names:
        if hasattr(place, name):
            delattr(place, name)


def _is_open(path: object) -> bool:
    try:
        found = os.stat(path)  # type: ignore[arg-type] # whatever was given
        return any(os.path.samestat(found, os.stat(f"/proc/self/fd/{each}")) for each in os.listdir("/proc/self/fd"))
    except (OSError, TypeError):
        return False


def _refuses_open(call):
    def refused(path, *rest, **named):
        if _is_open(path):
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        return call(path, *rest, **named)

    return refused


def _without_folders(call):
    def opened(path, flags, *rest, **named):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied")
        return call(path, flags, *rest, **named)

    return opened


if os.environ.get("LIKE") == "windows":
    _ROOM = shutil.disk_usage("/")
    shutil.disk_usage = lambda _path: _ROOM  # it asks Windows, or statvfs
    sys.modules.update(dict.fromkeys(_MODULES))
    _take(os, _OF_OS)
    _take(signal, _SIGNALS)
    _take(select, ("poll", "epoll"))
    _take(time, ("clock_gettime", "CLOCK_BOOTTIME", "CLOCK_MONOTONIC"))
    for _name in ("rename", "replace", "remove", "unlink"):
        setattr(os, _name, _refuses_open(getattr(os, _name)))
    os.open = _without_folders(os.open)
elif os.environ.get("LIKE") == "macos":
    _take(os, ("O_TMPFILE", "fdatasync", "posix_fadvise", "posix_fallocate", "sched_getaffinity", "preadv", "pwritev"))
    _take(select, ("epoll",))
    _take(time, ("CLOCK_BOOTTIME",))
