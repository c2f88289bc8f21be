"""Mask files that can only be slips, or probably are: nothing here changes what a mask opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageStat

from imagecli.errors import UsageProblem
from imagecli.images.colour import flatten
from imagecli.images.mask_file import highest, opens_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imagecli.images.reading import InputImage

_LOOK = 512
"""Colours are judged on a copy of at most this many pixels a side."""
_NEARLY_ALL = 0.9
_COLOURED = 48
"""Channels that differ by more make a pixel coloured …"""
_COLOURED_SHARE = 0.02
"""… and so large a share of coloured pixels the mask."""
_FLAT = 48
"""The values of paint in one colour differ by no more; its soft edge is not looked at."""
_DARK = 64
_OPAQUE = 200
_FAINT = 128
_SAME = 40
"""Two images show the same if no value differs by more: that is what lossy formats and scaling do."""


def slips(mask: InputImage, image: InputImage, opened: Image.Image, *, by_alpha: bool) -> tuple[str, ...]:
    """Return warnings about a mask file that opens `opened`.

    Args:
        mask: the file.
        image: the input that it belongs to.
        opened: what it opens, an L image of 0 and 255.
        by_alpha: whether its alpha decides that.

    Raises:
        UsageProblem: it is the input itself, without anything transparent.
    """
    look = _small(mask)
    if not by_alpha and _is_same(look, image):
        raise UsageProblem(
            "the mask shows the same as the image, and nothing in it is transparent",
            hint="Paint what should change white and the rest black, or use --mask-rect.",
        )
    share = ImageStat.Stat(opened).mean[0] / 255
    return tuple(_of_alpha(look, share) if by_alpha else _of_grey(look, share))


def _of_alpha(look: Image.Image, share: float) -> Iterator[str]:
    alpha = look.getchannel("A")
    opaque = opens_from(_OPAQUE, alpha)
    most = highest(alpha)
    if most < _FAINT:
        yield f"what the mask closes is nearly transparent: its alpha is at most {most} of 255"
    elif share > 1 / 2 and _is_paint(look.convert("RGB"), opaque):
        yield (
            f"the mask is paint on a transparent layer, so the transparent {share:.0%} of the image will change; "
            "to change what is painted, add --mask-invert"
        )
    elif share > _NEARLY_ALL:
        yield _opens_nearly_all(share)


def _of_grey(look: Image.Image, share: float) -> Iterator[str]:
    red, green, blue = look.convert("RGB").split()
    light = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    dark = ImageChops.darker(ImageChops.darker(red, green), blue)
    coloured = ImageStat.Stat(opens_from(_COLOURED, ImageChops.subtract(light, dark))).mean[0] / 255
    if coloured > _COLOURED_SHARE:
        yield "the mask has colours, but only brightness counts: what is at least half as bright as white will change"
    if share > _NEARLY_ALL:
        yield _opens_nearly_all(share)


def _opens_nearly_all(share: float) -> str:
    return f"the mask opens {share:.0%} of the image; if that is the wrong way round, add --mask-invert"


def _is_paint(colours: Image.Image, opaque: Image.Image) -> bool:
    """Return whether the opaque part has one colour, and not a dark one."""
    if opaque.getbbox() is None:
        return False
    extrema = ImageStat.Stat(colours, opaque).extrema
    return all(high - low <= _FLAT for low, high in extrema) and max(high for _, high in extrema) > _DARK


def _is_same(look: Image.Image, image: InputImage) -> bool:
    other = _small(image)
    if abs(look.width * other.height - look.height * other.width) > max(look.size):
        return False
    difference = ImageChops.difference(look.convert("RGB"), other.convert("RGB").resize(look.size))
    return max(high for _, high in ImageStat.Stat(difference).extrema) <= _SAME


def _small(image: InputImage) -> Image.Image:
    size = image.size
    longest = max(size)
    small = flatten(image.decode((_LOOK, _LOOK))).image
    if longest <= _LOOK:
        return small
    width, height = (max(1, side * _LOOK // longest) for side in size)
    return small.resize((width, height), Image.Resampling.BOX)
