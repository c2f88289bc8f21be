"""Where batches were submitted from: a line each in the state folder, so that an id finds its folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from imagecli import system
from imagecli.disk import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "batches.jsonl"


class Known(NamedTuple):
    """A batch that was created from here."""

    batch_id: str
    submission: str
    folder: str
    """DIR, absolute."""


def register(known: Known) -> None:
    """Note a batch; where the state folder can't be written, DIR has it all the same."""
    path = _path()
    if path is None:
        return
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | system.OPENING, 0o600)
        try:
            write_all(descriptor, json.dumps(known._asdict()).encode() + b"\n")
        finally:
            os.close(descriptor)


def registered() -> list[Known]:
    """Return the batches that are noted, each once, the newest first."""
    return list({known.submission: known for known in _read()}.values())[::-1]


def find(name: str) -> Known | None:
    """Return the batch with an id, the provider's or our own."""
    return next((known for known in registered() if name in {known.batch_id, known.submission}), None)


def _read() -> Iterator[Known]:
    path = _path()
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            lines = file.readlines()
    except OSError:
        return
    for line in lines:
        with suppress(ValueError, TypeError):
            yield Known(**json.loads(line))


def _path() -> str | None:
    import platformdirs

    try:
        return os.fspath(platformdirs.user_state_path("imagecli") / _NAME)
    except RuntimeError:  # no HOME
        return None
