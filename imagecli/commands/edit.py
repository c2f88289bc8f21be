"""`imagecli edit`: images + prompt (+ mask) → images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Edit an image, all of it or what a mask opens.

    Examples:
      imagecli edit photo.jpg "the same room at night" -o night.png
      imagecli edit photo.jpg "a red balloon" --mask-ellipse 60%,5%,30%,40%
      imagecli edit photo.jpg "more of the same landscape" --expand left=256
    """
    from imagecli.commands.make import make

    return make("edit", typed, renderer)
