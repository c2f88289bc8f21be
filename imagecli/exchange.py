"""One request of a run and what has become of it, and what is reported of that while the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.client.response.images import ImageResponse
    from imagecli.dialects.request import ImageRequest
    from imagecli.result import GeneratedImage


class Observer:
    """What a run reports while it goes on, from any thread; this one ignores it."""

    def state(self, index: int, numbers: Sequence[int], state: str, seconds: float | None) -> None:
        """Report what a request is doing: "preparing", "uploading", "waiting", … "done", "failed".

        Args:
            index: the request, from 0.
            numbers: the images that it asks for, from 1.
            state: what it is doing.
            seconds: how long it will wait, where it does.
        """

    def partial(self, n: int, number: int, data: bytes) -> None:
        """Report partial image `number`, from 1, of image `n`: the bytes of a file."""

    def saved(self, image: GeneratedImage) -> None:
        """Report an image that is saved."""


class Exchange:
    """One request of a run and what has become of it."""

    def __init__(self, index: int, request: ImageRequest, numbers: tuple[int, ...], observer: Observer) -> None:
        """Begin with nothing sent."""
        self.index = index
        self.request = request
        self.numbers = numbers
        self.state = "preparing"
        self.lost = False
        """Whether a response to it was lost before, so that it may have been billed already."""
        self.response: ImageResponse | None = None
        """What has arrived and is not all saved yet."""
        self._observer = observer

    def report(self, state: str, seconds: float | None) -> None:
        """Note what the request is doing, and report it."""
        self.state = state
        self.lost = self.lost or state == "lost"
        self._observer.state(self.index, self.numbers, state, seconds)

    @property
    def in_flight(self) -> bool:
        """Whether a server may be working on it, or may have been paid for it."""
        return self.lost or self.state.startswith(("uploading", "waiting", "receiving", "partial"))
