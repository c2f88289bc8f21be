"""The ledger's file: opened, read and written by any number of processes and threads at once.

Writing is one short transaction each. A commit survives the end of its process, however sudden; it waits for no disk,
so that the newest rows may be lost where the machine loses its power.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import struct
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli import system
from imagecli.ledger.schema import APPLICATION, AT_PROVIDER, PAID, TABLES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_BUSY_S = 10.0
"""How long another process's transaction is waited for; each takes a millisecond."""
_BRIEFLY_S = 0.2
"""How long it is waited for when it has been for so long in vain."""
_LATER_S = 60.0
"""What may be between the clocks of processes that write at the same time."""
_WITHOUT_LOCKS = ("LOCK", "PROTOCOL")
_SAID = {
    "SQLITE_READONLY": "it can't be written",
    "SQLITE_CANTOPEN": "it can't be opened",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is not a database",
    "SQLITE_FULL": "there is no room for it",
}
"""How SQLite's errors begin, and what they mean."""
_MAGIC = b"SQLite format 3\0"
_HEAD = struct.Struct(">16xH10xI")
"""How a database begins: `_MAGIC`, …, the bytes of a page (1: 65,536), …, its pages [sqlite.org/fileformat.html]."""
_OPEN: Counter[str] = Counter()
"""How many ledgers this process has open, by path."""
_IMAGE = ("request", "n", "path", "sha256", "bytes", "width", "height", "format", "further_size")


class LedgerError(Exception):
    """The ledger can't be used; the text is the reason, for a user, and `hint` what can be done if there is a way."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        """Take both."""
        super().__init__(reason)
        self.hint = hint


class Spent(NamedTuple):
    """What is spent since some moment."""

    usd: float
    unknown: int
    """How many requests count with their estimate: no answer has come to them, or it was lost."""
    later: int = 0
    """How many are dated later than now: the clock was set back, or was wrong then."""


class Ledger:
    """The ledger, open. One object serves all threads of a process."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        """Take a connection that is ready; `open` makes one."""
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._wait_s = _BUSY_S

    @classmethod
    def open(cls, path: str) -> Ledger:
        """Open the ledger, which only this user can read; make it where there is none.

        Raises:
            LedgerError: it can't be used.
        """
        with _translated(path):
            _make_file(path)
            if _OPEN[path] <= 0:
                _check_file(path)
            # Read-only files are opened too, and then refuse the first row.
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        _OPEN[path] += 1
        return cls(path, connection)

    def close(self) -> None:
        """Close it, and leave the write-ahead log to the next process.

        The last one that closes a file would take the log into it, and wait for the disk: that is most of what the
        ledger would cost a short run. One that can only read does not, so such a one is the last.
        """
        with self._lock:
            with suppress(sqlite3.Error), closing(_reader(self.path)):
                self._connection.close()
            self._connection.close()  # where there can't be one
        _OPEN[self.path] -= 1

    def begin(self, row: Mapping[str, object], admit: Callable[[], None] | None = None) -> int:
        """Add a request that is about to be sent, and return its id. It is committed then.

        Args:
            row: column → value, of the table `requests`; its state is "sent".
            admit: called in the same transaction, so that no other process spends in between; it raises an exception
                if the request must not be sent, and no row is added.

        Raises:
            LedgerError: it can't be written.
        """
        return self.begin_all([row], admit)[0]

    def begin_all(
        self, rows: Iterable[Mapping[str, object]], admit: Callable[[], None] | None = None, pid: int | None = None
    ) -> list[int]:
        """Add requests that are about to be sent, all or none, and return their ids, which follow one another.

        Args:
            rows: as `begin` takes one.
            admit: as there, for all of them.
            pid: who sends them; None: this process. `AT_PROVIDER`: they wait in a provider's batch.

        Raises:
            LedgerError: they can't be written.
        """
        added = []
        with self._writing():
            if admit is not None:
                admit()
            for row in rows:
                names = ("state", "pid", *row)
                statement = f"INSERT INTO requests ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
                values = ("sent", os.getpid() if pid is None else pid, *map(stored, row.values()))
                added.append(self._connection.execute(statement, values).lastrowid or 0)
        return added

    def complete(self, request: int, row: Mapping[str, object], images: Iterable[Mapping[str, object]] = ()) -> None:
        """Write down what has come of a request: further columns of its row, and the images that were saved.

        An image that it has already, at the same path, is not added again.

        Raises:
            LedgerError: it can't be written.
        """
        files = [{"further_size": False, **image, "request": request} for image in images]
        saved = [{name: stored(file.get(name)) for name in _IMAGE} for file in files]
        count = "(SELECT count(*) FROM images WHERE request = ? AND NOT further_size)"
        columns = ", ".join((*(f"{name} = ?" for name in row), f"images = {count}"))
        with self._writing():
            # The names are ours.
            self._connection.executemany(
                f"INSERT INTO images ({', '.join(_IMAGE)}) SELECT {', '.join(f':{name}' for name in _IMAGE)} "  # noqa: S608
                "WHERE NOT EXISTS (SELECT 1 FROM images WHERE (request, path, sha256) = (:request, :path, :sha256))",
                saved,
            )
            update = f"UPDATE requests SET {columns} WHERE id = ?"  # noqa: S608
            self._connection.execute(update, (*map(stored, row.values()), request, request))

    def spent(self, since: float, profile: str | None = None, now: float | None = None) -> Spent:
        """Return what is spent since a moment, by one profile or by all; requests without an outcome count as paid.

        Args:
            since: seconds since 1970. What is dated later than now counts too: a clock that was set back gives no
                money back.
            profile: its name; None: all profiles.
            now: seconds since 1970; None: by the clock.

        Raises:
            LedgerError: it can't be read.
        """
        which = "" if profile is None else " AND profile = ?"
        rows = self.query(
            f"SELECT total({PAID}), total(state IN ('sent', 'unknown')), total(at > ?) "  # noqa: S608
            f"FROM requests WHERE at >= ?{which}",
            ((time.time() if now is None else now) + _LATER_S, since, *(() if profile is None else (profile,))),
        )
        usd, unknown, later = rows[0]
        return Spent(round(usd, 9), int(unknown), int(later))

    def query(self, statement: str, values: Iterable[object] = ()) -> list[sqlite3.Row]:
        """Return the rows of a SELECT; it may use `is_running(pid, at)`.

        Raises:
            LedgerError: it can't be read.
        """
        with self._lock, _translated(self.path):
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the one write transaction of all processes."""
        with self._lock, _translated(self.path):
            self._start_writing()
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _start_writing(self) -> None:
        """Start a write transaction; where others' was waited for in vain, the next one is not waited for as long."""
        wait = self._wait_s
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._wait_s = _BUSY_S
        except sqlite3.OperationalError:
            self._wait_s = _BRIEFLY_S
            raise
        finally:
            if self._wait_s != wait:
                self._connection.execute(f"PRAGMA busy_timeout = {self._wait_s * 1000:.0f}")


def ledger_path(environ: Mapping[str, str]) -> str | None:
    """Return where the ledger is: IMAGECLI_LEDGER, else in the state folder; None where this user has none."""
    named = environ.get("IMAGECLI_LEDGER")
    if named:
        return os.path.abspath(os.path.expanduser(named))
    import platformdirs

    try:
        return os.fspath(platformdirs.user_state_path("imagecli") / "ledger.db")
    except RuntimeError:  # no HOME, and the system does not know this user
        return None


def _reader(path: str) -> sqlite3.Connection:
    """Return another connection, which has read from the file and its log, and can't write.

    Raises:
        sqlite3.Error: the file can't be opened.
    """
    name = path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    connection = sqlite3.connect(f"file:{name}?mode=ro", timeout=0, uri=True)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _make_file(path: str) -> None:
    """Make an empty file for this user alone; close one that others can read.

    Raises:
        LedgerError: it is something else than a file.
        OSError: it can't be made.
    """
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        with suppress(FileExistsError):  # another process was faster
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | system.OPENING, 0o600))
            os.chmod(path, 0o600)  # whatever the umask takes away
        return
    if not stat.S_ISREG(mode):  # a device's mode is that of the whole system
        raise LedgerError("it is a folder" if stat.S_ISDIR(mode) else "it is not a file")
    # Not opened and closed again: that would end the locks that SQLite holds on it in this process.
    if mode & 0o077:
        with suppress(OSError):
            os.chmod(path, 0o600)


def _check_file(path: str) -> None:
    """Refuse a file that is not a whole database, nor empty: what SQLite needs of it may all be in its log.

    Not while it is open in this process: to close it would end the locks that SQLite holds on it.

    Raises:
        LedgerError: it is that.
        OSError: it can't be read.
    """
    for wait in (0.01, 0.05, 0.25, None):
        with open(path, "rb") as file:
            head, size = file.read(_HEAD.size), os.fstat(file.fileno()).st_size
        if not head:
            return
        if len(head) < _HEAD.size or not head.startswith(_MAGIC):
            raise LedgerError("it is not a database")
        page, pages = _HEAD.unpack(head)
        if size >= (page if page > 1 else 65_536) * pages:
            return
        if wait is not None:  # another process may be about to write the rest
            time.sleep(wait)
    raise LedgerError("it is damaged")


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none.

    Raises:
        LedgerError: it is of a newer version, or not a ledger.
    """
    connection.row_factory = sqlite3.Row
    connection.create_function("is_running", 2, _is_running)
    connection.execute("PRAGMA synchronous = NORMAL")
    if _is_ready(connection):
        return
    _log_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ready(connection):  # no other process has made them in the meantime
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint")  # so that the file by itself is a ledger


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a new file to a write-ahead log, which it then keeps; SQLite itself does not wait for others here."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _is_ready(connection: sqlite3.Connection) -> bool:
    """Return whether the tables are there; where they are not, the database is empty.

    Raises:
        LedgerError: it is of a newer version, or not a ledger.
    """
    columns = "(SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version)"
    found = connection.execute(f"SELECT {columns}, (SELECT count(*) FROM sqlite_master)").fetchone()  # noqa: S608 - ours
    application, version, tables = found
    if application in {0, APPLICATION} and version > VERSION:
        raise LedgerError(
            f"it is of version {version}, and this imagecli knows version {VERSION}", "Install a newer imagecli."
        )
    if (application, version) not in {(0, 0), (APPLICATION, VERSION)} or bool(tables) != bool(version):
        raise LedgerError("it is another program's database")
    return bool(tables)


def stored(value: object) -> object:
    """Return what SQLite can store: a path that is not UTF-8 as bytes, as `os.fsdecode` reads them again."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
    return value


def _is_running(pid: object, at: object) -> bool:
    """Return whether the process of a row is there: one of its number that began before the row was written."""
    if pid == AT_PROVIDER:
        return True
    if not isinstance(pid, int) or pid <= 0:
        return False
    if not system.is_process(pid):
        return False
    begun = _begun(pid)
    return begun is None or not isinstance(at, float) or begun < at + _LATER_S


def _begun(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None where the system does not tell.

    In containers, a number soon comes again.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])  # the 22nd field: see proc(5)
    except (OSError, ValueError, IndexError):
        return None
    return system.booted_at(ticks)


def _reason(error: sqlite3.Error) -> LedgerError:
    """Return what an error of SQLite's says, in the words of a user."""
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith("SQLITE_BUSY"):
        hint = "Try again once that has ended, or name a file on another disk with IMAGECLI_LEDGER."
        return LedgerError("another process has locked it, or its file system has no locks", hint)
    if code.endswith(_WITHOUT_LOCKS):
        return LedgerError("its file system has no locks")
    return LedgerError(next((said for name, said in _SAID.items() if code.startswith(name)), str(error)))


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Make a `LedgerError` of what SQLite and the system say."""
    try:
        yield
    except sqlite3.Error as error:
        raise _reason(error) from error
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) not in {path, os.path.dirname(path)}:
            where = f" ({error.filename})" if error.filename else ""
        else:
            where = ""
        raise LedgerError(f"{error.strerror}{where}") from error
