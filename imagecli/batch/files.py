"""The input files of many jobs, each looked at once."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.inputs import read_image, read_prompt
from imagecli.text import printable

if TYPE_CHECKING:
    from imagecli.images.types import Size


class Seen(NamedTuple):
    """What is known of an image."""

    sha256: str
    """Of its file, in hex."""
    size: Size
    """Upright, in pixels."""


class Files:
    """Input files; what was wrong with one is raised each time."""

    def __init__(self) -> None:
        """Begin with none."""
        self._images: dict[tuple[str, int | None], Seen | UsageProblem] = {}
        self._prompts: dict[str, str | UsageProblem] = {}

    def image(self, path: str, max_pixels: int | None) -> Seen:
        """Look at an image.

        Raises:
            UsageProblem: it is missing, can't be read, or is not an image.
        """
        key = (path, max_pixels)
        if key not in self._images:
            try:
                self._images[key] = _look_at(path, max_pixels)
            except UsageProblem as error:
                self._images[key] = error
        found = self._images[key]
        if isinstance(found, UsageProblem):
            raise UsageProblem(found.message, hint=found.hint)
        return found

    def prompt(self, path: str) -> str:
        """Read a prompt.

        Raises:
            UsageProblem: it can't be read.
        """
        if path not in self._prompts:
            try:
                _refuse_pipe(path)
                self._prompts[path] = read_prompt(path)
            except UsageProblem as error:
                self._prompts[path] = error
        found = self._prompts[path]
        if isinstance(found, UsageProblem):
            raise UsageProblem(found.message, hint=found.hint)
        return found


def _look_at(path: str, max_pixels: int | None) -> Seen:
    _refuse_pipe(path)
    size = read_image(path, max_pixels).size
    try:
        with open(path, "rb") as file:
            return Seen(hashlib.file_digest(file, "sha256").hexdigest(), size)
    except OSError as error:
        raise UsageProblem(f"{printable(path)} can't be read: {error.strerror}") from error


def _refuse_pipe(path: str) -> None:
    """Refuse a pipe: it is read now, and again when the job's turn comes.

    Raises:
        UsageProblem: it is one.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise UsageProblem(f"{printable(path)} is not a regular file, so it can't be read again", hint="Save it first.")
