"""The folder of the cache: where an entry is, what is in it, and what prune removes. Nothing but entries is touched."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.disk import remove_parts
from imagecli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"imagecli cache "
"""How an entry begins, whichever version wrote it."""
_NAME = re.compile(r"[0-9a-f]{64}\.response")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_POWERS = "KMGT"


class Stored(NamedTuple):
    """One entry."""

    used: float
    """When it was made or used last, in seconds since 1970."""
    bytes: int
    path: str


def folder_of(setting: str | None) -> str:
    """Return the folder of the cache: that of the setting, or the user's own.

    Raises:
        UsageProblem: there is no home folder, and none is set.
    """
    if setting:
        return setting
    import platformdirs

    try:
        return os.fspath(platformdirs.user_cache_path("imagecli", appauthor=False) / "responses")
    except RuntimeError as error:  # HOME is not set, and the user has no entry in the password database
        raise UsageProblem("there is no home folder for the cache", hint="Name a folder with --cache-dir.") from error


def path_of(folder: str, key: str) -> str:
    """Return the file of an entry."""
    return os.path.join(folder, key[:2], f"{key}.response")


def entries(folder: str) -> Iterator[Stored]:
    """Yield the entries of a folder, in no order; none where there is no folder.

    Raises:
        UsageProblem: it is not a folder, or can't be read.
    """
    for parent in _folders(folder):
        with suppress(OSError), os.scandir(parent) as found:
            for each in found:
                if _NAME.fullmatch(each.name) and each.name.startswith(os.path.basename(parent)) and _is_ours(each):
                    with suppress(OSError):
                        status = each.stat(follow_symlinks=False)
                        yield Stored(status.st_mtime, status.st_size, each.path)


def prune(folder: str, *, before: float | None, larger: int | None) -> list[Stored]:
    """Remove entries, and return them.

    Args:
        folder: the folder.
        before: those that were used last before this moment, in seconds since 1970; None: none for their age.
        larger: the oldest, until all that are left have no more bytes than that; None: none for their size.

    Raises:
        UsageProblem: it is not a folder, or can't be read or written.
    """
    kept = sorted(entries(folder))
    left = sum(each.bytes for each in kept)
    removed = []
    for each in kept:
        if not ((before is not None and each.used < before) or (larger is not None and left > larger)):
            continue
        try:
            os.unlink(each.path)
        except FileNotFoundError:  # another process was faster
            pass
        except OSError as error:
            raise _unusable(folder, error) from error
        removed.append(each)
        left -= each.bytes
    for parent in _folders(folder):
        remove_parts(parent)
        with suppress(OSError):  # it is not empty
            os.rmdir(parent)
    return removed


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(
                each.path
                for each in found
                if re.fullmatch(r"[0-9a-f]{2}", each.name) and each.is_dir(follow_symlinks=False)
            )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unusable(folder, error) from error


def _is_ours(found: os.DirEntry[str]) -> bool:
    try:
        if not found.is_file(follow_symlinks=False):
            return False
        with open(found.path, "rb", buffering=0) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _unusable(folder: str, error: OSError) -> UsageProblem:
    return UsageProblem(
        f"the cache folder {folder} can't be used: {error.strerror or error}",
        hint="Name a folder of yours with --cache-dir.",
    )


def read_age(text: str) -> float:
    """Return a length of time in seconds: 30d, 12h, 2w.

    Raises:
        UsageProblem: it is not one.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageProblem("--older takes a length of time", hint="For instance 30d; the units are s, m, h, d and w.")
    return float(found[1]) * _SECONDS[found[2].lower()]


def read_bytes(text: str) -> int:
    """Return a number of bytes: 5G and 500MB are powers of 1000, 5Gi and 500MiB of 1024.

    Raises:
        UsageProblem: it is not one.
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*(?:([KMGT])(i?))?B?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise UsageProblem("--larger takes a size", hint="For instance 5G; the units are K, M, G and T.")
    power = _POWERS.index(found[2].upper()) + 1 if found[2] else 0
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
