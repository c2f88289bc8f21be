"""Images in half blocks: two pixels in a character, the upper as its colour and the lower as its background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.images.types import Size

_BLOCK, _RESET = "▀", "\x1b[0m"
_INK, _GROUND = 0, 10
"""By how much the code of a colour is higher where it is the background's."""
_GREY_STEPS, _CUBE = range(8, 248, 10), (0, 95, 135, 175, 215, 255)
_SYSTEM = (
    *((0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)),
    *((85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255)),
    (255, 255, 255),
)
"""The sixteen colours of the Linux console."""
_XTERM = (
    *((red, green, blue) for red in _CUBE for green in _CUBE for blue in _CUBE),
    *((grey, grey, grey) for grey in _GREY_STEPS),
)
"""xterm's colours from 16 on; those before are what the user has chosen."""


def half_blocks(image: Image.Image, size: Size, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return an RGB image as so many rows of so many columns of half blocks, in the colours that the terminal has."""
    columns, rows = size
    image = image.resize((columns, 2 * rows), Image.Resampling.LANCZOS)
    colours = _colours(environ)
    if colours:
        # At so few pixels dithering hides shapes; with sixteen colours there would be none without it.
        dither = Image.Dither.NONE if colours is _XTERM else Image.Dither.FLOYDSTEINBERG
        image = image.quantize(palette=_palette(colours), dither=dither)
    pixels = list(image.getdata())
    paint = _true if not colours else _of_256 if colours is _XTERM else _of_16
    return tuple(
        _row(pixels[above : above + columns], pixels[above + columns : above + 2 * columns], paint)
        for above in range(0, 2 * columns * rows, 2 * columns)
    )


def _colours(environ: Mapping[str, str]) -> tuple[tuple[int, int, int], ...]:
    """Return the colours that a terminal has; empty: all."""
    term = environ.get("TERM", "")
    if environ.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"} or term.endswith(
        ("-direct", "truecolor")
    ):
        return ()
    if environ.get("TMUX"):  # it takes all colours, and makes of them what the terminal around it has
        return ()
    # Docker sets TERM=xterm for any terminal, all of which have 256.
    has_256 = term.endswith("256color") or term in {"xterm", "xterm-kitty", "xterm-ghostty", "alacritty", "foot"}
    return _XTERM if has_256 else _SYSTEM


def _palette(colours: tuple[tuple[int, int, int], ...]) -> Image.Image:
    image = Image.new("P", (1, 1))
    flat = [part for colour in colours for part in colour]
    image.putpalette(flat + flat[:3] * (256 - len(colours)))
    return image


def _row(above: list[Any], below: list[Any], paint: Callable[[Any, int], str]) -> str:
    """Return a row of characters; a colour is said where it changes."""
    line, upper, lower = "", None, None
    for one, other in zip(above, below, strict=True):
        said = [paint(one, _INK)] if one != upper else []
        said += [paint(other, _GROUND)] if other != lower else []
        line += (f"\x1b[{';'.join(said)}m" if said else "") + _BLOCK
        upper, lower = one, other
    return line + _RESET


def _true(colour: tuple[int, int, int], what: int) -> str:
    return f"{38 + what};2;{colour[0]};{colour[1]};{colour[2]}"


def _of_256(index: int, what: int) -> str:
    return f"{38 + what};5;{16 + index}"


def _of_16(index: int, what: int) -> str:
    return str((30 if index < 8 else 82) + index + what)  # noqa: PLR2004 - the bright ones begin at 90
