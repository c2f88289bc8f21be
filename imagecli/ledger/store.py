"""The ledger's file: opened, read and written by any number of processes and threads at once.

Writing is one short transaction each. A commit survives the end of its process, however sudden; it waits for no disk,
so that the newest rows may be lost where the machine loses its power.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.ledger.schema import PAID, TABLES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_BUSY_S = 10.0
"""How long another process's transaction is waited for; each takes a millisecond."""
_IMAGE = ("request", "n", "path", "sha256", "bytes", "width", "height", "format", "further_size")


class LedgerError(Exception):
    """The ledger can't be used; the text is the reason, for a user."""


class Spent(NamedTuple):
    """What is spent since some moment."""

    usd: float
    unknown: int
    """How many requests count with their estimate: no answer has come to them, or it was lost."""


class Ledger:
    """The ledger, open. One object serves all threads of a process."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        """Take a connection that is ready; `open` makes one."""
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: str) -> Ledger:
        """Open the ledger, which only this user can read; make it where there is none.

        Raises:
            LedgerError: it can't be used.
        """
        with _translated(path):
            _make_file(path)
            # Read-only files are opened too, and then refuse the first row.
            connection = sqlite3.connect(path, _BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def close(self) -> None:
        """Close it; nothing is left to be written."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def begin(self, row: Mapping[str, object], admit: Callable[[], None] | None = None) -> int:
        """Add a request that is about to be sent, and return its id. It is committed then.

        Args:
            row: column → value, of the table `requests`; its state is "sent".
            admit: called in the same transaction, so that no other process spends in between; it raises an exception
                if the request must not be sent, and no row is added.

        Raises:
            LedgerError: it can't be written.
        """
        names = ("state", "pid", *row)
        statement = f"INSERT INTO requests ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        with self._writing():
            if admit is not None:
                admit()
            added = self._connection.execute(statement, ("sent", os.getpid(), *map(stored, row.values()))).lastrowid
        assert added is not None  # noqa: S101 - an INSERT has one
        return added

    def complete(self, request: int, row: Mapping[str, object], images: Iterable[Mapping[str, object]] = ()) -> None:
        """Write down what has come of a request: further columns of its row, and the images that were saved.

        Raises:
            LedgerError: it can't be written.
        """
        files = [{"further_size": False, **image} for image in images]
        saved = [(request, *(stored(file.get(name)) for name in _IMAGE[1:])) for file in files]
        row = {**row, "images": sum(not file["further_size"] for file in files)}
        columns = ", ".join(f"{name} = ?" for name in row)
        with self._writing():
            # The names are ours.
            update = f"UPDATE requests SET {columns} WHERE id = ?"  # noqa: S608
            self._connection.execute(update, (*map(stored, row.values()), request))
            self._connection.executemany(
                f"INSERT INTO images ({', '.join(_IMAGE)}) VALUES ({', '.join('?' * len(_IMAGE))})",  # noqa: S608
                saved,
            )

    def spent(self, since: float, profile: str | None = None) -> Spent:
        """Return what is spent since a moment, by one profile or by all; requests without an outcome count as paid.

        Args:
            since: seconds since 1970. What is dated later than now counts too: a clock that was set back gives no
                money back.
            profile: its name; None: all profiles.

        Raises:
            LedgerError: it can't be read.
        """
        which = "" if profile is None else " AND profile = ?"
        rows = self.query(
            f"SELECT total({PAID}), total(state IN ('sent', 'unknown')) FROM requests WHERE at >= ?{which}",  # noqa: S608
            (since, *(() if profile is None else (profile,))),
        )
        return Spent(round(rows[0][0], 9), int(rows[0][1]))

    def query(self, statement: str, values: Iterable[object] = ()) -> list[sqlite3.Row]:
        """Return the rows of a SELECT; it may use `is_running(pid)`.

        Raises:
            LedgerError: it can't be read.
        """
        with self._lock, _translated(self.path):
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the one write transaction of all processes."""
        with self._lock, _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise


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


def _make_file(path: str) -> None:
    """Make an empty file for this user alone; close one that others can read.

    Raises:
        OSError: it can't be made, or is not a file.
    """
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        with suppress(FileExistsError):  # another process was faster
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            os.chmod(path, 0o600)  # whatever the umask takes away
        return
    # Not opened and closed again: that would end the locks that SQLite holds on it in this process.
    if mode & 0o077:
        with suppress(OSError):
            os.chmod(path, 0o600)


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none.

    Raises:
        LedgerError: it is of a newer version, or not a ledger.
    """
    connection.row_factory = sqlite3.Row
    connection.create_function("is_running", 1, _is_running)
    connection.execute("PRAGMA synchronous = NORMAL")
    if _version(connection) == VERSION:
        return
    has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if has_tables and _version(connection) == 0:
        raise LedgerError("it is another program's database")
    _log_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == 0:  # no other process has made them in the meantime
        for statement in filter(str.strip, TABLES.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


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


def _version(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise LedgerError(f"it is of version {found}, and this imagecli knows version {VERSION}: install a newer one")
    return found


def stored(value: object) -> object:
    """Return what SQLite can store: a path that is not UTF-8 as bytes, as `os.fsdecode` reads them again."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
    return value


def _is_running(pid: object) -> bool:
    """Return whether there is a process of that number."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Make a `LedgerError` of what SQLite and the system say."""
    try:
        yield
    except sqlite3.Error as error:
        reason = "another process has locked it" if "locked" in str(error) else str(error)
        raise LedgerError(reason) from error
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) not in {path, os.path.dirname(path)}:
            where = f" ({error.filename})" if error.filename else ""
        else:
            where = ""
        raise LedgerError(f"{error.strerror}{where}") from error
