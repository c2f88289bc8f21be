"""The names of the files: the forms of `-o`, its template fields, and which names are taken.

Paths are spelt as the user spelt them: nothing is made absolute or normalised.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.images.types import IMAGE_EXTENSIONS, SAVED_EXTENSIONS, SIDECAR, UNMADE_EXTENSIONS
from imagecli.text import or_meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.types import Size

FIELDS = ("slug", "n", "model", "date", "time", "hash", "ext")
_SLUG_LENGTH = 60
_SLUG_BYTES = 120
_MOST_BYTES = 255
"""Of a name, in nearly all file systems."""
_LONGEST_EXTENSION = "webp"
_EXT = "\0ext\0"  # stands in a rendered name for the extension that is not known yet


class NameFields(NamedTuple):
    """What the fields of a template stand for in one run."""

    slug: str
    model: str
    hash: str
    now: time.struct_time


class Name(NamedTuple):
    """One image's name; where its extension is open, it comes from the image's bytes."""

    text: str

    @property
    def is_open(self) -> bool:
        """Whether the extension is still to come."""
        return _EXT in self.text

    def path(self, extension: str) -> str:
        """Return the path for an image with this extension (without the dot)."""
        return self.text.replace(_EXT, extension)

    @property
    def folder(self) -> str:
        """The folder that it lies in, "." for the working folder."""
        return os.path.dirname(self.path("png")) or "."

    def taken_by(self) -> str | None:
        """Return the path that exists under this name; any image extension counts where it is open."""
        extensions = SAVED_EXTENSIONS if self.is_open else ("",)
        return next((path for path in map(self.path, extensions) if os.path.lexists(path)), None)

    def numbered(self, number: int, *, cut: bool = False) -> Name:
        """Return the name with `-number` before its extension; `cut` leaves out what a folder would not take of it."""
        return self._with(f"-{number}", cut=cut)

    def sized(self, size: Size, *, cut: bool = False) -> Name:
        """Return the name with the size before its extension, cat.64x64.png; `cut` as for `numbered`."""
        return self._with(f".{size[0]}x{size[1]}", cut=cut)

    @classmethod
    def of(cls, path: str, planned: Name) -> Name:
        """Return the name of a file, with an open extension where the planned name has one."""
        return cls(f"{os.path.splitext(path)[0]}.{_EXT}" if planned.is_open else path)

    def partial(self, number: int | None, again: int = 1) -> Name:
        """Return the name for the partial image of this number, or for the one that is all that came.

        `again` is 2, 3, … where the names before it are taken.
        """
        which = ("" if number is None else f"-{number}") + ("" if again == 1 else f".{again}")
        return self._with(f".partial{which}", f".{_EXT}", cut=True)

    def sidecar(self, number: int = 1) -> Name:
        """Return the name of the file that says what made an image of this name; of the second one, if need be."""
        return Name(f"{self.text}{'' if number == 1 else f'-{number}'}{SIDECAR}")

    def _with(self, suffix: str, extension: str | None = None, *, cut: bool) -> Name:
        """Return the name with a suffix behind its stem."""
        folder, stem, own = self._parts()
        suffix += own if extension is None else extension
        room = _MOST_BYTES - len(os.fsencode(suffix.replace(_EXT, _LONGEST_EXTENSION)))
        while cut and len(stem) > 1 and len(os.fsencode(stem)) > room:
            stem = stem[:-1]
        return Name(os.path.join(folder, stem + suffix))

    def _parts(self) -> tuple[str, str, str]:
        """Return folder, stem, and extension with its dot."""
        folder, tail = os.path.split(self.text)
        stem, dot, extension = tail.rpartition(".")
        return (folder, stem, dot + extension) if stem else (folder, tail, "")


def slug(text: str) -> str:
    """Return a text as part of a file name: letters and digits of any script, lower case, joined by hyphens."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", text).lower().replace("_", " "))
    made = "-".join(words)[:_SLUG_LENGTH]
    while len(made.encode("utf-8", "ignore")) > _SLUG_BYTES:
        made = made[:-1]
    return made.encode("utf-8", "ignore").decode().strip("-") or "image"


class Names:
    """The names of a run's images: those that were planned, and those that follow where one has been taken since."""

    def __init__(  # noqa: PLR0913 - all that a name can be made of
        self,
        output: str | None,
        count: int,
        fields: NameFields,
        *,
        next_free: bool,
        also: tuple[Size, ...] = (),
        sidecar: bool = False,
    ) -> None:
        """Plan the names of `count` images.

        Args:
            output: `-o` as it was typed; None for the default in the working folder.
            count: how many images.
            fields: what the template's fields stand for.
            next_free: for default names and folders, skip names that are taken.
            also: the further sizes of each image.
            sidecar: whether a file beside each image says what made it.

        Raises:
            UsageProblem: the template has an unknown field or an unmatched brace, the name can't be one, asks for a
                format that no server makes, or is a device or pipe for several images.
        """
        if output is not None and (not output or "\0" in output):
            raise UsageProblem(
                "the output's name is empty or contains a NUL byte", hint="Give -o a file, a folder or a template."
            )
        self.output = output
        self.also = also
        self.has_sidecars = sidecar
        self.count = count
        self.warning: str | None = None
        """What was added to the name that was given."""
        self.fields = fields
        self._template: str | None = None
        if output is not None and ("{" in output or "}" in output):
            self._template = output
            self._base = Name(_render(output, fields, 1))
            if _is_folder(self._base.text):
                self._template, output = None, self._base.text
        self._default = output is None or (self._template is None and _is_folder(output))
        if self._default:
            self._base = Name(os.path.join(output or "", f"{fields.slug}.{_EXT}"))
        elif output is not None and self._template is None:
            self._base = self._given(output)
        _check_extension(self._base)
        if self._template is not None and _render(self._template, fields, 2) == self._base.text:
            self._template = None
        self.passes_over = self._default and next_free
        """Whether names that are taken are passed over; so are those that are taken later."""
        free = (n for n in itertools.count(1) if not self.passes_over or self._is_free(n))
        self.numbers = tuple(itertools.islice(free, count))
        """What tells the planned names apart, that of the first image first."""

    def __iter__(self) -> Iterator[Name]:
        """Yield the planned names, that of the first image first."""
        return map(self._at, self.numbers)

    def name(self, n: int) -> Name:
        """Return the name of image `n`, also of one that was not planned."""
        if n <= self.count:
            return self._at(self.numbers[n - 1])
        return self._at(self.numbers[-1] + n - self.count, cut=True)

    def files(self, n: int) -> tuple[Name, ...]:
        """Return the names of all files of image `n`: its own, those of its further sizes, that of its sidecar."""
        return self._all_of(self.name(n))

    def existing(self) -> dict[int, str]:
        """Return the files that exist under the planned names, by the image's number; folders are not among them."""
        found = {n: name.taken_by() for n, name in enumerate(self, 1)}
        return {n: path for n, path in found.items() if path is not None and os.path.isfile(path)}

    def following(self) -> Iterator[Name]:
        """Yield the names behind the planned ones."""
        return (self._at(number, cut=True) for number in itertools.count(self.numbers[-1] + 1))

    def _given(self, output: str) -> Name:
        """Return the name that was given; names that are made from it, as there are several images, get an extension.

        Raises:
            UsageProblem: it is a device or a pipe, which can't be numbered.
        """
        if self.count > 1 and is_special(output):
            raise UsageProblem(f"{output} takes one image, not several", hint="Leave out -n, or give -o a folder.")
        if self.also and is_special(output):
            raise UsageProblem(f"{output} takes one file, and --also makes more", hint="Give -o the name of a file.")
        if self.count == 1 or os.path.splitext(output)[1]:
            return Name(output)
        self.warning = f"{output} has no extension: each image gets its format's; for a folder, write {output}/"
        return Name(f"{output}.{_EXT}")

    def _all_of(self, name: Name) -> tuple[Name, ...]:
        sidecars = (name.sidecar(),) if self.has_sidecars and not is_special(name.path("")) else ()
        return name, *(name.sized(size) for size in self.also), *sidecars

    def _is_free(self, number: int) -> bool:
        return all(name.taken_by() is None for name in self._all_of(self._at(number)))

    def _at(self, number: int, *, cut: bool = False) -> Name:
        if self._template is not None:
            return Name(_render(self._template, self.fields, number))
        plain = number == 1 and (self._default or self.count == 1)
        return self._base if plain else self._base.numbered(number, cut=cut)


def names_for(  # noqa: PLR0913 - all that a name can be made of
    output: str | None,
    subject: str,
    model: str | None,
    hashed: str = "",
    *,
    count: int = 1,
    next_free: bool = True,
    also: tuple[Size, ...] = (),
    sidecar: bool = False,
) -> Names:
    """Return the names of `count` images; now is the time that {date} and {time} stand for.

    Args:
        output: `-o` as it was typed; None for the default in the working folder.
        subject: what {slug} is made from: the prompt, or the input's name.
        model: the model's name; None where none is named.
        hashed: eight hex digits of the requests.
        count: how many images.
        next_free: for default names and folders, skip names that are taken.
        also: the further sizes of each image.
        sidecar: whether a file beside each image says what made it.

    Raises:
        UsageProblem: as `Names`.
    """
    fields = NameFields(slug(subject), model or "model", hashed, time.localtime())
    return Names(output, count, fields, next_free=next_free, also=also, sidecar=sidecar)


def _is_folder(path: str) -> bool:
    return path.endswith(("/", os.sep)) or os.path.basename(path) in {".", ".."} or os.path.isdir(path)


def is_special(path: str) -> bool:
    """Return whether a path is a device, a pipe or an open descriptor: written into, never replaced."""
    if descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def descriptor(path: str) -> int | None:
    """Return the number of the open descriptor that a path names: /dev/stderr, /dev/fd/3. A file may be behind it."""
    if path == "/dev/stderr":
        return 2
    folder, _, number = path.rpartition("/")
    return int(number) if folder in {"/dev/fd", "/proc/self/fd"} and number.isdecimal() else None


def _check_extension(name: Name) -> None:
    extension = os.path.splitext(name.text)[1].lower().removeprefix(".")
    if extension in UNMADE_EXTENSIONS:
        raise UsageProblem(
            f"{extension.upper()} can't be asked for, so {name.text} would hold another format",
            hint=f"Name it {os.path.splitext(name.text)[0]}.png and convert it, or give -o .jpg, .webp, .gif or .svg.",
        )


def asked_format(output: str | None) -> str | None:
    """Return the format that a file's name asks for: "png", "jpeg", "webp", "gif" or "svg"."""
    if output is None or output == "-" or _is_folder(output):
        return None
    extension = os.path.splitext(output)[1].lower().removeprefix(".")
    return {"jpg": "jpeg"}.get(extension, extension) if extension in IMAGE_EXTENSIONS else None


def extension_of(kind: str | None) -> str:
    """Return the extension for a format found in an image's bytes."""
    return {"jpeg": "jpg", None: "bin"}.get(kind, kind or "bin")


def _render(template: str, fields: NameFields, n: int) -> str:
    values = {
        "slug": fields.slug,
        "n": str(n),
        "model": re.sub(r"[^\w.-]+", "-", fields.model).strip("-.") or "model",
        "date": time.strftime("%Y-%m-%d", fields.now),
        "time": time.strftime("%H-%M-%S", fields.now),
        "hash": fields.hash,
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
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise UsageProblem(
                    f"{{{field}}} is not a field of an output's name{or_meant(field, FIELDS)}",
                    hint=f"The fields are {known}; write {{{{ and }}}} for literal braces.",
                )
            made += values[field]
    except ValueError as error:
        raise UsageProblem(
            f"the output's name {template} has an unmatched brace",
            hint="Write {{ and }} for literal braces.",
        ) from error
    return made
