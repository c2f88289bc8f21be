"""What a place for images does, whichever it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from imagecli.errors import Failure
from imagecli.saving.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from imagecli.provenance.making import Making
    from imagecli.result import GeneratedImage
    from imagecli.saving.receiving import Sizes, Transform

IN_MEMORY = 1 << 26
"""Bytes of an image that goes to no file of its own, kept in memory, so that no full disk can stop it."""
NO_ROOM = Room()


def ignore(_warning: str) -> None:
    """Warn of nothing."""


class Sink(Protocol):
    """A place for images."""

    undelivered: bool
    """Whether an image went to a reader that was gone."""

    @property
    def takes_more(self) -> bool:
        """Whether images that were not asked for can be taken too."""

    def reserved(
        self, numbers: Iterable[int], *, dry: bool, room: Room = NO_ROOM, warn: Callable[[str], None] = ignore
    ) -> AbstractContextManager[object]:
        """Make sure that the images of these numbers can be saved; nothing is written if `dry`.

        What was made for images that did not come is undone at the end. Where each may take more `room` than there
        is, `warn` is told.

        Raises:
            UsageProblem: they can't.
        """

    def save(
        self, n: int, pieces: Iterable[bytes], transform: Transform | None, warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Take image `n`, whole and checked, or raise Failure and leave nothing behind.

        Where the image is there, but not in all its sizes, its `shortfall` says why.
        """

    def complete(
        self, image: GeneratedImage, make: Callable[[bytes], Sizes], warn: Callable[[str], None]
    ) -> GeneratedImage:
        """Add to an image that was there before the sizes that are missing beside it."""

    def save_sidecar(self, image: GeneratedImage, making: Making, warn: Callable[[str], None]) -> GeneratedImage:
        """Write what made an image that is saved into a file beside it; `shortfall` says why it is not there."""

    def save_partial(
        self,
        n: int,
        number: int | None,
        pieces: Iterable[bytes],
        transform: Transform | None,
        warn: Callable[[str], None],
    ) -> GeneratedImage | None:
        """Take partial image `number` of image `n`; None: the last one, which is all that came of it.

        Returns None where the sink takes finished images only.
        """


@contextlib.contextmanager
def failing(path: str) -> Iterator[None]:
    """Turn an error of the file system into a Failure: the image is paid for by now."""
    try:
        yield
    except OSError as error:
        raise Failure(
            f"{path} can't be written: {error.strerror or error}",
            hint="Make room there, or choose another place with -o; imagecli recover then saves what was paid for.",
        ) from error
