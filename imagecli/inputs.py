"""What the command line names, read: the prompt, the input images, the mask and the markup."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, NamedTuple

from imagecli.errors import UsageProblem
from imagecli.text import KEY_PLACE, holds_key, may_be_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.flags.row import Command
    from imagecli.images.reading import InputImage
    from imagecli.options import Options

STDIO = "-"
MOST_PROMPT = 1 << 20
"""The longest prompt of a file, in bytes."""


class Inputs(NamedTuple):
    """What a request is made from besides its options."""

    prompt: str | None = None
    """None where the command has none: `vary`, and a preview of a mask."""
    images: tuple[InputImage, ...] = ()
    mask: InputImage | None = None
    markup: InputImage | None = None


class Remake(NamedTuple):
    """What --like stands for; without it, the PROMPT and IMAGE that were typed."""

    values: Mapping[str, object]
    """Setting → value; what is typed goes before them, and they before all others."""
    prompt: str | None = None
    image: str | None = None
    """The path of the first input."""
    host: str | None = None
    """Where the request went, if nothing that was typed says where this one goes."""
    warnings: tuple[str, ...] = ()


def read_inputs(command: Command, options: Options, *, image: str | None, prompt: str | None) -> Inputs:
    """Read the prompt and the images that IMAGE, PROMPT and the options name.

    Raises:
        UsageProblem: one is missing, can't be read, or standard input is asked for twice.
    """
    if command != "gen" and image is None:
        raise UsageProblem("IMAGE is missing", hint=f"Name one: imagecli {command} photo.jpg; - reads it from stdin.")
    if prompt is not None and options.prompt_file.typed:
        raise UsageProblem("PROMPT and --prompt-file can't be used together", hint="Leave one of them out.")
    prompt_file = options.prompt_file.value if prompt is None else None
    needs_prompt = command != "vary" and options.mask_preview.value is None
    if needs_prompt and prompt is None and prompt_file is None:
        if image is not None and " " in image.strip() and not os.path.exists(image):
            raise UsageProblem(
                "IMAGE is missing", hint=f"Name one before the prompt: imagecli {command} photo.jpg PROMPT"
            )
        raise UsageProblem("PROMPT is missing", hint="Say what the image should show, or name a file with -f.")
    if prompt is not None and (holds_key(prompt) or (may_be_key(prompt) and len(prompt.split()) == 1)):
        raise UsageProblem(
            "the prompt holds what looks like a key", hint=f"{KEY_PLACE} If it is part of the prompt, use -f FILE."
        )
    mask, markup, others = options.mask.value, options.markup.value, options.image.value or ()
    from_stdin = [name for name in (prompt, prompt_file, image, mask, markup, *others) if name == STDIO]
    if len(from_stdin) > 1:
        raise UsageProblem("- is used twice, and standard input can be read only once", hint="Name a file for one.")
    if prompt_file is not None or prompt == STDIO:
        prompt = read_prompt(prompt_file or STDIO)
    most = options.max_pixels.value
    return Inputs(
        prompt,
        tuple(read_image(path, most) for path in (image, *others) if path is not None),
        None if mask is None else read_image(mask, most),
        None if markup is None else read_image(markup, most),
    )


def read_image(path: str, max_pixels: int | None) -> InputImage:
    """Read an image from a file, or from standard input for `-`.

    Raises:
        UsageProblem: it can't be read, is not an image, or has too many pixels.
    """
    from imagecli.images import reading

    path = resolved(path)
    if not path:
        raise UsageProblem("the name of an image is empty", hint="Name a file; - reads it from standard input.")
    if path.startswith(("http://", "https://")):
        raise UsageProblem(f"{path} is a URL, not a file", hint="Fetch it first: curl -s URL | imagecli edit - …")
    if path != STDIO:
        return reading.read_input(path, max_pixels)
    try:
        return reading.open_input(_stdin().read(reading.MAX_FILE_BYTES + 1), "image", max_pixels)
    except OSError as error:
        raise UsageProblem(
            f"standard input can't be read: {error.strerror or error}", hint="Pipe an image in."
        ) from error


def input_files(inputs: Inputs) -> list[dict[str, object]]:
    """Return the files of inputs, to be found again: path (None where it was piped in), sha256, and what it is."""
    named = [("image", image) for image in inputs.images]
    named += [(role, image) for role, image in (("mask", inputs.mask), ("markup", inputs.markup)) if image is not None]
    return [{"path": image.path, "sha256": _sha256(image), "as": role} for role, image in named]


def _sha256(image: InputImage) -> str:
    """Return the sha256 of an input's file, in hex: what is broken in that is not in the image's data."""
    if not (image.left_out and image.path):
        return image.sha256
    from imagecli.history import sha256_of

    return sha256_of(image.path)


def resolved(path: str) -> str:
    """Return the path of an input; @1, @2 … are the newest images of the ledger.

    Raises:
        UsageProblem: the ledger has no such image, or its file is gone or has changed.
    """
    if not path.startswith("@"):
        return path
    from imagecli.history import path_of

    return path_of(path)


def read_prompt(path: str) -> str:
    """Read a prompt from a file, or from standard input for `-`; one final line break is dropped.

    Raises:
        UsageProblem: it can't be read, is too large, or is not text.
    """
    try:
        if path == STDIO:
            data = _stdin().read(MOST_PROMPT + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MOST_PROMPT + 1)
    except OSError as error:
        from imagecli.disk import path_hint

        hint = "Name a text file with -f."
        hint = path_hint(path, hint) if isinstance(error, FileNotFoundError) else hint
        raise UsageProblem(f"the prompt can't be read from {path}: {error.strerror or error}", hint=hint) from error
    if len(data) > MOST_PROMPT:
        raise UsageProblem("the prompt is larger than a megabyte", hint="Shorten it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageProblem("the prompt is not valid UTF-8", hint="Save it as UTF-8 text.") from error
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _stdin() -> IO[bytes]:
    if sys.stdin is None:
        raise UsageProblem("standard input is closed", hint="Pipe something in, or name a file.")
    return sys.stdin.buffer
