"""`imagecli vary`: image → look-alikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Make variations of an image.

    Examples:
      imagecli vary photo.jpg --profile sandbox
      imagecli vary photo.jpg -n 4 -o "looks/{slug}-{n}.{ext}"
      imagecli vary photo.jpg -m dall-e-2 --fit pad -o square.png
    """
    from imagecli.commands.make import make

    return make("vary", typed, renderer)
