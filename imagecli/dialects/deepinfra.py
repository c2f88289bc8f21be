"""DeepInfra's OpenAI-compatible images endpoints: OpenAI's forms, with every image in a field `image`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagecli.dialects.openai import OpenAI

if TYPE_CHECKING:
    from imagecli.dialects.request import FilePart
    from imagecli.images.types import Uploads


class DeepInfra(OpenAI):
    """https://api.deepinfra.com/v1/openai."""

    name = "deepinfra"
    title = "DeepInfra"
    batches = None
    formats_by_name = False
    """Its documentation has no output_format; it makes JPEG."""
    most_per_request = 1
    """`@ai-sdk/deepinfra` 2.0.84: maxImagesPerCall."""

    def file_parts(self, uploads: Uploads) -> tuple[FilePart, ...]:
        """Return the files; several images repeat `image`, without brackets (`@ai-sdk/deepinfra`)."""
        return tuple(
            part._replace(field="image") if part.field == "image[]" else part for part in super().file_parts(uploads)
        )
