"""What the ledger says of files: @1, @2 … stand for its newest images, and a file is known by its bytes."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.ledger.queries import Entry
    from imagecli.ledger.store import Ledger

_PIECE = 1 << 20


class Known(NamedTuple):
    """A file, and what the ledger has on it."""

    path: str
    sha256: str
    entry: Entry | None
    """None: nothing."""


def is_reference(word: str) -> bool:
    """Return whether a path is `@1`, `@2` …; `./@1` is a file of that name."""
    return word.startswith("@") and word[1:].isascii() and word[1:].isdigit()


def path_of(word: str) -> str:
    """Return the path that a word means: its own, or that of the image that it is the number of.

    Raises:
        UsageProblem: there is no such image, or its file is gone or has changed since.
    """
    return _numbered(word).path if is_reference(word) else word


def known_of(word: str, warn: Callable[[str], None] | None = None) -> Known:
    """Return the file that a word means, and what the ledger has on it.

    A number stands for its own image. A path is known by its bytes: of several images with the same, the newest that
    was saved there, else the newest of all.

    Args:
        word: a path, or a number.
        warn: is told that the ledger can't be read, where only a path is asked for; None: that is an error.

    Raises:
        UsageProblem: as in `path_of`; the file, or the ledger, can't be read.
    """
    if is_reference(word):
        return _numbered(word)
    from imagecli.ledger.queries import made

    sha256 = sha256_of(word)
    try:
        with reading() as ledger:
            return Known(word, sha256, None if ledger is None else made(ledger, sha256, os.path.abspath(word)))
    except UsageProblem as error:
        if warn is None:
            raise
        warn(error.message)
        return Known(word, sha256, None)


def _numbered(word: str) -> Known:
    from imagecli.ledger.queries import newest

    with reading(word) as ledger:
        digits = word[1:].lstrip("0")
        entry = newest(ledger, int(digits)) if ledger is not None and 0 < len(digits) <= 18 else None  # noqa: PLR2004 - SQLite's integers
        count = ledger.query("SELECT count(*) FROM images")[0][0] if ledger is not None and entry is None else 0
    if entry is None or entry.image is None:
        held = f"it has {count}, and @1 is the newest" if count else "it has none yet"
        raise UsageProblem(
            f"there is no image {word[:20]} in the ledger: {held}",
            hint=f"`imagecli log` lists them; a file of that name is ./{word[:20]}.",
        )
    path, sha256 = entry.image["path"], entry.image["sha256"]
    if path is None:
        raise UsageProblem(f"{word} went to standard output, so it is in no file", hint="Name the file that it is in.")
    check_unchanged(path, sha256, f"{word} ({printable(path)})")
    return Known(path, sha256, entry)


def check_unchanged(path: str, sha256: str | None, called: str) -> None:
    """Refuse a file that is gone, or that has other bytes than the ledger says.

    Raises:
        UsageProblem: it is that; the message calls it `called`.
    """
    if not os.path.exists(path):
        raise UsageProblem(f"{called} is gone: it was moved or removed", hint="Name the file where it is now.")
    if sha256 is not None and sha256_of(path) != sha256:
        raise UsageProblem(
            f"{called} is not the file that it was: its content has changed", hint="Name it by its path if it is meant."
        )


@contextmanager
def reading(word: str = "") -> Iterator[Ledger | None]:
    """Open the ledger; None where there is none yet.

    Raises:
        UsageProblem: it can't be read.
    """
    from imagecli.ledger.store import Ledger, LedgerError, ledger_path

    path = ledger_path(os.environ)
    if path is None or not _may_exist(path):
        yield None
        return
    try:
        ledger = Ledger.open(path)
        try:
            yield ledger
        finally:
            ledger.close()
    except LedgerError as error:
        away = "Name another ledger with IMAGECLI_LEDGER, or move this one away: the next run makes a new one."
        what = f", so {word} can't be looked up" if word else ""
        reason = f"the ledger {printable(path)} can't be read{what}: {error}"
        raise UsageProblem(reason, hint=error.hint or away) from error


def _may_exist(path: str) -> bool:
    """Return whether there is a file, or something that keeps from seeing that there is none."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def sha256_of(path: str) -> str:
    """Return the sha256 of a file, in hex.

    Raises:
        UsageProblem: it can't be read.
    """
    import hashlib

    digest = hashlib.sha256()
    name = printable(path)
    try:
        if os.path.isdir(path):
            raise UsageProblem(f"{name} is a folder, not an image", hint="Name images in it.")
        if not os.path.isfile(path):  # a pipe could be read only once, and a device for ever
            os.stat(path)
            raise UsageProblem(f"{name} is not a file", hint="Name an image file.")
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except FileNotFoundError:
        what = f"{name} does not exist" if path else "the name of an image is empty"
        from imagecli.disk import path_hint

        raise UsageProblem(what, hint=path_hint(path, "Check the path.")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageProblem(f"{name} can't be read: {reason}", hint="Check the path and its permissions.") from error
    return digest.hexdigest()
