"""LocalAI, at 82c191a (2026-08-22, v4.9.0 and two days).

Sources are files of mudler/LocalAI: I = core/http/endpoints/openai/image.go, P = inpainting.go beside it,
R = core/http/routes/openai.go, B = backend/go/stablediffusion-ggml and backend/python/diffusers/backend.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import BASE64, EDITS, GENERATIONS, FilePart
from imagecli.dialects.rules import ANY, NOT_PIXELS, Rule, is_pixels, makes
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imagecli.dialects.request import Draft, ImageRequest
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import InputRules, Size

_DEFAULT_SIZE = (512, 512)
_NOT_INPAINTED = ("seed", "negative")
"""Flags that P does not read."""


def _has_no_x_or_is_pixels(size: str) -> bool:
    return "x" not in size or is_pixels(size)


class LocalAI(OpenAI):
    """LocalAI: edits are generations with images in the JSON document; those with a mask have their own route."""

    name = "localai"
    title = "LocalAI"
    batches = None
    # I and P read no other field. A size with an x that is not WIDTHxHEIGHT is an error (I: 500); without one, it is
    # not read. core/http/middleware/request.go reads quality as a number of steps.
    reads: ClassVar[Reads] = {
        "size": (Rule(_has_no_x_or_is_pixels, "fails", NOT_PIXELS), Rule(is_pixels, "unlisted", NOT_PIXELS)),
        "quality": Rule(str.isdecimal, "unlisted", "{title} takes a number of steps as quality, not {value}"),
        "format": makes("png", otherwise="unlisted"),
        "response_format": ANY,
        "seed": ANY,
        "negative": ANY,  # I: what follows a vertical bar in the prompt
    }
    # By default I responds with a URL made from the request's Host header, which behind many proxies leads nowhere.
    always: ClassVar[Mapping[str, Any]] = {"response_format": "b64_json"}
    mask = MaskConvention(open=(255,), closed=(0,))  # P: white is what is repainted
    # B: diffusers gets the image alone; stablediffusion-ggml can't read what P passes to it, and fails.
    mask_warning = "LocalAI's own backends (v4.9) do not use a mask: look at the result, or add --keep"
    has_markup = False  # I, P
    has_variations = False  # R
    never_streams = True  # I, P

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules with a lower limit: a request has at most 15 MB (core/cli/run.go), and an image twice."""
        return rules._replace(max_bytes=min(rules.max_bytes, 5_000_000))

    def canvas(self, draft: Draft) -> Size | None:
        """Return the size of the result, to which B stretches every input: the requested one, or the default."""
        return draft.size if draft.size and not draft.masked else _DEFAULT_SIZE  # P has no size

    def most(self, draft: Draft) -> int | None:
        """Return 1 for inpainting, which has no n (P), and with a seed, which all images of a request share (I)."""
        return 1 if draft.masked or "seed" in draft.fields else None

    def resolve_conflicts(self, draft: Draft, warn: Callable[[str], None]) -> Draft:
        """Return the draft without what inpainting does not read, and a negative prompt that would be cut elsewhere."""
        for flag in _NOT_INPAINTED if draft.masked else ():
            if flag in draft.fields:
                draft = draft.without(flag, f"LocalAI does not read --{flag} with a mask", warn)
        if "negative" in draft.fields and "|" in f"{draft.prompt}{draft.fields['negative']}":
            reason = "a vertical bar can't be used with --negative: LocalAI separates the two prompts by it"
            draft = draft.without("negative", reason, warn)
        return draft

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request, with the negative prompt behind a vertical bar.

        Raises:
            UsageProblem: with a mask, no model is named (P: 400) or there are several images (P reads the first).
        """
        if draft.masked and draft.model is None:
            raise UsageProblem("LocalAI needs a named model to edit with a mask", hint="Name one with -m.")
        if draft.masked and len(uploads.images) > 1:
            raise UsageProblem("LocalAI takes one image with a mask, not several", hint="Leave out -i or the mask.")
        draft, negative = draft.split_off("negative")
        request = super().build(draft, route, count, uploads)
        prompt = "|".join([request.fields["prompt"], *negative.values()])
        return request._replace(fields=request.fields | {"prompt": prompt})

    def path(self, route: str, draft: Draft) -> str:
        """Return the path; for edits it is another one (R), because images/edits does not exist."""
        if route != EDITS:
            return route
        return "images/inpainting" if draft.masked else GENERATIONS

    def in_json(self, uploads: Uploads) -> bool:
        """Return whether it is anything but inpainting, the only route that takes a form."""
        return uploads.mask is None

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files: without a mask as plain base64, because a data URL would be silently dropped (I).

        The first is sent twice: as `file`, which a model paints over, and in `ref_images`, which a model that edits
        looks at. Which of them is read depends on the model and the backend (B); the other is ignored.
        """
        if uploads.mask is not None or not uploads.images:
            return super().file_parts(uploads)
        first = FilePart("file", uploads.images[0], BASE64)
        return first, *(FilePart("ref_images", upload, BASE64, listed=True) for upload in uploads.images)
