"""The journal of a batch: a line before a request goes out, one when its images are saved, each on the disk at once.

`DIR/.imagecli/journal.jsonl`, or `journal-2-of-8.jsonl` for a shard, is only ever appended to. All of them are read, so
that the folder can be copied to another machine, and go on there. Each line is a JSON object:

    {"imagecli": "journal", "version": 1}
    {"job": ID, "digest": …, "state": "sent", "at": …, "batch": …}
    {"job": ID, "digest": …, "state": "done", "at": …, "images": [{"path": …, "sha256": …, "bytes": …}], "cost_usd": …}
    {"job": ID, "digest": …, "state": "failed" | "unknown", "at": …, "images": […], "exit_code": …, "message": …}

`batch` is there for a job that was submitted to a provider's batch. `path` is relative to DIR, `at` in seconds since
1970. A line that was cut off by a crash is ignored: nothing was sent before its line was whole. `pruned` lines name
images that were removed on purpose; `sheet` lines, a contact sheet and its sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from imagecli import system
from imagecli.batch.outputs import leads_out
from imagecli.disk import write_all
from imagecli.errors import Failure, UsageProblem
from imagecli.images.types import SIDECAR
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FOLDER = ".imagecli"
"""Below DIR; ours alone."""
VERSION = 1
_MOST_SIDECAR = 1 << 23
_OPENING = os.O_CREAT | os.O_RDWR | system.OPENING | system.NOFOLLOW
State = Literal["sent", "done", "failed", "unknown"]
_STATES = frozenset({"sent", "done", "failed", "unknown"})


class JournalProblem(Failure):
    """The journal can't be written, so nothing may be sent."""


class Made(NamedTuple):
    """An image that a job made."""

    path: str
    """Relative to DIR."""
    sha256: str
    bytes: int


class Entry(NamedTuple):
    """The last that was heard of a job."""

    job: str
    digest: str
    state: State
    at: float
    images: tuple[Made, ...] = ()
    cost_usd: float | None = None
    exit_code: int | None = None
    message: str | None = None
    saved_response: str | None = None
    """The file that keeps a response whose images could not be saved."""
    batch: str | None = None
    """The provider's batch that a job was submitted to; None: it was sent by itself."""


class Journal:
    """What the journals in a folder say, and the one that this run writes; for any number of threads."""

    def __init__(self, folder: str, shard: tuple[int, int] | None = None) -> None:
        """Read nothing yet.

        Args:
            folder: DIR.
            shard: which part of how many, each from 1; None: the whole.
        """
        self.folder = folder
        self._own = os.path.join(folder, FOLDER)
        self._path = os.path.join(
            self._own, "journal.jsonl" if shard is None else "journal-{}-of-{}.jsonl".format(*shard)
        )
        self._is_shard = shard is not None
        self._last: dict[str, Entry] = {}
        self._made: dict[str, tuple[str, str]] = {}
        """Image → its sha256, and the job that made it."""
        self._sheets: dict[str, str] = {}
        """Contact sheet, relative to DIR → its sha256."""
        self._descriptor: int | None = None
        self._locks: list[int] = []
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._written = self._synced = 0
        self.broken = 0
        """Lines that can't be read; the last of a file does not count, as a crash may have cut it off."""

    @property
    def name(self) -> str:
        """The name of its file: that of a shard, or of the whole."""
        return os.path.basename(self._path)

    # Reading

    def read(self) -> Self:
        """Read all journals of the folder; there may be none.

        Raises:
            UsageProblem: one can't be read, or is of a newer version.
        """
        try:
            names = sorted(os.listdir(self._own))
        except (FileNotFoundError, NotADirectoryError):
            return self
        except OSError as error:
            raise _unreadable(self._own, error) from error
        for name in names:
            path = os.path.join(self._own, name)
            if name.startswith("journal") and name.endswith(".jsonl"):
                if not os.path.isfile(path):  # a pipe would be read for ever
                    raise UsageProblem(f"{printable(path)} is not a file", hint="Nothing was sent.")
                self._read_file(path)
        return self

    def _read_file(self, path: str) -> None:
        its: dict[str, Entry] = {}
        try:
            with open(path, "rb") as file:
                for line in file:
                    document = _parsed(line)
                    if document is None:
                        self.broken += line.endswith(b"\n") and bool(line.strip())
                    elif "imagecli" in document:
                        _check_version(document, path)
                    elif (entry := _entry(document)) is not None:
                        its[entry.job] = entry
                        self._made |= {image.path: (image.sha256, entry.job) for image in entry.images}
                    elif isinstance(document.get("pruned"), str):
                        self._made.pop(document["pruned"], None)
                    elif isinstance(document.get("sheet"), str):
                        self._sheets[document["sheet"]] = str(document.get("sha256"))
                    else:
                        self.broken += 1
        except OSError as error:
            raise _unreadable(path, error) from error
        for job, entry in its.items():
            if job not in self._last or self._last[job].at <= entry.at:
                self._last[job] = entry

    def last(self, job: str) -> Entry | None:
        """Return the last that was heard of a job."""
        return self._last.get(job)

    def of_batch(self, batch: str) -> list[Entry]:
        """Return the last that was heard of each job that was submitted in a batch, and not sent since."""
        return [entry for entry in self._last.values() if entry.batch == batch]

    def is_there(self, entry: Entry) -> bool:
        """Return whether all images of an entry are on the disk, whatever has been done to them since."""
        return bool(entry.images) and all(os.path.isfile(self.path_of(each)) for each in entry.images)

    def is_unchanged(self, entry: Entry) -> bool:
        """Return whether all images of an entry are on the disk, to the last byte as they were saved."""
        return bool(entry.images) and all(_sha256(self.path_of(each)) == each.sha256 for each in entry.images)

    def path_of(self, image: Made) -> str:
        """Return where an image is."""
        return os.path.join(self.folder, image.path)

    def is_own(self, path: str) -> bool:
        """Return whether the file at a path relative to DIR is an image of this batch's, and as it was saved.

        So is the file beside such an image that says what made it, even if the image is gone.
        """
        image = path.removesuffix(SIDECAR)
        if path not in self._made and image in self._made:
            return _is_sidecar(os.path.join(self.folder, path), self._made[image][0])
        return path in self._made and _sha256(os.path.join(self.folder, path)) == self._made[path][0]

    def has_drawn(self, path: str) -> bool:
        """Return whether the file at a path is a contact sheet of this batch's, and as it was saved."""
        return self._sheets.get(self._beside(path)) == (_sha256(path) or "")

    def _beside(self, path: str) -> str:
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self.folder))

    # Writing

    def open(self) -> Self:
        """Lock the folder for this run, and make its journal ready to be appended to.

        Raises:
            UsageProblem: another run has it, or it can't be written.
        """
        try:
            os.makedirs(self._own, exist_ok=True)
            self._refuse_links()
            self._take("lock", shared=self._is_shard)
            self._descriptor = os.open(self._path, os.O_APPEND | _OPENING, 0o666)
            if self._is_shard and not _locked(self._descriptor):
                raise _in_use(self.folder, "")
            size = os.fstat(self._descriptor).st_size
            if not size:
                self._append({"imagecli": "journal", "version": VERSION})
            elif system.read_at(self._descriptor, 1, size - 1) != b"\n":
                write_all(self._descriptor, b"\n")
        except OSError as error:
            self.close()
            raise UsageProblem(
                f"{printable(self._own)} can't be written: {error.strerror or error}",
                hint="Nothing was sent. Give -o a folder that can be written to.",
            ) from error
        return self

    def _refuse_links(self) -> None:
        """Refuse a folder of ours that is elsewhere, or has files that are: one that somebody else made may lead there.

        Raises:
            UsageProblem: there is a link.
        """
        for path in (self._own, *(entry.path for entry in os.scandir(self._own))):
            if os.path.islink(path):
                hint = "Nothing was sent. Remove the link, or give -o another folder."
                raise UsageProblem(f"{printable(path)} is a link, which nothing is written through", hint=hint)

    def _take(self, name: str, *, shared: bool) -> None:
        """Lock a file of the folder; the system releases it, whatever ends the process."""
        descriptor = os.open(os.path.join(self._own, name), _OPENING, 0o666)
        self._locks.append(descriptor)
        try:
            is_free = system.lock(descriptor, shared=shared)
        except OSError:  # a file system without locks
            return
        if not is_free:
            raise _in_use(self.folder, system.read_at(descriptor, 200, 0).decode("utf-8", "replace"))
        if not shared:
            os.ftruncate(descriptor, 0)
            system.write_at(
                descriptor, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode(), 0
            )

    def close(self) -> None:
        """Let another run have the folder."""
        for descriptor in (*self._locks, *([] if self._descriptor is None else [self._descriptor])):
            os.close(descriptor)
        self._locks, self._descriptor = [], None

    def sent(self, job: str, digest: str) -> None:
        """Write down that a request of a job goes out now.

        Raises:
            JournalProblem: it can't be written, so nothing may be sent.
        """
        self._append(_document(Entry(job, digest, "sent", time.time())))

    def submitted(self, jobs: Iterable[tuple[str, str]], batch: str) -> None:
        """Write down that jobs (their ids and digests) go into a provider's batch now.

        Raises:
            Failure: it can't be written, so nothing may be sent.
        """
        entries = [Entry(job, digest, "sent", time.time(), batch=batch) for job, digest in jobs]
        self._last |= {entry.job: entry for entry in entries}
        self._append(*map(_document, entries))

    def ended(self, entry: Entry) -> None:
        """Write down what came of a job.

        What this run has done nobody asks for before it is read again, so that memory does not grow with it.

        Raises:
            JournalProblem: it can't be written.
        """
        self._append(_document(entry))
        if entry.state != "done":
            self._hold(entry)

    def drew(self, sheets: Mapping[str, str]) -> None:
        """Write down the pages of a contact sheet, each with its sha256, so that the next run may replace them.

        Raises:
            JournalProblem: it can't be written.
        """
        for path, sha256 in sheets.items():
            self._append({"sheet": self._beside(path), "sha256": sha256, "at": time.time()})

    def _hold(self, entry: Entry) -> None:
        self._last[entry.job] = entry
        self._made |= {image.path: (image.sha256, entry.job) for image in entry.images}

    def _append(self, *documents: Mapping[str, object]) -> None:
        """Append lines and see to it that they are on the disk; those that come at the same time share the wait."""
        line = b"".join(map(_line, documents))
        if self._descriptor is None:
            raise JournalProblem("the batch's journal is closed")
        try:
            with self._lock:
                write_all(self._descriptor, line)
                self._written += 1
                own = self._written
            with self._syncing:
                if self._synced < own:
                    reached = self._written
                    system.sync_data(self._descriptor)
                    self._synced = reached
        except OSError as error:
            raise JournalProblem(
                f"the batch's journal can't be written: {error.strerror or error}", hint="Make room, and run it again."
            ) from error

    def prune(self, jobs: Iterable[str]) -> Iterator[str]:
        """Remove the images of this batch that none of these `jobs` has any more, and yield their paths.

        A file that has changed since is not the batch's any more, and stays. So do the earlier images of a job that
        was changed, until it has others.
        """
        self.read()
        ids = set(jobs)
        lasts = [last for job in ids if (last := self._last.get(job)) is not None]
        stay = {image.path for last in lasts for image in last.images}
        undone = {last.job for last in lasts if last.state != "done"}
        for path, (_, job) in list(self._made.items()):
            place = os.path.join(self.folder, path)
            if path in stay or job in undone or leads_out(self.folder, path) or os.path.islink(place):
                continue
            if not self.is_own(path):
                continue
            os.unlink(place)
            if _is_sidecar(place + SIDECAR, self._made[path][0]):
                os.unlink(place + SIDECAR)
            del self._made[path]
            self._append({"pruned": path, "at": time.time()})
            yield place


def _is_sidecar(path: str, sha256: str) -> bool:
    """Return whether a file says what made the image with this sha256."""
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read(_MOST_SIDECAR))
    except (OSError, ValueError, RecursionError):
        return False
    image = said.get("image") if isinstance(said, dict) else None
    return isinstance(image, dict) and image.get("sha256") == sha256


def _document(entry: Entry) -> dict[str, object]:
    document = entry._asdict() | {"images": [image._asdict() for image in entry.images]}
    return {name: value for name, value in document.items() if value not in (None, [])}


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _entry(document: Mapping[str, Any]) -> Entry | None:
    """Return the entry in a line; None where it is none, as in a file that was edited by hand."""
    job, digest, state, at = (document.get(name) for name in ("job", "digest", "state", "at"))
    if not (isinstance(job, str) and isinstance(digest, str) and isinstance(at, (int, float)) and state in _STATES):
        return None
    images = document.get("images", [])
    try:
        made = tuple(Made(str(each["path"]), str(each["sha256"]), int(each["bytes"])) for each in images)
    except (KeyError, TypeError, ValueError):
        return None
    if any(not _is_inside(image.path) for image in made):
        return None
    more = {name: document.get(name) for name in ("cost_usd", "exit_code", "message", "saved_response", "batch")}
    return Entry(job, digest, state, float(at), made, **more)


def _is_inside(path: str) -> bool:
    return not os.path.isabs(path) and ".." not in path.split("/") and "\0" not in path


def _check_version(document: Mapping[str, Any], path: str) -> None:
    version = document.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise UsageProblem(
            f"{printable(path)} was written by a newer imagecli", hint="Upgrade imagecli, or give -o another folder."
        )


def _sha256(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _locked(descriptor: int) -> bool:
    try:
        return system.lock(descriptor)
    except OSError:  # a file system without locks
        return True


def _in_use(folder: str, who: str) -> UsageProblem:
    about = f" ({printable(who.strip())})" if who.strip() else ""
    return UsageProblem(
        f"another run{about} is at work in {printable(folder)}", hint="Wait until it ends, or give -o another folder."
    )


def _unreadable(path: str, error: OSError) -> UsageProblem:
    return UsageProblem(
        f"the journal in {printable(path)} can't be read: {error.strerror or error}", hint="Nothing was sent."
    )
