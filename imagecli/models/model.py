"""What one model takes, and how a value is held against it.

It is advice: `Model.judge` separates the values that are listed from those that are merely not listed (they are sent,
with a warning) and those that are certain to fail.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from imagecli.images.types import InputRules, Size, parse_size
from imagecli.text import named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imagecli.flags.row import Verdict

    FreeSize = Mapping[str, Any]


class Model(NamedTuple):
    """One model's row of the catalogue."""

    family: str
    """ "dall-e", "gpt-image", or "" for a model that is not listed."""
    endpoints: tuple[str, ...]
    inputs: InputRules
    """What an input image must be."""
    shapes: Mapping[str, str]
    """The model's own sizes for square, landscape and portrait."""
    values: Mapping[str, tuple[str, ...]] = {}
    """What a field of the request takes, under the flag's name; empty: the model does not have the field. A field
    that is not here takes anything."""
    closed: frozenset[str] = frozenset()
    """Fields for which any unlisted value is certain to fail; in others an unlisted value is sent, with a warning."""
    max_count: int = 10
    """The most images in a request."""
    max_inputs: int = 16
    max_prompt_chars: int | None = None
    free_size: FreeSize | None = None
    """The limits within which any WxH is taken; the listed sizes are then examples."""
    grid: Mapping[str, int] = {}
    """How finely an image is drawn, by quality: tokens along its longer side. Empty: that is not known."""
    grid_of: str | None = None
    """The older model that the grid is taken from, where the model's own is not known."""
    drawn: Mapping[str, Mapping[str, int]] = {}
    """The tokens of an image without a grid, by quality and size."""
    price: float | None = None
    """USD for an image, from the config file."""
    tokens: Mapping[str, float] | None = None
    """USD per million tokens, from the config file, under the names of `PriceRow.tokens`."""
    shutdowns: Mapping[str, date] = {}
    """When a provider turned the model off, or will: by the provider's name (`Profile.provider`)."""
    successor: str | None = None
    """The model that OpenAI recommends in its place."""
    known: bool = True
    """Whether it is in the catalogue."""
    name: str | None = None
    """As it is sent; None: the field is left out."""

    def judge(self, name: str, value: str) -> tuple[Verdict, str]:
        """Return what is known of a value of the flag `name`, and the reason ("" if it is listed)."""
        if name == "size" and self.free_size and value != "auto":
            reason = _free_size_error(value, self.free_size)
            return ("fails", reason) if reason else ("listed", "")
        listed = self.values.get(name)
        if listed is None or value in listed:
            return "listed", ""
        verdict: Verdict = "fails" if name in self.closed else "unlisted"
        what = name.replace("_", "-")
        if not listed:
            return verdict, f"{self.name} takes no --{what}"
        *others, last = listed
        choice = f"{', '.join(others)} or {last}" if others else last
        return verdict, f"{self.name} takes {what} {choice}, not {named(value)}"

    @property
    def lists_formats(self) -> bool:
        """Whether it is known that the model can be asked for a format."""
        return "format" in self.values

    def takes_format(self, value: str) -> bool:
        """Return whether the model takes this output format; one that is not listed takes all."""
        listed = self.values.get("format")
        return listed is None or value in listed

    def nearest_size(self, canvas: Size, *, covering: bool = False) -> str:
        """Return the size nearest to a canvas: in shape first, then one that does not enlarge the result.

        With `covering`, one that is not smaller either way comes before one that is nearer.
        """
        if self.free_size:
            return _nearest_free_size(canvas, self.free_size, covering=covering)
        listed = [size for text in (*self.values.get("size", ()), *self.shapes.values()) if (size := parse_size(text))]

        def distance(size: Size) -> tuple[bool, float, bool, int]:
            shape = abs(math.log(size[0] * canvas[1] / (size[1] * canvas[0])))
            smaller = covering and not _covers(size, canvas)
            return smaller, round(shape, 6), size[0] < canvas[0], abs(size[0] - canvas[0])

        width, height = min(listed, key=distance)
        return f"{width}x{height}"

    def count_per_request(self, output_format: str | None) -> int:
        """Return how many images one request may ask for."""
        return 1 if output_format == "svg" and self.known else self.max_count


def _free_size_error(text: str, limits: FreeSize) -> str:
    """Return what is wrong with a free size, "" if nothing is."""
    size = parse_size(text)
    if size is None:
        return f"a size is WIDTHxHEIGHT in pixels, not {named(text)}"
    width, height = size
    low, high = limits["pixels"]
    if width % limits["multiple"] or height % limits["multiple"]:
        return f"width and height must be multiples of {limits['multiple']}, and {text} is not"
    if max(size) > limits["long_edge"]:
        return f"the longer side must be at most {limits['long_edge']} pixels, and {text} is longer"
    if max(size) > limits["ratio"] * min(size):
        return f"the sides' ratio must be at most {limits['ratio']}:1, and that of {text} is more"
    if not low <= width * height <= high:
        return f"an image must have {low:,} to {high:,} pixels, and {text} has {width * height:,}"
    return ""


def _covers(size: Size, canvas: Size) -> bool:
    return size[0] >= canvas[0] and size[1] >= canvas[1]


def _nearest_free_size(canvas: Size, limits: FreeSize, *, covering: bool) -> str:
    """Return the free size with a canvas's shape and, within the limits, its number of pixels."""
    step, (low, high) = limits["multiple"], limits["pixels"]
    ratio = min(limits["ratio"], max(1 / limits["ratio"], canvas[0] / canvas[1]))
    most = min(high, limits["long_edge"] ** 2 * min(ratio, 1 / ratio))
    # A canvas too long for the ratio is covered by one that is as long, and wider.
    width, height = (max(canvas[0], canvas[1] * ratio), max(canvas[1], canvas[0] / ratio)) if covering else canvas
    pixels = max(low, min(most, width * height))
    wide = math.sqrt(pixels * ratio)
    # Rounding may exceed the limits, so the sizes around it are tried.
    around = [
        (step * (int(wide / step) + across), step * (int(wide / ratio / step) + down))
        for across in range(-1, 3)
        for down in range(-1, 3)
    ]
    allowed = [size for size in around if min(size) > 0 and not _free_size_error(f"{size[0]}x{size[1]}", limits)]
    covers = [size for size in allowed if _covers(size, canvas)] if covering else []
    width, height = min(
        covers or allowed,
        # Another shape means padding, another number of pixels only scaling.
        key=lambda size: 8 * abs(math.log(size[0] / size[1] / ratio)) + abs(math.log(size[0] * size[1] / pixels)),
    )
    return f"{width}x{height}"
