"""Colours: the words for them in prompts, and palettes for prompts without any."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

RGB = tuple[int, int, int]


class Palette(NamedTuple):
    """The colours of an image."""

    sky: RGB
    ground: tuple[RGB, ...]
    """Far to near, at least one."""
    accent: RGB

    def tone(self, colour: RGB, share: float) -> Palette:
        """Return the palette with `share` (0 to 1) of a colour mixed into each of its own."""
        ground = tuple(mix(each, colour, share) for each in self.ground)
        return Palette(mix(self.sky, colour, share), ground, mix(self.accent, colour, share))


WHITE: RGB = (255, 255, 255)
BLACK: RGB = (16, 18, 24)

_WORDS: dict[str, int] = {
    "amber": 0xFFB300,
    "apricot": 0xFBC08A,
    "aqua": 0x1FD5D5,
    "aquamarine": 0x6FE3C1,
    "aubergine": 0x4B2142,
    "azure": 0x2E8FEF,
    "beige": 0xE4D6B4,
    "black": 0x17181C,
    "blonde": 0xEBCB7A,
    "blue": 0x2563EB,
    "bluish": 0x4C7BDD,
    "bordeaux": 0x6E1026,
    "bronze": 0xA8702A,
    "brown": 0x7B4A25,
    "burgundy": 0x7C1430,
    "celadon": 0xACE1AF,
    "cerulean": 0x1B87C9,
    "charcoal": 0x36424C,
    "chartreuse": 0x9BE312,
    "claret": 0x7F1734,
    "cobalt": 0x1247B8,
    "copper": 0xB96C35,
    "coral": 0xFF7357,
    "cornflower": 0x6495ED,
    "cream": 0xFBF1D0,
    "crimson": 0xCE1636,
    "cyan": 0x12C6DE,
    "ebony": 0x2A2523,
    "ecru": 0xD2C29D,
    "emerald": 0x12A865,
    "fuchsia": 0xE81FB4,
    "fuschia": 0xE81FB4,
    "ginger": 0xC3621D,
    "gold": 0xF2B90F,
    "golden": 0xF2B90F,
    "gray": 0x84888F,
    "green": 0x1F9D3F,
    "greenish": 0x55A868,
    "grey": 0x84888F,
    "indigo": 0x3F2AA8,
    "ivory": 0xFAF6E3,
    "jade": 0x0FA573,
    "khaki": 0xC4B57A,
    "lavender": 0xB59CF0,
    "lilac": 0xC29AD8,
    "lime": 0x8ADB1E,
    "magenta": 0xDB1FA5,
    "mahogany": 0x8A3319,
    "maroon": 0x7A1725,
    "mauve": 0xB784B7,
    "mint": 0x8FE3C0,
    "mustard": 0xDDAA22,
    "navy": 0x14215E,
    "ochre": 0xC97F1E,
    "olive": 0x76802A,
    "orange": 0xF97A12,
    "peach": 0xFFBE98,
    "periwinkle": 0x8C9BF0,
    "pink": 0xF766A6,
    "pinkish": 0xF29BBE,
    "platinum": 0xDEDFE3,
    "plum": 0x7E3A78,
    "purple": 0x7B2FD0,
    "red": 0xDD1F26,
    "reddish": 0xCC4A40,
    "rose": 0xEE5578,
    "ruby": 0xC10F45,
    "russet": 0x8A4220,
    "rust": 0xB1451B,
    "rusty": 0xB1451B,
    "saffron": 0xF4B92E,
    "salmon": 0xFA8A75,
    "sapphire": 0x1549B5,
    "scarlet": 0xF0290F,
    "sepia": 0x7B5A3C,
    "sienna": 0xA5552B,
    "silver": 0xBDC2C9,
    "tan": 0xCFAE82,
    "tangerine": 0xFC8B10,
    "taupe": 0x8A7A6C,
    "teal": 0x0C8484,
    "terracotta": 0xCB6244,
    "turquoise": 0x1FC9BC,
    "ultramarine": 0x2A1CBA,
    "umber": 0x69503A,
    "vermilion": 0xE5432B,
    "violet": 0x7F3DE3,
    "viridian": 0x3F8169,
    "white": 0xF6F7F9,
    "yellow": 0xFAD418,
    "yellowish": 0xECD866,
}

_SHADES = {
    "dark": (BLACK, 0.45),
    "deep": (BLACK, 0.3),
    "midnight": (BLACK, 0.6),
    "light": (WHITE, 0.45),
    "pale": (WHITE, 0.55),
    "pastel": (WHITE, 0.5),
    "soft": (WHITE, 0.3),
    "baby": (WHITE, 0.4),
}
"""Words before a colour (or within, as in "darkblue") → what is mixed into it, and the share of that."""

_PALETTES: tuple[tuple[int, ...], ...] = (
    (0xF7B267, 0x7D3C72, 0x3B2A5C, 0xF25C54),
    (0x8ECAE6, 0x2A7F9E, 0x14505C, 0xF4A259),
    (0xF4ACB7, 0x6D597A, 0x355070, 0xE56B6F),
    (0xBFD7B5, 0x4F8A5B, 0x1F4E4A, 0xE9C46A),
    (0xC8B6FF, 0x5E60CE, 0x27306B, 0xF72585),
    (0xFFD6A5, 0xE07A5F, 0x3D405B, 0x81B29A),
    (0xA9DEF9, 0x457B9D, 0x1D3557, 0xE63946),
    (0xFBE7C6, 0xB4845C, 0x5A3E36, 0x6A994E),
    (0x9AD1D4, 0x007EA7, 0x003249, 0xCCDBDC),
    (0xFFC8DD, 0x9D4EDD, 0x3C096C, 0xFF9E00),
    (0xE9EDC9, 0x869D6B, 0x40513B, 0xD4A373),
    (0xF9C6A3, 0x2A9D8F, 0x264653, 0xE76F51),
)
"""Sky, far ground, near ground, accent."""


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return `a` with `share` (0 to 1) of `b` mixed in."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def find_colours(prompt: str) -> tuple[RGB, ...]:
    """Return the colours that a prompt names, each once, in their order."""
    found: list[RGB] = []
    shade = None
    for word in re.findall(r"[a-z]+", prompt.lower()):
        colour = _read_colour(word)
        if colour is not None:
            mixed = mix(colour, *shade) if shade else colour
            if mixed not in found:
                found.append(mixed)
        shade = _SHADES.get(word)
    return tuple(found)


def choose_palette(prompt: str) -> Palette:
    """Return the colours to paint a prompt with: those that it names, else a palette that depends on its text."""
    found = find_colours(prompt)
    if found:
        return Palette(sky=found[0], ground=found[1:] or found, accent=found[-1])
    pick = int.from_bytes(hashlib.sha256(prompt.encode("utf-8", "replace")).digest()[:4]) % len(_PALETTES)
    sky, far, near, accent = (_split_rgb(value) for value in _PALETTES[pick])
    return Palette(sky, (far, near), accent)


def _read_colour(word: str) -> RGB | None:
    if word in _WORDS:
        return _split_rgb(_WORDS[word])
    for shade, mixed in _SHADES.items():
        rest = word.removeprefix(shade)
        if rest in _WORDS:
            return mix(_split_rgb(_WORDS[rest]), *mixed)
    return None


def _split_rgb(value: int) -> RGB:
    return value >> 16, value >> 8 & 255, value & 255
