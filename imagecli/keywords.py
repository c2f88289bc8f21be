"""The keyword arguments of `ImageClient`'s methods, for editors and type checkers: the flags by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

# Written by tools/options.py from the table in flags/, from here to the end.


class GenOptions(TypedDict, total=False):
    """The keyword arguments of `ImageClient.generate` and `generate_stream`, all optional."""

    resize: str
    """Save the image at exactly this size: crop the middle, then scale."""

    also: Sequence[str]
    """Save it at this size too, as NAME.WxH.EXT; repeatable."""

    embed: bool | Literal["force"]
    """Write the request into the image's file, whose pixels stay; =force: into a signed one too [off]."""

    model: str
    """The model; any name is accepted."""

    count: int
    """How many images, 1 to 10 [1]."""

    size: str
    """WxH, auto, square, landscape or portrait."""

    quality: str
    """low, medium, high, …; standard or hd."""

    format: Literal["png", "jpeg", "webp", "gif", "svg"]
    """png, jpeg, webp, gif or svg."""

    compression: int
    """How much a jpeg or webp is compressed."""

    background: str
    """transparent, opaque or auto."""

    moderation: str
    """auto or low."""

    style: str
    """vivid or natural (dall-e-3)."""

    input_fidelity: str
    """How closely inputs are followed: high or low."""

    response_format: Literal["url", "b64_json"]
    """url or b64_json, for servers that offer both."""

    partials: int
    """Stream, with this many partial images before the final one."""

    frames: int
    """How many frames a gif has."""

    frame_ms: int
    """How long a gif shows each frame."""

    complexity: str
    """How detailed an svg is: low, medium or high."""

    safety_identifier: str
    """Your end user's id, for the provider's policy."""

    seed: int
    """The same seed makes the same image, if the server takes seeds."""

    negative: str
    """What the image should not show, if the server takes it."""

    verbatim: bool
    """Ask dall-e-3 not to rewrite the prompt [off]."""

    jobs: int
    """How many requests at once [4]."""

    cache: bool
    """Keep responses, so that the same request costs nothing again [off]."""

    cache_only: bool
    """Send nothing: take what the cache has; needs no key and no network [off]."""

    cache_dir: str
    """The folder of the cache [imagecli's own]."""

    max_cost: float
    """The most that this run may cost, by estimate."""


class EditOptions(TypedDict, total=False):
    """The keyword arguments of `ImageClient.edit` and `edit_stream`, all optional."""

    resize: str
    """Save the image at exactly this size: crop the middle, then scale."""

    also: Sequence[str]
    """Save it at this size too, as NAME.WxH.EXT; repeatable."""

    embed: bool | Literal["force"]
    """Write the request into the image's file, whose pixels stay; =force: into a signed one too [off]."""

    model: str
    """The model; any name is accepted."""

    count: int
    """How many images, 1 to 10 [1]."""

    size: str
    """WxH, auto, square, landscape or portrait."""

    quality: str
    """low, medium, high, …; standard or hd."""

    format: Literal["png", "jpeg", "webp", "gif", "svg"]
    """png, jpeg, webp, gif or svg."""

    compression: int
    """How much a jpeg or webp is compressed."""

    background: str
    """transparent, opaque or auto."""

    moderation: str
    """auto or low."""

    style: str
    """vivid or natural (dall-e-3)."""

    input_fidelity: str
    """How closely inputs are followed: high or low."""

    response_format: Literal["url", "b64_json"]
    """url or b64_json, for servers that offer both."""

    partials: int
    """Stream, with this many partial images before the final one."""

    frames: int
    """How many frames a gif has."""

    frame_ms: int
    """How long a gif shows each frame."""

    complexity: str
    """How detailed an svg is: low, medium or high."""

    safety_identifier: str
    """Your end user's id, for the provider's policy."""

    seed: int
    """The same seed makes the same image, if the server takes seeds."""

    negative: str
    """What the image should not show, if the server takes it."""

    mask_rect: Sequence[str]
    """Edit inside this box, in pixels or %; repeatable."""

    mask_ellipse: Sequence[str]
    """Edit inside the ellipse in this box; -X, -Y: from the right, the bottom."""

    mask_color: Sequence[str]
    """Edit where the image has this colour; repeatable [:32]."""

    mask_invert: bool
    """Edit everywhere else instead [off]."""

    mask_feather: int
    """How far the edge of the mask fades out [0]."""

    expand: Sequence[str]
    """Outpaint: left, top, right, bottom or all; repeatable."""

    fit: Literal["pad", "crop", "stretch"]
    """How an input is made square: pad, crop or stretch."""

    restore: Literal["none", "aspect", "size"]
    """Undo that on the result: none, aspect or size [aspect if padded]."""

    keep: bool
    """Change nothing outside the mask [on for masks made by flags]."""

    keep_metadata: bool
    """Leave location, camera and author in the file [off]."""

    max_pixels: int
    """How many pixels an input may have [about 179 million]."""

    jobs: int
    """How many requests at once [4]."""

    cache: bool
    """Keep responses, so that the same request costs nothing again [off]."""

    cache_only: bool
    """Send nothing: take what the cache has; needs no key and no network [off]."""

    cache_dir: str
    """The folder of the cache [imagecli's own]."""

    max_cost: float
    """The most that this run may cost, by estimate."""


class VaryOptions(TypedDict, total=False):
    """The keyword arguments of `ImageClient.vary`, all optional."""

    resize: str
    """Save the image at exactly this size: crop the middle, then scale."""

    also: Sequence[str]
    """Save it at this size too, as NAME.WxH.EXT; repeatable."""

    embed: bool | Literal["force"]
    """Write the request into the image's file, whose pixels stay; =force: into a signed one too [off]."""

    model: str
    """The model; any name is accepted."""

    count: int
    """How many images, 1 to 10 [1]."""

    size: str
    """WxH, auto, square, landscape or portrait."""

    quality: str
    """low, medium, high, …; standard or hd."""

    format: Literal["png", "jpeg", "webp", "gif", "svg"]
    """png, jpeg, webp, gif or svg."""

    compression: int
    """How much a jpeg or webp is compressed."""

    background: str
    """transparent, opaque or auto."""

    moderation: str
    """auto or low."""

    style: str
    """vivid or natural (dall-e-3)."""

    input_fidelity: str
    """How closely inputs are followed: high or low."""

    response_format: Literal["url", "b64_json"]
    """url or b64_json, for servers that offer both."""

    partials: int
    """Stream, with this many partial images before the final one."""

    frames: int
    """How many frames a gif has."""

    frame_ms: int
    """How long a gif shows each frame."""

    complexity: str
    """How detailed an svg is: low, medium or high."""

    safety_identifier: str
    """Your end user's id, for the provider's policy."""

    seed: int
    """The same seed makes the same image, if the server takes seeds."""

    negative: str
    """What the image should not show, if the server takes it."""

    fit: Literal["pad", "crop", "stretch"]
    """How an input is made square: pad, crop or stretch."""

    restore: Literal["none", "aspect", "size"]
    """Undo that on the result: none, aspect or size [aspect if padded]."""

    keep_metadata: bool
    """Leave location, camera and author in the file [off]."""

    max_pixels: int
    """How many pixels an input may have [about 179 million]."""

    jobs: int
    """How many requests at once [4]."""

    cache: bool
    """Keep responses, so that the same request costs nothing again [off]."""

    cache_only: bool
    """Send nothing: take what the cache has; needs no key and no network [off]."""

    cache_dir: str
    """The folder of the cache [imagecli's own]."""

    max_cost: float
    """The most that this run may cost, by estimate."""
