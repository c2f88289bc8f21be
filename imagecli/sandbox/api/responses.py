"""The JSON documents of responses, and what magic prompts change in them."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from imagecli.models import catalog
from imagecli.sandbox.api.refusals import Refusal
from imagecli.sandbox.api.store import ResponseFile
from imagecli.sandbox.api.tokens import actual_quality, count_svg_tokens, count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from imagecli.images.types import Size
    from imagecli.sandbox.api.inputs import Inputs
    from imagecli.sandbox.api.job import ImageJob
    from imagecli.sandbox.api.rendering import Rendering

VERBATIM_PREFIX = (
    "I NEED to test how the tool works with extremely simple prompts. DO NOT add any detail, just use it AS-IS:"
)
"""The words of OpenAI's guide that keep dall-e-3 from revising a prompt."""

WEB_PAGE = ResponseFile(b"<!doctype html>\n<title>Sandbox</title>\n<p>This is a web page and no answer.\n", "text/html")

_CREATED = 1_700_000_000
"""The catalogue does not have the time when a model was created."""


def list_models() -> dict[str, Any]:
    """Return the list of models."""
    return {"object": "list", "data": [describe_model(name) for name in catalog.names()]}


def describe_model(name: str) -> dict[str, Any]:
    """Return one model.

    Raises:
        Refusal: the name is unknown.
    """
    row = catalog.find(name)
    if not row.known:
        raise Refusal(f"The model '{name}' does not exist", status=404, param="model", code="model_not_found")
    end = row.shutdowns.get("openai")
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "sandbox",
        "shutdown_date": None if end is None else end.isoformat(),
    }


def write_images(  # noqa: PLR0913 - all that a response depends on
    job: ImageJob,
    inputs: Inputs | None,
    rendering: Rendering,
    *,
    magic: str | None,
    created: int,
    publish: Callable[[ResponseFile], str],
) -> str:
    """Return the document with a job's images; `publish` stores a file and returns its URL."""
    document: dict[str, Any] = {"created": created}
    if job.gpt:
        document |= describe_image(job, rendering.size, transparent=rendering.transparent) | echo_user(job)
    shown = rendering.files[: count_shown(job.n, magic)]
    document["data"] = [make_item(job, file, magic, publish) for file in shown]
    if job.gpt:
        usage = count_tokens(job, inputs, rendering.size, len(rendering.files))
        details = {"image_tokens": usage["output_tokens"], "text_tokens": 0}
        document["usage"] = usage | {"output_tokens_details": details}
        if job.output_format == "svg":
            document["svg_usage"] = count_svg_tokens(job)
    text = json.dumps(document)
    return text[: len(text) // 2] if magic == "truncated-json" else text


def describe_image(job: ImageJob, size: Size, *, transparent: bool) -> dict[str, Any]:
    """Return the fields in which a GPT Image model's response or event describes its images."""
    return {
        "background": "transparent" if transparent else "opaque",
        "output_format": job.output_format,
        "quality": actual_quality(job),
        "size": f"{size[0]}x{size[1]}",
    }


def echo_user(job: ImageJob) -> dict[str, Any]:
    """Return the end user's identifier as a response, or the event of a finished image, repeats it."""
    return {} if job.safety_identifier is None else {"safety_identifier": job.safety_identifier}


def make_item(
    job: ImageJob, file: ResponseFile, magic: str | None, publish: Callable[[ResponseFile], str]
) -> dict[str, Any]:
    """Return one image as base64 or as a URL, with its revised prompt."""
    if magic == "bad-base64":
        item: dict[str, Any] = {"b64_json": "this is *not* base64"}
    elif magic == "dead-url":
        item = {"url": f"{publish(WEB_PAGE)}.gone"}
    else:
        file = WEB_PAGE if magic == "not-an-image" else file
        item = {"url": publish(file)} if job.urls else {"b64_json": b64encode(file.data).decode()}
    if job.model.name == "dall-e-3" or magic == "revised":
        item["revised_prompt"] = _revise(job.prompt)
    return item


def count_shown(count: int, magic: str | None) -> int:
    """Return how many of a job's images its response contains."""
    return 0 if magic == "empty" else count - 1 if magic == "fewer" else count


def _revise(prompt: str) -> str:
    """Return a prompt as dall-e-3 would revise it: unchanged after the guide's words, longer otherwise."""
    if prompt.startswith(VERBATIM_PREFIX):
        return prompt.removeprefix(VERBATIM_PREFIX).strip()
    return f"A landscape of layered hills under a wide sky, in soft light and calm colours: {prompt.strip()}"
