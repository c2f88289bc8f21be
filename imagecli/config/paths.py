"""KEY and VALUE of `imagecli config`: read as TOML, and checked before they are written.

Nothing is written that a later run would refuse. What was wrong in the file before may stay so, for `unset` and `set`
are how it gets mended, one key after the other.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from imagecli.config import layout
from imagecli.config.profiles import OPENAI, OPENAI_URL, check_dialect, resolve
from imagecli.config.table import FILE_SETTINGS
from imagecli.config.urls import web_origin
from imagecli.config.values import Origin
from imagecli.errors import UsageProblem
from imagecli.text import did_you_mean, file_place, quoted, shell_word, shown, toml_key

if TYPE_CHECKING:
    from os import PathLike

Path = tuple[str, ...]
Table = dict[str, Any]

_IN_FILE = Origin("config", "profile")
_MODEL_DEPTH = 3
"""models.NAME.KEY: more parts are a name with dots that was not quoted."""


def parse_key(text: str) -> Path:
    """Return the parts of a dotted TOML key: `models."team/flux".sizes`.

    Raises:
        UsageProblem: it is none.
    """
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        value = None
    parts: Path = ()
    while isinstance(value, dict) and len(value) == 1:
        ((part, value),) = value.items()
        parts += (part,)
    if not parts or value != 0 or any(each in text for each in "\r\n#"):
        raise UsageProblem(
            f"{quoted(text)} is no KEY",
            hint="It is written as in TOML: defaults.model, or quoted: 'models.\"team/flux\".sizes'.",
        )
    return parts


def parse_value(text: str) -> object:
    """Return what the text means as a TOML value, or the text where it means nothing.

    Raises:
        UsageProblem: it is not UTF-8, which no TOML file can hold.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem("VALUE is not valid UTF-8") from None
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return document["value"] if len(document) == 1 else text


def is_table(path: Path) -> bool:
    """Whether the path is that of a table of ours."""
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
    """Refuse a KEY that means nothing to us.

    Raises:
        UsageProblem: with what may have been meant.
    """
    if is_table(path):
        return
    known = layout.known_keys(path[:-1])
    if known is None or path[-1] in known:
        return
    raise UsageProblem(f"there is no setting {quoted(toml_key(*path))}", hint=_what_was_meant(path, known))


def check_value(path: Path, value: object) -> None:
    """Refuse what a later run would refuse, looking at this key alone; and a key, which is never an argument.

    Raises:
        UsageProblem: the setting is not known, or does not take this value.
    """
    if layout.holds_key(_nested(path, value)):
        if "headers" in path:
            raise UsageProblem(
                "a header with a key is no argument: others could read it there",
                hint="Write it into the file itself: `imagecli config path` tells where that is.",
            )
        name = f" {shell_word(path[1])}" if path[0] == "profiles" and len(path) > 1 else ""
        raise UsageProblem(
            "a key is no argument: others could read it there", hint=f"`imagecli config set-key{name}` asks for it."
        )
    check_known(path)
    if is_table(path):
        raise UsageProblem(f"{toml_key(*path)} is a table", hint="Set its keys one by one.")
    try:
        layout.check(_nested(path, value), "VALUE")
    except UsageProblem as problem:
        if not isinstance(value, str) and _fits(path, "text"):
            problem.hint = "To have it as text, quote it twice: '\"…\"'."
        raise
    if path[0] == "profiles" and path[2] == "dialect":
        check_dialect(str(value))
    if path[0] == "profiles" and path[2] != "defaults":
        # Looked at as a whole profile; a base URL may come with a later `set`.
        resolve(path[1], _IN_FILE, {path[1]: {"base_url": OPENAI_URL} | _nested(path[2:], value)}, {})


def check_change(path: Path, before: Table, after: Table, file: str | PathLike[str]) -> list[str]:
    """Return what should be said about the change from `before` to `after`, made at `path`.

    Raises:
        UsageProblem: the file as a whole would be refused, and was not before; or the active profile is none.
    """
    problem = _problem(after, file)
    if problem and (path == ("profile",) or not _problem(before, file)):
        raise problem
    if path[0] != "profiles" or path[-1] != "base_url":
        return []
    old, new = _web_origin_of(path[1], before), _web_origin_of(path[1], after)
    table = after.get("profiles", {}).get(path[1], {})
    keys = [key for key in ("api_key", "api_key_cmd", "api_key_env") if key in table]
    if not keys or None in {old, new} or old == new:
        return []
    return [f"the key that {file_place('profiles', path[1], keys[0])} gives now goes to {new} instead of {old}"]


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


def _what_was_meant(path: Path, known: Path) -> str | None:
    if len(path) == 1 and path[0] in FILE_SETTINGS:
        return f"Did you mean defaults.{path[0]}?"
    if len(path) == 1 and path[0] in layout.PROFILE_KEYS:
        return f"Did you mean profiles.NAME.{path[0]}?"
    better = did_you_mean(path[-1], known)
    if better:
        return f"Did you mean {shown(toml_key(*path[:-1], better))}?"
    if known:
        return f"It takes {', '.join(known)}."
    if path[0] in {"profiles", "models"} and len(path) > _MODEL_DEPTH:
        table, *parts, key = path
        return f"A name with dots is quoted: {shell_word(toml_key(table, '.'.join(parts), key))}."
    better = did_you_mean(path[0], layout.TOP_KEYS)
    return f"Did you mean {shown(toml_key(better, *path[1:]))}?" if better else None
