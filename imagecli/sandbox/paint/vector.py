"""Scenes as SVG."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from imagecli.sandbox.paint.scene import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imagecli.images.types import Size
    from imagecli.sandbox.paint.colors import RGB
    from imagecli.sandbox.paint.scene import Gradient, Point, Scene


def draw_svg(scene: Scene, prompt: str) -> bytes:
    """Return a scene as an SVG document, with its label."""
    width, height = scene.size
    sun, (x, y) = scene.sun, scene.sun.center
    stop = f'stop-color="{_hex(sun.color)}" stop-opacity='
    defs = [
        _gradient("sky", scene.sky),
        f'<radialGradient id="glow"><stop offset="0" {stop}".75"/><stop offset="1" {stop}"0"/></radialGradient>',
    ]
    shapes = [
        f'<rect width="{width}" height="{height}" fill="url(#sky)"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{sun.radius * 3.4:.1f}" fill="url(#glow)"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{sun.radius:.1f}" fill="{_hex(sun.color)}"/>',
    ]
    thin = f'fill="none" stroke="{_hex(scene.ink)}" stroke-width="{min(scene.size) / 340:.1f}"'
    shapes += [f'<polyline points="{_points(bird)}" {thin}/>' for bird in scene.birds]
    for i, ridge in enumerate(scene.ridges):
        defs.append(_gradient(f"hill{i}", ridge.fill))
        ground = (*ridge.outline, (float(width), float(height)), (0.0, float(height)))
        parts = " ".join(f"M{_points(part)}Z" for part in (ground, *ridge.trees))
        shapes.append(f'<path d="{parts}" fill="url(#hill{i})"/>')
    return _document(scene.size, (f"<defs>{''.join(defs)}</defs>", *shapes, *_label(scene.size, prompt)))


def wrap_png(png: bytes, size: Size) -> bytes:
    """Return an SVG document that holds nothing but a PNG."""
    width, height = size
    data = b64encode(png).decode()
    return _document(size, (f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>',))


def _document(size: Size, parts: Sequence[str]) -> bytes:
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join((head, *parts, "</svg>\n")).encode("utf-8", "replace")


def _label(size: Size, prompt: str) -> tuple[str, ...]:
    letters = max(min(size) / 24, 11.0)
    words = excerpt(prompt)
    x, y = min(size) / 24, size[1] - min(size) / 24
    wide, high = letters * max(6.5, 0.44 * len(words) + 1.4), letters * 2.85
    font = f'font-family="Helvetica, Arial, sans-serif" font-size="{letters * 0.8:.1f}"'
    place = f'x="{x:.1f}" y="{y - high:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{letters * 0.45:.1f}"'
    begin, first, second = x + letters * 0.7, y - high + letters * 1.15, y - high + letters * 2.2
    bold = f'{font} font-weight="bold" letter-spacing="{letters * 0.14:.1f}"'
    return (
        f'<rect {place} fill="#12141e" fill-opacity=".67"/>',
        f'<text x="{begin:.1f}" y="{first:.1f}" {bold} fill="#fff">SANDBOX</text>',
        f'<text x="{begin:.1f}" y="{second:.1f}" {font} fill="#dee2eb">{escape(words)}</text>',
    )


def _gradient(name: str, gradient: Gradient) -> str:
    ends = f'<stop stop-color="{_hex(gradient.top)}"/><stop offset="1" stop-color="{_hex(gradient.bottom)}"/>'
    return f'<linearGradient id="{name}" x2="0" y2="1">{ends}</linearGradient>'


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _hex(color: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
