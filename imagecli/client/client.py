"""The thin HTTP client: one request to an image endpoint, sent, retried where that is safe, and its response spooled.

What may be sent again is decided by one question: may the server have begun to work? The type of an exception does not
show it (a reset in mid-upload and one after the whole request look alike); the trace of the connection does.
"""

from __future__ import annotations

import json
import time
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from imagecli.client.encode import body_of
from imagecli.client.http import TransportError
from imagecli.client.response.body import cost_of, decompressed, read_head, request_id_of, spool_body, spool_refusal
from imagecli.client.response.images import ImageResponse, NoImages
from imagecli.client.response.partial_images import PartialImageReader
from imagecli.client.response.reading import read_response
from imagecli.client.response.sources import Item, Link, Withheld, decode
from imagecli.client.response.spool import CutOffError, Spool
from imagecli.client.retry import (
    SUCCESS,
    TOO_MANY,
    Hold,
    RequestTrace,
    RetryableError,
    ignore_bytes,
    ignore_state,
    with_retries,
)
from imagecli.client.secrets import redacting, secrets_of
from imagecli.client.session import Session
from imagecli.errors import ContentPolicyRefusal, Failure, ImagecliError, UnknownOutcome
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imagecli.client.calls import Calls
    from imagecli.client.errors.reader import ErrorReader
    from imagecli.client.http import Response, Transport
    from imagecli.client.response.files import Run
    from imagecli.client.response.images import Explain
    from imagecli.client.response.partial_images import PartialObserver
    from imagecli.client.response.tasks import Task
    from imagecli.client.retry import ByteObserver, Limits, StateObserver
    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.dialects.request import ImageRequest
    from imagecli.models.listing import ModelsReport

_MAX_LIST = 1 << 24
_ACCEPTED = 202
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate", "identity"})
_PATH_HINT = "It may be a path on the server's own disk: ask for the image itself, --response-format b64_json."

T = TypeVar("T")


class Abandoned(NamedTuple):
    """What is left of a request that was given up."""

    saved_response: str | None = None
    """The file with the beginning of its response; None where none had come."""
    task: str | None = None
    """The ID of the task that the server accepted it as."""


class Client:
    """One server under one key, for any number of threads."""

    def __init__(  # noqa: PLR0913 - a server, and what a caller may replace
        self,
        profile: Profile,
        key: Key | None,
        limits: Limits,
        *,
        run: Run | None = None,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet: connections come with the first request.

        Args:
            profile: the server.
            key: sent to the profile's own origin only; None for servers without keys.
            limits: time-outs and retries.
            run: the files in which responses are kept until they are saved; None for callers that want none kept.
            transport: instead of the network, for the sandbox.
            sleep: waits between retries.
            clock: gives the seconds that deadlines are kept by.
        """
        self._profile = profile
        self._limits = limits
        self._run = run
        self._sleep = sleep
        self._in_flight: dict[int, Spool] = {}
        self._tasks: dict[int, str] = {}
        self._hold = Hold(clock)
        self._session = Session(profile, key, transport, clock)
        self._secrets = secrets_of(profile, key)
        self._with_key = key is not None or bool(profile.secret_headers)

    # For callers

    def for_run(self, run: Run | None, sleep: Callable[[float], None]) -> Client:
        """Return the same client, with the same connections, for one of several runs that share them.

        Args:
            run: the files in which this run's responses are kept.
            sleep: waits between its retries.
        """
        other = copy(self)
        other._run, other._sleep = run, sleep  # noqa: SLF001 - of its own class
        return other

    def url(self, path: str) -> str:
        """Return the URL of a path below the base URL."""
        return f"{self._profile.base_url.rstrip('/')}/{path}"

    def post(
        self,
        request: ImageRequest,
        watch: StateObserver,
        show: PartialObserver = lambda _number, _data: None,
        *,
        number: int = 1,
        moved: ByteObserver = ignore_bytes,
    ) -> ImageResponse:
        """Send `request` and return its spooled response, after as many tries as are allowed and safe.

        Partial images of a stream are given to `show` as they come. Where one is all that came, it is the response's
        `partial`, and `error` is the reason. `number` is that of the first image that is asked for; `moved` is told how
        many bytes are out while it uploads, and how many have come while it receives.

        Raises:
            ImagecliError: by cause; `saved_response` names what was kept of a response that could not be read.
        """
        observers = _Observers(watch, show, moved)
        with redacting(self._secrets):
            if (left := self._hold.left) > 0:
                watch(f"held after HTTP {TOO_MANY}", left)
                self._sleep(left)
            return self._retry(lambda: self._attempt(request, observers, number), watch)

    def fetch(
        self, item: Item, response: ImageResponse, watch: StateObserver, moved: ByteObserver = ignore_bytes
    ) -> Iterator[bytes]:
        """Yield an image's bytes: out of the response, or downloaded whole first where the response has its URL.

        `moved` is told how much of a download has come.

        Raises:
            Failure: it can't be downloaded, or is not base64.
            ImagecliError: the server reports an error in its place.
        """
        with redacting(self._secrets):
            if isinstance(item.source, Withheld):
                raise item.source.error
            if not isinstance(item.source, Link):
                yield from decode(item.source, response.spool)
                return
            from imagecli.client.download import Download

            download = Download(item.source.url, response, self._session, self._secrets, self._pause, moved=moved)
            watch("fetching", None)
            try:
                spool = self._retry(download.run, ignore_state, before_retry=self._start)
            except Failure as error:
                if item.source.url.startswith("/"):  # as Xinference sends it, under another dialect
                    error.hint = _PATH_HINT
                raise
            watch("saving", None)
            yield from spool.chunks()

    def list_models(self) -> ModelsReport:
        """Ask GET /models: it is free of charge, and checks base URL and key.

        Raises:
            ImagecliError: by cause; Failure where the response is not a list.
        """
        with redacting(self._secrets):
            return self._retry(self._ask_models, ignore_state)

    @cached_property
    def calls(self) -> Calls:
        """What the server can be asked for besides images."""
        from imagecli.client.calls import Calls

        return Calls(self._session, self._errors, self._limits, self._secrets, self._sleep)

    def hide(self, text: str) -> str:
        """Return a text without the secrets of this client."""
        if not self._secrets:
            return text
        from imagecli.redaction import redactor

        return redactor(self._secrets).redact(text)

    def abandon(self, request: ImageRequest) -> Abandoned:
        """Give up on a request in flight."""
        spool = self._in_flight.pop(id(request), None)
        kept = spool.keep() if spool is not None and spool.size else None
        if spool is not None:
            spool.discard()
        return Abandoned(kept, self._tasks.get(id(request)))

    def close(self) -> None:
        """Close the connections, also those on which other threads wait."""
        self._session.close()

    # One attempt

    def _start(self) -> None:
        self._session.guard.start(self._limits.timeout)

    def _pause(self, seconds: float) -> None:
        """Wait between two attempts."""
        self._sleep(seconds)
        self._start()

    def _attempt(self, request: ImageRequest, observers: _Observers, number: int) -> ImageResponse:
        self._start()
        if self._run is not None:
            self._run.turn_to(request.route)
        spool = Spool(self._run, number=number, clean=self._clean if self._secrets else None)
        self._in_flight[id(request)] = spool
        try:
            return self._exchange(request, spool, observers)
        except RetryableError as failed:
            # Of a lost response that may be asked for again: if no other comes, it is all that remains.
            if failed.fallback is None:
                failed.error.saved_response = spool.keep() if spool.size else None
                spool.discard()
            raise
        except BaseException as error:
            # A success that could not be read, or broke off: what came of it may be paid for.
            kept = spool.keep() if spool.size else None
            if isinstance(error, ImagecliError):
                error.saved_response = kept
            spool.discard()
            if kept is not None and isinstance(error, MemoryError):
                raise Failure("there is not enough memory to read the response", saved_response=kept) from error
            raise
        finally:
            self._in_flight.pop(id(request), None)
            self._tasks.pop(id(request), None)

    def _exchange(self, request: ImageRequest, spool: Spool, observers: _Observers) -> ImageResponse:
        """Send the request, spool the response and read it.

        Raises:
            RetryableError: the same may be sent again.
            ImagecliError: it may not.
        """
        url = self.url(request.path)
        watch, show, moved = observers
        watch("connecting", None)
        trace = RequestTrace(watch, moved)
        lost: UnknownOutcome | None = None
        request_id = status = None
        headers: dict[str, str] | None = None
        try:
            with self._session.open("POST", url, trace, body_of(request)) as response:
                trace.sent = True  # from here on an exchange that breaks off is a lost response
                watch("receiving", None)
                request_id = request_id_of(response, self._secrets)
                status = response.status_code
                if status not in SUCCESS:
                    return self._refused(response, spool, _Answer(request, url, status, request_id, response.headers))
                headers = response.headers
                spool_body(response, spool, PartialImageReader(spool, watch, show).read, moved)
        except TransportError as error:
            if not trace.sent:
                raise self._errors.not_sent(error) from error
            lost = self._errors.lost(error, request_id)
        answer = _Answer(request, url, status, request_id, headers)
        try:
            try:
                parsed = self._read(spool, answer, cut=lost is not None)
            except CutOffError:  # by a proxy that closes the connection as if it were all
                lost = self._errors.lost(None, request_id)
                parsed = self._read(spool, answer, cut=True)
        except Failure:
            if lost is None:
                raise
            raise self._errors.retry_lost(lost) from None
        except _Task as accepted:
            parsed = self._follow(accepted.task, spool, answer, watch)
            lost = None
        if parsed.is_cut:  # by a proxy, of a server that speaks HTTP/1.0 with it
            lost = lost or self._errors.lost(None, request_id)
        parsed.error = parsed.error or lost
        parsed.redact(self._secrets)
        parsed.request_id = request_id
        parsed.cost_usd = None if headers is None else cost_of(headers)
        if parsed.error is lost is not None and not parsed.items and self._limits.retry_unknown:
            # What is finished is not paid for again; a partial image is for the case that retrying does not help.
            raise RetryableError(lost, fallback=parsed)
        return parsed

    def _refused(self, response: Response, spool: Spool, answer: _Answer) -> ImageResponse:
        """Return the images that an error carries, as a gateway's may that could not read them.

        Raises:
            RetryableError: it carries none, and the same may be sent again.
            ImagecliError: it may not.
        """
        from imagecli.client.response.carried import carries_image

        waited = self._session.guard.waited
        head = spool_refusal(response, spool)
        failed = self._errors.refused(response, head, answer.request, answer.url, waited)
        if not carries_image(head):
            spool.discard()
            raise failed
        error: Any = failed.error if isinstance(failed, RetryableError) else failed
        error.message = (
            f"{self._session.host} lost the response: it sent an error (HTTP {answer.status}) with the image in it"
        )
        stream = spool.another()
        try:
            parsed = self._carried(spool, stream, answer) if isinstance(error, UnknownOutcome) else None
        except BaseException:
            stream.discard()
            raise
        if parsed is None:
            stream.discard()
            raise failed
        spool.discard()
        parsed.lost = error
        parsed.request_id = answer.request_id
        parsed.redact(self._secrets)
        return parsed

    def _carried(self, error: Spool, stream: Spool, answer: _Answer) -> ImageResponse | None:
        """Return the images of an error, whose stream is copied into `stream`; None where there are none."""
        from imagecli.client.response.carried import copy_stream

        content = decompressed(error, cut=True)
        try:
            parsed = read_response(stream, answer.url, self._explain(answer)) if copy_stream(content, stream) else None
        except (Failure, NoImages):
            return None
        finally:
            if content is not error:
                content.discard()
        return parsed if parsed is not None and parsed.items else None

    def _read(self, spool: Spool, answer: _Answer, *, cut: bool) -> ImageResponse:
        """Return the images of a spooled success; if it may be `cut` off, those that came whole.

        Raises:
            ImagecliError: it can't be read, or contains an error.
            _Task: it names a task in place of images.
        """
        content = spool
        try:
            content = decompressed(spool, cut=cut)
            parsed = self._reader(cut=cut)(content, answer.url, self._explain(answer))
        except NoImages as found:
            if not found.is_error and (task := answer.task_in(found.document)) is not None:
                raise (self._errors.task_failed(task, found) if task.has_failed else _Task(task)) from None
            error = self._errors.no_images(found, answer.status, answer.request_id, answer.request, answer.url)
            if found.partial is None or isinstance(error, ContentPolicyRefusal):
                if content is not spool:
                    content.discard()
                if found.is_error and not found.may_hold_one:
                    spool.discard()  # a refusal: it contains nothing that could be lost
                raise error from None
            parsed = ImageResponse(content, answer.url, (), partial=found.partial, error=error)
        except Failure as error:
            if content is not spool:
                content.discard()
            if (task := answer.task_in(None)) is not None:
                raise _Task(task) from None
            _name_encoding(error, answer.headers)
            error.message = sanitize(error.message, self._secrets, limit=300)
            error.http_status = answer.status
            error.request_id = answer.request_id
            raise
        if content is not spool:
            spool.discard()
        return parsed

    @staticmethod
    def _reader(*, cut: bool) -> Callable[[Spool, str, Explain], ImageResponse]:
        if not cut:
            return read_response
        from imagecli.client.response.cut import read_cut

        return read_cut

    def _explain(self, answer: _Answer) -> Explain:
        return lambda entry: self._errors.in_place_of_image(entry, answer.request_id, answer.request, answer.url)

    def _follow(self, task: Task, spool: Spool, answer: _Answer, watch: StateObserver) -> ImageResponse:
        """Return the images of a task, once it is done; until then `spool` keeps the response that names it.

        Raises:
            UnknownOutcome: it can't be asked for, or was not done in time.
            ImagecliError: it failed.
        """
        from imagecli.client.errors.waits import requested_wait
        from imagecli.client.polling import Polling, places_of, wait_for_all

        self._tasks[id(answer.request)] = sanitize(task.id, self._secrets, limit=200)
        if task.url is not None:
            spool.write(b"\n" * bool(spool.size) + json.dumps({"operation-location": task.url}).encode() + b"\n")
        tasks = task.parts if task.parts and task.url is None else (task,)
        places = [places_of(each, self._session, answer.url) for each in tasks]
        if not all(places):
            raise self._errors.task_accepted(task, answer.request_id)
        watch(f"waiting for task {self._tasks[id(answer.request)]}", None)
        first_wait = requested_wait(answer.headers or {})
        polling = Polling(
            *(self._session, self._errors, self._explain(answer), self._sleep, self._limits.timeout, first_wait)
        )
        try:
            parsed = wait_for_all(tasks, places, spool, polling)
        except ImagecliError as error:
            error.request_id = error.request_id or answer.request_id
            raise
        if lost := [item.withheld for item in parsed.items if isinstance(item.withheld, UnknownOutcome)]:
            kept = spool.keep()
            for each in lost:
                each.saved_response = kept
        spool.discard()
        return parsed

    def _retry(
        self, attempt: Callable[[], T], watch: StateObserver, before_retry: Callable[[], None] = lambda: None
    ) -> T:
        return with_retries(attempt, self._limits.retries, self._sleep, watch, before_retry, self._hold)

    def _ask_models(self) -> ModelsReport:
        from imagecli.models.listing import ListingError, read_models

        self._start()
        url = self.url(self._session.dialect.models_path)
        try:
            with self._session.open("GET", url, RequestTrace(ignore_state)) as response:
                if response.status_code not in SUCCESS:
                    raise self._errors.refused(response, read_head(response), None, url)
                body = read_head(response, _MAX_LIST)
                request_id = request_id_of(response, self._secrets)
                headers = response.headers
        except TransportError as error:
            raise self._errors.not_sent(error) from error
        try:
            report = read_models(
                *(body, url, headers, self._secrets, request_id), prefix=self._session.dialect.listed_prefix
            )
        except ListingError as instead:
            raise self._errors.no_list(instead.document, request_id, url) from None
        if report is None:
            raise Failure(
                f"{url} responds, but not with a list of models",
                hint="Check the base URL: it usually ends in /v1.",
                request_id=request_id,
            )
        return report

    def _clean(self, spool: Spool) -> None:
        from imagecli.client.response.cleaning import clean

        clean(spool, self._secrets)

    @cached_property
    def _errors(self) -> ErrorReader:
        from imagecli.client.errors.reader import ErrorReader

        return ErrorReader(self._profile, self._session.host, self._secrets, self._limits, with_key=self._with_key)


def _name_encoding(error: Failure, headers: dict[str, str] | None) -> None:
    """Say of a response that can't be read how it is compressed, where that was not asked for."""
    encoding = headers.get("content-encoding", "").strip().lower() if headers is not None else ""
    if encoding and encoding not in _ENCODINGS:
        error.message = f"the server's response can't be read: it is compressed as {encoding}, which was not asked for"
        error.hint = "Look for a proxy or gateway that compresses what it passes on."


class _Observers(NamedTuple):
    """Those who are told how far a request is."""

    watch: StateObserver
    show: PartialObserver
    moved: ByteObserver


class _Answer(NamedTuple):
    """What is known of a success before it is read."""

    request: ImageRequest
    url: str
    status: int | None
    request_id: str | None
    headers: dict[str, str] | None

    def task_in(self, document: object) -> Task | None:
        """Return the task that it names in place of images."""
        from imagecli.client.response.tasks import find_task, task_address

        accepted = self.status == _ACCEPTED
        return find_task(document, task_address(self.headers or {}, accepted=accepted), accepted=accepted)


class _Task(Exception):
    """A response names a task in place of images."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.id)
        self.task = task
