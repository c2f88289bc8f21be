"""Answers in the wire's words: image lists, models, usage, and what magic prompts make of them."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from imagecli import catalog
from imagecli.sandbox.store import File
from imagecli.sandbox.wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imagecli.sandbox.inputs import Inputs
    from imagecli.sandbox.rules import Job
    from imagecli.sandbox.studio import Work

VERBATIM = "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS:"
"""The guide's words that keep dall-e-3 from rewriting a prompt."""

WEB_PAGE = File(b"<!doctype html>\n<title>Sandbox</title>\n<p>This is a web page and no answer.\n", "text/html")

_CREATED = 1_700_000_000
"""The catalogue does not say when a model was made."""
_OUTPUT_TOKENS = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6208, "max": 8320}
"""For a square of 1024 pixels, by quality; made up after what gpt-image-1 was billed with."""
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
    files = _spoiled(work.files, spell)
    items: list[dict[str, Any]] = [
        {"url": link(file)} if job.urls else {"b64_json": b64encode(file.data).decode()} for file in files
    ]
    for item in items:
        if spell == "bad-base64":
            item.clear()
            item["b64_json"] = "this is *not* base64"
        if spell == "dead-url":
            item.clear()
            item["url"] = f"{link(WEB_PAGE)}.gone"
        if job.model.name == "dall-e-3" or spell == "revised":
            item["revised_prompt"] = revised(job.prompt)
    document: dict[str, Any] = {"created": created}
    if job.gpt:
        document |= {
            "background": "transparent" if work.transparent else "opaque",
            "output_format": job.output_format,
            "quality": _quality(job),
            "size": f"{work.size[0]}x{work.size[1]}",
        }
    document["data"] = items
    if job.gpt:
        document["usage"] = _usage(job, inputs, work)
    text = json.dumps(document)
    return text[: len(text) // 2] if spell == "truncated-json" else text


def revised(prompt: str) -> str:
    """Return a prompt as dall-e-3 would rewrite it: as it is after the guide's words, longer otherwise."""
    if prompt.startswith(VERBATIM):
        return prompt.removeprefix(VERBATIM).strip()
    return f"A landscape of layered hills under a wide sky, in soft light and calm colours: {prompt.strip()}"


def _spoiled(files: Sequence[File], spell: str | None) -> Sequence[File]:
    if spell == "empty":
        return ()
    if spell == "fewer":
        return files[:-1]
    return [WEB_PAGE] * len(files) if spell == "not-an-image" else files


def _quality(job: Job) -> str:
    return "medium" if job.quality == "auto" else job.quality


def _usage(job: Job, inputs: Inputs | None, work: Work) -> dict[str, Any]:
    text = math.ceil(len(job.prompt) / 4)
    pictures = inputs.pictures if inputs else ()
    seen = sum(min(4160, 65 + math.ceil(picture.width * picture.height / 1024)) for picture in pictures)
    share = work.size[0] * work.size[1] / _SQUARE_PIXELS
    painted = math.ceil(_OUTPUT_TOKENS[_quality(job)] * share) * len(work.files)
    return {
        "total_tokens": text + seen + painted,
        "input_tokens": text + seen,
        "output_tokens": painted,
        "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
        "output_tokens_details": {"image_tokens": painted, "text_tokens": 0},
    }
