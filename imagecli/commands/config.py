"""`imagecli config`: look at the settings, change the config file, keep a key, try a server."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imagecli import context
from imagecli.commands.page import Page, aligned
from imagecli.errors import Failure, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.config.file import ConfigFile
    from imagecli.config.settings import Settings
    from imagecli.config.values import Origin

app = typer.Typer(
    name="config",
    help="""Settings, profiles and keys.

    \b
    Examples:
      imagecli config show
      imagecli config set defaults.size landscape
      imagecli config check sandbox
    """,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for failures too.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The whole TOML path, such as defaults.model.")]
ProfileName = Annotated[str | None, typer.Argument(metavar="[PROFILE]", help="The active one where it is left out.")]

_MOST_LINE_BYTES = 65_536


@app.command("path")
def show_path(*, as_json: Json = False) -> None:
    """Print where the config file is, or would be.

    \b
    Examples:
      imagecli config path
      "$EDITOR" "$(imagecli config path)"
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.config.file import config_path

    path = config_path(os.environ)
    Page("config path", as_json=as_json).show(os.fspath(path), path=os.fspath(path), exists=path.exists())


@app.command("show")
def show_settings(*, as_json: Json = False) -> None:
    """Print every setting and where it came from. Of a key it prints only that it is set.

    \b
    Examples:
      imagecli config show
      IMAGECLI_PROFILE=sandbox imagecli config show --json
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.asking import default_model
    from imagecli.config.keys import locate_key
    from imagecli.config.settings import load
    from imagecli.config.values import BUILT_IN, Value

    page = Page("config show", as_json=as_json)
    settings = load({})
    for warning in settings.warnings:
        page.warn(warning)
    if (model := default_model(settings.profile)) is not None:
        settings.values.setdefault("model", Value(model, BUILT_IN))
    key = locate_key(settings.profile, warn=page.warn)
    page.show(
        aligned(_rows(settings, key)),
        config_file=os.fspath(settings.path),
        profile=settings.profile.name,
        base_url=settings.profile.base_url,
        dialect=settings.profile.dialect,
        dialect_from=settings.profile.dialect_from,
        api_key=_key_state(key),
        settings={
            name: {"value": value.value, "origin": value.origin.kind, "from": value.origin.name}
            for name, value in settings.values.items()
        },
        models=settings.models,
    )


@app.command("get")
def get(key: Key, *, as_json: Json = False) -> None:
    """Print what the config file says under KEY. Exit code 1 where it says nothing.

    \b
    Examples:
      imagecli config set profile sandbox && imagecli config get profile
      imagecli config get profiles.office.base_url || echo "there is no office yet"
      imagecli config get 'models."team/flux".sizes' || echo "not described"
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.config import file
    from imagecli.config.edit import find
    from imagecli.config.paths import check_known, parse_key

    page = Page("config get", as_json=as_json)
    path = parse_key(key)
    config = file.read(os.environ)
    try:
        value = _without_keys(find(config.data, path), path)
    except KeyError:
        value = _key_in_keyring(path, config, page)
        if value is None:
            check_known(path)
            raise _not_set(key, config) from None
    page.show(_spelt(value), key=key, value=value)


@app.command("set")
def set_value(
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="TOML where it parses, else text.")],
    *,
    as_json: Json = False,
) -> None:
    """Write KEY = VALUE to the config file. Its comments stay where they are.

    \b
    Examples:
      imagecli config set defaults.size 1536x1024
      imagecli config set profiles.office.base_url https://images.example.com/v1
      imagecli config set profiles.office.api_key_cmd '["pass", "show", "images"]'
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.config import file
    from imagecli.config.edit import put
    from imagecli.config.paths import check_change, check_value, parse_key, parse_value

    page = Page("config set", as_json=as_json)
    path, new = parse_key(key), parse_value(value)
    config = file.read(os.environ, create=True)
    check_value(path, new)
    text = put(config.text, path, new)
    for warning in check_change(path, config.data, file.parse(text, config.path), config.path):
        page.warn(warning)
    file.write(config.path, text)
    page.show(None, key=key, value=new, path=os.fspath(config.path))


@app.command("unset")
def unset(key: Key, *, as_json: Json = False) -> None:
    """Remove KEY from the config file. A profile's api_key goes from the keyring, too.

    \b
    Examples:
      imagecli config set defaults.size square && imagecli config unset defaults.size
      imagecli config unset profiles.office || echo "there was no office"
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.config import file
    from imagecli.config.edit import drop
    from imagecli.config.key_ring import remove_from_keyring
    from imagecli.config.paths import check_change, is_key, parse_key

    page = Page("config unset", as_json=as_json)
    path = parse_key(key)
    config = file.read(os.environ)
    removed = is_key(path) and remove_from_keyring(path[1])
    try:
        text = drop(config.text, path)
    except KeyError:
        if not removed:
            raise _not_set(key, config) from None
    else:
        for warning in check_change(path, config.data, file.parse(text, config.path), config.path):
            page.warn(warning)
        file.write(config.path, text)
    page.show(None, key=key, path=os.fspath(config.path))


@app.command("set-key")
def set_key(profile: ProfileName = None, *, as_json: Json = False) -> None:
    """Keep the key of a profile. It is asked for without echo, or read from stdin where that is no terminal.

    It goes into the keyring where the keyring extra is installed, else into the config file.

    \b
    Examples:
      imagecli config set-key
      echo "$MY_KEY" | imagecli config set-key
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.config import file
    from imagecli.config.edit import drop, put
    from imagecli.config.key_ring import store_in_keyring
    from imagecli.config.keys import key_ahead, make_key
    from imagecli.config.profiles import Keyring, resolve
    from imagecli.config.settings import choose_profile
    from imagecli.config.urls import web_origin
    from imagecli.config.values import Origin

    page = Page("config set-key", as_json=as_json)
    config = file.read(os.environ, create=True)
    chosen = choose_profile(profile, config, os.environ)
    name = chosen.name
    ring = next((source for source in chosen.key_sources if isinstance(source, Keyring)), None)
    if ring is None:
        raise UsageProblem(f"profile {name} takes no key", hint="Name another one: imagecli config set-key PROFILE")
    in_use = resolve(name, chosen.origin, config.data.get("profiles", {}), os.environ)
    text = _ask(f"Key of profile {name} for {web_origin(chosen.base_url)}: ")
    key = make_key(text, Origin("input", "standard input"))

    path = ("profiles", name, "api_key")
    if store_in_keyring(ring, key):
        where = "the keyring"
        if path[-1] in config.data.get("profiles", {}).get(name, {}):
            file.write(config.path, drop(config.text, path))
    else:
        where = os.fspath(config.path)
        file.write(config.path, put(config.text, path, key.reveal()))
    page.note(f"the key of profile {name} is kept in {where}")
    ahead = key_ahead(in_use)
    if ahead:
        page.warn(f"{ahead} goes before it")
    elif web_origin(in_use.base_url) != web_origin(chosen.base_url):
        page.warn(f"it is for {web_origin(chosen.base_url)}; {in_use.base_url_origin} leads elsewhere")
    page.show(None, profile=name, stored_in=where)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: letters, digits, - and _.")],
    *,
    base_url: Annotated[
        str, typer.Option("--base-url", metavar="URL", help="Where the server is, usually ending in /v1.")
    ],
    dialect: Annotated[
        str | None,
        typer.Option("--dialect", metavar="NAME", help="How it differs from OpenAI [by its host's name, else openai]."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", metavar="NAME", help="The model to ask it for [its own].")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a new profile: where a server is and how it is spoken to.

    \b
    Examples:
      imagecli config add local --base-url http://127.0.0.1:8080/v1
      imagecli config add office --base-url https://images.example.com/v1 --model team/flux --json
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands import adding

    adding.add(Page("config add", as_json=as_json), name, base_url, dialect, model)


@app.command("check")
def check(
    argument: ProfileName = None,
    *,
    profile: Annotated[
        str | None, typer.Option("-P", "--profile", metavar="NAME", help="The same as the argument.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Another address; gets no key of others."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a server for its models, which is free. Tells what it is and whether address and key are right.

    \b
    Examples:
      imagecli config check sandbox
      imagecli config check --json
      imagecli config check --base-url http://127.0.0.1:8080/v1 || echo "nobody there"
    """  # noqa: D301 - \b is Typer's mark for text that is not to be wrapped
    from imagecli.commands import checking

    if None not in {argument, profile} and argument != profile:
        raise UsageProblem("PROFILE and --profile name two profiles", hint="Leave one of them out.")
    checking.check(Page("config check", as_json=as_json), argument or profile, base_url)


def _rows(settings: Settings, key: Origin | None) -> Iterator[tuple[str, str, str]]:
    from imagecli.config.table import SETTINGS
    from imagecli.text import toml_key

    profile = settings.profile
    yield "config file", os.fspath(settings.path), "" if settings.path.exists() else "not there"
    for name in ("profile", "base_url"):
        yield _row(settings, name)
    yield "dialect", profile.dialect, profile.dialect_from
    yield "api_key", _key_state(key) or "not set", ""
    headers = ", ".join(name for name, _ in profile.headers) or None
    for name, text in (
        *(("organization", profile.organization), ("project", profile.project)),
        *(("api_version", profile.api_version), ("headers", headers)),
    ):
        if text is not None:
            yield name, text, ""
    for name, setting in SETTINGS.items():
        # What means something for one call only (--mask) has a line where the environment has it.
        if name not in {"profile", "base_url"} and (setting.in_file or name in settings.values):
            yield _row(settings, name)
    for name in settings.models:
        yield "models", name, f"config [{toml_key('models', name)}]"


def _row(settings: Settings, name: str) -> tuple[str, str, str]:
    found = settings.get(name)
    return (name, "not set", "") if found is None else (name, _spelt(found.value), str(found.origin))


def _spelt(value: object) -> str:
    """Return a value as the file spells it; a text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15g}"
    from imagecli.config.edit import spelt

    return spelt(value)


def _key_state(origin: Origin | None) -> str | None:
    return None if origin is None else f"set (from {origin})"


def _without_keys(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever TOML holds
    """Return what stands at `path` with each key in it as what may be said of it."""
    from imagecli.config.layout import is_secret
    from imagecli.config.values import Origin
    from imagecli.text import file_place

    if is_secret(path):
        return _key_state(Origin("config", file_place(*path)))
    if isinstance(value, dict):
        return {name: _without_keys(each, (*path, name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_keys(each, (*path[:-1], f"{path[-1]}[{n}]")) for n, each in enumerate(value)]
    return value


def _key_in_keyring(path: tuple[str, ...], config: ConfigFile, page: Page) -> str | None:
    """Return what may be said of a profile's key in the keyring, None where there is none."""
    from imagecli.config.key_ring import ask_keyring
    from imagecli.config.paths import is_key
    from imagecli.config.profiles import Keyring
    from imagecli.config.settings import choose_profile

    if not is_key(path):
        return None
    for source in choose_profile(path[1], config, os.environ).key_sources:
        if isinstance(source, Keyring) and ask_keyring(source, page.warn) is not None:
            return _key_state(source.origin)
    return None


def _not_set(key: str, config: ConfigFile) -> Failure:
    return Failure(f"{key} is not set in {config.path}")


def _ask(question: str) -> str:
    """Return a key: typed without echo, or one line of stdin where that is no terminal.

    Raises:
        UsageProblem: nothing came, or nobody can be asked.
    """
    console = context.open_console()
    if console.stdin_is_terminal:
        text = _ask_without_echo(question) if console.interactive else None
    else:
        text = sys.stdin.buffer.readline(_MOST_LINE_BYTES).decode("utf-8", "replace") if sys.stdin else ""
    if text is None:
        raise UsageProblem(
            "the key can't be asked for: standard error is no terminal",
            hint="Pipe it in: pass show images | imagecli config set-key",
        )
    if not text.strip():
        raise UsageProblem("no key came", hint="Type it, or pipe it in: pass show images | imagecli config set-key")
    return text


def _ask_without_echo(question: str) -> str:
    import getpass
    import warnings

    with warnings.catch_warnings():
        # getpass would go on with echo.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question)
        except EOFError:
            return ""
        except getpass.GetPassWarning:
            raise UsageProblem(
                "this terminal shows what is typed",
                hint="Pipe the key in: pass show images | imagecli config set-key",
            ) from None
