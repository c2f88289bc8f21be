"""What has come of a plan so far, complete at any moment: images, failures, warnings, what is to be paid."""

from __future__ import annotations

import bisect
import threading
from typing import TYPE_CHECKING

from imagecli.errors import UnknownOutcome
from imagecli.plan.costs import Bill
from imagecli.result import GeneratedImage, Result
from imagecli.saving.receiving import describe_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.client.response.images import ImageResponse
    from imagecli.errors import ImagecliError
    from imagecli.plan import Plan


class Collected:
    """What has come of a plan so far; its methods may be called from any thread."""

    def __init__(self, plan: Plan) -> None:
        """Begin with the images that exist already."""
        self.images = [describe_file(n, path) for n, path in plan.existing.items()]
        """In the order of their numbers."""
        self.failures: dict[int, ImagecliError] = {}
        """Image → why it is missing."""
        self.partials: dict[int, list[str]] = {}
        """Image → its partial images' files."""
        self.notes = list(plan.notes)
        self._warnings: list[str] = []
        self._request_ids: list[str] = []
        self._bill = Bill(plan.intent.dialect, plan.intent.model, images_sent=bool(plan.intent.images))
        self._highest = plan.intent.wanted
        """The highest number of an image; a server may send more than were asked for."""
        self._lock = threading.Lock()

    @property
    def finished(self) -> set[int]:
        """The numbers of the images that are there, not only in part."""
        return {image.n for image in self.images if not image.partial}

    def add(self, image: GeneratedImage) -> GeneratedImage:
        """Add an image, and return it with its partial images."""
        with self._lock:
            image = image._replace(partials=tuple(self.partials.get(image.n, ())))
            bisect.insort(self.images, image, key=lambda one: one.n)
        return image

    def fail(self, numbers: Sequence[int], error: ImagecliError) -> None:
        """Say why images are missing."""
        with self._lock:
            for n in numbers:
                self.failures[n] = error
            if error.request_id and error.request_id not in self._request_ids:
                self._request_ids.append(error.request_id)

    def warn(self, *texts: str) -> None:
        """Collect warnings, each once."""
        with self._lock:
            self._warnings += [text for text in texts if text not in self._warnings]

    def charge(self, response: ImageResponse, *, cached: bool) -> tuple[float, str] | None:
        """Add what a response says of its cost, and return its cost in USD and how that is known, if it is."""
        with self._lock:
            if response.request_id:
                self._request_ids.append(response.request_id)
            counted = (response.usage, response.svg_usage, len(response.items))
            return self._bill.add(*counted, said=response.cost_usd, cached=cached)

    def further(self, count: int) -> range:
        """Return the numbers of images that were not asked for."""
        with self._lock:
            first = self._highest + 1
            self._highest += count
        return range(first, first + count)

    def result(self, plan: Plan, route: str | None, error: ImagecliError | None, *, lost: bool) -> Result:
        """Return all of it as a result.

        Args:
            plan: the plan that was carried out in the end.
            route: where its requests went; None: none was sent.
            error: what decides the exit code.
            lost: whether the response to a request was lost.
        """
        intent = plan.intent
        # A response that was lost may have been billed.
        lost = lost or any(isinstance(failure, UnknownOutcome) for failure in self.failures.values())
        return Result(
            *(intent.command, intent.profile.name, intent.model.name, route),
            images=tuple(self.images),
            failures=dict(self.failures),
            partials={n: tuple(paths) for n, paths in self.partials.items()},
            usage=self._bill.usage,
            svg_usage=self._bill.svg_usage,
            cost_usd=None if lost else self._bill.usd,
            cost_source=None if lost else self._bill.source,
            request_ids=tuple(self._request_ids),
            warnings=tuple(self._warnings),
            notes=tuple(self.notes),
            error=error,
        )
