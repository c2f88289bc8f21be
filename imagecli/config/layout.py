"""The layout of the config file: the keys that it may contain, and their types.

    profile                      the active profile's name
    [defaults]                   settings
    [profiles.NAME]              where a server is, where its key comes from, and its budget (PROFILE_KEYS)
    [profiles.NAME.headers]      headers that the server needs besides the key
    [profiles.NAME.defaults]     settings for this profile
    [models.NAME]                what a model takes and costs; MODEL_LISTS, MODEL_NUMBERS, `price` (USD for an image)
                                 and `tokens` (USD per million: TOKEN_PRICES) are checked, other keys are kept

An unknown key causes a warning and is ignored: a newer version may have written it. A wrong type is refused, and so is
what must have been meant to limit what is spent.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from imagecli.config.validation import checked
from imagecli.errors import UsageProblem
from imagecli.flags import FILE_SETTINGS, SETTINGS
from imagecli.text import file_place, may_be_key, named, or_meant, printable

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

Table = dict[str, Any]

TOP_KEYS = ("profile", "defaults", "profiles", "models")
PROFILE_STRINGS = ("base_url", "dialect", "api_version", "organization", "project", "api_key_env", "api_key")
PROFILE_SETTINGS = ("budget",)
"""Settings that a profile may have beside its address, and not only among its defaults."""
PROFILE_KEYS = (*PROFILE_STRINGS, "allow_http", "api_key_cmd", "headers", *PROFILE_SETTINGS, "defaults")
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""RFC 9110, section 5.6.2: a token."""
_RESERVED_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "accept-encoding"}
)
"""Headers that the HTTP client sets itself, as they depend on the request."""
_SECRET_HEADERS = ("key", "auth", "token", "secret", "authorization", "password", "cookie", "credential")
_SCHEMES = ("bearer ", "basic ", "token ")
"""How the value of a header begins that carries a key, in lower case."""
_SECRET_FIELDS = ("apikey", "authorization", "token", "secret", "password", "credential", "credentials")
SANDBOX_KEYS = (*PROFILE_SETTINGS, "defaults")
"""The sandbox has no address and takes no key."""
_SAME_WORD = 0.85
"""How similar a misspelt word is to itself at the least, by difflib's ratio: a letter of six may be missing."""
_LIMITS = ("budget", "max_cost")
"""Settings that can't be ignored where they are misspelt or misplaced: more would be spent than was meant."""
MODEL_LISTS = ("endpoints", "sizes", "qualities", "formats")
MODEL_NUMBERS = ("count", "prompt")
TOKEN_PRICES = (
    *("text_in", "text_in_cached", "image_in", "image_in_cached", "image_out", "text_out"),
    *("svg_in", "svg_out"),
)
ENDPOINTS = ("gen", "edit", "vary")
MOST_LEVELS = 20
"""Tables and lists within each other; those that this version knows are four."""


def check(data: Table, path: str | os.PathLike[str]) -> list[str]:
    """Return a warning for each unknown key of the file.

    Raises:
        UsageProblem: a known key has a value that it doesn't take. Names the place and never repeats a secret.
    """
    if not data:
        return []
    where = printable(path)
    unknown = [*_unknown(data, TOP_KEYS, (), where)]
    _check_text(data, ("profile",), where)
    unknown += _check_defaults(data, ("defaults",), where)
    for name, profile in _tables(data, "profiles", where):
        unknown += _check_profile(profile, ("profiles", name), where)
    for name, model in _tables(data, "models", where):
        _check_model(model, ("models", name), where)
    return [f"{where}: {each}" for each in unknown]


def has_levels(value: object, levels: int) -> bool:
    """Whether tables and lists are nested so many levels deep, or deeper."""
    inside = [value]
    for _ in range(levels):
        holders = [each for each in inside if isinstance(each, dict | list)]
        if not holders:
            return False
        inside = [each for holder in holders for each in (holder.values() if isinstance(holder, dict) else holder)]
    return True


def known_keys(parents: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the keys that the table at `parents` takes; () for an unknown table, None where any key is allowed."""
    match parents:
        case ():
            return ("profile",)
        case ("defaults",) | ("profiles", _, "defaults"):
            return FILE_SETTINGS
        case ("profiles", name):
            return tuple(key for key in profile_keys(name) if key != "defaults")
        case ("models", _) | ("profiles", _, "headers"):
            return None
    return ()


def profile_keys(name: str) -> tuple[str, ...]:
    """Return the keys that [profiles.NAME] takes."""
    return SANDBOX_KEYS if name == "sandbox" else PROFILE_KEYS


def contains_api_key(data: object) -> bool:
    """Whether the file contains an API key, also in a place where none belongs."""
    return _contains_api_key((), data)


def _contains_api_key(path: tuple[str, ...], value: object) -> bool:
    if path and is_secret(path, value):
        return True
    if isinstance(value, dict):
        return any(_contains_api_key((*path, name), inner) for name, inner in value.items())
    return isinstance(value, list) and any(_contains_api_key((), inner) for inner in value)


def contains_command(data: Table) -> bool:
    """Whether the file names a command that prints a key."""
    profiles = data.get("profiles")
    tables = profiles.values() if isinstance(profiles, dict) else ()
    return any(isinstance(table, dict) and "api_key_cmd" in table for table in tables)


def is_api_key_name(name: str) -> bool:
    """Whether a TOML key of this name holds an API key: `api_key`, `apikey`, `API-Key` …."""
    return name.lower().replace("-", "").replace("_", "") == "apikey"


def is_secret_name(name: str) -> bool:
    """Whether a field of a request of this name would hold a key."""
    bare = "".join(char for char in name.lower() if char.isalnum())
    return bare.endswith(_SECRET_FIELDS)


def is_secret_header(name: str, value: object) -> bool:
    """Whether a header carries a key: its name says so, or its value looks like one."""
    if name.lower().endswith(_SECRET_HEADERS):
        return True
    return isinstance(value, str) and (value.lower().startswith(_SCHEMES) or may_be_key(value))


def is_secret(path: tuple[str, ...], value: object) -> bool:
    """Whether the value at a path of the file is an API key: named as one, or in a header that carries one."""
    return is_api_key_name(path[-1]) or (path[-2:-1] == ("headers",) and is_secret_header(path[-1], value))


def _check_profile(profile: Table, parents: tuple[str, ...], where: str) -> Iterator[str]:
    yield from _unknown(profile, profile_keys(parents[-1]), parents, where)
    _check_settings(profile, PROFILE_SETTINGS, parents, where)
    for key in PROFILE_STRINGS:
        _check_text(profile, (*parents, key), where)
    allow_http = profile.get("allow_http", False)
    if not isinstance(allow_http, bool):
        raise UsageProblem(f"{where}: {file_place(*parents, 'allow_http')} must be true or false")
    variable = profile.get("api_key_env", "X")
    if not (variable.isascii() and variable.isidentifier()):
        # The value is not repeated: it may be the key itself.
        raise UsageProblem(
            f"{where}: {file_place(*parents, 'api_key_env')} must be the name of an environment variable"
        )
    check_headers(_table(profile, (*parents, "headers"), where), f"{where}: {file_place(*parents, 'headers')}")
    if "api_key_cmd" in profile:
        check_command(profile["api_key_cmd"], f"{where}: {file_place(*parents, 'api_key_cmd')}")
    yield from _check_defaults(profile, (*parents, "defaults"), where)
    for name in PROFILE_SETTINGS:
        if name in profile and name in profile.get("defaults", {}):
            twice = file_place(*parents, name), file_place(*parents, "defaults", name)
            raise UsageProblem(f"{where}: {' and '.join(twice)} are the same setting", hint="Remove one of them.")


def check_headers(headers: Mapping[str, object], place: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of headers.

    Raises:
        UsageProblem: one can't be sent, or is set by the HTTP client. Never repeats a value, which may contain a key.

    """
    for name, value in headers.items():
        if not re.fullmatch(_HEADER_NAME, name) or name.lower() in _RESERVED_HEADERS:
            raise UsageProblem(f"{place}: {_header(name)} is not a header that can be set")
        if not isinstance(value, str) or not value.strip() or not (value.isascii() and value.strip().isprintable()):
            raise UsageProblem(f"{place}: {_header(name)} must be a non-empty string of printable ASCII characters")
    return tuple((name, str(value).strip()) for name, value in headers.items())


def _header(name: str) -> str:
    """Return a header's name for a message: what can't be one may be its value, and so a key."""
    return named(name) if re.fullmatch(_HEADER_NAME, name) else "what stands in the place of a name"


def check_command(value: object, place: str) -> tuple[str, ...]:
    """Return the words of an `api_key_cmd`: a list of strings, or one string, which is split as a shell would.

    Raises:
        UsageProblem: it is something else, or empty. Never repeats it, as it may contain a key.

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
            hint='Write it as a list of words, such as ["pass", "show", "images"]; it is run without a shell.',
        )
    return tuple(words)


def _check_model(model: Table, parents: tuple[str, ...], where: str) -> None:
    for key in MODEL_LISTS:
        value = model.get(key, [])
        place = file_place(*parents, key)
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise UsageProblem(f"{where}: {place} must be a list of strings")
        if key == "endpoints" and not set(value) <= set(ENDPOINTS):
            raise UsageProblem(f"{where}: {place} must contain only {', '.join(ENDPOINTS)}")
    for key in MODEL_NUMBERS:
        number = model.get(key, 1)
        if type(number) is not int or number < 1:
            raise UsageProblem(f"{where}: {file_place(*parents, key)} must be a whole number of at least 1")
    tokens = _table(model, (*parents, "tokens"), where)
    prices = {("price",): model.get("price", 0)} | {("tokens", kind): usd for kind, usd in tokens.items()}
    for path, usd in prices.items():
        place = f"{where}: {file_place(*parents, *path)}"
        if path[-1] not in ("price", *TOKEN_PRICES):
            raise UsageProblem(f"{place} is unknown", hint=f"Tokens have prices as {', '.join(TOKEN_PRICES)}.")
        if type(usd) not in {int, float} or not 0 <= usd < math.inf:
            raise UsageProblem(f"{place} must be an amount in USD, such as 0.03")


def _check_defaults(table: Table, parents: tuple[str, ...], where: str) -> Iterator[str]:
    defaults = _table(table, parents, where)
    yield from _unknown(defaults, FILE_SETTINGS, parents, where)
    _check_settings(defaults, FILE_SETTINGS, parents, where)


def _check_settings(table: Table, names: Iterable[str], parents: tuple[str, ...], where: str) -> None:
    for name in names:
        if name in table:
            checked(SETTINGS[name], table[name], f"{where}: {file_place(*parents, name)}")


def _check_text(table: Table, path: tuple[str, ...], where: str) -> None:
    value = table.get(path[-1], "-")
    if not isinstance(value, str) or not value.strip():
        raise UsageProblem(f"{where}: {file_place(*path)} must be a non-empty string")


def _tables(data: Table, key: str, where: str) -> Iterator[tuple[str, Table]]:
    tables = _table(data, (key,), where)
    for name in tables:
        yield name, _table(tables, (key, name), where)


def _table(data: Table, path: tuple[str, ...], where: str) -> Table:
    value = data.get(path[-1], {})
    if not isinstance(value, dict):
        raise UsageProblem(f"{where}: {file_place(*path)} must be a table")
    return value


def _unknown(table: Table, known: Iterable[str], parents: tuple[str, ...], where: str) -> Iterator[str]:
    """Yield a warning for each key that is not known.

    Raises:
        UsageProblem: it must be a limit of what is spent.
    """
    for key in table:
        if key in known:
            continue
        place = file_place(*parents, key)
        if (limit := _limit_meant(key)) is not None:
            right = parents if limit in known else (*parents[:2], "defaults")
            raise UsageProblem(
                f"{where}: {place} is not a setting, so it would limit nothing",
                hint=f"Write {file_place(*right, limit)}.",
            )
        yield f"{place} is unknown and ignored{or_meant(key, known)}"


def _limit_meant(key: str) -> str | None:
    """Return the limit that a key must stand for: it is spelt almost like it, or is some budget."""
    import difflib

    close = difflib.get_close_matches(key.lower().replace("-", "_"), _LIMITS, 1, _SAME_WORD)
    return close[0] if close else next((limit for limit in _LIMITS if limit in key.lower()), None)
