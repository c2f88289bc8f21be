"""Downloads of images whose URLs are in a response: of nothing private, where the API itself is public."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from imagecli.client.errors.connection import without_number
from imagecli.client.errors.reader import describe
from imagecli.client.errors.waits import is_too_long, requested_wait
from imagecli.client.http import TransportError
from imagecli.client.network import PrivateAddressError
from imagecli.client.places import is_inner, places
from imagecli.client.response.body import decompressed, spool_body
from imagecli.client.response.spool import Spool
from imagecli.client.retry import (
    LOST_STATUSES,
    REDIRECTS,
    RETRIED_STATUSES,
    SUCCESS,
    RequestTrace,
    RetryableError,
    ignore_bytes,
    ignore_state,
)
from imagecli.client.url import parse_url
from imagecli.errors import Failure
from imagecli.hosts import is_private
from imagecli.images.sniffing import sniff
from imagecli.text import sanitize

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.client.response.images import ImageResponse
    from imagecli.client.retry import ByteObserver
    from imagecli.client.session import Session

_MAX_IMAGE = 1 << 29
_MAX_REDIRECTS = 5
_LAGGING = frozenset({202, 403, 404, 423, 425, 520, 521, 522})
"""What content networks answer with until an image has reached them, and servers until it is drawn."""
_LAG_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_HEAD = 4096
_NO_IMAGE = {"html": "HTML", "json": "JSON"}
"""What comes with a success until an image is there, and is none."""
_KEY_REFUSED = frozenset({400, 401, 403})
"""What the store behind a signed URL answers with to a request that has a key besides the signature."""
# Formats that can be saved come first: a network that negotiates would send AVIF for image/*.
_ACCEPT = "image/png, image/jpeg, image/webp, image/gif, image/svg+xml, image/*;q=0.5, */*;q=0.4"
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - as the host of an image's URL
_INNER_CONNECT_S = 5.0
_HINT = "Its URL is in the saved response, and is valid for about an hour."


class _NotThereError(Exception):
    """An address gave no image."""

    def __init__(self, reason: str, *, status: int | None = None, wait: float | None = None) -> None:
        """Take what went wrong: an HTTP status, or (where it is None) the connection's error."""
        super().__init__(reason)
        self.status = status
        self.wait = wait

    @property
    def lags(self) -> bool:
        """Whether it may be there in some seconds."""
        return self.status in _LAGGING or self.status in SUCCESS


class Download:
    """One image that a response has as a URL."""

    def __init__(  # noqa: PLR0913 - an image, and what it is fetched with
        self,
        link: str,
        response: ImageResponse,
        session: Session,
        secrets: tuple[str, ...],
        pause: Callable[[float], None],
        *,
        moved: ByteObserver = ignore_bytes,
    ) -> None:
        """Resolve `link` against the response's own URL; `pause` waits some seconds.

        `moved` is told how much has come.

        Raises:
            Failure: it is not an http(s) URL; some servers send a path on their own disk.
        """
        self._response = response
        self._session = session
        self._secrets = secrets
        self._pause = pause
        self._moved = moved
        self._url = self._resolved(link, response.url)

    def run(self) -> Spool:
        """Download the image into a spool of its own, which is discarded with the response's.

        Raises:
            RetryableError: it may be there a little later.
            Failure: it can't be downloaded; never an unknown outcome, for nothing is paid here.
        """
        for usual in (*_LAG_WAITS_S, None):
            try:
                return self._from_any_place()
            except _NotThereError as error:
                if error.lags and usual is not None:
                    self._pause(usual if error.wait is None or is_too_long(error.wait) else error.wait)
                    continue
                failure = self._failure(str(error))
                if error.status is None or error.status in RETRIED_STATUSES | LOST_STATUSES - _LAGGING:
                    wait = None if error.wait is None or is_too_long(error.wait) else error.wait
                    raise RetryableError(failure, wait) from error
                raise failure from error
        raise AssertionError  # the last time it returns or raises

    def _from_any_place(self) -> Spool:
        """Download it from where the response says, or else from where the server itself is reached.

        Raises:
            _NotThereError: none of these has it; why the first has not.
        """
        first: _NotThereError | None = None
        for url in places(parse_url(self._url), self._session.base):
            try:
                return self._from(str(url))
            except _NotThereError as error:
                first = first or error
        raise first or AssertionError

    def _from(self, url: str) -> Spool:
        answer = self._response.spool
        spool = Spool(answer.run, limit=_MAX_IMAGE, number=answer.number, clean=answer.clean)
        self._response.downloads.append(spool)
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                following = self._fetch(url, spool)
                if following is None:
                    content = decompressed(spool)
                    self._response.downloads.append(content)
                    return content
                url = following
            raise self._failure(f"more than {_MAX_REDIRECTS} redirects")
        except BaseException:
            spool.discard()
            raise

    def _fetch(self, url: str, spool: Spool) -> str | None:
        """Fetch `url` into `spool`; return the URL of a redirect instead."""
        try:
            return self._exchange(url, spool, with_key=True)
        except _NotThereError as error:
            if error.status not in _KEY_REFUSED or not self._session.has_key_for(url):
                raise
        return self._exchange(url, spool, with_key=False)

    def _exchange(self, url: str, spool: Spool, *, with_key: bool) -> str | None:
        session = self._session
        place = parse_url(url)
        host = place.host
        if session.is_public and is_private(host):
            raise self._failure(f"a public server linked to the private address {sanitize(host, self._secrets)}")
        session.guard.public_host = host if session.is_public else None
        session.guard.connect_within = _INNER_CONNECT_S if is_inner(place, session.base) else None
        try:
            with session.open("GET", url, RequestTrace(ignore_state), accept=_ACCEPT, with_key=with_key) as response:
                status = response.status_code
                if status in REDIRECTS and "location" in response.headers:
                    following = self._resolved(response.headers["location"], url)
                    if url.startswith("https:") and not following.startswith("https:"):
                        raise self._failure("a redirect from https to http is refused")
                    return following
                if status not in SUCCESS or status in _LAGGING:
                    raise _NotThereError(f"HTTP {status}", status=status, wait=requested_wait(response.headers))
                spool_body(response, spool, moved=self._moved)
                kind = sniff(spool.read(0, _HEAD))
                if kind in _NO_IMAGE or not spool.size:
                    raise _NotThereError(f"{_NO_IMAGE.get(kind or '', 'nothing')} came instead", status=status)
                return None
        except TransportError as error:
            if isinstance(error, PrivateAddressError):
                shown = sanitize(host, self._secrets)
                raise self._failure(f"a public server linked to a private network ({shown})") from error
            raise _NotThereError(without_number(describe(error, self._secrets))) from error
        finally:
            session.guard.public_host = session.guard.connect_within = None

    def _resolved(self, link: str, base: str) -> str:
        """Return the absolute URL of a link.

        Raises:
            Failure: it is not an http(s) URL.
        """
        shown = sanitize(link, self._secrets, limit=200)
        try:
            url = parse_url(urljoin(base, link))
        except ValueError as error:
            raise Failure(f"the image can't be downloaded: its URL is not valid: {shown}", hint=_HINT) from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise Failure(
                f"the server sent {shown} instead of an image, and that can't be downloaded",
                hint="Ask for the image itself: --response-format b64_json.",
            )
        if url.host in _ANY_ADDRESS:  # where a server in a container listens, which it takes for its name
            url = url._replace(host=self._session.base.host)
        return str(url)

    def _failure(self, reason: str) -> Failure:
        shown = sanitize(self._url, self._secrets, limit=500)
        return Failure(f"the image at {shown} can't be downloaded: {reason}", hint=_HINT)
