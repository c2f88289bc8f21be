"""The Files API: what was uploaded for a batch or an edit, and what a batch wrote."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imagecli.sandbox.api import body
from imagecli.sandbox.api.pages import page
from imagecli.sandbox.api.wire import Refusal, invalid_type, invalid_value, missing, unknown_parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BATCH_LIFETIME_S = 30 * 24 * 3600
"""How long files of batches are kept that nobody said it of."""
_PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_MOST_BYTES = 512_000_000
_MOST_LISTED = 10_000
_LIFETIMES = (3600, 2_592_000)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is kept."""

    id: str
    filename: str
    purpose: str
    created_at: int
    expires_at: int | None
    data: bytes = field(repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """What the API tells of it."""
        told = {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }
        return told if self.expires_at is None else told | {"expires_at": self.expires_at}


class Files:
    """Files by their ID, until they expire or are deleted; the oldest go where they become too many bytes.

    Safe from any thread.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty. `clock` tells seconds since 1970."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, Kept] = {}

    def upload(self, data: bytes, content_type: str) -> dict[str, Any]:
        """Keep the file of a form, and return what the API tells of it.

        Raises:
            Refusal: there is none in it, or a field is not valid.
        """
        fields, uploads = body.read_form(data, content_type)
        files = uploads.pop("file", [])
        for name in (*(fields.keys() - {"purpose", "expires_after"}), *uploads):
            raise unknown_parameter(name)
        if len(files) != 1 or "purpose" not in fields:
            raise missing("purpose" if "purpose" not in fields else "file")
        purpose = fields["purpose"]
        if purpose not in _PURPOSES:
            raise invalid_value("purpose", f"Invalid value: '{purpose}'. Supported values are: {', '.join(_PURPOSES)}.")
        seconds = lifetime("expires_after", fields.get("expires_after"), text=True)
        if seconds is None and purpose == "batch":
            seconds = BATCH_LIFETIME_S
        return self.keep(files[0].filename, purpose, files[0].data, seconds).document

    def keep(self, filename: str, purpose: str, data: bytes, seconds: int | None) -> Kept:
        """Keep a file for some seconds, or as long as the sandbox runs."""
        now = int(self._clock())
        end = None if seconds is None else now + seconds
        file = Kept(f"file-{uuid.uuid4().hex[:24]}", filename, purpose, now, end, data)
        with self._lock:
            self._files[file.id] = file
            over = sum(len(each.data) for each in self._files.values()) - _MOST_BYTES
            for old in list(self._files.values())[:-1]:
                if over <= 0:
                    break
                over -= len(self._files.pop(old.id).data)
        return file

    def find(self, name: str) -> Kept:
        """Return a file.

        Raises:
            Refusal: there is none of this ID, or none any more.
        """
        with self._lock:
            self._expire()
            if name in self._files:
                return self._files[name]
        raise Refusal(f"No such File object: {name}", status=404, param="id")

    def content(self, name: str) -> bytes | None:
        """Return the bytes of a file, None where there is none."""
        try:
            return self.find(name).data
        except Refusal:
            return None

    def delete(self, name: str) -> dict[str, Any]:
        """Forget a file.

        Raises:
            Refusal: there is none of this ID.
        """
        self.find(name)
        with self._lock:
            self._files.pop(name, None)
        return {"id": name, "object": "file", "deleted": True}

    def listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the files, the newest first unless the query says otherwise."""
        with self._lock:
            self._expire()
            files = list(self._files.values())
        if query.get("order", "desc") != "asc":
            files.reverse()
        told = [file.document for file in files if query.get("purpose", file.purpose) == file.purpose]
        return page(told, query, most=_MOST_LISTED, usual=_MOST_LISTED)

    def _expire(self) -> None:
        now = self._clock()
        for file in list(self._files.values()):
            if file.expires_at is not None and file.expires_at <= now:
                del self._files[file.id]


def lifetime(param: str, said: object, *, text: bool) -> int | None:
    """Return the seconds of an `expires_after`, None where nothing is said; `text`: it comes from a form.

    Raises:
        Refusal: it is not valid.
    """
    if said is None:
        return None
    if not isinstance(said, dict):
        raise invalid_type(param, "an object", "something else")
    for name in ("anchor", "seconds"):
        if name not in said:
            raise missing(f"{param}.{name}")
    if said["anchor"] != "created_at":
        raise invalid_value(f"{param}.anchor", "Invalid value. Supported values are: 'created_at'.")
    seconds = said["seconds"]
    if text and isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:18])
    if type(seconds) is not int:
        raise invalid_type(f"{param}.seconds", "an integer", "something else")
    low, high = _LIFETIMES
    if not low <= seconds <= high:
        raise invalid_value(f"{param}.seconds", f"Invalid value: {seconds}. Expected a value from {low} to {high}.")
    return seconds
