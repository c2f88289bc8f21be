"""Scenes as pixels, and the label that says what they are.

Everything here is a plain function of its arguments: the same prompt, size and numbers give the same pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from imagecli.sandbox.paint.colors import mix
from imagecli.sandbox.paint.scene import compose, excerpt, number_of, plain

if TYPE_CHECKING:
    from imagecli.images.types import Box, Size
    from imagecli.sandbox.paint.colors import RGB
    from imagecli.sandbox.paint.scene import Gradient, Point, Ridge, Scene, Sun, Triple

_FINE = 2
"""How many times finer an outline is drawn before it is scaled down: smooth edges."""
_SMALLEST_LETTERS = 7
_NIGHT = (18, 20, 30)


def paint(  # noqa: PLR0913 - what a request may ask for
    prompt: str,
    size: Size,
    n: int = 0,
    *,
    seed: int | None = None,
    quality: str = "auto",
    style: str | None = None,
    complexity: str | None = None,
    transparent: bool = False,
    frames: int = 1,
) -> list[Image.Image]:
    """Paint a prompt: one picture, or the frames of one that moves.

    `n` counts the images of a request from 0. Each picture is RGB, or RGBA without its sky where it is `transparent`.
    """
    scene = compose(prompt, size, number_of(prompt, n, seed), quality=quality, style=style, complexity=complexity)
    pictures = [draw(scene.at(i / frames), transparent=transparent) for i in range(frames)]
    for picture in pictures:
        label(picture, prompt)
    return pictures


def draw(scene: Scene, *, transparent: bool = False) -> Image.Image:
    """Draw a scene, without a label."""
    picture = _strip(scene.sky, scene.size)
    if transparent:
        picture.putalpha(0)
    else:
        _glow(picture, scene.sun)
    _disc(picture, scene.sun)
    for bird in scene.birds:
        _bird(picture, bird, scene.ink)
    for ridge in scene.ridges:
        _hill(picture, ridge)
    return picture


def label(picture: Image.Image, prompt: str, *, centred: bool = False) -> None:
    """Write SANDBOX and the beginning of a prompt onto a picture, bottom left or in its middle; none on tiny ones."""
    short = min(picture.size)
    margin = short // 24
    letters = max(short / 24, 11.0)
    widest = picture.width - 2 * margin
    heading = "SANDBOX"
    spread = _spread(heading, letters) + letters
    if spread > widest:
        letters *= widest / spread
    if letters < _SMALLEST_LETTERS:
        return
    head, foot = ImageFont.load_default(letters * 0.82), ImageFont.load_default(letters * 0.8)
    words = _fitting(plain(excerpt(prompt)), foot, widest - letters * 1.4)
    lines = 1 if not words else 2
    wide = round(max(_spread(heading, letters), foot.getlength(words)) + letters * 1.4)
    high = round(letters * (0.75 + 1.05 * lines))
    if high > picture.height:
        words, high = "", round(letters * 1.8)
    if centred:
        x, y = (picture.width - wide) // 2, (picture.height - high) // 2
    else:
        x, y = margin, picture.height - margin - high
    _plate(picture, (x, y, x + wide, y + high), letters * 0.45)
    pen = ImageDraw.Draw(picture)
    at = x + letters * 0.7
    line = y + letters * 0.42
    for letter in heading:
        pen.text((at, line), letter, fill="white", font=head, stroke_width=letters / 60, stroke_fill="white")
        at += head.getlength(letter) + letters * 0.16
    pen.text((x + letters * 0.7, line + letters * 1.02), words, fill=(222, 226, 235), font=foot)


def _strip(gradient: Gradient, size: Size) -> Image.Image:
    width, height = size
    column = Image.new("RGB", (1, height))
    last = max(1, height - 1)
    column.putdata([mix(gradient.top, gradient.bottom, y / last) for y in range(height)])
    return column.resize((width, height), Image.Resampling.NEAREST)


def _glow(picture: Image.Image, sun: Sun) -> None:
    reach = sun.radius * 4.2
    around = Image.radial_gradient("L").resize((max(1, round(2 * reach)),) * 2, Image.Resampling.BILINEAR)
    light = around.point([round(max(0.0, 1 - value / 180) ** 1.5 * 190) for value in range(256)])
    picture.paste(sun.color, _corner(sun.center, reach), light)


def _disc(picture: Image.Image, sun: Sun) -> None:
    side = 2 * max(1, round(sun.radius)) + 4
    disc = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(disc).ellipse((8, 8, 4 * side - 9, 4 * side - 9), fill=255)
    picture.paste(sun.color, _corner(sun.center, side / 2), disc.reduce(4))


def _bird(picture: Image.Image, bird: Triple, ink: RGB) -> None:
    (left, _), (x, y), (right, _) = bird
    side = 2 * round(right - left) + 2
    pane = Image.new("L", (4 * side, 4 * side))
    line = [(4 * (px - x + side / 2), 4 * (py - y + side / 2)) for px, py in bird]
    ImageDraw.Draw(pane).line(line, fill=255, width=max(4, min(picture.size) // 85), joint="curve")
    picture.paste(ink, _corner((x, y), side / 2), pane.reduce(4))


def _corner(center: Point, reach: float) -> tuple[int, int]:
    return round(center[0] - reach), round(center[1] - reach)


def _hill(picture: Image.Image, ridge: Ridge) -> None:
    """Fill all below a ridge; only the rows that its outline and trees cross are drawn fine."""
    width, height = picture.size
    levels = [y for _, y in ridge.outline] + [peak[1] for _, peak, _ in ridge.trees]
    top, low = max(0, int(min(levels)) - 1), min(height, int(max(levels)) + 2)
    if top >= low:
        return
    shape = Image.new("L", (width * _FINE, (low - top) * _FINE))
    pen = ImageDraw.Draw(shape)
    ground = (*ridge.outline, (width, height + 1.0), (0.0, height + 1.0))
    for polygon in (ground, *ridge.trees):
        pen.polygon([(x * _FINE, (y - top) * _FINE) for x, y in polygon], fill=255)
    mask = Image.new("L", (width, height - top), 255)
    mask.paste(shape.reduce(_FINE))
    picture.paste(_strip(ridge.fill, mask.size), (0, top), mask)


def _plate(picture: Image.Image, box: Box, radius: float) -> None:
    """Lay a dark pane under the letters."""
    left, top, right, bottom = box
    pane = Image.new("L", (4 * (right - left), 4 * (bottom - top)))
    ImageDraw.Draw(pane).rounded_rectangle((0, 0, pane.width - 1, pane.height - 1), 4 * radius, fill=170)
    picture.paste(_NIGHT, (left, top), pane.reduce(4))


def _spread(text: str, letters: float) -> float:
    font = ImageFont.load_default(letters * 0.82)
    return sum(font.getlength(letter) + letters * 0.16 for letter in text)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, widest: float) -> str:
    """Shorten a text until it is at most `widest` pixels; "" where no word of it is left."""
    while text and font.getlength(text) > widest:
        text = text.removesuffix("…")[:-1].rstrip()
        text = f"{text}…" if len(text) > 3 else ""  # noqa: PLR2004 - less than that says nothing
    return text
