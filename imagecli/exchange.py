"""One request of a run and what has become of it, and what is reported of that while the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imagecli.errors import Interrupted, MoneyProblem, UnknownOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from imagecli.cache.answers import Answers
    from imagecli.cache.entry import Recording
    from imagecli.client.client import Client
    from imagecli.client.response.images import ImageResponse
    from imagecli.client.response.sources import Item
    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError
    from imagecli.plan import Plan
    from imagecli.result import GeneratedImage

    Begin = Callable[[ImageRequest, Sequence[int]], "AccountEntry"]


class AccountEntry(Protocol):
    """One request in the accounts."""

    def received(
        self,
        cost: tuple[float, str] | None,
        usage: Mapping[str, Any] | None,
        svg_usage: Mapping[str, Any] | None,
        request_id: str | None,
    ) -> None:
        """Note what a response says, before its images are saved."""

    def complete(self, error: ImagecliError | None, images: Iterable[GeneratedImage] = ()) -> None:
        """Write down what has come of the request."""


class Accounting(Protocol):
    """Where each request is written down before it is sent."""

    def begin(
        self, plan: Plan, request: ImageRequest, numbers: Sequence[int], warn: Callable[[str], None]
    ) -> AccountEntry:
        """Write down a request that is about to be sent.

        Raises:
            ImagecliError: it must not be sent.
        """


_PRICED = frozenset({"size", "quality"})
"""Fields that the price depends on."""


class Observer:
    """What a run reports while it goes on, from any thread; this one ignores it."""

    def state(self, index: int, numbers: Sequence[int], state: str, seconds: float | None) -> None:
        """Report what a request is doing: "preparing", "connecting", "uploading", "waiting", … "done", "failed".

        Args:
            index: the request, from 0.
            numbers: the images, from 1, that it does this for: all that it asks for, or the one that it saves.
            state: what it is doing.
            seconds: how long it will wait, where it does.
        """

    def moved(self, numbers: Sequence[int], done: int, total: int | None) -> None:
        """Report how many bytes a request has sent while it uploads, or has received, of how many; None: unknown."""

    def partial(self, n: int, number: int, data: bytes) -> None:
        """Report partial image `number`, from 1, of image `n`: the bytes of a file."""

    def saved(self, image: GeneratedImage) -> None:
        """Report an image that is saved."""

    def failed(self, numbers: Sequence[int], error: ImagecliError) -> None:
        """Report why images will not come."""


class Exchange:
    """One request of a run and what has become of it."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a request goes through
        self,
        index: int,
        request: ImageRequest,
        numbers: tuple[int, ...],
        observer: Observer,
        answers: Answers | None = None,
        begin: Begin | None = None,
    ) -> None:
        """Begin with nothing sent; `answers` is what the cache has, `begin` makes an entry in the accounts."""
        self.index = index
        self.request = request
        self.numbers = numbers
        self.cached = False
        """Whether its response is one of the cache's."""
        self._planned = request
        self._answers = answers
        self._recording: Recording | None = None
        self.state = "preparing"
        self.saving: int | None = None
        """The image that is being saved, from 1."""
        self.lost = False
        """Whether a response to it was lost before, so that it may have been billed already."""
        self.response: ImageResponse | None = None
        """What has arrived and is not all saved yet."""
        self.images: list[GeneratedImage] = []
        """Those that were saved."""
        self.entry: AccountEntry | None = None
        """Its entry in the accounts, once it is about to be sent."""
        self._observer = observer
        self._begin = begin

    def report(self, state: str, seconds: float | None) -> None:
        """Note what the request is doing, and report it."""
        self.state = state
        self.lost = self.lost or state == "lost"
        self._observer.state(self.index, self._concerned, state, seconds)

    def moved(self, done: int, total: int | None) -> None:
        """Report how many bytes have gone out, or come."""
        self._observer.moved(self._concerned, done, total)

    @property
    def _concerned(self) -> Sequence[int]:
        return self.numbers if self.saving is None else (self.saving,)

    @property
    def in_flight(self) -> bool:
        """Whether a server may be working on it, or may have been paid for it."""
        return self.lost or self.state.startswith(("uploading", "waiting", "receiving", "partial"))

    # The accounts

    def begin(self) -> None:
        """Write the request down, before it is sent.

        Raises:
            MoneyProblem: it would cost too much.
        """
        if self._begin is not None:
            self.entry = self._begin(self.request, self.numbers)

    def begin_again(self) -> None:
        """Write down that a response was lost, and that the request is about to be sent, and paid, once more.

        Raises:
            UnknownOutcome: it is not sent again, as that would cost too much.
        """
        lost = UnknownOutcome("the response was lost, and it may have been billed")
        self.complete(lost)
        try:
            self.begin()
        except MoneyProblem as refused:
            lost.message += f"; it was not sent again: {refused.message}"
            lost.hint = refused.hint
            raise lost from refused

    def change(self, request: ImageRequest, refusal: ImagecliError) -> None:
        """Take another request in place of one that was refused; it is another in the accounts if it may cost more.

        Raises:
            MoneyProblem: it would cost too much.
        """
        lacking = self.request.fields.keys() - request.fields.keys()
        self.request = request
        if lacking & _PRICED:
            self.complete(refusal)
            self.begin()

    def received(self, response: ImageResponse, cost: tuple[float, str] | None) -> None:
        """Note what a response says, and what it cost."""
        if self.entry is not None:
            self.entry.received(cost, response.usage, response.svg_usage, response.request_id)

    def complete(self, error: ImagecliError | None) -> None:
        """Write down what has come of the request; `error` is why images are missing."""
        if self.entry is not None:
            self.entry.complete(error, self.images)

    # The cache

    def from_cache(self) -> ImageResponse | None:
        """Return the response that the cache has; None: the request has to be sent.

        Raises:
            NotCached: there is none, and nothing may be sent.
        """
        if self._answers is None:
            return None
        found = self._answers.take(self.index)
        self.cached = found is not None
        self._recording = None if self.cached else self._answers.record(self.index)
        return found

    def fetch(self, client: Client | None, item: Item, response: ImageResponse) -> Iterator[bytes]:
        """Yield an image's bytes, copied for the cache on their way.

        Raises:
            ImagecliError: as `Client.fetch`.
        """
        from imagecli.client.response.sources import Region, decode

        if client is None or isinstance(item.source, Region):
            assert isinstance(item.source, Region)  # noqa: S101 - only what is cached comes without a client
            return decode(item.source, response.spool)
        pieces = client.fetch(item, response, self.report, self.moved)
        return pieces if self._recording is None else self._recording.copy(pieces)

    def saved(self, item: Item) -> None:
        """Note that the image that was fetched last is saved."""
        if self._recording is not None:
            self._recording.saved(item.revised_prompt)

    def keep(self, response: ImageResponse, model: str | None) -> str | None:
        """Keep in the cache a response that came whole and is saved; return a warning where that is not possible."""
        recording, self._recording = self._recording, None
        if recording is None or self._answers is None:
            return None
        whole = response.error is None and response.lost is None and response.partial is None
        if whole and (recording.problem or len(recording.images) >= len(self.numbers)):
            recording.finish(
                model=model,
                route=self._planned.endpoint,
                usage=response.usage,
                svg_usage=response.svg_usage,
                request_id=response.request_id,
                without=[name for name in self._planned.fields if name not in self.request.fields],
            )
        recording.discard()
        return None if recording.problem is None else self._answers.unkept(recording.problem)

    # An interrupt

    def cut_short(self, client: Client | None, interrupt: KeyboardInterrupt) -> ImagecliError:
        """Return why the images of the request are missing after an interrupt, and keep what has come of it."""
        response = self.response
        if response is not None:
            failure: ImagecliError = Interrupted.by(interrupt, " while its response was being saved")
            failure.saved_response = response.spool.keep()
            failure.request_id = response.request_id
            response.discard()
        elif self.in_flight and client is not None:
            left = client.abandon(self.request)
            what = "the response" if left.task is None else f"task {left.task}"
            failure = UnknownOutcome(f"interrupted while waiting for {what}: it may have been billed")
            failure.saved_response = left.saved_response
        elif self.state.startswith("retrying"):
            failure = Interrupted.by(interrupt, " while waiting to send it again")
        else:
            failure = Interrupted.by(interrupt, " before it was sent")
        return failure
