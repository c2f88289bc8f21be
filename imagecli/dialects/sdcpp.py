"""stable-diffusion.cpp's sd-server, at 97d2990 (2026-08-19).

Sources are files of leejet/stable-diffusion.cpp: S = examples/server/routes_openai.cpp, A = examples/server/api.md,
M = examples/common/media_io.cpp, C = examples/common/common.cpp.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from imagecli.dialects.openai import OpenAI
from imagecli.errors import UsageProblem
from imagecli.images.types import MaskConvention, Uploads, parse_size

if TYPE_CHECKING:
    from imagecli.dialects.request import Fields, ImageRequest
    from imagecli.flags import Command, Verdict
    from imagecli.images.types import InputRules, Size
    from imagecli.task import Task


class SdCpp(OpenAI):
    """sd-server: one model, which its command line has chosen; no key, no stream."""

    name = "sdcpp"
    title = "sd-server"
    # S reads prompt, n, size, output_format and output_compression, and nothing else.
    ignores = frozenset(
        {
            *("quality", "background", "moderation", "style", "input_fidelity", "partials"),
            *("frames", "frame_ms", "complexity", "safety_identifier"),
        }
    )
    # M reads one channel and no alpha; src/stable-diffusion.cpp makes anew where that is white.
    mask = MaskConvention(open=(255,), closed=(0,))
    has_markup = False  # S
    has_variations = False  # S
    most_per_request = 8  # C clamps n in silence

    def judge(self, command: Command, name: str, value: object) -> tuple[Verdict, str]:
        """Formats are checked (S: 400), a size without an x and a response_format are not read."""
        # routes_openai.cpp calls assign_output_options (runtime.cpp) with allow_webp for generations alone.
        formats = ("png", "jpeg", "webp") if command == "gen" else ("png", "jpeg")
        if name == "format" and value not in formats:
            what = "makes" if command == "gen" else "edits to"
            return "fails", f"{self.title} {what} {', '.join(formats)}, not {value}"
        if name == "size" and parse_size(str(value)) is None:
            return "unlisted", f"{self.title} takes a size as WIDTHxHEIGHT, not {value}"
        if name == "response_format" and value != "b64_json":
            return "unlisted", f"{self.title} answers with b64_json, not {value}"
        return super().judge(command, name, value)

    def inputs(self, rules: InputRules) -> InputRules:
        """Return the rules without WebP, which M reads only where it was built in; what it can't read is left out."""
        return replace(rules, formats=tuple(kind for kind in rules.formats if kind != "webp"))

    def canvas(self, task: Task) -> Size | None:
        """Return the size that is asked for: M cuts the middle out of an input of another shape."""
        return task.size

    def build(self, task: Task, route: str, count: int, uploads: Uploads) -> ImageRequest:
        """Return the request; --param goes into the prompt, in the tag that the server's own fields come in (A).

        Raises:
            UsageProblem: the prompt has such a tag already; of two the server reads the first (S).
        """
        request = super().build(replace(task, params={}), route, count, uploads)
        if not task.params:
            return request
        if "<sd_cpp_extra_args>" in request.fields["prompt"]:
            raise UsageProblem(
                "--param and <sd_cpp_extra_args> in the prompt can't go together", hint="Leave one of them out."
            )
        # ASCII in one line: the server finds the tag by an expression that ends at a line's end.
        own = f"<sd_cpp_extra_args>{json.dumps(task.params)}</sd_cpp_extra_args>"
        fields: Fields = request.fields | {"prompt": f"{request.fields['prompt']} {own}"}
        return replace(request, fields=fields)
