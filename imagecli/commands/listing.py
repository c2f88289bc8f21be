"""What `models` and `config check` share: a server's list of models, asked for free of charge."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from imagecli import dialects
from imagecli.client.open import open_client
from imagecli.config.settings import load
from imagecli.errors import NO_SUCH_ROUTE, Failure, ImagecliError
from imagecli.options import BUILT_IN, Options, Value
from imagecli.text import printable, shell_word, toml_key

if TYPE_CHECKING:
    from imagecli.config.keys import Key
    from imagecli.config.settings import Settings
    from imagecli.models.listing import ModelsReport
    from imagecli.terminal.console import Console

LIST_SECONDS = 30.0
"""The usual --timeout is for images; a list of models comes at once."""


def load_for_list(profile: str | None, base_url: str | None) -> Settings:
    """Return the settings, with a time-out that suits a list unless the user has set one."""
    settings = load({"profile": profile, "base_url": base_url})
    if settings.options.timeout.origin != BUILT_IN:
        return settings
    timeout = {"timeout": Value(LIST_SECONDS, BUILT_IN)}
    return settings._replace(options=Options(settings.options.__dict__ | timeout))


def ask(settings: Settings, key: Key | None, console: Console) -> ModelsReport:
    """Ask for the list of models."""
    from imagecli.terminal.progress import working

    with closing(open_client(settings, key)) as client, working(console, "asking", settings.profile.base_url):
        return client.list_models()


def explain(error: ImagecliError, settings: Settings, key: Key | None, console: Console) -> None:
    """Say in the hint of an error what to do about a list that was not there.

    Most servers have it below /v1: where that is not in the address, they are asked for it there.
    """
    profile = settings.profile
    no_route = error.http_status in NO_SUCH_ROUTE
    if not (no_route or type(error) is Failure):
        return
    if no_route:
        error.hint = "Check the base URL; a server that lists no models may still make images."
    if profile.base_url.endswith("/v1") or profile.dialect != dialects.DEFAULT:
        return
    url = f"{profile.base_url}/v1"
    try:
        ask(settings._replace(profile=profile._replace(base_url=url)), key, console)
    except ImagecliError:
        return
    if profile.base_url_origin.kind == "config":
        command = f"imagecli config set {shell_word(toml_key('profiles', profile.name, 'base_url'))} {shell_word(url)}"
        error.hint = f"{printable(url)} returns a list: `{command}`."
    else:
        error.hint = f"{printable(url)} returns a list: use that in {profile.base_url_origin}."
