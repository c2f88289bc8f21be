"""OpenAI's batches, which gateways and Azure have too: a file of requests, eight states, a file of results.

Each batch has the name of its submission in its metadata, so that one can be found whose creation was never heard of.
"""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from imagecli.batch.engines.engine import Batch, Line
from imagecli.batch.engines.lines import lines_of
from imagecli.client.encode import json_of
from imagecli.dialects.request import DATA_URL
from imagecli.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imagecli.client.client import Client
    from imagecli.client.encode import FileToSend
    from imagecli.dialects.openai import OpenAI
    from imagecli.dialects.request import FilePart, ImageRequest

_PURPOSE = "imagecli_submission"
"""The key of the metadata."""
_PAGE = 100
_MOST_PAGES = 20
_INPUT_LIFETIME_S = 7 * 24 * 3600


class OpenAIBatches:
    """The batches of a server that speaks as OpenAI does."""

    takes_file_ids = True
    mixes = False

    def __init__(self, client: Client, dialect: OpenAI) -> None:
        """Ask through `client`."""
        self._calls = client.calls
        self._client = client
        self._dialect = dialect

    def _batch(self, document: Mapping[str, Any]) -> Batch:
        return read_batch(document).shown(self._calls.shown)

    def _url(self, name: str) -> str:
        return self._client.url(self._dialect.service_path(name))

    def line(self, custom_id: str, request: ImageRequest, files: Mapping[str, str]) -> dict[str, Any]:
        """Return a request as a line of the file has it."""
        parts = tuple(_named(part, files) for part in request.files)
        return {
            "custom_id": custom_id,
            "method": "POST",
            "url": f"/v1/{request.route}",
            "body": json_of(request._replace(files=parts)),
        }

    def upload_input(self, file: FileToSend) -> str:
        """Upload an input image, for a week, and return its ID."""
        life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(_INPUT_LIFETIME_S)}
        return _id_of(self._calls.upload(self._url("files"), {"purpose": "vision"} | life, file), "file")

    def upload(self, file: FileToSend) -> str:
        """Upload the file of requests and return its ID."""
        return _id_of(self._calls.upload(self._url("files"), {"purpose": "batch"}, file), "file")

    def create(self, input_id: str, endpoint: str, name: str) -> Batch:
        """Create a batch."""
        document = {
            "input_file_id": input_id,
            "endpoint": f"/v1/{endpoint}",
            "completion_window": "24h",
            "metadata": {_PURPOSE: name},
        }
        return self._batch(self._calls.post(self._url("batches"), document, paid=True))

    def find(self, input_id: str, name: str) -> Batch | None:
        """Return the batch of this name, if it is one of the newest 2,000."""
        after: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"limit": _PAGE} | ({} if after is None else {"after": after})
            page = self._calls.get(_with_query(self._url("batches"), query))
            listed = [each for each in page.get("data") or () if isinstance(each, dict)]
            for each in listed:
                named = (each.get("metadata") or {}).get(_PURPOSE) == name
                if named or (input_id and each.get("input_file_id") == input_id):
                    return self._batch(each)
            after = str(listed[-1].get("id")) if listed else None
            if after is None or not page.get("has_more"):
                break
        return None

    def status(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""
        return self._batch(self._calls.get(self._url(f"batches/{quote(batch_id, safe='')}")))

    def cancel(self, batch_id: str) -> Batch:
        """Cancel a batch and return it."""
        return self._batch(self._calls.post(self._url(f"batches/{quote(batch_id, safe='')}/cancel")))

    def results(self, place: str, after: str) -> Iterator[Line]:
        """Yield what is in a file of results; a cursor is the byte behind a line."""
        url = self._url(f"files/{quote(place, safe='')}/content")
        start = int(after) if after.isdecimal() else 0
        if start:
            # From the end of the line before, which must be there: else it is not the file that was read before.
            pieces = self._calls.content(url, start - 1)
            first = next(pieces, b"")
            if first.startswith(b"\n"):
                yield from lines_of(chain((first[1:],), pieces), start)
                return
        yield from lines_of(self._calls.content(url))


def read_batch(document: Mapping[str, Any]) -> Batch:
    """Return the batch that a JSON object describes.

    Raises:
        Failure: it describes none.
    """
    counts = document.get("request_counts")
    total, completed, failed = (
        counts.get(name) if isinstance(counts, dict) else None for name in ("total", "completed", "failed")
    )
    listed = document.get("errors")
    errors = (listed.get("data") if isinstance(listed, dict) else None) or ()
    files = (document.get("output_file_id"), document.get("error_file_id"))
    return Batch(
        _id_of(document, "batch"),
        str(document.get("status") or "in_progress"),
        *(total, completed, failed),
        errors=tuple(each for each in errors if isinstance(each, dict)),
        # A batch without errors may have "" for the ID of their file.
        results=tuple(each for each in files if isinstance(each, str) and each),
        created_at=document.get("created_at"),
        expires_at=document.get("expires_at"),
    )


def _id_of(document: Mapping[str, Any], what: str) -> str:
    found = document.get("id")
    if not isinstance(found, str) or not found:
        raise Failure(f"the server's answer names no {what}", hint="Check the base URL, and what the server supports.")
    return found


def _named(part: FilePart, files: Mapping[str, str]) -> FilePart:
    """Return a file of a request by its ID, where it has one."""
    known = files.get(hashlib.sha256(part.upload.data).hexdigest()) if files else None
    if known is None or part.shape != {"image_url": DATA_URL}:
        return part
    return part._replace(shape={"file_id": known}, upload=part.upload._replace(data=b""))


def _with_query(url: str, query: Mapping[str, object]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
