"""Images and scenes as files: PNG, JPEG, WebP, GIF and SVG."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from imagecli.sandbox.paint.scene import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagecli.images.types import Size
    from imagecli.sandbox.paint.colours import RGB
    from imagecli.sandbox.paint.scene import Gradient, Point, Scene

_RLE = 3
"""zlib's run-length strategy: fast, and no larger for such images."""
_BEST_JPEG = 95
"""The highest quality that Pillow recommends: more only makes the file larger."""


def encode(frames: Sequence[Image.Image], kind: str, *, compression: int = 100, frame_ms: int = 200) -> bytes:
    """Return the bytes of a PNG, JPEG, WebP or GIF; only a GIF contains more than the first frame.

    `compression` is the API's: the quality of a JPEG or WebP, 0 to 100. `frame_ms` is how long a GIF shows each frame.
    """
    first = frames[0]
    file = BytesIO()
    if kind == "jpeg":
        flatten(first).save(file, "JPEG", quality=max(1, min(compression, _BEST_JPEG)), subsampling=0)
    elif kind == "webp":
        first.save(file, "WEBP", quality=compression, method=1, exact=True)
    elif kind == "gif":
        first, *more = (flatten(frame).quantize(128, method=Image.Quantize.FASTOCTREE) for frame in frames)
        animation = {"save_all": True, "append_images": more, "duration": frame_ms, "loop": 0}
        first.save(file, "GIF", **(animation if more else {}))
    else:
        first.save(file, "PNG", compress_type=_RLE)
    return file.getvalue()


def flatten(image: Image.Image) -> Image.Image:
    """Return an image as RGB, on white where it is transparent."""
    if image.mode == "RGB":
        return image
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def write_svg(scene: Scene, prompt: str) -> bytes:
    """Return a scene as an SVG document, with its label."""
    width, height = scene.size
    sun, (x, y) = scene.sun, scene.sun.centre
    stop = f'stop-color="{_hex(sun.colour)}" stop-opacity='
    defs = [
        _gradient_element("sky", scene.sky),
        f'<radialGradient id="glow"><stop offset="0" {stop}".75"/><stop offset="1" {stop}"0"/></radialGradient>',
    ]
    shapes = [
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{sun.radius * 3.4:.1f}" fill="url(#glow)"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{sun.radius:.1f}" fill="{_hex(sun.colour)}"/>',
    ]
    stroke = f'fill="none" stroke="{_hex(scene.ink)}" stroke-width="{min(scene.size) / 340:.1f}"'
    shapes += [f'<polyline points="{_points(bird)}" {stroke}/>' for bird in scene.birds]
    for i, ridge in enumerate(scene.ridges):
        defs.append(_gradient_element(f"hill{i}", ridge.fill))
        ground = (*ridge.outline, (float(width), float(height)), (0.0, float(height)))
        paths = " ".join(f"M{_points(part)}Z" for part in (ground, *ridge.trees))
        shapes.append(f'<path d="{paths}" fill="url(#hill{i})"/>')
    return _svg_document(scene.size, (f"<defs>{''.join(defs)}</defs>", *shapes, *_label_elements(scene.size, prompt)))


def wrap_png(png: bytes, size: Size) -> bytes:
    """Return an SVG document whose only element is a PNG."""
    width, height = size
    data = b64encode(png).decode()
    return _svg_document(size, (f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>',))


def _svg_document(size: Size, elements: Sequence[str]) -> bytes:
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join((head, *elements, "</svg>\n")).encode("utf-8", "replace")


def _label_elements(size: Size, prompt: str) -> tuple[str, ...]:
    letters = max(min(size) / 24, 11.0)
    words = shorten(prompt)
    x, y = min(size) / 24, size[1] - min(size) / 24
    wide, high = letters * max(6.5, 0.44 * len(words) + 1.4), letters * 2.85
    font = f'font-family="Helvetica, Arial, sans-serif" font-size="{letters * 0.8:.1f}"'
    place = f'x="{x:.1f}" y="{y - high:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{letters * 0.45:.1f}"'
    left, first, second = x + letters * 0.7, y - high + letters * 1.15, y - high + letters * 2.2
    bold = f'{font} font-weight="bold" letter-spacing="{letters * 0.14:.1f}"'
    return (
        f'<rect {place} fill="#12141e" fill-opacity=".67"/>',
        f'<text x="{left:.1f}" y="{first:.1f}" {bold} fill="#fff">SANDBOX</text>',
        f'<text x="{left:.1f}" y="{second:.1f}" {font} fill="#dee2eb">{escape(words, quote=False)}</text>',
    )


def _gradient_element(name: str, gradient: Gradient) -> str:
    stops = f'<stop stop-color="{_hex(gradient.top)}"/><stop offset="1" stop-color="{_hex(gradient.bottom)}"/>'
    return f'<linearGradient id="{name}" x2="0" y2="1">{stops}</linearGradient>'


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
