"""Checks before anything is paid: that files can get their names, and that their folders can take them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from imagecli import system
from imagecli.disk import NO_SPACE, as_size, check_room
from imagecli.errors import UsageProblem
from imagecli.images.types import SIDECAR
from imagecli.saving.names import descriptor, is_special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagecli.saving.names import Name, Names
    from imagecli.saving.room import Room


_SIDECAR = 4096
"""Bytes of a file that says what made an image, at the least: a block of most disks."""


class Reservation:
    """The files of a run, before there is anything to write: each can get its name, and each folder can take them."""

    def __init__(self, names: Names, *, force: bool, skippable: bool) -> None:
        """Take the names of the images; `skippable`: --skip-existing would leave out those that are there."""
        self._names = names
        self._force = force
        self._skippable = skippable
        self._made: list[str] = []
        """The folders that were missing, outermost first."""

    def reserve(self, numbers: Iterable[int], room: Room, warn: Callable[[str], None], *, dry: bool) -> None:
        """Make sure that the images of these numbers can be saved; missing folders are made unless `dry`.

        Raises:
            UsageProblem: a name is taken, or its folder can't be written or has no room.
        """
        names = [name for n in numbers for name in self._names.files(n)]
        own = set(self._names)
        for name in names:
            taken = None if self._names.passes_over else name.taken_by()  # another run may have been faster
            if taken is not None and os.path.isdir(taken):
                raise UsageProblem(f"{taken} is a folder", hint="Give -o the name of a file, or end it in /.")
            if taken is not None and not self._force and not is_special(taken):
                # A further size is kept only beside its image.
                keep = " --skip-existing to keep it," if self._skippable and name in own else ""
                raise UsageProblem(f"{taken} already exists", hint=f"Use --force to replace it,{keep} or another name.")
        folders: dict[str, list[Name]] = {}
        for name in names:
            _check_descriptor(name.path(""))
            if not is_special(name.path("")):
                folders.setdefault(self.folder(name), []).append(name)
        for folder, its in folders.items():
            there = self._check_folder(folder, max(map(_length, its)), dry=dry)
            self._check_room(there, its, room, warn, dry=dry)

    def make_folder(self, name: Name) -> None:
        """Make the folder that an image of this name lies in.

        Raises:
            UsageProblem: it can't be made or written.
        """
        self._check_folder(self.folder(name), _length(name), dry=False)

    def remove_empty_folders(self) -> None:
        """Remove those that were made and that nothing came into."""
        for path in reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(path)

    def _check_room(
        self, folder: str, names: list[Name], room: Room, warn: Callable[[str], None], *, dry: bool
    ) -> None:
        beside = sum(self._names.has_sidecars and name.text.endswith(SIDECAR) for name in names)
        count = len(names) - beside
        sizes = [room.least] * count + [_SIDECAR] * beside
        try:
            free = system.free_bytes(folder)
            if dry:
                too_small = free is not None and free < sum(sizes)
            else:
                check_room(folder, sizes)
                too_small = False
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise _unwritable(folder, error) from error
            too_small = True
        images = "the image" if count == 1 else f"{count} images"
        if too_small:
            raise UsageProblem(
                f"{folder} has no room for {images}",
                hint="Nothing was sent. Make room there, or choose another place with -o.",
            )
        if free is not None and free < count * room.likely:
            warn(
                f"only {as_size(free)} are free in {folder}, and {images} may take {as_size(count * room.likely)}: "
                "what doesn't fit is kept elsewhere"
            )

    def folder(self, name: Name) -> str:
        """Return the folder that the file lies in: for --force over a link, that of the file behind it."""
        path = name.path("")
        return os.path.dirname(os.path.realpath(path)) if self._force and os.path.islink(path) else name.folder

    def _check_folder(self, folder: str, longest: int, *, dry: bool) -> str:
        """Make the folder unless `dry`, and return it, or what there is of it."""
        try:
            there = folder
            while not os.path.isdir(there):
                if os.path.lexists(there):
                    raise UsageProblem(
                        f"{there} is not a folder", hint="Give -o a name in a folder that can be written to."
                    )
                there = os.path.dirname(there) or "."
            if longest > system.longest_name(there):
                raise UsageProblem("the output's name is too long for its folder", hint="Give -o a shorter name.")
            if dry:
                if os.stat(there).st_nlink == 0:  # the working folder, which has been removed
                    raise FileNotFoundError(2, "No such file or directory")
                if not os.access(there, os.W_OK | os.X_OK):
                    raise PermissionError(13, "Permission denied")
                return there
            missing = []
            while folder not in ("", ".") and not os.path.isdir(folder):
                missing.append(folder)
                folder = os.path.dirname(folder) or "."
            for path in reversed(missing):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
                    self._made.append(path)
        except (OSError, UnicodeEncodeError) as error:
            raise _unwritable(folder, error) from error
        return missing[0] if missing else there


def _check_descriptor(path: str) -> None:
    """Refuse an open descriptor that isn't open, or not for writing.

    Raises:
        UsageProblem: it is that.
    """
    number = descriptor(path)
    if number is not None and not system.is_writable(number):
        raise UsageProblem(f"{path} is not open for writing", hint="Give -o a file, or open it in the shell: 3> FILE.")


def _length(name: Name) -> int:
    """Return how many bytes the file's name has on disk.

    Raises:
        UsageProblem: this locale can't encode it.
    """
    try:
        return len(os.fsencode(os.path.basename(name.path("webp"))))
    except UnicodeEncodeError as error:
        raise UsageProblem("this locale can't encode the output's name", hint="Give -o a name in ASCII.") from error


def _unwritable(folder: str, error: OSError | UnicodeEncodeError) -> UsageProblem:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return UsageProblem(
        f"the folder {folder} can't be written to: {reason}", hint="Give -o a name in a folder that can be written to."
    )
