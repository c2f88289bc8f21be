"""What is wrong with a job file: all of it, told at once, with line numbers."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.types import IMAGE_EXTENSIONS
from imagecli.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_SHOWN = 20
OURS = ".imagecli"
"""The folder in DIR that holds the journal."""
_HEAD = 4096
_SURE = frozenset({"png", "jpeg", "webp", "gif", "bmp", "avif"})
"""Kinds of file that are told by their first bytes and can be read; others are opened."""
_OPEN = ".{ext}"
_MOST_NAME = 200
"""Bytes of a name; file systems take 255, and numbers and other endings are added."""
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


class Mistakes:
    """What is wrong, by line; the first are told, the others counted."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: list[tuple[int, str]] = []
        self.count = 0

    def add(self, line: int, words: str) -> None:
        """Add what is wrong with a line."""
        self.count += 1
        if len(self._first) < _MOST_SHOWN:
            self._first.append((line, words))

    def error(self, name: str) -> UsageProblem:
        """Return the error that tells them; `name` is the job file's."""
        what = "1 mistake" if self.count == 1 else f"{self.count:,} mistakes"
        lines = [f"line {line}: {words}" for line, words in sorted(self._first, key=lambda each: each[0])]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines):,} more")
        return UsageProblem(
            "\n".join([f"{printable(name)} has {what}; nothing was sent", *lines]), hint="Correct the job file."
        )


class Warnings:
    """The warnings of many jobs: each once, with how many jobs it is about."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: Counter[str] = Counter()

    def add(self, warnings: Iterable[str], jobs: int = 1) -> None:
        """Add the warnings of so many jobs."""
        for each in warnings:
            self._counts[each] += jobs

    def texts(self) -> tuple[str, ...]:
        """Return each, with the number of jobs where they are several."""
        return tuple(each if n == 1 else f"{each} ({n:,} jobs)" for each, n in self._counts.items())


class Outputs:
    """The names that jobs have claimed below DIR."""

    def __init__(self, folder: str) -> None:
        """Take DIR, which need not exist."""
        self.folder = folder
        """DIR."""
        self._taken: dict[str, int] = {}
        """Name → line."""
        self._open: dict[str, int] = {}
        """Name before an extension that is not known yet → line."""
        self._stems: dict[str, int] = {}
        """The same of names with an image's extension."""
        self._parents: dict[str, str | None] = {}
        """Folder below DIR, as names are compared → what is wrong with it."""
        self._links: dict[str, frozenset[str]] = {}

    def mistake_of(self, output: str) -> str | None:
        """Return what is wrong with an output as such; None where it lies below DIR."""
        shown = quoted(output)
        if output.startswith("/"):
            return f"the output {shown} is not relative to the folder of -o"
        parent, _, name = output.rpartition("/")
        if parent not in self._parents:
            self._parents[parent] = self._mistake_of_folder(parent, shown)
        if (mistake := self._parents[parent]) is not None:
            return mistake
        if (mistake := _mistake_of_name(name, shown)) is not None:
            return mistake
        if not parent and _same(name) == OURS:
            return f"the output {shown} is imagecli's own: name another"
        stem = name.removesuffix(_OPEN)
        links = self._links[parent]
        if links and (name in links or (stem != name and any(f"{stem}.{each}" in links for each in IMAGE_EXTENSIONS))):
            return f"the output {shown} is a link that leads out of the folder"
        return None

    def claim(self, names: Iterable[str], line: int) -> int | None:
        """Claim the names of a job's files; return the line that has claimed one of them already.

        Names are the same where a file system that knows no case, or other forms of letters, takes them for one.
        """
        for name in names:
            same = _same(name)
            if name.endswith(_OPEN):
                stem = same[: -len(_OPEN)]
                other = self._open.setdefault(stem, line)
                other = other if other != line else self._stems.get(stem, line)
            else:
                stem, _, extension = same.rpartition(".")
                other = self._taken.setdefault(same, line)
                if extension in IMAGE_EXTENSIONS:
                    self._stems.setdefault(stem, line)
                    other = other if other != line else self._open.get(stem, line)
            if other != line:
                return other
        return None

    def folders_taken(self) -> Iterable[tuple[int, str]]:
        """Yield the line of each output that is a folder of another, and its name."""
        for parent in self._parents:
            folder = _same(parent)
            while folder:
                if folder in self._taken:
                    yield self._taken[folder], folder
                folder = folder.rpartition("/")[0]

    def _mistake_of_folder(self, parent: str, shown: str) -> str | None:
        self._links[parent] = frozenset()
        if re.match(r"[A-Za-z]:", parent):
            return f"the output {shown} is not relative to the folder of -o"
        parts = parent.split("/") if parent else []
        if ".." in parts:
            return f"the output {shown} leads out of the folder of -o"
        for part in parts:
            if part in {"", "."}:
                return f"the output {shown} has an empty part or a dot for one"
            if (mistake := _mistake_of_name(part, shown)) is not None:
                return mistake
        if parts and _same(parts[0]) == OURS:
            return f"the output {shown} is in a folder that is imagecli's own: name another"
        root = os.path.realpath(self.folder)
        whole = os.path.join(self.folder, *parts)
        if not _is_within(os.path.realpath(whole), root):
            return f"the output {shown} leads out of the folder of -o, by a link"
        for index in range(1, len(parts) + 1):
            above = os.path.join(self.folder, *parts[:index])
            if os.path.lexists(above) and not os.path.isdir(above):
                return f"the output {shown} needs a folder where there is a file: {printable(above)}"
        self._links[parent] = _links_out(whole, root)
        return None


def _links_out(folder: str, root: str) -> frozenset[str]:
    """Return the names in a folder that are links to a place outside of `root`."""
    try:
        with os.scandir(folder) as entries:
            links = [entry.name for entry in entries if entry.is_symlink()]
    except OSError:  # not there yet
        return frozenset()
    return frozenset(each for each in links if not _is_within(os.path.realpath(os.path.join(folder, each)), root))


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _mistake_of_name(name: str, shown: str) -> str | None:
    if name.isascii() and name.isprintable() and len(name) < _MOST_NAME and not {*name} & {*'\\:<>"|?*'}:
        pass
    elif "\\" in name:
        return f"the output {shown} has a backslash: folders are separated by /"
    elif re.match(r"[A-Za-z]:", name):
        return f"the output {shown} is not relative to the folder of -o"
    elif not name.isprintable():
        return f"the output {shown} has a character that can't be shown"
    elif len(name.encode("utf-8", "replace")) > _MOST_NAME:
        return f"the output {shown} is longer than a file's name may be"
    if name in {"", ".", ".."} or name.removesuffix(_OPEN) in {"", ".", ".."}:
        return f"the output {shown} does not name a file"
    if _DEVICES.match(name):
        return f"the output {shown} is the name of a device on Windows"
    return None


def _same(name: str) -> str:
    """Return what two names have in common that some file system takes for one."""
    if name.isascii():
        return name.lower().rstrip(". ")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold()).rstrip(". ")


class Files:
    """The input files of many jobs, each looked at once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sums: dict[str, str | UsageProblem] = {}

    def sha256(self, path: str, *, image: bool = True) -> str:
        """Return the sha256 of a file, in hex; of an image, its first bytes are held to be one's.

        Raises:
            UsageProblem: it is missing, can't be read, or is not an image.
        """
        found = self._sums.get(path)
        if found is None:
            try:
                found = self._sums[path] = _sum_of(path, image=image)
            except UsageProblem as error:
                found = self._sums[path] = error
        if isinstance(found, UsageProblem):
            raise found
        return found


def _sum_of(path: str, *, image: bool) -> str:
    from imagecli.images.sniffing import sniff

    try:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                head = file.read(_HEAD)
                if not image or sniff(head) in _SURE:
                    file.seek(0)
                    return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        pass  # whose reason is told below
    from imagecli.inputs import read_image

    read_image(path, None)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageProblem(f"{printable(path)} can't be read: {error.strerror}") from error
