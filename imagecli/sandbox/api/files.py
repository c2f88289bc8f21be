"""The Files API: what was uploaded for a batch or an edit, and the results of batches."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api.body import read_form
from imagecli.sandbox.api.refusals import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

BATCH_LIFETIME_S = 30 * 24 * 3600
"""How long the files of batches are kept unless the client sets a lifetime."""
_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MAX_BYTES = 512_000_000
"""What is kept in all."""
_MAX_BATCH_BYTES = 200_000_000
_MAX_FILES = 10_000
_MAX_LISTED = 10_000
_LIFETIMES_S = (3600, 2_592_000)


@dataclass(frozen=True, slots=True)
class FileObject:
    """One file of the Files API."""

    id: str
    filename: str
    purpose: str
    created_at: int
    expires_at: int | None
    data: bytes = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that describes it."""
        document = {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }
        return document if self.expires_at is None else document | {"expires_at": self.expires_at}


class Files:
    """Files by their ID, until they expire or are deleted; above the limits in number and bytes the oldest go first.

    Safe from any thread.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty. `clock` returns seconds since 1970."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, FileObject] = {}

    def upload(self, data: bytes, content_type: str) -> dict[str, Any]:
        """Store the file of a form and return its JSON object.

        Raises:
            Refusal: the file is missing, or a field is invalid.
        """
        fields, uploads = read_form(data, content_type)
        files = uploads.pop("file", [])
        for name in (*(fields.keys() - {"purpose", "expires_after"}), *uploads):
            raise unknown_parameter(name)
        if len(files) != 1 or "purpose" not in fields:
            raise missing("purpose" if "purpose" not in fields else "file")
        purpose = fields["purpose"]
        if purpose not in _PURPOSES:
            raise invalid_value("purpose", f"Invalid value: '{purpose}'. Supported values are: {', '.join(_PURPOSES)}.")
        if purpose == "batch" and len(files[0].data) > _MAX_BATCH_BYTES:
            raise invalid_value("file", f"The file of a batch has at most {_MAX_BATCH_BYTES:,} bytes.")
        lifetime_s = read_lifetime("expires_after", fields.get("expires_after"), text=True)
        if lifetime_s is None and purpose == "batch":
            lifetime_s = BATCH_LIFETIME_S
        return self.add(files[0].filename, purpose, files[0].data, lifetime_s).document

    def add(self, filename: str, purpose: str, data: bytes, lifetime_s: int | None) -> FileObject:
        """Store a file for some seconds, or as long as the sandbox runs."""
        now = int(self._clock())
        end = None if lifetime_s is None else now + lifetime_s
        file = FileObject(f"file-{uuid.uuid4().hex[:24]}", filename, purpose, now, end, data)
        with self._lock:
            self._expire()
            self._files[file.id] = file
            excess = sum(len(each.data) for each in self._files.values()) - MAX_BYTES
            for old in list(self._files.values())[:-1]:
                if excess <= 0 and len(self._files) <= _MAX_FILES:
                    break
                excess -= len(self._files.pop(old.id).data)
        return file

    def find(self, file_id: str) -> FileObject:
        """Return a file.

        Raises:
            Refusal: the ID is unknown, or the file has expired.
        """
        with self._lock:
            self._expire()
            if file_id in self._files:
                return self._files[file_id]
        raise Refusal(f"No such File object: {file_id}", status=404, param="id")

    def read(self, file_id: str) -> bytes | None:
        """Return the content of a file, None if the ID is unknown or the file has expired."""
        try:
            return self.find(file_id).data
        except Refusal:
            return None

    def delete(self, file_id: str) -> dict[str, Any]:
        """Delete a file.

        Raises:
            Refusal: the ID is unknown.
        """
        self.find(file_id)
        with self._lock:
            self._files.pop(file_id, None)
        return {"id": file_id, "object": "file", "deleted": True}

    def list_page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the files, the newest first unless the query asks for another order."""
        with self._lock:
            self._expire()
            files = list(self._files.values())
        if query.get("order", "desc") != "asc":
            files.reverse()
        documents = [file.document for file in files if query.get("purpose", file.purpose) == file.purpose]
        return make_page(documents, query, limit=_MAX_LISTED, max_limit=_MAX_LISTED)

    def _expire(self) -> None:
        now = self._clock()
        for file in list(self._files.values()):
            if file.expires_at is not None and file.expires_at <= now:
                del self._files[file.id]


def read_lifetime(param: str, value: object, *, text: bool) -> int | None:
    """Return the seconds of an `expires_after`, None if it is not set; `text`: it comes from a form.

    Raises:
        Refusal: it is invalid.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_type(param, "an object", "something else")
    for name in ("anchor", "seconds"):
        if name not in value:
            raise missing(f"{param}.{name}")
    if value["anchor"] != "created_at":
        raise invalid_value(f"{param}.anchor", "Invalid value. Supported values are: 'created_at'.")
    seconds = value["seconds"]
    if text and isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:18])
    if type(seconds) is not int:
        raise invalid_type(f"{param}.seconds", "an integer", "something else")
    low, high = _LIFETIMES_S
    if not low <= seconds <= high:
        raise invalid_value(f"{param}.seconds", f"Invalid value: {seconds}. Expected a value from {low} to {high}.")
    return seconds


def make_page(
    items: Sequence[dict[str, Any]], query: Mapping[str, str], *, limit: int, max_limit: int
) -> dict[str, Any]:
    """Return the items after the one with the ID `after`, as many as the query's `limit` (or else `limit`).

    Raises:
        Refusal: the query's limit is invalid.
    """
    text = query.get("limit", str(limit))
    if not (text.isascii() and text.isdigit()):
        raise invalid_type("limit", "an integer", "a string")
    limit = int(text[:9])
    if not 1 <= limit <= max_limit:
        raise invalid_value(
            "limit", f"Invalid 'limit': expected a value from 1 to {max_limit}, but got {text} instead."
        )
    ids = [item["id"] for item in items]
    after = query.get("after")
    start = 0 if after is None else ids.index(after) + 1 if after in ids else len(ids)
    page = items[start : start + limit]
    return {
        "object": "list",
        "data": list(page),
        "first_id": page[0]["id"] if page else "",
        "last_id": page[-1]["id"] if page else "",
        "has_more": start + limit < len(items),
    }
