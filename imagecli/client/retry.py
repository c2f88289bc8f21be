"""Retrying: how long, how often, and what shows whether a server may have begun to work."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from imagecli.errors import UnknownOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.client.response.images import ImageResponse
    from imagecli.errors import ImagecliError

    StateObserver = Callable[[str, float | None], None]
    """Given what a request is doing: "uploading", "waiting", "receiving", "partial 1", "lost" before it is sent again
    although it may have been billed, "retrying after …" with the seconds."""
    ByteObserver = Callable[[int, int | None], None]
    """Given how many bytes of a body have gone out, or come, and how many there will be; None: that is not known."""

SUCCESS = range(200, 300)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TOO_MANY = 429
RETRIED_STATUSES = frozenset({409, TOO_MANY, 500, 502, 503})
LOST_STATUSES = frozenset({408, 499, 504, 520, 524, 598})
"""The server, or a gateway before it, gave up on a response that may have been made and billed."""
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0

T = TypeVar("T")


class Limits(NamedTuple):
    """How long and how often to try."""

    timeout: float
    """Seconds for one attempt, from connecting to the last byte, downloads included."""
    retries: int
    retry_unknown: bool


class Hold:
    """How long a server wants nothing more: what one request is told, the others heed before they begin."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Hold nobody; `clock` gives seconds."""
        self._clock = clock
        self._until = clock()

    def extend(self, seconds: float) -> None:
        """Let nobody begin for so many seconds from now."""
        self._until = max(self._until, self._clock() + seconds)

    @property
    def left(self) -> float:
        """The seconds that are left; not above 0: none."""
        return self._until - self._clock()


class RetryableError(Exception):
    """An attempt failed in a way that may be retried, after `wait` seconds if the server asked for that."""

    def __init__(
        self, error: ImagecliError, wait: float | None = None, *, fallback: ImageResponse | None = None
    ) -> None:
        """Keep what it is if no retry is left: `error`, or a `fallback` to return."""
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.fallback = fallback


class RequestTrace:
    """Follows a request; `sent` becomes true when the whole of it is out, and the server may begin."""

    def __init__(self, watch: StateObserver, moved: ByteObserver | None = None) -> None:
        """Report to `watch` how far it is, and to `moved` how much of its body is out."""
        self.sent = False
        self.moved = moved
        self._watch = watch

    def begin(self) -> None:
        """Note that the first byte goes out now."""
        self._watch("uploading", None)

    def complete(self) -> None:
        """Note that the last byte is out."""
        self.sent = True
        self._watch("waiting", None)


def with_retries(  # noqa: PLR0913, PLR0917 - how often, how, and who is told
    attempt: Callable[[], T],
    retries: int,
    sleep: Callable[[float], None],
    watch: StateObserver,
    before_retry: Callable[[], None] = lambda: None,
    hold: Hold | None = None,
) -> T:
    """Return what `attempt` returns, called again at most `retries` times; `hold` is told of too many requests.

    Raises:
        ImagecliError: the last attempt's.
    """
    done = 0
    while True:
        try:
            return attempt()
        except RetryableError as failed:
            if done >= retries:
                if failed.fallback is not None:
                    return failed.fallback  # type: ignore[return-value] # of an attempt that returns responses
                raise failed.error from None
            backoff = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**done) * random.uniform(0.75, 1)  # noqa: S311 - jitter
            wait = backoff if failed.wait is None else failed.wait
            done += 1
            reason = f"HTTP {failed.error.http_status}" if failed.error.http_status else failed.error.kind
            _remove(failed.error.saved_response)
            if isinstance(failed.error, UnknownOutcome):
                watch("lost", None)
            if failed.fallback is not None:
                failed.fallback.discard()
            if hold is not None and failed.error.http_status == TOO_MANY:
                hold.extend(wait)
        watch(f"retrying after {reason}", wait)
        sleep(wait)
        before_retry()


def _remove(path: str | None) -> None:
    """Remove the beginning of a response that is asked for again."""
    if path is not None:
        with suppress(OSError):
            os.unlink(path)


def ignore_state(_state: str, _seconds: float | None) -> None:
    """Observe nothing."""


def ignore_bytes(_done: int, _total: int | None) -> None:
    """Count nothing."""
