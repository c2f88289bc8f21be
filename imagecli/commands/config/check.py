"""`imagecli config check`: what free GET requests find out about a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.config.settings import Settings
    from imagecli.models.listing import ModelsReport
    from imagecli.models.servers import RecognisedServer
    from imagecli.options import Typed
    from imagecli.terminal.console import Console
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Ask a server for its models: are address and key right?

    That is free of charge. It also says what kind of server it is.

    Examples:
      imagecli config check sandbox
      imagecli config check --json
      imagecli config check --base-url http://127.0.0.1:8080/v1 || echo "not there"
    """
    import time

    from imagecli.commands.listing import ask, explain, load_for_list
    from imagecli.config.keys import require_key
    from imagecli.errors import ImagecliError, UsageProblem
    from imagecli.models import cache
    from imagecli.models.cache import CachedList
    from imagecli.terminal.render import Page
    from imagecli.terminal.sheet import aligned

    if None not in {typed.named_profile, typed.profile} and typed.named_profile != typed.profile:
        raise UsageProblem("PROFILE and --profile name two profiles", hint="Leave one of them out.")
    settings = load_for_list(typed.named_profile or typed.profile, typed.base_url)
    renderer.warn(*settings.warnings)
    key = require_key(settings.profile, warn=renderer.warn)
    fields: dict[str, object] = {
        "profile": settings.profile.name,
        "base_url": settings.profile.base_url,
        "api_key": None if key is None else str(key),
        "dialect": settings.profile.dialect,
        "dialect_from": settings.profile.dialect_from,
    }
    try:
        report = ask(settings, key, renderer.console)
    except ImagecliError as error:
        for line in aligned(_known(settings, key)).splitlines():
            renderer.console.note(line)
        explain(error, settings, key, renderer.console)
        return renderer.page(Page(None, fields, error))
    if not settings.profile.sandbox:
        cache.save(settings.profile, key, CachedList(report, int(time.time())))
    found = _find(report, settings, key_tried=None if key is None else _needs_key(settings, renderer.console))
    suggestion = _suggestion(settings.profile, found.recognised)
    rows = [*_known(settings, key), *_findings(settings, found)]
    if found.recognised is not None and suggestion is not None:
        rows.append(("to do", f"use dialect {found.recognised.dialect}", suggestion))
    return renderer.page(Page(aligned(rows, renderer.console.sheet), fields | _fields(settings, found, suggestion)))


class Found(NamedTuple):
    """What a server's list and its headers show."""

    report: ModelsReport
    recognised: RecognisedServer | None
    images: tuple[str, ...]
    """The models that make images, as far as their entries and names show."""
    in_doubt: tuple[str, ...]
    key_tried: bool | None
    """Whether the list shows that the key is right: it does not where the server gives it to anybody."""


def _fields(settings: Settings, found: Found, suggestion: str | None) -> dict[str, object]:
    report, model = found.report, settings.options.model.value
    return {
        "url": report.url,
        "models": report.models,
        "images": found.images,
        "in_doubt": found.in_doubt,
        "model": None if model is None else {"name": model, "listed": model in report.models},
        "key_tried": found.key_tried,
        "server": None if found.recognised is None else found.recognised._asdict(),
        "suggestion": suggestion,
        "request_id": report.request_id,
    }


def _needs_key(settings: Settings, console: Console) -> bool | None:
    """Return whether the list needs a key: many servers show it to anybody. None where that is unclear."""
    from imagecli.commands.listing import ask
    from imagecli.errors import AuthProblem, ImagecliError

    if settings.profile.at_openai:
        return True
    try:
        ask(settings, None, console)
    except AuthProblem:
        return True
    except ImagecliError:
        return None
    return False


def _find(report: ModelsReport, settings: Settings, *, key_tried: bool | None) -> Found:
    from imagecli.models.entry import makes_images
    from imagecli.models.listing import name_of
    from imagecli.models.servers import recognise

    verdicts = [
        (name, name in settings.models or makes_images(name, entry))
        for entry in report.entries
        if (name := name_of(entry))
    ]
    images = tuple(name for name, verdict in verdicts if verdict)
    in_doubt = tuple(name for name, verdict in verdicts if verdict is None)
    return Found(report, recognise(report), images, in_doubt, key_tried)


def _known(settings: Settings, key: Key | None) -> Iterator[tuple[str, str, str]]:
    """Yield what is known before anything is asked."""
    profile = settings.profile
    yield "profile", profile.name, "" if profile.origin.typed else str(profile.origin)
    yield "base_url", profile.base_url, str(profile.base_url_origin)
    yield "api_key", "none is sent" if key is None else "sent", "" if key is None else str(key.origin)
    yield "dialect", profile.dialect, profile.dialect_from


def _findings(settings: Settings, found: Found) -> Iterator[tuple[str, str, str]]:
    """Yield what the server's list shows, and what nothing free shows."""
    report, recognised, images, in_doubt, key_tried = found
    if recognised is None:
        header = dict(report.headers).get("server")
        yield "server", "not recognised", f"it calls itself {header}" if header else ""
    else:
        yield "server", recognised.name + ("" if recognised.certain else ", probably"), recognised.because
    yield "models", str(len(report.models)), report.url
    if report.models:
        may = f", {len(in_doubt)} may" if in_doubt else ""
        yield "images", f"{len(images)} of them make images{may}", "as far as their entries and names tell"
    model = settings.options.model
    if model.value is not None:
        among = "among them" if model.value in report.models else "not among them"
        yield "model", f"{model.value} is {among}", str(model.origin)
    if key_tried is False:
        yield "not sure", "whether the key is valid: the list comes without one, too", ""
    yield from _open_questions(settings.profile, recognised)


def _open_questions(profile: Profile, recognised: RecognisedServer | None) -> Iterator[tuple[str, str, str]]:
    from imagecli.models.servers import SANDBOX

    if profile.at_openai:
        yield "not sure", "whether this key may make images, and pay for them: only a paid request shows that", ""
    elif recognised is not None and recognised.dialect is None:
        yield "not sure", f"whether it makes images: {recognised.name} is not known to", ""
    elif recognised is None or recognised.name != SANDBOX:
        yield (
            "not sure",
            "which sizes, formats and fields it takes, and whether it edits: only a request shows that",
            "",
        )


def _suggestion(profile: Profile, recognised: RecognisedServer | None) -> str | None:
    """Return the command that sets the dialect that a server seems to speak, None where there is nothing to set."""
    from imagecli import dialects
    from imagecli.options import BUILT_IN
    from imagecli.text import shell_word, toml_key

    if (
        recognised is None
        or recognised.dialect in {None, profile.dialect}
        or recognised.dialect not in dialects.names()
    ):
        return None
    # Only what a server says of itself counts against the user's choice, and a known host's name is certain.
    if profile.dialect_origin != BUILT_IN and not (profile.dialect_origin.kind == "config" and recognised.certain):
        return None
    if profile.at_openai or profile.sandbox:
        return None
    if profile.base_url_origin.kind == "config":
        key = toml_key("profiles", profile.name, "dialect")
        return f"imagecli config set {shell_word(key)} {recognised.dialect}"
    return f"imagecli config add NAME --base-url {shell_word(profile.base_url)} --dialect {recognised.dialect}"
