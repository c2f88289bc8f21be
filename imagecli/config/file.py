"""The config file on disk: finding, reading and replacing it.

It is `config.toml` in the user config folder that platformdirs gives, or the file that IMAGECLI_CONFIG names. It is
written atomically with mode 0600; missing folders are made with mode 0700.
Where it is a symbolic link, as dotfile managers make them, the link stays and its target is replaced.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import system
from imagecli.config.layout import MOST_LEVELS, contains_api_key, contains_command, has_levels
from imagecli.disk import replace_privately
from imagecli.errors import UsageProblem
from imagecli.text import printable, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "IMAGECLI_CONFIG"
_MAX_BYTES = 1_000_000
"""A longer file isn't a config file (IMAGECLI_CONFIG=/dev/zero)."""
_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


class Exposure(NamedTuple):
    """Why a file, or the folder that it is in, is not the user's alone."""

    reason: str
    hint: str


class ConfigFile(NamedTuple):
    """The config file as it was read."""

    path: Path
    text: str
    data: dict[str, Any]
    exists: bool = True
    exposure: Exposure | None = None
    """How others can change what it says; looked for only where it names a command."""

    def __repr__(self) -> str:
        """Return the path without the content, which may contain a key."""
        return f"ConfigFile({str(self.path)!r})"


def config_path(environ: Mapping[str, str]) -> Path:
    """Return the path of the config file, whether or not the file exists."""
    named = environ.get(VARIABLE)
    if named:
        return Path(os.path.expanduser(named))
    from platformdirs import user_config_path

    try:
        return user_config_path("imagecli", appauthor=False) / "config.toml"
    except RuntimeError as error:  # HOME is not set, and the user has no entry in the password database
        raise UsageProblem(f"the home folder can't be determined: {error}", hint=f"Set HOME or {VARIABLE}.") from error


def read(environ: Mapping[str, str], *, create: bool = False) -> ConfigFile:
    """Read the config file; a missing one is empty, unless IMAGECLI_CONFIG names it.

    Args:
        environ: the environment.
        create: the caller is about to write the file, so that a missing one is empty even if it is named.

    Raises:
        UsageProblem: it can't be read, isn't TOML, or contains a key and is accessible to other users.

    """
    path = config_path(environ)
    try:
        text, status = _read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        if environ.get(VARIABLE) and not create:
            raise UsageProblem(
                f"{printable(path)}, which {VARIABLE} names, does not exist", hint=f"Fix or unset {VARIABLE}."
            ) from None
        return ConfigFile(path, "", {}, exists=False)
    except OSError as error:
        raise UsageProblem(f"{printable(path)} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{printable(path)} is not UTF-8 (byte {error.start})") from None
    data = parse(text, path)
    if system.user() is not None and status.st_mode & _OPEN_TO_OTHERS and contains_api_key(data):
        raise UsageProblem(
            f"{printable(path)} contains a key and is accessible to other users",
            hint=f"Run `chmod 600 {shell_word(str(path))}`.",
        )
    return ConfigFile(path, text, data, exposure=_exposure(path, status) if contains_command(data) else None)


def _exposure(path: Path, status: os.stat_result) -> Exposure | None:
    """Return how others can change a file that was opened with this status: itself, or by another in its folder.

    In a sticky folder, as /tmp is, nobody else can.
    """
    user = system.user()
    if user is None:
        return None
    folders = dict.fromkeys((path.absolute().parent, Path(os.path.realpath(path)).parent))
    for place, found in ((path, status), *((folder, folder.stat()) for folder in folders)):
        name = printable(place)
        if found.st_uid not in {0, user}:
            return Exposure(f"{name} belongs to another user", f"Run `chown $USER {shell_word(str(place))}`.")
        if found.st_mode & _WRITABLE_BY_OTHERS and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
            return Exposure(f"other users can write to {name}", f"Run `chmod go-w {shell_word(str(place))}`.")
    return None


@contextmanager
def changing(environ: Mapping[str, str], *, create: bool = True) -> Iterator[ConfigFile]:
    """Read the file for a change: until the end no other process changes it.

    Args:
        environ: the environment.
        create: as for `read()`; also makes the file's folder. What was made for a change that fails is removed again.

    Raises:
        UsageProblem: as `read()`; another process is changing the file.
    """
    from imagecli.config.lock import locked

    path = config_path(environ)
    try:
        folder = Path(os.path.realpath(path)).parent
        made = _make_folder(folder) if create else []
    except OSError as error:
        raise UsageProblem(f"{printable(path)} can't be written: {error.strerror}") from None
    if not folder.exists():
        yield read(environ)
        return
    with locked(folder):
        try:
            yield read(environ, create=create)
        finally:
            for each in reversed(made):
                with suppress(OSError):  # it has a file now
                    each.rmdir()


def parse(text: str, path: Path) -> dict[str, Any]:
    """Parse the TOML document.

    Raises:
        UsageProblem: it isn't valid TOML, which names line and column where the parser does; or is nested too deeply.

    """
    if not text:
        return {}
    import tomllib

    try:
        data = tomllib.loads(text)
        if has_levels(data, MOST_LEVELS + 1):
            raise UsageProblem(f"{printable(path)}: more than {MOST_LEVELS} levels", hint="Fix it in an editor.")
    except (ValueError, RecursionError) as error:
        # The parser's message ends with the place: (at line 1, column 5).
        reason, _, where = str(error).removesuffix(")").partition(" (at ")
        place = f"{printable(path)}, {where}" if where else printable(path)
        hint = "Fix it in an editor." if isinstance(error, tomllib.TOMLDecodeError) else None
        raise UsageProblem(f"{place}: not valid TOML: {printable(reason)}", hint=hint) from None
    return data


def write(path: Path, text: str) -> None:
    """Replace or create the file atomically, with mode 0600.

    Raises:
        UsageProblem: it can't be written, or isn't a regular file.

    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            raise UsageProblem(f"{printable(path)} is not a regular file")
        _make_folder(target.parent)
        replace_privately(target, text.encode())
    except OSError as error:
        raise UsageProblem(f"{printable(path)} can't be written: {error.strerror}") from None


def _read_text(path: Path) -> tuple[str, os.stat_result]:
    content, status = read_bytes(path, _MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise UsageProblem(f"{printable(path)} is too large for a config file")
    # Editors on Windows put a byte order mark first.
    return content.decode("utf-8-sig"), status


def read_bytes(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Return up to `most` bytes of a file, and its status. A pipe is not waited for: opening one can take for ever.

    A pipe that the shell has opened is read, as in `IMAGECLI_CONFIG=<(pass show images-toml)`, and so is /dev/null.

    Raises:
        OSError: it can't be read, or is not such a file.
    """
    descriptor = os.open(path, os.O_RDONLY | system.NONBLOCK | system.OPENING)
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        mode = status.st_mode
        if not stat.S_ISREG(mode) and os.fspath(path) != os.devnull:
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not (stat.S_ISFIFO(mode) and path.parent in _DESCRIPTORS):
                raise OSError(errno.EINVAL, "it is not a regular file")
            system.set_blocking(descriptor)
        return stream.read(most), status


def _make_folder(folder: Path) -> list[Path]:
    """Make the folder and its missing parents, each with mode 0700 (`mkdir` applies `mode` to the last one only).

    Returns those that were made, the outermost first.
    """
    if folder.exists():
        return []
    made = _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        made.append(folder)
    return made
