"""What came of a run: the images that are there, and why the others are not."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError
    from imagecli.flags.row import Command
    from imagecli.models.cost import Estimate

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class GeneratedImage(NamedTuple):
    """One image that is there: saved under `path`, or in memory for callers from Python."""

    n: int
    """From 1, in the order of the images that were asked for."""
    path: str | None
    """As `-o` spelt it; None where nothing was written."""
    format: str | None
    """By the bytes: "png", "jpeg", "webp", "gif", "svg", "avif", "heic"."""
    width: int | None
    """Pixels."""
    height: int | None
    """Pixels."""
    bytes: int
    sha256: str
    revised_prompt: str | None = None
    cached: bool = False
    """Whether it came out of the cache."""
    partial: bool = False
    """Whether it is the last partial image of a stream whose finished image never came."""
    partials: tuple[str, ...] = ()
    """Where the partial images that came before it were saved."""
    delivered: tuple[int, int] | None = None
    """Width and height as the server sent it, in pixels; None: not known, or not sent now."""
    unfinished: str = ""
    """Why it is as the server sent it, where something was to be done to it (undoing a fit, resizing)."""
    measured: bool = False
    """Whether a mask went along, so that what it did was measured."""
    ignores_mask: bool = False
    """Whether that mask seems to have had no effect."""
    outside_changed: float | None = None
    """The share of the pixels outside the mask that changed, 0 to 1, before --keep puts them back; None: not known."""
    embedded: bool | None = None
    """Whether the request was written into it; None: that was not asked for."""
    sidecar: str | None = None
    """The file beside it that says what made it."""
    also: tuple[GeneratedImage, ...] = ()
    """The same image in further sizes."""
    shortfall: ImagecliError | None = None
    """Why it is not all that was asked for, though it is saved."""


class Result(NamedTuple):
    """What came of a run, whichever way it ended."""

    command: Command | Literal["recover"]
    profile: str | None
    model: str | None
    route: str | None = None
    """The endpoint; None where nothing was sent."""
    images: tuple[GeneratedImage, ...] = ()
    failures: Mapping[int, ImagecliError] = _NOTHING
    """Image number → why it is missing."""
    partials: Mapping[int, tuple[str, ...]] = _NOTHING
    """Image number → the files that hold its partial images, where those are saved."""
    usage: Mapping[str, Any] | None = None
    """What the server counted, summed over all requests."""
    svg_usage: Mapping[str, Any] | None = None
    """The same of what wrote SVG images, which is counted, and billed, apart."""
    cost_usd: float | None = None
    """What it has cost; None where that is not known."""
    cost_source: str | None = None
    """How that is known: "server", "usage" or "price"."""
    elapsed_s: float | None = None
    request_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: ImagecliError | None = None
    """What decided the exit code."""
    requests: tuple[ImageRequest, ...] | None = None
    """For --dry-run: what would be sent."""
    cached_requests: tuple[int, ...] = ()
    """For --dry-run: which of these the cache has a response to, from 0."""
    cost_estimate: Estimate | None = None
    """For --dry-run: what that would cost; None where that is not known."""
    prepared: Mapping[str, Any] | None = None
    """For `prepare`: the input and what was done to it, as the JSON document shows it."""
    mask: Mapping[str, Any] | None = None
    """For --mask-preview: what would be edited, as the JSON document shows it."""
    sheet: GeneratedImage | None = None
    """For --grid: the contact sheet's first page, with the others in `also`."""
