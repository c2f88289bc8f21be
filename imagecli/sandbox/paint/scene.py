"""What an image shows: sky, sun, birds and wooded hills, composed from a prompt and a seed, not yet drawn.

All lengths are pixels of the image.
"""

from __future__ import annotations

import hashlib
import math
import random
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from imagecli.sandbox.paint.colours import BLACK, RGB, WHITE, choose_palette, mix

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Size

Point = tuple[float, float]
Triple = tuple[Point, Point, Point]

_STEPS = 96
"""Straight segments in the outline of a line of hills."""
_RIDGES = {"low": 3, "medium": 4, "standard": 4, "auto": 4, "high": 5, "hd": 6, "xhigh": 6, "max": 7}
_WOODED = {"low": 0.0, "medium": 0.3}
"""The share of lines of hills that have trees, by complexity."""
_EXCERPT = 44
_DRAWABLE = "\N{HORIZONTAL ELLIPSIS}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»“”"
"""What the label's font has besides ASCII."""
_GREY: RGB = (136, 136, 136)


class Gradient(NamedTuple):
    """From one colour at the top to another at the bottom."""

    top: RGB
    bottom: RGB


class Sun(NamedTuple):
    """A disc with a glow."""

    centre: Point
    radius: float
    colour: RGB


class Ridge(NamedTuple):
    """A line of hills, filled below its outline, with the trees on it."""

    outline: tuple[Point, ...]
    trees: tuple[Triple, ...]
    fill: Gradient


class Scene(NamedTuple):
    """The composition of an image."""

    size: Size
    sky: Gradient
    sun: Sun
    birds: tuple[Triple, ...]
    ridges: tuple[Ridge, ...]
    """Far to near."""
    ink: RGB
    """The colour of the birds."""

    def at(self, phase: float) -> Scene:
        """Return the scene at a phase (0 to 1) of its loop: the sun moves up and down, the birds drift sideways.

        The two are out of step, so that all phases differ.
        """
        x, y = self.sun.centre
        swing = math.sin(math.tau * phase)
        drift = self.size[0] * 0.03 * (1 - math.cos(math.tau * phase))
        return self._replace(
            sun=self.sun._replace(centre=(x, y - self.sun.radius * 0.5 * swing)),
            birds=tuple(_move(bird, drift) for bird in self.birds),
        )


def _move(triple: Triple, right: float) -> Triple:
    (ax, ay), (bx, by), (cx, cy) = triple
    return (ax + right, ay), (bx + right, by), (cx + right, cy)


def derive_seed(prompt: str, n: int) -> int:
    """Return the seed of a composition; `n` counts the request's images from 0."""
    return int.from_bytes(hashlib.sha256(f"{n}\n{prompt}".encode("utf-8", "replace")).digest()[:8])


def shorten(prompt: str, limit: int = _EXCERPT) -> str:
    """Return the beginning of a prompt on one line, at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in prompt[: 8 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def make_drawable(text: str) -> str:
    """Return the part of a text that Pillow's own font can draw, without accents; "" if that is too little."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if " " <= c <= "~" or c in _DRAWABLE)
    return " ".join(bare.split()) if 2 * len(bare.strip("… ")) > len(text) else ""


def compose(  # noqa: PLR0913 - all that a request may choose
    prompt: str,
    size: Size,
    seed: int,
    *,
    quality: str = "auto",
    style: str | None = None,
    complexity: str | None = None,
) -> Scene:
    """Compose a scene in a prompt's colours from a seed (`derive_seed`).

    A higher `quality` has more hills, a lower `complexity` fewer trees on them.
    """
    rng = random.Random(seed)  # noqa: S311 - an image, not a secret
    palette = choose_palette(prompt)
    if style == "natural":
        palette = palette.tone(_GREY, 0.3)
    width, height = size
    short = min(size)
    count = _RIDGES.get(quality, _RIDGES["auto"])
    horizon = mix(palette.sky, WHITE, 0.5)
    skyline = height * rng.uniform(0.42, 0.52)
    radius = short * rng.uniform(0.08, 0.13)
    across = rng.choice((rng.uniform(0.18, 0.38), rng.uniform(0.62, 0.82)))
    centre = (width * across, skyline - radius * rng.uniform(0.1, 1.9))
    wooded = _WOODED.get(complexity or "high", 0.65)
    ridges = []
    for i in range(count):
        level = skyline + (height - skyline) * (i / count) ** 1.2
        base = palette.ground[i * len(palette.ground) // count]
        ridges.append(_compose_ridge(rng, size, level, _shade(base, horizon, i / (count - 1)), wooded))
    return Scene(
        size=size,
        sky=Gradient(mix(palette.sky, BLACK, 0.12), horizon),
        sun=Sun(centre, radius, mix(palette.accent, WHITE, 0.72)),
        birds=tuple(_compose_bird(rng, size) for _ in range(rng.randint(count - 2, count))),
        ridges=tuple(ridges),
        ink=mix(palette.sky, BLACK, 0.6),
    )


def _shade(base: RGB, horizon: RGB, near: float) -> Gradient:
    """Return a hill's colours: lighter and tinged by the sky if far (`near` 0), darker if near (1)."""
    hazy = mix(mix(base, WHITE, 0.3), horizon, 0.22)
    body = mix(mix(hazy, base, min(1, 1.6 * near)), BLACK, 0.36 * near)
    mist = mix(mix(base, WHITE, 0.6), horizon, 0.2)
    return Gradient(body, mix(body, mist, 0.75 - 0.45 * near))


def _compose_ridge(rng: random.Random, size: Size, level: float, fill: Gradient, wooded: float) -> Ridge:
    width, height = size
    swing = min(size) * 0.055
    stretch = math.tau * max(1.0, width / height) / width
    waves = [(rng.uniform(0.5, 1.2) * 2.1**k * stretch, rng.uniform(0, math.tau), swing / 1.9**k) for k in range(4)]

    def line(x: float) -> float:
        return level + sum(high * math.sin(begin + often * x) for often, begin, high in waves)

    outline = tuple((x, line(x)) for x in (width * i / _STEPS for i in range(_STEPS + 1)))
    trees: tuple[Triple, ...] = ()
    if rng.random() < wooded:
        trees = tuple(tier for _ in range(rng.randint(12, 30)) for tier in _compose_tree(rng, size, line))
    return Ridge(outline, trees, fill)


def _compose_tree(rng: random.Random, size: Size, line: Callable[[float], float]) -> tuple[Triple, ...]:
    """Return the three triangles of a fir, the lowest first."""
    x, tall = rng.uniform(0, size[0]), min(size) * rng.uniform(0.035, 0.075)
    foot = line(x) + tall * 0.12
    tiers = []
    for i in range(3):
        low, half = foot - tall * 0.26 * i, tall * (0.2 - 0.045 * i)
        tiers.append(((x - half, low), (x, low - tall * (0.62 - 0.08 * i)), (x + half, low)))
    return tuple(tiers)


def _compose_bird(rng: random.Random, size: Size) -> Triple:
    x, y = size[0] * rng.uniform(0.1, 0.9), size[1] * rng.uniform(0.08, 0.3)
    wing = min(size) * rng.uniform(0.01, 0.02)
    return (x - wing, y - wing * 0.5), (x, y), (x + wing, y - wing * 0.6)
