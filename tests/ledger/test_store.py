"""The ledger's file: who may read it, what survives, and why it can't be used."""

from __future__ import annotations

import os
import sqlite3
import threading
import time

import pytest

from imagecli.ledger.schema import STATE, VERSION
from imagecli.ledger.store import Ledger, LedgerError, ledger_path

ROW = {"at": 100.0, "command": "gen", "profile": "openai", "estimate_usd": 0.05}


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger.open(str(tmp_path / "state" / "ledger.db"))
    yield opened
    opened.close()


def test_a_row_is_there_for_others_before_it_is_completed_and_after(ledger):
    row = ledger.begin(ROW)
    other = Ledger.open(ledger.path)
    assert [tuple(each) for each in other.query("SELECT id, state, cost_usd FROM requests")] == [(row, "sent", None)]
    ledger.complete(row, {"state": "done", "cost_usd": 0.04}, [{"n": 1, "path": "/a.png", "sha256": "ab"}])
    assert [tuple(each) for each in other.query("SELECT state, cost_usd FROM requests")] == [("done", 0.04)]
    assert [tuple(each) for each in other.query("SELECT request, n, path FROM images")] == [(row, 1, "/a.png")]
    other.close()


def test_only_this_user_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        ledger = Ledger.open(str(tmp_path / "new" / "ledger.db"))
        ledger.begin(ROW)
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()} == {0o600}
    assert {file.name for file in (tmp_path / "new").iterdir()} >= {"ledger.db", "ledger.db-wal"}
    ledger.close()


def test_what_a_dead_process_had_sent_reads_as_unknown_and_counts(ledger):
    now = time.time()
    ledger.begin({**ROW, "at": now})
    ledger.begin({**ROW, "at": now, "profile": "other"})
    ledger.complete(2, {"pid": 2**22 + 1})  # beyond the largest on Linux
    states = ledger.query(f"SELECT {STATE} FROM requests ORDER BY id")  # noqa: S608
    assert [each[0] for each in states] == ["sent", "unknown"]
    assert ledger.spent(0) == (0.1, 2, 0)
    assert ledger.spent(0, "other") == (0.05, 1, 0)
    assert ledger.spent(now + 0.5) == (0, 0, 0)


def test_what_is_dated_later_than_now_counts_and_is_told_apart(ledger):
    for at in (100.0, 130.0, 500.0):
        ledger.complete(ledger.begin({**ROW, "at": at}), {"state": "done", "cost_usd": 0.01})
    assert ledger.spent(50.0, None, 100.0) == (0.03, 0, 1)


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not tell when a process began")
def test_another_process_that_has_got_the_number_is_not_taken_for_it(ledger):
    """Containers begin at 1 again."""
    for at in (time.time(), time.time() - 30 * 86_400):
        ledger.begin({**ROW, "at": at})
    states = ledger.query(f"SELECT {STATE} FROM requests ORDER BY id")  # noqa: S608
    assert [each[0] for each in states] == ["sent", "unknown"]


def test_a_refused_row_is_not_added_and_the_next_one_is(ledger):
    def refuse():
        raise KeyError

    with pytest.raises(KeyError):
        ledger.begin(ROW, refuse)
    assert ledger.begin(ROW) == 1


def test_threads_share_it(ledger):
    def work():
        for _ in range(20):
            ledger.complete(ledger.begin(ROW), {"state": "done", "cost_usd": 0.01})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert ledger.spent(0) == (1.6, 0, 0)


def test_a_path_that_is_not_utf_8_comes_back(ledger):
    path = os.fsdecode(b"/caf\xe9.png")
    ledger.complete(ledger.begin(ROW), {"state": "done"}, [{"n": 1, "path": path}])
    assert os.fsdecode(ledger.query("SELECT path FROM images")[0][0]) == path


def _newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def _of_another(path):
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("CREATE TABLE requests (name)")


def _without_tables(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = -1")


def _foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cookies (name)")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_newer, "of version 2"),
        (_foreign, "another program"),
        (lambda path: path.write_bytes(b"no database at all" * 99), "not a database"),
        (_of_another, "another program"),
        (_without_tables, "another program"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "is damaged|not a database"),
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is not a file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
    ],
)
def test_a_file_that_is_none_is_not_touched(make, reason, tmp_path):
    path = tmp_path / "ledger.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(LedgerError, match=reason):
        Ledger.open(str(path))
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 99), "not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "not a database|damaged"),
        (lambda path: os.truncate(path, 5000), "damaged"),
    ],
)
def test_what_is_damaged_is_not_used_though_its_log_has_all(spoil, reason, ledger, tmp_path):
    ledger.begin(ROW)
    ledger.close()
    assert (tmp_path / "state" / "ledger.db-wal").stat().st_size > 0
    spoil(tmp_path / "state" / "ledger.db")
    with pytest.raises(LedgerError, match=reason):
        Ledger.open(ledger.path)


def test_closing_leaves_the_log_to_the_next_one_whichever_is_the_last(ledger):
    """To take it into the file is to wait for the disk."""
    others = [Ledger.open(ledger.path) for _ in range(2)]
    for number, each in enumerate([ledger, *others], 1):
        assert each.begin(ROW) == number
    for each in (others[0], ledger, others[1]):
        each.close()
    assert os.path.getsize(ledger.path + "-wal") > 0
    again = Ledger.open(ledger.path)
    assert again.spent(0) == (0.15, 3, 0)
    again.close()


def test_a_new_ledger_takes_nothing_from_the_log_of_one_that_was_removed(ledger):
    ledger.begin(ROW)
    ledger.close()
    os.remove(ledger.path)
    again = Ledger.open(ledger.path)
    assert again.begin(ROW) == 1
    again.close()


def test_the_mode_of_a_device_stays():
    """0600 on /dev/null would stop every other user's programs."""
    before = os.stat("/dev/null").st_mode
    with pytest.raises(LedgerError, match="is not a file"):
        Ledger.open("/dev/null")
    assert os.stat("/dev/null").st_mode == before


def test_an_empty_file_becomes_a_ledger_and_a_link_leads_to_one(tmp_path):
    (tmp_path / "ledger.db").touch(0o644)
    (tmp_path / "link.db").symlink_to("ledger.db")
    ledger = Ledger.open(str(tmp_path / "link.db"))
    assert ledger.begin(ROW) == 1
    ledger.close()
    assert (tmp_path / "ledger.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        # What SQLite says where fcntl answers EINVAL, ENOTSUP or ENOSYS; with ENOLCK, it takes it for another's lock.
        ("SQLITE_IOERR_LOCK", "its file system has no locks"),
        ("SQLITE_IOERR_RDLOCK", "its file system has no locks"),
        ("SQLITE_PROTOCOL", "its file system has no locks"),
        ("SQLITE_BUSY", "another process has locked it, or its file system has no locks"),
        ("SQLITE_IOERR_WRITE", "disk I/O error"),
        ("SQLITE_FULL", "there is no room for it"),
    ],
)
def test_what_sqlite_says_is_said_plainly(name, reason, tmp_path, monkeypatch):
    def connect(*_, **__):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = name
        raise error

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(LedgerError) as caught:
        Ledger.open(str(tmp_path / "ledger.db"))
    assert str(caught.value) == reason


def test_where_it_is(home, monkeypatch):
    assert ledger_path({}) == str(home / "state" / "imagecli" / "ledger.db")
    assert ledger_path({"IMAGECLI_LEDGER": "~/x.db"}) == str(home / "x.db")
