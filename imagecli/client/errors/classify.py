"""What a trouble of an exchange means: what may be sent again, what was lost, what the server says of it.

Imported when there is some.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx2 as httpx

from imagecli.client.errors.causes import WRONG_KEY, is_final, refusal, unreachable, wait_asked, waits_too_long
from imagecli.client.errors.document import Said, read_document, read_error
from imagecli.client.response.body import head, request_id_of
from imagecli.client.retry import RETRIED, Asked, TryAgain
from imagecli.errors import AuthProblem, Failure, ImagecliError, UnknownOutcome, UsageProblem
from imagecli.text import clean

if TYPE_CHECKING:
    from imagecli.client.retry import Limits
    from imagecli.config.profiles import Profile

_MAX_ERROR_BODY = 1 << 20
_UNAUTHORIZED = 401
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORDS = frozenset({"detail", "message", "errors"})


class Troubles:
    """What one server's troubles mean to one run."""

    def __init__(
        self, profile: Profile, host: str, secrets: tuple[str, ...], limits: Limits, *, with_key: bool
    ) -> None:
        """Know who was asked, under which name it is spoken of, and whether a key went along."""
        self._profile = profile
        self._host = host
        self._secrets = secrets
        self._limits = limits
        self._with_key = with_key

    def broken_off(self, error: httpx.TransportError, request_id: str | None, *, whole: bool) -> Exception:
        """Sort an exchange that broke off: what was not sent `whole` may be sent again."""
        if not whole:
            return self.not_sent(error)
        late = isinstance(error, httpx.TimeoutException)
        what = (
            f"no complete answer came within {self._limits.timeout:g} s"
            if late
            else "the connection broke before the answer was complete"
        )
        return UnknownOutcome(
            f"the request was sent, and {what}: it may have been billed",
            hint="Look at the provider's usage page, or send it again with --retry-unknown"
            + (" and a longer --timeout." if late else "."),
            request_id=request_id,
        )

    def again(self, trouble: Exception) -> Exception:
        """Let a lost answer be asked for again where that is wished."""
        lost = isinstance(trouble, UnknownOutcome) and self._limits.retry_unknown
        return TryAgain(trouble) if lost and isinstance(trouble, UnknownOutcome) else trouble

    def not_sent(self, error: httpx.TransportError) -> Exception:
        """Sort a failure to reach the server: it may be tried again, unless a proxy forbids it."""
        by_proxy = isinstance(error, httpx.ProxyError)
        found = unreachable(reason(error), host=self._host, url=self._profile.base_url, by_proxy=by_proxy)
        return found if is_final(found) else TryAgain(found)

    def refused(self, response: httpx.Response, asked: Asked) -> Exception:
        """Sort an answer that is no success."""
        status = response.status_code
        request_id = request_id_of(response, self._secrets)
        if status in _REDIRECTS:
            return self._sent_on(response, request_id)
        said = read_error(status, head(response, _MAX_ERROR_BODY), self._secrets)
        error = self.refusal(said, request_id, asked)
        if is_final(error):
            return error
        should = response.headers.get("x-should-retry", "").lower()
        if isinstance(error, UnknownOutcome):
            again = self._limits.retry_unknown and should != "false"
        else:
            hopeful = status in RETRIED and not isinstance(error, UsageProblem)
            again = should == "true" or (hopeful and should != "false")
        if not again:
            return error
        wait = wait_asked(response.headers, said)
        if wait is not None and waits_too_long(wait):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(wait, 1e9)))
            error.hint = f"The server asks to wait {min(wait, 1e9):,.0f} s: run it again after {moment}."
            return error
        return TryAgain(error, wait)

    def _sent_on(self, response: httpx.Response, request_id: str | None) -> Failure:
        place = clean(response.headers.get("location", ""), self._secrets)
        base = place.partition("/images/")[0]  # a base URL ends before the route
        is_address = base.startswith(("http://", "https://")) and base.rstrip("/") != self._profile.base_url
        return Failure(
            f"{self._host} sends the request on to {place or 'nowhere'} (HTTP {response.status_code}), which is not "
            "followed",
            hint=f"If you trust that address, {f'set {base} as' if is_address else 'look at'} the base URL.",
            http_status=response.status_code,
            request_id=request_id,
        )

    def no_images(self, document: object, status: int | None, request_id: str | None, asked: Asked) -> ImagecliError:
        """Say why a success holds no images: the server's own error, or its other words."""
        said = read_document(None, document, self._secrets)
        if isinstance(document, dict) and document.get("error"):
            error = self.refusal(said, request_id, asked)
            error.unknown_fields = error.missing_fields = ()  # work may have begun: it is not asked again by itself
        else:
            words = f": {said.message}" if isinstance(document, dict) and _WORDS & document.keys() else ""
            hint = "Ask again, or look at the server's own log: it may have run out of something."
            error = Failure(f"the server's answer holds no images{words}", hint=hint, request_id=request_id)
        error.http_status = status
        return error

    def instead(self, document: object, request_id: str | None, url: str) -> ImagecliError:
        """Say what came where a list of models was expected."""
        return self.refusal(read_document(None, document, self._secrets), request_id, Asked(url))

    def refusal(self, said: Said, request_id: str | None, asked: Asked) -> ImagecliError:
        """Sort what a server said."""
        error = refusal(said, request_id=request_id, host=self._host, asked=asked)
        ours = said.status == _UNAUTHORIZED and not said.passed_on
        if isinstance(error, AuthProblem) and ours and not self._with_key:
            error.hint = self._profile.missing_key_hint
        elif self._with_key and error.hint == WRONG_KEY:
            error.hint = f"The key of profile {self._profile.name} is wrong. {self._profile.key_advice}."
        return error


def reason(error: httpx.TransportError) -> str:
    """Return what went wrong in a connection, in words."""
    return clean(str(error)) or type(error).__name__


def sane_wait(response: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait, None where it does not, or too long."""
    wait = wait_asked(response.headers, Said(response.status_code))
    return None if wait is None or waits_too_long(wait) else wait
