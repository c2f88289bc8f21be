"""`imagecli gen`: text → images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Make images from text.

    Examples:
      imagecli gen "a red fox in the snow" --profile sandbox
      imagecli gen "a red fox in the snow" -o fox.png -s landscape -q high
      imagecli gen -f prompt.txt -n 4 -o "looks/{slug}-{n}.{ext}" --skip-existing
    """
    from imagecli.commands.make import make

    return make("gen", typed, renderer)
