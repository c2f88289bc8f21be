"""LocalAI, at 82c191a (2026-08-22, v4.9.0 and two days).

Sources are files of mudler/LocalAI: I = core/http/endpoints/openai/image.go, P = inpainting.go beside it,
R = core/http/routes/openai.go, B = backend/go/stablediffusion-ggml and backend/python/diffusers/backend.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import EDITS, GENERATIONS, OpenAI
from imagecli.dialects.request import BASE64, FilePart
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import ImageRequest
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules, Size
    from imagecli.task import Task

_OWN_SIZE = (512, 512)


class LocalAI(OpenAI):
    """LocalAI: edits are generations with pictures in the JSON, and with a mask a route of its own."""

    name = "localai"
    title = "LocalAI"
    # I and P read none of them.
    ignores = frozenset(
        {
            *("compression", "background", "moderation", "style", "input_fidelity", "partials"),
            *("frames", "frame_ms", "complexity", "safety_identifier"),
        }
    )
    # By itself I answers with a URL made from the request's Host header, which leads nowhere behind many a proxy.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask = MaskConvention(open=(255,), closed=(0,))  # P: white is what is painted anew
    # B: diffusers gets the picture alone; stablediffusion-ggml can't read what P hands it, and fails.
    mask_warning = "LocalAI's own backends (v4.9) do not use a mask: look at the result, or add --keep"
    has_markup = False  # I, P
    has_variations = False  # R

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """A size with an x that is no WIDTHxHEIGHT is an error (I: 500); the rest is taken, or not read."""
        if name == "size" and parse_size(str(value)) is None:
            return "fails" if "x" in str(value) else "unlisted", f"LocalAI takes a size as WIDTHxHEIGHT, not {value}"
        if name == "format" and value != "png":
            return "unlisted", f"LocalAI makes png, not {value}"
        if name == "quality" and not str(value).isdecimal():  # core/http/middleware/request.go
            return "unlisted", f"LocalAI takes a number of steps as quality, not {value}"
        return super().judge(command, name, value)

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules with a lower limit: a request may have 15 MB (core/cli/run.go), and a picture goes twice."""
        return replace(rules, max_bytes=min(rules.max_bytes, 5_000_000))

    def canvas(self, task: Task) -> Size | None:
        """Return the size of the result, which B stretches every input to: what is asked for, or LocalAI's own."""
        return task.size if task.size and not task.masked else _OWN_SIZE  # P has no size

    def most(self, task: Task) -> int | None:
        """Return 1 for inpainting, which has no n (P)."""
        return 1 if task.masked else None

    def build(self, task: Task, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request.

        Raises:
            UsageProblem: there is a mask, and no model or several pictures with it (P: 400, or the first alone).
        """
        if task.masked and task.model.name is None:
            raise UsageProblem("LocalAI edits with a mask only by a named model", hint="Name one with -m.")
        if task.masked and len(uploads.images) > 1:
            raise UsageProblem("LocalAI takes one picture with a mask, not several", hint="Leave out -i, or the mask.")
        return super().build(task, route, count, uploads)

    def path(self, route: str, task: Task) -> str:
        """Return where an edit goes (R): there is no images/edits."""
        if route != EDITS:
            return route
        return "images/inpainting" if task.masked else GENERATIONS

    def in_json(self, uploads: Uploads) -> bool:
        """Tell that all but inpainting is JSON."""
        return uploads.mask is None

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files: without a mask as plain base64, for a data URL would be left out in silence (I).

        The first goes twice: `file` is what a model paints over, `ref_images` what one that edits looks at. Which of
        them is read depends on model and backend (B), and what is not read is lost in silence.
        """
        if uploads.mask is not None or not uploads.images:
            return super().file_parts(uploads)
        first = FilePart("file", uploads.images[0], BASE64)
        return first, *(FilePart("ref_images", upload, BASE64, listed=True) for upload in uploads.images)
