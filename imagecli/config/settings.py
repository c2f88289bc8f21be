"""What this run works with: flag > environment > config file (the profile, then [defaults]) > built in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli import dialects
from imagecli.config import file, layout
from imagecli.config.profiles import Address, Profile, resolve
from imagecli.config.table import SETTINGS, Setting
from imagecli.config.urls import check_base_url
from imagecli.config.values import BUILT_IN, Origin, Value
from imagecli.text import file_place, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SETTINGS", "Origin", "Setting", "Settings", "Value", "choose_profile", "load"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run, each with its origin."""

    profile: Profile
    models: dict[str, dict[str, Any]]
    """The file's [models.NAME]; `endpoints` and `sizes` are lists of texts, the rest is as found."""
    warnings: list[str]
    """What the user should hear: keys of the file that are not known, keys to servers that are held back."""
    path: Path
    """The config file, whether it is there or not."""
    values: dict[str, Value] = field(default_factory=dict)

    def get(self, name: str) -> Value | None:
        """Return the setting's value, or None where it is set nowhere and nothing is built in.

        Types are those of the table: str, int, float, bool; a tuple of str for `image` and `param`.

        Raises:
            KeyError: there is no such setting.

        """
        return self.values.get(SETTINGS[name].name)

    def value(self, name: str) -> Any:  # noqa: ANN401 - of the type that the table says
        """Return the setting's value, None where it is set nowhere; as `get()`, without its origin."""
        found = self.get(name)
        return None if found is None else found.value

    def typed(self, name: str) -> bool:
        """Return whether the setting stood on the command line of this very call."""
        found = self.get(name)
        return found is not None and found.origin.typed


def load(flags: Mapping[str, object | None], environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this run.

    Args:
        flags: what was typed, by the settings' names; None (or no value, for a repeated flag) was not typed.
        environ: the environment; None is this process's. A variable that is empty counts as unset.

    Raises:
        UsageProblem: a value that is not what its setting takes, an unknown profile, a broken config file. Names the
            flag, the variable, or the file and the key.
        KeyError: a flag that is no setting.

    """
    environ = os.environ if environ is None else environ
    config = file.read(environ)
    warnings = layout.check(config.data, config.path)
    typed = {SETTINGS[name]: value for name, value in flags.items() if value is not None and value not in ((), [])}

    name = _asked_for(SETTINGS["profile"], typed, environ) or _profile_in_file(config)
    url = _asked_for(SETTINGS["base_url"], typed, environ)
    override = Address(check_base_url(str(url.value), url.origin.name), url.origin) if url else None
    tables = config.data.get("profiles", {})
    profile = resolve(str(name.value), name.origin, tables, environ, override)
    if profile.dialect not in dialects.names():
        warnings.append(
            f"dialect {shown(profile.dialect)} is not known here: {shown(profile.name)} is taken for openai"
        )
    if profile.key_withheld:
        warnings.append(profile.key_withheld)

    values = {"profile": name, "base_url": Value(profile.base_url, profile.base_url_origin)}
    sections = [
        (("profiles", profile.name, "defaults"), tables.get(profile.name, {}).get("defaults", {})),
        (("defaults",), config.data.get("defaults", {})),
    ]
    for setting in SETTINGS.values():
        if setting.name in values:
            continue
        value = _asked_for(setting, typed, environ) or _in_file(setting, sections, config.path) or _built_in(setting)
        if value:
            values[setting.name] = value
    in_order = {name: values[name] for name in SETTINGS if name in values}
    return Settings(profile, config.data.get("models", {}), warnings, config.path, in_order)


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
    setting = SETTINGS["profile"]
    name = _asked_for(setting, {} if typed is None else {setting: typed}, environ) or _profile_in_file(config)
    return resolve(str(name.value), name.origin, config.data.get("profiles", {}), {})


def _asked_for(setting: Setting, typed: Mapping[Setting, object], environ: Mapping[str, str]) -> Value | None:
    """Return what the command line says, else what the environment says."""
    if setting in typed:
        value = typed[setting]
        flag = setting.flag.replace("--", "--no-", 1) if value is False else setting.flag
        return Value(setting.check(value, flag), Origin("flag", flag))
    text = environ.get(setting.variable)
    if text:
        return Value(setting.from_text(text, setting.variable), Origin("environment", setting.variable))
    return None


def _profile_in_file(config: file.ConfigFile) -> Value:
    if "profile" in config.data:
        return Value(config.data["profile"], Origin("config", "profile"))
    return Value(SETTINGS["profile"].built_in, BUILT_IN)


def _in_file(setting: Setting, sections: list[tuple[tuple[str, ...], dict[str, Any]]], path: Path) -> Value | None:
    if not setting.in_file:
        return None
    for parents, section in sections:
        if setting.name in section:
            place = file_place(*parents, setting.name)
            value = setting.check(section[setting.name], f"{shown(path)}: {place}")
            if setting.path:
                # No shell has expanded what stands in a file. Not Path: a final slash means something.
                value = os.path.expanduser(str(value))
            return Value(value, Origin("config", place))
    return None


def _built_in(setting: Setting) -> Value | None:
    return None if setting.built_in is None else Value(setting.built_in, BUILT_IN)
