"""What a run reports while it goes on, shown in the terminal: in the rows of the progress, and in a live preview."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.exchange import Observer
from imagecli.terminal.rows import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imagecli.errors import ImagecliError
    from imagecli.result import GeneratedImage
    from imagecli.terminal.console import Console
    from imagecli.terminal.live_preview import LivePreview
    from imagecli.terminal.progress import Progress


class TerminalObserver(Observer):
    """Shows what the images of a run are at."""

    def __init__(self, console: Console, progress: Progress, preview: LivePreview | None, *, partials: int) -> None:
        """Show it with `progress`, and partial images, so many of each image, with `preview`, where there is one."""
        self._console = console
        self._progress = progress
        self._preview = preview
        self._partials = partials
        self._saved: dict[int, GeneratedImage] = {}

    def state(self, index: int, numbers: Sequence[int], state: str, seconds: float | None) -> None:
        """Show what a request is doing."""
        if state in {"done", "failed"}:
            self._end(numbers)
            return
        if state.startswith("partial"):
            state = f"{state} of {max(self._partials, int(state.split()[1]))}"
        self._progress.update(numbers, state, seconds=seconds)
        if seconds is not None:
            self._console.debug(f"request {index + 1}: {state} in {seconds:.1f} s")

    def moved(self, numbers: Sequence[int], done: int, total: int | None) -> None:
        """Show how much has gone out, or come."""
        self._progress.moved(numbers, done, total)

    def partial(self, n: int, _number: int, data: bytes) -> None:
        """Draw a partial image."""
        if self._preview is not None:
            self._preview.draw(data, n)

    def saved(self, image: GeneratedImage) -> None:
        """Note where an image is."""
        if not image.partial:
            self._saved[image.n] = image
            what = (image.path, size_of(image.bytes))
            self._progress.update([image.n], "saved", detail=", ".join(filter(None, what)))

    def failed(self, numbers: Sequence[int], error: ImagecliError) -> None:
        """Show why images will not come."""
        self._progress.update(numbers, "failed", detail=error.message)

    def _end(self, numbers: Sequence[int]) -> None:
        """Draw the finished images of a request; partial ones stay where none came."""
        if self._preview is not None:
            for n in numbers:
                self._preview.finish(self._saved[n].path if n in self._saved else None, n)
