"""The gate that each request of a job goes through on its way out: pace, accounts, journal, in this order.

`execute()` takes it for the accounts and for the observer of a job's plan, so that a batch needs no other way to send.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from imagecli.client.retry import TOO_MANY
from imagecli.errors import Failure, UnknownOutcome
from imagecli.exchange import Observer
from imagecli.spending import NotYet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from imagecli.accounts import Accounts, Entry
    from imagecli.batch.job import Job
    from imagecli.batch.journal import Journal
    from imagecli.batch.pace import Pace
    from imagecli.client.client import Client
    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError
    from imagecli.plan import Plan
    from imagecli.result import GeneratedImage


class HasEnded(Failure):
    """The batch ended before the request was sent."""


class Gate(Observer):
    """What one job's requests go through; its requests may be in several threads."""

    def __init__(
        self,
        job: Job,
        pace: Pace,
        journal: Journal,
        sleep: Callable[[float], None],
        ends: Callable[[ImagecliError], bool],
    ) -> None:
        """Take the job, and what it shares with the others of its batch; `ends` says which errors end that."""
        self._job = job
        self._pace = pace
        self._journal = journal
        self._sleep = sleep
        self._ends = ends
        self._slots: dict[int, _Slot] = {}
        self.accounts: Accounts | None = None
        """Those of the job's plan, once it is made; None: nothing is written down, and nothing limited."""
        self.was_sent = False
        """Whether a request of it has gone out in this run."""
        self.was_lost = False
        """Whether a response was lost, so that it may have been billed, even if it was sent again."""

    def begin(self, plan: Plan, request: ImageRequest, numbers: Sequence[int], warn: Callable[[str], None]) -> _Slot:
        """Wait for a place, and write the request down before it is sent.

        Raises:
            HasEnded: the batch has ended meanwhile.
            MoneyProblem: it may cost too much.
            JournalProblem: the journal can't be written.
        """
        entry = self._admit(plan, request, numbers, warn)
        try:
            self._journal.sent(self._job.id, self._job.digest)
        except BaseException as error:
            self._pace.leave(well=False)
            if entry is not None and isinstance(error, Failure):
                entry.complete(error)
            raise
        self.was_sent = True
        slot = self._slots[threading.get_ident()] = _Slot(self._pace, entry, request, self._ends)
        return slot

    def _admit(
        self, plan: Plan, request: ImageRequest, numbers: Sequence[int], warn: Callable[[str], None]
    ) -> Entry | None:
        """Wait for a place and for the money, which others in flight may leave that cost less than they might have."""
        accounts = self.accounts
        while self._pace.enter():
            ended = 0 if accounts is None else accounts.spending.ended
            try:
                return None if accounts is None else accounts.begin(plan, request, numbers, warn)
            except BaseException as error:
                self._pace.leave(well=False)
                if accounts is None or not isinstance(error, NotYet) or not accounts.spending.wait(ended):
                    raise
        raise HasEnded("the batch ended before it was sent")

    def state(self, _index: int, _numbers: Sequence[int], state: str, seconds: float | None) -> None:
        """Hear what a request is doing."""
        slot = self._slots.get(threading.get_ident())
        self.was_lost = self.was_lost or state == "lost"
        if slot is not None and state.startswith("retrying"):
            slot.is_retrying = True
            if str(TOO_MANY) in state:
                self._pace.slow_down(seconds)

    def pause(self, seconds: float) -> None:
        """Wait; a request that waits to be sent again gives its place to another one.

        Raises:
            HasEnded: the batch has ended meanwhile.
        """
        slot = self._slots.get(threading.get_ident())
        if slot is None or not slot.is_retrying:
            self._sleep(seconds)
            return
        slot.is_retrying = False
        slot.leave(well=False)
        if not self._pace.enter_again(seconds):
            raise HasEnded("the batch ended before it was sent again")
        slot.is_inside = True

    def abandon(self, client: Client) -> None:
        """Give up on what is in flight; the beginnings of responses are kept."""
        for slot in tuple(self._slots.values()):
            if slot.is_open:
                client.abandon(slot.request)
                slot.complete(UnknownOutcome("interrupted while waiting for the response: it may have been billed"))


class _Slot:
    """A request in flight: its entry in the accounts, and its place."""

    def __init__(
        self, pace: Pace, entry: Entry | None, request: ImageRequest, ends: Callable[[ImagecliError], bool]
    ) -> None:
        self._pace = pace
        self._ends = ends
        self._entry = entry
        self.request = request
        self.is_inside = True
        """Whether it has a place."""
        self.is_open = True
        self.is_retrying = False

    def leave(self, *, well: bool) -> None:
        """Give the place back, once."""
        if self.is_inside:
            self.is_inside = False
            self._pace.leave(well=well)

    def received(
        self,
        cost: tuple[float, str] | None,
        usage: Mapping[str, Any] | None,
        svg_usage: Mapping[str, Any] | None,
        request_id: str | None,
    ) -> None:
        """Note what a response says; while its images are saved, another request may be in flight."""
        if self._entry is not None:
            self._entry.received(cost, usage, svg_usage, request_id)
        self.leave(well=True)

    def complete(self, error: ImagecliError | None, images: Iterable[GeneratedImage] = ()) -> None:
        """Note what has come of it."""
        self.is_open = False
        if self._entry is not None:
            self._entry.complete(error, images)
        if error is not None and self._ends(error):
            self._pace.end()  # before another takes the place
        status = None if error is None else error.http_status
        if status == TOO_MANY and self.is_inside:
            self._pace.slow_down()
        self.leave(well=error is None or (status is not None and status < TOO_MANY))
