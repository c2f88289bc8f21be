"""What the pictures will be called: the forms of `-o`, its template fields, and which names are taken.

Paths are spelt as the user spelt them: nothing is made absolute or tidied up.
"""

from __future__ import annotations

import os
import re
import string
import time
import unicodedata
from dataclasses import dataclass

from imagecli.errors import UsageProblem
from imagecli.schema import IMAGE_EXTENSIONS

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
        head, tail = os.path.split(self.text)
        stem, dot, extension = tail.rpartition(".")
        if not stem:
            stem, dot, extension = tail, "", ""
        return Name(os.path.join(head, f"{stem}-{number}{dot}{extension}"))


def slug(text: str) -> str:
    """Make words fit for a file name: letters and digits of any script, lower case, joined by hyphens."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().replace("_", " "))
    made = "-".join(words)[:_SLUG_LENGTH]
    while len(made.encode("utf-8", "ignore")) > _SLUG_BYTES:
        made = made[:-1]
    return made.encode("utf-8", "ignore").decode().strip("-") or "image"


def plan(output: str | None, count: int, facts: Facts, *, next_free: bool) -> list[Name]:
    """Return the names of `count` images.

    Args:
        output: `-o` as it was typed; None for the default in the working folder.
        count: how many images.
        facts: what the template's fields stand for.
        next_free: for default names and folders, pass over names that are taken.

    Raises:
        UsageProblem: the template has an unknown field or a lonely brace, or the name is no name.
    """
    if output is not None and not output:
        raise UsageProblem("the output's name is empty", hint="Give -o a file, a folder or a template.")
    if output is not None and "\0" in output:
        raise UsageProblem("the output's name has a NUL byte in it", hint="Give -o another name.")
    if output is None or output.endswith("/") or os.path.isdir(output):
        base = Name(os.path.join(output or "", f"{facts.slug}.{_EXT}"))
        return _default_names(base, count, next_free=next_free)
    if "{" in output or "}" in output:
        names = [Name(_render(output, facts, n)) for n in range(1, count + 1)]
        if count > 1 and len(set(names)) < count:
            return [name.numbered(n) for n, name in enumerate(names, 1)]
        return names
    name = Name(output)
    return [name] if count == 1 else [name.numbered(n) for n in range(1, count + 1)]


def asked_format(output: str | None) -> str | None:
    """Return the format that a file's name asks for: "png", "jpeg", "webp", "gif" or "svg"."""
    if output is None or output == "-" or output.endswith("/"):
        return None
    extension = os.path.splitext(output)[1].lower().removeprefix(".")
    return {"jpg": "jpeg"}.get(extension, extension) if extension in IMAGE_EXTENSIONS else None


def extension_of(picture_format: str | None) -> str:
    """Return the extension for a format found in a picture's bytes."""
    return {"jpeg": "jpg", None: "bin"}.get(picture_format, picture_format or "bin")


def _default_names(base: Name, count: int, *, next_free: bool) -> list[Name]:
    names: list[Name] = []
    number = 1
    while len(names) < count:
        name = base if number == 1 else base.numbered(number)
        if not next_free or name.taken_by() is None:
            names.append(name)
        number += 1
    return names


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
