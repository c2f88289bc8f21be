"""Gateways whose image endpoint answers with a task, which is asked for until its images are there.

All have one route, OpenAI's for generations, which takes inputs as URLs too; they differ in the field for those.

Sources: docs.apimart.ai (images, tasks/status), docs.evolink.ai (image series, task management: get task detail), both
as of 2026-11; ModelScope's API inference as several public clients use it (X-ModelScope-Async-Mode, tasks/ID,
`task_status` and `output_images`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from imagecli.dialects.openai import OpenAI
from imagecli.dialects.request import DATA_URL, GENERATIONS, FilePart
from imagecli.dialects.rules import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagecli.dialects.request import Draft
    from imagecli.dialects.rules import Reads
    from imagecli.images.types import Uploads


class TaskGateway(OpenAI):
    """What these gateways share: a task's route below the base URL, with the key that the request had."""

    tasks_path = "tasks/{id}"
    inputs_field: ClassVar[str] = "image_urls"
    """The field that lists the inputs."""
    mask = None  # only some models, and as a public URL
    has_markup = False
    has_variations = False
    batches = None
    edits_as_json = True
    formats_by_name = False
    most_per_request = 1  # more are refused by most models; each is a task of its own

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the inputs as a list of data: URLs."""
        return tuple(FilePart(self.inputs_field, upload, DATA_URL, listed=True) for upload in uploads.images)

    def path(self, route: str, draft: Draft) -> str:  # noqa: ARG002 - it is the same for all
        """Return the only path."""
        return GENERATIONS


class APIMart(TaskGateway):
    """https://api.apimart.ai/v1.

    A request: {"code": 200, "data": [{"status": "submitted", "task_id": ID}]}. A task: `data.status` pending,
    processing, completed, failed or cancelled, and the addresses below `data.result.images[].url`.
    """

    name = "apimart"
    title = "APIMart"
    reads: ClassVar[Reads] = dict.fromkeys(
        ("size", "quality", "format", "compression", "background", "moderation"),
        ANY,  # gpt-image-2-official has them all
    )


class EvoLink(TaskGateway):
    """https://api.evolink.ai/v1.

    A request and a task: {"id", "object": "image.generation.task", "status": pending, processing, completed or failed},
    with the addresses in `results`.
    """

    name = "evolink"
    title = "EvoLink"
    reads: ClassVar[Reads] = {"size": ANY, "quality": ANY}


class ModelScope(TaskGateway):
    """https://api-inference.modelscope.cn/v1.

    A request: {"task_id": ID}. A task: `task_status` PENDING, RUNNING, PROCESSING, SUCCEED or FAILED, and the
    addresses in `output_images`.
    """

    name = "modelscope"
    title = "ModelScope"
    reads: ClassVar[Reads] = {"size": ANY, "seed": ANY, "negative": ANY}
    inputs_field = "image_url"
    headers: ClassVar[Mapping[str, str]] = {
        "X-ModelScope-Async-Mode": "true",
        "X-ModelScope-Task-Type": "image_generation",
    }
