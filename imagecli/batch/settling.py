"""What becomes of a submission besides its results: its batch is there, or is not, or that is not known.

A killed run is taken up here: what it may have created is looked up at the provider, and never created again.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.batch.journal import Entry
from imagecli.batch.registry import Known, register
from imagecli.errors import ImagecliError, Unavailable, UnknownOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imagecli.accounts import Accounts
    from imagecli.accounts import Entry as AccountEntry
    from imagecli.batch.engines.engine import Batch, Engine
    from imagecli.batch.job import Job
    from imagecli.batch.journal import Journal
    from imagecli.batch.submission import Request, Submission

    Warn = Callable[[str], None]
    Watch = Callable[[str, int, int], None]
    """Given what is being done, how much of it, and of how much: "preparing" jobs, "uploading" bytes, "waiting" for the
    provider, "creating"."""

_LOOKS = 3
"""How often a batch is looked for whose creation was not heard of."""
_LOOK_EVERY_S = 1.0


class Context(NamedTuple):
    """What submitting and fetching take."""

    folder: str
    journal: Journal
    engine: Engine
    accounts: Accounts | None
    warn: Warn
    sleep: Callable[[float], None]
    watch: Watch = lambda _what, _done, _total: None


def adopt(submission: Submission, batch: Batch) -> None:
    """Write down that a batch is there."""
    register(Known(batch.id, submission.id, os.path.abspath(submission.folder)))
    submission.enter("created", batch_id=batch.id, expires_at=batch.expires_at)
    with suppress(FileNotFoundError):
        os.unlink(submission.requests_path)


def refuse(submission: Submission, context: Context, error: ImagecliError) -> None:
    """Write down that the batch is not there, and that nothing was paid for it."""
    jobs: dict[str, Job] = {}
    for index, request in enumerate(submission.requests()):
        jobs[request.job.id] = request.job
        _release(submission, index, request, context, error)
    for job in jobs.values():
        last = context.journal.last(job.id)
        if last is not None and last.batch == submission.id and last.state == "sent":
            failed = Entry(
                job.id, job.digest, "failed", time.time(), exit_code=int(error.exit_code), message=error.message
            )
            context.journal.ended(failed)
    submission.enter("refused", error=error.message)
    with suppress(FileNotFoundError):
        os.unlink(submission.requests_path)


def _release(submission: Submission, index: int, request: Request, context: Context, error: ImagecliError) -> None:
    """Write down in the accounts that a request was not sent, if it is there: a kill may have come before that."""
    accounts, first = context.accounts, submission["first_row"]
    if accounts is None or request.row is None:
        return
    known = accounts.find_waiting(request.row, submission["at"]) if first is None else first + index
    if known is not None:
        accounts.resume(request.row, known, request.most, context.warn).complete(Unavailable(error.message))


def entry_of(submission: Submission, index: int, request: Request, context: Context) -> AccountEntry | None:
    """Return the entry in the accounts of a request of a submission, the `index`-th; None where there are none."""
    if context.accounts is None:
        return None
    first = submission["first_row"]
    known = None if first is None else first + index
    return context.accounts.resume(request.row, known, request.most, context.warn)


def settle(context: Context, submissions: Iterable[Submission], *, retry_unknown: bool) -> list[Submission]:
    """See to what killed runs have left in a folder; return what may have been created, and is not to be found.

    What was not sent is forgotten; what may have been created is looked up at the provider.

    Args:
        context: the folder, and the provider.
        submissions: those of the folder.
        retry_unknown: whether what is not to be found counts as not created.
    """
    unknown = []
    for submission in submissions:
        if submission.state == "prepared":
            submission.remove()
        elif submission.state == "uploaded":
            refuse(submission, context, Unavailable("the run was killed before the batch was created"))
        elif submission.state == "creating":
            found = looked_up(submission, context)
            if found is not None:
                adopt(submission, found)
            elif retry_unknown:
                refuse(submission, context, Unavailable("the batch was not found at the provider"))
            else:
                unknown.append(submission)
    return unknown


def looked_up(submission: Submission, context: Context) -> Batch | None:
    """Return the batch that may have been created; None where it is not to be found."""
    for look in range(_LOOKS):
        if look:
            context.sleep(_LOOK_EVERY_S)
        try:
            found = context.engine.find(submission["input_id"] or "", submission.name)
        except ImagecliError as error:
            context.warn(f"the provider's batches can't be listed: {error.message}")
            return None
        if found is not None:
            return found
    return None


def never_heard_of(submission: Submission, lost: UnknownOutcome) -> UnknownOutcome:
    """Return the error that a batch was not heard of and is not to be found."""
    return UnknownOutcome(
        f"whether batch {submission.name} was created is not known, and it is not to be found: {lost.message}",
        hint="Look for it on the provider's website; the same with --retry-unknown submits its jobs again.",
        **lost.details,
    )
