"""What `imagecli config check` finds out, by free GET requests alone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import context, dialects
from imagecli.commands.page import aligned
from imagecli.config.keys import require_key
from imagecli.config.settings import load
from imagecli.config.values import BUILT_IN, Value
from imagecli.errors import AuthProblem, Failure, ImagecliError
from imagecli.models.entry import makes_images
from imagecli.models.listing import name_of
from imagecli.models.servers import SANDBOX, Likeness, recognise
from imagecli.text import shell_word, shown, toml_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.commands.page import Page
    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.config.settings import Settings
    from imagecli.models.listing import ModelsReport

LIST_SECONDS = 30.0
"""The usual --timeout is for pictures; a list of models comes at once."""
_NO_SUCH_ROUTE = frozenset({404, 405, 501})


class Found(NamedTuple):
    """What a server's list and its headers tell."""

    report: ModelsReport
    likeness: Likeness | None
    images: tuple[str, ...]
    """The models that make images, as far as their entries and names tell."""
    in_doubt: tuple[str, ...]
    key_tried: bool | None
    """Whether the answer tells that the key is right: it does not where it comes without one, too."""


def with_list_timeout(settings: Settings) -> Settings:
    """Return the settings with a time-out that suits a list, unless the user has set one."""
    timeout = settings.get("timeout")
    if timeout is not None and timeout.origin != BUILT_IN:
        return settings
    return replace(settings, values=settings.values | {"timeout": Value(LIST_SECONDS, BUILT_IN)})


def check(page: Page, profile: str | None, base_url: str | None) -> None:
    """Look at a server and say what was found, what was guessed and what is not sure.

    Raises:
        ImagecliError: it can't be asked, or does not answer with a list.
    """
    settings = with_list_timeout(load({"profile": profile, "base_url": base_url}))
    for warning in settings.warnings:
        page.warn(warning)
    key = require_key(settings.profile, warn=page.warn)
    facts: dict[str, Any] = {
        "profile": settings.profile.name,
        "base_url": settings.profile.base_url,
        "api_key": None if key is None else str(key),
        "dialect": settings.profile.dialect,
        "dialect_from": settings.profile.dialect_from,
    }
    try:
        report = ask(settings, key)
    except ImagecliError as error:
        for line in aligned(_known(settings, key)).splitlines():
            page.note(line)
        help_with(error, settings, key)
        page.show(None, error, **facts)
        return
    found = _find(report, settings, key_tried=None if key is None else _needs_key(settings))
    suggestion = _suggestion(settings.profile, found.likeness)
    model = settings.get("model")
    listed = None if model is None else model.value in report.models
    rows = [*_known(settings, key), *_told(settings, found)]
    if found.likeness is not None and suggestion is not None:
        rows.append(("to do", f"speak to it as {found.likeness.dialect}", suggestion))
    page.show(
        aligned(rows),
        **facts,
        url=report.url,
        models=report.models,
        images=found.images,
        in_doubt=found.in_doubt,
        model=None if model is None else {"name": model.value, "listed": listed},
        key_tried=found.key_tried,
        server=None if found.likeness is None else found.likeness._asdict(),
        suggestion=suggestion,
        request_id=report.request_id,
    )


def _needs_key(settings: Settings) -> bool | None:
    """Whether the list is for those with a key: many a server shows it to anybody. None where that can't be told."""
    if settings.profile.at_openai:
        return True
    try:
        ask(settings, None)
    except AuthProblem:
        return True
    except ImagecliError:
        return None
    return False


def _find(report: ModelsReport, settings: Settings, *, key_tried: bool | None) -> Found:
    verdicts = [
        (name, name in settings.models or makes_images(name, entry))
        for entry in report.entries
        if (name := name_of(entry))
    ]
    images = tuple(name for name, verdict in verdicts if verdict)
    in_doubt = tuple(name for name, verdict in verdicts if verdict is None)
    return Found(report, recognise(report), images, in_doubt, key_tried)


def ask(settings: Settings, key: Key | None) -> ModelsReport:
    """Ask for the list of models, free of charge."""
    with closing(context.open_client(settings, key, spool_folder=None)) as client:
        return client.list_models()


def _known(settings: Settings, key: Key | None) -> Iterator[tuple[str, str, str]]:
    """Say what is known before anything is asked."""
    profile = settings.profile
    yield "profile", profile.name, "" if profile.origin.typed else str(profile.origin)
    yield "base_url", profile.base_url, str(profile.base_url_origin)
    yield "api_key", "none is sent" if key is None else "sent", "" if key is None else str(key.origin)
    yield "dialect", profile.dialect, profile.dialect_from


def _told(settings: Settings, found: Found) -> Iterator[tuple[str, str, str]]:
    """Say what the server's answer tells, and what nothing free tells."""
    report, likeness, images, in_doubt, key_tried = found
    if likeness is None:
        header = dict(report.headers).get("server")
        yield "server", "not recognised", f"it calls itself {header}" if header else ""
    else:
        yield "server", likeness.name + ("" if likeness.certain else ", by its looks"), likeness.because
    yield "models", str(len(report.models)), report.url
    if report.models:
        may = f", {len(in_doubt)} may" if in_doubt else ""
        yield "images", f"{len(images)} of them make images{may}", "as far as their entries and names tell"
    model = settings.get("model")
    if model is not None:
        among = "among them" if model.value in report.models else "not among them"
        yield "model", f"{model.value} is {among}", str(model.origin)
    if key_tried is False:
        yield "not sure", "whether the key is right: the list comes without one, too", ""
    if settings.profile.at_openai:
        yield "not sure", "whether this key may make images, and pay for them: only a paid request tells", ""
    elif likeness is not None and likeness.dialect is None:
        yield "not sure", f"whether it makes images: {likeness.name} is not known to", ""
    elif likeness is None or likeness.name != SANDBOX:
        yield "not sure", "which sizes, formats and fields it takes, and whether it edits: only a request tells", ""


def _suggestion(profile: Profile, likeness: Likeness | None) -> str | None:
    """Return the command that sets the dialect that a server looks like, None where there is nothing to set."""
    if likeness is None or likeness.dialect in {None, profile.dialect} or likeness.dialect not in dialects.names():
        return None
    # Against the user's own word only a server's own word counts, and a known host knows best.
    if profile.dialect_origin != BUILT_IN and not (profile.dialect_origin.kind == "config" and likeness.certain):
        return None
    if profile.at_openai or profile.sandbox:
        return None
    if profile.base_url_origin.kind == "config":
        key = toml_key("profiles", profile.name, "dialect")
        return f"imagecli config set {shell_word(key)} {likeness.dialect}"
    return f"imagecli config add NAME --base-url {shell_word(profile.base_url)} --dialect {likeness.dialect}"


def help_with(error: ImagecliError, settings: Settings, key: Key | None) -> None:
    """Say in the hint of an error what to do about a list that was not there.

    Most servers have it below /v1: where that is not in the address, they are asked for it there.
    """
    profile = settings.profile
    no_route = error.http_status in _NO_SUCH_ROUTE
    if not (no_route or type(error) is Failure):
        return
    if no_route:
        error.hint = "Look at the base URL; but a server that lists no models may make images all the same."
    if profile.base_url.endswith("/v1") or profile.dialect != dialects.DEFAULT:
        return
    url = f"{profile.base_url}/v1"
    below = replace(settings, profile=replace(profile, base_url=url))
    try:
        ask(below, key)
    except ImagecliError:
        return
    if profile.base_url_origin.kind == "config":
        command = f"imagecli config set {shell_word(toml_key('profiles', profile.name, 'base_url'))} {shell_word(url)}"
        error.hint = f"{shown(url)} answers with a list: `{command}`."
    else:
        error.hint = f"{shown(url)} answers with a list: give that in {profile.base_url_origin}."
