"""Standard output and memory as places for images."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING, Protocol

from imagecli.errors import UsageProblem
from imagecli.saving.receiving import copy, describe, receive
from imagecli.saving.sink import IN_MEMORY, NO_ROOM, failing, ignore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from imagecli.provenance.making import Making
    from imagecli.result import GeneratedImage
    from imagecli.saving.receiving import Sizes, Transform
    from imagecli.saving.room import Room


class Stdout(Protocol):
    """Standard output, as the terminal room has it."""

    stdout_is_terminal: bool

    @property
    def stdout_is_closed(self) -> bool:
        """Whether its reader is gone."""

    def out_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""

    def stdout_free_bytes(self) -> int | None:
        """Return how many bytes the disk has left where standard output is a file, else None."""


class _New:
    """A place where no image was before."""

    def complete(
        self,
        image: GeneratedImage,
        make: Callable[[bytes], Sizes],  # noqa: ARG002 - a Sink's
        warn: Callable[[str], None],  # noqa: ARG002
    ) -> GeneratedImage:
        """Add nothing: no image was there before."""
        return image

    def save_sidecar(
        self,
        image: GeneratedImage,
        making: Making,  # noqa: ARG002 - a Sink's
        warn: Callable[[str], None],  # noqa: ARG002
    ) -> GeneratedImage:
        """Write nothing: there is no file that it could lie beside."""
        return image


class StdoutSink(_New):
    """Raw bytes on standard output, once the image is known to be whole."""

    takes_more = False
    undelivered = False

    def __init__(self, stdout: Stdout) -> None:
        """Write to standard output."""
        self._stdout = stdout

    def reserved(
        self,
        numbers: Iterable[int],  # noqa: ARG002 - a Sink's
        *,
        dry: bool,  # noqa: ARG002
        room: Room = NO_ROOM,
        warn: Callable[[str], None] = ignore,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """Look at the disk where standard output is a file.

        Raises:
            UsageProblem: it has no room.
        """
        free = self._stdout.stdout_free_bytes()
        if free is not None and free < room.least:
            raise UsageProblem(
                "standard output is a file on a disk that has no room for the image",
                hint="Nothing was sent. Make room there, or choose another place with -o.",
            )
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Write the image."""
        with failing("the temporary folder"), tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            image, _ = receive(n, pieces, file, transform, warn)
            for piece in copy(file):
                self._stdout.out_bytes(piece)
        self.undelivered = self._stdout.stdout_is_closed
        return image

    def save_partial(
        self,
        n: int,  # noqa: ARG002 - as the others'
        number: int | None,  # noqa: ARG002
        pieces: Iterable[bytes],  # noqa: ARG002
        transform: Transform | None,  # noqa: ARG002
        warn: Callable[[str], None],  # noqa: ARG002
    ) -> GeneratedImage | None:
        """Write nothing: a reader would take it for the image."""
        return None


class MemorySink(_New):
    """Bytes for callers from Python."""

    takes_more = True
    undelivered = False

    def __init__(self) -> None:
        """Start empty."""
        self.data: dict[int, bytes] = {}
        self.sizes: dict[int, tuple[bytes, ...]] = {}
        """Image → its files in further sizes."""

    def reserved(
        self,
        numbers: Iterable[int],  # noqa: ARG002 - a Sink's
        *,
        dry: bool,  # noqa: ARG002
        room: Room = NO_ROOM,  # noqa: ARG002
        warn: Callable[[str], None] = ignore,  # noqa: ARG002
    ) -> AbstractContextManager[object]:
        """Do nothing: there is room."""
        return contextlib.nullcontext()

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Keep the image's bytes under its number."""
        with tempfile.SpooledTemporaryFile(max_size=1 << 28) as file:
            image, sizes = receive(n, pieces, file, transform, warn)
            file.seek(0)
            self.data[n] = file.read()
        self.sizes[n] = tuple(data for _, data in sizes)
        return image._replace(also=tuple(describe(n, data) for data in self.sizes[n]))

    def save_partial(
        self,
        n: int,
        number: int | None,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage | None:
        """Keep the last one in the image's place; the others were shown as they came."""
        return self.save(n, pieces, transform, warn)._replace(partial=True) if number is None else None
