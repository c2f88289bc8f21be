"""What a batch engine does, and what a batch is: requests in a file, done within a day, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.client.encode import FileToSend
    from imagecli.client.response.spool import Spool
    from imagecli.dialects.request import ImageRequest

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""The states in which nothing more will come."""
MOST_LINES = 50_000
MOST_BYTES = 200_000_000
MOST_OUTPUT = 1_000_000_000
"""Bytes of results that a batch should stay below: larger ones were never to be fetched."""


class Batch(NamedTuple):
    """A batch, as its provider describes it."""

    id: str
    status: str
    """validating, in_progress, finalizing, completed, failed, expired, cancelling or cancelled."""
    total: int | None = None
    """How many requests it has; None: the provider does not say."""
    completed: int | None = None
    failed: int | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    """Why it failed as a whole: objects with a message, and perhaps a code and a line of the file."""
    results: tuple[str, ...] = ()
    """The places of its results, each for `Engine.results`; empty where there are none yet."""
    created_at: float | None = None
    """In seconds since 1970."""
    expires_at: float | None = None

    def shown(self, clean: Callable[[object], str]) -> Batch:
        """Return it with the provider's texts as they may be shown."""
        errors = tuple(
            {
                clean(key): value if isinstance(value, int) or value is None else clean(value)
                for key, value in each.items()
            }
            for each in self.errors
        )
        return self._replace(id=clean(self.id), status=clean(self.status), errors=errors)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.status in ENDED


class Line(NamedTuple):
    """One result."""

    custom_id: str | None
    """None: it can't be read, or names no request."""
    document: Mapping[str, Any]
    """`response` and `error`, as OpenAI has them; long strings are left in `spool`."""
    spool: Spool
    """Discarded by the one that takes the line."""
    cursor: str
    """Where the results go on behind it."""


class Engine(Protocol):
    """The batches of one server; every method asks it, and raises an `ImagecliError` by cause."""

    takes_file_ids: bool
    """Whether an input can be uploaded once, and named by its ID in each request."""
    mixes: bool
    """Whether one batch may have requests to several endpoints, and for several models."""

    def line(self, custom_id: str, request: ImageRequest, files: Mapping[str, str]) -> dict[str, Any]:
        """Return a request as a line of the file has it; `files` is the sha256 of an input → its ID there."""

    def upload_input(self, file: FileToSend) -> str:
        """Upload an input image and return its ID."""

    def upload(self, file: FileToSend) -> str:
        """Upload the file of requests and return its ID."""

    def create(self, input_id: str, endpoint: str, name: str) -> Batch:
        """Create a batch, which is paid for from now on.

        Raises:
            UnknownOutcome: the answer was lost: it may have been created.
        """

    def find(self, input_id: str, name: str) -> Batch | None:
        """Return the batch of this name, if the server has created it."""

    def status(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""

    def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch and return it."""

    def results(self, place: str, after: str) -> Iterator[Line]:
        """Yield the results at one of `Batch.results`, behind the line whose `Line.cursor` is `after`; "": all of them.

        Where that can't be found any more, lines come again.
        """
