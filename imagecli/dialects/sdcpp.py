"""stable-diffusion.cpp's sd-server, at 97d2990 (2026-08-19).

Sources are files of leejet/stable-diffusion.cpp: S = examples/server/routes_openai.cpp, A = examples/server/api.md,
M = examples/common/media_io.cpp, C = examples/common/common.cpp.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.rules import ANY, NOT_PIXELS, ONLY_BASE64, Rule, any_of, is_pixels, makes
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.dialects.request import Draft, Fields, ImageRequest
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import InputRules, Size

_TAG = "<sd_cpp_extra_args>"
_IN_PROMPT = ("seed", "negative")
"""Flags that the server reads only in the prompt's tag."""


class SdCpp(OpenAI):
    """sd-server: one model, chosen on its command line; no key, no stream."""

    name = "sdcpp"
    title = "sd-server"
    batches = None
    # S reads prompt, n, size, output_format and output_compression, and no other field. It checks the format (400) in
    # assign_output_options (runtime.cpp), which it calls with allow_webp for generations only.
    reads: ClassVar[Reads] = {
        "size": Rule(is_pixels, "unlisted", NOT_PIXELS),
        "format": (
            makes("png", "jpeg", "webp", otherwise="fails"),
            Rule(any_of("png", "jpeg"), "fails", "{title} returns edits as png or jpeg, not {value}", ("edit", "vary")),
        ),
        "compression": ANY,
        "response_format": Rule(any_of("b64_json"), "unlisted", ONLY_BASE64),
        "seed": ANY,
        "negative": ANY,
    }
    # M reads one channel and no alpha; src/stable-diffusion.cpp repaints where it is white.
    mask = MaskConvention(open=(255,), closed=(0,))
    has_markup = False  # S
    has_variations = False  # S
    never_streams = True  # S
    most_per_request = 8  # C silently clamps n

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules without WebP, which M reads only if it was built in, and otherwise drops."""
        return rules._replace(formats=tuple(kind for kind in rules.formats if kind != "webp"))

    def canvas(self, draft: Draft) -> Size | None:
        """Return the requested size: M crops an input of another shape to its centre."""
        return draft.size

    def resolve_conflicts(self, draft: Draft, warn: Callable[[str], None]) -> Draft:
        """Return the draft without flags that go in the prompt's tag, if the prompt has one: S reads only the first."""
        for flag in _IN_PROMPT if _TAG in (draft.prompt or "") else ():
            if flag in draft.fields:
                draft = draft.without(flag, f"--{flag} can't be used with {_TAG} in the prompt", warn)
        return draft

    def build(self, draft: Draft, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request, with the server's own fields and --param in the prompt, in the tag for them (A).

        Raises:
            UsageProblem: the prompt has such a tag already; the server reads only the first (S).
        """
        rest, own = draft.split_off(*_IN_PROMPT)
        request = super().build(rest._replace(params={}), route, count, uploads)
        own |= draft.params
        if not own:
            return request
        if _TAG in request.fields["prompt"]:
            raise UsageProblem(f"--param can't be used with {_TAG} in the prompt", hint="Leave one of them out.")
        # ASCII in one line: the server finds the tag with a regular expression that stops at the end of a line.
        tag = f"{_TAG}{json.dumps(own)}</sd_cpp_extra_args>"
        fields: Fields = request.fields | {"prompt": f"{request.fields['prompt']} {tag}"}
        return request._replace(fields=fields)
