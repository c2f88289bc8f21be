"""What the sandbox remembers between requests: images that were returned as URLs, and prompts that failed once."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_S = 3600.0
_MAX_FILES = 512
_MAX_BYTES = 256_000_000
_MAX_PROMPTS = 4096


class ResponseFile(NamedTuple):
    """One file of a response."""

    data: bytes
    media_type: str

    @property
    def name(self) -> str:
        """The name under which it is served; the same bytes have the same name."""
        extension = self.media_type.rpartition("/")[2].partition("+")[0]
        return f"img-{hashlib.sha256(self.data).hexdigest()[:24]}.{extension}"


class Store:
    """Files for an hour each, within limits of number and bytes (the oldest go first); safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty. `clock` returns seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._files: OrderedDict[str, tuple[float, ResponseFile]] = OrderedDict()
        self._bytes = 0
        self._prompts: OrderedDict[str, None] = OrderedDict()

    def add(self, file: ResponseFile) -> str:
        """Store a file for an hour from now and return its name."""
        name = file.name
        with self._lock:
            self._drop(name)
            self._files[name] = (self._clock() + LIFETIME_S, file)
            self._bytes += len(file.data)
            while len(self._files) > _MAX_FILES or (self._bytes > _MAX_BYTES and len(self._files) > 1):
                self._drop(next(iter(self._files)))
        return name

    def get(self, name: str) -> ResponseFile | None:
        """Return a file, None if it is unknown or its hour is over."""
        with self._lock:
            end, file = self._files.get(name, (0.0, None))
            if file is not None and end <= self._clock():
                self._drop(name)
                return None
            return file

    def remember_prompt(self, prompt: str) -> bool:
        """Remember a prompt, and return whether it is new."""
        digest = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()
        with self._lock:
            if digest in self._prompts:
                return False
            self._prompts[digest] = None
            if len(self._prompts) > _MAX_PROMPTS:
                self._prompts.popitem(last=False)
            return True

    def _drop(self, name: str) -> None:
        _, file = self._files.pop(name, (0.0, None))
        if file is not None:
            self._bytes -= len(file.data)
