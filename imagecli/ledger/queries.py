"""What the ledger is asked: the newest images, what a file was made by, and sums.

Images are numbered from the newest: those of the newest request first, and of one request the last that was saved.
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from imagecli.ledger.calendar import bounds
from imagecli.ledger.schema import PAID, STATE
from imagecli.ledger.store import stored

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from imagecli.ledger.store import Ledger

By = Literal["day", "month", "model", "profile"]

_REQUEST = (
    *("at", "command", "profile", "host", "route", "model", "size", "quality", "format", "request_hash", "prompt"),
    *("count", "estimate_usd", "cost_usd", "cost_source", "usage", "tokens", "images", "request_id"),
    *("state", "exit_code"),
    *("options", "inputs"),
)
_IMAGE = ("n", "path", "format", "width", "height", "bytes", "sha256", "further_size")
_JSON: dict[str, type] = {"usage": dict, "options": dict, "inputs": list}
"""What is JSON, and what it holds."""
_NUMBERS = frozenset(
    {"at", "count", "estimate_usd", "cost_usd", "tokens", "images", "exit_code", "n", "width", "height", "bytes"}
)
_LATEST = 253_402_300_800.0
"""The year 10000, in seconds since 1970: what says a later time, or none, was not written by this program."""
_COLUMNS = ", ".join(
    (
        "r.id AS row, i.id AS saved",
        *(f"{STATE} AS state" if name == "state" else f"r.{name} AS {name}" for name in _REQUEST),
        *(f"i.{name} AS image_{name}" for name in _IMAGE),
    )
)
_SUMS = (
    "count(*) AS requests, total(images) AS images, "
    f"total(({STATE}) = 'failed') AS failures, total(({STATE}) = 'unknown') AS unknown, total(tokens) AS tokens, "
    f"total(CASE WHEN state IN ('sent', 'unknown') THEN {PAID} ELSE cost_usd END) AS usd, "
    "total(state = 'done' AND cost_usd IS NULL) AS unpriced"
)
_MOST = 1 << 62


class Filter(NamedTuple):
    """Which requests are asked for."""

    since: float | None = None
    """Seconds since 1970."""
    model: str | None = None
    profile: str | None = None
    state: str | None = None

    def condition(self) -> tuple[str, list[object]]:
        """Return it as SQL, with its values."""
        tests = {
            "at >= ?": self.since,
            "model = ?": self.model,
            "profile = ?": self.profile,
            f"{STATE} = ?": self.state,
        }
        wanted = {test: value for test, value in tests.items() if value is not None}
        return (f"WHERE {' AND '.join(wanted)}" if wanted else ""), list(wanted.values())


class Entry(NamedTuple):
    """An image that was saved, or a request of which none was."""

    request: dict[str, Any]
    """Column → value; what is JSON is read, and `at` is in seconds since 1970."""
    image: dict[str, Any] | None
    """Column → value; None: the request has none."""
    number: int | None = None
    """Of the image, from 1 for the newest."""


class Sum(NamedTuple):
    """What the requests of a day, a month, a model or a profile come to."""

    of: str | None
    """2026-11-29, 2026-11, or the name; None: no model was named."""
    requests: int
    images: int
    failures: int
    unknown: int
    """Requests that may have been billed: their response was lost."""
    tokens: int
    usd: float
    """What is known of the cost; what may have been billed counts with its estimate, as for a budget."""
    unpriced: int
    """Requests that were answered at a cost that is not known."""


def names(ledger: Ledger, column: Literal["model", "profile"]) -> list[str]:
    """Return the models, or the profiles, of all requests.

    Raises:
        LedgerError: the ledger can't be read.
    """
    rows = ledger.query(f"SELECT DISTINCT {column} AS name FROM requests WHERE {column} IS NOT NULL", ())  # noqa: S608 - ours
    return [row["name"] for row in rows]


def entries(ledger: Ledger, which: Filter, limit: int) -> list[Entry]:
    """Return the newest images, and requests without images, newest first.

    Raises:
        LedgerError: the ledger can't be read.
    """
    condition, values = which.condition()
    rows = ledger.query(
        f"SELECT {_COLUMNS} FROM requests r LEFT JOIN images i ON i.request = r.id {condition} "  # noqa: S608 - ours
        "ORDER BY r.id DESC, i.id DESC LIMIT ?",
        (*values, min(limit, _MOST)),
    )
    return list(_numbered(ledger, rows))


def newest(ledger: Ledger, number: int) -> Entry | None:
    """Return the image of a number; None: there are fewer.

    Raises:
        LedgerError: the ledger can't be read.
    """
    if not 0 < number < _MOST:
        return None
    return _one(
        ledger,
        "WHERE i.id = (SELECT id FROM images ORDER BY request DESC, id DESC LIMIT 1 OFFSET ?)",
        number - 1,
    )


def made(ledger: Ledger, sha256: str, path: str | None = None) -> Entry | None:
    """Return the newest image with these bytes, and of several the newest at `path`; None: there is none.

    Raises:
        LedgerError: the ledger can't be read.
    """
    where = "WHERE i.sha256 = ? ORDER BY i.path IS ? DESC, r.id DESC, i.id DESC LIMIT 1"
    return _one(ledger, where, sha256, path if path is None else stored(path))


def of_run(ledger: Ledger, run: str) -> dict[str, Any] | None:
    """Return the row of the request whose response has files of this name; of several attempts one without outcome.

    Raises:
        LedgerError: the ledger can't be read.
    """
    rows = ledger.query("SELECT * FROM requests WHERE run = ? ORDER BY state = 'done', id DESC LIMIT 1", (run,))
    return dict(rows[0]) if rows else None


def sums(ledger: Ledger, by: By, which: Filter) -> list[Sum]:
    """Return sums: of days and months the newest first, of models and profiles those that cost the most.

    Days and months are those of the local calendar.

    Raises:
        LedgerError: the ledger can't be read.
    """
    if by in {"day", "month"}:
        return [*_by_period(ledger, by, which)][::-1]
    condition, values = which.condition()
    rows = ledger.query(f"SELECT {by} AS of, {_SUMS} FROM requests r {condition} GROUP BY 1", values)  # noqa: S608 - ours
    found = [_sum(row, row["of"]) for row in rows]
    found.sort(key=lambda each: each.of or "")
    found.sort(key=lambda each: (each.usd, each.requests), reverse=True)
    return found


def _by_period(ledger: Ledger, by: By, which: Filter) -> Iterator[Sum]:
    """Yield the sum of each day, or month, that has requests; each is read once, in the order of the index."""
    since = float("-inf") if which.since is None else which.since
    condition, values = which._replace(since=None).condition()
    condition = f"{condition or 'WHERE true'} AND at >= ? AND at < ?"
    earliest = "SELECT min(at) FROM requests WHERE at >= ? AND at < ?"
    since = max(since, 0.0)
    while (moment := ledger.query(earliest, (since, _LATEST))[0][0]) is not None:
        _, end = bounds(moment, "day" if by == "day" else "month")
        row = ledger.query(f"SELECT {_SUMS} FROM requests r {condition}", (*values, moment, end))[0]  # noqa: S608 - ours
        if row["requests"]:
            yield _sum(row, time.strftime("%Y-%m-%d" if by == "day" else "%Y-%m", time.localtime(moment)))
        since = end


def _sum(row: sqlite3.Row, of: str | None) -> Sum:
    names = ("requests", "images", "failures", "unknown", "tokens", "unpriced", "usd")
    found = {name: row[name] if math.isfinite(row[name]) else 0 for name in names}
    usd = round(found.pop("usd"), 8)
    return Sum(_text(of), usd=usd, **{name: int(value) for name, value in found.items()})


def total(parts: Sequence[Sum], of: str | None) -> Sum:
    """Return the sum of sums, under a name."""
    return Sum(of, *(sum(column) for column in list(zip(*parts, strict=True))[1:]))


def _one(ledger: Ledger, condition: str, *values: object) -> Entry | None:
    rows = ledger.query(
        f"SELECT {_COLUMNS} FROM images i JOIN requests r ON r.id = i.request {condition}",  # noqa: S608 - ours
        values,
    )
    return next(_numbered(ledger, rows), None)


def _numbered(ledger: Ledger, rows: Sequence[sqlite3.Row]) -> Iterator[Entry]:
    """Yield entries from rows, newest first; only the images between one and the next are counted."""
    number, last = 0, (_MOST, _MOST)
    for row in rows:
        if row["saved"] is None:
            yield _entry(row, None)
            continue
        place = (row["row"], row["saved"])
        between = ledger.query(
            "SELECT count(*) FROM images WHERE (request, id) >= (?, ?) AND (request, id) < (?, ?)", (*place, *last)
        )
        number, last = number + between[0][0], place
        yield _entry(row, number)


def _entry(row: sqlite3.Row, number: int | None) -> Entry:
    request = {name: _read(name, row[name]) if name in _JSON else _value(name, row[name]) for name in _REQUEST}
    request["at"] = min(max(request["at"] or 0.0, 0.0), _LATEST)
    image = None
    if number is not None:
        image = {name: _value(name, row[f"image_{name}"]) for name in _IMAGE}
        image["further_size"] = bool(image["further_size"])
    return Entry(request, image, number)


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a column's value; None for a number that is none, as where others have written to the file."""
    if name in _NUMBERS:
        return value if isinstance(value, (int, float)) and math.isfinite(value) else None
    return _text(value)


def _text(value: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a value; what is not UTF-8, such as a path, is kept as bytes."""
    return os.fsdecode(value) if isinstance(value, bytes) else value


def _read(name: str, text: str | None) -> Any:  # noqa: ANN401 - any JSON
    """Return what a column of JSON holds; None where that can't be read, or is something else."""
    try:
        value = None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, _JSON[name]):
        return None
    if isinstance(value, list):
        return [each for each in value if _is_input(each)]
    return value


def _is_input(value: object) -> bool:
    """Return whether an input is described by texts; one from standard input has no path."""
    return isinstance(value, dict) and all(each is None or isinstance(each, str) for each in value.values())
