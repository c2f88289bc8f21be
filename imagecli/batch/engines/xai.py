"""xAI's batches: OpenAI's lines, but counters in place of a status, and pages of results in place of a file.

Sources: docs.x.ai (Batch API, REST reference), and LiteLLM 1.110.2's translation of it to OpenAI's wire
(llms/xai/batches/transformation.py, llms/xai/files/transformation.py).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from imagecli.batch.engines.engine import Batch, Line
from imagecli.client.encode import json_of
from imagecli.client.response.spool import NotJsonError, Spool, outline
from imagecli.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.client.client import Client
    from imagecli.client.encode import FileToSend
    from imagecli.dialects.openai import OpenAI
    from imagecli.dialects.request import ImageRequest

_PAGE = 20
"""Results on a page: an image of some megabytes each."""
_BATCHES_ON_PAGE = 100
_MOST_PAGES = 20


class XAIBatches:
    """The batches of xAI."""

    takes_file_ids = False
    mixes = True

    def __init__(self, client: Client, dialect: OpenAI) -> None:
        """Ask through `client`."""
        self._calls = client.calls
        self._client = client
        self._dialect = dialect

    def _batch(self, document: Mapping[str, Any]) -> Batch:
        return read_batch(document).shown(self._calls.shown)

    def _url(self, name: str) -> str:
        return self._client.url(self._dialect.service_path(name))

    def line(self, custom_id: str, request: ImageRequest, _files: Mapping[str, str]) -> dict[str, Any]:
        """Return a request as a line of the file has it."""
        url = f"/v1/{request.route}"
        return {"custom_id": custom_id, "method": "POST", "url": url, "body": json_of(request)}

    def upload_input(self, file: FileToSend) -> str:
        """Upload an input image; requests can't name it here."""
        return self.upload(file)

    def upload(self, file: FileToSend) -> str:
        """Upload the file of requests and return its ID; files have no purpose."""
        return _text(self._calls.upload(self._url("files"), {}, file), "id")

    def create(self, input_id: str, _endpoint: str, name: str) -> Batch:
        """Create a batch."""
        document = {"name": name, "input_file_id": input_id}
        return self._batch(self._calls.post(self._url("batches"), document, paid=True))

    def find(self, input_id: str, name: str) -> Batch | None:
        """Return the batch of this name, if it is one of the newest 2,000."""
        token: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"limit": _BATCHES_ON_PAGE} | ({} if token is None else {"pagination_token": token})
            page = self._calls.get(f"{self._url('batches')}?{urlencode(query)}")
            for each in page.get("batches") or ():
                if isinstance(each, dict) and (
                    each.get("name") == name or (input_id and each.get("input_file_id") == input_id)
                ):
                    return self._batch(each)
            token = page.get("pagination_token")
            if not isinstance(token, str) or not token:
                break
        return None

    def status(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""
        return self._batch(self._calls.get(self._url(f"batches/{quote(batch_id, safe='')}")))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch and return it."""
        return self._batch(self._calls.post(self._url(f"batches/{quote(batch_id, safe='')}:cancel")))

    def results(self, place: str, after: str) -> Iterator[Line]:
        """Yield the results of a batch, page after page; a cursor is the token of the page that a line is on.

        Lines of that page come again.
        """
        url = self._url(f"batches/{quote(place, safe='')}/results")
        token = after
        while True:
            query = {"limit": _PAGE} | ({"pagination_token": token} if token else {})
            page = Spool(None)
            try:
                for piece in self._calls.content(f"{url}?{urlencode(query)}"):
                    page.write(piece)
                document = _outlined(page)
                for each in document.get("results") or ():
                    yield _line(each, page, token)
            finally:
                page.discard()
            following = document.get("pagination_token")
            if not isinstance(following, str) or not following or following == token:
                return
            token = following


class _Lent(Spool):
    """A page of results in the hands of one of its lines: the others need it, too."""

    def __init__(self, page: Spool) -> None:
        self.__dict__.update(page.__dict__)

    def discard(self) -> None:
        """Leave it."""

    def keep(self) -> None:
        """Leave it: the results stay at the provider."""


def _outlined(page: Spool) -> dict[str, Any]:
    try:
        document = outline(page)
    except NotJsonError as error:
        raise Failure(f"a page of the batch's results can't be read: {error}") from error
    return document if isinstance(document, dict) else {}


def _line(result: Any, page: Spool, cursor: str) -> Line:  # noqa: ANN401 - any JSON
    """Return a result as OpenAI writes one: xAI's response is in an object, under the name of its kind."""
    if not isinstance(result, dict):
        return Line(None, {}, _Lent(page), cursor)
    custom_id = result.get("batch_request_id")
    said = result.get("batch_result")
    said = said if isinstance(said, dict) else {}
    response = said.get("response")
    body = next(iter(response.values()), None) if isinstance(response, dict) else None
    document = {
        "response": None if body is None else {"status_code": 200, "body": body},
        "error": said.get("error") if body is None else None,
    }
    return Line(custom_id if isinstance(custom_id, str) else None, document, _Lent(page), cursor)


def read_batch(document: Mapping[str, Any]) -> Batch:
    """Return the batch that a JSON object describes, which has counters and no status.

    Raises:
        Failure: it describes none.
    """
    name = _text(document, "batch_id")
    state = document.get("state")
    counts = {key: value for key, value in (state if isinstance(state, dict) else {}).items() if type(value) is int}
    total, pending = counts.get("num_requests", 0), counts.get("num_pending", 0)
    reason = document.get("cancel_by_xai_message")
    expires_at = _moment(document.get("expire_time"))
    if document.get("cancel_time"):
        status = "failed" if reason else "cancelled"
    elif total == 0:
        status = "validating"
    elif pending == 0:
        status = "completed"
    else:
        # As days are all that it says, the day has to be over.
        status = "expired" if expires_at is not None and time.time() > expires_at + 24 * 3600 else "in_progress"
    return Batch(
        *(name, status, total, counts.get("num_success", 0)),
        counts.get("num_error", 0) + counts.get("num_cancelled", 0),
        errors=({"message": str(reason)},) if reason else (),
        results=(name,) if total > pending else (),
        created_at=_moment(document.get("create_time")),
        expires_at=expires_at,
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    found = document.get(key)
    if not isinstance(found, str) or not found:
        raise Failure(f"the server's answer has no {key}", hint="Check the base URL, and what the server supports.")
    return found


def _moment(text: object) -> float | None:
    """Return a time in seconds since 1970; xAI writes a time, or a day alone."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
