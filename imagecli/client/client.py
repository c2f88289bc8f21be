"""The thin HTTP client: one request to an image endpoint, sent, tried again where that is safe, and its answer spooled.

What may be sent again is decided by one question: may the server have begun to work? The type of an exception does not
tell (a reset in mid-upload and one after the whole request look alike); the trace of the connection does.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin

import httpx2 as httpx

from imagecli import __version__, dialects
from imagecli.client.encode import body_of
from imagecli.client.network import Backend, Guard, PrivateAddressError, is_private, open_client
from imagecli.client.response.body import head, request_id_of, spool_body, unpacked
from imagecli.client.response.events import looks_like_events
from imagecli.client.response.images import Answer, Blocked, Item, Link, NoImages, decode, read
from imagecli.client.response.partial_images import Listener
from imagecli.client.response.spool import Spool
from imagecli.client.retry import LOST, RETRIED, Asked, Limits, Sent, TryAgain, retrying, unwatched
from imagecli.errors import (
    ContentPolicyRefusal,
    Failure,
    ImagecliError,
    UnknownOutcome,
    UsageProblem,
)
from imagecli.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from imagecli.client.errors.classify import Troubles
    from imagecli.client.response.partial_images import Show
    from imagecli.client.retry import Watch
    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile
    from imagecli.dialects.request import ImageRequest
    from imagecli.models.listing import ModelsReport

_MAX_LIST = 1 << 24
_MAX_REDIRECTS = 5
_OK = range(200, 300)
_HEAD = 16
_UNAUTHORIZED = 401
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - met in addresses of pictures
_SHORTEST_SECRET = 6
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_PICTURE = 1 << 29


T = TypeVar("T")


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
        self._backend = Backend(self._guard, self._private_hosts)
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}
        self._in_flight: dict[int, Spool] = {}
        self._lock = threading.Lock()
        try:
            self._base = httpx.URL(profile.base_url)
        except httpx.InvalidURL as error:
            raise UsageProblem(f"the base URL can't be used: {error}", hint="Look at its host and port.") from error
        # Of "Bearer KEY" the key alone is what servers echo.
        carried = [word for _, value in profile.secret_headers for word in (value, value.rpartition(" ")[2])]
        secrets = [key.reveal()] if key else []
        self._secrets = (*secrets, *(word for word in carried if len(word) >= _SHORTEST_SECRET))
        self._dialect = dialects.load(profile.dialect, profile.base_url, profile.api_version)

    # What callers ask

    def url(self, path: str) -> str:
        """Return the address of a path below the base URL."""
        return f"{self._profile.base_url.rstrip('/')}/{path}"

    def post(self, request: ImageRequest, watch: Watch, show: Show = lambda _number, _data: None) -> Answer:
        """Send `request` and return its spooled answer, after as many tries as are allowed and safe.

        Partial images of a stream are given to `show` as they come. Where one is all that came, it is the answer's
        `partial`, and `trouble` says why.

        Raises:
            ImagecliError: by cause; `saved_response` names what was kept of an answer that made no sense.
        """
        with self._redacting():
            return self._retry(lambda: self._attempt(request, watch, show), watch)

    def fetch(self, item: Item, answer: Answer, watch: Watch) -> Iterator[bytes]:
        """Yield an image's bytes: out of the answer, or downloaded whole first where the answer has its address.

        Raises:
            Failure: it can't be had, or what is there is no base64.
        """
        with self._redacting():
            if isinstance(item.source, Blocked):
                raise ContentPolicyRefusal(
                    f"{self._host} made a picture and keeps it back by its content policy",
                    hint="Change the prompt or the picture; the same again may be kept back again.",
                    request_id=answer.request_id,
                )
            if not isinstance(item.source, Link):
                yield from decode(item.source, answer.spool)
                return
            url = self._resolve(item.source.url, answer.url)
            watch("fetching", None)
            try:
                spool = self._retry(lambda: self._download(url, answer), unwatched, before_retry=self._start)
            except Failure as error:
                if item.source.url.startswith("/"):  # as Xinference has it, where it is not known to be one
                    error.hint = _A_PATH
                raise
            watch("saving", None)
            yield from spool.chunks()

    def list_models(self) -> ModelsReport:
        """Ask GET /models: free of charge, and it tells whether address and key are right."""
        with self._redacting():
            return self._retry(self._ask_models, unwatched)

    def abandon(self, request: ImageRequest) -> str | None:
        """Give up on a request in flight; return the file that holds the beginning of its answer, if it had begun."""
        spool = self._in_flight.pop(id(request), None)
        kept = spool.keep() if spool is not None and spool.size else None
        if spool is not None:
            spool.discard()
        return kept

    def close(self) -> None:
        """Close the connections, also under threads that wait for them."""
        self._backend.shut()
        for client in self._clients.values():
            client.close()

    # One attempt

    def _start(self) -> None:
        self._guard.start(self._limits.timeout)

    def _attempt(self, request: ImageRequest, watch: Watch, show: Show) -> Answer:
        self._start()
        spool = Spool(self._spool_folder)
        self._in_flight[id(request)] = spool
        try:
            return self._exchange(request, spool, watch, show)
        except TryAgain as again:
            # Of a lost answer that may be asked for again: in the end it may be all there is.
            if again.instead is None:
                again.error.saved_response = spool.keep() if spool.size else None
                spool.discard()
            raise
        except BaseException as error:
            # A success that made no sense, or broke off: what came of it may be paid for.
            kept = spool.keep() if spool.size else None
            if isinstance(error, ImagecliError):
                error.saved_response = kept
            spool.discard()
            raise
        finally:
            self._in_flight.pop(id(request), None)

    def _exchange(self, request: ImageRequest, spool: Spool, watch: Watch, show: Show) -> Answer:
        """Send the request and spool what comes; an answer that is no success raises."""
        url = self.url(request.path)
        model = request.fields.get("model")
        asked = Asked(url, model, names_model=model is not None)
        sent = Sent(watch)
        lost: UnknownOutcome | None = None
        request_id = status = None
        try:
            with self._open("POST", url, sent, request) as response:
                # From here on an exchange that breaks off is a lost answer.
                sent.whole = True
                watch("receiving", None)
                request_id = request_id_of(response, self._secrets)
                status = response.status_code
                if status not in _OK:
                    raise self._troubles.refused(response, asked)
                spool_body(response, spool, Listener(spool, watch, show))
        except httpx.TransportError as error:
            trouble = self._troubles.broken_off(error, request_id, whole=sent.whole)
            begun = spool.read(0, _HEAD)
            readable = looks_like_events(begun) or begun.lstrip().startswith((b"{", b"["))
            if not (isinstance(trouble, UnknownOutcome) and readable):
                raise self._troubles.again(trouble) from error
            lost = trouble
        try:
            answer = self._read(spool, asked, status, request_id)
        except Failure:
            if lost is None:
                raise
            raise self._troubles.again(lost) from None
        answer.trouble = answer.trouble or lost
        answer.redact(self._secrets)
        answer.request_id = request_id
        if answer.trouble is lost is not None and not answer.items and self._limits.retry_unknown:
            # What is finished is not paid for again; a partial image is for the case that trying again does not help.
            raise TryAgain(lost, instead=answer)
        return answer

    def _read(self, spool: Spool, asked: Asked, status: int | None, request_id: str | None) -> Answer:
        """Return what a spooled success holds.

        Raises:
            ImagecliError: it makes no sense, or is an error.
        """
        content = spool
        try:
            content = unpacked(spool)
            answer = read(content, asked.url)
        except NoImages as found:
            error = self._troubles.no_images(found.document, status, request_id, asked)
            if found.partial is None or isinstance(error, ContentPolicyRefusal):
                if content is not spool:
                    content.discard()
                if isinstance(found.document, dict) and found.document.get("error"):
                    spool.discard()  # a refusal: there is nothing in it to lose
                raise error from None
            answer = Answer(content, asked.url, (), partial=found.partial, trouble=error)
        except Failure as error:
            if content is not spool:
                content.discard()
            error.message = clean(error.message, self._secrets, limit=300)
            error.http_status = status
            error.request_id = request_id
            raise
        if content is not spool:
            spool.discard()
        return answer

    def _retry(self, attempt: Callable[[], T], watch: Watch, before_retry: Callable[[], None] = lambda: None) -> T:
        return retrying(attempt, self._limits.retries, self._sleep, watch, before_retry)

    def _download(self, url: str, answer: Answer) -> Spool:
        """Fetch a picture's address into a spool of its own, which goes when the answer's goes.

        Raises:
            Failure: it can't be had; never a lost answer, for nothing is paid here.
        """
        api = self._base.raw_host.decode("ascii", "replace")
        public_api = not (is_private(api) or api in self._private_hosts)
        spool = Spool(self._spool_folder, limit=_MAX_PICTURE)
        answer.downloads.append(spool)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                following = self._download_once(url, spool, public_only=public_api)
                if following is None:
                    content = unpacked(spool)
                    answer.downloads.append(content)
                    return content
                url = following
            raise _unfetched(f"it is redirected more than {_MAX_REDIRECTS} times")
        except BaseException:
            spool.discard()
            raise

    def _download_once(self, url: str, spool: Spool, *, public_only: bool) -> str | None:
        """Fetch `url` into `spool`; return where to look instead if the server says so."""
        host = httpx.URL(url).raw_host.decode("ascii", "replace")
        if public_only and is_private(host):
            raise _unfetched(f"a public server led to the private address {clean(host)}")
        self._guard.public_host = host if public_only else None
        try:
            with self._open("GET", url, Sent(unwatched)) as response:
                status = response.status_code
                if status in _REDIRECTS and "location" in response.headers:
                    following = self._resolve(response.headers["location"], url)
                    if url.startswith("https:") and not following.startswith("https:"):
                        raise _unfetched("it is redirected from https to http")
                    return following
                if status in RETRIED | LOST:
                    from imagecli.client.errors.classify import sane_wait

                    raise TryAgain(_unfetched(f"HTTP {status}"), sane_wait(response))
                if status not in _OK:
                    raise _unfetched(f"HTTP {status}")
                spool_body(response, spool)
                return None
        except httpx.TransportError as error:
            if isinstance(error.__cause__, PrivateAddressError):
                raise _unfetched(f"a public server led to a private network ({clean(host)})") from error
            from imagecli.client.errors.classify import reason

            raise TryAgain(_unfetched(reason(error))) from error
        finally:
            self._guard.public_host = None

    def _ask_models(self) -> ModelsReport:
        from imagecli.models.listing import ErrorInstead, read_models

        self._start()
        url = self.url(self._dialect.models_path)
        try:
            with self._open("GET", url, Sent(unwatched)) as response:
                if response.status_code not in _OK:
                    raise self._troubles.refused(response, Asked(url))
                body = head(response, _MAX_LIST)
                request_id = request_id_of(response, self._secrets)
                headers = response.headers
        except httpx.TransportError as error:
            raise self._troubles.not_sent(error) from error
        try:
            report = read_models(*(body, url, headers, self._secrets, request_id), prefix=self._dialect.listed_prefix)
        except ErrorInstead as instead:
            raise self._troubles.instead(instead.document, request_id, url) from None
        if report is None:
            raise Failure(
                f"{url} answers, but not with a list of models",
                hint="Look at the base URL: it usually ends in /v1.",
                request_id=request_id,
            )
        return report

    @contextmanager
    def _open(self, method: str, url: str, sent: Sent, request: ImageRequest | None = None) -> Iterator[httpx.Response]:
        """Send one HTTP request and hand on its answer, unread.

        Raises:
            httpx.TransportError: it broke off; `sent` tells how far it got.
        """
        client = self._client(url, kept=method == "GET")
        body = body_of(request) if request else {}
        try:
            built = client.build_request(method, url, headers=_HEADERS, extensions={"trace": sent}, **body)
            built.headers.update(self._credentials(built.url))
            response = client.send(built, stream=True)
        except (UnicodeError, httpx.InvalidURL) as error:  # a host that is none
            raise httpx.ConnectError(str(error)) from error
        try:
            yield response
        finally:
            response.close()

    def _credentials(self, url: httpx.URL) -> dict[str, str]:
        """Return the headers that tell who asks: for the API's own origin and for no other."""
        if _origin(url) != _origin(self._base):
            return {}
        headers = dict(self._dialect.headers)
        if self._key:
            headers |= self._dialect.credentials(self._key.reveal(), self._key.origin.name)
        if self._profile.organization:
            headers["OpenAI-Organization"] = self._profile.organization
        if self._profile.project:
            headers["OpenAI-Project"] = self._profile.project
        more = httpx.Headers(self._profile.headers)
        return {name: value for name, value in headers.items() if name not in more} | dict(more)

    def _client(self, url: str, *, kept: bool) -> httpx.Client:
        tls = url.startswith("https:")
        with self._lock:
            if (tls, kept) not in self._clients:
                self._clients[tls, kept] = (
                    httpx.Client(transport=self._transport, timeout=None)
                    if self._transport is not None
                    else open_client(self._backend, self._base.host, tls=tls, kept=kept)
                )
            return self._clients[tls, kept]

    # What is told, and what is not

    @contextmanager
    def _redacting(self) -> Iterator[None]:
        """Take the key out of whatever an error says: servers echo it in the oddest places."""
        try:
            yield
        except ImagecliError as error:
            error.message = clean(error.message, self._secrets)
            raise

    def _resolve(self, link: str, base: str) -> str:
        """Return the absolute address of a picture.

        Raises:
            Failure: it is no http(s) address; some servers name a file on their own disk.
        """
        shown = clean(link, self._secrets, limit=200)
        try:
            url = httpx.URL(urljoin(base, link))
        except (ValueError, httpx.InvalidURL) as error:
            raise _unfetched(f"its address makes no sense: {shown}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise Failure(
                f"the server named {shown} instead of sending a picture, and that can't be fetched",
                hint="Ask for the picture itself: --response-format b64_json.",
            )
        if url.host in _EVERYWHERE:  # what a server in a container takes for its own name
            url = url.copy_with(host=self._base.host)
        return str(url)

    @cached_property
    def _troubles(self) -> Troubles:
        from imagecli.client.errors.classify import Troubles

        return Troubles(self._profile, self._host, self._secrets, self._limits, with_key=bool(self._secrets))

    @property
    def _host(self) -> str:
        return "the sandbox" if self._transport is not None else self._base.netloc.decode("ascii", "replace")


_A_PATH = "It may be a path on the server's own disk: ask for the picture itself, --response-format b64_json."
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": f"imagecli/{__version__}",
}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _unfetched(reason: str) -> Failure:
    return Failure(
        f"the picture can't be fetched: {reason}",
        hint="Its address is in the saved answer, and lives for about an hour.",
    )
