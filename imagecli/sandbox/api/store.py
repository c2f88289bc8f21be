"""What the sandbox remembers between requests: pictures that were answered as URLs, and prompts that failed once."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_S = 3600.0
_MOST_FILES = 512
_MOST_BYTES = 256_000_000
_MOST_PROMPTS = 4096


@dataclass(frozen=True, slots=True)
class File:
    """One file of an answer."""

    data: bytes
    media_type: str

    @property
    def name(self) -> str:
        """The name under which it is served; the same bytes have the same one."""
        extension = self.media_type.rpartition("/")[2].partition("+")[0]
        return f"img-{hashlib.sha256(self.data).hexdigest()[:24]}.{extension}"


class Store:
    """Files for an hour, the oldest given up where they become too many; safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty. `clock` tells seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: OrderedDict[str, tuple[float, File]] = OrderedDict()
        self._bytes = 0
        self._seen: OrderedDict[str, None] = OrderedDict()

    def keep(self, file: File) -> str:
        """Keep a file for an hour from now and return its name."""
        name = file.name
        with self._lock:
            self._drop(name)
            self._files[name] = (self._clock() + LIFETIME_S, file)
            self._bytes += len(file.data)
            while len(self._files) > _MOST_FILES or (self._bytes > _MOST_BYTES and len(self._files) > 1):
                self._drop(next(iter(self._files)))
        return name

    def get(self, name: str) -> File | None:
        """Return a file that is still there."""
        with self._lock:
            end, file = self._files.get(name, (0.0, None))
            if file is not None and end <= self._clock():
                self._drop(name)
                return None
            return file

    def first_time(self, prompt: str) -> bool:
        """Tell whether this prompt is new here, and remember it."""
        mark = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()
        with self._lock:
            if mark in self._seen:
                return False
            self._seen[mark] = None
            if len(self._seen) > _MOST_PROMPTS:
                self._seen.popitem(last=False)
            return True

    def _drop(self, name: str) -> None:
        _, file = self._files.pop(name, (0.0, None))
        if file is not None:
            self._bytes -= len(file.data)
