"""Edits of uploaded images: a region inpainted, the whole tinted, or a variation.

Images are upright, RGB or RGBA. The same arguments always give the same pixels.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageOps

from imagecli.sandbox.paint.colours import BLACK, WHITE, choose_palette, mix
from imagecli.sandbox.paint.encoding import flatten
from imagecli.sandbox.paint.painter import draw, label
from imagecli.sandbox.paint.scene import compose, derive_seed

if TYPE_CHECKING:
    from collections.abc import Sequence


def inpaint(  # noqa: PLR0913 - an image, a region, and all that a request may choose
    image: Image.Image,
    region: Image.Image,
    prompt: str,
    n: int = 0,
    *,
    quality: str = "auto",
    transparent: bool = False,
) -> Image.Image:
    """Paint a prompt into a region (mode L, 255: open, 0: closed) and leave every other pixel as it is."""
    result = image.convert("RGBA") if transparent else image.copy()
    box = region.getbbox()
    if box is None:
        return result
    left, top, right, bottom = box
    scene = compose(prompt, (right - left, bottom - top), derive_seed(prompt, n), quality=quality)
    patch = draw(scene, transparent=transparent)
    label(patch, prompt, centred=True)
    result.paste(patch.convert(result.mode), box, region.crop(box))
    return result


def tint(images: Sequence[Image.Image], prompt: str, n: int = 0) -> Image.Image:
    """Give the first image the prompt's colours, and show the others small in its corner."""
    image = images[0]
    rng = random.Random(derive_seed(prompt, n))  # noqa: S311 - an image, not a secret
    palette = choose_palette(prompt)
    shade, light = (palette.ground[-1], palette.sky) if rng.random() < 0.5 else (palette.sky, palette.accent)  # noqa: PLR2004 - one chance in two
    middle = mix(shade, light, 0.5)
    tones = ImageOps.colorize(
        image.convert("L"),
        black=mix(shade, BLACK, 0.6),
        mid=middle,
        white=mix(light, WHITE, 0.75),
        midpoint=rng.randint(105, 150),
    )
    result = Image.blend(image.convert("RGB"), tones, rng.uniform(0.5, 0.7))
    for place, other in enumerate(images[1:]):
        _draw_inset(result, other, place)
    label(result, prompt)
    if image.mode == "RGBA":
        result.putalpha(image.getchannel("A"))
    return result


def vary(image: Image.Image, side: int, n: int = 0) -> Image.Image:
    """Return a variation of a square image, `side` pixels wide: other hues, cropped edges, every other one mirrored."""
    rng = random.Random(derive_seed("", n))  # noqa: S311 - an image, not a secret
    cut = image.width * rng.uniform(0.03, 0.08)
    x, y = rng.uniform(0, cut), rng.uniform(0, cut)
    crop = (x, y, x + image.width - cut, y + image.height - cut)
    result = image.resize((side, side), Image.Resampling.BICUBIC, box=crop)
    if n % 2:
        result = ImageOps.mirror(result)
    turn = rng.choice((-1, 1)) * rng.randint(10, 26)
    hue, *others = result.convert("RGB").convert("HSV").split()
    turned = Image.merge("HSV", (hue.point([(value + turn) % 256 for value in range(256)]), *others)).convert("RGB")
    label(turned, "a variation")
    if result.mode == "RGBA":
        turned.putalpha(result.getchannel("A"))
    return turned


def round_corners(image: Image.Image) -> Image.Image:
    """Return an image with transparent corners, for an edit with a transparent background but no region."""
    shape = Image.new("L", (4 * image.width, 4 * image.height))
    radius = 4 * min(image.size) // 6
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, shape.width - 1, shape.height - 1), radius, fill=255)
    result = image.convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), shape.reduce(4)))
    return result


def animate_light(image: Image.Image, frames: int) -> list[Image.Image]:
    """Return the frames of a loop in which the light on an image changes; all frames differ."""
    rgb = flatten(image)
    phases = [math.tau * i / frames for i in range(frames)]
    return [
        ImageChops.multiply(rgb, Image.new("RGB", rgb.size, (_dim(math.sin(at)), _dim(math.cos(at)), 255)))
        for at in phases
    ]


def _dim(swing: float) -> int:
    """Return a channel's factor (255: unchanged) for a swing of -1 to 1."""
    return round(235 + 20 * swing)


def _draw_inset(image: Image.Image, other: Image.Image, place: int) -> None:
    """Draw another input, small and framed, at the top right, `place` insets from the corner, if it fits."""
    side = min(image.size) // 6
    gap = side // 6
    right = image.width - gap - place * (side + gap)
    if side < 8 or right - side < gap:  # noqa: PLR2004 - too small to recognise anything
        return
    small = ImageOps.fit(other.convert("RGB"), (side, side))
    image.paste(ImageOps.expand(small.crop((0, 0, side, side)), max(1, side // 24), "white"), (right - side, gap))
