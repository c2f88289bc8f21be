"""What `imagecli config add` writes: a profile of its own for a server."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from imagecli import dialects
from imagecli.config import file
from imagecli.config.edit import put
from imagecli.config.paths import check_change, check_value
from imagecli.config.profiles import BUILT_IN_PROFILES, check_dialect
from imagecli.config.urls import check_base_url, is_private_transport, web_origin
from imagecli.errors import UsageProblem
from imagecli.text import quoted

if TYPE_CHECKING:
    from imagecli.commands.page import Page
    from imagecli.config.file import ConfigFile

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ROUTE = re.compile(r"/(images/\w+|chat/completions|completions|models|responses|embeddings)$")


def add(page: Page, name: str, base_url: str, dialect: str | None, model: str | None) -> None:
    """Write [profiles.NAME].

    Raises:
        UsageProblem: the name is taken or can't be typed everywhere, the address is none, the dialect is not known.
    """
    config = file.read(os.environ, create=True)
    _check_name(name, config)
    url = check_base_url(base_url, "--base-url")
    if route := _ROUTE.search(url):
        raise UsageProblem(
            f"--base-url ends in {route[0]}, which is one route of the server",
            hint=f"Its base URL is probably {url[: route.start()]}.",
        )
    if dialect is not None:
        check_dialect(dialect)
    if model is not None and not model.strip():
        raise UsageProblem("--model names no model", hint="Leave it out where the server chooses its own.")
    values = {("base_url",): url, ("dialect",): dialect, ("defaults", "model"): model}
    text = config.text
    for path, value in values.items():
        if value is not None:
            whole = ("profiles", name, *path)
            check_value(whole, value)
            text = put(text, whole, value)
    for warning in check_change(("profiles", name), config.data, file.parse(text, config.path), config.path):
        page.warn(warning)
    file.write(config.path, text)
    if not is_private_transport(url):
        page.warn(
            f"no key will be sent to {web_origin(url)}, as plain http can be read on the way: use https, "
            f"or `imagecli config set profiles.{name}.allow_http true` where the network is trusted"
        )
    spoken = dialect or dialects.guess(url)
    page.note(
        f"profile {name} is in {config.path}; it speaks {spoken or dialects.DEFAULT}"
        + ("" if spoken else ", as its host's name tells nothing else")
    )
    page.note(f"where it wants a key: imagecli config set-key {name}")
    page.note(f"see what answers, free of charge: imagecli config check {name}")
    page.show(
        None,
        profile=name,
        base_url=url,
        dialect=spoken or dialects.DEFAULT,
        dialect_from="--dialect" if dialect else "guessed from the host's name" if spoken else "built in",
        model=model,
        path=os.fspath(config.path),
    )


def _check_name(name: str, config: ConfigFile) -> None:
    if not _NAME.fullmatch(name):
        raise UsageProblem(
            f"{quoted(name)} can't be a profile's name",
            hint="Letters a to z, digits, - and _ need no quotes anywhere; begin with a letter or digit.",
        )
    if name in BUILT_IN_PROFILES:
        raise UsageProblem(
            f"profile {name} is built in",
            hint="Choose another name." if name == "sandbox" else "Choose another name, or change it by `config set`.",
        )
    if name in config.data.get("profiles", {}):
        raise UsageProblem(
            f"there is a profile {name} already",
            hint=f"Change it: imagecli config set profiles.{name}.base_url URL; "
            f"or remove it first: imagecli config unset profiles.{name}",
        )
