"""The names of the jobs' files: below the run's folder, and no two the same."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.types import IMAGE_EXTENSIONS
from imagecli.saving.names import names_for, slug
from imagecli.text import printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagecli.images.types import Size

OURS = ".imagecli"
"""The folder in the run's folder that holds the journal."""
OPEN = ".{ext}"
"""The end of a name whose extension comes from the image's bytes."""
_PLAIN = re.compile(r"[\w(+][\w .,;&'()+=#{}-]{0,150}", re.ASCII)
"""Names with nothing to look at twice."""
_MOST_NAME = 200
"""Bytes of a name; file systems take 255, and numbers and other endings are added."""
_FIELD = re.compile(r"\{\{|\}\}|\{\w+\}")
_ABSOLUTE = re.compile(r"/|~|[A-Za-z]:[/\\]")


def output_of(said: str | None, given: str | None, hashed: str, subject: str) -> str:
    """Return the output of a job, with the fields filled in that are known before its plan.

    Args:
        said: what its line says; None: it says nothing. One that ends in / is a folder.
        given: the id that its line gives; None: it gives none.
        hashed: the hash that stands for the job.
        subject: what {slug} is made from.
    """
    if said is None or said.endswith("/"):
        name = f"{slug(subject)}-{hashed}" if given is None else escaped(given)
        return f"{said or ''}{name}{OPEN}"
    if "{" not in said:
        return said
    known = {"{id}": hashed if given is None else given, "{hash}": hashed, "{slug}": slug(subject)}
    return _FIELD.sub(lambda field: escaped(known[field[0]]) if field[0] in known else field[0], said)


def escaped(text: str) -> str:
    """Return a text as it stands in a template."""
    return text.replace("{", "{{").replace("}", "}}")


class Outputs:
    """The names that jobs have claimed in the run's folder."""

    def __init__(self, folder: str) -> None:
        """Take the folder, which need not exist.

        Raises:
            UsageProblem: it is relative to a working folder that was removed.
        """
        try:
            self._folder = os.path.abspath(folder)
            self._root = os.path.realpath(folder)
        except FileNotFoundError as error:
            raise UsageProblem(
                f"the working folder was removed, so {printable(folder)} is nowhere",
                hint="Go to a folder that is there, or give -o an absolute path.",
            ) from error
        self._taken: dict[str, int] = {}
        """Name → line."""
        self._open: dict[str, int] = {}
        """Name before an extension that is not known yet → line."""
        self._stems: dict[str, int] = {}
        """The same of names with an image's extension."""
        self._parents: dict[str, str | None] = {}
        """Folder below the run's → what is wrong with it."""
        self._there: dict[str, dict[str, str]] = {}
        """The same → what is in it that can't be written → why."""

    def path(self, output: str) -> str:
        """Return the whole path of an output, as -o takes it."""
        return os.path.join(escaped(self._folder), output)

    def claim(  # noqa: PLR0913 - all that a name can be made of
        self, output: str, line: int, *, subject: str, model: str | None, count: int, also: tuple[Size, ...]
    ) -> None:
        """Claim the names of a job's files.

        Args:
            output: the job's.
            line: where it stands.
            subject: what {slug} is made from.
            model: the name of its model.
            count: how many images it makes.
            also: the further sizes of each.

        Raises:
            UsageProblem: they can't be names here, or another job has claimed one.
        """
        stem, _, extension = output.rpartition(".")
        names: Iterable[str] = (output,)
        if (
            count > 1
            or also
            or "{" in stem
            or "}" in stem
            or not (extension == "{ext}" or extension in IMAGE_EXTENSIONS)
        ):
            names = self._names(output, subject, model, count, also)
        for name in names:
            wrong = self._wrong(name)
            if wrong is not None:
                raise UsageProblem(f"the output {quoted(name)} {wrong}")
        other = next(filter(None, (self._other(name, line) for name in names)), None)
        if other is not None:
            raise UsageProblem(
                f"the output {quoted(output)} is also that of line {other}", hint="Give each job an output of its own."
            )

    def folders_taken(self) -> Iterator[tuple[int, str]]:
        """Yield each output that is the folder of another: its line, and its name."""
        for parent in self._parents:
            folder = _same(parent)
            while folder:
                stem, _, extension = folder.rpartition(".")
                line = self._taken.get(folder) or (self._open.get(stem) if extension in IMAGE_EXTENSIONS else None)
                if line is not None:
                    yield line, folder
                folder = folder.rpartition("/")[0]

    def _names(self, output: str, subject: str, model: str | None, count: int, also: tuple[Size, ...]) -> list[str]:
        """Return the names of several images, or of one whose name has fields, below the folder."""
        above = os.path.join(self._folder, "")
        try:
            names = names_for(self.path(output), subject, model, count=count, next_free=False, also=also)
        except UsageProblem as error:
            raise UsageProblem(error.message.replace(above, ""), hint=error.hint) from error
        return [each.path("{ext}").removeprefix(above) for n in range(1, names.count + 1) for each in names.files(n)]

    def _other(self, name: str, line: int) -> int | None:
        """Claim a name; return the line that has claimed it already.

        Names are the same where a file system that knows no case, or other forms of letters, takes them for one.
        """
        same = _same(name)
        if name.endswith(OPEN):
            stem = same[: -len(OPEN)]
            others = self._open.setdefault(stem, line), self._stems.get(stem, line)
        else:
            stem, _, extension = same.rpartition(".")
            others = self._taken.setdefault(same, line), line
            if extension in IMAGE_EXTENSIONS:
                self._stems.setdefault(stem, line)
                others = others[0], self._open.get(stem, line)
        return next((other for other in others if other != line), None)

    def _wrong(self, name: str) -> str | None:
        """Return what is wrong with a name; None where it lies below the folder, and can be written."""
        if _ABSOLUTE.match(name):
            return "is not relative to the folder of -o"
        parent, _, last = name.rpartition("/")
        if parent not in self._parents:
            self._parents[parent] = self._wrong_parent(parent)
        wrong = self._parents[parent] or _wrong_name(last)
        if wrong is not None:
            return wrong
        if not parent and _same(last) == OURS:
            return "is imagecli's own: name another"
        there = self._there.get(parent)
        if not there:
            return None
        stem = name.removesuffix(OPEN).rpartition("/")[2]
        names = [last] if stem == last else [f"{stem}.{each}" for each in IMAGE_EXTENSIONS]
        return next((there[each] for each in names if each in there), None)

    def _wrong_parent(self, parent: str) -> str | None:
        parts = parent.split("/") if parent else []
        wrong = next(filter(None, map(_wrong_name, parts)), None)
        if wrong is not None:
            return wrong
        if parts and _same(parts[0]) == OURS:
            return "is in a folder that is imagecli's own: name another"
        whole = os.path.join(self._folder, *parts)
        if not _is_within(os.path.realpath(whole), self._root):
            return "leads out of the folder of -o, by a link"
        for index in range(1, len(parts) + 1):
            above = os.path.join(self._folder, *parts[:index])
            if os.path.lexists(above) and not os.path.isdir(above):
                return f"needs a folder where there is a file: {printable(above)}"
        self._there[parent] = self._unwritable(whole)
        return None

    def _unwritable(self, folder: str) -> dict[str, str]:
        """Return what lies in a folder and can't be replaced by an image, each with the reason."""
        found = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        continue
                    if not _is_within(os.path.realpath(entry.path), self._root):
                        found[entry.name] = "is a link that leads out of the folder of -o"
                    elif not entry.is_file() and not entry.is_symlink():
                        found[entry.name] = "is not a file: end it in / for a name in a folder"
        except OSError:  # not there yet
            return {}
        return found


def leads_out(folder: str, name: str) -> bool:
    """Return whether a file would not lie below a folder, or in what is ours there: by its name, or by a link.

    A folder may come from somebody else, with the names in its journal.
    """
    parent, parts = os.path.dirname(name), name.split("/")
    if _ABSOLUTE.match(name) or ".." in parts or "\\" in name or "\0" in name or _same(parts[0]) == OURS:
        return True
    return not _is_within(os.path.realpath(os.path.join(folder, parent)), os.path.realpath(folder))


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ""))


def _wrong_name(name: str) -> str | None:
    """Return what is wrong with a part of a path."""
    if _PLAIN.fullmatch(name):
        return None
    found = {
        "leads out of the folder of -o": name == "..",
        "does not name a file, or has a dot or nothing for a folder": name.removesuffix(OPEN) in {"", ".", ".."},
        "has a backslash: folders are separated by /": "\\" in name,
        "has a character that can't be shown": not name.isprintable(),
        "is longer than a file's name may be": len(name.encode("utf-8", "surrogateescape")) > _MOST_NAME,
    }
    return next((words for words, is_so in found.items() if is_so), None)


def _same(name: str) -> str:
    """Return what two names have in common that some file system takes for one."""
    if name.isascii():
        return name.lower().rstrip(". ")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold()).rstrip(". ")
