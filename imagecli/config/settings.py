"""The settings of a run: flag > environment > config file (the profile, then [defaults]) > built in."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import dialects
from imagecli.config import file, layout
from imagecli.config.profiles import Address, Command, Profile, resolve, unread_address
from imagecli.config.urls import NO_QUOTES, QUOTES, check_base_url
from imagecli.config.validation import checked, from_text
from imagecli.errors import UsageProblem
from imagecli.flags import SETTINGS, VARIABLES, flags_of
from imagecli.options import BUILT_IN, Options, Origin, Value
from imagecli.text import closest_match, file_place, named, or_meant, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imagecli.flags.row import Flag

_OURS = "IMAGECLI_"
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Settings(NamedTuple):
    """The settings of one run."""

    profile: Profile
    options: Options
    """What the command takes of the values."""
    models: dict[str, dict[str, Any]]
    """The file's [models.NAME]; `endpoints` and `sizes` are lists of texts, the rest is as found."""
    warnings: tuple[str, ...]
    """Unknown keys in the file, and keys that are not sent to this server."""
    path: Path
    """The config file, whether it exists or not."""
    values: dict[str, Value[Any]]
    """Every setting that is set, by name, in the order of the table of flags."""


def load(
    typed: Mapping[str, object | None],
    environ: Mapping[str, str] | None = None,
    *,
    command: str | None = None,
    like: Mapping[str, object] = _NOTHING,
) -> Settings:
    """Return the settings of this run.

    Args:
        typed: what was typed, by the flags' names; None (or an empty tuple) was not typed. Other names than those of
            settings are passed over.
        environ: the environment; None is this process's. A variable that is empty counts as unset.
        command: whose options are wanted; None: those of all commands.
        like: the values of the request that --like names, by the flags' names; those that are typed go before them.

    Raises:
        UsageProblem: a value that is not what its setting takes, an unknown profile, a broken config file. Names the
            flag, the variable, or the file and the key.
    """
    environ = os.environ if environ is None else environ
    config = file.read(environ)
    given = _Given(typed, environ, like)
    warnings = layout.check(config.data, config.path)
    name = given.value(SETTINGS["profile"]) or _profile_in_file(config)
    url = given.value(SETTINGS["base_url"])
    override = Address(check_base_url(str(url.value), url.origin.name), url.origin) if url else None
    tables = config.data.get("profiles", {})
    profile = resolve(str(name.value), name.origin, tables, environ, override)
    for source in profile.key_sources:
        if isinstance(source, Command):
            source.exposure = config.exposure
    if profile.dialect_origin.kind == "config" and profile.dialect not in dialects.names():
        meant = or_meant(profile.dialect, dialects.names())
        treated = f"{named(profile.name)} is treated as openai"
        warnings.append(f"dialect {named(profile.dialect)} is unknown: {treated}{meant}")
    warnings += _misspelt_variables(environ)
    warnings += filter(None, (profile.key_withheld, unread_address(profile, environ)))

    known = {
        "profile": name,
        "base_url": Value(profile.base_url, profile.base_url_origin, url is not None and url.typed),
    }
    own_table = tables.get(profile.name, {})
    sections = [
        (("profiles", profile.name), {key: own_table[key] for key in layout.PROFILE_SETTINGS if key in own_table}),
        (("profiles", profile.name, "defaults"), own_table.get("defaults", {})),
        (("defaults",), config.data.get("defaults", {})),
    ]
    own = {flag.name: flag for flag in flags_of(command or "") if flag.in_environment}
    values: dict[str, Value[Any]] = {}
    for flag in (SETTINGS | own).values():
        value = known.get(flag.name) or given.value(flag)
        if value is None and flag.in_file:
            value = _in_file(flag, sections, config.path)
        if value is None and flag.built_in is not None:
            value = Value(flag.built_in, BUILT_IN)
        if value is not None:
            values[flag.name] = value
    options = Options(values if command is None else {name: values[name] for name in own if name in values})
    return Settings(profile, options, config.data.get("models", {}), tuple(warnings), config.path, values)


def choose_profile(typed: str | None, config: file.ConfigFile, environ: Mapping[str, str]) -> Profile:
    """Return a profile as the config file has it, whatever the environment says of its address.

    Args:
        typed: its name; None is the active profile.
        config: the file.
        environ: the environment, which may name the active profile.

    Raises:
        UsageProblem: as in `load()`.
    """
    layout.check(config.data, config.path)
    name = _Given({"profile": typed}, environ).value(SETTINGS["profile"]) or _profile_in_file(config)
    return resolve(str(name.value), name.origin, config.data.get("profiles", {}), {})


class _Given(NamedTuple):
    """What stands above the config file, in its order."""

    typed: Mapping[str, object]
    environ: Mapping[str, str]
    like: Mapping[str, object] = _NOTHING

    def value(self, flag: Flag) -> Value[Any] | None:
        """Return a setting's value; None where none of them has one."""
        value = self.typed.get(flag.name)
        if value is not None and value not in ((), []):
            spelling = flag.flag.replace("--", "--no-", 1) if value is False else flag.flag
            return Value(_at_home(flag, checked(flag, value, spelling)), Origin("flag", spelling), typed=True)
        value = self.like.get(flag.name)
        if value is not None and value not in ((), []):
            spelling = f"{flag.flag} of --like"
            return Value(checked(flag, value, spelling), Origin("like", spelling))
        variable = VARIABLES.get(flag.name, "")
        text = self.environ.get(variable)
        if not text:
            return None
        if len(text) > 1 and {text[0], text[-1]} <= QUOTES:
            raise UsageProblem(f"{variable} is in quotes", hint=NO_QUOTES)
        return Value(_at_home(flag, from_text(flag, text, variable)), Origin("environment", variable))


def _misspelt_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable of ours that is none, and near to one."""
    ours = (*(flag.variable for flag in SETTINGS.values()), file.VARIABLE)
    known = {name.removeprefix(_OURS): name for name in ours}
    for name in sorted(environ):
        word = name.removeprefix(_OURS)
        if word not in known and word != name and (near := closest_match(word, known)):
            yield f"{printable(name)} is no setting, and ignored; did you mean {known[near]}?"


def _profile_in_file(config: file.ConfigFile) -> Value[Any]:
    if "profile" in config.data:
        return Value(config.data["profile"], Origin("config", "profile"))
    return Value(SETTINGS["profile"].built_in, BUILT_IN)


def _in_file(flag: Flag, sections: list[tuple[tuple[str, ...], dict[str, Any]]], path: Path) -> Value[Any] | None:
    for parents, section in sections:
        if flag.name in section:
            place = file_place(*parents, flag.name)
            value = checked(flag, section[flag.name], f"{printable(path)}: {place}")
            return Value(_at_home(flag, value), Origin("config", place))
    return None


def _at_home(flag: Flag, value: object) -> object:
    """Return the value, in a path with ~ opened: no shell does that in a file, a variable or `--output=~/x.png`."""
    if not flag.path:
        return value
    if isinstance(value, tuple):
        return tuple(map(os.path.expanduser, value))
    return os.path.expanduser(str(value))  # not Path: a final slash means something
