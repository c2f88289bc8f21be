"""`imagecli gen`: text → images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagecli.options import Typed
    from imagecli.terminal.render import Renderer


def run(typed: Typed, renderer: Renderer) -> int:
    """Make images from text.

    \b
    Examples:
      imagecli gen "a red fox in the snow" --profile sandbox
      imagecli gen "a red fox in the snow" -o fox.png -s landscape -q high
      while read -r p || [ "$p" ]; do imagecli gen -o "out/{slug}-{hash}.{ext}" --skip-existing -- "$p"; done < list.txt
    """
    from imagecli.commands.make import make

    return make("gen", typed, renderer)
