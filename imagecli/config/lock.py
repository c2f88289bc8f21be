"""One change of the config file at a time: what is read, changed and written back must not be overtaken.

The lock is one on the file's folder (flock), which the system releases whatever ends the process: nothing is left
behind, and nothing has to be taken for dead. Readers need none, as the file is replaced whole.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagecli import system
from imagecli.errors import UsageProblem
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10.0
"""How long to wait: a change takes some thousandths of a second."""
_PAUSE = 0.02

# For tests to replace.
sleep = time.sleep


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder that exists.

    Raises:
        UsageProblem: another process holds it and does not let go.
    """
    try:
        descriptor = _lock(folder)
    except OSError:  # a folder that can't be opened, or a file system without locks: the change itself may still work
        yield
        return
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    """Return a descriptor of the folder that has the lock, once it has it."""
    waited = 0.0
    while True:
        descriptor = os.open(folder, os.O_RDONLY | system.OPENING)
        try:
            is_free = system.lock(descriptor)
            if is_free and _is(descriptor, folder):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if is_free:
            continue
        if waited >= SECONDS:
            raise UsageProblem(
                f"another process is changing the config file in {printable(folder)}",
                hint="Run it again once that has ended.",
            )
        sleep(_PAUSE)
        waited += _PAUSE


def _is(descriptor: int, folder: Path) -> bool:
    """Whether the descriptor is still that of the folder: it may have been removed and made anew while we waited."""
    return os.path.samestat(os.fstat(descriptor), os.stat(folder))
