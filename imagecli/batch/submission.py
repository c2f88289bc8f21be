"""What was submitted to a provider's batch engine: written down before each step, so that none is taken twice.

In DIR/.imagecli:

    submission-ID.json            what it is, and how far it got (`Submission.state`); replaced as a whole each time
    submission-ID.jobs.jsonl      its requests, a line each: of which job, under which custom_id, for which images
    submission-ID.requests.jsonl  the file that is uploaded; removed once the batch is created
    submission-ID.cursors.json    how far its results have been fetched
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imagecli.batch.job import Job
from imagecli.batch.journal import FOLDER
from imagecli.disk import NewFile, replace_privately
from imagecli.errors import Failure, UsageProblem
from imagecli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

State = Literal["prepared", "uploaded", "creating", "created", "refused", "fetched"]
VERSION = 1
_PREFIX = "submission-"
_SUFFIX = ".json"


class Request(NamedTuple):
    """One request of a submission."""

    custom_id: str
    job: Job
    numbers: tuple[int, ...]
    """The images that it asks for, from 1."""
    of: int
    """How many requests its job has in this submission."""
    row: Mapping[str, Any] | None
    """What the ledger has of it."""
    most: float | None
    """What it may cost, in USD."""
    inputs: Mapping[str, str] = {}
    """The path of each input file → its sha256: they are needed again, to undo on the result what was done to them."""

    def line(self) -> bytes:
        """Return it as a line of the file."""
        return (
            json.dumps(self._asdict() | {"job": self.job._asdict()}, ensure_ascii=False).encode(
                "utf-8", "surrogatepass"
            )
            + b"\n"
        )

    @classmethod
    def read(cls, line: bytes) -> Request:
        """Return the request of a line.

        Raises:
            UsageProblem: it is none.
        """
        try:
            document = json.loads(line)
            job = document["job"]
            values = {name: _frozen(value) for name, value in job["values"].items()}
            read = Job(**job | {"values": values, "images": tuple(job["images"])})
            return cls(**document | {"job": read, "numbers": tuple(document["numbers"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise UsageProblem("the jobs of the submission can't be read: they are not as they were written") from error


class Sums:
    """The sha256 of input files, each read once."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[str, str] = {}

    def sha256(self, path: str) -> str:
        """Return that of a file, in hex.

        Raises:
            UsageProblem: it can't be read.
        """
        if path not in self._known:
            try:
                with open(path, "rb") as file:
                    self._known[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise UsageProblem(f"{printable(path)} can't be read: {error.strerror or error}") from error
        return self._known[path]


class Submission:
    """One batch of a provider's: what was put into it, and how far it got."""

    def __init__(self, folder: str, document: dict[str, Any]) -> None:
        """Take what is written down; `new` and `submissions_in` make them."""
        self.folder = folder
        self._document = document

    @classmethod
    def new(cls, folder: str, number: int, **facts: Any) -> Submission:  # noqa: ANN401 - JSON
        """Return one of which nothing is written down yet; `number` says in which place of its run, from 0."""
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        name = f"{moment}-{number + 1:03}-{secrets.token_hex(2)}"
        return cls(folder, {"version": VERSION, "id": name, "state": "prepared", "at": time.time()} | facts)

    @property
    def id(self) -> str:
        """Its name here."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """Its name at the provider: of the batch, or in its metadata."""
        return f"imagecli-{self.id}"

    @property
    def state(self) -> State:
        """How far it got.

        prepared: nothing was sent. uploaded: nothing that is paid for was sent. creating: the batch may be there.
        created: it is. refused: it is not, and won't be. fetched: nothing more will come of it.
        """
        return self._document["state"]  # type: ignore[no-any-return] # as it was written

    @property
    def is_created(self) -> bool:
        """Whether the batch is there, and was not fetched to its end."""
        return self.state == "created"

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """Return a fact; None where it is not known."""
        return self._document.get(name)

    def enter(self, state: State, **facts: Any) -> None:  # noqa: ANN401 - JSON
        """Write down that it is in this state, and more facts; it is on the disk behind this.

        Raises:
            Failure: it can't be written.
        """
        document = self._document | facts | {"state": state}
        try:
            _replace(self.path(_SUFFIX), document)
        except OSError as error:
            raise Failure(
                f"the batch's submission can't be written down: {error.strerror or error}",
                hint="Make room, and run it again.",
            ) from error
        self._document = document

    def path(self, suffix: str) -> str:
        """Return the path of one of its files."""
        return os.path.join(self.folder, FOLDER, f"{_PREFIX}{self.id}{suffix}")

    @property
    def jobs_path(self) -> str:
        """The file of its jobs."""
        return self.path(".jobs.jsonl")

    @property
    def requests_path(self) -> str:
        """The file that is uploaded."""
        return self.path(".requests.jsonl")

    def requests(self) -> Iterator[Request]:
        """Yield its requests."""
        with open(self.jobs_path, "rb") as file:
            for line in file:
                yield Request.read(line)

    def remove(self) -> None:
        """Forget it: nothing of it was sent."""
        for path in (self.path(_SUFFIX), self.jobs_path, self.requests_path):
            with suppress(FileNotFoundError):
                os.unlink(path)

    # How far its results have been fetched

    def cursors(self) -> dict[str, str]:
        """Return how far each of the places of its results has been read."""
        try:
            with open(self.path(".cursors.json"), "rb") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}

    def read_until(self, cursors: Mapping[str, str]) -> None:
        """Note how far the results have been read; where that is lost, they are read again."""
        path = self.path(".cursors.json")
        with suppress(OSError), NewFile(os.path.dirname(path)) as new:
            new.file.write(json.dumps(cursors).encode())
            new.file.flush()
            new.replace(path)


def submissions_in(folder: str) -> list[Submission]:
    """Return what was submitted from a folder, the oldest first.

    Raises:
        UsageProblem: it can't be read, or is of a newer version.
    """
    try:
        names = sorted(os.listdir(os.path.join(folder, FOLDER)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names:
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX) and name.count(".") == 1:
            path = os.path.join(folder, FOLDER, name)
            document = _read(path)
            if document.get("version") != VERSION or document.get("id") != name[len(_PREFIX) : -len(_SUFFIX)]:
                raise UsageProblem(
                    f"{printable(path)} is not a submission that this imagecli knows", hint="Upgrade it."
                )
            found.append(Submission(folder, document))
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise UsageProblem(
            f"{printable(path)} can't be read: {error}", hint="It says what was submitted, and may be paid for."
        ) from error
    return document if isinstance(document, dict) else {}


def _replace(path: str, document: Mapping[str, Any]) -> None:
    """Write a document in the place of another, as a whole, and to the disk."""
    replace_privately(path, json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON
    return tuple(value) if isinstance(value, list) else value
