"""An image as escape sequences, and where it is on the screen."""

from __future__ import annotations

from typing import NamedTuple


class Drawing(NamedTuple):
    """Escape sequences that draw images from the start of a row and leave the cursor at the start of the row below.

    The console, which every run imports, imports this only when it places one.
    """

    escapes: str
    size: tuple[int, int]
    """The columns and rows that it covers."""
    release: str = ""
    """Escape sequences that let the terminal free the images, once others have taken their place."""


class Placed(NamedTuple):
    """A drawing on the screen, and what shows whether its place is still known."""

    drawing: Drawing
    window: tuple[int, int]
    """Columns and rows of the window when it was drawn."""
    writes: int
    """The console's count of writes when it was drawn."""
