"""Profiles: where requests go, and which keys may go there.

**A key stays with the web origin (scheme, host, port) that it was given for.**

    key                                                        belongs to the web origin of
    ---------------------------------------------------------  --------------------------------------------------
    OPENAI_API_KEY (profile openai only)                       OPENAI_BASE_URL; without it, OpenAI's own base URL
    the key_variables of the profile's dialect                 the dialect's endpoint_variable; without it, the
    (AZURE_OPENAI_API_KEY for azure)                           profile's own base URL
    api_key_env, api_key_cmd, keyring, api_key of a profile    the profile's base_url in the file; without it (for
                                                               openai), OpenAI's own base URL

A key is sent only where this web origin, that of the profile's own base URL and that of the base URL of this run are
the same. So `--base-url` with another web origin sends none; a key from the file does not follow OPENAI_BASE_URL; and
OPENAI_API_KEY does not go to a `base_url` that the file gives to profile openai, unless the file asks for it with
`api_key_env = "OPENAI_API_KEY"`. The same holds for OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS, which
belong where OPENAI_API_KEY does, and for the file's `headers`, which belong where the file's keys do.
A warning names a key that is set and withheld.

A profile that names its dialect may leave its base_url to the dialect's endpoint_variable (then the file's keys belong
nowhere), and its api_version to the version_variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import dialects
from imagecli.config.layout import check_command, check_headers, is_secret_header
from imagecli.config.urls import check_base_url, web_origin
from imagecli.errors import UsageProblem
from imagecli.options import BUILT_IN, Origin
from imagecli.text import closest_match, file_place, named, quoted, shell_word, toml_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imagecli.config.file import Exposure
    from imagecli.dialects.openai import OpenAI

OPENAI = "openai"
SANDBOX = "sandbox"
AZURE = "azure"
BUILT_IN_PROFILES = (OPENAI, SANDBOX)
OPENAI_URL = "https://api.openai.com/v1"
SANDBOX_URL = "http://sandbox.localhost/v1"
"""Never connected to: the sandbox runs in this process."""
_OPENAI_KEY = "OPENAI_API_KEY"
_OPENAI_BASE_URL = "OPENAI_BASE_URL"
_OTHER_BASE_URLS = ("OPENAI_API_BASE", "OPENAI_API_BASE_URL", "OPENAI_BASE")
"""What other programs, and the official package before 1.0, call it."""
_CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"
"""As the official package reads it: one "Name: value" a line."""

# No dataclasses: every run makes these classes, and a dataclass takes five times as long as a NamedTuple. What may
# contain a secret has a repr of its own.


class Variable(NamedTuple):
    """A key in an environment variable."""

    name: str
    origin: Origin
    named_by: Origin | None = None
    """The place in the file that names the variable; None for one that is read by default."""


class Command:
    """A key that a program prints on its first line."""

    __slots__ = ("exposure", "origin", "words")

    def __init__(self, words: tuple[str, ...], origin: Origin) -> None:
        """Take the program and its arguments, which may contain a secret, and the place in the file."""
        self.words = words
        self.origin = origin
        self.exposure: Exposure | None = None
        """How others can change the file, and so the command, which is then not run."""


class Keyring(NamedTuple):
    """A key in the system's keyring."""

    user: str
    """The entry's user: the profile's name."""
    web_origin: str
    """The web origin that the key must have been stored for."""
    origin: Origin


class Stored:
    """A key in the config file."""

    __slots__ = ("origin", "text")

    def __init__(self, text: str, origin: Origin) -> None:
        """Take the key and its place in the file."""
        self.text = text
        self.origin = origin


KeySource = Variable | Command | Keyring | Stored


class Address(NamedTuple):
    """A base URL and where it came from."""

    url: str
    origin: Origin


class Profile(NamedTuple):
    """Where requests go, and what identifies the user there."""

    name: str
    origin: Origin
    """Where the profile's name came from."""
    base_url: str
    """Without a trailing slash."""
    base_url_origin: Origin
    own_base_url: str
    """The profile's own, which `--base-url` may have replaced in `base_url`."""
    provider: str | None = None
    """Whose server that is, by its https host: "openai", "azure" or another dialect's name. "azure" also where the
    profile names that dialect, as nobody else speaks it; "sandbox" for the one in this process. None: not known."""
    dialect: str = dialects.DEFAULT
    """How the server differs: a name in the table of dialects, or one that is unknown to this version."""
    dialect_origin: Origin = BUILT_IN
    """The profile, or the host name that it was guessed from."""
    api_version: str | None = None
    """For dialects with a version_variable."""
    allow_http: bool = False
    """Whether a key may go over plain http to another machine."""
    organization: str | None = None
    project: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers for the web origin of `base_url`, as (name, value); some may carry a key."""
    key_sources: tuple[KeySource, ...] = ()
    """Where a key for `base_url` may come from; the first source that has one is used. Empty: no key is sent."""
    key_withheld: str | None = None
    """Why the profile's keys are not sent in this run; None where none is withheld."""

    def __repr__(self) -> str:
        """Return what identifies the profile, without its headers, which may contain a key."""
        return f"Profile({self.name!r}, {self.base_url!r}, {self.dialect!r})"

    @property
    def sandbox(self) -> bool:
        """Whether requests go to the sandbox in this process."""
        return self.provider == SANDBOX

    @property
    def secret_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that carry a key, as far as their names and values show."""
        return tuple((name, value) for name, value in self.headers if is_secret_header(name, value))

    @property
    def at_openai(self) -> bool:
        """Whether requests go to OpenAI itself."""
        return self.provider == OPENAI

    @property
    def dialect_from(self) -> str:
        """Where the dialect came from, for `config show`."""
        origin = self.dialect_origin
        return f"guessed from {origin}" if origin.kind == "guess" else str(origin)

    @property
    def key_advice(self) -> str:
        """How to give this profile a key: a sentence without its full stop."""
        variables = (_OPENAI_KEY,) if self.name == OPENAI else dialects.load_class(self.dialect).key_variables
        command = "imagecli config set-key" + ("" if self.name == OPENAI else f" {shell_word(self.name)}")
        return f"Set {variables[-1]} or run `{command}`" if variables else f"Run `{command}`"

    @property
    def missing_key_hint(self) -> str:
        """What to do where a server requires a key and none was sent."""
        if self.name != OPENAI and self.base_url == self.own_base_url:
            return f"No key was sent. {self.key_advice}."
        return (
            f"No key was sent: set {_OPENAI_BASE_URL} together with {_OPENAI_KEY}, "
            "or make a profile with this base_url and its own key."
        )


class _KeyOwners(NamedTuple):
    """The web origins that a profile's keys belong to, by where the keys come from."""

    file: str | None
    """None: the file gives no address."""
    openai: str
    """For OPENAI_API_KEY and the variables that go with it."""
    dialect: str
    """For the dialect's key_variables."""


def check_dialect(name: str) -> None:
    """Raise `UsageProblem` for a dialect that is unknown to this version."""
    known = dialects.names()
    if name not in known:
        raise _unknown("dialect", name, known)


def profile_names(tables: Iterable[str]) -> list[str]:
    """Return the names of all profiles: the built-in ones, then those of the file (the keys of [profiles])."""
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
        name: the profile's name.
        origin: where the name came from.
        tables: the file's [profiles], with types checked.
        environ: the environment.
        override: `--base-url` or IMAGECLI_BASE_URL.

    Raises:
        UsageProblem: the profile is unknown or has no base URL, or a base URL is invalid.

    """
    known = profile_names(tables)
    if name not in known:
        raise _unknown("profile", name, known, "" if origin.typed else f" ({origin})")
    table = {} if name == SANDBOX else tables.get(name, {})
    in_file = _address_in_file(name, table, environ)
    in_environment = _address_in_variable(_OPENAI_BASE_URL, environ) if name == OPENAI else None
    own = in_environment or in_file
    address = override or own
    target = web_origin(address.url)
    same_origin = web_origin(own.url) == target

    named = table.get("dialect")
    known_host = dialects.guess(address.url)
    guessed = None if named else known_host
    dialect = named or guessed or dialects.DEFAULT
    spoken = own_dialect = dialects.load_class(dialect)
    if own.url != address.url and not named:
        own_dialect = dialects.load_class(dialects.guess(own.url) or dialects.DEFAULT)
    owners = _KeyOwners(
        file=None if in_file.origin.kind == "environment" else web_origin(in_file.url),
        openai=web_origin(in_environment.url if in_environment else OPENAI_URL),
        dialect=web_origin((_endpoint(own_dialect, environ) or own).url),
    )
    sources = _key_sources(name, table, owners, own_dialect.key_variables)
    organization, project = _identity(name, table, environ, owners, target) if same_origin else (None, None)
    return Profile(
        name=name,
        origin=origin,
        base_url=address.url,
        base_url_origin=address.origin,
        own_base_url=own.url,
        provider=_provider(name, address.url, known_host, dialect),
        dialect=dialect,
        dialect_origin=_dialect_origin(name, named, guessed),
        api_version=_api_version(spoken, table, environ),
        allow_http=table.get("allow_http", False),
        organization=organization,
        project=project,
        headers=_headers(name, table, environ, owners, target) if same_origin else (),
        key_sources=tuple(source for source, owner in sources if same_origin and owner == target),
        key_withheld=_withheld(sources, target, environ)
        if same_origin
        else _withheld_from_override(name, table, own, target, sources, environ),
    )


def unread_address(profile: Profile, environ: Mapping[str, str]) -> str | None:
    """Return a warning where a variable seems to give OpenAI's profile an address, and is not one that is read."""
    if profile.name != OPENAI or profile.base_url_origin != BUILT_IN:
        return None
    name = next((name for name in _OTHER_BASE_URLS if environ.get(name, "").strip()), None)
    return f"{name} is set but not read, so requests go to OpenAI: set {_OPENAI_BASE_URL}" if name else None


def _address_in_file(name: str, table: Mapping[str, Any], environ: Mapping[str, str]) -> Address:
    """Return the address that the file gives to a profile, else the built-in one, else its dialect's endpoint."""
    if name == SANDBOX:
        return Address(SANDBOX_URL, BUILT_IN)
    if "base_url" in table:
        place = file_place("profiles", name, "base_url")
        return Address(check_base_url(table["base_url"], f"{place} in the config file"), Origin("config", place))
    if name == OPENAI:
        return Address(OPENAI_URL, BUILT_IN)
    dialect = dialects.load_class(table.get("dialect", dialects.DEFAULT))
    if (endpoint := _endpoint(dialect, environ)) is not None:
        return endpoint
    command = f"Run `imagecli config set {shell_word(toml_key('profiles', name, 'base_url'))} https://…`"
    raise UsageProblem(
        f"profile {named(name)} has no base_url",
        hint=f"{command}, or set {dialect.endpoint_variable}." if dialect.endpoint_variable else f"{command}.",
    )


def _endpoint(dialect: type[OpenAI], environ: Mapping[str, str]) -> Address | None:
    return _address_in_variable(dialect.endpoint_variable, environ) if dialect.endpoint_variable else None


def _api_version(dialect: type[OpenAI], table: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    if dialect.version_variable is None:
        return None
    return table.get("api_version") or environ.get(dialect.version_variable, "").strip() or None


def _address_in_variable(variable: str, environ: Mapping[str, str]) -> Address | None:
    text = environ.get(variable, "").strip()
    return Address(check_base_url(text, variable), Origin("environment", variable)) if text else None


def _key_sources(
    name: str, table: Mapping[str, Any], owners: _KeyOwners, dialect_variables: tuple[str, ...]
) -> list[tuple[KeySource, str | None]]:
    """Return every source of a key for the profile, in order, each with the web origin that its key belongs to."""
    if name == SANDBOX:
        return []

    def place(key: str) -> Origin:
        return Origin("config", file_place("profiles", name, key))

    sources: list[tuple[KeySource, str | None]] = []
    if "api_key_env" in table:
        variable = table["api_key_env"]
        sources.append((Variable(variable, Origin("environment", variable), place("api_key_env")), owners.file))
    if name == OPENAI:
        sources.append((Variable(_OPENAI_KEY, Origin("environment", _OPENAI_KEY)), owners.openai))
    sources += [(Variable(each, Origin("environment", each)), owners.dialect) for each in dialect_variables]
    if "api_key_cmd" in table:
        origin = place("api_key_cmd")
        sources.append((Command(check_command(table["api_key_cmd"], origin.name), origin), owners.file))
    if owners.file is not None:
        sources.append((Keyring(name, owners.file, Origin("keyring", "the keyring")), owners.file))
    if "api_key" in table:
        sources.append((Stored(table["api_key"], place("api_key")), owners.file))
    return sources


def _provider(profile: str, url: str, known_host: str | None, dialect: str) -> str | None:
    if (profile, url) == (SANDBOX, SANDBOX_URL):
        return SANDBOX
    if known_host is not None and url.startswith("https:"):
        return known_host
    return AZURE if dialect == AZURE else None


def _dialect_origin(profile: str, named: str | None, guessed: str | None) -> Origin:
    if named:
        return Origin("config", file_place("profiles", profile, "dialect"))
    return Origin("guess", "the host's name") if guessed else BUILT_IN


def _identity(
    name: str, table: Mapping[str, Any], environ: Mapping[str, str], owners: _KeyOwners, target: str
) -> tuple[str | None, str | None]:
    """Return the organization and the project for the web origin `target`."""

    def find(variable: str, key: str) -> str | None:
        if name == OPENAI and owners.openai == target and environ.get(variable, "").strip():
            return _header_value(environ[variable], variable)
        if owners.file == target and key in table:
            return _header_value(table[key], f"{file_place('profiles', name, key)} in the config file")
        return None

    return find("OPENAI_ORG_ID", "organization"), find("OPENAI_PROJECT_ID", "project")


def _headers(
    name: str, table: Mapping[str, Any], environ: Mapping[str, str], owners: _KeyOwners, target: str
) -> tuple[tuple[str, str], ...]:
    """Return the further headers for the web origin `target`; the environment overrides the file."""
    headers: dict[str, str] = {}
    if owners.file == target and "headers" in table:
        headers |= check_headers(table["headers"], f"{file_place('profiles', name, 'headers')} in the config file")
    if name == OPENAI and owners.openai == target:
        lines = [line for line in environ.get(_CUSTOM_HEADERS, "").splitlines() if line.strip()]
        if any(":" not in line for line in lines):
            raise UsageProblem(
                f"{_CUSTOM_HEADERS} has a line without a colon",
                hint="Write one header per line, as Name: value. The API key has a variable of its own.",
            )
        pairs = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
        headers |= check_headers(pairs, _CUSTOM_HEADERS)
    return tuple(headers.items())


def _header_value(text: str, place: str) -> str:
    value = text.strip()
    if not (value.isascii() and value.isprintable()):
        raise UsageProblem(f"{place} can't be sent: it contains control or non-ASCII characters")
    return value


def _withheld(sources: list[tuple[KeySource, str | None]], target: str, environ: Mapping[str, str]) -> str | None:
    """Return a warning for a key that is set and belongs elsewhere, unless another one is set for `target`."""
    found = [(source, owner) for source, owner in sources if _seems_set(source, environ)]
    if not found or any(owner == target for _, owner in found):
        return None
    source, owner = found[0]
    reason = f"it belongs to {owner}" if owner else "the profile has no base_url that it could belong to"
    return f"{source.origin} is not sent to {target}: {reason}"


def _withheld_from_override(  # noqa: PLR0913, PLR0917 - all that decides whether a key or a header could go along
    name: str,
    table: Mapping[str, Any],
    own: Address,
    target: str,
    sources: list[tuple[KeySource, str | None]],
    environ: Mapping[str, str],
) -> str | None:
    """Return a warning where `--base-url` leads away from the web origin of the profile's keys, if it has any."""
    secret = any(is_secret_header(*header) for header in table.get("headers", {}).items())
    if not (secret or any(_seems_set(source, environ) for source, _ in sources)):
        return None
    return f"no key is sent to {target}: the keys of profile {named(name)} belong to {web_origin(own.url)}"


def _seems_set(source: KeySource, environ: Mapping[str, str]) -> bool:
    """Whether a source has a key, as far as can be seen without running a command or reading the keyring."""
    if isinstance(source, Variable):
        return bool(environ.get(source.name, "").strip())
    return not isinstance(source, Keyring)


def _unknown(kind: str, name: str, known: Iterable[str], origin: str = "") -> UsageProblem:
    """Return the error for an unknown profile or dialect."""
    better = closest_match(name, known)
    return UsageProblem(
        f"unknown {kind} {quoted(name)}{origin}",
        hint=(f"Did you mean {named(better)}? " if better else "") + f"Known: {', '.join(map(named, known))}.",
    )
