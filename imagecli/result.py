"""What came of a run: the images that are there, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagecli.dialects.request import ImageRequest
    from imagecli.errors import ImagecliError
    from imagecli.flags import Command


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One image that is there: saved under `path`, or in memory for callers from Python."""

    n: int
    """From 1, in the order of the images that were asked for."""
    path: str | None
    """As `-o` spelt it; None where nothing was written."""
    format: str | None
    """By the bytes: "png", "jpeg", "webp", "gif", "svg"."""
    width: int | None
    height: int | None
    bytes: int
    sha256: str
    revised_prompt: str | None = None
    partial: bool = False
    """Whether it is the last partial image of a stream whose finished one never came."""
    partials: tuple[str, ...] = ()
    """Where the partial images that came before it were written."""


@dataclass(slots=True)
class Result:
    """What came of a run."""

    command: Command
    profile: str
    model: str | None
    route: str | None = None
    images: list[GeneratedImage] = field(default_factory=list)
    failures: dict[int, ImagecliError] = field(default_factory=dict)
    """Image number → why it is missing."""
    partials: dict[int, list[str]] = field(default_factory=dict)
    """Image number → the files that hold its partial images, where those are saved."""
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    """What the server says that it has cost."""
    elapsed_s: float | None = None
    request_ids: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: ImagecliError | None = None
    """What decided the exit code."""
    requests: tuple[ImageRequest, ...] | None = None
    """For --dry-run: what would be sent."""
    prepared: dict[str, Any] | None = None
    """For `prepare`: what came in and what was done to it, as the JSON document shows it."""
    mask: dict[str, Any] | None = None
    """For --mask-preview: what would be edited, as the JSON document shows it."""
