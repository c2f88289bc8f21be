"""KEY and VALUE of `imagecli config`: read as TOML, and checked before they are written.

Nothing is written that a later run would refuse. Errors that the file already has may stay, so that `set` and `unset`
can fix them one key after the other.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from imagecli.config import layout
from imagecli.config.profiles import BUILT_IN_PROFILES, OPENAI, OPENAI_URL, check_dialect, resolve
from imagecli.config.urls import web_origin
from imagecli.errors import Failure, UsageProblem
from imagecli.flags import FILE_SETTINGS
from imagecli.options import Origin
from imagecli.text import (
    closest_match,
    file_place,
    may_be_key,
    misspelt,
    named,
    printable,
    quoted,
    shell_word,
    toml_key,
)

if TYPE_CHECKING:
    from os import PathLike

    from imagecli.config.file import ConfigFile

Path = tuple[str, ...]
Table = dict[str, Any]

_IN_FILE = Origin("config", "profile")
_MAX_PARTS = 3
"""As in models.NAME.KEY; in a longer path, NAME contains dots and wasn't quoted."""


def parse_key(text: str) -> Path:
    """Return the parts of a dotted TOML key: `models."team/flux".sizes`.

    Raises:
        UsageProblem: it isn't one.
    """
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        value = None
    parts: Path = ()
    while isinstance(value, dict) and len(value) == 1:
        ((part, value),) = value.items()
        parts += (part,)
    if not 0 < len(parts) <= layout.MOST_LEVELS or value != 0 or any(each in text for each in "\r\n#"):
        raise UsageProblem(
            f"{quoted(text)} is not a valid KEY",
            hint="Write it as in TOML: defaults.model, or quoted: 'models.\"team/flux\".sizes'.",
        )
    return parts


def parse_value(text: str) -> object:
    """Return the TOML value that the text spells, or else the text.

    Raises:
        UsageProblem: it isn't UTF-8, so that no TOML file can contain it, or is nested too deeply.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem("VALUE is not valid UTF-8") from None
    try:
        document = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    except RecursionError:
        document = {}
    if not document or layout.has_levels(document, layout.MOST_LEVELS):
        raise UsageProblem(f"VALUE has more than {layout.MOST_LEVELS} levels")
    return document["value"] if len(document) == 1 else text


def is_table(path: Path) -> bool:
    """Whether the path is that of a known table."""
    match path:
        case ("defaults" | "profiles" | "models",) | ("profiles" | "models", _):
            return True
        case ("profiles", _, "defaults" | "headers"):
            return True
    return False


def is_key(path: Path) -> bool:
    """Whether the path is that of a profile's API key."""
    return len(path) == 3 and path[0] == "profiles" and path[2] == "api_key"  # noqa: PLR2004 - profiles.NAME.api_key


def check_known(path: Path) -> None:
    """Refuse an unknown KEY.

    Raises:
        UsageProblem: it is unknown; the hint names what may have been meant.
    """
    if is_table(path):
        return
    known = layout.known_keys(path[:-1])
    if known is None or path[-1] in known:
        return
    raise UsageProblem(f"unknown setting {quoted(toml_key(*path))}", hint=_suggestion(path, known))


def check_value(path: Path, value: object) -> None:
    """Refuse a value that a later run would refuse, checked on its own, and an API key, which is never an argument.

    Raises:
        UsageProblem: the setting is unknown, or doesn't take this value.
    """
    if layout.contains_api_key(_nested(path, value)):
        if "headers" in path:
            raise UsageProblem(
                "a header that carries a key can't be an argument: other users could see it",
                hint="Write it into the config file, whose path `imagecli config path` prints.",
            )
        name = f" {shell_word(path[1])}" if path[0] == "profiles" and len(path) > 1 else ""
        raise UsageProblem(
            "a key can't be an argument: other users could see it",
            hint=f"Run `imagecli config set-key{name}`, which asks for it.",
        )
    if any(map(may_be_key, path)):
        raise UsageProblem(f"{quoted(toml_key(*path))} is not a valid KEY")
    check_known(path)
    if is_table(path):
        raise UsageProblem(f"{toml_key(*path)} is a table", hint="Set its keys one at a time.")
    try:
        layout.check(_nested(path, value), "VALUE")
    except UsageProblem as problem:
        if not isinstance(value, str) and _fits(path, "text"):
            problem.hint = "To set it as a string, quote it twice: '\"…\"'."
        raise
    if path[0] == "profiles" and path[2] == "dialect":
        check_dialect(str(value))
    if path[0] == "profiles" and path[2] != "defaults":
        # Checked as a whole profile, with a base URL in case a later `set` gives it one.
        resolve(path[1], _IN_FILE, {path[1]: {"base_url": OPENAI_URL} | _nested(path[2:], value)}, {})


def check_change(path: Path, before: Table, after: Table, file: str | PathLike[str]) -> list[str]:
    """Return the warnings about the change from `before` to `after`, made at `path`.

    Raises:
        UsageProblem: the file as a whole would be refused and wasn't before, or the new active profile is unknown.
    """
    problem = _problem(after, file)
    if problem and (path == ("profile",) or not _problem(before, file)):
        raise problem
    names = _names(path, before)
    near = misspelt(path[1], names) if names and path[1] not in names else None
    warnings = [f"{toml_key(*path[:2])} is new; did you mean {toml_key(path[0], near)}?"] if near else []
    if path[0] != "profiles" or path[-1] != "base_url":
        return warnings
    old, new = _web_origin_of(path[1], before), _web_origin_of(path[1], after)
    table = after.get("profiles", {}).get(path[1], {})
    keys = [key for key in ("api_key", "api_key_cmd", "api_key_env") if key in table]
    if not keys or None in {old, new} or old == new:
        return warnings
    return [*warnings, f"the key from {file_place('profiles', path[1], keys[0])} is now sent to {new} instead of {old}"]


def _problem(data: Table, file: str | PathLike[str]) -> UsageProblem | None:
    try:
        layout.check(data, file)
        resolve(data.get("profile", OPENAI), _IN_FILE, data.get("profiles", {}), {})
    except UsageProblem as problem:
        return problem
    return None


def _web_origin_of(profile: str, data: Table) -> str | None:
    try:
        layout.check(data, "")
        return web_origin(resolve(profile, _IN_FILE, data.get("profiles", {}), {}).base_url)
    except UsageProblem:
        return None


def _fits(path: Path, value: object) -> bool:
    try:
        layout.check(_nested(path, value), "")
    except UsageProblem:
        return False
    return True


def _nested(path: Path, value: object) -> Table:
    for part in reversed(path):
        value = {part: value}
    return value  # type: ignore[return-value] # a path has at least one part


def _suggestion(path: Path, known: Path) -> str | None:
    if len(path) == 1 and path[0] in FILE_SETTINGS:
        return f"Did you mean defaults.{path[0]}?"
    if len(path) == 1 and path[0] in layout.PROFILE_KEYS:
        return f"Did you mean profiles.NAME.{path[0]}?"
    better = closest_match(path[-1], known)
    if better:
        return f"Did you mean {printable(toml_key(*path[:-1], better))}?"
    if known:
        return f"Known: {', '.join(known)}."
    if path[0] in {"profiles", "models"} and len(path) > _MAX_PARTS:
        table, *parts, key = path
        return f"Quote a name with dots: {shell_word(toml_key(table, '.'.join(parts), key))}."
    better = closest_match(path[0], layout.TOP_KEYS)
    return f"Did you mean {printable(toml_key(better, *path[1:]))}?" if better not in {None, path[0]} else None


def not_set(path: Path, config: ConfigFile) -> Failure:
    """Return the error for a KEY under which the file has nothing."""
    near = closest_match(path[1], names) if (names := _names(path, config.data)) and path[1] not in names else None
    hint = f"Did you mean {printable(toml_key(path[0], near, *path[2:]))}?" if near else None
    return Failure(f"{named(toml_key(*path))} is not set in {config.path}", hint=hint)


def _names(path: Path, data: Table) -> list[str]:
    """Return the profiles, or models, that there are where the path leads to one; [] for any other path."""
    if len(path) == 1 or path[0] not in {"profiles", "models"}:
        return []
    return [*data.get(path[0], {}), *(BUILT_IN_PROFILES if path[0] == "profiles" else ())]
