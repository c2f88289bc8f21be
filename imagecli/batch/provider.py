"""The provider of a submission: its settings as they were when it was submitted, and its batch engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import dialects
from imagecli.batch.engines import engine_of
from imagecli.client.open import open_client
from imagecli.config.keys import find_key, require_key
from imagecli.config.settings import load
from imagecli.errors import UsageProblem
from imagecli.options import Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.batch.engines.engine import Engine
    from imagecli.batch.submission import Submission
    from imagecli.client.client import Client
    from imagecli.config.settings import Settings
    from imagecli.dialects.openai import OpenAI

_OF_RUN = frozenset({"output", "force", "json", "verbose", "quiet", "dry_run", "retry_unknown", "job_file", "form"})
"""What was typed, and says nothing of the jobs."""
_OF_FETCH = ("timeout", "retries")


class Provider(NamedTuple):
    """A server with a batch engine, and a client of it."""

    client: Client
    engine: Engine


def open_provider(settings: Settings, warn: Callable[[str], None], *, needs_key: bool = True) -> Provider:
    """Return the provider of a profile.

    Raises:
        UsageProblem: it certainly has no batches.
        AuthProblem: there is no key for it.
    """
    dialect = dialect_of(settings)
    profile = settings.profile
    key = require_key(profile, warn=warn) if needs_key else find_key(profile)
    client = open_client(settings, key)
    return Provider(client, engine_of(client, dialect))


def dialect_of(settings: Settings) -> OpenAI:
    """Return the dialect of a profile that has batches.

    Raises:
        UsageProblem: it certainly has none.
    """
    profile = settings.profile
    if profile.sandbox:
        raise UsageProblem(
            "the profile sandbox lives as long as one command, and a batch takes longer",
            hint="Run `imagecli serve`, and name it with --base-url http://127.0.0.1:8765/v1.",
        )
    dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)
    if dialect.batches is None:
        raise UsageProblem(
            f"{dialect.title} has no batch engine that imagecli can use",
            hint="`imagecli batch run` sends the same jobs one by one.",
        )
    return dialect


def facts_of(typed: Typed, settings: Settings) -> dict[str, object]:
    """Return what has to be known to fetch what is submitted with these settings."""
    profile = settings.profile
    said = {name: value for name, value in typed.__dict__.items() if name not in _OF_RUN and value not in (None, ())}
    return {"profile": profile.name, "base_url": profile.base_url, "typed": said, "output": typed.output}


def settings_of(submission: Submission, typed: Typed) -> tuple[Settings, Typed]:
    """Return the settings of a submission, and what was typed then, for its jobs.

    Args:
        submission: what was submitted.
        typed: what was typed now: how to ask, not what for.

    Raises:
        UsageProblem: they can't be used any more.
    """
    said: Mapping[str, Any] = submission["typed"] or {}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    values |= {name: getattr(typed, name) for name in _OF_FETCH if getattr(typed, name) is not None}
    values["profile"] = submission["profile"]
    then = Typed({**Typed({}).__dict__, **values})
    settings = load(then.__dict__, command="batch submit")
    if settings.profile.base_url != submission["base_url"]:
        then = Typed({**then.__dict__, "base_url": submission["base_url"]})
        settings = load(then.__dict__, command="batch submit")
    return settings, then
