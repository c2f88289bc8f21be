"""The config file on disk: where it is, reading it, replacing it.

It is `config.toml` in the user's config folder as platformdirs has it, or what IMAGECLI_CONFIG names. It is written
whole or not at all (a temporary file beside it, then a rename), 0600, in folders that are made 0700; where it is a
symbolic link (dotfile managers make these), what it leads to is replaced and the link stays.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagecli.config.layout import holds_key
from imagecli.errors import UsageProblem
from imagecli.text import shell_word, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "IMAGECLI_CONFIG"
_MOST_BYTES = 1_000_000
"""More is no config file (IMAGECLI_CONFIG=/dev/zero)."""
_OTHERS_MAY = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The config file as it was read."""

    path: Path
    text: str = field(default="", repr=False)
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    exists: bool = True


def config_path(environ: Mapping[str, str]) -> Path:
    """Return the path of the config file, whether it is there or not."""
    named = environ.get(VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_config_path

    try:
        return user_config_path("imagecli", appauthor=False) / "config.toml"
    except RuntimeError as error:  # no HOME, and nobody knows this user
        raise UsageProblem(f"there is no home folder: {error}", hint=f"Set HOME, or {VARIABLE}.") from error


def read(environ: Mapping[str, str], *, create: bool = False) -> ConfigFile:
    """Return what the config file holds; no file is an empty one, unless IMAGECLI_CONFIG names it.

    Args:
        environ: the environment.
        create: the caller is about to write the file, so one that is named and missing is an empty one too.

    Raises:
        UsageProblem: it can't be read, is no TOML, or holds a key and is open to others.

    """
    path = config_path(environ)
    try:
        text, mode = _read_text(path)
    except (FileNotFoundError, NotADirectoryError):
        if environ.get(VARIABLE) and not create:
            raise UsageProblem(
                f"{shown(path)}, which {VARIABLE} names, does not exist", hint=f"Mend or unset {VARIABLE}."
            ) from None
        return ConfigFile(path, exists=False)
    except OSError as error:
        raise UsageProblem(f"{shown(path)} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageProblem(f"{shown(path)} is not UTF-8 (byte {error.start})") from None
    data = parse(text, path)
    if mode & _OTHERS_MAY and holds_key(data):
        raise UsageProblem(
            f"{shown(path)} holds a key and is open to other users", hint=f"chmod 600 {shell_word(str(path))}"
        )
    return ConfigFile(path, text, data)


def parse(text: str, path: Path) -> dict[str, Any]:
    """Return the TOML document.

    Raises:
        UsageProblem: it is none; names line and column where the parser does.

    """
    if not text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # The parser ends its sentence with the place: (at line 1, column 5).
        reason, _, where = str(error).removesuffix(")").partition(" (at ")
        place = f"{shown(path)}, {where}" if where else shown(path)
        hint = "Mend it in an editor." if isinstance(error, tomllib.TOMLDecodeError) else None
        raise UsageProblem(f"{place}: not valid TOML: {shown(reason)}", hint=hint) from None


def write(path: Path, text: str) -> None:
    """Replace the file, or make it: whole or not at all, 0600.

    Raises:
        UsageProblem: it can't be written, or is no regular file.

    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise UsageProblem(f"{shown(path)} is not a regular file")
    try:
        _make_folder(target.parent)
        _replace(target, text.encode())
    except OSError as error:
        raise UsageProblem(f"{shown(path)} can't be written: {error.strerror}") from None


def _read_text(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise UsageProblem(f"{shown(path)} is too large for a config file")
    # Editors elsewhere put a byte order mark in front.
    return content.decode("utf-8-sig"), mode


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it that are missing, each 0700 (mkdir gives that to the last one only)."""
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _replace(target: Path, content: bytes) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(prefix=".config-", suffix=".toml", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:  # mkstemp makes it 0600
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink()
        raise
