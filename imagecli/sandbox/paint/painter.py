"""Scenes as pixels, and the label on them. The same arguments always give the same pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from imagecli.sandbox.paint.colours import mix
from imagecli.sandbox.paint.scene import compose, derive_seed, make_drawable, shorten

if TYPE_CHECKING:
    from imagecli.images.types import Box, Size
    from imagecli.sandbox.paint.colours import RGB
    from imagecli.sandbox.paint.scene import Gradient, Point, Ridge, Scene, Sun, Triple

_FINE = 2
"""The factor by which an outline is drawn larger, to be scaled down for smooth edges."""
_SMALLEST_LETTERS = 7
_NIGHT = (18, 20, 30)


def paint(  # noqa: PLR0913 - all that a request may choose
    prompt: str,
    size: Size,
    n: int = 0,
    *,
    quality: str = "auto",
    style: str | None = None,
    complexity: str | None = None,
    transparent: bool = False,
    frames: int = 1,
) -> list[Image.Image]:
    """Paint an image, and return its frames: a single one unless more are requested.

    `n` counts the images of a request from 0. Frames are RGB, or RGBA without a sky if `transparent`.
    """
    scene = compose(prompt, size, derive_seed(prompt, n), quality=quality, style=style, complexity=complexity)
    images = [draw(scene.at(i / frames), transparent=transparent) for i in range(frames)]
    for image in images:
        label(image, prompt)
    return images


def draw(scene: Scene, *, transparent: bool = False) -> Image.Image:
    """Draw a scene, without a label."""
    image = _make_gradient(scene.sky, scene.size)
    if transparent:
        image.putalpha(0)
    else:
        _draw_glow(image, scene.sun)
    _draw_sun(image, scene.sun)
    for bird in scene.birds:
        _draw_bird(image, bird, scene.ink)
    for ridge in scene.ridges:
        _draw_ridge(image, ridge)
    return image


def label(image: Image.Image, prompt: str, *, centred: bool = False) -> None:
    """Write SANDBOX and the beginning of a prompt on an image, bottom left or `centred`; tiny images get no label."""
    short = min(image.size)
    margin = short // 24
    letters = max(short / 24, 11.0)
    widest = image.width - 2 * margin
    heading = "SANDBOX"
    heading_width = _text_width(heading, letters) + letters
    if heading_width > widest:
        letters *= widest / heading_width
    if letters < _SMALLEST_LETTERS:
        return
    head, foot = ImageFont.load_default(letters * 0.82), ImageFont.load_default(letters * 0.8)
    words = _fit(make_drawable(shorten(prompt)), foot, widest - letters * 1.4)
    lines = 1 if not words else 2
    wide = round(max(_text_width(heading, letters), foot.getlength(words)) + letters * 1.4)
    high = round(letters * (0.75 + 1.05 * lines))
    if high > image.height:
        words, high = "", round(letters * 1.8)
    if centred:
        x, y = (image.width - wide) // 2, (image.height - high) // 2
    else:
        x, y = margin, image.height - margin - high
    _draw_plate(image, (x, y, x + wide, y + high), letters * 0.45)
    pen = ImageDraw.Draw(image)
    at = x + letters * 0.7
    line = y + letters * 0.42
    for letter in heading:
        pen.text((at, line), letter, fill="white", font=head, stroke_width=letters / 60, stroke_fill="white")
        at += head.getlength(letter) + letters * 0.16
    pen.text((x + letters * 0.7, line + letters * 1.02), words, fill=(222, 226, 235), font=foot)


def _make_gradient(gradient: Gradient, size: Size) -> Image.Image:
    width, height = size
    column = Image.new("RGB", (1, height))
    last = max(1, height - 1)
    column.putdata([mix(gradient.top, gradient.bottom, y / last) for y in range(height)])
    return column.resize((width, height), Image.Resampling.NEAREST)


def _draw_glow(image: Image.Image, sun: Sun) -> None:
    reach = sun.radius * 4.2
    around = Image.radial_gradient("L").resize((max(1, round(2 * reach)),) * 2, Image.Resampling.BILINEAR)
    light = around.point([round(max(0.0, 1 - value / 180) ** 1.5 * 190) for value in range(256)])
    image.paste(sun.colour, _top_left(sun.centre, reach), light)


def _draw_sun(image: Image.Image, sun: Sun) -> None:
    side = 2 * max(1, round(sun.radius)) + 4
    disc = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(disc).ellipse((8, 8, 4 * side - 9, 4 * side - 9), fill=255)
    image.paste(sun.colour, _top_left(sun.centre, side / 2), disc.reduce(4))


def _draw_bird(image: Image.Image, bird: Triple, ink: RGB) -> None:
    (left, _), (x, y), (right, _) = bird
    side = 2 * round(right - left) + 2
    pane = Image.new("L", (4 * side, 4 * side))
    line = [(4 * (px - x + side / 2), 4 * (py - y + side / 2)) for px, py in bird]
    ImageDraw.Draw(pane).line(line, fill=255, width=max(4, min(image.size) // 85), joint="curve")
    image.paste(ink, _top_left((x, y), side / 2), pane.reduce(4))


def _top_left(centre: Point, reach: float) -> tuple[int, int]:
    return round(centre[0] - reach), round(centre[1] - reach)


def _draw_ridge(image: Image.Image, ridge: Ridge) -> None:
    """Fill everything below a ridge's outline; only the rows that the outline and trees cross are drawn enlarged."""
    width, height = image.size
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
    image.paste(_make_gradient(ridge.fill, mask.size), (0, top), mask)


def _draw_plate(image: Image.Image, box: Box, radius: float) -> None:
    """Darken a rounded box, for white letters on it."""
    left, top, right, bottom = box
    pane = Image.new("L", (4 * (right - left), 4 * (bottom - top)))
    ImageDraw.Draw(pane).rounded_rectangle((0, 0, pane.width - 1, pane.height - 1), 4 * radius, fill=170)
    image.paste(_NIGHT, (left, top), pane.reduce(4))


def _text_width(text: str, letters: float) -> float:
    font = ImageFont.load_default(letters * 0.82)
    return sum(font.getlength(letter) + letters * 0.16 for letter in text)


def _fit(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, widest: float) -> str:
    """Shorten a text to at most `widest` pixels; "" if too little is left."""
    while text and font.getlength(text) > widest:
        text = text.removesuffix("…")[:-1].rstrip()
        text = f"{text}…" if len(text) > 3 else ""  # noqa: PLR2004 - fewer letters are not worth drawing
    return text
