"""`imagecli config add`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.config.file import ConfigFile
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Write a new profile: where a server is, and how it differs.

    Examples:
      imagecli config add local --base-url http://127.0.0.1:8080/v1
      imagecli config add office --base-url https://images.example.com/v1 -m flux
      imagecli config add lab --base-url https://lab.example.com/v1 --key-env LAB
    """
    import os

    from imagecli import dialects
    from imagecli.config import file
    from imagecli.config.urls import check_base_url
    from imagecli.terminal.render import Page

    name, dialect = typed.new_profile or "", typed.dialect
    url = check_base_url(typed.base_url or "", "--base-url")
    values: dict[tuple[str, ...], object] = {
        ("base_url",): url,
        ("dialect",): dialect,
        ("api_key_env",): typed.key_env,
        ("api_key_cmd",): _words(typed.key_command),
        ("defaults", "model"): typed.model,
    }
    with file.changing(os.environ) as config:
        _check_name(name, config)
        _add(config, name, {path: value for path, value in values.items() if value is not None}, renderer)
    _warn_of_http(url, name, renderer)
    guessed = dialects.guess(url)
    spoken = dialect or guessed or dialects.DEFAULT
    why = "" if dialect or guessed else ", as nothing is known of its host's name"
    console = renderer.console
    console.note(f"profile {name} is in {config.path}; its dialect is {spoken}{why}")
    if typed.key_env is None and typed.key_command is None:
        console.note(f"if it needs a key: imagecli config set-key {name}")
    console.note(f"to test it, free of charge: imagecli config check {name}")
    fields = {
        "profile": name,
        "base_url": url,
        "dialect": spoken,
        "dialect_from": "--dialect" if dialect else "guessed from the host's name" if guessed else "built in",
        "model": typed.model,
        "path": os.fspath(config.path),
    }
    return renderer.page(Page(None, fields))


def _words(command: str | None) -> list[str] | None:
    """Return the words of a command as the file has them; it is run without a shell."""
    if command is None:
        return None
    from imagecli.config.layout import check_command

    return list(check_command(command, "--key-command"))


def _add(config: ConfigFile, name: str, values: dict[tuple[str, ...], object], renderer: Renderer) -> None:
    from imagecli.config import file
    from imagecli.config.edit import put
    from imagecli.config.paths import check_change, check_value
    from imagecli.config.profiles import check_dialect
    from imagecli.errors import UsageProblem

    dialect, model = values.get(("dialect",)), values.get(("defaults", "model"))
    if dialect is not None:
        check_dialect(str(dialect))
    if model is not None and not str(model).strip():
        raise UsageProblem("--model is empty", hint="Leave it out where the server chooses its own.")
    text = config.text
    for path, value in values.items():
        whole = ("profiles", name, *path)
        check_value(whole, value)
        text = put(text, whole, value)
    renderer.warn(*check_change(("profiles", name), config.data, file.parse(text, config.path), config.path))
    file.write(config.path, text)


def _warn_of_http(url: str, name: str, renderer: Renderer) -> None:
    from imagecli.config.urls import is_private_transport, web_origin

    if not is_private_transport(url):
        renderer.warn(
            f"no key will be sent to {web_origin(url)} unless it is this machine, as plain http can be read on the way"
            f": use https, or `imagecli config set profiles.{name}.allow_http true` where the network is trusted"
        )


def _check_name(name: str, config: ConfigFile) -> None:
    import re

    from imagecli.config.profiles import BUILT_IN_PROFILES
    from imagecli.errors import UsageProblem
    from imagecli.text import quoted

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageProblem(
            f"{quoted(name)} can't be a profile's name",
            hint="Use letters a to z, digits, - and _, which need no quotes anywhere; begin with a letter or digit.",
        )
    if name in BUILT_IN_PROFILES:
        raise UsageProblem(
            f"profile {name} is built in",
            hint="Choose another name." if name == "sandbox" else "Choose another name, or change it by `config set`.",
        )
    if name in config.data.get("profiles", {}):
        raise UsageProblem(
            f"profile {name} already exists",
            hint=f"Change it: imagecli config set profiles.{name}.base_url URL; "
            f"or remove it first: imagecli config unset profiles.{name}",
        )
