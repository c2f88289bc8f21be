"""Answers in the wire's words: image lists, models, usage, and what magic prompts make of them."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from imagecli.models import catalog
from imagecli.sandbox.api.store import File
from imagecli.sandbox.api.wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Size
    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.rules import Job
    from imagecli.sandbox.paint.studio import Work

VERBATIM = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS:"
"""The guide's words that keep dall-e-3 from rewriting a prompt."""

WEB_PAGE = File(b"<!doctype html>\n<title>Sandbox</title>\n<p>This is a web page and no answer.\n", "text/html")

_CREATED = 1_700_000_000
"""The catalogue does not say when a model was made."""
_OUTPUT_TOKENS = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6208, "max": 8320}
"""For a square of 1024 pixels, by quality; made up after what gpt-image-1 was billed with."""
_PARTIAL_TOKENS = 100
_SQUARE_PIXELS = 1024 * 1024


def models() -> dict[str, Any]:
    """Return the list of models."""
    return {"object": "list", "data": [model(name) for name in catalog.names()]}


def model(name: str) -> dict[str, Any]:
    """Return one model.

    Raises:
        Refusal: there is none of this name.
    """
    row = catalog.find(name)
    if not row.known:
        raise Refusal(f"The model '{name}' does not exist", status=404, param="model", code="model_not_found")
    end = row.shutdown.isoformat() if row.shutdown else None
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "sandbox", "shutdown_date": end}


def images(  # noqa: PLR0913 - all that an answer tells
    job: Job, inputs: Inputs | None, work: Work, *, spell: str | None, created: int, link: Callable[[File], str]
) -> str:
    """Return the document that answers a job; `link` keeps a file and returns its address."""
    document: dict[str, Any] = {"created": created}
    if job.gpt:
        document |= told(job, work.size, transparent=work.transparent) | identified(job)
    document["data"] = [item(job, file, spell, link) for file in work.files[: shown(job.n, spell)]]
    if job.gpt:
        bill = usage(job, inputs, work.size, len(work.files))
        document["usage"] = bill | {"output_tokens_details": {"image_tokens": bill["output_tokens"], "text_tokens": 0}}
        if job.output_format == "svg":
            document["svg_usage"] = _svg_usage(job)
    text = json.dumps(document)
    return text[: len(text) // 2] if spell == "truncated-json" else text


def told(job: Job, size: Size, *, transparent: bool) -> dict[str, Any]:
    """Return what an answer, or an event of one, tells of a GPT Image model's picture."""
    return {
        "background": "transparent" if transparent else "opaque",
        "output_format": job.output_format,
        "quality": _quality(job),
        "size": f"{size[0]}x{size[1]}",
    }


def identified(job: Job) -> dict[str, Any]:
    """Return the end user's identifier as an answer and the event of a finished picture repeat it."""
    return {} if job.safety_identifier is None else {"safety_identifier": job.safety_identifier}


def item(job: Job, file: File, spell: str | None, link: Callable[[File], str]) -> dict[str, Any]:
    """Return one picture as the wire has it."""
    if spell == "bad-base64":
        made: dict[str, Any] = {"b64_json": "this is *not* base64"}
    elif spell == "dead-url":
        made = {"url": f"{link(WEB_PAGE)}.gone"}
    else:
        file = WEB_PAGE if spell == "not-an-image" else file
        made = {"url": link(file)} if job.urls else {"b64_json": b64encode(file.data).decode()}
    if job.model.name == "dall-e-3" or spell == "revised":
        made["revised_prompt"] = revised(job.prompt)
    return made


def revised(prompt: str) -> str:
    """Return a prompt as dall-e-3 would rewrite it: as it is after the guide's words, longer otherwise."""
    if prompt.startswith(VERBATIM):
        return prompt.removeprefix(VERBATIM).strip()
    return f"A landscape of layered hills under a wide sky, in soft light and calm colours: {prompt.strip()}"


def shown(count: int, spell: str | None) -> int:
    """Return how many of an answer's pictures are in it."""
    return 0 if spell == "empty" else count - 1 if spell == "fewer" else count


def _quality(job: Job) -> str:
    return "medium" if job.quality == "auto" else job.quality


def usage(job: Job, inputs: Inputs | None, size: Size, count: int, partials: int = 0) -> dict[str, Any]:
    """Return the bill for `count` pictures of a size, and the partial ones before them."""
    text = math.ceil(len(job.prompt) / 4)
    pictures = inputs.pictures if inputs else ()
    seen = sum(min(4160, 65 + math.ceil(picture.width * picture.height / 1024)) for picture in pictures)
    share = size[0] * size[1] / _SQUARE_PIXELS
    painted = math.ceil(_OUTPUT_TOKENS[_quality(job)] * share) * count + _PARTIAL_TOKENS * partials
    return {
        "total_tokens": text + seen + painted,
        "input_tokens": text + seen,
        "output_tokens": painted,
        "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
    }


def _svg_usage(job: Job) -> dict[str, Any]:
    """Return what the author of an SVG took, which comes apart from the picture that it worked after."""
    read, thought, written = math.ceil(len(job.prompt) / 4) + 1000, 500, 2500
    return {
        "model": job.svg_author,
        "input_tokens": read,
        "output_tokens": written,
        "reasoning_tokens": thought,
        "total_tokens": read + written,
    }
