"""What --preview draws: partial images as they come, and the images of a run: before, mask and after for an edit."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Literal

    from imagecli.inputs import Inputs
    from imagecli.plan.intent import Intent
    from imagecli.result import GeneratedImage
    from imagecli.terminal.console import Console
    from imagecli.terminal.live_preview import LivePreview
    from imagecli.terminal.preview import Picture
    from imagecli.terminal.render import Renderer

_MASK_SIDE = 1024
"""Pixels of the longer side of an image that shows a mask."""


class Previewing:
    """Draws what comes of a run, if that is wanted: on stderr, or on stdout where only that is a terminal."""

    def __init__(self, renderer: Renderer, wanted: bool | Literal["auto"]) -> None:  # noqa: FBT001 - the setting's value
        """Take what --preview says: "auto" draws wherever images can be drawn, and is silent elsewhere."""
        self._console = renderer.console
        self._wanted = wanted
        self._on_stdout = not renderer.as_json
        self._is_over = False

    @contextmanager
    def live(self, *, streams: bool) -> Iterator[LivePreview | None]:
        """Draw partial images while they come, where the run `streams` them."""
        on = self._place() if streams and self._console.stderr_is_terminal else None
        if on is None:
            yield None
            return
        from imagecli.terminal.live_preview import LivePreview

        with LivePreview(on) as live:
            yield live

    def end(self, pictures: Callable[[], Sequence[Picture]], live: LivePreview | None = None) -> None:
        """Draw the images of the run, once: in the place of its last partial image, or where the cursor is."""
        if self._is_over or not self._wanted:
            return
        if live is not None:
            made = pictures()
            live.close(made)
            self._is_over = bool(made)
        elif (on := self._place()) is not None and (made := pictures()):
            from imagecli.terminal.preview import show

            show(made, self._console, on)
            self._is_over = True

    def _place(self) -> Console | None:
        """Return the console to draw on; None where nothing is to be drawn."""
        if not self._wanted:
            return None
        on = self._console
        if not on.stderr_is_terminal:
            if not (on.stdout_is_terminal and self._on_stdout):
                return None
            on = stdout_console()
        if self._wanted == "auto":
            from imagecli.terminal.preview import can_draw

            return on if can_draw(on) else None
        return on


def stdout_console() -> Console:
    """Return a console that draws on stdout."""
    import sys

    from imagecli.terminal.console import Console

    return Console(sys.stdout, sys.stdout, sys.stdin, os.environ)


def pictures_of(images: Sequence[GeneratedImage], intent: Intent | None, inputs: Inputs) -> list[Picture]:
    """Return what to draw of a run that has made these images: before them its input, and its mask.

    `intent` is None where nothing but the images is known.
    """
    from imagecli.terminal.preview import Picture

    after = [image for image in images if image.path is not None]
    if not after:
        return []
    if intent is None or not inputs.images:
        return [Picture(image.path or "", os.path.basename(image.path or "")) for image in after]
    word = "after: " if intent.command == "edit" else ""
    made = [Picture(image.path or "", f"{word}{os.path.basename(image.path or '')}") for image in after]
    before = inputs.images[0]
    return [Picture(before, f"before: {os.path.basename(before.name)}"), *_mask_of(intent), *made]


def _mask_of(intent: Intent) -> list[Picture]:
    """Return the input with what its mask opens tinted, if there is a mask."""
    if intent.mask is None and intent.mask_flags is None and not intent.expanded:
        return []
    from imagecli.plan.uploads import picture_of_mask
    from imagecli.terminal.preview import Picture

    with suppress(Exception):  # it was good enough to be sent, and no preview is worth a run
        return [Picture(picture_of_mask(intent, _MASK_SIDE), "mask")]
    return []
