"""What a server is asked for besides images: JSON documents, uploads of files, and what is in its files."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urljoin

from imagecli.client.encode import Body, document_of, form_of
from imagecli.client.http import TransportError
from imagecli.client.response.body import read_head, request_id_of
from imagecli.client.retry import REDIRECTS, SUCCESS, RequestTrace, RetryableError, ignore_state, with_retries
from imagecli.client.secrets import redacting
from imagecli.client.url import parse_url
from imagecli.errors import Failure
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from imagecli.client.encode import FileToSend
    from imagecli.client.errors.reader import ErrorReader
    from imagecli.client.http import Response
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.response.spool import Spool
    from imagecli.client.retry import Limits
    from imagecli.client.session import Session
    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError

_MOST_DOCUMENT = 1 << 24
_MOST_REDIRECTS = 5
_PARTIAL_CONTENT = 206
_BEYOND_THE_END = 416
_RANGE = re.compile(r"bytes (\d+)-")

T = TypeVar("T")


class _Stretch(NamedTuple):
    """What came of a file in one response."""

    start: int
    """Where it begins in the file."""
    pieces: Iterator[bytes]


class Calls:
    """Requests to one server, for any number of threads; each is retried as often as the client's limits allow."""

    def __init__(
        self,
        session: Session,
        errors: ErrorReader,
        limits: Limits,
        secrets: tuple[str, ...],
        sleep: Callable[[float], None],
    ) -> None:
        """Take what a client has."""
        self._session = session
        self._errors = errors
        self._limits = limits
        self._secrets = secrets
        self._sleep = sleep

    def get(self, url: str) -> dict[str, Any]:
        """Return a JSON document.

        Raises:
            ImagecliError: by cause.
        """
        return self._asked("GET", url, Body, paid=False)

    def post(self, url: str, document: Mapping[str, Any] | None = None, *, paid: bool = False) -> dict[str, Any]:
        """Post a JSON document, or nothing, and return the one that the server answers with.

        Args:
            url: where to.
            document: what is sent.
            paid: whether the server may charge for it, so that it is not sent again where its answer was lost.

        Raises:
            UnknownOutcome: the answer was lost.
            ImagecliError: by cause.
        """
        return self._asked("POST", url, lambda: Body() if document is None else document_of(document), paid=paid)

    def upload(self, url: str, fields: Mapping[str, str], file: FileToSend) -> dict[str, Any]:
        """Send a form with a file, read as it goes out, and return the document that the server answers with.

        Raises:
            ImagecliError: by cause.
        """
        return self._asked("POST", url, lambda: self._timed(form_of(fields, file)), paid=False)

    def content(self, url: str, start: int = 0) -> Iterator[bytes]:
        """Yield what is in a file from a position on, a piece at a time; a connection that breaks is made anew.

        Raises:
            ImagecliError: by cause.
        """
        at, tries = start, 0
        while True:
            before = at
            try:
                with redacting(self._secrets), self._stretch(url, at) as stretch:
                    skipped = stretch.start
                    if skipped > at:
                        raise Failure("the server sends another part of a file than the one it was asked for")
                    for piece in stretch.pieces:
                        new = piece[max(0, at - skipped) :]
                        skipped += len(piece)
                        if new:
                            at += len(new)
                            yield new
            except RetryableError as failed:
                tries = 0 if at > before else tries + 1
                if tries > self._limits.retries:
                    with redacting(self._secrets):
                        raise failed.error from None
                self._sleep(failed.wait if failed.wait is not None else min(8.0, 0.5 * 2**tries))
            else:
                return

    def answer(self, result: Mapping[str, Any], spool: Spool, request: ImageRequest) -> ImageResponse:
        """Return the images of a request that was a line of a batch.

        Args:
            result: what its line says, as OpenAI writes it: `response` or `error`.
            spool: has the long strings of it.
            request: what was asked for.

        Raises:
            ImagecliError: it has none; by cause.
        """
        from imagecli.client.response.finding import shortened
        from imagecli.client.response.images import NoImages, read_document

        with redacting(self._secrets):
            response = result.get("response")
            if not isinstance(response, dict):
                raise self._errors.in_batch(None, {"error": shortened(result.get("error"), spool)}, None)
            status, body = response.get("status_code"), response.get("body")
            given = response.get("request_id")
            request_id = sanitize(given, self._secrets, limit=200) if isinstance(given, str) and given else None
            if isinstance(status, int) and status not in SUCCESS:
                raise self._errors.in_batch(status, shortened(body, spool), request_id)
            url = str(self._session.base)
            try:
                parsed = read_document(
                    body, spool, url, lambda entry: self._errors.in_place_of_image(entry, request_id, request, url)
                )
            except NoImages as found:
                raise self._errors.no_images(found, None, request_id, request, url) from None
            parsed.redact(self._secrets)
            parsed.request_id = request_id
            return parsed

    def shown(self, text: object) -> str:
        """Return a short text of the server's as it may be shown."""
        return sanitize(str(text), self._secrets, limit=300)

    def refusal(self, said: Mapping[str, Any]) -> ImagecliError:
        """Return the error that a batch as a whole failed with."""
        with redacting(self._secrets):
            return self._errors.in_batch(None, {"error": dict(said)}, None)

    # One exchange

    def _asked(self, method: str, url: str, body: Callable[[], Body], *, paid: bool) -> dict[str, Any]:
        with redacting(self._secrets):
            return with_retries(
                lambda: self._attempt(method, url, body(), paid=paid), self._limits.retries, self._sleep, ignore_state
            )

    def _attempt(self, method: str, url: str, body: Body, *, paid: bool) -> dict[str, Any]:
        self._start()
        trace = RequestTrace(ignore_state)
        request_id = None
        try:
            with self._session.open(method, url, trace, body) as response:
                trace.sent = True
                request_id = request_id_of(response, self._secrets)
                if response.status_code not in SUCCESS:
                    raise self._refused(response, url, paid=paid)
                said = read_head(response, _MOST_DOCUMENT)
        except TransportError as error:
            if paid and trace.sent:
                raise self._errors.retry_lost(self._errors.lost(error, request_id)) from error
            raise self._errors.not_sent(error) from error
        document = _parsed(said)
        if document is None:
            if paid:
                raise self._errors.lost(None, request_id)
            raise Failure(
                f"{sanitize(url, self._secrets)} responds, but not with a JSON document",
                hint="Check the base URL: it usually ends in /v1.",
                request_id=request_id,
            )
        if document.get("error") and "id" not in document:
            raise self._errors.no_list(document, request_id, url)
        return document

    @contextmanager
    def _stretch(self, url: str, start: int) -> Iterator[_Stretch]:
        """Yield what comes of a file from a position on, or from its beginning where the server sends all of it.

        Raises:
            RetryableError: the same may be asked for again.
            ImagecliError: it may not.
        """
        asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        for _ in range(_MOST_REDIRECTS + 1):
            self._start()
            try:
                with self._session.open(
                    "GET", url, RequestTrace(ignore_state), accept="*/*", more_headers=asked
                ) as response:
                    status = response.status_code
                    if status in REDIRECTS and "location" in response.headers:
                        url = self._followed(response.headers["location"], url)
                        continue
                    if start and status == _BEYOND_THE_END:
                        yield _Stretch(start, iter(()))
                        return
                    if status not in SUCCESS:
                        raise self._refused(response, url, paid=False)
                    begin = _RANGE.match(response.headers.get("content-range", ""))
                    from_middle = status == _PARTIAL_CONTENT and begin is not None
                    yield _Stretch(int(begin[1]) if from_middle and begin else 0, self._pieces(response))
                    return
            except TransportError as error:
                raise self._errors.not_sent(error) from error
        raise Failure(f"{sanitize(url, self._secrets)} is redirected more than {_MOST_REDIRECTS} times")

    def _pieces(self, response: Response) -> Iterator[bytes]:
        """Yield what comes of a body; the time-out is for each piece of it, as nobody knows how much will come."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise Failure(f"the server compresses a file as {encoding[:40]}, which was not asked for")
        for piece in response.iter_raw():
            yield bytes(piece)
            self._start()

    def _followed(self, place: str, base: str) -> str:
        try:
            following = str(parse_url(urljoin(base, place)))
        except ValueError as error:
            raise Failure(f"the server redirects to {sanitize(place, self._secrets)}, which is not a URL") from error
        if base.startswith("https:") and not following.startswith("https:"):
            raise Failure("a redirect from https to http is refused")
        return following

    def _refused(self, response: Response, url: str, *, paid: bool) -> Exception:
        waited = self._session.guard.waited
        return self._errors.refused(response, read_head(response), None, url, waited, paid=paid)

    def _timed(self, body: Body) -> Body:
        """Return a body of which each piece has the whole time-out: a file of 200 MB takes as long as it takes."""

        def pieces() -> Iterator[bytes]:
            for piece in body.pieces:
                self._start()
                yield piece

        return body._replace(pieces=pieces())

    def _start(self) -> None:
        self._session.guard.start(self._limits.timeout)


def _parsed(said: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
