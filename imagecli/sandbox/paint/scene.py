"""What is in a picture: sky, sun, birds and wooded hills, composed from a prompt and numbers. No pixels yet.

All lengths are pixels of the picture. The painter and the SVG writer both draw a scene.
"""

from __future__ import annotations

import hashlib
import math
import random
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imagecli.sandbox.paint import colors
from imagecli.sandbox.paint.colors import BLACK, RGB, WHITE, mix

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Size

Point = tuple[float, float]
Triple = tuple[Point, Point, Point]

_STEPS = 96
"""Straight pieces in the outline of a hill."""
_RIDGES = {"low": 3, "medium": 4, "standard": 4, "auto": 4, "high": 5, "hd": 6, "xhigh": 6, "max": 7}
_WOODED = {"low": 0.0, "medium": 0.3}
"""The share of hills with trees, by complexity."""
_EXCERPT = 44
_DRAWN = "\N{HORIZONTAL ELLIPSIS}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»“”"
"""Besides ASCII."""
_GREY: RGB = (136, 136, 136)


@dataclass(frozen=True, slots=True)
class Gradient:
    """From one colour at the top to another at the bottom."""

    top: RGB
    bottom: RGB


@dataclass(frozen=True, slots=True)
class Sun:
    """A disc with a glow."""

    center: Point
    radius: float
    color: RGB


@dataclass(frozen=True, slots=True)
class Ridge:
    """A line of hills and what grows on it: everything below the outline."""

    outline: tuple[Point, ...]
    trees: tuple[Triple, ...]
    fill: Gradient


@dataclass(frozen=True, slots=True)
class Scene:
    """A composition."""

    size: Size
    sky: Gradient
    sun: Sun
    birds: tuple[Triple, ...]
    ridges: tuple[Ridge, ...]
    """Far to near."""
    ink: RGB
    """For the birds."""

    def at(self, phase: float) -> Scene:
        """Return the scene at a moment (0 to 1) of its loop: the sun goes up and down, the birds with the wind.

        The two are out of step, so that no moment is like another.
        """
        x, y = self.sun.center
        swing = math.sin(math.tau * phase)
        drift = self.size[0] * 0.03 * (1 - math.cos(math.tau * phase))
        return replace(
            self,
            sun=replace(self.sun, center=(x, y - self.sun.radius * 0.5 * swing)),
            birds=tuple(_moved(bird, drift) for bird in self.birds),
        )


def _moved(triple: Triple, right: float) -> Triple:
    (ax, ay), (bx, by), (cx, cy) = triple
    return (ax + right, ay), (bx + right, by), (cx + right, cy)


def number_of(prompt: str, index: int, seed: int | None) -> int:
    """Return the number that decides a composition; `index` counts the images of a request from 0."""
    return int.from_bytes(hashlib.sha256(f"{index}\n{seed}\n{prompt}".encode("utf-8", "replace")).digest()[:8])


def excerpt(prompt: str, limit: int = _EXCERPT) -> str:
    """Return the beginning of a prompt on one line, at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in prompt[: 8 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Return what Pillow's own font can draw of a text: ASCII, accents taken off; "" where that is too little."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text) if " " <= c <= "~" or c in _DRAWN)
    return " ".join(bare.split()) if 2 * len(bare.strip("… ")) > len(text) else ""


def compose(  # noqa: PLR0913 - what a request may ask for
    prompt: str,
    size: Size,
    number: int,
    *,
    quality: str = "auto",
    style: str | None = None,
    complexity: str | None = None,
) -> Scene:
    """Compose a scene of a prompt's colours from a number (`number_of`).

    A finer `quality` has more hills in it, a lower `complexity` fewer trees on them.
    """
    rng = random.Random(number)  # noqa: S311 - a picture, no secret
    palette = colors.palette(prompt)
    if style == "natural":
        palette = palette.toned(_GREY, 0.3)
    width, height = size
    short = min(size)
    count = _RIDGES.get(quality, _RIDGES["auto"])
    horizon = mix(palette.sky, WHITE, 0.5)
    skyline = height * rng.uniform(0.42, 0.52)
    radius = short * rng.uniform(0.08, 0.13)
    across = rng.choice((rng.uniform(0.18, 0.38), rng.uniform(0.62, 0.82)))
    center = (width * across, skyline - radius * rng.uniform(0.1, 1.9))
    wooded = _WOODED.get(complexity or "high", 0.65)
    ridges = []
    for i in range(count):
        level = skyline + (height - skyline) * (i / count) ** 1.2
        base = palette.ground[i * len(palette.ground) // count]
        ridges.append(_ridge(rng, size, level, _shaded(base, horizon, i / (count - 1)), wooded))
    return Scene(
        size=size,
        sky=Gradient(mix(palette.sky, BLACK, 0.12), horizon),
        sun=Sun(center, radius, mix(palette.accent, WHITE, 0.72)),
        birds=tuple(_bird(rng, size) for _ in range(rng.randint(count - 2, count))),
        ridges=tuple(ridges),
        ink=mix(palette.sky, BLACK, 0.6),
    )


def _shaded(base: RGB, horizon: RGB, near: float) -> Gradient:
    """Return a hill's colours: light and a little of the sky on what is far, shadow on what is near (0 to 1)."""
    hazy = mix(mix(base, WHITE, 0.3), horizon, 0.22)
    body = mix(mix(hazy, base, min(1, 1.6 * near)), BLACK, 0.36 * near)
    mist = mix(mix(base, WHITE, 0.6), horizon, 0.2)
    return Gradient(body, mix(body, mist, 0.75 - 0.45 * near))


def _ridge(rng: random.Random, size: Size, level: float, fill: Gradient, wooded: float) -> Ridge:
    width, height = size
    swing = min(size) * 0.055
    stretch = math.tau * max(1.0, width / height) / width
    waves = [(rng.uniform(0.5, 1.2) * 2.1**k * stretch, rng.uniform(0, math.tau), swing / 1.9**k) for k in range(4)]

    def line(x: float) -> float:
        return level + sum(high * math.sin(begin + often * x) for often, begin, high in waves)

    outline = tuple((x, line(x)) for x in (width * i / _STEPS for i in range(_STEPS + 1)))
    trees: tuple[Triple, ...] = ()
    if rng.random() < wooded:
        trees = tuple(tier for _ in range(rng.randint(12, 30)) for tier in _tree(rng, size, line))
    return Ridge(outline, trees, fill)


def _tree(rng: random.Random, size: Size, line: Callable[[float], float]) -> tuple[Triple, ...]:
    """Return a fir: three triangles, the lowest first."""
    x, tall = rng.uniform(0, size[0]), min(size) * rng.uniform(0.035, 0.075)
    foot = line(x) + tall * 0.12
    tiers = []
    for i in range(3):
        low, half = foot - tall * 0.26 * i, tall * (0.2 - 0.045 * i)
        tiers.append(((x - half, low), (x, low - tall * (0.62 - 0.08 * i)), (x + half, low)))
    return tuple(tiers)


def _bird(rng: random.Random, size: Size) -> Triple:
    x, y = size[0] * rng.uniform(0.1, 0.9), size[1] * rng.uniform(0.08, 0.3)
    wing = min(size) * rng.uniform(0.01, 0.02)
    return (x - wing, y - wing * 0.5), (x, y), (x + wing, y - wing * 0.6)
