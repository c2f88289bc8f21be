"""The errors of one server's exchanges: what may be sent again, what was lost, what the server wrote about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imagecli.client.errors.connection import readable, unreachable
from imagecli.client.errors.waits import is_too_long, requested_wait
from imagecli.client.http import ProxyError, TimedOutError
from imagecli.client.network import ReadableTransportError
from imagecli.client.response.body import request_id_of
from imagecli.client.retry import REDIRECTS, RETRIED_STATUSES, RetryableError
from imagecli.errors import (
    AuthProblem,
    ContentPolicyRefusal,
    Failure,
    ImagecliError,
    MoneyProblem,
    Unavailable,
    UnknownOutcome,
    UsageProblem,
)
from imagecli.text import sanitize

if TYPE_CHECKING:
    from imagecli.client.errors.document import ErrorDocument
    from imagecli.client.http import Response
    from imagecli.client.response.images import NoImages
    from imagecli.client.response.tasks import Task
    from imagecli.client.retry import Limits
    from imagecli.config.profiles import Profile
    from imagecli.dialects.request import ImageRequest

_GATEWAY_S = 2.0
"""Seconds in which a gateway finds out that it does not reach a server; what it reports later may be of its work."""
_UNAUTHORIZED = 401
_NOT_DONE = frozenset({"batch_expired", "batch_cancelled", "request_timeout"})
"""What a batch says of requests that it did not come to."""
_FETCH = "Fetch the task's result from the server or on its website; another request may be billed as well."


class ErrorReader:
    """Reads the errors of one server in one run.

    What is imported inside its methods is for errors that a server sent: one that is not reached needs none of it.
    """

    def __init__(
        self, profile: Profile, host: str, secrets: tuple[str, ...], limits: Limits, *, with_key: bool
    ) -> None:
        """Read the errors of the server of `profile`, which messages call `host`; `with_key`: a key was sent to it."""
        self._profile = profile
        self._host = host
        self._secrets = secrets
        self._limits = limits
        self._with_key = with_key

    # Connections

    def not_sent(self, error: Exception) -> Exception:
        """Return the error of a request that was not sent whole: it may be retried, unless a proxy forbids it."""
        if isinstance(error, ReadableTransportError):
            return readable(self._profile.base_url, str(error))
        refused = error if isinstance(error, ProxyError) else None
        found = unreachable(
            describe(error, self._secrets), host=self._host, url=self._profile.base_url, refused=refused
        )
        return found if _is_final(found) else RetryableError(found)

    def lost(self, error: Exception | None, request_id: str | None) -> UnknownOutcome:
        """Return the error of a request that was sent whole and whose response did not come whole.

        `error` is the connection's; None where that ended as it should.
        """
        late = isinstance(error, TimedOutError)
        what = (
            f"no complete response came within {self._limits.timeout:g} s"
            if late
            else "the connection broke before the response was complete"
        )
        return UnknownOutcome(
            f"the request was sent, but {what}: it may have been billed",
            hint="Check the provider's usage page, or send it again with --retry-unknown"
            + (" and a longer --timeout." if late else "."),
            request_id=request_id,
        )

    def retry_lost(self, error: UnknownOutcome) -> Exception:
        """Return a lost response's error as one to retry after, where the user asked for that."""
        return RetryableError(error) if self._limits.retry_unknown else error

    # Responses

    def refused(  # noqa: PLR0913 - a response, and what it answers
        self,
        response: Response,
        body: bytes,
        request: ImageRequest | None,
        url: str,
        waited: float = 0.0,
        *,
        paid: bool = False,
    ) -> Exception:
        """Return the error of a response that is not a success.

        Args:
            response: its status and headers count.
            body: its beginning.
            request: None where no images were asked for.
            url: where it went.
            waited: seconds from the end of the request to the beginning of the response.
            paid: whether it may cost something though no images were asked for, as a batch does.
        """
        from imagecli.client.errors.document import read_error
        from imagecli.client.errors.fields import refused_fields

        status = response.status_code
        request_id = request_id_of(response, self._secrets)
        if status in REDIRECTS:
            return self._redirected(response, request_id)
        document = read_error(status, body, self._secrets)
        should = response.headers.get("x-should-retry", "").lower()
        reported = should == "true" or requested_wait(response.headers) is not None
        document = document._replace(late=waited > _GATEWAY_S and not reported)
        error = self._classify(document, request_id, request, url, paid=paid)
        if _is_final(error):
            return error
        if isinstance(error, UsageProblem) and request is not None:
            error.unknown_fields = refused_fields(status, document.source, document.unknown_fields, request)
        if isinstance(error, UnknownOutcome):
            retries = self._limits.retry_unknown and should != "false"
        else:
            by_status = status in RETRIED_STATUSES and not isinstance(error, UsageProblem)
            retries = should == "true" or (by_status and should != "false")
        if not retries:
            return error
        wait = requested_wait(response.headers, document.message, document.wait)
        if wait is not None and is_too_long(wait):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + min(wait, 1e9)))
            error.hint = f"The server asks for a wait of {min(wait, 1e9):,.0f} s: run it again after {moment}."
            return error
        return RetryableError(error, wait)

    def no_images(
        self, found: NoImages, status: int | None, request_id: str | None, request: ImageRequest, url: str
    ) -> ImagecliError:
        """Return the error of a success without images: the one that it contains, or that it has none."""
        from imagecli.client.errors.document import read_document

        document = read_document(None, found.document, self._secrets)
        told = found.is_error or document.has_message  # what else is in it, a prompt perhaps, tells nothing of a cause
        error = self._classify(document if told else document._replace(message=""), request_id, request, url)
        error.unknown_fields = error.missing_fields = ()  # work may have begun: it is not sent again by itself
        if type(error) is Failure and not found.is_error:
            message = f": {document.message}" if told else ""
            hint = "See the saved response, or the server's log; another request may be billed as well."
            error = Failure(f"the server's response contains no images{message}", hint=hint, request_id=request_id)
        error.http_status = status
        return error

    def in_place_of_image(
        self,
        entry: object,
        request_id: str | None,
        request: ImageRequest,
        url: str,
    ) -> ImagecliError:
        """Return the error that stands in the place of one image of a response that may have others."""
        from imagecli.client.errors.document import read_document
        from imagecli.client.response.finding import is_withheld

        if is_withheld(entry):
            return ContentPolicyRefusal(
                f"{self._host} made an image, but withheld it under its content policy",
                hint="Change the prompt or the image; the same request may be withheld again.",
                request_id=request_id,
            )
        error = self._classify(read_document(None, entry, self._secrets), request_id, request, url)
        error.unknown_fields = error.missing_fields = ()
        return error

    def in_batch(self, status: int | None, said: object, request_id: str | None) -> ImagecliError:
        """Return the error that a batch has in the place of a response: with its status, where it came to one.

        A provider says of each request whether it was done: what failed is not charged, and nothing of it is lost.
        """
        from imagecli.client.errors.document import read_document

        document = read_document(status, said, self._secrets)
        if status is None and document.code in _NOT_DONE:
            what = sanitize(f"{self._host} did not do it: {document.message or document.code}", self._secrets)
            return Unavailable(what, hint="Submit or run the batch again for the rest.", code=document.code)
        error = self._classify(document, request_id, None, self._profile.base_url)
        error.unknown_fields = error.missing_fields = ()
        return error

    # Tasks

    def task_accepted(self, task: Task, request_id: str | None) -> UnknownOutcome:
        """Return the error of a response that names a task, of a server whose tasks nobody knows how to ask for."""
        named = f" as task {self._shown(task)}" if task.id else ""
        state = f" ({sanitize(task.state, self._secrets, limit=60)})" if task.state else ""
        return UnknownOutcome(
            f"{self._host} accepted the request{named}{state} and sent no image: it may be billed",
            hint=_FETCH,
            request_id=request_id,
        )

    def task_lost(self, task: Task, what: str) -> UnknownOutcome:
        """Return the error of a task whose result could not be fetched; `what` says why, after "task ID"."""
        return UnknownOutcome(
            sanitize(f"{self._host}: task {self._shown(task)} {what}; it may be billed", self._secrets),
            hint=_FETCH,
        )

    def task_failed(self, task: Task, found: NoImages) -> ImagecliError:
        """Return the error of a task that the server reports as failed."""
        from imagecli.client.errors.document import read_document

        error = self._classify(read_document(None, found.document, self._secrets), None, None, self._profile.base_url)
        error.unknown_fields = error.missing_fields = ()
        error.message = f"task {self._shown(task)} failed: {error.message}"
        return error

    def _shown(self, task: Task) -> str:
        return sanitize(task.id, self._secrets, limit=200)

    def no_list(self, document: object, request_id: str | None, url: str) -> ImagecliError:
        """Return the error that a success contains in place of a list of models."""
        from imagecli.client.errors.document import read_document

        return self._classify(read_document(None, document, self._secrets), request_id, None, url)

    def _redirected(self, response: Response, request_id: str | None) -> Failure:
        place = sanitize(response.headers.get("location", ""), self._secrets)
        base = place.partition("/images/")[0]  # a base URL ends before the route
        is_address = base.startswith(("http://", "https://")) and base.rstrip("/") != self._profile.base_url
        return Failure(
            f"{self._host} redirects the request to {place or 'nowhere'} (HTTP {response.status_code}), "
            "and redirects are not followed",
            hint=f"If you trust that address, {f'set {base} as' if is_address else 'check'} the base URL.",
            http_status=response.status_code,
            request_id=request_id,
        )

    def _classify(
        self,
        document: ErrorDocument,
        request_id: str | None,
        request: ImageRequest | None,
        url: str,
        *,
        paid: bool = False,
    ) -> ImagecliError:
        from imagecli.client.errors.causes import classify
        from imagecli.client.errors.hints import WRONG_KEY, RequestContext

        model = request.fields.get("model") if request is not None else None
        asked = request is not None
        context = RequestContext(url, model, lacks_model=asked and model is None, is_paid=asked or paid)
        error = classify(document, request_id=request_id, host=self._host, request=context)
        ours = document.status == _UNAUTHORIZED and not document.from_upstream
        if isinstance(error, AuthProblem) and ours and not self._with_key:
            error.hint = self._profile.missing_key_hint
        elif self._with_key and error.hint == WRONG_KEY:
            error.hint = f"The key of profile {self._profile.name} is wrong. {self._profile.key_advice}."
        return error


def describe(error: Exception, secrets: tuple[str, ...] = ()) -> str:
    """Return what went wrong in a connection, without secrets: a proxy's own words may be in it."""
    return sanitize(str(error), secrets) or type(error).__name__


def _is_final(error: ImagecliError) -> bool:
    """Return whether retrying can't help: quota, billing, policy and authentication."""
    return isinstance(error, (ContentPolicyRefusal, MoneyProblem, AuthProblem))
