"""`imagecli vary`: image → look-alikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Make variations of an image.

    \b
    Examples:
      imagecli vary photo.jpg --profile sandbox
      imagecli vary photo.jpg -n 4 -o "looks/{slug}-{n}.{ext}"
      imagecli vary photo.jpg -m dall-e-2 --base-url http://127.0.0.1:8765/v1 --fit pad
    """
    from imagecli.commands.make import make

    return make("vary", typed, renderer)
