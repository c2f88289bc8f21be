"""What is written down of a run before it sends, so that a later one can save its images under the same names."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.images.types import parse_size
from imagecli.saving.names import NameFields, Names, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.images.types import Size

_LATEST = 250_000_000_000.0
"""Seconds since 1970 before the year 9999."""


_COMMANDS = frozenset({"gen", "edit", "vary"})


class RunRecord(NamedTuple):
    """A run, as far as its images' names and its server go."""

    command: str = "gen"
    profile: str | None = None
    base_url: str = ""
    model: str | None = None
    slug: str = "image"
    hash: str = ""
    route: str = ""
    """What its requests were for, in OpenAI's words; "": not known."""
    output: str | None = None
    """-o as it was typed."""
    folder: str = ""
    """The working folder."""
    parts: tuple[str, ...] = ()
    """The folders that the images go to."""
    numbers: tuple[int, ...] = ()
    """What tells the planned names apart, that of the first image first."""
    started: float = 0.0
    """Seconds since 1970."""
    also: tuple[str, ...] = ()
    """The further sizes of each image, as WxH."""
    options: Mapping[str, Any] = {}
    """What says how its images are finished, by the flags' names; empty: they are saved as they come."""
    files: tuple[Mapping[str, Any], ...] = ()
    """The inputs that this takes: path, sha256, and what each is."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> RunRecord:
        """Return the record in a document; what is missing there, or of another type, is as if nothing were known."""
        known: dict[str, Any] = {}
        for name, default in cls._field_defaults.items():
            value = document.get(name)
            if isinstance(default, tuple) and isinstance(value, list):
                wanted: type = {"numbers": int, "files": dict}.get(name, str)
                known[name] = tuple(each for each in value if type(each) is wanted)
            elif name == "options" and isinstance(value, dict):
                known[name] = value
            elif isinstance(value, str if default is None else type(default)) and _is_possible(value):
                known[name] = slug(value) if name in {"slug", "hash"} and value else value
        if known.get("command") not in _COMMANDS:
            known.pop("command", None)
        return cls(**known)

    @property
    def fields(self) -> NameFields:
        """What the fields of a template stand for."""
        return NameFields(self.slug, self.model or "model", self.hash, time.localtime(self.started))

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The further sizes of each image, in pixels."""
        return tuple(size for size in map(parse_size, self.also) if size is not None)

    @property
    def path(self) -> str | None:
        """-o as it reads from here."""
        output = self.output
        if self.folder and self.folder != _working_folder():
            is_template = output is not None and ("{" in output or "}" in output)
            folder = self.folder.replace("{", "{{").replace("}", "}}") if is_template else self.folder
            output = os.path.join(folder, output or "")
        return output

    def names(self) -> Names:
        """Return the names that the run had planned; in the working folder where those can't be told any more."""
        count = max(1, len(self.numbers))
        try:
            names = Names(self.path, count, self.fields, next_free=False, also=self.sizes)
        except UsageProblem:
            names = Names(None, count, self.fields, next_free=False, also=self.sizes)
        names.numbers = self.numbers or names.numbers
        return names


def _is_possible(value: object) -> bool:
    """Return whether a file's name may hold a text, or a clock may show a time."""
    if isinstance(value, str):
        try:
            return b"\0" not in os.fsencode(value)
        except UnicodeEncodeError:
            return False
    return isinstance(value, float) and 0 <= value < _LATEST


def record_of(names: Names | None, subject: str, **run: Any) -> RunRecord:  # noqa: ANN401 - the other fields of a RunRecord
    """Return the record of the run whose images have these names; None: they go to standard output."""
    record = RunRecord(started=time.time(), slug=slug(subject), folder=_working_folder(), **run)
    if names is None or not record.folder:
        return record
    fields = names.fields
    folders = dict.fromkeys(os.path.abspath(name.folder) for name in names)
    return record._replace(
        slug=fields.slug,
        hash=fields.hash,
        output=names.output,
        numbers=tuple(names.numbers),
        parts=tuple(folders),
        also=tuple("{}x{}".format(*size) for size in names.also),
    )


def _working_folder() -> str:
    """Return the working folder, "" where it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""
