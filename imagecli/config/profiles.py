"""Profiles: where requests go, and which keys may go there.

**A key stays with the place that it was given for** (an origin: scheme, host, port).

    key                                                        belongs to
    ---------------------------------------------------------  --------------------------------------------------
    OPENAI_API_KEY (profile openai only)                       OPENAI_BASE_URL; without it, OpenAI's own address
    AZURE_OPENAI_AD_TOKEN, AZURE_OPENAI_API_KEY                AZURE_OPENAI_ENDPOINT; without it, the profile's own
    (profiles of dialect azure only)                           address
    api_key_env, api_key_cmd, keyring, api_key of a profile    the profile's base_url in the file; without it (for
                                                               openai), OpenAI's own address

A key is offered only where its place, the profile's own base URL and the base URL of this run have one origin. So
`--base-url` with another origin sends none; a key from the file does not follow OPENAI_BASE_URL elsewhere; and
OPENAI_API_KEY does not go to a `base_url` that the file gives to profile openai, unless the file says so by
`api_key_env = "OPENAI_API_KEY"`. OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS stay with OPENAI_API_KEY's
place in the same way, the file's `headers` with the file's.
What is held back although it is there is said in a warning.

A profile that says `dialect = "azure"` may leave its base_url to AZURE_OPENAI_ENDPOINT (then no key of the file has a
place) and its api_version to OPENAI_API_VERSION.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import dialects
from imagecli.config.layout import command_of, headers_of, is_secret_header
from imagecli.config.urls import check_base_url, is_at_openai, web_origin
from imagecli.config.values import BUILT_IN, Origin
from imagecli.errors import UsageProblem
from imagecli.text import did_you_mean, file_place, quoted, shell_word, shown, toml_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OPENAI = "openai"
SANDBOX = "sandbox"
BUILT_IN_PROFILES = (OPENAI, SANDBOX)
OPENAI_URL = "https://api.openai.com/v1"
SANDBOX_URL = "http://sandbox.localhost/v1"
"""Leads nowhere: the sandbox answers in this process."""
_OPENAI_KEY = "OPENAI_API_KEY"
_CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"
"""As the official package reads it: "Name: value", one a line."""
_AZURE = "azure"
"""The dialect that reads the variables of the official package's Azure client."""
_AZURE_ENDPOINT = "AZURE_OPENAI_ENDPOINT"
_AZURE_KEYS = ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY")
"""In the order in which that client takes them."""

# What holds no secret is a NamedTuple: every run makes these classes, and a dataclass takes five times as long.


class Variable(NamedTuple):
    """A key in an environment variable."""

    name: str
    origin: Origin
    named_by: Origin | None = None
    """The place in the file that names it, where it isn't OPENAI_API_KEY by itself."""


@dataclass(frozen=True, slots=True)
class Command:
    """A key that a program prints on its first line."""

    words: tuple[str, ...] = field(repr=False)
    origin: Origin


class Keyring(NamedTuple):
    """A key in the system's keyring, under the profile's name."""

    user: str
    place: str
    """The origin that the key must have been stored for."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class Stored:
    """A key in the config file."""

    text: str = field(repr=False)
    origin: Origin


KeySource = Variable | Command | Keyring | Stored


class Address(NamedTuple):
    """A base URL and who gave it."""

    url: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Profile:
    """Where requests go, and what identifies the user there."""

    name: str
    origin: Origin
    """Where the profile's name came from."""
    base_url: str
    """Without a trailing slash."""
    base_url_origin: Origin
    own_base_url: str
    """The profile's own, which `--base-url` may have replaced in `base_url`."""
    dialect: str = dialects.DEFAULT
    """How the server differs: a name of the table in dialects/, or one that this version does not know."""
    dialect_origin: Origin = BUILT_IN
    """The profile, or the host's name that it was guessed from."""
    api_version: str | None = None
    """For the azure dialect."""
    allow_http: bool = False
    """Whether a key may go over plain http to a host that is not this machine."""
    organization: str | None = None
    project: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """More headers for `base_url`'s own origin, name and value; some may carry a key."""
    key_sources: tuple[KeySource, ...] = ()
    """Where a key for `base_url` may come from, the first that has one wins. Empty: none is sent."""
    key_withheld: str | None = None
    """Why the profile's keys stay at home in this run; None where they don't."""

    @property
    def sandbox(self) -> bool:
        """Whether the sandbox in this process answers."""
        return self.name == SANDBOX and self.base_url == SANDBOX_URL

    @property
    def secret_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that carry a key, as far as their names tell."""
        return tuple((name, value) for name, value in self.headers if is_secret_header(name))

    @property
    def at_openai(self) -> bool:
        """Whether requests go to OpenAI itself."""
        return is_at_openai(self.base_url)

    @property
    def dialect_from(self) -> str:
        """Where the dialect comes from, in words."""
        origin = self.dialect_origin
        return f"guessed from {origin}" if origin.kind == "guess" else str(origin)

    @property
    def key_advice(self) -> str:
        """What gives this profile a key: a sentence without its full stop."""
        variable = _OPENAI_KEY if self.name == OPENAI else _AZURE_KEYS[-1] if self.dialect == _AZURE else None
        command = "imagecli config set-key" + ("" if self.name == OPENAI else f" {shell_word(self.name)}")
        return f"Set {variable} or run `{command}`" if variable else f"Run `{command}`"

    @property
    def missing_key_hint(self) -> str:
        """What to do where a server wants a key and none was sent."""
        if self.name != OPENAI and self.base_url == self.own_base_url:
            return f"No key was sent. {self.key_advice}."
        return (
            "No key was sent: set OPENAI_BASE_URL together with OPENAI_API_KEY, "
            "or make a profile with this base_url and a key of its own."
        )


def check_dialect(name: str) -> None:
    """Raise `UsageProblem` for a dialect that this version does not know."""
    known = dialects.names()
    if name not in known:
        better = did_you_mean(name, known)
        raise UsageProblem(
            f"there is no dialect {quoted(name)}",
            hint=(f"Did you mean {better}? " if better else "") + f"Known: {', '.join(known)}.",
        )


def profile_names(tables: Iterable[str]) -> list[str]:
    """Return all profiles that there are: the built-in ones, then those of the file (the keys of [profiles])."""
    return [*BUILT_IN_PROFILES, *(name for name in tables if name not in BUILT_IN_PROFILES)]


def resolve(
    name: str,
    origin: Origin,
    tables: Mapping[str, Mapping[str, Any]],
    environ: Mapping[str, str],
    override: Address | None = None,
) -> Profile:
    """Return the profile `name` as this run uses it.

    Args:
        name: the profile.
        origin: where its name came from.
        tables: the file's [profiles], its types checked.
        environ: the environment.
        override: `--base-url` or IMAGECLI_BASE_URL.

    Raises:
        UsageProblem: no such profile, a base URL that is none.

    """
    if name not in profile_names(tables):
        raise _unknown_profile(name, origin, tables)
    table = {} if name == SANDBOX else tables.get(name, {})
    in_file = _address_in_file(name, table, environ)
    in_environment = _address_in_environment(name, environ)
    own = in_environment or in_file
    address = override or own

    dialect = table.get("dialect") or dialects.guess(address.url) or dialects.DEFAULT

    here = web_origin(address.url)
    at_home = web_origin(own.url) == here
    azure = (table.get("dialect") or dialects.guess(own.url)) == _AZURE
    homes = _Homes(
        None if in_file.origin.kind == "environment" else web_origin(in_file.url),
        web_origin(in_environment.url if in_environment else OPENAI_URL),
        web_origin((_azure_endpoint(environ) or own).url) if azure else None,
    )
    offers = _offers(name, table, homes)
    organization, project = _identity(name, table, environ, homes, here) if at_home else (None, None)
    return Profile(
        name=name,
        origin=origin,
        base_url=address.url,
        base_url_origin=address.origin,
        own_base_url=own.url,
        dialect=dialect,
        dialect_origin=_dialect_origin(name, table, address.url),
        api_version=_api_version(table, environ) if dialect == _AZURE else None,
        allow_http=table.get("allow_http", False),
        organization=organization,
        project=project,
        headers=_headers(name, table, environ, homes, here) if at_home else (),
        key_sources=tuple(source for source, home in offers if at_home and home == here),
        key_withheld=_held_back(offers, here, environ)
        if at_home
        else _left_behind(name, table, own, here, offers, environ),
    )


class _Homes(NamedTuple):
    """The origins that keys belong to: those that the file names, OPENAI_API_KEY, and Azure's variables."""

    file: str | None
    """None: the file gives no address."""
    environment: str
    azure: str | None
    """None: the profile speaks another dialect, and Azure's variables are not read."""


def _address_in_file(name: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> Address:
    """Return the file's address for a profile, or what stands in for one that it does not give."""
    if name == SANDBOX:
        return Address(SANDBOX_URL, BUILT_IN)
    place = file_place("profiles", name, "base_url")
    if "base_url" in table:
        return Address(check_base_url(table["base_url"], f"{place} in the config file"), Origin("config", place))
    if name == OPENAI:
        return Address(OPENAI_URL, BUILT_IN)
    azure = table.get("dialect") == _AZURE
    if azure and (endpoint := _azure_endpoint(environ)) is not None:
        return endpoint
    command = f"`imagecli config set {shell_word(toml_key('profiles', name, 'base_url'))} https://…` gives it one"
    raise UsageProblem(
        f"profile {shown(name)} has no base_url",
        hint=f"{command}, and so does {_AZURE_ENDPOINT}." if azure else f"{command}.",
    )


def _azure_endpoint(environ: Mapping[str, str]) -> Address | None:
    text = environ.get(_AZURE_ENDPOINT, "").strip()
    return Address(check_base_url(text, _AZURE_ENDPOINT), Origin("environment", _AZURE_ENDPOINT)) if text else None


def _api_version(table: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    return table.get("api_version") or environ.get("OPENAI_API_VERSION", "").strip() or None


def _address_in_environment(name: str, environ: Mapping[str, str]) -> Address | None:
    text = environ.get("OPENAI_BASE_URL", "").strip() if name == OPENAI else ""
    return Address(check_base_url(text, "OPENAI_BASE_URL"), Origin("environment", "OPENAI_BASE_URL")) if text else None


def _offers(name: str, table: Mapping[str, Any], homes: _Homes) -> list[tuple[KeySource, str | None]]:
    """Return every source that could hold a key of the profile and the origin that this key belongs to, in order."""
    if name == SANDBOX:
        return []

    def place(key: str) -> Origin:
        return Origin("config", file_place("profiles", name, key))

    offers: list[tuple[KeySource, str | None]] = []
    if "api_key_env" in table:
        variable = table["api_key_env"]
        offers.append((Variable(variable, Origin("environment", variable), place("api_key_env")), homes.file))
    if name == OPENAI:
        offers.append((Variable(_OPENAI_KEY, Origin("environment", _OPENAI_KEY)), homes.environment))
    if homes.azure is not None:
        offers += [(Variable(each, Origin("environment", each)), homes.azure) for each in _AZURE_KEYS]
    if "api_key_cmd" in table:
        origin = place("api_key_cmd")
        offers.append((Command(command_of(table["api_key_cmd"], origin.name), origin), homes.file))
    if homes.file is not None:
        offers.append((Keyring(name, homes.file, Origin("keyring", "the keyring")), homes.file))
    if "api_key" in table:
        offers.append((Stored(table["api_key"], place("api_key")), homes.file))
    return offers


def _dialect_origin(name: str, table: Mapping[str, Any], url: str) -> Origin:
    if "dialect" in table:
        return Origin("config", file_place("profiles", name, "dialect"))
    return Origin("guess", "the host's name") if dialects.guess(url) else BUILT_IN


def _identity(
    name: str, table: Mapping[str, Any], environ: Mapping[str, str], homes: _Homes, here: str
) -> tuple[str | None, str | None]:
    """Return organization and project for the origin `here`."""

    def find(variable: str, key: str) -> str | None:
        if name == OPENAI and homes.environment == here and environ.get(variable, "").strip():
            return _header_value(environ[variable], variable)
        if homes.file == here and key in table:
            return _header_value(table[key], f"{file_place('profiles', name, key)} in the config file")
        return None

    return find("OPENAI_ORG_ID", "organization"), find("OPENAI_PROJECT_ID", "project")


def _headers(
    name: str, table: Mapping[str, Any], environ: Mapping[str, str], homes: _Homes, here: str
) -> tuple[tuple[str, str], ...]:
    """Return the further headers for the origin `here`; those of the environment go before those of the file."""
    headers: dict[str, str] = {}
    if homes.file == here and "headers" in table:
        headers |= headers_of(table["headers"], f"{file_place('profiles', name, 'headers')} in the config file")
    if name == OPENAI and homes.environment == here:
        lines = [line for line in environ.get(_CUSTOM_HEADERS, "").splitlines() if line.strip()]
        pairs = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
        headers |= headers_of(pairs, _CUSTOM_HEADERS)
    return tuple(headers.items())


def _header_value(text: str, place: str) -> str:
    value = text.strip()
    if not (value.isascii() and value.isprintable()):
        raise UsageProblem(f"{place} can't be sent: it holds control characters or others than ASCII")
    return value


def _held_back(offers: list[tuple[KeySource, str | None]], here: str, environ: Mapping[str, str]) -> str | None:
    """Return what to say of a key that is there but belongs elsewhere, where no other one is known to be there."""
    there = [(source, home) for source, home in offers if _is_there(source, environ)]
    if not there or any(home == here for _, home in there):
        return None
    source, home = there[0]
    place = f"it belongs to {home}" if home else "the profile has no base_url that it could belong to"
    return f"{source.origin} is not sent to {here}: {place}"


def _left_behind(  # noqa: PLR0913, PLR0917 - who, from where to where, and what could go along
    name: str,
    table: Mapping[str, Any],
    own: Address,
    here: str,
    offers: list[tuple[KeySource, str | None]],
    environ: Mapping[str, str],
) -> str | None:
    """Return what to say where `--base-url` leads away from the profile's keys; nothing where it has none."""
    secret = any(map(is_secret_header, table.get("headers", ())))
    if not (secret or any(_is_there(source, environ) for source, _ in offers)):
        return None
    return f"no key is sent to {here}: the keys of profile {shown(name)} belong to {web_origin(own.url)}"


def _is_there(source: KeySource, environ: Mapping[str, str]) -> bool:
    """Whether there is a key at first sight: commands are not run and the keyring is not asked."""
    if isinstance(source, Variable):
        return bool(environ.get(source.name, "").strip())
    return not isinstance(source, Keyring)


def _unknown_profile(name: str, origin: Origin, tables: Iterable[str]) -> UsageProblem:
    known = profile_names(tables)
    better = did_you_mean(name, known)
    return UsageProblem(
        f"there is no profile {quoted(name)}" + ("" if origin.typed else f" ({origin})"),
        hint=(f"Did you mean {shown(better)}? " if better else "") + f"Known: {shown(', '.join(known))}.",
    )
