"""Downloads of images whose URLs are in a response: of nothing private, where the API itself is public."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx2 as httpx

from imagecli.client.errors.reader import describe
from imagecli.client.errors.waits import is_too_long, requested_wait
from imagecli.client.network import PrivateAddressError, is_private
from imagecli.client.response.body import decompressed, spool_body
from imagecli.client.response.spool import Spool
from imagecli.client.retry import LOST_STATUSES, RETRIED_STATUSES, RequestTrace, RetryableError, ignore_state
from imagecli.errors import Failure
from imagecli.text import sanitize

if TYPE_CHECKING:
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.session import Session

_MAX_IMAGE = 1 << 29
_MAX_REDIRECTS = 5
_SUCCESS = range(200, 300)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - as the host of an image's URL


class Download:
    """One image that a response has as a URL."""

    def __init__(self, link: str, response: ImageResponse, session: Session, secrets: tuple[str, ...]) -> None:
        """Resolve `link` against the response's own URL.

        Raises:
            Failure: it is not an http(s) URL; some servers send a path on their own disk.
        """
        self._response = response
        self._session = session
        self._secrets = secrets
        self._url = self._resolved(link, response.url)

    def run(self) -> Spool:
        """Download the image into a spool of its own, which is discarded with the response's.

        Raises:
            RetryableError: it may be there a little later.
            Failure: it can't be downloaded; never an unknown outcome, for nothing is paid here.
        """
        public_only = self._session.is_public
        answer = self._response.spool
        spool = Spool(answer.run, limit=_MAX_IMAGE, number=answer.number, clean=answer.clean)
        self._response.downloads.append(spool)
        url = self._url
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                following = self._fetch(url, spool, public_only=public_only)
                if following is None:
                    content = decompressed(spool)
                    self._response.downloads.append(content)
                    return content
                url = following
            raise _not_downloaded(f"more than {_MAX_REDIRECTS} redirects")
        except BaseException:
            spool.discard()
            raise

    def _fetch(self, url: str, spool: Spool, *, public_only: bool) -> str | None:
        """Fetch `url` into `spool`; return the URL of a redirect instead."""
        host = httpx.URL(url).raw_host.decode("ascii", "replace")
        shown = sanitize(host, self._secrets)
        if public_only and is_private(host):
            raise _not_downloaded(f"a public server linked to the private address {shown}")
        self._session.guard.public_host = host if public_only else None
        try:
            with self._session.open("GET", url, RequestTrace(ignore_state)) as response:
                status = response.status_code
                if status in _REDIRECTS and "location" in response.headers:
                    following = self._resolved(response.headers["location"], url)
                    if url.startswith("https:") and not following.startswith("https:"):
                        raise _not_downloaded("a redirect from https to http is refused")
                    return following
                if status in RETRIED_STATUSES | LOST_STATUSES:
                    wait = requested_wait(response.headers)
                    too_long = wait is not None and is_too_long(wait)
                    raise RetryableError(_not_downloaded(f"HTTP {status}"), None if too_long else wait)
                if status not in _SUCCESS:
                    raise _not_downloaded(f"HTTP {status}")
                spool_body(response, spool)
                return None
        except httpx.TransportError as error:
            if isinstance(error.__cause__, PrivateAddressError):
                raise _not_downloaded(f"a public server linked to a private network ({shown})") from error
            raise RetryableError(_not_downloaded(describe(error, self._secrets))) from error
        finally:
            self._session.guard.public_host = None

    def _resolved(self, link: str, base: str) -> str:
        """Return the absolute URL of a link.

        Raises:
            Failure: it is not an http(s) URL.
        """
        shown = sanitize(link, self._secrets, limit=200)
        try:
            url = httpx.URL(urljoin(base, link))
        except (ValueError, httpx.InvalidURL) as error:
            raise _not_downloaded(f"its URL is not valid: {shown}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise Failure(
                f"the server sent {shown} instead of an image, and that can't be downloaded",
                hint="Ask for the image itself: --response-format b64_json.",
            )
        if url.host in _ANY_ADDRESS:  # where a server in a container listens, which it takes for its name
            url = url.copy_with(host=self._session.base.host)
        return str(url)


def _not_downloaded(reason: str) -> Failure:
    return Failure(
        f"the image can't be downloaded: {reason}",
        hint="Its URL is in the saved response, and is valid for about an hour.",
    )
