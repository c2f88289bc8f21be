"""What becomes of an uploaded picture: a region painted anew, the whole tinted, or a look-alike.

Pictures are upright, RGB or RGBA. The same arguments give the same pixels.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageOps

from imagecli.sandbox.paint import colors
from imagecli.sandbox.paint.colors import BLACK, WHITE, mix
from imagecli.sandbox.paint.encoding import flat
from imagecli.sandbox.paint.painter import draw, label
from imagecli.sandbox.paint.scene import compose, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def inpaint(  # noqa: PLR0913 - a picture, where, and what with
    picture: Image.Image,
    opening: Image.Image,
    prompt: str,
    n: int = 0,
    *,
    seed: int | None = None,
    quality: str = "auto",
    transparent: bool = False,
) -> Image.Image:
    """Paint a prompt into the `opening` (mode L, 255: open, 0: closed) and leave every other pixel as it is."""
    result = picture.convert("RGBA") if transparent else picture.copy()
    box = opening.getbbox()
    if box is None:
        return result
    left, top, right, bottom = box
    scene = compose(prompt, (right - left, bottom - top), number_of(prompt, n, seed), quality=quality)
    patch = draw(scene, transparent=transparent)
    label(patch, prompt, centred=True)
    result.paste(patch.convert(result.mode), box, opening.crop(box))
    return result


def tint(pictures: Sequence[Image.Image], prompt: str, n: int = 0, *, seed: int | None = None) -> Image.Image:
    """Give the first picture the prompt's colours, and show the others small in its corner."""
    picture = pictures[0]
    rng = random.Random(number_of(prompt, n, seed))  # noqa: S311 - a picture, no secret
    palette = colors.palette(prompt)
    shade, light = (palette.ground[-1], palette.sky) if rng.random() < 0.5 else (palette.sky, palette.accent)  # noqa: PLR2004 - either way round
    middle = mix(shade, light, 0.5)
    tones = ImageOps.colorize(
        picture.convert("L"),
        black=mix(shade, BLACK, 0.6),
        mid=middle,
        white=mix(light, WHITE, 0.75),
        midpoint=rng.randint(105, 150),
    )
    result = Image.blend(picture.convert("RGB"), tones, rng.uniform(0.5, 0.7))
    for place, other in enumerate(pictures[1:]):
        _inset(result, other, place)
    label(result, prompt)
    if picture.mode == "RGBA":
        result.putalpha(picture.getchannel("A"))
    return result


def vary(picture: Image.Image, side: int, n: int = 0, *, seed: int | None = None) -> Image.Image:
    """Return a look-alike of a square picture, `side` pixels wide: in other hues, nearer, every other one mirrored."""
    rng = random.Random(number_of("", n, seed))  # noqa: S311 - a picture, no secret
    cut = picture.width * rng.uniform(0.03, 0.08)
    x, y = rng.uniform(0, cut), rng.uniform(0, cut)
    near = (x, y, x + picture.width - cut, y + picture.height - cut)
    result = picture.resize((side, side), Image.Resampling.BICUBIC, box=near)
    if n % 2:
        result = ImageOps.mirror(result)
    turn = rng.choice((-1, 1)) * rng.randint(10, 26)
    hue, *others = result.convert("RGB").convert("HSV").split()
    turned = Image.merge("HSV", (hue.point([(value + turn) % 256 for value in range(256)]), *others)).convert("RGB")
    label(turned, "a variation")
    if result.mode == "RGBA":
        turned.putalpha(result.getchannel("A"))
    return turned


def vignette(picture: Image.Image) -> Image.Image:
    """Return the picture with transparent corners, for a transparent background where nothing else says what it is."""
    shape = Image.new("L", (4 * picture.width, 4 * picture.height))
    radius = 4 * min(picture.size) // 6
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, shape.width - 1, shape.height - 1), radius, fill=255)
    result = picture.convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), shape.reduce(4)))
    return result


def alight(picture: Image.Image, frames: int) -> list[Image.Image]:
    """Return the frames of a loop in which the light on a picture swells, and fades another way than it came."""
    rgb = flat(picture)
    phases = [math.tau * i / frames for i in range(frames)]
    return [
        ImageChops.multiply(rgb, Image.new("RGB", rgb.size, (_dimmed(math.sin(at)), _dimmed(math.cos(at)), 255)))
        for at in phases
    ]


def _dimmed(swing: float) -> int:
    """Return a channel's light (255: all of it) for a swing of -1 to 1."""
    return round(235 + 20 * swing)


def _inset(picture: Image.Image, other: Image.Image, place: int) -> None:
    """Lay another input, small and framed, into the top right corner; the first ones that find room."""
    side = min(picture.size) // 6
    gap = side // 6
    right = picture.width - gap - place * (side + gap)
    if side < 8 or right - side < gap:  # noqa: PLR2004 - smaller than that shows nothing
        return
    small = ImageOps.fit(other.convert("RGB"), (side, side))
    picture.paste(ImageOps.expand(small.crop((0, 0, side, side)), max(1, side // 24), "white"), (right - side, gap))
