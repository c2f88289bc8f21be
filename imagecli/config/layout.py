"""What may stand in the config file, and of which type.

    profile                      the active profile's name
    [defaults]                   settings (see table.py)
    [profiles.NAME]              where a server is and where its key comes from (PROFILE_KEYS)
    [profiles.NAME.headers]      headers that this server wants besides the key
    [profiles.NAME.defaults]     settings for this profile
    [models.NAME]                what a model takes; endpoints and sizes are checked, other keys are kept

A key that is not known is warned about and ignored: a newer version may have written it. A wrong type is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imagecli.config.table import FILE_SETTINGS, SETTINGS
from imagecli.errors import UsageProblem
from imagecli.text import did_you_mean, file_place, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

Table = dict[str, Any]

TOP_KEYS = ("profile", "defaults", "profiles", "models")
PROFILE_TEXTS = ("base_url", "dialect", "api_version", "organization", "project", "api_key_env", "api_key")
PROFILE_KEYS = (*PROFILE_TEXTS, "allow_http", "api_key_cmd", "headers", "defaults")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, section 5.6.2: a token."""
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "accept-encoding"}
)
"""Headers that say how this very request is written."""
_SECRET_HEADERS = ("key", "auth", "token", "secret", "authorization", "password", "cookie", "credential")
SANDBOX_KEYS = ("defaults",)
"""The sandbox is no place on a network and takes no key: there is nothing else to say of it."""
MODEL_LISTS = ("endpoints", "sizes", "qualities", "formats")
MODEL_NUMBERS = ("count", "prompt")
ENDPOINTS = ("gen", "edit", "vary")


def check(data: Table, path: str | os.PathLike[str]) -> list[str]:
    """Return a warning for each key of the file that is not known.

    Raises:
        UsageProblem: a known key holds something else than it takes. Named by its place; secrets are not repeated.

    """
    where = shown(path)
    unknown = [*_unknown(data, TOP_KEYS)]
    _check_text(data, ("profile",), where)
    unknown += _check_defaults(data, ("defaults",), where)
    for name, profile in _tables(data, "profiles", where):
        unknown += _check_profile(profile, ("profiles", name), where)
    for name, model in _tables(data, "models", where):
        _check_model(model, ("models", name), where)
    return [f"{where}: {each}" for each in unknown]


def known_keys(parents: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the keys that the table at `parents` takes; () where there is no such table, None where any key may be."""
    match parents:
        case ():
            return ("profile",)
        case ("defaults",) | ("profiles", _, "defaults"):
            return FILE_SETTINGS
        case ("profiles", name):
            return tuple(key for key in keys_of_profile(name) if key != "defaults")
        case ("models", _) | ("profiles", _, "headers"):
            return None
    return ()


def keys_of_profile(name: str) -> tuple[str, ...]:
    """Return the keys that [profiles.NAME] takes."""
    return SANDBOX_KEYS if name == "sandbox" else PROFILE_KEYS


def holds_key(data: object) -> bool:
    """Whether an API key stands anywhere in the file, also where it has no business."""
    return _holds_key((), data)


def _holds_key(path: tuple[str, ...], value: object) -> bool:
    if path and is_secret(path):
        return True
    if isinstance(value, dict):
        return any(_holds_key((*path, name), inner) for name, inner in value.items())
    return isinstance(value, list) and any(_holds_key((), inner) for inner in value)


def is_key_name(name: str) -> bool:
    """Whether this is how somebody would name an API key."""
    return name.lower().replace("-", "").replace("_", "") == "apikey"


def is_secret_header(name: str) -> bool:
    """Whether a header of this name carries a key."""
    return name.lower().endswith(_SECRET_HEADERS)


def is_secret(path: tuple[str, ...]) -> bool:
    """Whether what stands at a path of the file is a key: named as one, or a header that carries one."""
    return is_key_name(path[-1]) or (path[-2:-1] == ("headers",) and is_secret_header(path[-1]))


def _check_profile(profile: Table, parents: tuple[str, ...], where: str) -> Iterator[str]:
    yield from _unknown(profile, keys_of_profile(parents[-1]), parents)
    for key in PROFILE_TEXTS:
        _check_text(profile, (*parents, key), where)
    allow_http = profile.get("allow_http", False)
    if not isinstance(allow_http, bool):
        raise UsageProblem(f"{where}: {file_place(*parents, 'allow_http')} must be true or false")
    variable = profile.get("api_key_env", "X")
    if not (variable.isascii() and variable.isidentifier()):
        # Not repeated: it may be the key itself.
        raise UsageProblem(
            f"{where}: {file_place(*parents, 'api_key_env')} must be the name of an environment variable"
        )
    headers_of(_table(profile, (*parents, "headers"), where), f"{where}: {file_place(*parents, 'headers')}")
    if "api_key_cmd" in profile:
        command_of(profile["api_key_cmd"], f"{where}: {file_place(*parents, 'api_key_cmd')}")
    yield from _check_defaults(profile, (*parents, "defaults"), where)


def headers_of(headers: Mapping[str, object], place: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of headers.

    Raises:
        UsageProblem: one can't be sent, or is not the user's to set. Values are not repeated: a key may stand in them.

    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OUR_HEADERS:
            raise UsageProblem(f"{place}: {shown(name)} is no header that can be set")
        if not isinstance(value, str) or not value.strip() or not (value.isascii() and value.strip().isprintable()):
            raise UsageProblem(f"{place}: {shown(name)} must be some text in printable ASCII")
    return tuple((name, str(value).strip()) for name, value in headers.items())


def command_of(value: object, place: str) -> tuple[str, ...]:
    """Return the words of an `api_key_cmd`: a list of texts, or one text that is split as a shell would.

    Raises:
        UsageProblem: it is something else, or empty. It is not repeated: a key may stand in it.

    """
    words = value
    if isinstance(value, str):
        import shlex

        try:
            words = shlex.split(value)
        except ValueError:
            words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise UsageProblem(
            f"{place} must be a command",
            hint='A list of its words, as in ["pass", "show", "images"]; no shell is run.',
        )
    return tuple(words)


def _check_model(model: Table, parents: tuple[str, ...], where: str) -> None:
    for key in MODEL_LISTS:
        value = model.get(key, [])
        place = file_place(*parents, key)
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise UsageProblem(f"{where}: {place} must be a list of texts")
        if key == "endpoints" and not set(value) <= set(ENDPOINTS):
            raise UsageProblem(f"{where}: {place} must be a list of {', '.join(ENDPOINTS)}")
    for key in MODEL_NUMBERS:
        number = model.get(key, 1)
        if type(number) is not int or number < 1:
            raise UsageProblem(f"{where}: {file_place(*parents, key)} must be a whole number of at least 1")


def _check_defaults(table: Table, parents: tuple[str, ...], where: str) -> Iterator[str]:
    defaults = _table(table, parents, where)
    yield from _unknown(defaults, FILE_SETTINGS, parents)
    for name in FILE_SETTINGS:
        if name in defaults:
            SETTINGS[name].check(defaults[name], f"{where}: {file_place(*parents, name)}")


def _check_text(table: Table, path: tuple[str, ...], where: str) -> None:
    value = table.get(path[-1], "-")
    if not isinstance(value, str) or not value.strip():
        raise UsageProblem(f"{where}: {file_place(*path)} must be some text")


def _tables(data: Table, key: str, where: str) -> Iterator[tuple[str, Table]]:
    tables = _table(data, (key,), where)
    for name in tables:
        yield name, _table(tables, (key, name), where)


def _table(data: Table, path: tuple[str, ...], where: str) -> Table:
    value = data.get(path[-1], {})
    if not isinstance(value, dict):
        raise UsageProblem(f"{where}: {file_place(*path)} must be a table")
    return value


def _unknown(table: Mapping[str, object], known: Iterable[str], parents: tuple[str, ...] = ()) -> Iterator[str]:
    for key in table:
        if key not in known:
            better = did_you_mean(key, known)
            yield f"{file_place(*parents, key)} is not known and ignored" + (
                f"; did you mean {better}?" if better else ""
            )
