"""Waiting for a task that a server accepted in place of images: it is asked for until it is done, or time is up."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from imagecli.client.errors.waits import requested_wait
from imagecli.client.http import TransportError
from imagecli.client.network import PrivateAddressError
from imagecli.client.places import places
from imagecli.client.response.body import decompressed, read_head, spool_body
from imagecli.client.response.images import ImageResponse, NoImages, read_document
from imagecli.client.response.reading import read_response
from imagecli.client.response.sources import IMAGE_KINDS, Item, Withheld
from imagecli.client.response.spool import NotJsonError, Spool, outline
from imagecli.client.response.tasks import find_state
from imagecli.client.retry import SUCCESS, RequestTrace, ignore_state
from imagecli.client.url import parse_url
from imagecli.errors import Failure, ImagecliError
from imagecli.hosts import is_private
from imagecli.images.sniffing import sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagecli.client.errors.reader import ErrorReader
    from imagecli.client.response.images import Explain
    from imagecli.client.response.tasks import Task
    from imagecli.client.session import Session
    from imagecli.client.url import URL

_WAITS_S = (1.0, 1.0, 2.0, 3.0)
_LONGEST_WAIT_S = 5.0
_SHORTEST_WAIT_S = 0.1
_MOST_FAILURES = 8
"""In a row, before it is given up: a gateway may be restarted while a task is at work."""
_LATER = frozenset({404, 408, 409, 423, 425, 429, *range(500, 600)})
"""Statuses after which it is asked for again; of a task that has only just been accepted 404 too."""
_HEAD = 4096


class Polling(NamedTuple):
    """What asking for a task takes."""

    session: Session
    errors: ErrorReader
    explain: Explain
    sleep: Callable[[float], None]
    timeout: float
    """Seconds, for all waits."""
    first_wait: float | None
    """Seconds that the server asked for; None where it did not."""


def places_of(task: Task, session: Session, response_url: str) -> list[str]:
    """Return where a task is asked for: where its response says, or else the dialect; empty where neither knows.

    Of a URL that is none, leads from https to http, or into the private network of a public server, nothing is left
    but the same path at the API's own address, where it may be that.
    """
    if task.url is None:
        path = session.dialect.task_path(task.id) if task.id else None
        return [] if path is None else [f"{str(session.base).rstrip('/')}/{path}"]
    try:
        url = parse_url(urljoin(response_url, task.url))
    except ValueError:
        return []
    return [str(place) for place in places(url, session.base) if _may_be_asked(place, session)]


def _may_be_asked(url: URL, session: Session) -> bool:
    if url.scheme not in {"http", "https"} or (session.base.scheme == "https" and url.scheme == "http"):
        return False
    return not (session.is_public and is_private(url.host))


def wait_for_all(tasks: Sequence[Task], places: Sequence[list[str]], spool: Spool, polling: Polling) -> ImageResponse:
    """Ask for one task after the other, and return the images of all in a spool beside `spool`.

    Where some have failed, their errors stand among the images.

    Args:
        tasks: the tasks.
        places: where each is asked for.
        spool: as for `wait_for`.
        polling: the same.

    Raises:
        ImagecliError: none has an image; why the first has not.
    """
    if len(tasks) == 1:
        return wait_for(tasks[0], places[0], spool, polling)
    whole = Spool(spool.run, number=spool.number, clean=spool.clean)
    failures: list[ImagecliError] = []
    try:
        for task, urls in zip(tasks, places, strict=True):
            try:
                done = wait_for(task, urls, spool, polling)
            except ImagecliError as error:
                failures.append(error)
                continue
            for piece in (*done.spool.chunks(), b"\n"):  # JSON documents that follow one another
                whole.write(piece)
            done.discard()
        if len(failures) == len(tasks):
            raise failures[0]
        response = read_response(whole, places[0][0], polling.explain)
    except BaseException:
        whole.discard()
        raise
    response.items += tuple(Item(Withheld(error)) for error in failures)
    return response


def wait_for(task: Task, urls: list[str], spool: Spool, polling: Polling) -> ImageResponse:
    """Ask for a task until it is done, and return its images in a spool beside `spool`.

    Where one of `urls` fails, the next is asked.

    Raises:
        UnknownOutcome: it was not done in time, or could not be asked for any more.
        ImagecliError: it failed.
    """
    waited, failures = 0.0, 0
    wait = polling.first_wait
    for usual in chain(_WAITS_S, repeat(_LONGEST_WAIT_S)):
        left = polling.timeout - waited
        wait = min(usual if wait is None else max(_SHORTEST_WAIT_S, wait), left)
        if left <= 0 or not polling.session.guard.has_time(wait):
            raise polling.errors.task_lost(task, f"is not done after {polling.timeout:g} s")
        polling.sleep(wait)
        waited += wait
        content = Spool(spool.run, number=spool.number, clean=spool.clean)
        try:
            found = _ask(task, urls[failures % len(urls)], content, polling)
        except BaseException:
            content.discard()
            raise
        if isinstance(found, ImageResponse):
            return found
        content.discard()
        wait, reason = found
        failures = failures + 1 if reason else 0
        if failures >= _MOST_FAILURES:
            raise polling.errors.task_lost(task, f"can't be fetched: {reason}")
    raise AssertionError  # the waits never end


def _ask(task: Task, url: str, spool: Spool, polling: Polling) -> ImageResponse | tuple[float | None, str]:
    """Ask once; where there is nothing yet, return the seconds that the server asks to wait and what went wrong."""
    session = polling.session
    public_host = parse_url(url).host if session.is_public else None
    session.guard.public_host = public_host
    try:
        with session.open("GET", url, RequestTrace(ignore_state)) as response:
            wait = requested_wait(response.headers)
            if response.status_code in _LATER:
                return wait, f"HTTP {response.status_code}"
            if response.status_code not in SUCCESS:
                error = polling.errors.refused(response, read_head(response), None, url)
                reason = error.message if isinstance(error, ImagecliError) else str(error)
                raise polling.errors.task_lost(task, f"can't be fetched: {reason}")
            spool_body(response, spool)
    except TransportError as error:
        if isinstance(error, PrivateAddressError):
            raise polling.errors.task_lost(task, "leads to a private network, and is not fetched") from error
        return None, str(error) or type(error).__name__
    finally:
        session.guard.public_host = None
    try:
        return _read(task, url, spool, polling) or (wait, "")
    except _UnreadableError as error:
        return wait, str(error)


class _UnreadableError(Exception):
    """A task's response makes no sense, as a proxy's page doesn't: it may when it is asked for once more."""


def _read(task: Task, url: str, spool: Spool, polling: Polling) -> ImageResponse | None:
    """Return what a task's response contains; None where it is still at work.

    Raises:
        ImagecliError: it failed, or is done without an image.
        _UnreadableError: the response can't be read.
    """
    try:
        content = decompressed(spool)
        if sniff(content.read(0, _HEAD)) in IMAGE_KINDS:
            return read_response(content, url, polling.explain)
        document = outline(content)
    except (Failure, NotJsonError) as error:
        raise _UnreadableError(f"its response can't be read: {error}") from error
    now = find_state(document)
    if now is not None and now.is_pending:
        return None
    try:
        return read_document(document, content, url, polling.explain)
    except NoImages as found:
        if found.is_error or (now is not None and now.has_failed):
            raise polling.errors.task_failed(task, found) from None
        if now is not None and now.is_done:
            raise polling.errors.task_lost(task, "is done, but without an image") from None
        return None
