"""Lists of models, cached for an hour: one file for each server and key, readable only by the user.

File names contain a digest of the key and the address; the key itself is not stored. A file that is broken,
unreadable or from another version is ignored, and so is a folder that can't be written.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli.config.file import read_bytes
from imagecli.disk import replace_privately
from imagecli.models.listing import ModelsReport

if TYPE_CHECKING:
    from pathlib import Path

    from imagecli.config.keys import Key
    from imagecli.config.profiles import Profile

FRESH_S = 3600
_SCHEMA = 1
_MOST_BYTES = 1 << 25
_LATEST = 1 << 37
"""The year 6325: what is later is no time."""


class CachedList(NamedTuple):
    """A list of models and when it was requested."""

    report: ModelsReport
    listed_at: int
    """Seconds since 1970."""

    @property
    def fresh(self) -> bool:
        """Whether it is less than an hour old; a time in the future comes from a wrong clock and does not count."""
        return 0 <= time.time() - self.listed_at < FRESH_S


def load(profile: Profile, key: Key | None) -> CachedList | None:
    """Return the cached list of a server for this key, however old; None if there isn't one."""
    path = _path(profile, key)
    if path is None:
        return None
    try:
        text, _ = read_bytes(path, _MOST_BYTES)
        document = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if document["schema"] != _SCHEMA or document["base_url"] != profile.base_url:
            return None
        entries = document["entries"]
        report = ModelsReport(
            url=str(document["url"]),
            models=tuple(str(name) for name in document["models"]),
            request_id=None,
            entries=tuple(entry for entry in entries if isinstance(entry, dict)),
            listed_in=str(document["listed_in"]),
            headers=tuple((str(name), str(value)) for name, value in document["headers"]),
        )
        listed_at = int(document["listed_at"])
        complete = len(report.entries) == len(report.models) and 0 <= listed_at <= _LATEST
        return CachedList(report, listed_at) if complete else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _finite(text: str) -> float:
    """Return a number; refuse NaN and what is beyond all numbers (1e400), which no list of ours has."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def save(profile: Profile, key: Key | None, cached: CachedList) -> None:
    """Cache a list, if its folder can be written."""
    path = _path(profile, key)
    if path is None:
        return
    report = cached.report
    document = {
        "schema": _SCHEMA,
        "base_url": profile.base_url,
        "listed_at": cached.listed_at,
        "url": report.url,
        "listed_in": report.listed_in,
        "headers": report.headers,
        "models": report.models,
        "entries": report.entries,
    }
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_privately(path, json.dumps(document).encode())


def _path(profile: Profile, key: Key | None) -> Path | None:
    """Return the file for a server, a key and all else that its list depends on; None without a home folder."""
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("imagecli", appauthor=False)
    except RuntimeError:  # HOME is not set, and the user has no entry in the password database
        return None
    parts = (
        *(profile.base_url, key.reveal() if key else "", profile.organization or "", profile.project or ""),
        profile.dialect,
        *(f"{name}: {value}" for name, value in profile.headers),
    )
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=10).hexdigest()
    return folder / "models" / f"{digest}.json"
