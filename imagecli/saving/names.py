"""What the pictures will be called: the forms of `-o`, its template fields, and which names are taken.

Paths are spelt as the user spelt them: nothing is made absolute or tidied up.
"""

from __future__ import annotations

import itertools
import os
import re
import time
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagecli.errors import UsageProblem
from imagecli.images.types import IMAGE_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = ("slug", "n", "model", "date", "time", "hash", "ext")
_SLUG_LENGTH = 60
_SLUG_BYTES = 120
_EXT = "\0ext\0"  # stands in a rendered name for the extension that is not known yet


@dataclass(frozen=True, slots=True)
class Facts:
    """What the fields of a template stand for in one run."""

    slug: str
    model: str
    hash: str
    now: time.struct_time


@dataclass(frozen=True, slots=True)
class Name:
    """One image's name; where its extension is open, the picture's bytes will tell it."""

    text: str

    @property
    def is_open(self) -> bool:
        """Whether the extension is still to come."""
        return _EXT in self.text

    def path(self, extension: str) -> str:
        """Return the path for a picture with this extension (without the dot)."""
        return self.text.replace(_EXT, extension)

    @property
    def folder(self) -> str:
        """The folder that it lies in, "." for the working folder."""
        return os.path.dirname(self.path("png")) or "."

    def taken_by(self) -> str | None:
        """Return the path that has this name already; any image's extension counts where it is open."""
        extensions = IMAGE_EXTENSIONS if self.is_open else ("",)
        return next((path for path in map(self.path, extensions) if os.path.lexists(path)), None)

    def numbered(self, number: int) -> Name:
        """Return the name with `-number` before its extension."""
        folder, stem, extension = self._parts()
        return Name(os.path.join(folder, f"{stem}-{number}{extension}"))

    def partial(self, number: int | None, again: int = 1) -> Name:
        """Return the name for the partial image of this number, or for the one that is all there is.

        `again` is 2, 3, … for those that come where the names before it are taken.
        """
        folder, stem, _ = self._parts()
        which = ("" if number is None else f"-{number}") + ("" if again == 1 else f".{again}")
        return Name(os.path.join(folder, f"{stem}.partial{which}.{_EXT}"))

    def _parts(self) -> tuple[str, str, str]:
        """Return folder, stem, and extension with its dot."""
        folder, tail = os.path.split(self.text)
        stem, dot, extension = tail.rpartition(".")
        return (folder, stem, dot + extension) if stem else (folder, tail, "")


def slug(text: str) -> str:
    """Make words fit for a file name: letters and digits of any script, lower case, joined by hyphens."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().replace("_", " "))
    made = "-".join(words)[:_SLUG_LENGTH]
    while len(made.encode("utf-8", "ignore")) > _SLUG_BYTES:
        made = made[:-1]
    return made.encode("utf-8", "ignore").decode().strip("-") or "image"


class Names:
    """The names of a run's images: those that were planned, and those that follow when something comes in between."""

    def __init__(self, output: str | None, count: int, facts: Facts, *, next_free: bool) -> None:
        """Plan the names of `count` images.

        Args:
            output: `-o` as it was typed; None for the default in the working folder.
            count: how many images.
            facts: what the template's fields stand for.
            next_free: for default names and folders, pass over names that are taken.

        Raises:
            UsageProblem: the template has an unknown field or a lonely brace, or the name is no name.
        """
        if output is not None and (not output or "\0" in output):
            raise UsageProblem("the output's name is no name", hint="Give -o a file, a folder or a template.")
        self.count = count
        self._facts = facts
        self._template: str | None = None
        if output is not None and ("{" in output or "}" in output):
            self._template = output
            self._base = Name(_render(output, facts, 1))
            if _is_folder(self._base.text):
                self._template, output = None, self._base.text
        self._default = output is None or (self._template is None and _is_folder(output))
        if self._default:
            self._base = Name(os.path.join(output or "", f"{facts.slug}.{_EXT}"))
        elif output is not None and self._template is None:
            self._base = Name(output)
        if self._template is not None and _render(self._template, facts, 2) == self._base.text:
            self._template = None
        self._numbers: list[int] = []
        number = 1
        while len(self._numbers) < count:
            if not (self._default and next_free) or self._at(number).taken_by() is None:
                self._numbers.append(number)
            number += 1

    def __iter__(self) -> Iterator[Name]:
        """Yield the planned names, that of the first image first."""
        return map(self._at, self._numbers)

    def name(self, n: int) -> Name:
        """Return the name of image `n`, also of one that was not planned."""
        return self._at(self._numbers[n - 1] if n <= self.count else self._numbers[-1] + n - self.count)

    def following(self) -> Iterator[Name]:
        """Yield the names behind the planned ones."""
        return map(self._at, itertools.count(self._numbers[-1] + 1))

    def _at(self, number: int) -> Name:
        if self._template is not None:
            return Name(_render(self._template, self._facts, number))
        plain = number == 1 and (self._default or self.count == 1)
        return self._base if plain else self._base.numbered(number)


def _is_folder(path: str) -> bool:
    return path.endswith("/") or os.path.basename(path) in {".", ".."} or os.path.isdir(path)


def asked_format(output: str | None) -> str | None:
    """Return the format that a file's name asks for: "png", "jpeg", "webp", "gif" or "svg"."""
    if output is None or output == "-" or _is_folder(output):
        return None
    extension = os.path.splitext(output)[1].lower().removeprefix(".")
    return {"jpg": "jpeg"}.get(extension, extension) if extension in IMAGE_EXTENSIONS else None


def extension_of(picture_format: str | None) -> str:
    """Return the extension for a format found in a picture's bytes."""
    return {"jpeg": "jpg", None: "bin"}.get(picture_format, picture_format or "bin")


def _render(template: str, facts: Facts, n: int) -> str:
    values = {
        "slug": facts.slug,
        "n": str(n),
        "model": re.sub(r"[^\w.-]+", "-", facts.model).strip("-.") or "model",
        "date": time.strftime("%Y-%m-%d", facts.now),
        "time": time.strftime("%H-%M-%S", facts.now),
        "hash": facts.hash,
        "ext": _EXT,
    }
    import string

    made = ""
    try:
        for literal, field, spec, conversion in string.Formatter().parse(template):
            made += literal
            if field is None:
                continue
            if field not in values or spec or conversion:
                raise UsageProblem(
                    f"{{{field}}} is no field of an output's name",
                    hint=f"There are {', '.join(f'{{{name}}}' for name in FIELDS)}; {{{{ and }}}} stand for braces.",
                )
            made += values[field]
    except ValueError as error:
        raise UsageProblem(
            f"the output's name {template} has a lonely brace",
            hint="Write {{ and }} for braces that are meant as such.",
        ) from error
    return made
