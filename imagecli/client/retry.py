"""Trying, and trying again: how long, how often, and what tells whether a server may have begun."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from imagecli.errors import UnknownOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.client.response.images import Answer
    from imagecli.errors import ImagecliError

    Watch = Callable[[str, float | None], None]
    """Told what a request is doing: "uploading", "waiting", "receiving", "partial 1", "lost" before it is sent again
    although it may have been billed, "retrying after …" with the seconds."""

RETRIED = frozenset({409, 429, 500, 502, 503})
LOST = frozenset({408, 504, 524})
"""The server, or a gateway before it, gave up on an answer that may have been made and billed."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for when an error came back."""

    url: str = ""
    model: str | None = None
    names_model: bool = True
    """Whether a model was named, or none is asked of here."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often to try."""

    timeout: float
    """Seconds for one attempt, from connecting to the last byte, downloads included."""
    retries: int
    retry_unknown: bool


class TryAgain(Exception):
    """An attempt failed in a way that may be tried again, after `wait` seconds if the server said so."""

    def __init__(self, error: ImagecliError, wait: float | None = None, *, instead: Answer | None = None) -> None:
        """Keep the error that it is in the end, where trying again does not help, or what is returned `instead`."""
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.instead = instead


class Sent:
    """Whether the server may have begun: set by the connection's trace when the request is out, whole."""

    def __init__(self, watch: Watch) -> None:
        """Tell `watch` how far it is."""
        self.whole = False
        self._tunnel = False
        self._watch = watch

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Hear what the connection does."""
        if event.endswith("send_request_headers.started"):
            # A proxy's CONNECT comes before the request and is traced like it.
            self._tunnel = info["request"].method == b"CONNECT"
            if not self._tunnel:
                self._watch("uploading", None)
        elif event.endswith("send_request_body.complete") and not self._tunnel:
            self.whole = True
            self._watch("waiting", None)


def retrying(
    attempt: Callable[[], T],
    retries: int,
    sleep: Callable[[float], None],
    watch: Watch,
    before_retry: Callable[[], None] = lambda: None,
) -> T:
    """Return what `attempt` returns, after at most `retries` more tries than one.

    Raises:
        ImagecliError: the last one's.
    """
    tries = 0
    while True:
        try:
            return attempt()
        except TryAgain as again:
            if tries >= retries:
                if again.instead is not None:
                    return again.instead  # type: ignore[return-value] # of an attempt that returns answers
                raise again.error from None
            backoff = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries) * random.uniform(0.75, 1)  # noqa: S311 - jitter
            wait = backoff if again.wait is None else again.wait
            tries += 1
            trouble = f"HTTP {again.error.http_status}" if again.error.http_status else again.error.kind
            _forget(again.error.saved_response)
            if isinstance(again.error, UnknownOutcome):
                watch("lost", None)
            if again.instead is not None:
                again.instead.discard()
        watch(f"retrying after {trouble}", wait)
        sleep(wait)
        before_retry()


def _forget(path: str | None) -> None:
    """Remove the beginning of an answer that is asked for again."""
    if path is not None:
        with suppress(OSError):
            os.unlink(path)


def unwatched(_state: str, _seconds: float | None) -> None:
    """Tell nobody."""
