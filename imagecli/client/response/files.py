"""The files of responses: of runs that go on, of those that were killed, and of responses that were kept.

A folder for responses (the state folder's, or one below the temporary folder) contains

    runs/ID.json            what a run is about; locked as long as its process lives
    runs/ID-NUMBER-K.part   a response, while it comes and while its images are saved
    answers/answer-….json   a response that could not be saved as images; .left.json: that a killed run has left
    answers/….json.seen     that this response has no image has been said
    runs/ID.done            what the run of a kept response was about

NUMBER is that of the first image that was asked for, K tells a request's responses and downloads apart.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import stat
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli import system
from imagecli.disk import DAY_S, is_locked, remove_parts, write_all, write_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

KEPT_S = 30 * 24 * 3600.0
"""How long a kept response stays."""
LEFT = ".left.json"
"""How the name of a response ends that a killed run has left; nobody was told of it before."""
_SEEN = ".seen"
"""What is added to the name of a response for the name of an empty file: there is no image in it, and that was said."""
_PART = r"(?P<run>[0-9a-f]{12})-(?P<number>\d+)-(?P<k>\d+)\.part\Z"
_KEPT = r"answer-(?:(?P<run>[0-9a-f]{12})-(?P<number>\d+)-\d+(?:\.left)?|.*)\.json\Z"
_ABOUT = r"(?P<run>[0-9a-f]{12})\.(?P<state>json|done|new)\Z"
_LONGEST_ABOUT = 1 << 20


class Run:
    """The files of this process's run."""

    def __init__(self, folders: Sequence[str], spare: Sequence[str], about: Mapping[str, object]) -> None:
        """Write nothing yet.

        Args:
            folders: where responses may be spooled, the first that can be written is taken.
            spare: where a response may be kept that finds no room there.
            about: what a later run needs to know to save what this one could not; JSON.
        """
        self._folders = folders
        self._spare = spare
        self._about = dict(about)
        self.id = os.urandom(6).hex()
        self._counter = itertools.count(1)
        self._folder: str | None = None
        self._lock: int | None = None
        self._turning = threading.Lock()
        self._closed = False
        self._created: list[str] = []
        """Its responses' files, wherever they are by now."""
        self._kept = False
        """Whether a response of it has been kept."""

    def open(self, room: int = 0) -> bool:
        """Write and lock the run's own file, in the first folder that has `room` bytes left.

        Returns whether one has; the first that takes a file at all has to do, where none has.
        """
        for folder in self._folders:
            if self._open(folder, room):
                return True
        any(self._open(folder, 0) for folder in self._folders)
        return False

    def _open(self, folder: str, room: int) -> bool:
        path = os.path.join(folder, "runs", self.id)
        try:
            _make_private(os.path.join(folder, "runs"))
            descriptor = os.open(f"{path}.new", os.O_CREAT | os.O_EXCL | os.O_RDWR | system.OPENING, 0o600)
        except OSError:
            return False
        try:
            with contextlib.suppress(OSError):
                system.lock(descriptor)
            write_zeros(descriptor, room)
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            write_all(descriptor, json.dumps(self._about).encode())
            descriptor = _renamed(descriptor, f"{path}.new", f"{path}.json")
        except OSError:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            _remove(f"{path}.new")
            return False
        self._folder, self._lock = folder, descriptor
        return True

    def turn_to(self, route: str) -> None:
        """Write down that requests go by another route from now on, where that is so: their inputs are others."""
        with self._turning:
            if self._folder is None or self._about.get("route") == route:
                return
            self._about["route"] = route
            before = self._lock
            if self._open(self._folder, 0) and before is not None:
                os.close(before)  # the file of that name is another now, and locked

    def create(self, number: int) -> tuple[int, str]:
        """Make a file for a response to the request for image `number` on; return its descriptor and its path.

        Raises:
            OSError: no folder takes one.
        """
        if self._folder is None or self._closed:
            raise FileNotFoundError(2, "there is no folder for responses")
        path = os.path.join(self._folder, "runs", f"{self.id}-{number}-{next(self._counter)}.part")
        self._created.append(path)
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | system.OPENING, 0o600), path

    def keep(self, path: str) -> str:
        """Give the file of a response that is whole the name of one that is kept, and return that.

        Raises:
            OSError: it can't be renamed.
        """
        self._kept = True
        return _keep(path, ".json")

    def rescue(self, number: int, write: Callable[[int], None]) -> str | None:
        """Keep a response that is not whole on any disk yet: let `write` write it where there is room.

        Returns the path; None where no folder has room: nothing of it is left on a disk then.
        """
        name = f"answer-{self.id}-{number}-{next(self._counter)}.json"
        places = [*(os.path.join(folder, "answers") for folder in self._folders), *self._spare]
        for place in dict.fromkeys(places):
            path = os.path.join(place, name)
            try:
                if place not in self._spare:
                    _make_private(place)
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | system.OPENING, 0o600)
            except OSError:
                continue
            try:
                write(descriptor)
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(path)
                continue
            finally:
                os.close(descriptor)
            self._kept = True
            return path
        return None

    def close(self) -> None:
        """End the run; what it is about stays only as long as a response of it is kept.

        A response that is neither saved nor kept now, in spite of all, is left for a later run to find.
        """
        self._closed = True
        if self._folder is None or self._lock is None:
            return
        left = [path for path in self._created if _is_full(path)]
        if not left:  # a large folder is not listed for nothing
            _finish(self._folder, self.id, _names(os.path.join(self._folder, "answers")) if self._kept else ())
        descriptor, self._lock = self._lock, None
        os.close(descriptor)


class Kept(NamedTuple):
    """A response that was kept."""

    path: str
    number: int
    """The first image that was asked for, from 1."""
    about: Mapping[str, Any]
    """What is known of its run; empty where nothing is."""
    run: str | None = None
    """The ID of its run; None: not known."""


def take_over(folders: Iterable[str], now: float | None = None) -> list[tuple[str, int]]:
    """Keep the responses of runs that were killed, and remove what is too old; other runs' files are not touched.

    Returns of how many requests responses were found, and in which folder they are now. Of several processes that look
    at once, one finds each response.
    """
    found = []
    for folder in folders:
        runs, answers = os.path.join(folder, "runs"), os.path.join(folder, "answers")
        names = _names(runs)
        _remove_old(runs, answers, names, time.time() if now is None else now)
        dead = dict(_dead_runs(runs, names))
        # A request may have left a response and what was downloaded or decompressed of it.
        requests = {
            (part["run"], part["number"])
            for name in names
            if (part := re.match(_PART, name)) and part["run"] in dead and _take_over(os.path.join(runs, name))
        }
        for run, about in dead.items():
            if _finish(folder, run, _names(answers)):
                places = about.get("parts")
                for place in places if isinstance(places, list) else ():
                    remove_parts(str(place))
        if requests:
            found.append((answers, len(requests)))
    return found


def kept_responses(folders: Iterable[str], spare: Iterable[str] = ()) -> list[Kept]:
    """Return this user's responses that are kept in these folders, and those in spare ones, the oldest first.

    Those of which was said that there is no image in them are left out.
    """
    places = [os.path.join(folder, "answers") for folder in folders]
    found = [(place, name) for place in places for name in _names(place)]
    seen = {name.removesuffix(_SEEN) for _, name in found if name.endswith(_SEEN)}
    found = [each for each in found if re.match(_KEPT, each[1])]
    for folder in spare:
        found += [(folder, name) for name in _names(folder) if (m := re.match(_KEPT, name)) and m["run"]]
    paths = [os.path.join(place, name) for place, name in found if name not in seen]
    return sorted((kept_response(path) for path in paths if _is_own(path)), key=_age)


def mark_seen(kept: Kept, folders: Iterable[str]) -> None:
    """Remember that there is no image in a response, where one of these folders has room for that."""
    for folder in folders:
        answers = os.path.join(folder, "answers")
        with contextlib.suppress(OSError):
            _make_private(answers)
            flags = os.O_CREAT | os.O_WRONLY | system.OPENING
            os.close(os.open(os.path.join(answers, os.path.basename(kept.path) + _SEEN), flags, 0o600))
            return


def kept_response(path: str) -> Kept:
    """Return what is known of a response that is kept in a file."""
    match = re.match(_KEPT, os.path.basename(path))
    run = match["run"] if match is not None else None
    about = _read_about(os.path.join(os.path.dirname(path), "..", "runs", f"{run}.done")) if run else {}
    return Kept(path, int(match["number"]) if match is not None and run else 1, about, run)


def response_folders() -> tuple[str, ...]:
    """Return the folders for responses: the state folder, and one below the temporary folder."""
    import platformdirs

    with contextlib.suppress(RuntimeError):  # no HOME, and the system does not know this user
        return os.fspath(platformdirs.user_state_path("imagecli")), _temporary_folder()
    return (_temporary_folder(),)


def spare_folders() -> tuple[str, ...]:
    """Return where a response is kept that has no room in these: /var/tmp, the home folder, the working folder."""
    return "/var/tmp", os.path.expanduser("~"), os.curdir  # noqa: S108 - a file of 128 random bits, for this user only


def _temporary_folder() -> str:
    # Not tempfile's, which is the working folder where this one is full.
    variables = ("TMPDIR",) if system.user() is not None else ("TEMP", "TMP")
    place = next(filter(None, map(os.environ.get, variables)), "/tmp")  # noqa: S108 - checked when made
    return os.path.join(place, f"imagecli-{system.user() or 0}")


def _is_own(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and system.user() in {None, found.st_uid}


def _age(kept: Kept) -> tuple[float, str]:
    try:
        return os.stat(kept.path).st_mtime, kept.path
    except OSError:
        return 0.0, kept.path


def _dead_runs(runs: str, names: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the runs whose process is gone, and what each was about; also those without a file of their own."""
    known = {match["run"]: match["state"] for name in names if (match := re.match(_ABOUT, name))}
    unknown = {match["run"] for name in names if (match := re.match(_PART, name))} - known.keys()
    # A large folder is not listed in one moment: a run may have begun meanwhile.
    yield from ((run, {}) for run in unknown if not os.path.exists(os.path.join(runs, f"{run}.json")))
    for run in (run for run, state in known.items() if state == "json"):
        path = os.path.join(runs, f"{run}.json")
        if not is_locked(path):
            yield run, _read_about(path)


def _finish(folder: str, run: str, answers: Iterable[str]) -> bool:
    """Keep what a run was about as long as a response of it is kept; return whether no other process was faster."""
    path = os.path.join(folder, "runs", run)
    try:
        if any(run in name for name in answers):
            os.rename(f"{path}.json", f"{path}.done")
        else:
            os.unlink(f"{path}.json")
    except OSError:
        return False
    return True


def _is_full(path: str) -> bool:
    """Return whether there is anything in a file; one that is empty is removed."""
    try:
        if os.stat(path).st_size:
            return True
        os.unlink(path)
    except OSError:
        pass
    return False


def _take_over(path: str) -> bool:
    """Keep a response that a killed run has left; return whether there was one, and no other process was faster."""
    if not (_is_own(path) and _is_full(path)):  # sudo leaves files of root's
        return False
    try:
        _keep(path, LEFT)
    except OSError:
        return False
    return True


def _keep(path: str, ending: str) -> str:
    folder, name = os.path.split(path)
    answers = os.path.join(os.path.dirname(folder), "answers")
    _make_private(answers)
    kept = os.path.join(answers, f"answer-{name.removesuffix('.part')}{ending}")
    os.rename(path, kept)
    return kept


def _remove_old(runs: str, answers: str, names: Iterable[str], now: float) -> None:
    """Remove responses that were kept long enough, what their runs were about, and a start that was cut off."""
    kept = []
    for name in _names(answers):
        path = os.path.join(answers, name)
        if re.match(_KEPT, name.removesuffix(_SEEN)) and _is_older(path, now - KEPT_S):
            _remove(path)
        elif not name.endswith(_SEEN):
            kept.append(name)
    for name in names:
        match = re.match(_ABOUT, name)
        path = os.path.join(runs, name)
        is_over = match is not None and match["state"] == "done" and not any(match["run"] in each for each in kept)
        if is_over or (name.endswith(".new") and _is_older(path, now - DAY_S)):
            _remove(path)


def _is_older(path: str, time_s: float) -> bool:
    try:
        return os.stat(path).st_mtime < time_s
    except OSError:
        return False


def _read_about(path: str) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            about = json.loads(file.read(_LONGEST_ABOUT))
    except (OSError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def _make_private(folder: str) -> None:
    """Make a folder that only this user can read; below the temporary folder another user may have made it first.

    Raises:
        OSError: it can't be made, or belongs to another user.
    """
    top = os.path.dirname(folder)
    if top == _temporary_folder():
        with contextlib.suppress(FileExistsError):
            os.mkdir(top, 0o700)
        found = os.lstat(top)
        user = system.user()
        if not stat.S_ISDIR(found.st_mode) or (user is not None and (found.st_uid != user or found.st_mode & 0o077)):
            raise PermissionError(13, f"{top} belongs to another user")
    os.makedirs(folder, 0o700, exist_ok=True)


def _renamed(descriptor: int, path: str, name: str) -> int:
    """Rename an open, locked file, and return a descriptor of it that has the lock.

    Raises:
        OSError: it can't be renamed; it may be closed then.
    """
    try:
        os.rename(path, name)
    except PermissionError:  # Windows renames nothing that is open
        os.close(descriptor)
        os.rename(path, name)
        descriptor = os.open(name, os.O_RDWR | system.OPENING)
        with contextlib.suppress(OSError):
            system.lock(descriptor)
    return descriptor


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
