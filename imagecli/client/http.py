"""The thin HTTP client: one request to an image endpoint, sent, tried again where that is safe, and its answer spooled.

What may be sent again is decided by one question: may the server have begun to work? The type of an exception does not
tell (a reset in mid-upload and one after the whole request look alike); the trace of the connection does.
"""

from __future__ import annotations

import json
import random
import threading
import time
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

import httpx2 as httpx

from imagecli import __version__
from imagecli.client.answer import Answer, ErrorInAnswer, Item, Link, decode, read_items
from imagecli.client.network import Guard, PrivateAddressError, is_private, open_client
from imagecli.client.refusals import (
    LOST,
    RETRIED,
    Said,
    is_final,
    read_document,
    read_error,
    refusal,
    wait_asked,
    waits_too_long,
)
from imagecli.client.spool import CHUNK, AnswerTooLargeError, Spool
from imagecli.errors import AuthProblem, Failure, ImagecliError, Unavailable, UnknownOutcome
from imagecli.terminal.console import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.schema import ImageRequest

    Watch = Callable[[str, float | None], None]
    """Told what a request is doing: "uploading", "waiting", "receiving", "retrying" with the seconds."""

_MAX_ERROR_BODY = 1 << 20
_MAX_REDIRECTS = 5
_OK = range(200, 300)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0

_MAX_PICTURE = 1 << 29

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often to try."""

    timeout: float
    """Seconds for one attempt, from connecting to the last byte, downloads included."""
    retries: int
    retry_unknown: bool


@dataclass(frozen=True, slots=True)
class ModelsReport:
    """What GET /models said."""

    url: str
    models: tuple[str, ...]
    request_id: str | None


class _TryAgain(Exception):
    """An attempt failed in a way that may be tried again, after `wait` seconds if the server said so."""

    def __init__(self, error: ImagecliError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


class _Sent:
    """Whether the server may have begun: set by the connection's trace when the request is out, whole."""

    def __init__(self, watch: Watch) -> None:
        self.whole = False
        self._watch = watch

    def __call__(self, event: str, _info: dict[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self._watch("uploading", None)
        elif event.endswith("send_request_body.complete"):
            self.whole = True
            self._watch("waiting", None)


class Client:
    """One server under one key, for any number of threads."""

    def __init__(  # noqa: PLR0913 - what one run of the program knows of its server
        self,
        profile: Profile,
        key: Key | None,
        limits: Limits,
        *,
        spool_folder: Path | None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Remember where to send; nothing is opened before the first request.

        Args:
            profile: the server.
            key: sent to the profile's own origin only; None for servers that want none.
            limits: time-outs and retries.
            spool_folder: where answers are kept until they are saved; None for callers that want nothing on disk.
            transport: instead of the network, for the sandbox.
            sleep: waits between retries.
        """
        self._profile = profile
        self._key = key
        self._limits = limits
        self._spool_folder = spool_folder
        self._transport = transport
        self._sleep = sleep
        self._guard = Guard()
        self._private_hosts: set[str] = set()
        self._clients: dict[bool, httpx.Client] = {}
        self._in_flight: set[Spool] = set()
        self._lock = threading.Lock()
        self._base = httpx.URL(profile.base_url)
        self._secrets = (key.reveal(),) if key else ()

    # What callers ask

    def url(self, route: str) -> str:
        """Return the address of a route below the base URL."""
        return f"{self._profile.base_url.rstrip('/')}/{route}"

    def post(self, request: ImageRequest, watch: Watch) -> Answer:
        """Send `request` and return its spooled answer, after as many tries as are allowed and safe.

        Raises:
            ImagecliError: by cause; `saved_response` names what was kept of an answer that made no sense.
        """
        return self._retrying(lambda: self._attempt(request, watch), watch)

    def fetch(self, item: Item, answer: Answer) -> Iterator[bytes]:
        """Yield an image's bytes: out of the answer, or downloaded whole first where the answer has its address.

        Raises:
            Failure: it can't be had, or what is there is no base64.
        """
        if not isinstance(item.source, Link):
            return decode(item.source, answer.spool)
        url = _resolve(item.source.url, answer.url)
        spool = self._retrying(lambda: self._download(url), _unwatched, before_retry=self._start)
        answer.downloads.append(spool)
        return spool.chunks()

    def list_models(self) -> ModelsReport:
        """Ask GET /models: free of charge, and it tells whether address and key are right."""
        return self._retrying(self._ask_models, _unwatched)

    def abandon(self) -> str | None:
        """Give up on what is in flight; return the file that holds the beginning of an answer, if one had begun."""
        kept = None
        for spool in list(self._in_flight):
            if spool.size:
                kept = spool.keep()
            else:
                spool.discard()
        return kept

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()

    # One attempt

    def _start(self) -> None:
        self._guard.start(self._limits.timeout)

    def _attempt(self, request: ImageRequest, watch: Watch) -> Answer:
        self._start()
        spool = Spool(self._spool_folder)
        self._in_flight.add(spool)
        try:
            return self._exchange(request, spool, watch)
        except ImagecliError as error:
            # A success that made no sense, or broke off: what came of it may be paid for.
            if spool.size:
                error.saved_response = spool.keep()
            spool.discard()
            raise
        except BaseException:
            spool.discard()
            raise
        finally:
            self._in_flight.discard(spool)

    def _exchange(self, request: ImageRequest, spool: Spool, watch: Watch) -> Answer:
        """Send the request and spool what comes; an answer that is no success raises."""
        url = self.url(request.route)
        sent = _Sent(watch)
        request_id = None
        try:
            with self._open("POST", url, sent, request) as response:
                # From here on an exchange that breaks off is a lost answer.
                sent.whole = True
                watch("receiving", None)
                request_id = _request_id(response, self._secrets)
                if response.status_code not in _OK:
                    raise self._refused(response)
                _spool_body(response, spool)
        except httpx.TransportError as error:
            raise self._trouble(error, sent, request_id) from error
        try:
            items, usage = read_items(spool)
        except ErrorInAnswer as error:
            spool.discard()
            raise self._refusal(read_document(None, error.document, self._secrets), request_id) from None
        except Failure as error:
            error.message = clean(error.message, self._secrets)
            error.request_id = request_id
            raise
        return Answer(spool, url, items, usage, request_id)

    def _download(self, url: str) -> Spool:
        """Fetch a picture's address into a spool of its own.

        Raises:
            Failure: it can't be had; never a lost answer, for nothing is paid here.
        """
        public_api = not (is_private(self._base.host) or self._base.host in self._private_hosts)
        spool = Spool(self._spool_folder, limit=_MAX_PICTURE)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                following = self._download_once(url, spool, public_only=public_api)
                if following is None:
                    return spool
                url = following
            raise _unfetched(f"it is redirected more than {_MAX_REDIRECTS} times")
        except BaseException:
            spool.discard()
            raise

    def _download_once(self, url: str, spool: Spool, *, public_only: bool) -> str | None:
        """Fetch `url` into `spool`; return where to look instead if the server says so."""
        host = httpx.URL(url).host
        if public_only and is_private(host):
            raise _unfetched(f"a public server led to the private address {clean(host)}")
        self._guard.public_host = host if public_only else None
        try:
            with self._open("GET", url, _Sent(_unwatched)) as response:
                status = response.status_code
                if status in _REDIRECTS and "location" in response.headers:
                    following = _resolve(response.headers["location"], url)
                    if url.startswith("https:") and not following.startswith("https:"):
                        raise _unfetched("it is redirected from https to http")
                    return following
                if status in RETRIED | LOST:
                    raise _TryAgain(_unfetched(f"HTTP {status}"), _sane_wait(response))
                if status not in _OK:
                    raise _unfetched(f"HTTP {status}")
                _spool_body(response, spool)
                return None
        except httpx.TransportError as error:
            if isinstance(error.__cause__, PrivateAddressError):
                raise _unfetched(f"a public server led to a private network ({clean(host)})") from error
            raise _TryAgain(_unfetched(_reason(error))) from error
        finally:
            self._guard.public_host = None

    def _ask_models(self) -> ModelsReport:
        self._start()
        url = self.url("models")
        try:
            with self._open("GET", url, _Sent(_unwatched)) as response:
                if response.status_code not in _OK:
                    raise self._refused(response)
                body = _head(response, _MAX_ERROR_BODY * 16)
                request_id = _request_id(response, self._secrets)
        except httpx.TransportError as error:
            raise _TryAgain(self._unreachable(error)) from error
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict) and document.get("error"):
            raise self._refusal(read_document(None, document, self._secrets), request_id)
        entries = document.get("data", document.get("models")) if isinstance(document, dict) else document
        if not isinstance(entries, list):
            raise Failure(
                f"{url} answers, but not with a list of models",
                hint="Look at the base URL: it usually ends in /v1.",
                request_id=request_id,
            )
        found = [entry.get("id") or entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
        return ModelsReport(url, tuple(clean(name) for name in found if isinstance(name, str)), request_id)

    @contextmanager
    def _open(
        self, method: str, url: str, sent: _Sent, request: ImageRequest | None = None
    ) -> Iterator[httpx.Response]:
        """Send one HTTP request and hand on its answer, unread.

        Raises:
            httpx.TransportError: it broke off; `sent` tells how far it got.
        """
        client = self._client(url)
        body = _body(request) if request else {}
        built = client.build_request(method, url, headers=_HEADERS, extensions={"trace": sent}, **body)
        built.headers.update(self._credentials(built.url))
        try:
            response = client.send(built, stream=True)
        except OSError as error:
            # Only an app in this process can fail like this, and it has had the request whole.
            sent.whole = True
            raise httpx.ReadError(str(error)) from error
        try:
            yield response
        finally:
            response.close()

    def _credentials(self, url: httpx.URL) -> dict[str, str]:
        """Return the headers that tell who asks: for the API's own origin and for no other."""
        if _origin(url) != _origin(self._base):
            return {}
        headers = {"Authorization": f"Bearer {self._key.reveal()}"} if self._key else {}
        if self._profile.organization:
            headers["OpenAI-Organization"] = self._profile.organization
        if self._profile.project:
            headers["OpenAI-Project"] = self._profile.project
        return headers

    def _client(self, url: str) -> httpx.Client:
        tls = url.startswith("https:")
        with self._lock:
            if tls not in self._clients:
                self._clients[tls] = (
                    httpx.Client(transport=self._transport, timeout=None)
                    if self._transport is not None
                    else open_client(self._guard, self._private_hosts, tls=tls)
                )
            return self._clients[tls]

    def _retrying(self, attempt: Callable[[], T], watch: Watch, before_retry: Callable[[], None] = lambda: None) -> T:
        tries = 0
        while True:
            try:
                return attempt()
            except _TryAgain as again:
                if tries >= self._limits.retries:
                    raise again.error from None
                backoff = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries) * random.uniform(0.75, 1)  # noqa: S311 - jitter
                wait = backoff if again.wait is None else again.wait
                tries += 1
            watch("retrying", wait)
            self._sleep(wait)
            before_retry()

    # What a trouble means

    def _trouble(self, error: httpx.TransportError, sent: _Sent, request_id: str | None) -> Exception:
        """Sort an exchange that broke off: what was not sent whole may be sent again."""
        if not sent.whole:
            return _TryAgain(self._unreachable(error))
        late = isinstance(error, httpx.TimeoutException)
        what = (
            f"no complete answer came within {self._limits.timeout:g} s"
            if late
            else "the connection broke before the answer was complete"
        )
        lost = UnknownOutcome(
            f"the request was sent, and {what}: it may have been billed",
            hint="Look at the provider's usage page, or send it again with --retry-unknown"
            + (" and a longer --timeout." if late else "."),
            request_id=request_id,
        )
        return _TryAgain(lost) if self._limits.retry_unknown else lost

    def _unreachable(self, error: httpx.TransportError) -> Unavailable:
        return Unavailable(
            f"{self._host} can't be reached: {clean(_reason(error), self._secrets)}",
            hint="Look at the base URL, the network and the proxy settings, then run it again.",
        )

    def _refused(self, response: httpx.Response) -> Exception:
        """Sort an answer that is no success."""
        status = response.status_code
        request_id = _request_id(response, self._secrets)
        if status in _REDIRECTS:
            place = clean(response.headers.get("location", ""), self._secrets)
            return Failure(
                f"{self._host} sends the request on to {place or 'nowhere'} (HTTP {status}), which is not followed",
                hint="If you trust that address, set it as the base URL.",
                http_status=status,
                request_id=request_id,
            )
        said = read_error(status, _head(response, _MAX_ERROR_BODY), self._secrets)
        error = self._refusal(said, request_id)
        if is_final(error):
            return error
        if status in LOST:
            return _TryAgain(error) if self._limits.retry_unknown else error
        should = response.headers.get("x-should-retry", "").lower()
        if should == "false" or (status not in RETRIED and should != "true"):
            return error
        wait = wait_asked(response.headers, said)
        if wait is not None and waits_too_long(wait):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(wait, 1e9)))
            error.hint = f"The server asks to wait {wait:,.0f} s: run it again after {moment}."
            return error
        return _TryAgain(error, wait)

    def _refusal(self, said: Said, request_id: str | None) -> ImagecliError:
        error = refusal(said, request_id=request_id, host=self._host)
        if isinstance(error, AuthProblem) and self._key is None and not self._profile.sandbox:
            error.hint = (
                "No key was sent: set OPENAI_BASE_URL together with OPENAI_API_KEY, "
                "or make a profile with this base_url and a key of its own."
            )
        return error

    @property
    def _host(self) -> str:
        return "the sandbox" if self._transport is not None else self._base.netloc.decode("ascii", "replace")


_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"imagecli/{__version__}",
}


def _unwatched(_state: str, _seconds: float | None) -> None:
    """Tell nobody."""


def _body(request: ImageRequest) -> dict[str, Any]:
    """Return the request's body for httpx: JSON without files, multipart with them."""
    if not request.files:
        return {"json": request.fields}
    uploads = [(part.field, part.upload) for part in request.files]
    files = [(name, (upload.filename, upload.data, upload.media_type)) for name, upload in uploads]
    return {"data": request.fields, "files": files}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _resolve(link: str, base: str) -> str:
    """Return the absolute address of a picture.

    Raises:
        Failure: it is no http(s) address; some servers name a file on their own disk.
    """
    try:
        url = httpx.URL(urljoin(base, link))
    except (ValueError, httpx.InvalidURL) as error:
        raise _unfetched(f"its address makes no sense: {clean(link)[:200]}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise Failure(
            f"the server named {clean(link)[:200]} instead of sending a picture, and that can't be fetched",
            hint="Ask for the picture itself: --response-format b64_json.",
        )
    return str(url)


def _unfetched(reason: str) -> Failure:
    return Failure(
        f"the picture can't be fetched: {reason}",
        hint="Its address is in the saved answer, and lives for about an hour.",
    )


def _reason(error: httpx.TransportError) -> str:
    return clean(str(error)) or type(error).__name__


def _sane_wait(response: httpx.Response) -> float | None:
    wait = wait_asked(response.headers, Said(response.status_code))
    return None if wait is None or waits_too_long(wait) else wait


def _request_id(response: httpx.Response, secrets: tuple[str, ...]) -> str | None:
    names = ("x-request-id", "request-id", "x-ms-request-id", "apim-request-id")
    found = next((response.headers[name] for name in names if response.headers.get(name)), None)
    return clean(found, secrets)[:200] if found else None


def _head(response: httpx.Response, most: int) -> bytes:
    """Read the beginning of a body, as far as it comes: the status is known, so a cut body loses nothing."""
    body = bytearray()
    with suppress(httpx.TransportError, Failure):
        for piece in _unpacked(response):
            body += piece
            if len(body) >= most:
                break
    return bytes(body[:most])


def _spool_body(response: httpx.Response, spool: Spool) -> None:
    try:
        for piece in _unpacked(response):
            spool.write(piece)
    except AnswerTooLargeError as error:
        raise Failure("the server's answer is larger than anything sensible, so it was not read to its end") from error


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body a megabyte at the most at a time, so that no small answer unpacks to a memory full.

    Raises:
        Failure: it is packed in a way that was not asked for, or does not unpack.
    """
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing in {"", "identity"}:
        yield from response.iter_raw()
        return
    if packing not in {"gzip", "x-gzip", "deflate"}:
        raise Failure(f"the server's answer is packed as {clean(packing)}, which was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32 if "gzip" in packing else zlib.MAX_WBITS)
    try:
        for chunk in response.iter_raw():
            piece = unpacker.decompress(chunk, CHUNK)
            while piece or unpacker.unconsumed_tail:
                yield piece
                piece = unpacker.decompress(unpacker.unconsumed_tail, CHUNK)
        if not unpacker.eof:
            raise Failure("the server's answer is cut off")
    except zlib.error as error:
        raise Failure(f"the server's answer does not unpack: {error}") from error
